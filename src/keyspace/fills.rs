//! What all fills together hold, and what gives way where that is too much.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::rules::Rules;
use crate::base::gauge::Gauge;
use crate::base::sync::Mutex;

/// What all fills together hold.
#[derive(Debug, Default)]
pub struct Fills {
    /// Flights at work: somebody connected fills, or somebody waits.
    at_work: AtomicUsize,
    /// The others.
    pub kept: Kept,
    /// Bytes of flights with their keys and waiters, of nonces and messages.
    pub held: Gauge,
    /// Bytes of parked requests beside that.
    pub parked: Gauge,
}

impl Fills {
    /// Flights at work.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.at_work.load(Relaxed)
    }

    /// Bytes that fills hold.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes() + self.parked.bytes()
    }

    /// Whether they may hold this many more.
    #[must_use]
    pub fn has_room(&self, bytes: usize, rules: &Rules) -> bool {
        self.held_bytes().saturating_add(bytes) <= rules.fill_bytes
    }

    /// Whether something that is kept must give way so that they may hold this many bytes more.
    #[must_use]
    pub fn is_crowded(&self, bytes: usize, rules: &Rules) -> bool {
        self.kept.len() > rules.flights || (!self.kept.is_empty() && !self.has_room(bytes, rules))
    }

    /// One more flight is at work; false where there may be no more.
    pub(super) fn begin(&self, rules: &Rules) -> bool {
        let may = self.at_work.fetch_add(1, Relaxed) < rules.flights;
        if !may {
            self.end();
        }
        may
    }

    /// As `begin`, for one that nobody may refuse any more.
    pub(super) fn resume(&self) {
        self.at_work.fetch_add(1, Relaxed);
    }

    /// A flight is at work no longer.
    pub(super) fn end(&self) {
        self.at_work.fetch_sub(1, Relaxed);
    }
}

/// Where a kept flight is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub db: usize,
    pub hash: u64,
    pub id: u64,
}

/// The flights that nobody connected works on and nobody waits for, of all shards, by age: an ended lease whose answer
/// is still welcome, a failure that is remembered, a detached lease whose connection is gone. They are a favour, and give
/// way, oldest first. The lock is a leaf: it may be taken with a shard held, and none is taken under it.
#[derive(Debug, Default)]
pub struct Kept {
    by_age: Mutex<Places>,
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    places: BTreeMap<u64, Place>,
}

impl Kept {
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one, the youngest, and returns its number.
    pub fn add(&self, place: Place) -> u64 {
        let mut inside = self.by_age.lock();
        let number = inside.next;
        inside.next += 1;
        inside.places.insert(number, place);
        self.len.store(inside.places.len(), Relaxed);
        number
    }

    pub fn remove(&self, number: u64) {
        let mut inside = self.by_age.lock();
        inside.places.remove(&number);
        self.len.store(inside.places.len(), Relaxed);
    }

    /// Takes the oldest one out, and returns its number and place.
    pub fn take_oldest(&self) -> Option<(u64, Place)> {
        let mut inside = self.by_age.lock();
        let oldest = inside.places.pop_first();
        self.len.store(inside.places.len(), Relaxed);
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_gives_way_first_and_only_those_that_are_there() {
        let kept = Kept::default();
        let place = |id| Place { db: 0, hash: 7, id };
        let numbers = [1, 2, 3].map(|id| kept.add(place(id)));
        kept.remove(numbers[0]);
        assert_eq!(kept.take_oldest().map(|(number, place)| (number, place.id)), Some((numbers[1], 2)));
        assert_eq!((kept.len(), kept.take_oldest().is_some(), kept.take_oldest().is_none()), (1, true, true));
    }
}
