//! The wide gate: who passes it may lock shards in any order while holding others, because nobody else may.
//!
//! A script that names all its keys locks their shards beforehand, ascending, as every command with several keys does
//! (`Keys::hold`). One that finds its keys as it runs locks each shard when it first touches it, and lets none go before its
//! end: so any run equals one in some order, and nothing is ever undone. Two such would wait for each other in a circle,
//! therefore the gate admits one at a time.
//!
//! It may still meet a `hold` that has some shards and waits for one of its. That one has done nothing yet: it sees that
//! the gate's holder *wants* a shard, lets all of its own go, and begins again once the want is over. Who waits in `hold`
//! waits for higher shards only; who holds shards without waiting ends by itself. So no circle remains.

use std::sync::atomic::Ordering::Relaxed;

use super::busy::Busy;
use crate::base::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard};

/// The gate of a keyspace.
#[derive(Debug, Default)]
pub(super) struct Gate {
    holder: Mutex<()>,
    /// Its holder let go of the lock alone: see `aside`.
    pub(super) mark: AtomicU64,
    /// The holder waits for a shard.
    is_wanted: AtomicBool,
    /// Locked by the holder for as long: who let go waits here.
    want: Mutex<()>,
}

/// The gate is passed for as long as this lives.
pub(super) struct Passed<'a>(#[expect(dead_code, reason = "it is held, not read")] MutexGuard<'a, ()>);

/// The holder waits for a shard for as long as this lives.
pub(super) struct Want<'a> {
    gate: &'a Gate,
    #[expect(dead_code, reason = "it is held, not read")]
    waiting: MutexGuard<'a, ()>,
}

impl Gate {
    /// Waits until nobody else is past the gate, unless one is that runs for long. No shard may be held. `waits` is called
    /// where one is.
    pub(super) fn pass(&self, mut waits: impl FnMut()) -> Result<Passed<'_>, Busy> {
        let busy = || Busy::read(self.mark.load(Relaxed)).map_or(Ok(()), Err);
        // Before, so that no thread waits for its slice to end; and again, as it may just have begun to let others run.
        busy().inspect_err(|_| waits())?;
        let passed = self.holder.try_lock().unwrap_or_else(|| {
            waits();
            self.holder.lock()
        });
        let passed = Passed(passed);
        busy().map(|()| passed)
    }

    /// As `pass`, for the one whose mark stands there.
    pub(super) fn take_back(&self) -> Passed<'_> {
        Passed(self.holder.lock())
    }

    /// Tells those who hold shards while they wait for more to let go. For the holder alone.
    pub(super) fn want(&self) -> Want<'_> {
        let waiting = self.want.lock();
        self.is_wanted.store(true, Relaxed);
        Want { gate: self, waiting }
    }

    /// Whether the holder waits for a shard.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Relaxed)
    }

    /// Waits until the holder has what it wants. No shard may be held.
    pub(super) fn wait_while_wanted(&self) {
        if self.is_wanted() {
            drop(self.want.lock());
        }
    }
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        self.gate.is_wanted.store(false, Relaxed);
    }
}
