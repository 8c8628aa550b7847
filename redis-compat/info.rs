//! INFO: the fields that tools read, and counters that count what Redis's count.
//!
//! Owns: the list of those fields. Does not know: what else INFO says.
//! Invariant: a counter is judged by how it moves during the same commands on both servers, never by its value.

use crate::peer::Peer;
use crate::wire::Connection;
use std::collections::BTreeMap;

/// Section, then the fields that exporters, consoles, redis-cli and client libraries read there.
const READ_BY_TOOLS: &[(&str, &str)] = &[
    (
        "Server",
        "redis_version redis_mode os arch_bits multiplexing_api process_id run_id tcp_port server_time_usec uptime_in_seconds \
         uptime_in_days hz executable config_file",
    ),
    (
        "Clients",
        "connected_clients maxclients client_recent_max_input_buffer client_recent_max_output_buffer blocked_clients",
    ),
    (
        "Memory",
        "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_peak_human total_system_memory \
         maxmemory maxmemory_human maxmemory_policy mem_fragmentation_ratio mem_allocator",
    ),
    (
        "Persistence",
        "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time aof_enabled",
    ),
    (
        "Stats",
        "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
         total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps rejected_connections expired_keys \
         evicted_keys keyspace_hits keyspace_misses total_error_replies",
    ),
    ("Replication", "role connected_slaves master_replid master_repl_offset"),
    ("CPU", "used_cpu_sys used_cpu_user"),
    ("Cluster", "cluster_enabled"),
];

/// Commands whose effect on the counters is compared.
const WORK: &[&[&str]] = &[
    &["SET", "k", "v"],
    &["SET", "t", "v", "EX", "100"],
    &["GET", "k"],
    &["GET", "k"],
    &["GET", "none"],
    &["MGET", "k", "t", "none", "nothing"],
    &["EXISTS", "k", "none"],
    &["STRLEN", "none"],
    &["GETDEL", "none"],
    &["TTL", "none"],
    &["INCR", "k"],
    &["GET"],
    &["NONSENSE"],
    &["SET", "gone", "v", "PXAT", "1"],
    &["MULTI"],
    &["GET", "k"],
    &["EXEC"],
];

#[test]
fn info_has_the_fields_that_tools_read() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let (theirs, ours) = (sections(&redis.connect_and_info()), sections(&onefill.connect_and_info()));
    let mut wrong = Vec::new();
    for (section, names) in READ_BY_TOOLS {
        for name in names.split_whitespace() {
            let value = |all: &Sections| all.get(*section).and_then(|fields| fields.get(name).cloned());
            match (value(&theirs), value(&ours)) {
                (Some(their), Some(our)) if is_number(&their) == is_number(&our) => {}
                (Some(their), our) => {
                    wrong.push(format!("{section}, {name}: redis says {their:?}, onefill {our:?}"))
                }
                (None, _) => wrong.push(format!("{section}, {name}: not in this redis-server")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn info_counters_move_as_in_redis() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let names = [
        "keyspace_hits",
        "keyspace_misses",
        "total_error_replies",
        "total_commands_processed",
        "expired_keys",
    ];
    let (theirs, ours) = (moved(&redis, "stats", &names), moved(&onefill, "stats", &names));
    assert_eq!(theirs, ours, "redis on the left, onefill on the right");
}

#[test]
fn info_fill_has_a_section_of_its_own() {
    let onefill = Peer::onefill();
    let text = info(&mut onefill.connect(), "fill");
    assert!(text.starts_with("# Fill\r\n") && text.lines().count() > 10, "{text}");
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Peer {
    fn connect_and_info(&self) -> String {
        info(&mut self.connect(), "everything")
    }
}

fn info(connection: &mut Connection, section: &str) -> String {
    let reply = connection.call(&["INFO", section]).expect("INFO");
    String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
}

fn sections(text: &str) -> Sections {
    let mut all = Sections::new();
    let mut current = String::new();
    for line in text.split("\r\n") {
        match (line.strip_prefix("# "), line.split_once(':')) {
            (Some(title), _) => current = title.to_owned(),
            (None, Some((name, value))) => {
                all.entry(current.clone()).or_default().insert(name.to_owned(), value.to_owned());
            }
            (None, None) => {}
        }
    }
    all
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn work(connection: &mut Connection) {
    for command in WORK {
        connection.call(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    }
}

/// How far each named field moves while the same commands run.
fn moved(peer: &Peer, section: &str, names: &[&'static str]) -> BTreeMap<&'static str, i64> {
    let mut connection = peer.connect();
    let mut picture = || {
        let text = info(&mut connection, section);
        let fields: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once(':')).collect();
        names
            .iter()
            .map(|name| fields.get(name).and_then(|value| value.parse().ok()).unwrap_or(-1))
            .collect::<Vec<i64>>()
    };
    let before = picture();
    work(&mut peer.connect());
    let after = picture();
    names
        .iter()
        .zip(before.iter().zip(after))
        .map(|(name, (before, after))| (*name, after - before))
        .collect()
}
