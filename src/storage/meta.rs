//! What an entry says about its key: what it is, when it ends, what FILL keeps with it.
//!
//! Plain facts; how they lie in memory is `entry`'s.

use std::num::NonZeroU64;

/// What an entry says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value, visible to every command.
    Value,
    /// A value past its deadline that is kept for its grace. Hidden from all but the FILL commands, as are
    /// the two below.
    Stale,
    /// FILL.NONE: known not to exist.
    None,
    /// FILL.PASS: uncacheable.
    Pass,
    /// A hash, a set or a sorted set: visible to every command, but not as bytes.
    Collection,
}

impl Kind {
    /// Whether ordinary commands see an entry of this kind: the one place that says so.
    #[inline]
    #[must_use]
    pub fn is_visible(self) -> bool {
        matches!(self, Kind::Value | Kind::Collection)
    }
}

/// A key holds another type than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// What FILL keeps with a value: how long it may be served stale and what it cost to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Refill {
    /// Milliseconds past `expire_at` during which the value may be served stale.
    pub grace_ms: u32,
    /// Milliseconds from lease to PUT: XFetch's delta.
    pub delta_ms: u32,
}

/// A limit on the time that a value may lie without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Milliseconds from one access to the end.
    pub ms: NonZeroU64,
    /// The latest end, whatever the accesses, wall-clock ms; `i64::MAX` where there is none.
    pub until: i64,
}

impl Idle {
    /// When an entry ends that nobody asks for after `now_ms`.
    #[must_use]
    pub fn ends_at(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add_unsigned(self.ms.get()).min(self.until)
    }

    /// The latest end, if there is one.
    #[must_use]
    pub fn until(&self) -> Option<i64> {
        (self.until != i64::MAX).then_some(self.until)
    }
}

/// Everything about an entry except its key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    /// Wall-clock milliseconds since the epoch at which the entry expires.
    pub expire_at: Option<i64>,
    /// Says how `expire_at`, which is then there, moves with each access.
    pub idle: Option<Idle>,
    pub refill: Option<Refill>,
    /// Whether the value was changed in place since it was set: OBJECT ENCODING calls that `raw`.
    pub edited: bool,
}

impl Meta {
    /// An ordinary value.
    #[must_use]
    pub fn value(expire_at: Option<i64>) -> Meta {
        Meta { kind: Kind::Value, expire_at, idle: None, refill: None, edited: false }
    }

    /// When the entry is of no more use to anybody: its deadline plus its grace.
    #[must_use]
    pub fn dies_at(&self) -> Option<i64> {
        dies_at(self.expire_at, self.refill)
    }
}

/// The end of an entry's use: its deadline plus its grace.
pub(super) fn dies_at(expire_at: Option<i64>, refill: Option<Refill>) -> Option<i64> {
    let grace_ms = refill.map_or(0, |refill| i64::from(refill.grace_ms));
    expire_at.map(|at| at.saturating_add(grace_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::{HashSeed, Key};
    use crate::storage::{NewValue, Store};

    const SEED: HashSeed = HashSeed(1, 2);

    fn idle(ms: u64, until: i64) -> Option<Idle> {
        NonZeroU64::new(ms).map(|ms| Idle { ms, until })
    }

    #[test]
    fn idle_time_ends_at_its_limit_and_no_later_than_the_latest_end() {
        let ends = |until, now| idle(100, until).map(|idle| idle.ends_at(now));
        assert_eq!(ends(i64::MAX, 5_000), Some(5_100));
        assert_eq!(ends(5_050, 5_000), Some(5_050));
        assert_eq!(ends(i64::MAX, i64::MAX - 3), Some(i64::MAX));
        assert_eq!(idle(u64::MAX, i64::MAX).map(|idle| idle.ends_at(5_000)), Some(i64::MAX));
    }

    #[test]
    fn access_moves_the_end_later_in_place_and_the_wheel_finds_it_when_its_record_fires() {
        let mut store = Store::new(SEED);
        let key = Key { bytes: b"k", hash: SEED.hash(b"k") };
        let meta = Meta { expire_at: Some(1_100), idle: idle(100, 1_250), ..Meta::value(None) };
        store.put(1_000, &key, &NewValue::Small(b"v"), meta);
        let touch = |store: &mut Store, now| {
            let found = store.find(&key);
            found.into_iter().for_each(|found| store.touch(now, found));
            store.get(&key).and_then(|entry| entry.expire_at())
        };
        assert_eq!(touch(&mut store, 1_090), Some(1_190));
        assert_eq!(touch(&mut store, 900), Some(1_190), "a clock set back takes nothing away");
        assert_eq!(touch(&mut store, 1_180), Some(1_250), "the latest end");
        let sweep = |store: &mut Store, now| {
            while let Some(record) = store.sweep_pop(now) {
                let Some(found) = store.find_record(record, |_| true) else { continue };
                if store.entry(found).dies_at().is_some_and(|at| at <= now) {
                    store.remove(found);
                } else {
                    store.sweep_later(now, record, found);
                }
            }
            store.len()
        };
        assert_eq!([1_190, 1_249, 1_266].map(|now| sweep(&mut store, now)), [1, 1, 0]);
    }
}
