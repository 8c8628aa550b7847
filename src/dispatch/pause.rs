//! The pause of a server (CLIENT PAUSE): for a while, requests are put off instead of run.
//!
//! A request that is put off stays in its connection's buffer and runs when the pause ends; what was parked
//! before keeps its deadlines and is answered. Replies still flow. Keys expire meanwhile: there is no replica
//! that could come to see it otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// The pause of a server.
#[derive(Debug, Default)]
pub struct Pause {
    /// Monotonic ms at which it ends; 0 without one.
    until: AtomicU64,
    /// Only commands that may write are put off.
    spares_reads: AtomicBool,
    /// Held while both are changed.
    change: Mutex<()>,
}

impl Pause {
    /// Whether a pause was begun and not taken back; it may be over. Cost: a load of a cache line that is
    /// written when that changes.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.until.load(Relaxed) > 0
    }

    /// When the pause ends, monotonic ms, if it has not ended yet.
    #[must_use]
    pub fn until(&self, mono_ms: u64) -> Option<u64> {
        Some(self.until.load(Relaxed)).filter(|until| *until > mono_ms)
    }

    /// Whether commands that cannot write run all the same.
    #[must_use]
    pub fn spares_reads(&self) -> bool {
        self.spares_reads.load(Relaxed)
    }

    /// Begins a pause, or makes the present one longer and stricter.
    pub fn begin(&self, until: u64, spares_reads: bool, mono_ms: u64) {
        let _change = self.change.lock();
        let present = self.until(mono_ms);
        let spares_reads = spares_reads && (present.is_none() || self.spares_reads.load(Relaxed));
        self.spares_reads.store(spares_reads, Relaxed);
        self.until.store(present.map_or(until, |present| present.max(until)), Relaxed);
    }

    /// Takes the pause back.
    pub fn end(&self) {
        let _change = self.change.lock();
        self.until.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_pause_makes_the_first_longer_and_stricter_never_less() {
        let pause = Pause::default();
        assert!(!pause.is_set());
        pause.begin(100, true, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(100), true));
        pause.begin(50, false, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(100), false));
        pause.begin(200, true, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(200), false));
        assert_eq!(pause.until(200), None);
        pause.begin(300, true, 200);
        assert!(pause.spares_reads.load(Relaxed), "the first one was over");
        pause.end();
        assert_eq!((pause.is_set(), pause.until(0)), (false, None));
    }
}
