//! Collections in a store: packed values edited in their entries, large ones outside of them.

use std::any::Any;

use super::{Found, OUTSIDE, Store};
use crate::base::hash::{HashSeed, Key};
use crate::storage::arena::{Block, used_blocks};
use crate::storage::entry::{self, Content, Entry};
use crate::storage::meta::Meta;
use crate::storage::outside::{Large, Outside};
use crate::storage::packed::Edit;
use crate::storage::value::{NewContent, Taken};

/// Entries that are moved together with each change while memory is scattered.
const TIDY_ENTRIES: usize = 8;

impl Store {
    /// An empty store for the items of one collection.
    pub(in crate::storage) fn new_inner(seed: HashSeed) -> Store {
        let mut store = Store::new(seed);
        store.arena.set_sparing(true);
        store
    }

    /// What keys are hashed with.
    #[must_use]
    pub fn seed(&self) -> HashSeed {
        self.seed
    }

    /// Whether one more entry might find no room: what `put` would end by a panic.
    #[inline]
    pub(in crate::storage) fn is_full(&self) -> bool {
        self.arena.is_almost_full() || self.table.is_almost_full()
    }

    /// Bytes of the entries.
    pub(in crate::storage) fn used_bytes(&self) -> usize {
        self.arena.used_bytes()
    }

    pub(in crate::storage) fn has_nothing_outside(&self) -> bool {
        self.outside.is_empty()
    }

    /// Puts an entry in for a key that has none, and returns where it lies. There must be room: see `is_full`.
    pub(in crate::storage) fn add(&mut self, key: &Key<'_>, value: &[u8]) -> Block {
        let (content, meta) = (Content::Inline(value), Meta::value(None));
        let place = self.find_room(key, None, content, meta);
        self.write(key, place, content, meta)
    }

    /// The entry of a block, found again by its key.
    pub(in crate::storage) fn found_at(&self, block: Block) -> Option<Found> {
        let hash = self.seed.hash(self.read(block).key());
        let (slot, block) = self.table.find(hash, |other| other == block)?;
        Some(Found { slot, block })
    }

    /// Moves entries together where changes have left memory scattered, and tells `moved` as `compact_telling` does.
    /// Cost: mostly a comparison.
    pub(in crate::storage) fn tidy(&mut self, moved: impl FnMut(&Store, Block, Block)) {
        if self.is_scattered() && !self.is_full() {
            self.compact_telling(TIDY_ENTRIES, false, moved);
        }
    }

    /// As `put`, for a value that was taken or copied from another entry. Whatever it replaces is dropped.
    pub fn put_taken(&mut self, now_ms: i64, key: &Key<'_>, value: Taken, meta: Meta) {
        let found = self.find(key);
        let old = match value {
            Taken::Small(bytes) => self.put_content(now_ms, found, key, NewContent::Inline(&bytes), meta),
            Taken::Outside(value) => self.put_content(now_ms, found, key, NewContent::Outside(value), meta),
        };
        drop(old);
    }

    /// Visits every entry, as they lie in the arena. Cost: a sixth of `each`, as memory is read from front to back.
    pub(in crate::storage) fn each_lying(&self, mut visit: impl FnMut(Entry<'_>)) {
        for segment in self.arena.segments() {
            used_blocks(segment, 0, entry::bytes_of)
                .for_each(|(_, block)| visit(Entry::read(block, &self.outside)));
        }
    }

    /// An entry drawn at random, each as likely as any other; `random(n)` gives a number below `n`. Cost: two or three
    /// buckets, mostly.
    pub(in crate::storage) fn draw_evenly(&self, random: impl FnMut(usize) -> usize) -> Option<Entry<'_>> {
        self.table.draw_evenly(random).map(|block| self.read(block))
    }

    /// Makes a change of a packed value, and returns where its entry is now. Cost: the change alone where the entry's block
    /// fits; else the new one is written once, from the old.
    pub fn splice(&mut self, found: Found, edit: &Edit<'_>) -> Found {
        self.counting_items(found, |store| (store.spliced(found, edit), ())).0
    }

    fn spliced(&mut self, found: Found, edit: &Edit<'_>) -> Found {
        let len = edit.new_bytes();
        let block = self.arena.bytes_mut(found.block);
        if entry::splice_in_place(block, len, |value| edit.apply(value)) {
            return found;
        }
        let old_bytes = entry::bytes_of(block);
        let to = self.arena.alloc(entry::bytes_with(self.arena.bytes(found.block), len));
        let (from, into) = self.arena.two(found.block, to);
        entry::write_respliced(from, into, len, |old, new| edit.copy(old, new));
        self.arena.free(found.block, old_bytes);
        self.table.replace(found.slot, to);
        Found { block: to, ..found }
    }

    /// Puts a packed value in place of another one, or of a large one, which is returned. Deadline and kind stay.
    pub fn put_packed(&mut self, found: Found, bytes: &[u8]) -> (Found, Option<Outside>) {
        self.counting_items(found, |store| {
            let Content::Outside(number) = store.entry(found).content() else {
                return (store.edit(found, bytes.len(), |value| value.copy_from_slice(bytes)), None);
            };
            let (key, meta) = (store.entry(found).key().to_vec(), store.entry(found).meta());
            let block = store.write_over(&Key { bytes: &key, hash: 0 }, found, Content::Inline(bytes), meta);
            (Found { block, ..found }, Some(store.outside.take(number)))
        })
    }

    /// Puts a large collection in place of a packed one. Deadline and kind stay.
    pub fn put_large(&mut self, found: Found, large: Box<dyn Large>) -> Found {
        let put = |store: &mut Store| {
            let (key, meta) = (store.entry(found).key().to_vec(), store.entry(found).meta());
            let key = Key { bytes: &key, hash: 0 };
            let place = store.find_room(&key, Some(found), OUTSIDE, meta);
            let number = store.outside.add(Outside::Collection(large));
            let block = store.write(&key, place, Content::Outside(number), meta);
            (Found { block, ..found }, ())
        };
        self.counting_items(found, put).0
    }

    /// Changes a large collection; `None` where there is none of that type.
    pub fn change_large<T: Large, R>(&mut self, found: Found, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.change_outside(found, |large| (large as &mut dyn Any).downcast_mut().map(change))?
    }

    /// As `change_large`, of whatever type.
    pub fn change_outside<R>(&mut self, found: Found, change: impl FnOnce(&mut dyn Large) -> R) -> Option<R> {
        let Content::Outside(number) = self.entry(found).content() else { return None };
        self.counting_items(found, |store| (found, store.outside.change(number, change))).1
    }

    /// Makes a change of a collection, after which its entry lies where the change says, and counts anew whether items of it
    /// have deadlines.
    fn counting_items<R>(
        &mut self,
        found: Found,
        change: impl FnOnce(&mut Store) -> (Found, R),
    ) -> (Found, R) {
        if self.subexpiring > 0 {
            self.subexpiring -= usize::from(self.entry(found).items_due_at().is_some());
        }
        let (found, result) = change(self);
        self.subexpiring += usize::from(self.entry(found).items_due_at().is_some());
        (found, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::arena::rounded;
    use crate::storage::packed::{Hash, Limits};
    use crate::storage::{Collected, Kind, NewValue};

    const SEED: HashSeed = HashSeed(1, 2);

    fn key(bytes: &[u8]) -> Key<'_> {
        Key { bytes, hash: SEED.hash(bytes) }
    }

    #[test]
    fn packed_value_grows_through_every_length_of_its_entry_and_shrinks_back() {
        let mut store = Store::new(SEED);
        for name in [&b"k"[..], b"other", &[b'x'; 300]] {
            let meta = Meta { kind: Kind::Collection, ..Meta::value(Some(9_000)) };
            store.put(0, &key(name), &NewValue::Small(Hash::EMPTY), meta);
        }
        let packed =
            |store: &Store, name: &[u8]| match store.get(&key(name)).and_then(|entry| entry.collection()) {
                Some(Collected::Packed(bytes)) => bytes.to_vec(),
                other => panic!("not packed: {other:?}"),
            };
        for name in [&b"k"[..], &[b'x'; 300]] {
            for number in 0..500u32 {
                let bytes = packed(&store, name);
                let (field, limits) = (number.to_string(), Limits { run_items: 255, ..Limits::SEARCHED });
                let planned = Hash::read(&bytes).set(None, field.as_bytes(), &[b'v'; 27], None, &limits);
                let Ok(edit) = planned else { break };
                let found = store.find(&key(name)).expect("it is there");
                let found = store.splice(found, &edit);
                assert_eq!(store.entry(found).expire_at(), Some(9_000));
            }
            let full = Hash::read(&packed(&store, name)).len();
            assert_eq!(full, 255);
            for left in (0..full).rev() {
                let bytes = packed(&store, name);
                let hash = Hash::read(&bytes);
                let edit = hash.remove(hash.place(left / 2).expect("it is there"));
                let found = store.find(&key(name)).expect("it is there");
                store.splice(found, &edit);
                assert_eq!(Hash::read(&packed(&store, name)).len(), left);
            }
        }
        assert_eq!(store.recount().faults, [""; 0]);
        assert_eq!(packed(&store, b"other"), Hash::EMPTY);
    }

    #[test]
    fn entry_is_read_as_nothing_but_what_it_is() {
        let mut store = Store::new(SEED);
        store.put(0, &key(b"s"), &NewValue::Small(b"v"), Meta::value(None));
        assert!(
            store.get(&key(b"s")).is_some_and(|entry| entry.collection().is_none() && entry.value().is_ok())
        );
        assert!(rounded(4_097).is_multiple_of(256), "blocks of their own grow in steps");
    }
}
