//! Making room: which shard gives, and entries that go.
//!
//! Knows the limit only as the answer of its caller's `short_bytes`; the sums behind it are counted per
//! worker and the size of each shard under its lock, so that no write touches a line that all workers write.

use std::sync::atomic::Ordering::Relaxed;

use super::Keyspace;
use super::keys::Keys;
use super::view::View;
use crate::base::limits::{EVICT_COMPACT_ENTRIES, EVICT_ENTRIES_MAX, SHARDS, SWEEP_EXPIRED_FIRST};
use crate::base::metrics::Held;
use crate::storage::Size;

/// Shards in a row without anything to move together that stand for all.
const PACKED_LOOKS: usize = 32;

/// An attempt to make room: how it ended, and bytes of the entries that went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeRoom {
    pub ended: Evicted,
    pub freed_bytes: u64,
}

/// How an attempt to make room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// There is room.
    Enough,
    /// Its time was up; there is more to evict.
    Some,
    /// There is nothing that may be evicted.
    Nothing,
}

/// The room that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub limit_bytes: u64,
    /// The hash of the key that wants it.
    pub own: Option<u64>,
    /// Also moves entries together until what is used is below the limit: for callers that have the time.
    pub is_thorough: bool,
}

/// Memory against its limit, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// What counts against the limit.
    pub used_bytes: u64,
    /// Of that: free for the next entries without asking the allocator.
    pub spare_bytes: u64,
    /// What all shards hold.
    pub held_bytes: u64,
}

impl Used {
    /// Bytes of entries that must go. What is used may stand above the limit while a 32nd of it is spare:
    /// the next entries take that, and compaction gives the rest back. The further above, the more must be.
    #[must_use]
    pub fn short_bytes(&self, limit_bytes: u64) -> u64 {
        let above = self.used_bytes.saturating_sub(limit_bytes);
        if above == 0 {
            return 0;
        }
        (self.used_bytes / 32 + above * 2).saturating_sub(self.spare_bytes)
    }
}

impl Keys<'_> {
    /// Evicts until `used` says that there is room, or `is_late` that the time is up: then it has evicted something.
    /// Begins with the shard of the key that wants room, unless it is smaller than others. No shard may be held.
    pub fn make_room(&mut self, room: Room, used: impl Fn() -> Used, is_late: impl Fn() -> bool) -> MadeRoom {
        let mut freed_bytes = 0;
        // No client's doing: one that asked not to hear of its own changes hears of what makes room for them.
        let by = std::mem::take(&mut self.scope.by);
        let ended = self.evict_for(room, used, is_late, &mut freed_bytes);
        self.scope.by = by;
        MadeRoom { ended, freed_bytes }
    }

    fn evict_for(
        &mut self,
        room: Room,
        used: impl Fn() -> Used,
        is_late: impl Fn() -> bool,
        freed_bytes: &mut u64,
    ) -> Evicted {
        let own = room.own.map(|hash| self.keyspace.shard_of(hash));
        let mut hand = fastrand::usize(..SHARDS);
        let mut fruitless = 0;
        let mut is_own = true;
        // What is spare lies too finely scattered to be given back: entries must go after all.
        let mut is_packed = false;
        loop {
            let now = used();
            if now.used_bytes <= room.limit_bytes {
                return Evicted::Enough;
            }
            let short_bytes = now.short_bytes(room.limit_bytes).max(u64::from(is_packed));
            let mean = now.held_bytes as usize / self.keyspace.shards_in_use();
            let shard = match own.filter(|own| is_own && self.keyspace.held_bytes(*own) >= mean - mean / 16) {
                Some(own) => own,
                None => self.keyspace.next_large(&mut hand, if fruitless == 0 { mean } else { 0 }),
            };
            let mut view = self.view_shard(shard, 0);
            let (given, freed) = match view.keyspace.busy(shard) {
                // A script finds what it found.
                Some(_) => (false, 0),
                None => view.give(short_bytes as usize, (now.used_bytes - room.limit_bytes) as usize),
            };
            drop(view);
            *freed_bytes += freed as u64;
            // Large values are freed at once, now that no lock is held: their memory is what is wanted.
            self.keyspace.free(self.effects.freed.drain(..));
            if short_bytes == 0 && !room.is_thorough {
                return Evicted::Enough;
            }
            is_own = given;
            fruitless = if given { 0 } else { fruitless + 1 };
            if short_bytes == 0 && fruitless > PACKED_LOOKS {
                (is_packed, fruitless) = (true, 0);
            } else if fruitless > SHARDS {
                return Evicted::Nothing;
            }
            // Whether there is nothing at all shows only after a look at each shard, which is quick.
            if given && is_late() {
                return Evicted::Some;
            }
        }
    }
}

impl Keyspace {
    /// What a shard's stores hold, bytes.
    fn held_bytes(&self, shard: usize) -> usize {
        self.stripes[shard].held_bytes.load(Relaxed)
    }

    /// The next shard that holds at least so much, or simply the next.
    fn next_large(&self, hand: &mut usize, bytes: usize) -> usize {
        for _ in 0..SHARDS {
            *hand = (*hand + 1) % SHARDS;
            if self.held_bytes(*hand) >= bytes {
                break;
            }
        }
        *hand
    }
}

impl View<'_> {
    /// Evicts some entries of this shard, whatever their database, until `short_bytes` are free or `above_bytes` given
    /// back, and moves others together. False if there was nothing to evict, or, where none shall be, nothing to move.
    /// With it the bytes of the entries that went.
    fn give(&mut self, short_bytes: usize, above_bytes: usize) -> (bool, usize) {
        let (mut given, mut spare, mut given_back, mut freed) = (false, 0, 0, 0);
        for _ in 0..EVICT_ENTRIES_MAX {
            // Large values count for many, and go back at once: a cache of some dozens would lose a good part of them.
            if spare + given_back >= short_bytes || given_back >= above_bytes {
                break;
            }
            let Some(db) = self.drawn_db() else { break };
            self.db = db;
            let before = self.store().size();
            given |= self.evict_one();
            let now = self.store().size();
            spare += now.spare_bytes.saturating_sub(before.spare_bytes);
            given_back += before.held_bytes.saturating_sub(now.held_bytes);
            let taken = |size: Size| size.held_bytes - size.spare_bytes;
            freed += taken(before).saturating_sub(taken(now));
        }
        for db in 0..self.shard.dbs.len() {
            self.db = db;
            let moved = self.store().compact(EVICT_COMPACT_ENTRIES, true);
            given |= moved && short_bytes == 0;
            self.note_size();
        }
        (given, freed)
    }

    /// A database with entries that may go, drawn by their numbers.
    fn drawn_db(&self) -> Option<usize> {
        let expiring_only = self.scope.rules.eviction?.expiring_only;
        let count = |db: usize| {
            let store = &self.shard.dbs[db].store;
            if expiring_only { store.expiring() } else { store.len() }
        };
        let all: usize = (0..self.shard.dbs.len()).map(count).sum();
        let mut drawn = if all == 0 { return None } else { fastrand::usize(..all) };
        (0..self.shard.dbs.len()).find(|db| {
            let is_it = drawn < count(*db);
            drawn = drawn.saturating_sub(count(*db));
            is_it
        })
    }

    /// Evicts one entry of this database; what is expired goes first.
    fn evict_one(&mut self) -> bool {
        let wall_ms = self.scope.now.wall_ms;
        let is_due = self.store().sweep_next_at().is_some_and(|at| at <= wall_ms);
        if is_due && self.sweep_entries(SWEEP_EXPIRED_FIRST) > 0 {
            return true;
        }
        self.follow_eviction();
        let store = self.store();
        let Some(found) = store.victim(wall_ms) else { return false };
        self.take_and_tell(found, Self::evicted);
        true
    }

    /// Lets the store keep what the eviction of now needs. Cost: a comparison mostly.
    #[inline]
    pub(super) fn follow_eviction(&mut self) {
        let (rule, wall_ms) = (self.scope.rules.eviction, self.scope.now.wall_ms);
        let store = self.store();
        if store.eviction() != rule {
            store.set_eviction(rule, wall_ms);
            self.note_size();
        }
    }

    /// Counts what the store holds more or less than when it was last counted.
    #[inline]
    pub(super) fn note_size(&mut self) {
        let db = self.db();
        let (now, before) = (db.store.size(), db.counted);
        if now == before {
            return;
        }
        db.counted = now;
        let more = |of: fn(&Size) -> usize| of(&now).wrapping_sub(of(&before));
        let held = more(|size| size.held_bytes);
        self.scope.counters.hold(Held {
            held_bytes: held as u64,
            spare_bytes: more(|size| size.spare_bytes) as u64,
            untouched_bytes: more(|size| size.untouched_bytes) as u64,
        });
        // Under the lock, so that a load and a store are one step.
        let stripe = &self.keyspace.stripes[self.index].held_bytes;
        stripe.store(stripe.load(Relaxed).wrapping_add(held), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Now;
    use crate::base::events::Classes;
    use crate::base::hash::HashSeed;
    use crate::base::metrics::Counters;
    use crate::keyspace::{Effects, Rules, Scope};

    fn used(used_bytes: u64, spare_bytes: u64) -> Used {
        Used { used_bytes, spare_bytes, held_bytes: used_bytes }
    }

    #[test]
    fn nothing_must_go_below_the_limit_or_while_enough_is_spare() {
        assert_eq!(used(3_200, 0).short_bytes(3_200), 0);
        assert_eq!(used(3_201, 0).short_bytes(3_200), 102);
        assert_eq!(used(3_201, 102).short_bytes(3_200), 0);
        assert!(used(4_000, 400).short_bytes(3_200) > 1_000, "far above the limit spare room is no excuse");
    }

    #[test]
    fn that_nothing_may_go_is_found_out_however_late_it_is() {
        let keyspace = Keyspace::new(1, SHARDS, 0, HashSeed(1, 2));
        let rules = Rules {
            wait_ms: 0,
            lease_ms: 0,
            beta: 1.0,
            grace_ms: 0,
            orphan_grace_ms: 0,
            late_ms: 0,
            waiters_per_key: 1,
            flights: 1,
            fill_bytes: usize::MAX,
            leases_per_connection: 1,
            eviction: None,
            events: Classes::default(),
            forms: crate::keyspace::Forms::default(),
        };
        let counters = Counters::default();
        let scope = Scope {
            now: Now { wall_ms: 0, mono_ms: 0 },
            rules: &rules,
            counters: &counters,
            by: 0,
            touches: false,
        };
        let mut effects = Effects::default();
        let mut keys = Keys::new(&keyspace, 0, scope, &mut effects);
        let room = Room { limit_bytes: 1, own: Some(7), is_thorough: false };
        let made = keys.make_room(room, || used(1_000, 0), || true);
        assert_eq!(made, MadeRoom { ended: Evicted::Nothing, freed_bytes: 0 });
    }
}
