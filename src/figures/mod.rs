//! L2: what is noted of a running server: counters, calls and their times, slow commands, latency events, rates.
//!
//! Commands are numbers and names here. Knows no connection and no key.

pub mod calls;
pub mod certificates;
pub mod latency;
pub mod latency_report;
pub mod page;
pub mod pulse;
pub mod rates;
pub mod slowlog;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::metrics::{Counter, Counters, total};
use crate::config::Settings;
use crate::fill::Times;
use calls::{CallFigures, Calls};
use certificates::Certificates;
use latency::Events;
use pulse::Pulse;
use rates::Rates;
use slowlog::Slowlog;

/// Longest slice of the sweep that its histogram tells from longer ones, microseconds.
const SWEEP_US_MAX: u64 = 1_000_000;

/// Which server this is.
#[derive(Debug)]
pub struct Identity {
    /// 40 hexadecimal digits, new at each start.
    pub run_id: String,
    pub started_ms: i64,
    pub tcp_port: AtomicU16,
    pub workers: usize,
}

/// Workers for which there is one thread for TLS handshakes.
const WORKERS_PER_HANDSHAKE_THREAD: usize = 4;

impl Identity {
    /// How many threads there are for TLS handshakes, where there are any.
    #[must_use]
    pub fn handshake_threads(&self) -> usize {
        self.workers.div_ceil(WORKERS_PER_HANDSHAKE_THREAD)
    }
}

/// The figures of a server.
#[derive(Debug)]
pub struct Figures {
    pub identity: Identity,
    /// One for each worker, one for all other threads but those of TLS handshakes, one for each of those.
    pub counters: Vec<Arc<Counters>>,
    /// How often and how long each command ran: one for each worker, one for all other threads.
    pub calls: Vec<Arc<Calls>>,
    /// One for each worker.
    pub pulses: Vec<Arc<Pulse>>,
    pub slowlog: Slowlog,
    pub latency: Events,
    pub rates: Rates,
    pub certificates: Arc<Certificates>,
    /// How long the slices of the background sweep took, microseconds.
    pub sweep_us: Times,
    /// Allocated when the server was made, bytes.
    pub startup_memory_bytes: usize,
    peak_memory_bytes: AtomicUsize,
    /// What the counters stood at when CONFIG RESETSTAT was said.
    counters_reset: Mutex<Vec<u64>>,
}

impl Figures {
    /// Figures of a server that begins now, with this much memory allocated already.
    #[must_use]
    pub fn new(identity: Identity, startup_memory_bytes: usize) -> Figures {
        let threads = identity.workers + 1;
        let counting = threads + identity.handshake_threads();
        let pulses = (0..identity.workers).map(|_| Arc::default()).collect();
        Figures {
            pulses,
            identity,
            counters: (0..counting).map(|_| Arc::default()).collect(),
            calls: (0..threads).map(|_| Arc::default()).collect(),
            slowlog: Slowlog::default(),
            latency: Events::default(),
            rates: Rates::default(),
            certificates: Arc::default(),
            sweep_us: Times::new(SWEEP_US_MAX),
            startup_memory_bytes,
            peak_memory_bytes: AtomicUsize::new(0),
            counters_reset: Mutex::default(),
        }
    }

    /// Where threads other than workers count.
    #[must_use]
    pub fn background(&self) -> &Counters {
        &self.counters[self.identity.workers]
    }

    /// Where a thread of TLS handshakes counts.
    #[must_use]
    pub fn of_handshakes(&self, thread: usize) -> Arc<Counters> {
        self.counters[self.identity.workers + 1 + thread].clone()
    }

    /// A counter over all workers since start or CONFIG RESETSTAT.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        let reset = self.counters_reset.lock().get(counter as usize).copied().unwrap_or(0);
        self.total(counter).wrapping_sub(reset)
    }

    /// A counter over all workers since start.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        total(self.counters.iter().map(Arc::as_ref), counter)
    }

    /// The figures of each of the table's `rows` rows by their numbers, over all workers. Cost: rows × workers.
    #[must_use]
    pub fn calls_by_row(&self, rows: usize) -> Vec<CallFigures> {
        calls::sums(&self.calls, rows)
    }

    /// Error replies by code, over all workers.
    #[must_use]
    pub fn errors_by_code(&self) -> BTreeMap<Box<[u8]>, u64> {
        calls::errors(&self.calls)
    }

    /// Notes how long a piece of background work took that ended at `wall_ms`.
    pub fn note_latency(&self, event: &'static str, took: Duration, wall_ms: i64, settings: &Settings) {
        self.latency.note(event, took.as_millis() as u64, wall_ms / 1000, settings);
    }

    /// Notes how much is allocated now, bytes; returns the most that ever was.
    pub fn note_memory(&self, allocated: usize) -> usize {
        self.peak_memory_bytes.fetch_max(allocated, Relaxed).max(allocated)
    }

    /// The figures' part of CONFIG RESETSTAT: begins all sums anew.
    pub fn reset(&self) {
        self.calls.iter().for_each(|calls| calls.reset());
        *self.counters_reset.lock() = Counter::ALL.iter().map(|counter| self.total(*counter)).collect();
        self.sweep_us.reset();
    }
}
