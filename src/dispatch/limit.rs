//! `maxmemory`: the allocator's last figure, what became of the limit since, and what becomes of a write that waits for
//! room. State and rules alone; `room` works with them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::base::limits::{ROOM_LOOK_MS, ROOM_WAIT_MS, ROOM_WAIT_MS_MAX};

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

/// A write that is put off because there is no room: since when, and how much was used then.
///
/// How long it waits depends on what it needs, not on how far the memory used is above the limit: that may be far where
/// the limit was lowered. But what is used does not grow meanwhile, whatever is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomWait {
    since_ms: u64,
    used_bytes: u64,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    LetIn,
    WaitOn,
    Refuse,
}

impl RoomWait {
    #[must_use]
    pub fn begin(now_ms: u64, used_bytes: u64) -> RoomWait {
        RoomWait { since_ms: now_ms, used_bytes }
    }

    /// Judges a write of `own_bytes`. Twice as much must have become free as it takes: so the memory used falls on.
    #[must_use]
    pub fn judge(&self, now_ms: u64, used_bytes: u64, own_bytes: u64) -> Verdict {
        let waited_ms = now_ms.saturating_sub(self.since_ms);
        let is_less = used_bytes.saturating_add(own_bytes.saturating_mul(2)) <= self.used_bytes;
        if is_less && waited_ms >= ROOM_WAIT_MS {
            Verdict::LetIn
        } else if waited_ms < ROOM_WAIT_MS_MAX {
            Verdict::WaitOn
        } else {
            Verdict::Refuse
        }
    }

    /// When it is to be judged again, monotonic ms.
    #[must_use]
    pub fn look_at_ms(&self, now_ms: u64) -> u64 {
        (self.since_ms + ROOM_WAIT_MS).max(now_ms + ROOM_LOOK_MS)
    }

    /// When it is over at the latest, monotonic ms.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.since_ms + ROOM_WAIT_MS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_waits_for_twice_its_bytes_and_not_for_the_limit() {
        let wait = RoomWait::begin(1_000, 500_000);
        assert_eq!(wait.judge(1_049, 0, 1), Verdict::WaitOn, "the background may have made room by then");
        assert_eq!(wait.judge(1_050, 480_000, 10_000), Verdict::LetIn);
        assert_eq!(wait.judge(1_050, 480_001, 10_000), Verdict::WaitOn);
        assert_eq!(wait.judge(1_999, 600_000, 10_000), Verdict::WaitOn);
        assert_eq!(wait.judge(2_000, 600_000, 10_000), Verdict::Refuse);
        assert_eq!(wait.judge(2_000, 100_000, 10_000), Verdict::LetIn);
        assert_eq!([1_000, 1_045, 1_200].map(|now| wait.look_at_ms(now)), [1_050, 1_055, 1_210]);
    }
}
