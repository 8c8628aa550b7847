//! Which keys save the most fills: a sketch of heavy hitters with bounded memory (space-saving; Metwally,
//! Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements", ICDT 2005).
//!
//! One per shard and under its lock, so that a key is in one sketch only. Touched when waiters are answered from
//! somebody else's fill, never on a hit. Pure.

use std::sync::Arc;

use crate::base::limits::{TOP_KEY_BYTES_MAX, TOP_KEYS_PER_SHARD};

/// What a key saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub db: usize,
    pub key: Arc<[u8]>,
    hash: u64,
    /// Callers answered from another caller's fill: at least `fills - overcount`, at most `fills`.
    pub fills: u64,
    /// What this key took over from the one whose place it took.
    pub overcount: u64,
    /// How often a crowd was answered since the key has its place.
    pub crowds: u64,
    /// Callers in the largest of these crowds.
    pub largest: u64,
}

/// The keys of one shard that saved the most fills. A key with more than the shard's sum divided by
/// `TOP_KEYS_PER_SHARD` is always among them; up to that many keys the figures are exact.
#[derive(Debug, Default)]
pub struct Top {
    saved: Vec<Saved>,
    /// Counts the resets that this sketch has heard of.
    epoch: u64,
}

impl Top {
    /// Counts `callers` answered together. `epoch` counts resets: figures from before the last are dropped.
    /// Cost: a look at `TOP_KEYS_PER_SHARD` hashes.
    pub fn add(&mut self, epoch: u64, db: usize, key: &[u8], hash: u64, callers: u64) {
        if key.len() > TOP_KEY_BYTES_MAX {
            return;
        }
        self.heed(epoch);
        let is_same = |one: &&mut Saved| one.hash == hash && one.db == db && *one.key == *key;
        if let Some(one) = self.saved.iter_mut().find(is_same) {
            one.fills += callers;
            one.crowds += 1;
            one.largest = one.largest.max(callers);
            return;
        }
        let new = |overcount| Saved {
            db,
            key: Arc::from(key),
            hash,
            fills: overcount + callers,
            overcount,
            crowds: 1,
            largest: callers,
        };
        if self.saved.len() < TOP_KEYS_PER_SHARD {
            self.saved.push(new(0));
        } else if let Some(least) = self.saved.iter_mut().min_by_key(|one| one.fills) {
            *least = new(least.fills);
        }
    }

    /// Takes some keys out, chosen by their hashes.
    pub fn split_off(&mut self, which: impl Fn(u64) -> bool) -> Top {
        Top { saved: self.saved.extract_if(.., |one| which(one.hash)).collect(), epoch: self.epoch }
    }

    /// Takes in keys that are not here; of more than there is room for, those that saved the most stay.
    pub fn join(&mut self, others: Top) {
        self.heed(others.epoch.max(self.epoch));
        if others.epoch == self.epoch {
            self.saved.extend(others.saved);
            self.saved.sort_by_key(|one| std::cmp::Reverse(one.fills));
            self.saved.truncate(TOP_KEYS_PER_SHARD);
        }
    }

    /// What is known since the last reset, in no order.
    #[must_use]
    pub fn saved(&self, epoch: u64) -> &[Saved] {
        if self.epoch == epoch { &self.saved } else { &[] }
    }

    fn heed(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.saved.clear();
            self.epoch = epoch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(top: &mut Top, name: &str, callers: u64) {
        top.add(0, 0, name.as_bytes(), name.len() as u64, callers);
    }

    fn of<'a>(top: &'a Top, name: &str) -> Option<&'a Saved> {
        top.saved(0).iter().find(|one| *one.key == *name.as_bytes())
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut top = Top::default();
        [("a", 3), ("b", 1), ("a", 5), ("a", 2)].iter().for_each(|(name, n)| add(&mut top, name, *n));
        let a = of(&top, "a").cloned();
        assert_eq!(a.map(|a| (a.fills, a.overcount, a.crowds, a.largest)), Some((10, 0, 3, 5)));
        assert_eq!(of(&top, "b").map(|b| b.fills), Some(1));
    }

    #[test]
    fn same_key_in_another_database_is_another() {
        let mut top = Top::default();
        top.add(0, 0, b"k", 7, 1);
        top.add(0, 1, b"k", 7, 2);
        assert_eq!(top.saved(0).iter().map(|one| (one.db, one.fills)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
    }

    #[test]
    fn heavy_key_survives_many_light_ones_within_the_promised_error() {
        fastrand::seed(3);
        let mut top = Top::default();
        let (mut sum, mut heavy) = (0, 0);
        for _ in 0..20_000 {
            let name =
                if fastrand::u8(..10) == 0 { "heavy".into() } else { format!("k{}", fastrand::u32(..)) };
            let callers = fastrand::u64(1..4);
            add(&mut top, &name, callers);
            sum += callers;
            heavy += if name == "heavy" { callers } else { 0 };
        }
        assert_eq!(top.saved(0).len(), TOP_KEYS_PER_SHARD);
        // The sum of all places is the sum of all that was added: that bounds the overcount.
        assert_eq!(top.saved(0).iter().map(|one| one.fills).sum::<u64>(), sum);
        let found = of(&top, "heavy").expect("a tenth of all is more than a share");
        assert!((found.fills - found.overcount..=found.fills).contains(&heavy), "{heavy} {found:?}");
        assert!(found.overcount <= sum / TOP_KEYS_PER_SHARD as u64);
    }

    #[test]
    fn reset_forgets_and_counting_begins_anew() {
        let mut top = Top::default();
        add(&mut top, "k", 9);
        assert!(top.saved(1).is_empty());
        top.add(1, 0, b"k", 1, 2);
        assert_eq!(top.saved(1).iter().map(|one| one.fills).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn very_long_keys_are_left_out() {
        let mut top = Top::default();
        top.add(0, 0, &[b'k'; TOP_KEY_BYTES_MAX + 1], 1, 2);
        assert!(top.saved(0).is_empty());
    }
}
