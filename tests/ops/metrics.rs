//! `/metrics`: what Prometheus reads of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::http::Opened;
use crate::support::wait_until;

/// Samples by their names with labels.
fn scrape(server: &Opened) -> BTreeMap<String, f64> {
    let reply = server.get("/metrics", "");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    let samples = reply.body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    samples.map(sample).collect()
}

#[test]
fn figures_are_those_of_info() {
    let server = Opened::start();
    let mut conn = server.connect();
    for command in
        ["SET a b", "SET t v EX 100", "GET a", "GET nothing", "GET", "HSET a b c", "SELECT 3", "SET c d"]
    {
        conn.say(command);
    }
    let seen = scrape(&server);
    let info = conn.say("INFO everything");
    let of_info = |name: &str| -> f64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name}")).trim().parse().expect("a number")
    };
    for (sample, field) in [
        ("redis_connected_clients", "connected_clients"),
        ("redis_keyspace_hits_total", "keyspace_hits"),
        ("redis_keyspace_misses_total", "keyspace_misses"),
        ("redis_connections_received_total", "total_connections_received"),
        ("onefill_error_replies_total", "total_error_replies"),
        ("onefill_connections_received_total", "total_connections_received"),
    ] {
        assert_eq!(seen[sample], of_info(field), "{sample}");
    }
    for (sample, value) in [
        ("redis_up", 1.0),
        ("redis_db_keys{db=\"db0\"}", 2.0),
        ("redis_db_keys_expiring{db=\"db0\"}", 1.0),
        ("redis_db_avg_ttl_seconds{db=\"db0\"}", 100.0),
        ("redis_db_keys{db=\"db3\"}", 1.0),
        ("redis_commands_total{cmd=\"set\"}", 3.0),
        ("redis_commands_failed_calls_total{cmd=\"hset\"}", 1.0),
        ("redis_commands_rejected_calls_total{cmd=\"get\"}", 1.0),
        ("redis_errors_total{err=\"WRONGTYPE\"}", 1.0),
        ("onefill_command_duration_seconds_count{cmd=\"set\"}", 3.0),
        ("onefill_command_duration_seconds_bucket{cmd=\"set\",le=\"+Inf\"}", 3.0),
        ("redis_latency_percentiles_usec_count{cmd=\"set\"}", 3.0),
    ] {
        assert_eq!(seen.get(sample), Some(&value), "{sample}");
    }
    assert!(!seen.contains_key("redis_db_keys{db=\"db1\"}"), "a database without keys");
    let connections: f64 =
        (0..2).map(|worker| seen[&format!("onefill_worker_connections{{worker=\"{worker}\"}}")]).sum();
    assert!(connections <= 1.0);
}

#[test]
fn what_clients_choose_is_no_label() {
    let server = Opened::start();
    let mut conn = server.connect();
    conn.call(&["CLIENT", "SETNAME", "hostile-name"]);
    conn.call(&["SET", "hostile-key", "hostile-value"]);
    conn.call(&["hostile-command", "a"]);
    conn.call(&["FILL.GET", "hostile-flight"]);
    let text = server.get("/metrics", "").body;
    assert!(!text.contains("hostile"), "{text}");
}

#[test]
fn every_row_of_the_tables_is_there_and_counters_never_fall() {
    let server = Opened::start();
    let mut conn = server.connect();
    let before = scrape(&server);
    for metric in onefill::base::metrics::METRICS {
        let name = metric.name.strip_prefix("total_").unwrap_or(metric.name);
        assert!(before.contains_key(&format!("onefill_{name}_total")), "{name}");
    }
    (0..50).for_each(|number| drop(conn.say(&format!("SET {number} x"))));
    let after = scrape(&server);
    for (name, value) in before.iter().filter(|(name, _)| name.contains("_total") || name.contains("_count"))
    {
        assert!(after[name] >= *value, "{name}");
    }
}

/// A scrape waits for nobody: not for a worker, nor for the shards that it holds.
#[test]
fn scrape_is_answered_while_every_worker_is_at_work() {
    let server =
        Opened::start_with(|settings| settings.enable_debug_command = onefill::config::DebugAccess::Yes);
    let mut conns = [server.connect(), server.connect()];
    assert_eq!(conns[0].say("SET a b"), "OK");
    let seen = scrape(&server);
    assert_eq!(seen["redis_db_keys{db=\"db0\"}"], 1.0);
    conns.iter_mut().for_each(|conn| conn.send(&["DEBUG", "SLEEP", "1"]));
    wait_until("both workers sleep", || {
        server.running.shared().figures.calls.iter().filter(|calls| calls.long_command().is_some()).count()
            == 2
    });
    let begun = std::time::Instant::now();
    assert_eq!(scrape(&server)["redis_db_keys{db=\"db0\"}"], 1.0);
    assert!(begun.elapsed() < std::time::Duration::from_millis(900), "{:?}", begun.elapsed());
    conns.iter_mut().for_each(|conn| assert_eq!(conn.reply().text(), "OK"));
}

/// Alarms and dashboards ask for figures that there are.
#[test]
fn what_contrib_asks_for_is_there() {
    let server = Opened::start();
    let mut conn = server.connect();
    conn.say("SET a b");
    conn.say("GET");
    let names: BTreeSet<String> = scrape(&server)
        .into_keys()
        .map(|name| name.split('{').next().unwrap_or_default().to_owned())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    for file in ["alerts.yml", "dashboard.json"] {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: BTreeSet<&str> =
            words.filter(|word| word.starts_with("onefill_") || word.starts_with("redis_")).collect();
        assert!(asked.len() > 10, "{file} asks for nothing");
        let missing: Vec<_> = asked.iter().filter(|name| !names.contains(**name)).collect();
        assert!(missing.is_empty(), "{file} asks for {missing:?}");
    }
}
