//! Over how many shards the keys are spread: as many as the workers and the memory need, few while `maxmemory` is small.
//!
//! Each shard has an order of eviction of its own, and segments that are half filled or half emptied; a small
//! cache cut into `SHARDS` pieces loses memory and hits by that. So a key's *slice*, the top bits of its hash, is
//! routed to a shard. The routes are drawn together while there is nothing in the keyspace, and spread out again
//! slice by slice, in the background, when the limit rises.
//!
//! Invariants: a slice's entries, flights, watchers, waiters and answers are all in the shard of its route. A route changes
//! only while the locks of both shards are held, so one that is read under the lock of its shard stays true until
//! that is released. Slices move to shards of higher numbers only, so that a SCAN meets what moves meanwhile.

use std::sync::atomic::Ordering::Relaxed;

use super::flights::Record;
use super::keys::Keys;
use super::routes::shards_for;
use super::shard::{Due, Shard};
use super::view::View;
use super::{Keyspace, slice_of};
use crate::base::hash::Key;
use crate::base::limits::SHARDS;
use crate::base::sync::MutexGuard;
use crate::storage::Store;

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
        // Who works in one of them makes it busy soon: the next time will do.
        let held: Option<Vec<_>> = (0..SHARDS).map(|index| self.try_lock(index)).collect();
        let is_idle = held.as_ref().is_some_and(|held| held.iter().all(|shard| shard.is_idle()))
            && self.any_busy().is_none();
        if is_idle {
            self.routes.in_use.store(shards, Relaxed);
            (0..SHARDS).for_each(|slice| self.routes.set(slice, self.routes.shard_among(slice)));
        }
        is_idle
    }
}

impl Keys<'_> {
    /// Brings the number of shards closer to what suits a limit in bytes, 0 for none: to fewer in one step
    /// and only while the keyspace is empty, to more by one slice at most. True if there is more to do now.
    /// Cost: mostly two comparisons; a slice's move looks at all entries of its shard, which are few. Does nothing
    /// while shards are held.
    pub fn spread(&mut self, limit_bytes: u64) -> bool {
        let keyspace = self.keyspace;
        let (has, wants) = (keyspace.shards_in_use(), shards_for(limit_bytes, keyspace.shards_most));
        if !self.held.is_empty() {
            return false;
        }
        // Another thread is at it already.
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
            if self.hold_shards([from.min(to), from.max(to)].into_iter()).is_err() {
                return false;
            }
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
            let Some(found) = view.store().find(&key) else { continue };
            let (value, meta) = view.take_out(found);
            drop(view);
            self.view_shard(to, db).receive(&key, value, meta);
        }
    }

    /// Moves what is beside the entries: flights, watchers, those who wait for keys, and what is remembered of answers. The time of
    /// a waiter is no key's, and stays where it was filed.
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
                let flights = db.flights.split_off(|record| slice_of(record.hash) == slice);
                let waits = db.waits.split_off(|hash| slice_of(hash) == slice);
                (flights, db.watchers.split_off(is_moving), waits)
            })
            .collect();
        view.note_all_tables();
        drop(view);
        let mut view = self.view_shard(to, 0);
        for (serial, answer) in answered {
            view.shard.file(answer.until, Due::Answered { serial });
            view.alarm(answer.until);
            view.shard.answered.insert(serial, answer);
        }
        view.shard.top.join(top);
        for (number, (flights, watchers, waits)) in parts.into_iter().enumerate() {
            for Record { id, hash, flight, .. } in flights.iter() {
                view.shard.file(flight.filed_at, Due::Flight { db: number, hash: *hash, id: *id });
                view.alarm(flight.filed_at);
            }
            view.shard.db(number).flights.join(flights);
            view.shard.db(number).watchers.join(watchers);
            view.shard.db(number).waits.join(waits);
        }
        view.note_all_tables();
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
