//! The values of a running server: plain data, one field per setting, units last in the names.
//!
//! Knows nothing of texts: names, ranges and the way from text to field are the rows of `table`.
//! Invariant: `Settings::default()` is what the rows' default texts say (a test compares them).

use std::fmt;
use std::path::PathBuf;

use crate::base::events::Classes;
use crate::base::hash::HashSeed;
use crate::base::limits::SHARE_BYTES_MIN;

use super::encodings::Encodings;
use super::output_limits::OutputLimit;
use super::tls::TlsSettings;

/// An enum whose variants are words of the configuration.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All variants, in the order of `WORDS`.
            pub const ALL: &[$name] = &[$($name::$variant,)+];
            /// The words of the configuration, in the order in which error texts list them.
            pub const WORDS: &[&str] = &[$($word,)+];

            /// The word of the configuration that stands for this variant.
            #[must_use]
            pub fn word(self) -> &'static str {
                Self::WORDS[self as usize]
            }
        }
    };
}

pub(super) use words;

words! {
    /// How much the log says; each level includes those below it in this list.
    pub enum LogLevel {
        /// Everything, for development.
        Debug = "debug",
        /// Much that is rarely useful.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
    }
}

words! {
    /// Which channels a new user may use.
    pub enum PubsubDefault {
        /// All.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
}

words! {
    /// What a line of the log looks like.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// An object of JSON.
        Json = "json",
    }
}

words! {
    /// Which entries make room when `maxmemory` is reached.
    pub enum EvictionPolicy {
        /// The least recently used among entries with a TTL.
        VolatileLru = "volatile-lru",
        /// The least frequently used among entries with a TTL.
        VolatileLfu = "volatile-lfu",
        /// Any entry with a TTL.
        VolatileRandom = "volatile-random",
        /// The entry whose TTL ends next.
        VolatileTtl = "volatile-ttl",
        /// The least recently used entry.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used entry.
        AllkeysLfu = "allkeys-lfu",
        /// Any entry.
        AllkeysRandom = "allkeys-random",
        /// None: writes are refused.
        NoEviction = "noeviction",
        /// The entry that is least likely to be used again, by an order that adapts to the load.
        AllkeysS3fifo = "allkeys-s3fifo",
    }
}

words! {
    /// Who is refused while a script runs for longer than `busy-reply-threshold`.
    pub enum BusyScope {
        /// Requests that need a key which the script keeps.
        Keys = "keys",
        /// All but those that may always run, as in Redis.
        Server = "server",
    }
}

words! {
    /// Who may use the DEBUG command.
    pub enum DebugAccess {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}

/// A limit in bytes or as a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShare {
    /// Bytes; 0 = no limit.
    Bytes(u64),
    /// 1 to 100 percent.
    Percent(u8),
}

impl MemoryShare {
    /// A percentage, at most 100; 0 means no limit.
    #[must_use]
    pub fn of_percent(percent: u8) -> MemoryShare {
        if percent == 0 { MemoryShare::Bytes(0) } else { MemoryShare::Percent(percent.min(100)) }
    }
}

impl fmt::Display for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryShare::Bytes(bytes) => bytes.fmt(f),
            MemoryShare::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Where the operator's page, the metrics and the probes are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// 0 = none.
    pub port: u16,
    /// Addresses to serve them at; a leading `-` means "if this machine has it".
    pub bind: Vec<String>,
    /// What whoever asks from elsewhere must show; `None`: nothing.
    pub token: Option<Vec<u8>>,
    /// Serve other machines without a token.
    pub open: bool,
    /// Names that a browser may know the page by.
    pub hosts: Vec<String>,
}

impl Default for MetricsSettings {
    fn default() -> MetricsSettings {
        MetricsSettings {
            port: 0,
            bind: vec!["127.0.0.1".to_owned(), "-::1".to_owned()],
            token: None,
            open: false,
            hosts: Vec::new(),
        }
    }
}

/// All settings of a server. A change makes a new value (`config::set_many`), never half of one.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// TCP port; 0 lets the system choose, or means none where there is one for TLS.
    pub port: u16,
    /// Addresses to listen on; a leading `-` means "if this machine has it"; empty: no TCP.
    pub bind: Vec<String>,
    /// Unix socket to listen on as well.
    pub unixsocket: Option<PathBuf>,
    /// Permissions of the Unix socket; 0 leaves what the umask gives.
    pub unixsocketperm: u32,
    /// Idle connections are closed after this long; 0 = never.
    pub timeout_s: u64,
    /// Period of TCP keep-alive probes; 0 = none.
    pub tcp_keepalive_s: u32,
    /// Length of the kernel's queue of connections not yet accepted.
    pub tcp_backlog: u32,
    /// Connections at a time; more are refused with an error.
    pub maxclients: u32,
    /// Number of databases that SELECT can choose from.
    pub databases: u32,
    /// Worker threads; 0 = one per core.
    pub io_threads: u32,
    /// Password of AUTH; `None`: no password.
    pub requirepass: Option<Vec<u8>>,
    /// File of users; `None`: they stand in the configuration.
    pub aclfile: Option<PathBuf>,
    /// What stands in the configuration once for each of several things, and is read at the start alone.
    pub lines: Lines,
    /// Refusals that ACL LOG shows.
    pub acllog_max_len: usize,
    /// Which channels new users may use.
    pub acl_pubsub_default: PubsubDefault,
    /// Without a password, refuse connections from other machines.
    pub protected_mode: bool,
    /// How much the log says.
    pub loglevel: LogLevel,
    /// File of the log; `None`: standard output.
    pub logfile: Option<PathBuf>,
    pub log_format: LogFormat,
    pub metrics: MetricsSettings,
    /// Limit on memory; 0 = none.
    pub maxmemory_bytes: u64,
    /// Which entries make room at that limit.
    pub maxmemory_policy: EvictionPolicy,
    /// Entries looked at per eviction by the sampling policies.
    pub maxmemory_samples: u32,
    /// How much slower a count of uses grows the higher it is, for the LFU policies.
    pub lfu_log_factor: u32,
    /// Minutes in which a count of uses loses one, for the LFU policies; 0 = never.
    pub lfu_decay_minutes: u32,
    /// Time that a command may spend on making room, by Redis's scale from 0 to 100.
    pub maxmemory_eviction_tenacity: u32,
    /// The longest time that a script may take; 0 = for ever.
    pub busy_reply_threshold_ms: u64,
    /// What the machine for scripts of one worker may hold, and that for functions, bytes.
    pub script_memory_bytes_max: usize,
    pub busy_reply_scope: BusyScope,
    /// Limit on what all clients hold together.
    pub maxmemory_clients: MemoryShare,
    /// Limits on replies that wait for a slow reader, indexed by `ClientClass`.
    pub output_limits: [OutputLimit; 3],
    /// Most bytes of unread requests one connection may pile up.
    pub query_buffer_bytes_max: usize,
    /// Longest argument of a request.
    pub bulk_bytes_max: usize,
    /// Longest graceful stop.
    pub shutdown_timeout_s: u32,
    /// Seed of the key hashes; `None`: drawn at start.
    pub hash_seed: Option<HashSeed>,
    /// FILL: how long a caller is parked if it does not say.
    pub fill_wait_ms: u64,
    /// FILL: how long a leader may take if it does not say.
    pub fill_lease_ms: u64,
    /// FILL: early refresh factor; 0 = off.
    pub fill_beta: f64,
    /// FILL: how long past its TTL a value may be served stale, if its PUT does not say.
    pub fill_grace_ms: u64,
    /// FILL: how long a lease outlives its leader's connection.
    pub fill_orphan_grace_ms: u64,
    /// FILL: how long an overdue token without waiters is remembered.
    pub fill_late_ms: u64,
    /// FILL: parked callers per key.
    pub fill_waiters_per_key: usize,
    /// FILL: flights at a time.
    pub fill_flights: usize,
    pub fill_leases_per_connection: usize,
    pub fill_memory: MemoryShare,
    /// FILL: parked replies per connection.
    pub fill_slots_per_connection: usize,
    /// Keys that are noted for client-side caching; 0 = any number.
    pub tracking_keys_max: usize,
    /// Classes of keyspace events that are published.
    pub notify_events: Classes,
    pub tls: TlsSettings,
    /// Who may use DEBUG.
    pub enable_debug_command: DebugAccess,
    /// Commands that take this long are noted in the slow log; 0 notes all, negative none.
    pub slowlog_log_slower_than_us: i64,
    pub encodings: Encodings,
    /// Without effect.
    pub list_compress_depth: i64,
    /// HyperLogLogs longer than this are dense.
    pub hll_sparse_bytes_max: usize,
    /// Entries of the slow log.
    pub slowlog_max_len: usize,
    /// From how long on something is an event of the latency monitor; 0 = never.
    pub latency_monitor_threshold_ms: u64,
    /// Keep histograms of the time of each command.
    pub latency_tracking: bool,
    /// The percentiles that INFO shows of them, 0 to 100.
    pub latency_percentiles: Vec<f64>,
}

/// Directives of which there may be many, as their lines say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// Users (`user`): a name and rules, as words.
    pub users: Vec<Vec<Vec<u8>>>,
    /// Commands' names and what clients call them instead (`rename-command`); empty: nothing.
    pub renames: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            port: 6379,
            bind: vec!["127.0.0.1".to_owned(), "-::1".to_owned()],
            unixsocket: None,
            unixsocketperm: 0,
            timeout_s: 0,
            tcp_keepalive_s: 300,
            tcp_backlog: 511,
            maxclients: 10_000,
            databases: 16,
            io_threads: 0,
            requirepass: None,
            aclfile: None,
            lines: Lines::default(),
            acllog_max_len: 128,
            acl_pubsub_default: PubsubDefault::ResetChannels,
            protected_mode: true,
            loglevel: LogLevel::Notice,
            logfile: None,
            log_format: LogFormat::Text,
            metrics: MetricsSettings::default(),
            maxmemory_bytes: 0,
            maxmemory_policy: EvictionPolicy::AllkeysS3fifo,
            maxmemory_samples: 5,
            maxmemory_eviction_tenacity: 10,
            busy_reply_threshold_ms: 5000,
            busy_reply_scope: BusyScope::Keys,
            script_memory_bytes_max: 128 * 1024 * 1024,
            maxmemory_clients: MemoryShare::Bytes(0),
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            output_limits: OutputLimit::DEFAULTS,
            query_buffer_bytes_max: 1024 * 1024 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            shutdown_timeout_s: 5,
            hash_seed: None,
            fill_wait_ms: 200,
            fill_lease_ms: 5_000,
            fill_beta: 1.0,
            fill_grace_ms: 0,
            fill_orphan_grace_ms: 50,
            fill_late_ms: 60_000,
            fill_waiters_per_key: 10_000,
            fill_flights: 100_000,
            fill_leases_per_connection: 10_000,
            fill_memory: MemoryShare::Percent(10),
            fill_slots_per_connection: 64,
            tracking_keys_max: 1_000_000,
            notify_events: Classes::NONE,
            tls: TlsSettings::default(),
            enable_debug_command: DebugAccess::No,
            slowlog_log_slower_than_us: 10_000,
            encodings: Encodings::default(),
            list_compress_depth: 0,
            hll_sparse_bytes_max: 3_000,
            slowlog_max_len: 128,
            latency_monitor_threshold_ms: 0,
            latency_tracking: true,
            latency_percentiles: vec![50.0, 99.0, 99.9],
        }
    }
}

impl Settings {
    /// Whether the only TCP port is that for TLS.
    #[must_use]
    pub fn is_tls_alone(&self) -> bool {
        self.port == 0 && self.tls.port > 0
    }

    /// What all clients together may hold, bytes; `None` for any amount.
    #[must_use]
    pub fn client_bytes_max(&self) -> Option<u64> {
        self.share(self.maxmemory_clients)
    }

    /// What fills may hold, bytes; `None` for any amount.
    #[must_use]
    pub fn fill_bytes_max(&self) -> Option<u64> {
        self.share(self.fill_memory)
    }

    fn share(&self, share: MemoryShare) -> Option<u64> {
        let bytes = match share {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => {
                (u128::from(self.maxmemory_bytes) * u128::from(percent) / 100) as u64
            }
        };
        // With less one could not even say that more is allowed.
        (bytes > 0).then(|| bytes.max(SHARE_BYTES_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_a_limit_and_is_not_too_small_to_talk() {
        let limit = |maxmemory_bytes, maxmemory_clients| {
            Settings { maxmemory_bytes, maxmemory_clients, ..Settings::default() }.client_bytes_max()
        };
        assert_eq!(limit(6 << 20, MemoryShare::Percent(7)), Some((6 << 20) * 7 / 100));
        assert_eq!(limit(0, MemoryShare::Percent(7)), None);
        assert_eq!(limit(0, MemoryShare::Bytes(1)), Some(128 * 1024));
        assert_eq!(limit(6 << 20, MemoryShare::Bytes(0)), None);
    }
}
