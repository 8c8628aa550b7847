//! Which shard has which slice of the keys, and over how many shards they are spread.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};

use crate::base::limits::{SHARD_BYTES_MAX, SHARD_BYTES_MIN, SHARDS, SHARDS_PER_WORKER};
use crate::base::sync::{self, Mutex};

const _: () = assert!(SHARDS - 1 <= u8::MAX as usize);

/// Which shard has which slice. Read by every request, written almost never.
#[derive(Debug)]
pub(super) struct Routes {
    /// The shard of each slice. Not among the atomics that shuttle explores: the lock that follows is.
    shards: [AtomicU8; SHARDS],
    /// Shards that are in use, or will be once all slices have moved.
    pub(super) in_use: AtomicUsize,
    /// How many slices have moved.
    moves: AtomicU64,
    /// Threads that visit all shards in turn just now, and must not meet a key twice.
    pub(super) visitors: sync::AtomicUsize,
    /// The next slice that may have to move; held by the thread that moves it.
    pub(super) next: Mutex<usize>,
}

/// While it lives no slice moves.
pub(super) struct Visit<'a>(&'a Routes);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Relaxed);
    }
}

impl Routes {
    /// Routes to this number of shards, a power of two.
    pub(super) fn over(shards: usize) -> Routes {
        Routes {
            shards: std::array::from_fn(|slice| AtomicU8::new((slice & (shards - 1)) as u8)),
            in_use: AtomicUsize::new(shards),
            moves: AtomicU64::new(0),
            visitors: sync::AtomicUsize::new(0),
            next: Mutex::new(SHARDS),
        }
    }

    #[inline]
    pub(super) fn shard(&self, slice: usize) -> usize {
        usize::from(self.shards[slice].load(Relaxed))
    }

    /// A number that has changed when a slice may have moved since it was read.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Acquire)
    }

    /// Keeps slices where they are. A thread that moves one looks for visitors under the locks of both shards: a visitor that
    /// was in one of them before has been counted by then, and any other finds the slice moved.
    pub(super) fn visit(&self) -> Visit<'_> {
        self.visitors.fetch_add(1, Relaxed);
        Visit(self)
    }

    /// Shards that have a slice. Cost: a look at all routes.
    pub(super) fn count(&self) -> usize {
        let has_slice = |shard: &usize| (0..SHARDS).any(|slice| self.shard(slice) == *shard);
        (0..SHARDS).filter(has_slice).count()
    }

    pub(super) fn set(&self, slice: usize, shard: usize) {
        self.shards[slice].store(shard as u8, Relaxed);
        self.moves.fetch_add(1, Release);
    }

    pub(super) fn shard_among(&self, slice: usize) -> usize {
        slice & (self.in_use.load(Relaxed) - 1)
    }
}

/// Over how many shards keys are spread without a small limit: enough for the workers, and to refer to all that
/// the machine's memory can hold (0: unknown).
#[must_use]
pub fn shards_most(workers: usize, machine_bytes: u64) -> usize {
    let for_memory = if machine_bytes == 0 { SHARDS as u64 } else { machine_bytes.div_ceil(SHARD_BYTES_MAX) };
    let shards = for_memory.max((workers * SHARDS_PER_WORKER) as u64);
    (shards.min(SHARDS as u64) as usize).next_power_of_two()
}

/// Of these, over how many under a limit in bytes, 0 for none.
pub(super) fn shards_for(limit_bytes: u64, most: usize) -> usize {
    let shards = (limit_bytes / SHARD_BYTES_MIN).min(most as u64) as usize;
    if limit_bytes == 0 { most } else { shards.next_power_of_two() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_enough_for_the_workers_and_for_the_memory() {
        const GIB: u64 = 1 << 30;
        let shards = [(1, GIB), (2, 8 * GIB), (1, 24 * GIB), (16, GIB), (1, 0), (64, 1 << 50)];
        assert_eq!(shards.map(|(workers, bytes)| shards_most(workers, bytes)), [16, 32, 64, 256, 256, 256]);
    }

    #[test]
    fn a_shard_has_some_mebibytes_where_there_is_a_limit() {
        const MIB: u64 = 1 << 20;
        let shards =
            [0, 1, 4 * MIB, 12 * MIB, 32 * MIB, 900 * MIB, 1 << 40].map(|limit| shards_for(limit, 128));
        assert_eq!(shards, [128, 1, 1, 4, 8, 128, 128]);
    }
}
