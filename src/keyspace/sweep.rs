//! The sweeper's work on one shard: deadlines of flights, then expired entries, then memory that
//! deletions left scattered, in bounded portions.
//!
//! Time is an argument; `net` decides when to sweep. What is expired is invisible already, so a late
//! sweep costs memory, never correctness.

use std::cmp::Reverse;

use super::flights::Record;
use super::keys::Keys;
use super::shard::{Deadline, Due};
use super::view::View;
use crate::base::clock::Now;
use crate::base::hash::Key;
use crate::base::limits::{
    COMPACT_ENTRIES_MAX, COMPACT_EXPIRING_MS, COMPACT_PERIOD_MS, SWEEP_BATCH_MS, SWEEP_ENTRIES_MAX,
    SWEEP_FIELDS_MAX, SWEEP_LOOK_MS,
};
use crate::base::sparse::shrink_map;
use crate::storage::{Ahead, Entry};

/// When a shard that a script keeps is looked at again, ms.
const BUSY_LOOK_MS: u64 = 10;
/// Records whose cache lines are fetched together.
const SWEEP_PORTION: usize = 32;

/// When to look for an entry that is due at `at` (wall clock), monotonic ms. Expiry is exact on access; the
/// sweeper only frees memory, so it may be a little late: all shards are looked at when a tick of their wheels
/// begins, which they do together.
pub(super) fn look_at(at: i64, now: Now) -> u64 {
    let wait_ms = at.saturating_sub(now.wall_ms).clamp(0, SWEEP_LOOK_MS as i64);
    let into_tick = now.wall_ms.saturating_add(wait_ms).rem_euclid(SWEEP_BATCH_MS as i64) as u64;
    let to_tick = (SWEEP_BATCH_MS - into_tick) % SWEEP_BATCH_MS;
    now.mono_ms + wait_ms as u64 + to_tick
}

impl Keys<'_> {
    /// Sweeps one shard in every database and returns when it wants to be swept again, monotonic ms.
    /// Cost: at most `SWEEP_ENTRIES_MAX` entries per database and call, then it asks for another at once.
    /// With `entries` false only flights are looked after (DEBUG SET-ACTIVE-EXPIRE 0).
    pub fn sweep_shard(&mut self, shard: usize, entries: bool) -> u64 {
        let keyspace = self.keyspace;
        let mut view = self.view_shard(shard, 0);
        view.sweep_deadlines();
        if keyspace.busy(shard).is_some() {
            // Nothing of it expires while a script keeps it.
            let next = view.scope.now.mono_ms + BUSY_LOOK_MS;
            keyspace.stripes[shard].due_at.store(next, std::sync::atomic::Ordering::Relaxed);
            return next;
        }
        let dbs = if entries { view.shard.dbs.len() } else { 0 };
        let mut reclaimed = 0;
        for db in 0..dbs {
            view.db = db;
            reclaimed += view.sweep_entries(SWEEP_ENTRIES_MAX);
            view.follow_eviction();
        }
        let compact_at = view.compact(dbs, reclaimed > 0);
        let next = view.next_due(entries).min(compact_at);
        keyspace.stripes[shard].due_at.store(next, std::sync::atomic::Ordering::Relaxed);
        next
    }
}

impl View<'_> {
    /// Moves entries together where deletions left memory scattered, if that was not done a moment ago: what is
    /// dying anyway need not be moved before, so while entries expire it is put off for longer. Returns when there is
    /// more to do, monotonic ms.
    fn compact(&mut self, dbs: usize, expires: bool) -> u64 {
        let now = self.scope.now.mono_ms;
        let is_time = self.shard.compact_at + if expires { COMPACT_EXPIRING_MS } else { 0 } <= now;
        let mut is_scattered = false;
        for db in 0..dbs {
            self.db = db;
            let store = self.store();
            is_scattered |= store.is_scattered() && (!is_time || store.compact(COMPACT_ENTRIES_MAX, false));
            self.note_size();
        }
        if is_time && is_scattered {
            self.shard.compact_at = now + COMPACT_PERIOD_MS;
        }
        match is_scattered {
            false => u64::MAX,
            // Where they go on expiring, the sweep comes back anyway.
            true if !is_time => self.shard.compact_at.max(now + COMPACT_PERIOD_MS),
            true => self.shard.compact_at,
        }
    }

    fn sweep_deadlines(&mut self) {
        let now = self.scope.now.mono_ms;
        while self.shard.deadlines.peek().is_some_and(|Reverse(deadline)| deadline.at <= now) {
            let Some(Reverse(Deadline { at, what })) = self.shard.deadlines.pop() else { return };
            match what {
                Due::Flight { db, hash, id } => {
                    self.db = db;
                    let is_filed = |record: &Record| record.id == id && record.flight.filed_at == at;
                    let record = self.db().flights.find(hash, is_filed);
                    if let Some(bytes) = record.map(|record| record.key.clone()) {
                        self.tick_flight(&Key { bytes: &bytes, hash });
                    }
                }
                Due::Answered { serial } => {
                    self.shard.answered.remove(&serial);
                    shrink_map(&mut self.shard.answered);
                }
                Due::Wait(sleeper) => self.wake_sleeper(&sleeper),
                Due::Ready(ready) => self.effects.ready.add(ready),
            }
        }
    }

    /// Reclaims up to `limit` entries of this database whose time is up. Returns how many went.
    pub(super) fn sweep_entries(&mut self, limit: usize) -> usize {
        let before = self.store().len();
        let wall_ms = self.scope.now.wall_ms;
        let mut left = limit;
        let (mut records, mut ahead) = (Vec::new(), Ahead::default());
        while left > 0 {
            let store = self.store();
            let portion = left.min(SWEEP_PORTION);
            records.extend((0..portion).map_while(|_| store.sweep_pop(wall_ms)));
            let hashes = records.iter().map(|record| u64::from(*record));
            ahead.fetch(hashes, |hash, line, lines| store.lines(hash, line, lines));
            if records.is_empty() {
                break;
            }
            for record in records.drain(..) {
                left = left.saturating_sub(self.sweep_entry(record));
            }
        }
        // Records that went, entries or not.
        self.note_size();
        before - self.store().len()
    }

    /// Handles one fired record: the entry is removed, marked stale, rid of some fields, or filed again for later. Returns what
    /// that counts as in entries.
    fn sweep_entry(&mut self, record: u32) -> usize {
        let wall_ms = self.scope.now.wall_ms;
        let store = self.store();
        // Another entry may answer to the record: any that is due is a right one.
        let is_dead = |entry: &Entry<'_>| entry.dies_at().is_some_and(|at| at <= wall_ms);
        if let Some(found) = store.find_record(record, is_dead) {
            self.expire_found(found);
            return 1;
        }
        let is_due = |entry: &Entry<'_>| entry.items_due_at().is_some_and(|at| at <= wall_ms);
        if let Some(found) = store.find_record(record, is_due) {
            let (gone, found) = self.reclaim_fields(found, SWEEP_FIELDS_MAX);
            found.into_iter().for_each(|found| self.store().sweep_later(wall_ms, record, found));
            return 1 + gone;
        }
        let Some(found) = store.find_record(record, |_| true) else { return 1 };
        let entry = store.entry(found);
        let is_stale = entry.is_visible() && entry.expire_at().is_some_and(|at| at <= wall_ms);
        let stale = is_stale.then(|| entry.key().to_vec());
        if is_stale {
            store.mark_stale(found);
        }
        store.sweep_later(wall_ms, record, found);
        stale.into_iter().for_each(|key| self.expired(&key));
        1
    }

    /// Whether an entry with a deadline, drawn at random, is dead and not reclaimed yet; `None` where the one
    /// drawn has no deadline.
    pub fn draw_is_dead(&mut self) -> Option<bool> {
        let wall_ms = self.scope.now.wall_ms;
        let drawn = self.store().draw(|n| fastrand::usize(..n))?;
        drawn.dies_at().map(|at| at <= wall_ms)
    }

    /// When this shard next wants the sweeper, monotonic ms.
    fn next_due(&self, entries: bool) -> u64 {
        let now = self.scope.now;
        let flights = self.shard.deadlines.peek().map(|Reverse(deadline)| deadline.at);
        let first = self.shard.dbs.iter().filter_map(|db| db.store.sweep_next_at()).min();
        let entries = first.map(|at| match entries {
            true if at <= now.wall_ms => now.mono_ms,
            true => look_at(at, now),
            false => now.mono_ms + SWEEP_LOOK_MS,
        });
        flights.into_iter().chain(entries).min().unwrap_or(u64::MAX)
    }
}
