//! The entries of one shard and database: table, arena, large values and the wheel, kept true together.
//!
//! What an operation touches: the bucket of the key's hash, then the entry's one to three cache lines.
//! Knows nothing of locks, databases or commands; time is an argument. docs/storage.md draws it.
//! Invariants: every reference in the table names an entry of the arena, and every used block of the arena
//! has one reference; `expiring`, `subexpiring` and `hidden` are what a recount gives; an entry with a deadline, its own or
//! an item's, has a record in the wheel no later than its `sweep_at`.

mod collections;
mod recount;
mod sweeping;

use bytes::Bytes;

pub use recount::Recount;

use super::arena::{Arena, Block};
use super::entry::{self, Content, Entry};
use super::eviction;
use super::meta::Kind;
use super::meta::{Idle, Meta};
use super::outside::{Outside, OutsideValues, Stored};
use super::table::{HASH_BITS, Line, Slot, Table};
use super::value::{NewContent, NewValue};
use super::wheel::Wheel;
use super::{CACHE_LINE_BYTES, LineAddress};
use crate::base::hash::{HashSeed, Key};
use crate::base::limits::SHARED_VALUE_BYTES_MIN;

/// Lines of an entry that are fetched ahead; the processor sees by then that more will follow.
const LINES_MAX: usize = 4;

/// The entries of one shard and database.
#[derive(Debug)]
pub struct Store {
    pub(super) seed: HashSeed,
    pub(super) table: Table,
    pub(super) arena: Arena,
    pub(super) outside: OutsideValues,
    pub(super) wheel: Wheel,
    /// What eviction needs, while there is a limit on memory.
    pub(super) eviction: Option<Box<eviction::State>>,
    pub(super) expiring: usize,
    /// Collections with items that have a deadline.
    subexpiring: usize,
    hidden: usize,
}

/// An entry found; good until the store's next change.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub(super) slot: Slot,
    pub(super) block: Block,
}

/// What is left of an entry that was removed or replaced.
#[derive(Debug)]
pub struct Removed {
    pub kind: Kind,
    /// When it expired, or would have, wall-clock ms.
    pub expire_at: Option<i64>,
    /// A value outside of it: dropping it may free much, best done outside of any lock.
    pub outside: Option<Outside>,
}

impl Store {
    /// An empty store; allocates nothing.
    #[must_use]
    pub fn new(seed: HashSeed) -> Store {
        Store {
            seed,
            table: Table::default(),
            arena: Arena::default(),
            outside: OutsideValues::default(),
            wheel: Wheel::default(),
            eviction: None,
            expiring: 0,
            subexpiring: 0,
            hidden: 0,
        }
    }

    /// Entries, hidden ones among them.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Entries with a deadline.
    #[inline]
    #[must_use]
    pub fn expiring(&self) -> usize {
        self.expiring
    }

    /// Collections with items that have a deadline.
    #[must_use]
    pub fn subexpiring(&self) -> usize {
        self.subexpiring
    }

    /// Whether time matters to any entry.
    #[inline]
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        (self.expiring | self.subexpiring) > 0
    }

    /// Entries that only FILL sees: stale ones, NONE and PASS.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Takes what lies outside out of a store that ends, and shows the strings that no other store has.
    pub fn drain_large(&mut self, see: &mut dyn FnMut(Bytes)) {
        self.outside.drain(see);
    }

    /// Finds a key's entry. Cost: one bucket line, one entry line, rarely a second bucket.
    #[inline]
    #[must_use]
    pub fn find(&self, key: &Key<'_>) -> Option<Found> {
        let (slot, block) =
            self.table.find(key.hash, |block| entry::has_key(self.arena.bytes(block), key.bytes))?;
        Some(Found { slot, block })
    }

    /// The entry found.
    #[inline]
    #[must_use]
    pub fn entry(&self, found: Found) -> Entry<'_> {
        self.read(found.block)
    }

    /// A key's entry. Cost: as `find`.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &Key<'_>) -> Option<Entry<'_>> {
        self.find(key).map(|found| self.entry(found))
    }

    /// Puts an entry in, in place of one with the same key. `now_ms` is the wall clock.
    /// Cost: one copy of key and small value; rarely one bucket is split.
    pub fn put(&mut self, now_ms: i64, key: &Key<'_>, value: &NewValue<'_>, meta: Meta) -> Option<Removed> {
        let found = self.find(key);
        self.put_at(now_ms, found, key, value, meta)
    }

    /// The everyday overwrite: a small value over another of much the same size, neither with a deadline. No figure
    /// of the store changes. False, and nothing done, where it is another case. Cost: one copy of the value.
    #[inline]
    pub fn overwrite(&mut self, now_ms: i64, found: Found, value: &NewValue<'_>, meta: Meta) -> bool {
        let NewValue::Small(bytes) = value else { return false };
        let done = entry::overwrite(self.arena.bytes_mut(found.block), bytes, meta);
        if done {
            self.note_use(found, now_ms);
        }
        done
    }

    /// As `put`, told what `find` says of the key.
    pub fn put_at(
        &mut self,
        now_ms: i64,
        found: Option<Found>,
        key: &Key<'_>,
        value: &NewValue<'_>,
        meta: Meta,
    ) -> Option<Removed> {
        self.put_content(now_ms, found, key, value.to_content(), meta)
    }

    /// As `put_at`, for a value of whatever type.
    pub fn put_content(
        &mut self,
        now_ms: i64,
        found: Option<Found>,
        key: &Key<'_>,
        content: NewContent<'_>,
        meta: Meta,
    ) -> Option<Removed> {
        found.into_iter().for_each(|found| self.note_use(found, now_ms));
        let filed_at = found.and_then(|found| sweep_at(&self.entry(found)));
        let place = match &content {
            NewContent::Inline(bytes) => self.find_room(key, found, Content::Inline(bytes), meta),
            NewContent::Outside(_) => self.find_room(key, found, OUTSIDE, meta),
        };
        let removed = found.map(|found| self.forget(found));
        let content = match content {
            NewContent::Inline(bytes) => Content::Inline(bytes),
            NewContent::Outside(value) => Content::Outside(self.outside.add(value)),
        };
        let block = self.write(key, place, content, meta);
        self.expiring += usize::from(meta.expire_at.is_some());
        self.hidden += usize::from(!meta.kind.is_visible());
        let is_collection = meta.kind == Kind::Collection;
        let items_due_at = if is_collection { self.read(block).items_due_at() } else { None };
        self.subexpiring += usize::from(items_due_at.is_some());
        self.file(now_ms, key.hash, filed_at, earlier(meta.expire_at, items_due_at));
        removed
    }

    /// Removes an entry.
    pub fn remove(&mut self, found: Found) -> Removed {
        let removed = self.forget(found);
        let bytes = self.read(found.block).bytes();
        self.table.remove(found.slot);
        self.arena.free(found.block, bytes);
        let Store { seed, table, arena, .. } = self;
        table.shrink(|block| arena.line(block).fetch(), |block| hash_of(*seed, arena, block));
        removed
    }

    /// Changes a value that lies in its entry: `change` sees it with its length set to `len`, new bytes zero. Returns where
    /// the entry is now. Cost: nothing but the change where the entry keeps its size; else one copy of entry and value.
    pub fn edit(&mut self, found: Found, len: usize, change: impl FnOnce(&mut [u8])) -> Found {
        let entry = self.read(found.block);
        let Content::Inline(old) = entry.content() else { return found };
        let old_len = old.len();
        let place = self.arena.bytes_mut(found.block);
        if len < SHARED_VALUE_BYTES_MIN
            && let Some(value) = entry::resize_in_place(place, len)
        {
            if let Some(new) = value.get_mut(old_len..) {
                new.fill(0);
            }
            change(value);
            return found;
        }
        self.rewrite(found, |value| {
            value.resize(len, 0);
            change(value);
        })
    }

    /// As `edit`, for a value that lies outside of its entry, which stays where it is. The value is copied only if somebody
    /// else still reads it, and the old one is returned.
    pub fn edit_large(&mut self, found: Found, len: usize, change: impl FnOnce(&mut [u8])) -> Option<Bytes> {
        match self.read(found.block).content() {
            Content::Outside(number) => self.outside.edit(number, len, change),
            Content::Inline(_) => None,
        }
    }

    /// Marks a value as changed in place, or as set.
    pub fn set_edited(&mut self, found: Found, edited: bool) {
        entry::set_edited(self.arena.bytes_mut(found.block), edited);
    }

    /// Hides a value whose deadline is past and whose grace is not. It stays under the same reference.
    pub fn mark_stale(&mut self, found: Found) {
        self.hidden += usize::from(self.entry(found).is_visible());
        entry::set_kind(self.arena.bytes_mut(found.block), Kind::Stale);
    }

    /// Sets or removes a deadline and the limit of idle time that moves it. Cost: a new or removed one copies a
    /// small value.
    pub fn set_expire_at(
        &mut self,
        now_ms: i64,
        key: &Key<'_>,
        found: Found,
        expire_at: Option<i64>,
        idle: Option<Idle>,
    ) {
        let entry = self.entry(found);
        let (had_one, filed_at) = (entry.expire_at().is_some(), sweep_at(&entry));
        let meta = Meta { expire_at, idle, ..entry.meta() };
        if !entry::replace_expire_at(self.arena.bytes_mut(found.block), expire_at, idle) {
            let entry = self.entry(found);
            match entry.content() {
                Content::Outside(number) => self.write_over(key, found, Content::Outside(number), meta),
                Content::Inline(value) => {
                    let value = value.to_vec();
                    self.write_over(key, found, Content::Inline(&value), meta)
                }
            };
        }
        self.expiring += usize::from(expire_at.is_some());
        self.expiring -= usize::from(had_one);
        self.file(now_ms, key.hash, filed_at, expire_at);
    }

    /// Moves the deadline of an entry with limited idle time, for an access at `now_ms`. Never to an earlier time,
    /// so the wheel need not hear of it.
    pub fn touch(&mut self, now_ms: i64, found: Found) {
        let entry = self.entry(found);
        if let (Some(idle), Some(before)) = (entry.idle(), entry.expire_at()) {
            let later = idle.ends_at(now_ms).max(before);
            entry::replace_expire_at(self.arena.bytes_mut(found.block), Some(later), Some(idle));
        }
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end.
    /// An entry that stays in the store from cursor 0 to cursor 0 is visited at least once.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Entry<'_>)) -> u64 {
        self.table.scan(cursor, |block| visit(self.read(block)))
    }

    /// Visits every entry.
    pub fn each(&self, mut visit: impl FnMut(Entry<'_>)) {
        self.table.each(|block| visit(self.read(block)));
    }

    /// An entry drawn at random; `random(n)` gives a number below `n`.
    #[must_use]
    pub fn draw(&self, random: impl FnMut(usize) -> usize) -> Option<Entry<'_>> {
        self.table.draw(random).map(|block| self.read(block))
    }

    /// Adds the cache lines that a look-up of this hash will touch in one of its steps, once those of the step
    /// before have been fetched. Returns whether another step follows. The record of an entry will do for its hash.
    #[inline]
    pub fn lines(&self, hash: u64, line: Line, into: &mut Vec<LineAddress>) -> bool {
        if line == Line::Bucket {
            into.extend(self.table.line(hash));
            return true;
        }
        let behind = line == Line::Continued;
        let next = self.table.likely(hash, behind, |block| self.entry_lines(block, into));
        into.extend(next);
        next.is_some()
    }

    /// The cache lines that an entry of the mean size takes there: which size it has is known only
    /// once the first is read.
    #[inline]
    fn entry_lines(&self, block: Block, into: &mut Vec<LineAddress>) {
        let (entries, bytes) = (self.table.len(), self.arena.used_bytes());
        let first = self.arena.line(block);
        into.push(first);
        let mut reached = first.bytes_to_next();
        for number in 1..LINES_MAX {
            if reached * entries >= bytes {
                return;
            }
            into.push(first.plus(number));
            reached += CACHE_LINE_BYTES;
        }
    }

    /// Whether `compact` would regain enough memory to be worth its copies.
    #[must_use]
    pub fn is_scattered(&self) -> bool {
        self.arena.is_scattered(false)
    }

    /// Moves up to `entries` entries together, so that memory between them can be given back.
    /// True if there is more to do. With `pressed` also little is regained.
    /// Cost: per entry one hash, one look-up and one copy.
    pub fn compact(&mut self, entries: usize, pressed: bool) -> bool {
        self.compact_telling(entries, pressed, |_, _, _| ())
    }

    /// As `compact`; `moved` is told from where to where an entry went, and can read it there.
    pub(super) fn compact_telling(
        &mut self,
        entries: usize,
        pressed: bool,
        mut moved: impl FnMut(&Store, Block, Block),
    ) -> bool {
        if !self.arena.drain_begin(pressed, entry::bytes_of) {
            return false;
        }
        for _ in 0..entries {
            let Some(from) = self.arena.drain_next(entry::bytes_of) else {
                return self.arena.is_scattered(pressed);
            };
            let (bytes, hash) = (self.read(from).bytes(), hash_of(self.seed, &self.arena, from));
            let to = self.arena.move_block(from, bytes);
            match self.table.find(hash, |block| block == from) {
                Some((slot, _)) => self.table.replace(slot, to),
                None => unreachable!("a used block has a reference"),
            }
            moved(self, from, to);
        }
        true
    }

    #[inline]
    pub(super) fn read(&self, block: Block) -> Entry<'_> {
        Entry::read(self.arena.bytes(block), &self.outside)
    }

    /// Takes an entry out of the counts; its block and its slot stay as they are.
    fn forget(&mut self, found: Found) -> Removed {
        let entry = self.read(found.block);
        let (kind, content, expire_at) = (entry.kind(), entry.content(), entry.expire_at());
        let number = match content {
            Content::Outside(number) => Some(number),
            Content::Inline(_) => None,
        };
        self.expiring -= usize::from(expire_at.is_some());
        self.hidden -= usize::from(!kind.is_visible());
        if self.subexpiring > 0 {
            self.subexpiring -= usize::from(self.read(found.block).items_due_at().is_some());
        }
        Removed { kind, expire_at, outside: number.map(|number| self.outside.take(number)) }
    }

    /// Where an entry with such a value is to be written: over the one found where that has the same size, else in a new
    /// block. Where there is none, this panics before anything was changed.
    fn find_room(&mut self, key: &Key<'_>, found: Option<Found>, content: Content<'_>, meta: Meta) -> Place {
        let bytes = entry::entry_bytes(key.bytes.len(), content, meta);
        let old = found.map(|found| (found, self.read(found.block).bytes()));
        let block = match old {
            Some((found, old)) if super::arena::rounded(old) == super::arena::rounded(bytes) => found.block,
            _ => self.arena.alloc(bytes),
        };
        Place { block, old }
    }

    /// Writes an entry into the room found for it, and points the table to it.
    fn write(&mut self, key: &Key<'_>, place: Place, content: Content<'_>, meta: Meta) -> Block {
        let Place { block, old } = place;
        if let Some((found, bytes)) = old.filter(|(found, _)| found.block != block) {
            self.arena.free(found.block, bytes);
            self.table.replace(found.slot, block);
        }
        entry::write(self.arena.bytes_mut(block), key.bytes, content, meta);
        if old.is_none() {
            let len = self.table.len() + 1;
            let (is_young, stamp) =
                self.eviction.as_mut().map_or((false, 0), |state| state.admit(key.hash, len));
            self.table.insert(key.hash, block, is_young, stamp);
            let Store { seed, table, arena, .. } = self;
            table.grow(|block| arena.line(block).fetch(), |block| hash_of(*seed, arena, block));
        }
        block
    }

    /// Writes an entry in place of the one found.
    fn write_over(&mut self, key: &Key<'_>, found: Found, content: Content<'_>, meta: Meta) -> Block {
        let place = self.find_room(key, Some(found), content, meta);
        self.write(key, place, content, meta)
    }

    /// Writes an entry anew with a value that `change` made of the old one's bytes.
    fn rewrite(&mut self, found: Found, change: impl FnOnce(&mut Vec<u8>)) -> Found {
        let entry = self.read(found.block);
        let Content::Inline(value) = entry.content() else { return found };
        let (key, meta, mut value) = (entry.key().to_vec(), entry.meta(), value.to_vec());
        change(&mut value);
        let key = Key { bytes: &key, hash: 0 };
        let block = if value.len() < SHARED_VALUE_BYTES_MIN {
            self.write_over(&key, found, Content::Inline(&value), meta)
        } else {
            let place = self.find_room(&key, Some(found), OUTSIDE, meta);
            let number = self.outside.add(Outside::Bytes(Stored::new(Bytes::from(value))));
            self.write(&key, place, Content::Outside(number), meta)
        };
        Found { block, ..found }
    }

    /// Adds a record to the wheel where the one that lies at `filed_at`, or before, would come too late.
    fn file(&mut self, now_ms: i64, hash: u64, filed_at: Option<i64>, expire_at: Option<i64>) {
        let Some(at) = expire_at else { return };
        if filed_at.is_some_and(|filed_at| filed_at <= at) {
            return;
        }
        self.wheel.push(now_ms, at, record_of(hash));
        if self.is_wheel_bloated() {
            self.rebuild_wheel(now_ms);
        }
    }
}

/// As large as any value outside is within its entry.
const OUTSIDE: Content<'static> = Content::Outside(0);

/// Where an entry is written, and what is there for its key: where, and its bytes.
#[derive(Clone, Copy)]
struct Place {
    block: Block,
    old: Option<(Found, usize)>,
}

/// The part of a hash that finds an entry again.
pub(super) fn record_of(hash: u64) -> u32 {
    const _: () = assert!(HASH_BITS == u32::BITS);
    hash as u32
}

/// The hash of the key of the entry in a block.
pub(super) fn hash_of(seed: HashSeed, arena: &Arena, block: Block) -> u64 {
    let none = OutsideValues::default();
    seed.hash(Entry::read(arena.bytes(block), &none).key())
}

/// When there is next something to do about an entry's time: it expires, its grace ends, or an item of it expires.
pub(super) fn sweep_at(entry: &Entry<'_>) -> Option<i64> {
    match entry.kind() {
        Kind::Stale => entry.dies_at(),
        Kind::Collection => earlier(entry.expire_at(), entry.items_due_at()),
        Kind::Value | Kind::None | Kind::Pass => entry.expire_at(),
    }
}

/// The earlier of two deadlines.
fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    const SEED: HashSeed = HashSeed(1, 2);

    fn hashed(bytes: &[u8]) -> Key<'_> {
        Key { bytes, hash: SEED.hash(bytes) }
    }

    #[test]
    fn write_that_finds_no_room_leaves_everything_as_it_was() {
        let mut store = Store::new(SEED);
        let large = Bytes::from(vec![7; SHARED_VALUE_BYTES_MIN]);
        store.put(0, &hashed(b"a"), &NewValue::Shared(large.clone()), Meta::value(Some(5_000)));
        store.put(
            0,
            &hashed(b"b"),
            &NewValue::Small(b"small"),
            Meta { kind: Kind::None, ..Meta::value(None) },
        );
        store.arena.segments_limit = Some(2);
        let mut put = |name: &[u8], len: usize| {
            let value = vec![1; len];
            let put = || store.put(0, &hashed(name), &NewValue::Small(&value), Meta::value(None));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(put)).is_ok()
        };
        for (name, len) in [(&b"a"[..], 9_000), (b"b", 9_000), (b"new", 9_000)] {
            assert!(!put(name, len), "there is no room for a block of its own");
        }
        assert_eq!(store.recount().faults, [""; 0]);
        assert_eq!(store.get(&hashed(b"a")).unwrap().value().unwrap().as_slice(), &large[..]);
        assert_eq!(store.get(&hashed(b"b")).unwrap().kind(), Kind::None);
        assert_eq!((store.len(), store.expiring(), store.hidden()), (2, 1, 1));
        store.arena.segments_limit = None;
        store.put(0, &hashed(b"a"), &NewValue::Small(&[1; 9_000]), Meta::value(None));
        assert_eq!(store.recount().faults, [""; 0]);
    }

    #[test]
    fn deleting_most_and_refilling_with_other_sizes_leaves_little_unused() {
        let mut store = Store::new(SEED);
        let put = |store: &mut Store, number: u32, len: usize| {
            let key = format!("key:{number}");
            store.put(0, &hashed(key.as_bytes()), &NewValue::Small(&vec![1; len]), Meta::value(None));
            len + key.len()
        };
        let first: usize = (0..40_000).map(|number| put(&mut store, number, 60)).sum();
        assert!(store.arena.held_bytes() > first);
        for number in (0..40_000).filter(|number| number % 5 != 0) {
            let key = format!("key:{number}");
            let found = store.find(&hashed(key.as_bytes()));
            found.into_iter().for_each(|found| drop(store.remove(found)));
        }
        while store.compact(256, false) {}
        let kept: usize = (0..40_000)
            .filter(|number| number % 5 == 0)
            .map(|number| 60 + format!("key:{number}").len())
            .sum();
        let refilled: usize =
            (0..6_000).map(|number| put(&mut store, 100_000 + number, 150 + number as usize % 300)).sum();
        while store.compact(256, false) {}
        let held = store.arena.held_bytes() + store.table.bytes();
        assert!(held * 4 < (kept + refilled) * 5, "{held} bytes for {} of keys and values", kept + refilled);
    }
}
