//! Redis's directives that are not settings here: those without meaning, and those that must not be ignored.
//!
//! Owns the names (of Redis 7.0 and 7.2, old spellings included) and the reasons shown to operators.
//! Invariant: no name is also a row of `SETTINGS` (a test compares them).

const CHECKED: &str = "payloads of DUMP are always checked whole";
const CLUSTER: &str = "there is no cluster mode";
const DEFRAG: &str = "memory is not defragmented in the background";
const DISK: &str = "nothing is kept on disk";
const FIXED: &str = "no file that is written can be named while it runs";
const LOG: &str = "the log goes to logfile or to standard output";
const LOOP: &str = "background work keeps its own schedule";
const MEMORY: &str = "memory is managed in its own way";
const PROCESS: &str = "the server stays in the foreground: leave this to the service manager";
const REPLICAS: &str = "there is no replication";
const SCRIPTS: &str = "there are no modules, and scripts are not replicated";
const TLS: &str = "there is no DHE, and clients choose among the suites that are allowed";
const TYPES: &str = "there are only strings, hashes, lists, sets and sorted sets";

/// Directives of Redis that are accepted without effect, with the reason: a file or flag that uses one gives
/// one warning line; CONFIG GET and SET don't know them. Sorted by name.
#[rustfmt::skip]
pub static MEANINGLESS: &[(&str, &str)] = &[
    ("active-defrag-cycle-max", DEFRAG),
    ("active-defrag-cycle-min", DEFRAG),
    ("active-defrag-ignore-bytes", DEFRAG),
    ("active-defrag-max-scan-fields", DEFRAG),
    ("active-defrag-threshold-lower", DEFRAG),
    ("active-defrag-threshold-upper", DEFRAG),
    ("active-expire-effort", LOOP),
    ("activedefrag", DEFRAG),
    ("activerehashing", LOOP),
    ("always-show-logo", LOG),
    ("aof-disable-auto-gc", DISK),
    ("aof-load-truncated", DISK),
    ("aof-rewrite-incremental-fsync", DISK),
    ("aof-timestamp-enabled", DISK),
    ("aof-use-rdb-preamble", DISK),
    ("aof_rewrite_cpulist", DISK),
    ("appenddirname", DISK),
    ("appendfilename", DISK),
    ("appendfsync", DISK),
    ("auto-aof-rewrite-min-size", DISK),
    ("auto-aof-rewrite-percentage", DISK),
    ("bgsave_cpulist", DISK),
    ("bind-source-addr", REPLICAS),
    ("bio_cpulist", PROCESS),
    ("cluster-allow-pubsubshard-when-down", CLUSTER),
    ("cluster-allow-reads-when-down", CLUSTER),
    ("cluster-allow-replica-migration", CLUSTER),
    ("cluster-announce-bus-port", CLUSTER),
    ("cluster-announce-hostname", CLUSTER),
    ("cluster-announce-human-nodename", CLUSTER),
    ("cluster-announce-ip", CLUSTER),
    ("cluster-announce-port", CLUSTER),
    ("cluster-announce-tls-port", CLUSTER),
    ("cluster-config-file", CLUSTER),
    ("cluster-link-sendbuf-limit", CLUSTER),
    ("cluster-migration-barrier", CLUSTER),
    ("cluster-node-timeout", CLUSTER),
    ("cluster-port", CLUSTER),
    ("cluster-preferred-endpoint-type", CLUSTER),
    ("cluster-replica-no-failover", CLUSTER),
    ("cluster-replica-validity-factor", CLUSTER),
    ("cluster-require-full-coverage", CLUSTER),
    ("cluster-slave-no-failover", CLUSTER),
    ("cluster-slave-validity-factor", CLUSTER),
    ("crash-log-enabled", LOG),
    ("crash-memcheck-enabled", LOG),
    ("daemonize", PROCESS),
    ("dbfilename", DISK),
    ("dir", DISK),
    ("disable-thp", PROCESS),
    ("dynamic-hz", LOOP),
    ("enable-module-command", SCRIPTS),
    ("enable-protected-configs", FIXED),
    ("hz", LOOP),
    ("ignore-warnings", LOG),
    ("io-threads-do-reads", LOOP),
    ("jemalloc-bg-thread", MEMORY),
    ("key-load-delay", DISK),
    ("lazyfree-lazy-eviction", MEMORY),
    ("lazyfree-lazy-expire", MEMORY),
    ("lazyfree-lazy-server-del", MEMORY),
    ("lazyfree-lazy-user-del", MEMORY),
    ("lazyfree-lazy-user-flush", MEMORY),
    ("list-max-ziplist-entries", TYPES),
    ("list-max-ziplist-value", TYPES),
    ("loading-process-events-interval-bytes", DISK),
    ("locale-collate", TYPES),
    ("lua-enable-deprecated-api", SCRIPTS),
    ("lua-replicate-commands", SCRIPTS),
    ("masterauth", REPLICAS),
    ("masteruser", REPLICAS),
    ("min-replicas-max-lag", REPLICAS),
    ("min-slaves-max-lag", REPLICAS),
    ("no-appendfsync-on-rewrite", DISK),
    ("oom-score-adj", PROCESS),
    ("oom-score-adj-values", PROCESS),
    ("pidfile", PROCESS),
    ("proc-title-template", PROCESS),
    ("propagation-error-behavior", REPLICAS),
    ("rdb-del-sync-files", DISK),
    ("rdb-key-save-delay", DISK),
    ("rdb-save-incremental-fsync", DISK),
    ("rdbchecksum", DISK),
    ("rdbcompression", DISK),
    ("repl-backlog-size", REPLICAS),
    ("repl-backlog-ttl", REPLICAS),
    ("repl-disable-tcp-nodelay", REPLICAS),
    ("repl-diskless-load", REPLICAS),
    ("repl-diskless-sync", REPLICAS),
    ("repl-diskless-sync-delay", REPLICAS),
    ("repl-diskless-sync-max-replicas", REPLICAS),
    ("repl-ping-replica-period", REPLICAS),
    ("repl-ping-slave-period", REPLICAS),
    ("repl-timeout", REPLICAS),
    ("replica-announce-ip", REPLICAS),
    ("replica-announce-port", REPLICAS),
    ("replica-announced", REPLICAS),
    ("replica-ignore-disk-write-errors", REPLICAS),
    ("replica-ignore-maxmemory", REPLICAS),
    ("replica-lazy-flush", REPLICAS),
    ("replica-priority", REPLICAS),
    ("replica-read-only", REPLICAS),
    ("replica-serve-stale-data", REPLICAS),
    ("sanitize-dump-payload", CHECKED),
    ("server_cpulist", PROCESS),
    ("set-proc-title", PROCESS),
    ("shutdown-on-sigint", DISK),
    ("shutdown-on-sigterm", DISK),
    ("slave-announce-ip", REPLICAS),
    ("slave-announce-port", REPLICAS),
    ("slave-ignore-maxmemory", REPLICAS),
    ("slave-lazy-flush", REPLICAS),
    ("slave-priority", REPLICAS),
    ("slave-read-only", REPLICAS),
    ("slave-serve-stale-data", REPLICAS),
    ("socket-mark-id", PROCESS),
    ("stop-writes-on-bgsave-error", DISK),
    ("stream-node-max-bytes", TYPES),
    ("stream-node-max-entries", TYPES),
    ("supervised", PROCESS),
    ("syslog-enabled", LOG),
    ("syslog-facility", LOG),
    ("syslog-ident", LOG),
    ("tls-client-cert-file", REPLICAS),
    ("tls-client-key-file", REPLICAS),
    ("tls-client-key-file-pass", REPLICAS),
    ("tls-cluster", CLUSTER),
    ("tls-dh-params-file", TLS),
    ("tls-prefer-server-ciphers", TLS),
    ("tls-replication", REPLICAS),
    ("use-exit-on-panic", LOG),
    ("watchdog-period", LOG),
];

/// Directives of Redis that stop the start, with the reason: a server that ignored them would not be what the
/// operator wrote down. Sorted by name.
pub static REFUSED: &[(&str, &str)] =
    &[("loadmodule", "modules can't be loaded"), ("sentinel", "there is no sentinel mode")];

/// The name and reason of a directive without meaning; `name` in lower case.
pub(super) fn find_meaningless(name: &[u8]) -> Option<(&'static str, &'static str)> {
    find_in(MEANINGLESS, name)
}

/// The name and reason of a directive that stops the start; `name` in lower case.
pub(super) fn find_refused(name: &[u8]) -> Option<(&'static str, &'static str)> {
    find_in(REFUSED, name)
}

fn find_in(rows: &'static [(&str, &str)], name: &[u8]) -> Option<(&'static str, &'static str)> {
    let index = rows.binary_search_by(|(row, _)| row.as_bytes().cmp(name)).ok()?;
    rows.get(index).copied()
}
