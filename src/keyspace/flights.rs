//! The flights of one database in one shard, found by their keys' hashes.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::base::hash::Key;
use crate::base::memory::{arc_bytes, class_bytes};
use crate::fill::Flight;
use crate::parking::ReplySlot;

/// A flight, and what the keyspace knows of it.
#[derive(Debug)]
pub struct Record {
    /// Names it for as long as it lasts; unique in its shard.
    pub id: u64,
    pub key: Arc<[u8]>,
    pub hash: u64,
    pub flight: Flight<Arc<ReplySlot>>,
    /// Its number among the kept ones, while it is one.
    pub kept: Option<u64>,
    /// Bytes that were counted for it.
    pub counted_bytes: usize,
}

impl Record {
    fn is_of(&self, key: &Key<'_>) -> bool {
        self.hash == key.hash && *self.key == *key.bytes
    }

    /// What is counted wrong of it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let (counted, now) = (self.counted_bytes, self.held_bytes());
        let is_right = counted == now && self.kept.is_some() != self.flight.is_at_work();
        (!is_right).then(|| format!("flight: {counted} bytes counted, {now} now, kept {:?}", self.kept))
    }

    /// Bytes that the allocator gave for it.
    pub fn held_bytes(&self) -> usize {
        record_bytes(self.key.len()) + self.flight.held_bytes()
    }
}

/// Bytes of a flight of nothing but a lease.
pub fn record_bytes(key_len: usize) -> usize {
    class_bytes(size_of::<Record>()) + arc_bytes(key_len)
}

/// Flights by key.
#[derive(Debug, Default)]
pub struct Flights {
    records: HashTable<Box<Record>>,
    /// Bytes of the table that were counted.
    pub counted_bytes: usize,
}

impl Flights {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().map(|record| &**record)
    }

    #[inline]
    pub fn get(&self, key: &Key<'_>) -> Option<&Record> {
        // Mostly there is none at all.
        if self.records.is_empty() {
            return None;
        }
        self.records.find(key.hash, |record| record.is_of(key)).map(|record| &**record)
    }

    pub fn get_mut(&mut self, key: &Key<'_>) -> Option<&mut Record> {
        let found = self.records.find_mut(key.hash, |record| record.is_of(key));
        found.map(|record| &mut **record)
    }

    /// The one with this hash that is meant.
    pub fn find(&self, hash: u64, is_it: impl Fn(&Record) -> bool) -> Option<&Record> {
        self.records.find(hash, |record| record.hash == hash && is_it(record)).map(|record| &**record)
    }

    /// Adds a flight for a key that has none.
    pub fn insert(&mut self, record: Box<Record>) {
        self.records.insert_unique(record.hash, record, |record| record.hash);
    }

    pub fn remove(&mut self, key: &Key<'_>) -> Option<Box<Record>> {
        let (record, _) = self.records.find_entry(key.hash, |record| record.is_of(key)).ok()?.remove();
        // What a crowd needed once is given back.
        if self.records.capacity() > 64 && self.records.len() <= self.records.capacity() / 8 {
            self.records.shrink_to(self.records.len() * 2, |record| record.hash);
        }
        Some(record)
    }

    /// Takes those out that are meant.
    pub fn split_off(&mut self, which: impl Fn(&Record) -> bool) -> Flights {
        let mut split = Flights::default();
        self.records.extract_if(|record| which(record)).for_each(|record| split.insert(record));
        split
    }

    /// Takes in those of another table, whose keys have none here.
    pub fn join(&mut self, others: Flights) {
        others.records.into_iter().for_each(|record| self.insert(record));
    }

    /// Bytes of the table itself.
    pub fn table_bytes(&self) -> usize {
        class_bytes(self.records.allocation_size())
    }
}
