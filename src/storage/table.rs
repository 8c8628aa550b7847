//! The table of one shard and database: 64-byte buckets of six entries that grow by linear hashing.
//!
//! Growth splits one bucket per insertion, so there is no resize event and a scan can walk on while
//! the table grows or shrinks. Knows nothing of expiry, locks or the hash function; callers pass hashes.
//! Invariant: an entry lies in the chain of the bucket that `place` names for its hash.
//! Linear hashing: Litwin, VLDB 1980. Scan order: reverse binary counting, as in Redis's dict.

use super::entry::Entry;

const SLOTS: usize = 6;
/// Mean entries per bucket above which one bucket is split at each insertion.
const LOAD_MAX: usize = 5;
/// Mean entries per bucket below which one bucket is merged at each removal.
const LOAD_MIN: usize = 2;

/// Entries found by hash and key.
#[derive(Debug, Default)]
pub struct Table {
    buckets: Vec<Bucket>,
    len: usize,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    slots: [Option<Entry>; SLOTS],
    next: Option<Box<Bucket>>,
    tags: [u8; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// What is to be fetched ahead of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The bucket a hash belongs to.
    Bucket,
    /// The entries which that bucket names for the hash.
    Entries,
}

/// The byte of a hash that filters slots before their entries are looked at.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 48) as u8
}

impl Table {
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the buckets, chained ones not counted.
    #[must_use]
    pub fn bucket_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// Finds an entry. Cost: one bucket line, one entry line, rarely a chained bucket.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let mut bucket = self.buckets.get(self.place(hash)?)?;
        loop {
            for slot in 0..SLOTS {
                if bucket.tags[slot] == tag(hash)
                    && let Some(entry) = &bucket.slots[slot]
                    && entry.key() == key
                {
                    return Some(entry);
                }
            }
            bucket = bucket.next.as_deref()?;
        }
    }

    /// As `find`, for changing the entry; the key must stay the same.
    #[inline]
    #[must_use]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        let slot = self.slot_mut(hash, |entry| entry.key() == key)?;
        slot.as_mut()
    }

    /// Puts an entry in and returns the one that had the same key.
    pub fn insert(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        if let Some(old) = self.find_mut(hash, entry.key()) {
            return Some(std::mem::replace(old, entry));
        }
        if self.buckets.is_empty() {
            self.buckets.push(Bucket::default());
        }
        let place = self.place(hash)?;
        self.buckets[place].push(tag(hash), entry);
        self.len += 1;
        None
    }

    /// Splits a bucket if the table is crowded; called after `insert` with the caller's hash function.
    pub fn grow(&mut self, hash_of: impl Fn(&[u8]) -> u64) {
        if self.len > self.buckets.len() * LOAD_MAX {
            let from = self.buckets.len() - self.base();
            self.buckets.push(Bucket::default());
            let moved = std::mem::take(&mut self.buckets[from]);
            self.spread(moved, hash_of);
        }
    }

    /// Removes the entry with this key.
    pub fn remove(&mut self, hash: u64, key: &[u8], hash_of: impl Fn(&[u8]) -> u64) -> Option<Entry> {
        self.remove_if(hash, |entry| entry.key() == key, hash_of)
    }

    /// Removes the first entry under `hash` that `which` accepts; entries with a like tag are asked too.
    pub fn remove_if(
        &mut self,
        hash: u64,
        which: impl Fn(&Entry) -> bool,
        hash_of: impl Fn(&[u8]) -> u64,
    ) -> Option<Entry> {
        let removed = self.slot_mut(hash, which)?.take()?;
        self.len -= 1;
        self.shrink(hash_of);
        Some(removed)
    }

    /// The first entry under `hash` that `which` accepts; entries with a like tag are asked too.
    #[must_use]
    pub fn find_if(&mut self, hash: u64, which: impl Fn(&Entry) -> bool) -> Option<&mut Entry> {
        self.slot_mut(hash, which)?.as_mut()
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end.
    /// An entry that stays in the table from cursor 0 to cursor 0 is visited at least once.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&Entry)) -> u64 {
        if self.buckets.is_empty() {
            return 0;
        }
        let base = self.base();
        let mask = base as u64 - 1;
        let low = (cursor & mask) as usize;
        self.buckets[low].each(&mut visit);
        if let Some(split) = self.buckets.get(low + base) {
            split.each(&mut visit);
        }
        next_reversed(cursor & mask, mask)
    }

    /// Visits every entry.
    pub fn each(&self, mut visit: impl FnMut(&Entry)) {
        self.buckets.iter().for_each(|bucket| bucket.each(&mut visit));
    }

    /// An entry drawn at random with `random(n)` giving a number below `n`; `None` in an empty table.
    /// Not exactly uniform: an entry in a full bucket is drawn less often, as in Redis.
    #[must_use]
    pub fn draw(&self, mut random: impl FnMut(usize) -> usize) -> Option<&Entry> {
        if self.is_empty() {
            return None;
        }
        loop {
            let bucket = &self.buckets[random(self.buckets.len())];
            let mut entries = Vec::new();
            bucket.list(&mut entries);
            if !entries.is_empty() {
                return Some(entries[random(entries.len())]);
            }
        }
    }

    /// Asks the processor to fetch what `find` will touch.
    #[inline]
    pub fn prefetch(&self, hash: u64, line: Line) {
        let Some(bucket) = self.place(hash).map(|place| &self.buckets[place]) else { return };
        if line == Line::Bucket {
            super::prefetch_line(&raw const *bucket);
            return;
        }
        for slot in 0..SLOTS {
            if bucket.tags[slot] == tag(hash)
                && let Some(entry) = &bucket.slots[slot]
            {
                entry.prefetch();
            }
        }
    }

    /// Buckets before the split pointer's round: the largest power of two not above the bucket count.
    #[inline]
    fn base(&self) -> usize {
        1 << self.buckets.len().ilog2()
    }

    /// The bucket of a hash, or none in a table without buckets.
    #[inline]
    fn place(&self, hash: u64) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let base = self.base();
        let wide = hash as usize & (base * 2 - 1);
        Some(if wide < self.buckets.len() { wide } else { wide & (base - 1) })
    }

    fn slot_mut(&mut self, hash: u64, which: impl Fn(&Entry) -> bool) -> Option<&mut Option<Entry>> {
        let place = self.place(hash)?;
        let mut bucket = self.buckets.get_mut(place)?;
        loop {
            let found = (0..SLOTS).find(|&slot| {
                bucket.tags[slot] == tag(hash) && bucket.slots[slot].as_ref().is_some_and(&which)
            });
            match found {
                Some(slot) => return Some(&mut bucket.slots[slot]),
                None => bucket = bucket.next.as_deref_mut()?,
            }
        }
    }

    fn shrink(&mut self, hash_of: impl Fn(&[u8]) -> u64) {
        if self.is_empty() {
            self.buckets = Vec::new();
        } else if self.buckets.len() > 1
            && self.len < self.buckets.len() * LOAD_MIN
            && let Some(last) = self.buckets.pop()
        {
            self.spread(last, hash_of);
            if self.buckets.capacity() > self.buckets.len() * 4 {
                self.buckets.shrink_to(self.buckets.len() * 2);
            }
        }
    }

    /// Puts the entries of a taken bucket back where they now belong.
    fn spread(&mut self, bucket: Bucket, hash_of: impl Fn(&[u8]) -> u64) {
        let mut rest = Some(Box::new(bucket));
        while let Some(mut bucket) = rest {
            for entry in bucket.slots.iter_mut().filter_map(Option::take) {
                let hash = hash_of(entry.key());
                if let Some(place) = self.place(hash) {
                    self.buckets[place].push(tag(hash), entry);
                }
            }
            rest = bucket.next.take();
        }
    }
}

impl Bucket {
    fn push(&mut self, tag: u8, entry: Entry) {
        let mut bucket = self;
        loop {
            if let Some(free) = bucket.slots.iter().position(Option::is_none) {
                bucket.tags[free] = tag;
                bucket.slots[free] = Some(entry);
                return;
            }
            bucket = bucket.next.get_or_insert_default();
        }
    }

    fn each(&self, visit: &mut impl FnMut(&Entry)) {
        let mut bucket = Some(self);
        while let Some(here) = bucket {
            here.slots.iter().flatten().for_each(&mut *visit);
            bucket = here.next.as_deref();
        }
    }

    fn list<'a>(&'a self, into: &mut Vec<&'a Entry>) {
        let mut bucket = Some(self);
        while let Some(here) = bucket {
            into.extend(here.slots.iter().flatten());
            bucket = here.next.as_deref();
        }
    }
}

/// The successor of `cursor` when the bits under `mask` are counted from the highest down.
fn next_reversed(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::entry::{Meta, NewValue};
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn hash_of(key: &[u8]) -> u64 {
        crate::base::hash::HashSeed(1, 2).hash(key)
    }

    fn put(table: &mut Table, key: &[u8], value: &[u8]) -> Option<Entry> {
        let old = table.insert(hash_of(key), Entry::new(key, &NewValue::copied(value), Meta::value(None)));
        table.grow(hash_of);
        old
    }

    proptest! {
        #[test]
        fn table_answers_like_a_map(steps in proptest::collection::vec((any::<bool>(), 0..300u32, any::<u8>()), 0..1500)) {
            let mut table = Table::default();
            let mut model = HashMap::new();
            for (insert, key, value) in steps {
                let key = key.to_string().into_bytes();
                let hash = hash_of(&key);
                if insert {
                    let old = put(&mut table, &key, &[value]).map(|entry| entry.value().as_slice().to_vec());
                    prop_assert_eq!(old, model.insert(key.clone(), vec![value]));
                } else {
                    let old = table.remove(hash, &key, hash_of).map(|entry| entry.value().as_slice().to_vec());
                    prop_assert_eq!(old, model.remove(&key));
                }
                prop_assert_eq!(table.len(), model.len());
                let found = table.find(hash, &key).map(|entry| entry.value().as_slice().to_vec());
                prop_assert_eq!(found.as_ref(), model.get(&key));
            }
            let mut count = 0;
            table.each(|entry| { count += 1; assert!(model.contains_key(entry.key())) });
            prop_assert_eq!(count, model.len());
        }

        #[test]
        fn scan_returns_all_that_stayed_while_the_table_grows_and_shrinks(
            stay in 1..400u32,
            changes in proptest::collection::vec((any::<bool>(), 1000..3000u32), 0..300),
            per_step in 1..40usize,
        ) {
            let mut table = Table::default();
            for key in 0..stay { put(&mut table, key.to_string().as_bytes(), b""); }
            let mut seen = HashSet::new();
            let mut cursor = 0;
            let mut changes = changes.chunks(per_step).cycle().take(2000);
            loop {
                cursor = table.scan(cursor, |entry| { seen.insert(entry.key().to_vec()); });
                if cursor == 0 { break }
                for (insert, key) in changes.next().unwrap_or(&[]) {
                    let key = key.to_string().into_bytes();
                    if *insert { put(&mut table, &key, b""); } else { table.remove(hash_of(&key), &key, hash_of); }
                }
            }
            for key in 0..stay { prop_assert!(seen.contains(key.to_string().as_bytes()), "missed {}", key); }
        }
    }

    #[test]
    fn emptied_table_gives_its_buckets_back() {
        let mut table = Table::default();
        for key in 0..10_000u32 {
            put(&mut table, &key.to_le_bytes(), b"");
        }
        assert!(table.bucket_bytes() >= 10_000 / LOAD_MAX * 64);
        for key in 0..10_000u32 {
            table.remove(hash_of(&key.to_le_bytes()), &key.to_le_bytes(), hash_of);
        }
        assert_eq!(table.bucket_bytes(), 0);
    }
}
