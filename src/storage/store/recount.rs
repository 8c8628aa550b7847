//! A store counted anew, entry by entry: what DEBUG RECOUNT and the soak test compare with what is kept.
//!
//! Cost: a look at everything the store holds. It changes nothing.

use std::collections::HashSet;

use super::{Store, record_of, sweep_at};
use crate::base::hash::Key;
use crate::storage::arena::rounded;
use crate::storage::entry::Content;
use crate::storage::packed;
use crate::storage::value::Collected;

/// What a store holds, counted, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recount {
    pub entries: usize,
    /// Entries with a deadline.
    pub expiring: usize,
    /// Stale values, NONE and PASS.
    pub hidden: usize,
    /// Bytes asked of the allocator: table, arena, wheel, large values and what eviction keeps.
    pub bytes: usize,
    /// Each says which figure is another than the one kept; none in a sound store.
    pub faults: Vec<String>,
}

impl Recount {
    /// Adds the figures of another store.
    pub fn add(&mut self, other: Recount) {
        self.entries += other.entries;
        self.expiring += other.expiring;
        self.hidden += other.hidden;
        self.bytes += other.bytes;
        self.faults.extend(other.faults);
    }

    fn check(&mut self, what: &str, kept: usize, counted: usize) {
        if kept != counted {
            self.faults.push(format!("{what}: {kept} kept, {counted} counted"));
        }
    }
}

impl Store {
    /// Counts the store anew and compares.
    #[must_use]
    pub fn recount(&self) -> Recount {
        let records: HashSet<u32> = self.wheel.records().collect();
        let mut count = Recount::default();
        let (mut used, mut numbers, mut young, mut unfound, mut unfiled) = (0, HashSet::new(), 0, 0, 0);
        let mut subexpiring = 0;
        self.table.each(|block| {
            let entry = self.read(block);
            let key = Key { bytes: entry.key(), hash: self.seed.hash(entry.key()) };
            count.entries += 1;
            count.hidden += usize::from(!entry.is_visible());
            used += rounded(entry.bytes());
            if let Content::Outside(number) = entry.content() {
                numbers.insert(number);
            }
            if let Some(Collected::Packed(bytes)) = entry.collection() {
                count
                    .faults
                    .extend(packed::faults(bytes).into_iter().map(|fault| format!("packed: {fault}")));
            }
            count.expiring += usize::from(entry.expire_at().is_some());
            subexpiring += usize::from(entry.items_due_at().is_some());
            if sweep_at(&entry).is_some() {
                unfiled += usize::from(!records.contains(&record_of(key.hash)));
            }
            let found = self.find(&key).filter(|found| found.block == block);
            unfound += usize::from(found.is_none());
            young += usize::from(found.is_some_and(|found| self.table.is_young(found.slot)));
        });
        let (entries, expiring, hidden) = (count.entries, count.expiring, count.hidden);
        count.check("entries", self.table.len(), entries);
        count.check("entries with a deadline", self.expiring, expiring);
        count.check("collections with items that have a deadline", self.subexpiring, subexpiring);
        count.check("hidden entries", self.hidden, hidden);
        count.check("bytes of entries", self.arena.used_bytes(), used);
        count.check("young entries", self.table.young(), young);
        count.check("values outside", self.outside.len(), numbers.len());
        count.check("records", self.wheel.len(), self.wheel.records().count());
        count.check("entries that a look-up does not find", 0, unfound);
        count.check("entries with a deadline that the wheel does not know", 0, unfiled);
        count.check("bytes that the arena holds", self.arena.held_bytes(), self.arena.counted_bytes());
        count.check("bytes of values outside", self.outside.bytes(), self.outside.counted_bytes());
        count.faults.extend(self.outside.faults());
        count.bytes = self.table.bytes()
            + self.arena.counted_bytes()
            + self.wheel.counted_bytes()
            + self.outside.counted_bytes()
            + self.eviction_bytes();
        count
    }
}
