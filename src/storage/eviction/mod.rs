//! Which entry makes room: one state per store, made only while there is a limit on memory.
//!
//! `adaptive` is the order of a cache, `sampled` that of Redis's policies. Without a limit a store has no
//! state, and a look-up pays one branch for it. Knows no limits and no figures of memory: the
//! caller of `victim` knows that there must be one.

mod adaptive;
mod ghost;
mod rule;
mod sampled;

use super::entry::{Content, Entry};
use super::store::{Found, Store, hash_of, record_of, sweep_at};
use super::table::Slot;
use adaptive::Adaptive;
pub use rule::{Eviction, LfuRule, Order};
use sampled::Pool;
pub use sampled::{frequency, idle_s};

/// How an entry was used elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Seconds since the last time.
    IdleS(u64),
    /// The logarithmic count of uses.
    Frequency(u8),
}

/// What a store keeps while it may have to evict.
#[derive(Debug)]
pub struct State {
    rule: Eviction,
    adaptive: Adaptive,
    pool: Pool,
    /// The wall clock in the unit of stamps, as of the last change or hit.
    clock: u32,
}

impl State {
    fn new(rule: Eviction, now_ms: i64) -> State {
        State { rule, adaptive: Adaptive::default(), pool: Pool::default(), clock: sampled::clock(now_ms) }
    }

    fn keeps_stamps(rule: Eviction) -> bool {
        matches!(rule.order, Order::Lru | Order::Lfu)
    }

    /// The mark and the stamp of a new entry. `len`: entries in the store.
    pub(super) fn admit(&mut self, hash: u64, len: usize) -> (bool, u32) {
        match self.rule.order {
            Order::Adaptive => (self.adaptive.admit(record_of(hash), len), 0),
            Order::Lru => (false, self.clock),
            Order::Lfu => (false, sampled::new_frequency(self.clock)),
            Order::Random | Order::Deadline => (false, 0),
        }
    }

    /// Bytes of queues and ghosts.
    fn bytes(&self) -> usize {
        size_of::<State>() + self.adaptive.bytes()
    }
}

impl Store {
    /// How the store chooses, if it does.
    #[inline]
    #[must_use]
    pub fn eviction(&self) -> Option<Eviction> {
        self.eviction.as_ref().map(|state| state.rule)
    }

    /// Begins, changes or ends the keeping of what eviction needs. Cost: nothing if that is what is kept;
    /// else a look at every bucket.
    pub fn set_eviction(&mut self, rule: Option<Eviction>, now_ms: i64) {
        if self.eviction() == rule {
            return;
        }
        if self.eviction.is_some() {
            self.table.clear_marks();
        }
        let stamp = match rule {
            Some(rule) if rule.order == Order::Lfu => sampled::new_frequency(sampled::clock(now_ms)),
            _ => sampled::clock(now_ms),
        };
        self.table.keep_stamps(rule.is_some_and(State::keeps_stamps), stamp);
        self.arena.set_sparing(rule.is_some());
        self.eviction = rule.map(|rule| Box::new(State::new(rule, now_ms)));
    }

    /// Notes that an entry was used. Cost: one branch without a limit, else a write to its bucket.
    #[inline]
    pub fn note_use(&mut self, found: Found, now_ms: i64) {
        if self.eviction.is_some() {
            self.mark_use(found.slot, now_ms);
        }
    }

    fn mark_use(&mut self, slot: Slot, now_ms: i64) {
        let Some(state) = &mut self.eviction else { return };
        match state.rule.order {
            Order::Adaptive => {
                let count = self.table.count(slot);
                if count < super::table::COUNT_MAX {
                    self.table.set_count(slot, count + 1);
                }
            }
            Order::Lru => {
                state.clock = sampled::clock(now_ms);
                self.table.set_stamp(slot, state.clock);
            }
            Order::Lfu => {
                state.clock = sampled::clock(now_ms);
                let stamp = sampled::used(self.table.stamp(slot), state.clock, state.rule.lfu);
                self.table.set_stamp(slot, stamp);
            }
            Order::Random | Order::Deadline => {}
        }
    }

    /// The entry to evict next; the caller removes it at once. `None` where none may be.
    /// Cost: some entries' cache lines; for `Adaptive` as many slots as were used since the hand was there,
    /// at most `adaptive::STEPS_MAX`.
    pub fn victim(&mut self, now_ms: i64) -> Option<Found> {
        let mut state = self.eviction.take()?;
        state.clock = sampled::clock(now_ms);
        let Eviction { order, expiring_only, .. } = state.rule;
        let has_any = if expiring_only { self.expiring > 0 } else { !self.is_empty() };
        let victim = match order {
            _ if !has_any => None,
            Order::Adaptive => self.adaptive_victim(&mut state.adaptive),
            Order::Lru | Order::Lfu => self.sampled_victim(&mut state.pool, state.rule, state.clock, now_ms),
            Order::Random => self.random_victim(expiring_only, now_ms),
            Order::Deadline => self.nearest_deadline(now_ms),
        };
        self.eviction = Some(state);
        victim
    }

    /// New entries since the last call whose keys were evicted not long ago: about twice the memory would
    /// still have held them.
    #[inline]
    pub fn take_ghost_hits(&mut self) -> u64 {
        self.eviction.as_mut().map_or(0, |state| std::mem::take(&mut state.adaptive.ghost_hits))
    }

    /// When the entry was last used (`Lru`) or how often (`Lfu`), for `idle_s` and `frequency`.
    #[must_use]
    pub fn stamp(&self, found: Found) -> u32 {
        self.table.stamp(found.slot)
    }

    /// Says how an entry was used before it came here, where the policy keeps that.
    pub fn set_use(&mut self, found: Found, used: Use, now_ms: i64) {
        let stamp = match (self.eviction().map(|rule| rule.order), used) {
            (Some(Order::Lru), Use::IdleS(idle_s)) => sampled::idle_stamp(idle_s, now_ms),
            (Some(Order::Lfu), Use::Frequency(count)) => {
                sampled::frequency_stamp(count, sampled::clock(now_ms))
            }
            _ => return,
        };
        self.table.set_stamp(found.slot, stamp);
    }

    /// Bytes of what is kept for eviction beside the table.
    #[must_use]
    pub fn eviction_bytes(&self) -> usize {
        self.eviction.as_ref().map_or(0, |state| state.bytes())
    }

    /// The record of an entry: what finds it again.
    fn record(&self, block: super::arena::Block) -> u32 {
        record_of(hash_of(self.seed, &self.arena, block))
    }

    /// The entry with this very record for which `which` holds.
    fn find_exact(&self, record: u32, which: impl Fn(Slot) -> bool) -> Option<Found> {
        let is_it = |slot, block| which(slot) && self.record(block) == record;
        let (slot, block) = self.table.find_slot(u64::from(record), is_it)?;
        Some(Found { slot, block })
    }

    /// Bytes of an entry with its value.
    fn whole_bytes(&self, entry: &Entry<'_>) -> usize {
        match entry.content() {
            Content::Inline(_) => entry.bytes(),
            Content::Outside(number) => entry.bytes() + self.outside.get(number).held_bytes(),
        }
    }

    /// The entry whose deadline is nearest, as exactly as the wheel files it.
    fn nearest_deadline(&mut self, now_ms: i64) -> Option<Found> {
        if self.wheel.is_ahead_of(now_ms) {
            self.rebuild_wheel(now_ms);
        }
        // Each turn drops a record of nobody or files one anew that was superseded.
        for _ in 0..=self.wheel.len() {
            let (until_ms, record, found) = self.take_earliest(now_ms)?;
            // Not `dies_at`: what is kept for its grace is filed by the earlier time, and would be filed there again.
            match sweep_at(&self.entry(found)) {
                Some(at) if at > until_ms => self.sweep_later(now_ms, record, found),
                _ => return Some(found),
            }
        }
        None
    }

    /// Takes the earliest record of an entry that has a deadline itself, and tells when its slot ends. Records of those of
    /// which only items have one are filed again. Cost: a look-up for each of these that is earlier.
    fn take_earliest(&mut self, now_ms: i64) -> Option<(i64, u32, Found)> {
        let mut passed = Vec::new();
        let taken = loop {
            let Some((until_ms, record)) = self.wheel.take_earliest() else { break None };
            match self.find_record(record, |entry| entry.expire_at().is_some()) {
                Some(found) => break Some((until_ms, record, found)),
                None => passed.push(record),
            }
        };
        for record in passed {
            let found = self.find_record(record, |_| true);
            found.into_iter().for_each(|found| self.sweep_later(now_ms, record, found));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::{HashSeed, Key};
    use crate::storage::{Meta, NewValue, Refill};

    const SEED: HashSeed = HashSeed(5, 6);
    const NOW_MS: i64 = 1_700_000_000_000;

    fn key(name: &str) -> Key<'_> {
        Key { bytes: name.as_bytes(), hash: SEED.hash(name.as_bytes()) }
    }

    /// A store that evicts by deadlines, with entries of these.
    fn store(deadlines: &[(&str, i64)], grace_ms: u32) -> Store {
        let mut store = Store::new(SEED);
        let lfu = LfuRule { log_factor: 10, decay_minutes: 1 };
        let rule = Eviction { order: Order::Deadline, expiring_only: true, samples: 5, lfu };
        store.set_eviction(Some(rule), NOW_MS);
        for (name, at) in deadlines {
            let refill = Some(Refill { grace_ms, delta_ms: 0 });
            let meta = Meta { refill, ..Meta::value(Some(NOW_MS + at)) };
            store.put(NOW_MS, &key(name), &NewValue::Small(b"v"), meta);
        }
        store
    }

    fn evict(store: &mut Store) -> Option<String> {
        let found = store.victim(NOW_MS)?;
        let name = String::from_utf8_lossy(store.entry(found).key()).into_owned();
        store.remove(found);
        Some(name)
    }

    #[test]
    fn nearest_deadline_goes_first_whatever_the_grace() {
        let mut store = store(&[("c", 700_000), ("a", 1_000), ("b", 30_000)], 3_600_000);
        let gone: Vec<_> = std::iter::from_fn(|| evict(&mut store)).collect();
        assert_eq!(gone, ["a", "b", "c"]);
    }

    #[test]
    fn deadline_that_was_moved_later_counts_as_it_is_now() {
        // The wheel's phase depends on the key: some of these have a large one.
        for name in ["a", "b", "c", "d", "e", "f"] {
            let mut store = store(&[(name, 100), ("other", 300)], 0);
            let moved = store.find(&key(name)).expect("it is there");
            store.set_expire_at(NOW_MS, &key(name), moved, Some(NOW_MS + 900), None);
            assert_eq!(evict(&mut store).as_deref(), Some("other"), "{name}");
            assert_eq!(evict(&mut store).as_deref(), Some(name));
        }
    }
}
