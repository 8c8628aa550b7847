//! What keys take of the memory, as the stores count it.

use super::collection::{Items, ListRef};
use super::keys::Keys;
use super::view::View;
use super::view::find_visible;
use crate::base::hash::Key;
use crate::base::limits::SHARDS;
use crate::storage::packed::Type;
use crate::storage::{Collection, Entry};

/// Buckets of a table that are looked at under one hold of a shard's lock: some 500 entries.
const BUCKETS_AT_A_TIME: usize = 64;

/// How many values have which size: the first of nothing, then one of each doubling, 1, 2 to 3, 4 to 7 and so on.
pub type SizeCounts = [u64; usize::BITS as usize + 1];

/// The same for each type: strings by their bytes, the others by their items.
#[derive(Clone, Debug)]
pub struct Sizes {
    pub strings: SizeCounts,
    pub lists: SizeCounts,
    pub hashes: SizeCounts,
    pub sets: SizeCounts,
    pub sorted_sets: SizeCounts,
}

impl Sizes {
    fn count(&mut self, entry: &Entry<'_>) {
        let (counts, size) = match (entry.value(), ListRef::of(entry), Collection::of(entry).map(Items::of)) {
            (Ok(value), ..) => (&mut self.strings, value.len()),
            (_, Some(list), _) => (&mut self.lists, list.len()),
            (.., items) => {
                let counts = match items.map(|items| items.of_type()) {
                    Some(Type::Set) => &mut self.sets,
                    Some(Type::Zset) => &mut self.sorted_sets,
                    _ => &mut self.hashes,
                };
                (counts, items.map_or(0, |items| items.len()))
            }
        };
        counts[size.checked_ilog2().map_or(0, |log| log as usize + 1)] += 1;
    }
}

impl Keys<'_> {
    /// Counts the values of a database by their sizes. Cost: a look at every entry, with each shard's lock held for
    /// `BUCKETS_AT_A_TIME` buckets at a time; so what is written meanwhile may be counted or not.
    pub fn size_counts(&mut self, db: usize) -> Sizes {
        let mut counts =
            Sizes { strings: [0; _], lists: [0; _], hashes: [0; _], sets: [0; _], sorted_sets: [0; _] };
        for shard in 0..SHARDS {
            let mut cursor = 0;
            loop {
                cursor = self.view_shard(shard, db).count_sizes(cursor, &mut counts);
                if cursor == 0 {
                    break;
                }
            }
        }
        counts
    }
}

impl View<'_> {
    /// What the key's entry takes, its name and its share of the table included, bytes; `None` without key. Not
    /// counted as an access.
    pub fn memory_bytes(&mut self, key: &Key<'_>) -> Option<usize> {
        self.tend(key);
        let store = self.store();
        find_visible(store, key).map(|found| store.entry_memory(found))
    }

    /// Bytes of this database's table in this shard, and of the records of its deadlines.
    pub fn index_bytes(&mut self) -> [usize; 2] {
        if self.is_untouched() {
            return [0, 0];
        }
        let store = self.store();
        [store.table_bytes(), store.wheel_bytes()]
    }

    /// Counts the values of some buckets from `cursor` on. Returns the cursor of the next, 0 at the end.
    fn count_sizes(&mut self, mut cursor: u64, counts: &mut Sizes) -> u64 {
        if self.is_untouched() {
            return 0;
        }
        let store = self.store();
        for _ in 0..BUCKETS_AT_A_TIME {
            cursor = store.scan(cursor, |entry| {
                if entry.is_visible() {
                    counts.count(&entry);
                }
            });
            if cursor == 0 {
                break;
            }
        }
        cursor
    }
}
