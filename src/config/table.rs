//! The table of settings: one row each, sorted by name. Adding a setting is a field in `settings` and a row here.
//!
//! Everything else follows from the row: file, flags, CONFIG GET/SET/REWRITE, ranges, `--help`, docs/config.md.
//! Tests over the table are in tests/config/table.rs.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::int::parse_i64;
use crate::base::limits::{GRACE_MS_MAX, LEASE_MS_MAX, LEASE_MS_MIN, WAIT_MS_MAX};
use crate::base::memory::allowed_bytes;

use super::kind::{AtStart, Kind, Setting, Topic, parse_yes_no};
use super::settings::{BusyScope, DebugAccess, EvictionPolicy, LogFormat, LogLevel, PubsubDefault, Settings};
use super::tls::{CertificateUser, ClientCertificates, PROTOCOLS, SUITES_12, SUITES_13};
use super::value::ValueError;

const INT_MAX: i64 = i32::MAX as i64;

/// A whole number in the field `$field`. The row's range must lie within the field's type (tested).
macro_rules! number {
    ($($field:ident).+: $type:ty, $min:expr, $max:expr $(, $unit:literal)?) => {
        Kind::Number {
            min: $min as i64,
            max: $max as i64,
            unit: concat!($($unit)?),
            get: |settings| settings.$($field).+ as i64,
            set: |settings, value| settings.$($field).+ = value as $type,
        }
    };
}

/// A memory size in the field `$field`.
macro_rules! memory {
    ($($field:ident).+: $type:ty, $min:expr, $max:expr) => {
        Kind::Memory {
            min: $min,
            max: $max,
            whole: None,
            get: |settings| settings.$($field).+ as u64,
            set: |settings, value| settings.$($field).+ = value as $type,
        }
    };
}

/// One of the words of the enum `$type` in the field `$field`.
macro_rules! word {
    ($($field:ident).+: $type:ty) => {
        Kind::Word {
            words: <$type>::WORDS,
            get: |settings| settings.$($field).+ as usize,
            set: |settings, index| settings.$($field).+ = <$type>::ALL[index],
        }
    };
}

/// A path in the field `$field`, `None` when empty.
macro_rules! path {
    ($($field:ident).+) => {
        Kind::Text {
            what: "path",
            get: |settings| path_bytes(settings.$($field).+.as_ref()),
            set: |settings, bytes| settings.$($field).+ = path_from(bytes),
        }
    };
}

/// Some of the names `$known` in the field `$field`.
macro_rules! names {
    ($($field:ident).+, $known:expr) => {
        Kind::Names {
            known: &$known,
            get: |settings| &settings.$($field).+,
            set: |settings, value| settings.$($field).+ = value,
        }
    };
}

/// A row that CONFIG SET may change.
const fn live(
    topic: Topic,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { topic, name, kind, default, live: true, secret: false, doc }
}

/// A row that is fixed once the server runs.
const fn fixed(
    topic: Topic,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { topic, name, kind, default, live: false, secret: false, doc }
}

/// All settings, sorted by name.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    live(Topic::Access, "acl-pubsub-default", word!(acl_pubsub_default: PubsubDefault), "resetchannels",
        "Which channels new users may use: all, or none until their rules name some."),
    fixed(Topic::Access, "aclfile", path!(aclfile), "",
        "File of users, one in a line as ACL LIST shows them; read at the start and by ACL LOAD, written by ACL SAVE. \
         Empty: users stand in `user` lines of this configuration."),
    live(Topic::Access, "acllog-max-len", number!(acllog_max_len: usize, 0, i64::MAX), "128",
        "Refusals that ACL LOG remembers."),
    live(Topic::Absent, "appendonly", Kind::Off { shown: "no", list: false, at_start: AtStart::Refuse, check: |args| check_no(args, DISK) }, "no",
        "Append-only file. A cache keeps nothing on disk: only `no` is accepted."),
    fixed(Topic::Listening, "bind", Kind::Addresses { get: |settings| &settings.bind, set: |settings, value| settings.bind = value }, "127.0.0.1 -::1",
        "Addresses to listen on. `*` and `::*` are all addresses; a leading `-` means \"only if this machine has \
         it\"; `\"\"` means no TCP at all."),
    live(Topic::Data, "busy-reply-scope", word!(busy_reply_scope: BusyScope), "keys",
        "Who gets BUSY when a script has run for longer than busy-reply-threshold: with `keys` requests that need a key which the script keeps; with \
         `server` all but those that may always run, as in Redis."),
    live(Topic::Data, "busy-reply-threshold", number!(busy_reply_threshold_ms: u64, 0, i64::MAX as u64), "5000",
        "From when on a script that runs is told of, ms: requests that need a key it keeps wait until then, and get BUSY later. It is not stopped but by \
         SCRIPT KILL. 0 means that they wait for ever."),
    live(Topic::Memory, "client-output-buffer-limit", Kind::OutputLimits { get: |settings| &settings.output_limits, field: |settings| &mut settings.output_limits },
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "Bytes of replies that may wait for a slow reader: a connection is closed above the hard limit, or when it \
         stays above the soft limit for that many seconds. 0 means no limit. Classes that are not named keep theirs."),
    live(Topic::Memory, "client-query-buffer-limit", memory!(query_buffer_bytes_max: usize, 1 << 20, i64::MAX as u64), "1073741824",
        "Bytes of requests not yet run that one connection may pile up before it is closed."),
    fixed(Topic::Absent, "cluster-enabled", Kind::Off { shown: "no", list: false, at_start: AtStart::Refuse, check: |args| check_no(args, CLUSTER) }, "no",
        "Cluster mode. Not available: a node that served all keys by itself would not be what was asked for, so `yes` is refused."),
    fixed(Topic::Data, "databases", number!(databases: u32, 1, 1024), "16",
        "Number of databases that SELECT can choose from."),
    fixed(Topic::Access, "enable-debug-command", word!(enable_debug_command: DebugAccess), "no",
        "Who may use DEBUG: nobody, everybody, or connections from this machine."),
    live(Topic::Fill, "fill-beta", Kind::Fraction { min: 0.0, max: 100.0, get: |settings| settings.fill_beta, set: |settings, value| settings.fill_beta = value }, "1.0",
        "Early refresh factor of FILL.GET calls without BETA: higher refreshes earlier before a TTL ends, 0 not at all."),
    live(Topic::Fill, "fill-flights", number!(fill_flights: usize, 1, 10_000_000), "100000",
        "Fills in progress at a time; beyond it FILL.GET of a key that nobody fills answers PASS. As many ended ones are remembered."),
    live(Topic::Fill, "fill-grace", number!(fill_grace_ms: u64, 0, GRACE_MS_MAX, "ms"), "0",
        "How long past its TTL a value may be served stale when its FILL.PUT has no GRACE."),
    live(Topic::Fill, "fill-late", number!(fill_late_ms: u64, 0, 3_600_000, "ms"), "60000",
        "How long the token of an ended lease is remembered when nobody waits, so that a late FILL.PUT still stores."),
    live(Topic::Fill, "fill-lease", number!(fill_lease_ms: u64, LEASE_MS_MIN, LEASE_MS_MAX, "ms"), "5000",
        "How long a leader may take to compute the value when its FILL.GET has no LEASE."),
    live(Topic::Fill, "fill-leases-per-connection", number!(fill_leases_per_connection: usize, 1, 10_000_000), "10000",
        "Leases that one connection may hold; beyond it FILL.GET of a key that nobody fills answers PASS."),
    live(Topic::Fill, "fill-memory", Kind::MemoryOrPercent { get: |settings| settings.fill_memory, set: |settings, value| settings.fill_memory = value }, "10%",
        "Limit on what fills hold in keys, waiters, nonces and messages, at least 128 KiB: beyond it ended ones give way, then \
         callers are answered PASS or WAIT. It does not count against `maxmemory`. 0 means none, a percentage needs `maxmemory`."),
    live(Topic::Fill, "fill-orphan-grace", number!(fill_orphan_grace_ms: u64, 0, 60_000, "ms"), "50",
        "How long a lease outlives the connection of its leader before the next waiter leads."),
    live(Topic::Fill, "fill-slots-per-connection", number!(fill_slots_per_connection: usize, 0, 4096), "64",
        "Parked replies per connection; beyond it FILL.GET answers WAIT."),
    live(Topic::Fill, "fill-wait", number!(fill_wait_ms: u64, 0, WAIT_MS_MAX, "ms"), "200",
        "How long a caller is parked behind somebody else's fill when its FILL.GET has no WAIT."),
    live(Topic::Fill, "fill-waiters-per-key", number!(fill_waiters_per_key: usize, 0, 1_000_000), "10000",
        "Parked callers per key; beyond it FILL.GET answers WAIT."),
    live(Topic::Data, "hash-max-listpack-entries", number!(encodings.hash_entries: usize, 0, i64::MAX), "512",
        "Fields up to which OBJECT ENCODING calls a hash `listpack`. How hashes lie in memory does not depend on it."),
    live(Topic::Data, "hash-max-listpack-value", memory!(encodings.hash_value_bytes: usize, 0, i64::MAX as u64), "64",
        "Bytes of a field or value up to which OBJECT ENCODING calls a hash `listpack`."),
    live(Topic::Data, "hash-max-ziplist-entries", number!(encodings.hash_entries: usize, 0, i64::MAX), "512",
        "The old name of `hash-max-listpack-entries`."),
    live(Topic::Data, "hash-max-ziplist-value", memory!(encodings.hash_value_bytes: usize, 0, i64::MAX as u64), "64",
        "The old name of `hash-max-listpack-value`."),
    fixed(Topic::Data, "hash-seed", Kind::Seed { get: |settings| settings.hash_seed, set: |settings, value| settings.hash_seed = value }, "",
        "Seed of the key hashes, for reproducible runs. Empty: drawn at start, so that nobody outside can aim at one shard."),
    live(Topic::Data, "hll-sparse-max-bytes", memory!(hll_sparse_bytes_max: usize, 0, i64::MAX as u64), "3000",
        "Bytes up to which a HyperLogLog of few elements is kept as runs of equal registers; a longer one takes 12 KiB."),
    fixed(Topic::Process, "io-threads", number!(io_threads: u32, 0, 128), "0",
        "Worker threads; 0 means one per core."),
    live(Topic::Watching, "latency-monitor-threshold", number!(latency_monitor_threshold_ms: u64, 0, i64::MAX, "ms"), "0",
        "From how long on a command, or a slice of background work, is an event of the latency monitor (LATENCY \
         LATEST, HISTORY); 0 means none is."),
    live(Topic::Watching, "latency-tracking", Kind::YesNo { get: |settings| settings.latency_tracking, set: |settings, value| settings.latency_tracking = value }, "yes",
        "Keep a histogram of the time of each command, for INFO latencystats and LATENCY HISTOGRAM."),
    live(Topic::Watching, "latency-tracking-info-percentiles", Kind::Percentiles { get: |settings| &settings.latency_percentiles, set: |settings, value| settings.latency_percentiles = value }, "50 99 99.9",
        "The percentiles that INFO latencystats shows."),
    live(Topic::Memory, "lfu-decay-time", number!(lfu_decay_minutes: u32, 0, INT_MAX), "1",
        "Minutes in which an entry's count of uses loses one, for the LFU policies; 0 means it never does."),
    live(Topic::Memory, "lfu-log-factor", number!(lfu_log_factor: u32, 0, INT_MAX), "10",
        "How much slower an entry's count of uses grows the higher it is, for the LFU policies."),
    live(Topic::Data, "list-compress-depth", number!(list_compress_depth: i64, 0, INT_MAX), "0",
        "Accepted for Redis's sake: what lists hold is not compressed."),
    live(Topic::Data, "list-max-listpack-size", number!(encodings.list_size: i64, i32::MIN, INT_MAX), "-2",
        "Up to where OBJECT ENCODING calls a list `listpack`: a number of elements, or -1 to -5 for 4, 8, 16, 32 and 64 KiB. How \
         lists lie in memory does not depend on it."),
    live(Topic::Data, "list-max-ziplist-size", number!(encodings.list_size: i64, i32::MIN, INT_MAX), "-2",
        "The old name of `list-max-listpack-size`."),
    fixed(Topic::Watching, "log-format", word!(log_format: LogFormat), "text",
        "What a line of the log looks like: text for people, or an object of JSON for what collects logs."),
    fixed(Topic::Watching, "logfile", path!(logfile), "",
        "File of the log, opened again on SIGHUP. Empty: standard output."),
    live(Topic::Watching, "loglevel", word!(loglevel: LogLevel), "notice",
        "How much the log says."),
    live(Topic::Data, "lua-time-limit", number!(busy_reply_threshold_ms: u64, 0, i64::MAX as u64), "5000",
        "The old name of `busy-reply-threshold`."),
    live(Topic::Listening, "maxclients", number!(maxclients: u32, 1, u32::MAX), "10000",
        "Connections at a time; more are refused with an error."),
    live(Topic::Memory, "maxmemory", Kind::Memory { min: 0, max: u64::MAX, whole: Some(allowed_bytes),
            get: |settings| settings.maxmemory_bytes, set: |settings, bytes| settings.maxmemory_bytes = bytes }, "0",
        "Limit on memory, what clients hold not counted; 0 means none. Writes make room by `maxmemory-policy`, and are \
         refused where that finds none. A percentage is of what this process may use: its control group's limit, else the machine's memory."),
    live(Topic::Memory, "maxmemory-clients", Kind::MemoryOrPercent { get: |settings| settings.maxmemory_clients, set: |settings, value| settings.maxmemory_clients = value }, "0",
        "Limit on what all clients hold together (requests and replies that wait, queued commands, watches, subscriptions), at least 128 KiB: beyond it \
         the largest are closed. CLIENT NO-EVICT exempts a connection. 0 means none."),
    live(Topic::Memory, "maxmemory-eviction-tenacity", number!(maxmemory_eviction_tenacity: u32, 0, 100), "10",
        "How long a command may make room: 10 us for each step up to 10, from there 15 % more for each; 100 means until there is room."),
    live(Topic::Memory, "maxmemory-policy", word!(maxmemory_policy: EvictionPolicy), "allkeys-s3fifo",
        "Which entries make room at `maxmemory`: by Redis's policies, or by one that adapts to the load and needs no \
         TTLs and no tuning, `allkeys-s3fifo`; see docs/eviction.md."),
    live(Topic::Memory, "maxmemory-samples", number!(maxmemory_samples: u32, 1, INT_MAX), "5",
        "Entries that the LRU and LFU policies draw for each eviction."),
    live(Topic::Watching, "metrics-bind", Kind::Addresses { get: |settings| &settings.metrics.bind, set: |settings, value| settings.metrics.bind = value }, "127.0.0.1 -::1",
        "Addresses to serve the page, the metrics and the probes at, as in `bind`. Others than loopback need `metrics-token` or `metrics-open yes`."),
    live(Topic::Watching, "metrics-hosts", Kind::Addresses { get: |settings| &settings.metrics.hosts, set: |settings, value| settings.metrics.hosts = value }, "",
        "Names by which browsers and scrapers may ask for them, beside IP addresses and `localhost`: any other `Host` is refused, so that no \
         page on the web can read them through a browser."),
    live(Topic::Watching, "metrics-open", Kind::YesNo { get: |settings| settings.metrics.open, set: |settings, value| settings.metrics.open = value }, "no",
        "Serve other machines without a token. Keys, slow commands and addresses of clients are shown to this machine alone then."),
    live(Topic::Watching, "metrics-port", number!(metrics.port: u16, 0, 65535), "0",
        "Port of the operator's page `/`, of `/metrics` for Prometheus, and of the probes `/healthz` and `/readyz`. 0: none."),
    Setting { topic: Topic::Watching, name: "metrics-token", default: "", live: true, secret: true,
        kind: Kind::Text { what: "token", get: |settings| settings.metrics.token.clone().unwrap_or_default(),
            set: |settings, bytes| settings.metrics.token = (!bytes.is_empty()).then(|| bytes.to_vec()) },
        doc: "What must be shown as `Authorization: Bearer TOKEN` for the page and the metrics; the probes ask for none. Empty: none." },
    live(Topic::Absent, "min-replicas-to-write", Kind::Off { shown: "0", list: false, at_start: AtStart::Refuse, check: |args| check_zero(args, REPLICAS) }, "0",
        "Replicas that must have a write. There are none: only 0 is accepted."),
    live(Topic::Absent, "min-slaves-to-write", Kind::Off { shown: "0", list: false, at_start: AtStart::Refuse, check: |args| check_zero(args, REPLICAS) }, "0",
        "The old name of `min-replicas-to-write`."),
    live(Topic::Data, "notify-keyspace-events", Kind::Events { get: |settings| settings.notify_events, set: |settings, value| settings.notify_events = value }, "",
        "Which keyspace events are published: K and E say how, the other letters which classes; f, beyond Redis's, \
         is for what happens to fills. Empty: none."),
    fixed(Topic::Listening, "port", number!(port: u16, 0, 65535), "6379",
        "TCP port. 0 lets the system choose a free one, which the log names, or means none where there is a `tls-port` (to listen on no TCP port at \
         all, use `bind \"\"`)."),
    live(Topic::Access, "protected-mode", Kind::YesNo { get: |settings| settings.protected_mode, set: |settings, value| settings.protected_mode = value }, "yes",
        "While the default user is on and needs no password, refuse connections from other machines."),
    live(Topic::Data, "proto-max-bulk-len", memory!(bulk_bytes_max: usize, 1 << 20, i64::MAX as u64), "536870912",
        "Longest single argument of a request, and longest value."),
    fixed(Topic::Absent, "replicaof", Kind::Off { shown: "", list: true, at_start: AtStart::Refuse, check: check_replicaof }, "",
        "The master that this server follows. Not available: only `no one` is accepted."),
    Setting { topic: Topic::Access, name: "requirepass", default: "", live: true, secret: true,
        kind: Kind::Text { what: "password", get: |settings| settings.requirepass.clone().unwrap_or_default(),
            set: |settings, bytes| settings.requirepass = (!bytes.is_empty()).then(|| bytes.to_vec()) },
        doc: "Password of the default user, which AUTH and HELLO must give before anything else: as ACL SETUSER default \
              resetpass >password. Empty: it needs none." },
    live(Topic::Absent, "save", Kind::Off { shown: "", list: true, at_start: AtStart::WarnInFile, check: check_save }, "",
        "Snapshots. A cache keeps nothing on disk: only `\"\"` is accepted; save points in a file are named in a warning."),
    live(Topic::Memory, "script-memory-limit", memory!(script_memory_bytes_max: usize, 1 << 20, i64::MAX as u64), "134217728",
        "What the scripts of one worker may hold, and its functions as much again, bytes: a script that asks for more gets `not enough memory`."),
    live(Topic::Data, "set-max-intset-entries", number!(encodings.set_ints: usize, 0, i64::MAX), "512",
        "Members up to which OBJECT ENCODING calls a set of integers `intset`."),
    live(Topic::Data, "set-max-listpack-entries", number!(encodings.set_entries: usize, 0, i64::MAX), "128",
        "Members up to which OBJECT ENCODING calls a set `listpack`."),
    live(Topic::Data, "set-max-listpack-value", memory!(encodings.set_value_bytes: usize, 0, i64::MAX as u64), "64",
        "Bytes of a member up to which OBJECT ENCODING calls a set `listpack`."),
    live(Topic::Process, "shutdown-timeout", number!(shutdown_timeout_s: u32, 0, INT_MAX, "s"), "5",
        "Longest graceful stop after SIGTERM, SIGINT or SHUTDOWN."),
    fixed(Topic::Absent, "slaveof", Kind::Off { shown: "", list: true, at_start: AtStart::Refuse, check: check_replicaof }, "",
        "The old name of `replicaof`."),
    live(Topic::Watching, "slowlog-log-slower-than", number!(slowlog_log_slower_than_us: i64, -1, i64::MAX, "us"), "10000",
        "From how long on a command is noted in the slow log; 0 notes every command, -1 none."),
    live(Topic::Watching, "slowlog-max-len", number!(slowlog_max_len: usize, 0, i64::MAX), "128",
        "Commands the slow log holds; the oldest make room."),
    fixed(Topic::Listening, "tcp-backlog", number!(tcp_backlog: u32, 0, INT_MAX), "511",
        "Length of the kernel's queue of connections not yet accepted."),
    live(Topic::Listening, "tcp-keepalive", number!(tcp_keepalive_s: u32, 0, INT_MAX, "s"), "300",
        "Period of TCP keep-alive probes, for connections made from then on; 0 means none."),
    live(Topic::Listening, "timeout", number!(timeout_s: u64, 0, INT_MAX, "s"), "0",
        "Connections idle for this long are closed; 0 means never."),
    live(Topic::Tls, "tls-auth-clients", word!(tls.auth_clients: ClientCertificates), "yes",
        "Whether clients must show a certificate of a CA in `tls-ca-cert-file` or `tls-ca-cert-dir`; `no` does not ask for one."),
    live(Topic::Tls, "tls-auth-clients-user", word!(tls.auth_clients_user: CertificateUser), "off",
        "Which name in a client's certificate makes its connection that user, without AUTH: the common name, or a URI of the alternative names."),
    live(Topic::Tls, "tls-auto-reload-interval", number!(tls.auto_reload_interval_s: u32, 0, INT_MAX, "s"), "0",
        "How often it is looked whether the files of certificates and keys have changed, which are then read again; 0 means never. SIGHUP reads them too."),
    live(Topic::Tls, "tls-ca-cert-dir", path!(tls.ca_cert_dir), "",
        "A folder of files as `tls-ca-cert-file`."),
    live(Topic::Tls, "tls-ca-cert-file", path!(tls.ca_cert_file), "",
        "The CAs whose clients are let in, PEM."),
    live(Topic::Tls, "tls-cert-file", path!(tls.cert_file), "",
        "The server's certificate, and behind it those that lead to its CA, PEM. Named again, it is read again."),
    live(Topic::Tls, "tls-ciphers", names!(tls.ciphers, SUITES_12), "",
        "Cipher suites of TLS 1.2, by OpenSSL's names or IANA's. Empty: all that are known here."),
    live(Topic::Tls, "tls-ciphersuites", names!(tls.ciphersuites, SUITES_13), "",
        "Cipher suites of TLS 1.3. Empty: all that are known here."),
    live(Topic::Tls, "tls-handshake-timeout", number!(tls.handshake_timeout_s: u32, 1, INT_MAX, "s"), "10",
        "How long a connection may take from its beginning to the end of its handshake."),
    live(Topic::Tls, "tls-key-file", path!(tls.key_file), "",
        "The key of the server's certificate, PEM: PKCS#8, PKCS#1 or SEC1, not encrypted."),
    Setting { topic: Topic::Tls, name: "tls-key-file-pass", default: "", live: true, secret: true,
        kind: Kind::Off { shown: "", list: false, at_start: AtStart::Refuse, check: check_key_pass },
        doc: "Password of an encrypted key. Not available: protect the file by its mode." },
    live(Topic::Tls, "tls-port", number!(tls.port: u16, 0, 65535), "0",
        "TCP port for TLS, at the addresses of `bind`; 0 means none. With `port 0` it is the only one."),
    live(Topic::Tls, "tls-protocols", names!(tls.protocols, PROTOCOLS), "",
        "Versions of TLS that clients may use. Empty: both."),
    live(Topic::Tls, "tls-session-cache-size", number!(tls.session_cache_size: u32, 0, INT_MAX), "20480",
        "Of no effect: clients keep their own sessions, as tickets."),
    live(Topic::Tls, "tls-session-cache-timeout", number!(tls.session_cache_timeout_s: u32, 0, INT_MAX, "s"), "300",
        "How long a client may resume its session, at most; 0 means not at all."),
    live(Topic::Tls, "tls-session-caching", Kind::YesNo { get: |settings| settings.tls.session_caching, set: |settings, value| settings.tls.session_caching = value }, "yes",
        "Whether clients may resume their sessions, which spares both sides most of a handshake."),
    live(Topic::Memory, "tracking-table-max-keys", number!(tracking_keys_max: usize, 0, u32::MAX), "1000000",
        "Keys that are noted for client-side caching; beyond it others are forgotten, and those who read them told. 0 means no limit."),
    fixed(Topic::Listening, "unixsocket", path!(unixsocket), "",
        "Unix socket to listen on as well. Empty: none."),
    fixed(Topic::Listening, "unixsocketperm", Kind::Octal { max: 0o777, get: |settings| settings.unixsocketperm, set: |settings, value| settings.unixsocketperm = value }, "0",
        "Permissions of the Unix socket, in octal; 0 leaves what the umask gives."),
    live(Topic::Data, "zset-max-listpack-entries", number!(encodings.zset_entries: usize, 0, i64::MAX), "128",
        "Members up to which OBJECT ENCODING calls a sorted set `listpack`."),
    live(Topic::Data, "zset-max-listpack-value", memory!(encodings.zset_value_bytes: usize, 0, i64::MAX as u64), "64",
        "Bytes of a member up to which OBJECT ENCODING calls a sorted set `listpack`."),
    live(Topic::Data, "zset-max-ziplist-entries", number!(encodings.zset_entries: usize, 0, i64::MAX), "128",
        "The old name of `zset-max-listpack-entries`."),
    live(Topic::Data, "zset-max-ziplist-value", memory!(encodings.zset_value_bytes: usize, 0, i64::MAX as u64), "64",
        "The old name of `zset-max-listpack-value`."),
];

/// The row of a directive, in any case. Cost: a binary search.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Setting> {
    let lower = name.to_ascii_lowercase();
    let index = SETTINGS.binary_search_by(|setting| setting.name.as_bytes().cmp(&lower)).ok()?;
    SETTINGS.get(index)
}

fn path_bytes(path: Option<&PathBuf>) -> Vec<u8> {
    path.map_or_else(Vec::new, |path| path.as_os_str().as_bytes().to_vec())
}

fn path_from(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(bytes)))
}

/// As CONFIG GET shows them, with secrets hidden: settings end up in logs and panics.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for setting in SETTINGS {
            let value = setting.get(self);
            let shown = if setting.secret && !value.is_empty() { b"(hidden)".to_vec() } else { value };
            map.entry(&setting.name, &String::from_utf8_lossy(&shown));
        }
        map.finish()
    }
}

const CLUSTER: &str = "there is no cluster mode: only 'no' is accepted";
const DISK: &str = "nothing is kept on disk: only 'no' is accepted";
const REPLICAS: &str = "there is no replication: only 0 is accepted";

/// Nothing is off; a password is what Redis would take.
fn check_key_pass(args: &[&[u8]]) -> Result<(), ValueError> {
    match args {
        [b""] => Ok(()),
        [_] => Err(ValueError::Unavailable(
            "encrypted keys are not supported; decrypt the file and protect it by its mode",
        )),
        _ => Err(ValueError::ArgumentCount),
    }
}

/// `no` is off; `yes` is what Redis would take.
fn check_no(args: &[&[u8]], unavailable: &'static str) -> Result<(), ValueError> {
    let [arg] = args else { return Err(ValueError::ArgumentCount) };
    match parse_yes_no(arg) {
        Some(false) => Ok(()),
        Some(true) => Err(ValueError::Unavailable(unavailable)),
        None => Err(ValueError::Invalid("argument must be 'yes' or 'no'".to_owned())),
    }
}

/// 0 is off; other numbers are what Redis would take.
fn check_zero(args: &[&[u8]], unavailable: &'static str) -> Result<(), ValueError> {
    let [arg] = args else { return Err(ValueError::ArgumentCount) };
    match parse_i64(arg) {
        Some(0) => Ok(()),
        Some(_) => Err(ValueError::Unavailable(unavailable)),
        None => Err(ValueError::Invalid("argument couldn't be parsed into an integer".to_owned())),
    }
}

/// Nothing or `no one` is off.
fn check_replicaof(args: &[&[u8]]) -> Result<(), ValueError> {
    match args {
        [] | [b""] => Ok(()),
        [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => Ok(()),
        [_, _] => Err(ValueError::Unavailable(
            "there is no replication, and a server of its own is not a replica: only 'no one' is accepted",
        )),
        _ => Err(ValueError::ArgumentCount),
    }
}

/// `""` or nothing is off; pairs of seconds and changes are what Redis would take.
fn check_save(args: &[&[u8]]) -> Result<(), ValueError> {
    if let [] | [b""] = args {
        return Ok(());
    }
    let number = |arg: &[u8]| str::from_utf8(arg).ok().and_then(|text| text.parse::<i64>().ok());
    let pairs = args.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let valid = pairs.into_iter().all(|pair| {
        number(pair[0]).is_some_and(|seconds| seconds >= 1)
            && number(pair[1]).is_some_and(|changes| changes >= 0)
    });
    if whole && valid {
        return Err(ValueError::Unavailable("nothing is kept on disk: only \"\" is accepted"));
    }
    Err(ValueError::Invalid("Invalid save parameters".to_owned()))
}
