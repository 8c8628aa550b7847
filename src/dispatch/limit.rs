//! `maxmemory`: the allocator's last figure, and what became of the limit since. State alone; `room` works with it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// The allocator's last figure.
#[derive(Debug, Default)]
pub struct MemoryLimit {
    /// What counted then, less what the stores held; wraps.
    pub(super) beside_bytes: AtomicU64,
    pub(super) held_bytes: AtomicU64,
    pub(super) at_ms: AtomicU64,
    /// Held by the thread that asks the allocator.
    pub(super) sampling: Mutex<()>,
    /// Since when more is used than may be, monotonic ms; 0 = it is not.
    pub(super) exceeded_at_ms: AtomicU64,
    pub(super) exceeded_ms: AtomicU64,
    /// The longest time that a command spent on making room, nanoseconds.
    longest_ns: AtomicU64,
    /// The background found nothing more to evict: no use in waiting for it.
    pub(super) is_exhausted: AtomicBool,
    /// What the background makes free beside, for requests that wait for that.
    pub(super) ahead_bytes: AtomicU64,
}

impl MemoryLimit {
    /// The longest time that a command spent on making room since start or CONFIG RESETSTAT, microseconds.
    #[must_use]
    pub fn longest_us(&self) -> u64 {
        self.longest_ns.load(Relaxed).div_ceil(1000)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_longest(&self) {
        self.longest_ns.store(0, Relaxed);
    }

    pub(super) fn note_longest(&self, ns: u64) {
        // Mostly a look alone, so that no line is written by all workers.
        if ns > self.longest_ns.load(Relaxed) {
            self.longest_ns.fetch_max(ns, Relaxed);
        }
    }
}
