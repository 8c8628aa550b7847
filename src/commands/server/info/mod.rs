//! INFO: what tools read about a running server, in Redis's sections and field names.
//!
//! Counters come from `base::metrics::METRICS`, the rest is read off its owner at the time of asking.
//! A field stands here only if its value is true: what this server does not do, such as persistence and
//! replication, shows the figures of a server that does not do it.

mod commands;
mod page;
mod sizes;

use page::Page;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::base::limits::SWEEP_PERIOD_MS;
use crate::base::memory::machine_bytes;
use crate::base::metrics::{Counter, METRICS};
use crate::base::process;
use crate::commands::server::memory::Use;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::figures::certificates::InUse;
use crate::fill::times::Summary;
use crate::table::arg::string;
use crate::table::{Category, Flag, Group, Locking, REDIS_VERSION, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    info,
    Spec {
        name: "info",
        group: Group::Server,
        since: "1.0.0",
        summary: "Returns information and statistics about the server.",
        complexity: "O(N) where N is the number of databases and flights; of keys for the section keysizes",
        args: &[string("section").multiple().optional()],
        flags: &[Flag::Loading, Flag::Stale],
        acl: &[Category::Dangerous],
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        history: &[("7.0.0", "Added support for taking multiple section arguments.")],
        reply: "lines `name:value` in sections that begin with `# Name`",
        locking: Locking::All,
        ..Spec::EMPTY
    },
)];

/// A section: its name and what writes its fields.
type Section = (&'static str, fn(&mut Ctx<'_>, &mut Page));

/// Sections that are left out unless they, or all, are asked for.
const LONG: [&str; 2] = ["Commandstats", "Latencystats"];

/// Every section, in the order in which they are shown.
const SECTIONS: &[Section] = &[
    ("Server", server),
    ("Clients", clients),
    ("TLS", certificates),
    ("Memory", memory_use),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Commandstats", commands::stats),
    ("Errorstats", commands::errors),
    ("Latencystats", commands::latencies),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
    ("Keysizes", sizes::sizes),
    ("Fill", fill),
];

/// The section that `everything` shows and `all` does not: it looks at every entry, and exporters ask for `all` again
/// and again.
const WALKS: &str = "Keysizes";

/// The words for all sections.
const ALL: [&[u8]; 2] = [b"all", b"everything"];

/// Draws per shard for the mean TTL of a database, and for the share of the dead.
const TTL_DRAWS: usize = 4;

fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut wanted = BTreeSet::new();
    while let Some(word) = args.try_take() {
        wanted.insert(word.to_ascii_lowercase());
    }
    let all = ALL.iter().any(|name| wanted.contains(*name));
    let default = wanted.is_empty() || wanted.contains(&b"default"[..]);
    let mut page = Page::default();
    for (name, write) in SECTIONS {
        let is_default = default && !LONG.contains(name);
        let is_shown = (all || is_default) && (*name != WALKS || wanted.contains(&b"everything"[..]));
        if is_shown || wanted.contains(name.to_ascii_lowercase().as_bytes()) {
            page.begin(name);
            write(ctx, &mut page);
        }
    }
    ctx.reply.verbatim(&page.text);
    Ok(())
}

fn server(ctx: &mut Ctx<'_>, page: &mut Page) {
    let shared = ctx.shared;
    let uptime_s = (ctx.now().wall_ms - shared.figures.identity.started_ms).max(0) / 1000;
    let path =
        |path: Option<std::path::PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
    page.field("redis_version", REDIS_VERSION);
    page.fields(&[("redis_git_sha1", "00000000"), ("redis_git_dirty", "0"), ("redis_mode", "standalone")]);
    page.fields(&[
        ("server", "onefill"),
        ("server_name", "onefill"),
        ("onefill_version", env!("CARGO_PKG_VERSION")),
    ]);
    page.field("os", process::system());
    page.field("arch_bits", usize::BITS);
    page.fields(&[("monotonic_clock", "POSIX clock_gettime"), ("multiplexing_api", "epoll")]);
    page.field("process_id", std::process::id());
    page.field("process_supervised", "no");
    page.field("run_id", &shared.figures.identity.run_id);
    page.field("tcp_port", shared.figures.identity.tcp_port.load(Relaxed));
    page.field("server_time_usec", shared.clock.wall_us());
    page.field("uptime_in_seconds", uptime_s);
    page.field("uptime_in_days", uptime_s / 86_400);
    page.field("hz", 1000 / SWEEP_PERIOD_MS);
    page.field("configured_hz", 1000 / SWEEP_PERIOD_MS);
    page.field("executable", path(std::env::current_exe().ok()));
    page.field("config_file", path(shared.settings.file().cloned()));
    page.field("io_threads_active", u8::from(shared.figures.identity.workers > 1));
    page.field("workers", shared.figures.identity.workers);
}

fn clients(ctx: &mut Ctx<'_>, page: &mut Page) {
    let clients = ctx.shared.clients.list();
    let largest = |bytes: fn(&crate::clients::Seen) -> usize| {
        clients.iter().map(|client| bytes(&client.seen)).max().unwrap_or(0)
    };
    page.field("connected_clients", clients.len());
    page.field("cluster_connections", 0);
    page.field("maxclients", ctx.settings.maxclients);
    page.field("client_recent_max_input_buffer", largest(|seen| seen.query_bytes.load(Relaxed)));
    page.field("client_recent_max_output_buffer", largest(|seen| seen.reply_bytes.load(Relaxed)));
    page.field("blocked_clients", clients.iter().filter(|client| client.is_blocked()).count());
    page.field("tracking_clients", ctx.shared.tracking.trackers());
    page.field("clients_in_timeout_table", 0);
    page.field("total_blocking_keys", ctx.keys.waited_keys());
    page.field("total_blocking_keys_on_nokey", 0);
}

/// The certificates in use, with Valkey's names, and what came of handshakes.
fn certificates(ctx: &mut Ctx<'_>, page: &mut Page) {
    let now_s = ctx.now().wall_ms / 1000;
    let InUse { server, authority } = ctx.shared.figures.certificates.get();
    for (of, facts) in [("server", server), ("ca", authority)] {
        let (serial, left_s) = match facts {
            Some(facts) => (facts.serial, facts.not_after_s.saturating_sub(now_s).max(0)),
            None => ("none".to_owned(), 0),
        };
        page.field(&format!("tls_{of}_cert_serial"), serial);
        page.field(&format!("tls_{of}_cert_expires_in_seconds"), left_s);
    }
    counters(ctx, page, "tls");
}

fn memory_use(ctx: &mut Ctx<'_>, page: &mut Page) {
    let shared = ctx.shared;
    let memory = shared.memory();
    let peak = shared.figures.note_memory(memory.allocated) as u64;
    let [used, active, resident] =
        [memory.allocated, memory.active, memory.resident].map(|bytes| bytes as u64);
    let rss = process::resident_bytes();
    page.bytes("used_memory", used);
    page.bytes("used_memory_rss", rss);
    page.bytes("used_memory_peak", peak);
    page.field("used_memory_peak_perc", format_args!("{:.2}%", used as f64 * 100.0 / (peak.max(1) as f64)));
    let split = Use::of(&memory, ctx);
    page.field("used_memory_overhead", split.overhead);
    page.field("used_memory_startup", split.startup);
    page.field("used_memory_dataset", split.dataset);
    page.field("used_memory_dataset_perc", format_args!("{:.2}%", split.dataset_percent()));
    page.field("allocator_allocated", used);
    page.field("allocator_active", active);
    page.field("allocator_resident", resident);
    page.bytes("total_system_memory", machine_bytes());
    page.bytes("maxmemory", ctx.settings.maxmemory_bytes);
    scripts(ctx, page);
    page.field("maxmemory_policy", ctx.settings.maxmemory_policy.word());
    page.overhead("allocator_frag", active, used);
    page.overhead("allocator_rss", resident, active);
    page.overhead("rss_overhead", rss, resident);
    page.overhead("mem_fragmentation", rss, used);
    page.fields(&[("mem_clients_slaves", "0"), ("mem_cluster_links", "0"), ("mem_aof_buffer", "0")]);
    page.field("mem_clients_normal", split.clients);
    page.field("mem_not_counted_for_evict", shared.uncounted_bytes());
    page.fields(&[("mem_replication_backlog", "0"), ("mem_total_replication_buffers", "0")]);
    page.field("mem_allocator", allocator());
    page.field("active_defrag_running", 0);
    page.field("lazyfree_pending_objects", shared.keyspace.entries_to_free());
}

/// What scripts and functions take: the machines of all workers, and the texts.
fn scripts(ctx: &mut Ctx<'_>, page: &mut Page) {
    let shared = ctx.shared;
    let (sources, source_bytes) = shared.scripts.size();
    let libraries = shared.functions.current();
    let [scripts_bytes, functions_bytes] =
        [&shared.scripts.machines, &shared.functions.machines].map(|machines| machines.held_bytes());
    page.field("used_memory_vm_eval", scripts_bytes);
    page.bytes("used_memory_lua", scripts_bytes);
    page.field("used_memory_scripts_eval", source_bytes);
    page.field("number_of_cached_scripts", sources);
    page.field("number_of_functions", libraries.functions());
    page.field("number_of_libraries", libraries.iter().len());
    page.field("used_memory_vm_functions", functions_bytes);
    page.bytes("used_memory_vm_total", scripts_bytes + functions_bytes);
    page.field("used_memory_functions", libraries.held_bytes());
    page.bytes("used_memory_scripts", (source_bytes + libraries.held_bytes()) as u64);
}

/// The allocator's name and version as Redis writes it.
fn allocator() -> String {
    let version = tikv_jemalloc_ctl::version::read().unwrap_or("");
    let version = version.split(['-', '\0']).next().unwrap_or("");
    format!("jemalloc-{version}")
}

/// Nothing is persisted, and nothing is ever being loaded: clients wait for `loading:0`.
fn persistence(ctx: &mut Ctx<'_>, page: &mut Page) {
    page.fields(&[
        ("loading", "0"),
        ("async_loading", "0"),
        ("current_cow_size", "0"),
        ("current_fork_perc", "0.00"),
        ("rdb_bgsave_in_progress", "0"),
    ]);
    counters(ctx, page, "persistence");
    page.field("rdb_last_save_time", ctx.shared.figures.identity.started_ms / 1000);
    page.fields(&[
        ("rdb_last_bgsave_status", "ok"),
        ("rdb_last_bgsave_time_sec", "-1"),
        ("rdb_current_bgsave_time_sec", "-1"),
        ("rdb_saves", "0"),
        ("rdb_last_cow_size", "0"),
        ("aof_enabled", "0"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_current_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_last_write_status", "ok"),
        ("aof_last_cow_size", "0"),
        ("module_fork_in_progress", "0"),
        ("module_fork_last_cow_size", "0"),
    ]);
}

fn stats(ctx: &mut Ctx<'_>, page: &mut Page) {
    counters(ctx, page, "stats");
    let (exceeded_ms, exceeded_now_ms) = ctx.shared.exceeded_ms(ctx.now().mono_ms);
    page.field("evicted_scripts", ctx.shared.scripts.evicted());
    page.field("total_eviction_exceeded_time", exceeded_ms);
    page.field("current_eviction_exceeded_time", exceeded_now_ms);
    page.field("evict_command_max_usec", ctx.shared.operator.limit.longest_us());
    let [hits, missed] =
        [Counter::KeyspaceHits, Counter::GhostHits].map(|counter| ctx.shared.figures.counted(counter));
    page.field("keyspace_hits_at_twice_maxmemory", hits + missed);
    summary(page, "expire_slice_usec", ctx.shared.figures.sweep_us.summary());
    page.field("expired_stale_perc", format_args!("{:.2}", dead_percent(ctx)));
    let rates = &ctx.shared.figures.rates;
    let (pubsub, tracking) = (&ctx.shared.pubsub, &ctx.shared.tracking);
    let kib = |bytes: &AtomicU64| format!("{:.2}", bytes.load(Relaxed) as f64 / 1024.0);
    page.fields(&[
        ("instantaneous_ops_per_sec", &rates.commands.load(Relaxed).to_string()),
        ("instantaneous_input_kbps", &kib(&rates.input_bytes)),
        ("instantaneous_output_kbps", &kib(&rates.output_bytes)),
        ("sync_full", "0"),
        ("sync_partial_ok", "0"),
        ("sync_partial_err", "0"),
        ("pubsub_channels", &pubsub.channels.len().to_string()),
        ("pubsub_patterns", &pubsub.pattern_count().to_string()),
        ("pubsubshard_channels", &pubsub.shard_channels.len().to_string()),
        ("latest_fork_usec", "0"),
        ("total_forks", "0"),
        ("migrate_cached_sockets", "0"),
        ("slave_expires_tracked_keys", "0"),
        ("active_defrag_hits", "0"),
        ("active_defrag_misses", "0"),
        ("active_defrag_key_hits", "0"),
        ("active_defrag_key_misses", "0"),
        ("unexpected_error_replies", "0"),
        ("dump_payload_sanitizations", "0"),
        ("tracking_total_keys", &tracking.keys().to_string()),
        ("tracking_total_items", &tracking.items().to_string()),
        ("tracking_total_prefixes", &tracking.prefixes.len().to_string()),
    ]);
}

/// The rows of the metrics table that belong to a section.
fn counters(ctx: &Ctx<'_>, page: &mut Page, section: &str) {
    for (metric, counter) in METRICS.iter().zip(Counter::ALL) {
        if metric.section == section {
            page.field(metric.name, ctx.shared.figures.counted(*counter));
        }
    }
}

fn replication(ctx: &mut Ctx<'_>, page: &mut Page) {
    page.fields(&[("role", "master"), ("connected_slaves", "0"), ("master_failover_state", "no-failover")]);
    page.field("master_replid", &ctx.shared.figures.identity.run_id);
    page.field("master_replid2", "0".repeat(40));
    page.fields(&[
        ("master_repl_offset", "0"),
        ("second_repl_offset", "-1"),
        ("repl_backlog_active", "0"),
        ("repl_backlog_size", "0"),
        ("repl_backlog_first_byte_offset", "0"),
        ("repl_backlog_histlen", "0"),
    ]);
}

fn cpu(_: &mut Ctx<'_>, page: &mut Page) {
    let cpu = process::cpu();
    page.field("used_cpu_sys", format_args!("{:.6}", cpu.system_s));
    page.field("used_cpu_user", format_args!("{:.6}", cpu.user_s));
    page.field("used_cpu_sys_children", format_args!("{:.6}", cpu.children_system_s));
    page.field("used_cpu_user_children", format_args!("{:.6}", cpu.children_user_s));
}

fn cluster(_: &mut Ctx<'_>, page: &mut Page) {
    page.field("cluster_enabled", 0);
}

/// The share of dead entries that are not reclaimed yet among those with a deadline, percent, by a sample.
fn dead_percent(ctx: &mut Ctx<'_>) -> f64 {
    let (mut drawn, mut dead) = (0_u32, 0_u32);
    for db in 0..ctx.keys.keyspace.databases() {
        ctx.keys.each_shard(db, |view| {
            let draws = if view.expiring() > 0 { TTL_DRAWS } else { 0 };
            for is_dead in (0..draws).filter_map(|_| view.draw_is_dead()) {
                drawn += 1;
                dead += u32::from(is_dead);
            }
        });
    }
    f64::from(dead) * 100.0 / f64::from(drawn.max(1))
}

fn keyspace(ctx: &mut Ctx<'_>, page: &mut Page) {
    for db in 0..ctx.keys.keyspace.databases() {
        let (mut keys, mut expires, mut subexpiry) = (0, 0, 0);
        let mut ttls_ms = Vec::new();
        ctx.keys.each_shard(db, |view| {
            keys += view.stored();
            let expiring = view.expiring();
            expires += expiring;
            subexpiry += view.subexpiring();
            if expiring > 0 {
                ttls_ms.extend((0..TTL_DRAWS).filter_map(|_| view.sample_ttl()));
            }
        });
        if keys > 0 {
            let ttl_ms = ttls_ms.iter().sum::<i64>() / (ttls_ms.len().max(1) as i64);
            // Redis 8 always says it, 7 never.
            let hashes = if subexpiry > 0 { format!(",subexpiry={subexpiry}") } else { String::new() };
            page.line(format_args!("db{db}:keys={keys},expires={expires},avg_ttl={ttl_ms}{hashes}"));
        }
    }
}

fn fill(ctx: &mut Ctx<'_>, page: &mut Page) {
    let mut flights = Vec::new();
    // One pass: each shard tells of all its databases.
    ctx.keys.each_shard(0, |view| view.fill_list(&mut flights));
    page.field("fill_flights", flights.len());
    page.field("fill_waiters", flights.iter().map(|flight| flight.waiters).sum::<usize>());
    page.field("fill_kept", ctx.shared.keyspace.fills.kept.len());
    page.field("fill_memory", ctx.shared.keyspace.fills.held_bytes());
    page.field("fill_oldest_flight_ms", flights.iter().map(|flight| flight.age_ms).max().unwrap_or(0));
    counters(ctx, page, "fill");
    let times = &ctx.shared.keyspace.fill_times;
    summary(page, "fill_wait_ms", times.wait_ms.summary());
    summary(page, "fill_fill_ms", times.fill_ms.summary());
    summary(page, "fill_waiters_per_flight", times.waiters.summary());
}

fn summary(page: &mut Page, name: &str, summary: Summary) {
    let Summary { count, p50, p99, max } = summary;
    page.field(name, format_args!("count={count},p50={p50},p99={p99},max={max}"));
}
