//! Signs of life of the workers: each beats ten times a second, from between its connections.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How often a worker beats.
pub const BEAT_PERIOD: Duration = Duration::from_millis(100);
/// A worker that has not beaten for this long is stuck.
pub const STUCK_MS: u64 = 5_000;

/// One worker's signs of life. Written by its worker alone.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Of the last beat, monotonic ms; 0 before the first.
    at_ms: AtomicU64,
    /// Processor time that its thread had used by then.
    busy_ns: AtomicU64,
    connections: AtomicUsize,
}

impl Pulse {
    /// The worker is alive.
    pub fn beat(&self, mono_ms: u64, busy_ns: u64, connections: usize) {
        self.busy_ns.store(busy_ns, Relaxed);
        self.connections.store(connections, Relaxed);
        self.at_ms.store(mono_ms.max(1), Relaxed);
    }

    /// How long it has been stuck, ms; `None` while it beats, and before its first beat.
    #[must_use]
    pub fn stuck_ms(&self, now_ms: u64) -> Option<u64> {
        let at_ms = self.at_ms.load(Relaxed);
        let silent_ms = now_ms.saturating_sub(at_ms);
        (at_ms > 0 && silent_ms > STUCK_MS).then_some(silent_ms)
    }

    #[must_use]
    pub fn busy_ns(&self) -> u64 {
        self.busy_ns.load(Relaxed)
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_that_stops_beating_is_stuck_after_its_time() {
        let pulse = Pulse::default();
        assert_eq!(pulse.stuck_ms(STUCK_MS * 2), None);
        pulse.beat(1_000, 7, 3);
        assert_eq!(pulse.stuck_ms(1_000 + STUCK_MS), None);
        assert_eq!(pulse.stuck_ms(1_001 + STUCK_MS), Some(STUCK_MS + 1));
        assert_eq!((pulse.busy_ns(), pulse.connections()), (7, 3));
    }
}
