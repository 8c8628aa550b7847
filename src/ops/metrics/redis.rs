//! The names of redis_exporter, which its dashboards and alerts ask for.
//!
//! Source of the names: https://github.com/oliver006/redis_exporter. What this server does not have is left out, but for
//! what those dashboards ask for.

use std::sync::atomic::Ordering::Relaxed;

use prometheus::proto::MetricType::{self, COUNTER, GAUGE};

use super::families::{Families, Single};
use crate::base::metrics::Counter;
use crate::base::process;
use crate::figures::calls::CallFigures;
use crate::ops::seen::Seen;
use crate::table::REDIS_VERSION;

const fn single(
    name: &'static str,
    kind: MetricType,
    help: &'static str,
    read: fn(&Seen<'_>) -> f64,
) -> Single {
    Single { name, kind, help, read }
}

/// Counters under the exporter's names.
const COUNTERS: &[(&str, Counter)] = &[
    ("redis_commands_processed_total", Counter::Commands),
    ("redis_connections_received_total", Counter::ConnectionsReceived),
    ("redis_rejected_connections_total", Counter::ConnectionsRejected),
    ("redis_net_input_bytes_total", Counter::InputBytes),
    ("redis_net_output_bytes_total", Counter::OutputBytes),
    ("redis_keyspace_hits_total", Counter::KeyspaceHits),
    ("redis_keyspace_misses_total", Counter::KeyspaceMisses),
    ("redis_expired_keys_total", Counter::ExpiredKeys),
    ("redis_evicted_keys_total", Counter::EvictedKeys),
    ("redis_expired_time_cap_reached_total", Counter::ExpiryCapReached),
];

/// Figures of one value.
static SINGLES: &[Single] = &[
    single("redis_up", GAUGE, "Whether the server answers; it does where this is read.", |_| 1.0),
    single("redis_uptime_in_seconds", GAUGE, "Seconds since the start.", uptime_s),
    single("redis_start_time_seconds", GAUGE, "When it was started, Unix time.", started_s),
    single("redis_process_id", GAUGE, "Its process.", |_| f64::from(std::process::id())),
    single("redis_connected_clients", GAUGE, "Clients that are connected.", |seen| seen.clients.len() as f64),
    single("redis_blocked_clients", GAUGE, "Clients of which a request waits.", |seen| {
        seen.clients.iter().filter(|client| client.is_blocked()).count() as f64
    }),
    single("redis_tracking_clients", GAUGE, "Clients that keep a cache of their own.", |seen| {
        seen.shared.tracking.trackers() as f64
    }),
    single("redis_config_maxclients", GAUGE, "Setting maxclients.", |seen| {
        f64::from(seen.settings.maxclients)
    }),
    single("redis_config_maxmemory", GAUGE, "Setting maxmemory, bytes; 0 for none.", |seen| {
        seen.settings.maxmemory_bytes as f64
    }),
    single("redis_memory_max_bytes", GAUGE, "Setting maxmemory, bytes; 0 for none.", |seen| {
        seen.settings.maxmemory_bytes as f64
    }),
    single("redis_memory_used_bytes", GAUGE, "What the allocator gave.", |seen| seen.memory.allocated as f64),
    single("redis_memory_used_peak_bytes", GAUGE, "The most that it ever gave.", |seen| {
        seen.peak_bytes as f64
    }),
    single("redis_memory_used_rss_bytes", GAUGE, "What lies in memory.", |seen| seen.resident_bytes as f64),
    single("redis_memory_used_startup_bytes", GAUGE, "What it took at the start.", |seen| {
        seen.shared.figures.startup_memory_bytes as f64
    }),
    single("redis_mem_clients_normal", GAUGE, "What clients hold, bytes.", |seen| {
        seen.shared.client_bytes() as f64
    }),
    single(
        "redis_mem_fragmentation_ratio",
        GAUGE,
        "What lies in memory, for each byte that was given.",
        |seen| seen.resident_bytes as f64 / (seen.memory.allocated.max(1) as f64),
    ),
    single(
        "redis_lazyfree_pending_objects",
        GAUGE,
        "Keys that were removed and are not freed yet.",
        |seen| seen.shared.keyspace.entries_to_free() as f64,
    ),
    single("redis_cpu_sys_seconds_total", COUNTER, "Processor time in the system.", |seen| seen.cpu.system_s),
    single("redis_cpu_user_seconds_total", COUNTER, "Processor time in the program.", |seen| seen.cpu.user_s),
    single("redis_pubsub_channels", GAUGE, "Channels with subscribers.", |seen| {
        seen.shared.pubsub.channels.len() as f64
    }),
    single("redis_pubsub_patterns", GAUGE, "Patterns with subscribers.", |seen| {
        seen.shared.pubsub.pattern_count() as f64
    }),
    single("redis_slowlog_length", GAUGE, "Entries of the slow log.", |seen| {
        seen.shared.figures.slowlog.len() as f64
    }),
    single("redis_slowlog_last_id", GAUGE, "Number of its newest entry.", |seen| {
        seen.shared.figures.slowlog.newest(1).first().map_or(0.0, |entry| entry.id as f64)
    }),
    single("redis_last_slow_execution_duration_seconds", GAUGE, "How long its newest entry took.", |seen| {
        seen.shared.figures.slowlog.newest(1).first().map_or(0.0, |entry| entry.us as f64 / 1e6)
    }),
    single("redis_rdb_changes_since_last_save", GAUGE, "Writes that are in no snapshot.", |seen| {
        seen.counted(Counter::Changes) as f64
    }),
    single("redis_connected_slaves", GAUGE, "Replicas that are connected.", |_| 0.0),
    single("redis_cluster_enabled", GAUGE, "Whether it is one node of several.", |_| 0.0),
    single("redis_loading_dump_file", GAUGE, "Whether it is loading.", |_| 0.0),
];

fn started_s(seen: &Seen<'_>) -> f64 {
    seen.shared.figures.identity.started_ms as f64 / 1000.0
}

fn uptime_s(seen: &Seen<'_>) -> f64 {
    ((seen.now.wall_ms as f64 / 1000.0) - started_s(seen)).max(0.0).floor()
}

/// Adds them all.
pub fn add(seen: &Seen<'_>, families: &mut Families) {
    families.add_singles(SINGLES, seen);
    for (name, counter) in COUNTERS {
        let value = seen.counted(*counter) as f64;
        families.add(name, COUNTER, counter.metric().help, [(&[][..], value)]);
    }
    add_identity(seen, families);
    add_dbs(seen, families);
    add_commands(seen, families);
}

fn add_identity(seen: &Seen<'_>, families: &mut Families) {
    let identity = &seen.shared.figures.identity;
    let (port, process) = (identity.tcp_port.load(Relaxed).to_string(), std::process::id().to_string());
    let system = process::system();
    let labels = [
        ("role", "master"),
        ("redis_version", REDIS_VERSION),
        ("redis_build_id", ""),
        ("redis_mode", "standalone"),
        ("os", &*system),
        ("maxmemory_policy", seen.settings.maxmemory_policy.word()),
        ("tcp_port", &*port),
        ("run_id", &*identity.run_id),
        ("process_id", &*process),
        ("master_replid", &*identity.run_id),
    ];
    families.add("redis_instance_info", GAUGE, "Which server this is.", [(labels, 1.0)]);
}

fn add_dbs(seen: &Seen<'_>, families: &mut Families) {
    let names: Vec<String> = (0..seen.dbs.len()).map(|number| format!("db{number}")).collect();
    let mut add = |name, help, read: fn(&crate::keyspace::DbSeen) -> f64| {
        let samples = seen.used_dbs().map(|(number, db)| ([("db", &*names[number])], read(db)));
        families.add(name, GAUGE, help, samples);
    };
    add("redis_db_keys", "Keys of a database.", |db| db.keys as f64);
    add("redis_db_keys_expiring", "Those of them that expire.", |db| db.expiring as f64);
    add("redis_db_avg_ttl_seconds", "The mean of some of their times to live.", |db| {
        db.ttl_ms() as f64 / 1000.0
    });
}

fn add_commands(seen: &Seen<'_>, families: &mut Families) {
    let mut add = |name, help, read: fn(&CallFigures) -> f64| {
        families.add(
            name,
            COUNTER,
            help,
            seen.commands().map(|(cmd, figures)| ([("cmd", cmd)], read(figures))),
        );
    };
    add("redis_commands_total", "Times a command ran.", |figures| figures.calls as f64);
    add("redis_commands_duration_seconds_total", "How long that took.", |figures| figures.ns as f64 / 1e9);
    add("redis_commands_failed_calls_total", "Times it failed.", |figures| figures.failed as f64);
    add("redis_commands_rejected_calls_total", "Times it was refused before it ran.", |figures| {
        figures.rejected as f64
    });
    let codes: Vec<(String, u64)> =
        seen.errors.iter().map(|(code, count)| (code.escape_ascii().to_string(), *count)).collect();
    let errors = codes.iter().map(|(code, count)| ([("err", &**code)], *count as f64));
    families.add("redis_errors_total", COUNTER, "Error replies by their first word.", errors);
    let timed = seen.commands().filter_map(|(cmd, figures)| {
        Some((("cmd", cmd), figures.ns as f64 / 1000.0, &**figures.times.as_ref()?, 1000.0))
    });
    let help = "How long a command took, microseconds.";
    families.add_quantiles("redis_latency_percentiles_usec", help, timed, &seen.settings.latency_percentiles);
}
