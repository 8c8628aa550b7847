//! The sweeper's work on one shard: deadlines of flights, then expired entries, in bounded portions.
//!
//! Time is an argument; `net` decides when to sweep. What is expired is invisible already, so a late
//! sweep costs memory, never correctness.

use std::cmp::Reverse;

use super::keys::Keys;
use super::shard::{Deadline, Due};
use super::verbs::{dies_at, is_visible, sweep_at};
use super::view::View;
use crate::base::clock::Now;
use crate::base::hash::Key;
use crate::base::limits::{SWEEP_ENTRIES_MAX, SWEEP_LOOK_MS, SWEEP_PERIOD_MS};

/// When to look for an entry that is due at `at` (wall clock), monotonic ms. Expiry is exact on access; the
/// sweeper only frees memory, so its period is soon enough.
pub(super) fn look_at(at: i64, now: Now) -> u64 {
    let wait_ms = at.saturating_sub(now.wall_ms).clamp(0, SWEEP_LOOK_MS as i64) as u64;
    now.mono_ms + wait_ms + SWEEP_PERIOD_MS
}

impl Keys<'_> {
    /// Sweeps one shard in every database and returns when it wants to be swept again, monotonic ms.
    /// Cost: at most `SWEEP_ENTRIES_MAX` entries per database and call, then it asks for another at once.
    /// With `entries` false only flights are looked after (DEBUG SET-ACTIVE-EXPIRE 0).
    pub fn sweep_shard(&mut self, shard: usize, entries: bool) -> u64 {
        let keyspace = self.keyspace;
        let mut view = self.view_shard(shard, 0);
        view.sweep_deadlines();
        let dbs = if entries { view.shard.dbs.len() } else { 0 };
        for db in 0..dbs {
            view.db = db;
            view.sweep_entries(SWEEP_ENTRIES_MAX);
        }
        let next = view.next_due(entries);
        keyspace.stripes[shard].due_at.store(next, std::sync::atomic::Ordering::Relaxed);
        next
    }
}

impl View<'_> {
    fn sweep_deadlines(&mut self) {
        let now = self.scope.now.mono_ms;
        while self.shard.deadlines.peek().is_some_and(|Reverse(deadline)| deadline.at <= now) {
            let Some(Reverse(Deadline { at, what })) = self.shard.deadlines.pop() else { return };
            match what {
                Due::Flight { db, key } => {
                    self.db = db;
                    let filed = self.db().flights.get(&key).is_some_and(|flight| flight.filed_at == at);
                    if filed {
                        let hash = self.keyspace.hash(&key);
                        self.tick_flight(&Key { bytes: &key, hash });
                    }
                }
                Due::Answered { serial } => {
                    self.shard.answered.remove(&serial);
                }
            }
        }
    }

    /// Reclaims up to `limit` entries of this database whose time is up.
    pub(super) fn sweep_entries(&mut self, limit: usize) {
        for _ in 0..limit {
            let wall_ms = self.scope.now.wall_ms;
            let Some(hash) = self.content().queue.pop_due(wall_ms) else { return };
            self.sweep_entry(hash);
        }
    }

    /// Handles one fired record: the entry is removed, marked stale, or filed again for later.
    fn sweep_entry(&mut self, hash: u64) {
        let wall_ms = self.scope.now.wall_ms;
        let keyspace = self.keyspace;
        let content = self.content();
        // Records name hashes, not keys: any entry under this hash that is due is a right one.
        let is_dead = |entry: &_| dies_at(entry).is_some_and(|at| at <= wall_ms);
        if let Some(entry) = content.table.remove_if(hash, is_dead, |key| keyspace.hash(key)) {
            content.note_removed(&entry);
            self.died(&entry);
            return;
        }
        let is_this =
            |entry: &crate::storage::Entry| entry.expire_at().is_some() && keyspace.hash(entry.key()) == hash;
        let Some(entry) = content.table.find_if(hash, is_this) else { return };
        let mut went_stale = None;
        if is_visible(entry) && entry.expire_at().is_some_and(|at| at <= wall_ms) {
            entry.mark_stale();
            content.hidden += 1;
            went_stale = Some(entry.key().to_vec());
        }
        if let Some(at) = sweep_at(entry) {
            content.queue.push(at, hash);
        }
        if let Some(key) = went_stale {
            self.expired(&key);
        }
    }

    /// When this shard next wants the sweeper, monotonic ms.
    fn next_due(&self, entries: bool) -> u64 {
        let now = self.scope.now;
        let flights = self.shard.deadlines.peek().map(|Reverse(deadline)| deadline.at);
        let first = self.shard.dbs.iter().filter_map(|db| db.content.queue.next_at()).min();
        let entries = first.map(|at| match entries {
            true if at <= now.wall_ms => now.mono_ms,
            true => look_at(at, now),
            false => now.mono_ms + SWEEP_LOOK_MS,
        });
        flights.into_iter().chain(entries).min().unwrap_or(u64::MAX)
    }
}
