//! Over how many shards the keys are spread: as many as the workers and the memory need, few while `maxmemory` is small.
//!
//! Each shard has an order of eviction of its own, and segments that are half filled or half emptied; a small
//! cache cut into `SHARDS` pieces loses memory and hits by that. So a key's *slice*, the top bits of its hash, is
//! routed to a shard. The routes are drawn together while there is nothing in the keyspace, and spread out again
//! slice by slice, in the background, when the limit rises.
//!
//! Invariants: a slice's entries, flights, watchers and answers are all in the shard of its route. A route changes
//! only while the locks of both shards are held, so one that is read under the lock of its shard stays true until
//! that is released. Slices move to shards of higher numbers only, so that a SCAN meets what moves meanwhile.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};

use super::keys::Keys;
use super::shard::{Due, Shard};
use super::view::View;
use super::{Keyspace, slice_of};
use crate::base::hash::Key;
use crate::base::limits::{SHARD_BYTES_MAX, SHARD_BYTES_MIN, SHARDS, SHARDS_PER_WORKER};
use crate::base::sync::{self, Mutex, MutexGuard};
use crate::storage::{NewValue, Store};

const _: () = assert!(SHARDS - 1 <= u8::MAX as usize);

/// Which shard has which slice. Read by every request, written almost never.
#[derive(Debug)]
pub(super) struct Routes {
    /// The shard of each slice. Not among the atomics that shuttle explores: the lock that follows is.
    shards: [AtomicU8; SHARDS],
    /// Shards that are in use, or will be once all slices have moved.
    in_use: AtomicUsize,
    /// How many slices have moved.
    moves: AtomicU64,
    /// Who visits all shards in turn just now, and must not meet a key twice.
    visitors: sync::AtomicUsize,
    /// The next slice that may have to move; held by who moves it.
    next: Mutex<usize>,
}

/// While it lives no slice moves.
pub(super) struct Visit<'a>(&'a Routes);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Relaxed);
    }
}

impl Routes {
    /// Routes to so many shards, a power of two.
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

    /// Keeps slices where they are. Who moves one looks for visitors under the locks of both shards: a visitor that
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

    fn set(&self, slice: usize, shard: usize) {
        self.shards[slice].store(shard as u8, Relaxed);
        self.moves.fetch_add(1, Release);
    }

    fn shard_among(&self, slice: usize) -> usize {
        slice & (self.in_use.load(Relaxed) - 1)
    }
}

/// Over how many shards keys are spread without a small limit: enough for so many workers, and to refer to all that
/// so many bytes of memory can hold (0: unknown).
#[must_use]
pub fn shards_most(workers: usize, machine_bytes: u64) -> usize {
    let for_memory = if machine_bytes == 0 { SHARDS as u64 } else { machine_bytes.div_ceil(SHARD_BYTES_MAX) };
    let shards = for_memory.max((workers * SHARDS_PER_WORKER) as u64);
    (shards.min(SHARDS as u64) as usize).next_power_of_two()
}

/// Of these, over how many under a limit of so many bytes, 0 for none.
pub(super) fn shards_for(limit_bytes: u64, most: usize) -> usize {
    let shards = (limit_bytes / SHARD_BYTES_MIN).min(most as u64) as usize;
    if limit_bytes == 0 { most } else { shards.next_power_of_two() }
}

impl Keyspace {
    /// Over how many shards keys are spread.
    #[must_use]
    pub fn shards_in_use(&self) -> usize {
        self.routes.in_use.load(Relaxed)
    }

    /// The shard of a hash. Stays true only while that shard is locked.
    #[inline]
    pub(super) fn shard_of(&self, hash: u64) -> usize {
        self.routes.shard(slice_of(hash))
    }

    /// Locks the shard of a hash.
    #[inline]
    pub(super) fn lock_of(&self, hash: u64) -> (usize, MutexGuard<'_, Shard>) {
        loop {
            let index = self.shard_of(hash);
            let shard = self.lock(index);
            // Its slice may have moved before the lock was ours.
            if self.shard_of(hash) == index {
                return (index, shard);
            }
        }
    }

    /// Draws the routes together, if nothing at all is in the keyspace; true if so.
    fn narrow(&self, shards: usize) -> bool {
        // Mostly the first says that it is not so.
        if !(0..SHARDS).all(|index| self.lock(index).is_idle()) {
            return false;
        }
        let held: Vec<_> = (0..SHARDS).map(|index| self.lock(index)).collect();
        let is_idle = held.iter().all(|shard| shard.is_idle());
        if is_idle {
            self.routes.in_use.store(shards, Relaxed);
            (0..SHARDS).for_each(|slice| self.routes.set(slice, self.routes.shard_among(slice)));
        }
        is_idle
    }
}

impl Keys<'_> {
    /// Brings the number of shards closer to what suits a limit of so many bytes, 0 for none: to fewer in one step
    /// and only while the keyspace is empty, to more by one slice at most. True if there is more to do now.
    /// Cost: mostly two comparisons; a slice's move looks at all entries of its shard, which are few. Does nothing
    /// while shards are held.
    pub fn spread(&mut self, limit_bytes: u64) -> bool {
        let keyspace = self.keyspace;
        let (has, wants) = (keyspace.shards_in_use(), shards_for(limit_bytes, keyspace.shards_most));
        if !self.held.is_empty() {
            return false;
        }
        // Whoever else is at it will see to it.
        let Some(mut next) = keyspace.routes.next.try_lock() else { return false };
        if wants < has && keyspace.narrow(wants) {
            *next = SHARDS;
            (0..SHARDS).for_each(|index| self.view_shard(index, 0).drop_empty());
        } else if wants > has {
            keyspace.routes.in_use.store(wants, Relaxed);
            *next = 0;
        }
        let routes = &keyspace.routes;
        let moving = (*next..SHARDS).find(|slice| routes.shard(*slice) != routes.shard_among(*slice));
        *next = moving.unwrap_or(SHARDS);
        if let Some(slice) = moving {
            let (from, to) = (routes.shard(slice), routes.shard_among(slice));
            self.hold_shards([from.min(to), from.max(to)].into_iter());
            if routes.visitors.load(Relaxed) == 0 {
                self.move_slice(slice, from, to);
            }
            self.release();
        }
        moving.is_some()
    }

    fn move_slice(&mut self, slice: usize, from: usize, to: usize) {
        let dbs = self.view_shard(from, 0).shard.dbs.len();
        for db in 0..dbs {
            self.move_entries(db, slice, from, to);
        }
        self.move_flights(slice, from, to);
        self.keyspace.routes.set(slice, to);
    }

    fn move_entries(&mut self, db: usize, slice: usize, from: usize, to: usize) {
        let keyspace = self.keyspace;
        let mut keys = Vec::new();
        self.view_shard(from, db).store().each(|entry| {
            if slice_of(keyspace.hash(entry.key())) == slice {
                keys.push(entry.key().to_vec());
            }
        });
        for bytes in keys {
            let key = Key { bytes: &bytes, hash: keyspace.hash(&bytes) };
            let mut view = self.view_shard(from, db);
            let Some(entry) = view.store().get(&key) else { continue };
            let (value, meta) = (entry.value().to_bytes(), entry.meta());
            view.take_entry(&key);
            drop(view);
            self.view_shard(to, db).receive(&key, &NewValue::from_shared(&value), meta);
        }
    }

    /// Moves what is beside the entries: flights, watchers, and what is remembered of answers.
    fn move_flights(&mut self, slice: usize, from: usize, to: usize) {
        let keyspace = self.keyspace;
        let is_moving = |key: &[u8]| slice_of(keyspace.hash(key)) == slice;
        let mut view = self.view_shard(from, 0);
        let answered: Vec<_> =
            view.shard.answered.extract_if(|_, answered| slice_of(answered.key_hash) == slice).collect();
        let top = view.shard.top.split_off(|hash| slice_of(hash) == slice);
        let dbs = view.shard.dbs.iter_mut();
        let parts: Vec<_> = dbs
            .map(|db| {
                let flights: Vec<_> = db.flights.extract_if(|key, _| is_moving(key)).collect();
                (flights, db.watchers.split_off(is_moving))
            })
            .collect();
        drop(view);
        let mut view = self.view_shard(to, 0);
        for (serial, answer) in answered {
            view.shard.file(answer.until, Due::Answered { serial });
            view.alarm(answer.until);
            view.shard.answered.insert(serial, answer);
        }
        view.shard.top.join(top);
        for (number, (flights, watchers)) in parts.into_iter().enumerate() {
            for (key, flight) in flights {
                let at = flight.filed_at;
                view.shard.file(at, Due::Flight { db: number, key: key.clone() });
                view.alarm(at);
                view.shard.db(number).flights.insert(key, flight);
            }
            view.shard.db(number).watchers.join(watchers);
        }
    }
}

impl View<'_> {
    /// Frees what an empty shard keeps for its next entries.
    fn drop_empty(&mut self) {
        for db in 0..self.shard.dbs.len() {
            self.db = db;
            if self.store().is_empty() {
                *self.store() = Store::new(self.keyspace.seed);
                self.note_size();
            }
        }
    }
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
