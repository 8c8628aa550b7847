//! What all connections of a server share, as the commands see it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::calls::Calls;
use super::latency::Events;
use super::limit::MemoryLimit;
use super::monitor::Monitors;
use super::pause::Pause;
use super::slowlog::Slowlog;
use crate::base::clock::Clock;
use crate::base::metrics::{Counter, Counters};
use crate::clients::{Client, Clients};
use crate::config::Settings;
use crate::fill::Times;
use crate::keyspace::{Rules, Keyspace};
use crate::pubsub::PubSub;
use crate::tracking::Tracking;

/// Applies a changed setting that lives outside the server, or says why it cannot be.
pub type ApplySettings = Box<dyn Fn(&Settings) -> Result<(), String> + Send + Sync>;

/// Clients that speak HTTP are named in the log this often at most.
const FOREIGN_NOTED_PERIOD_MS: u64 = 60_000;

/// The parts of a running server.
pub struct Shared {
    pub keyspace: Keyspace,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub settings: ArcSwap<Settings>,
    /// Grows with each change of the settings.
    pub settings_version: AtomicU64,
    /// Held from reading the settings to storing the changed ones, so that no change is lost.
    pub settings_change: Mutex<()>,
    /// The configuration file, for CONFIG REWRITE.
    pub config_file: Option<PathBuf>,
    pub clock: Clock,
    /// One per worker, the last one for whoever is no worker.
    pub counters: Vec<Arc<Counters>>,
    /// How often and how long each command ran; as many as `counters`.
    pub calls: Vec<Arc<Calls>>,
    pub slowlog: Slowlog,
    pub latency: Events,
    pub monitors: Monitors,
    pub pause: Pause,
    /// What the counters stood at when CONFIG RESETSTAT was said.
    pub counters_reset: Mutex<Vec<u64>>,
    pub started_ms: i64,
    /// 40 hexadecimal digits, new at each start.
    pub run_id: String,
    pub tcp_port: AtomicU16,
    pub workers: usize,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub sweeps: AtomicBool,
    /// DEBUG PAUSE-CRON: nothing is done that nobody asked for.
    pub rests: AtomicBool,
    /// When a client that speaks HTTP was last named in the log, monotonic ms; 0 = never.
    pub foreign_noted_ms: AtomicU64,
    pub limit: MemoryLimit,
    /// How long the slices of the background sweep took, microseconds.
    pub sweep_us: Times,
    pub peak_memory_bytes: AtomicUsize,
    /// Allocated when the server was made, bytes.
    pub startup_memory_bytes: usize,
    pub rates: Rates,
    /// Begins the stop of the server (SHUTDOWN, signals).
    pub stop: Box<dyn Fn() + Send + Sync>,
    /// Applies a changed setting that lives outside (log level, listeners' port, …).
    pub apply: ApplySettings,
}

/// What happened per second lately, measured by the housekeeping.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
}

impl Shared {
    #[inline]
    #[must_use]
    pub fn settings_version(&self) -> u64 {
        self.settings_version.load(Relaxed)
    }

    /// Replaces the settings by what `change` makes of them; nothing changes where it fails.
    pub fn change_settings<E>(&self, change: impl FnOnce(&Settings) -> Result<Settings, E>) -> Result<(), E> {
        let _change = self.settings_change.lock();
        let changed = change(&self.settings.load())?;
        self.settings.store(Arc::new(changed));
        self.settings_version.fetch_add(1, Relaxed);
        Ok(())
    }

    /// A counter over all workers since start or CONFIG RESETSTAT.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        let now = crate::base::metrics::total(self.counters.iter().map(Arc::as_ref), counter);
        let reset = self.counters_reset.lock().get(counter as usize).copied().unwrap_or(0);
        now.wrapping_sub(reset)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_counters(&self) {
        self.reset_calls();
        let all = |counter| crate::base::metrics::total(self.counters.iter().map(Arc::as_ref), counter);
        *self.counters_reset.lock() = Counter::ALL.iter().map(|counter| all(*counter)).collect();
        self.keyspace.fill_times.wait_ms.reset();
        self.keyspace.fill_times.fill_ms.reset();
        self.keyspace.fill_times.waiters.reset();
        self.sweep_us.reset();
        self.limit.reset_longest();
        self.keyspace.forget_top();
    }

    /// Names a client that speaks HTTP in the log, once a minute at most: whoever knocks could fill the disk else.
    pub fn note_foreign(&self, client: &Client, now_ms: u64) {
        let noted_ms = self.foreign_noted_ms.load(Relaxed);
        let is_time = noted_ms == 0 || now_ms.saturating_sub(noted_ms) > FOREIGN_NOTED_PERIOD_MS;
        if is_time && self.foreign_noted_ms.compare_exchange(noted_ms, now_ms, Relaxed, Relaxed).is_ok() {
            tracing::warn!(client = client.id, addr = %client.addr, "closed: it speaks HTTP, perhaps a page in a browser");
        }
    }

    /// Whether the background sweep is on.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweeps.load(Relaxed) && !self.rests.load(Relaxed)
    }
}

/// The part of the settings that the keyspace needs.
#[must_use]
pub fn rules_of(settings: &Settings) -> Rules {
    Rules {
        wait_ms: settings.fill_wait_ms,
        lease_ms: settings.fill_lease_ms,
        beta: settings.fill_beta,
        grace_ms: settings.fill_grace_ms,
        orphan_grace_ms: settings.fill_orphan_grace_ms,
        late_ms: settings.fill_late_ms,
        waiters_per_key: settings.fill_waiters_per_key,
        flights: settings.fill_flights,
        eviction: super::limit::eviction(settings),
        events: settings.notify_events.in_effect(),
    }
}
