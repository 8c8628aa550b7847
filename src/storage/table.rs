//! The table of one store: 64-byte buckets of twelve references that grow by linear hashing.
//!
//! Growth splits one bucket per insertion, so there is no resize event and a scan can walk on while
//! the table grows or shrinks. Knows nothing of entries but their references; callers pass hashes.
//! Invariant: a reference lies in the chain of the bucket that `home` names for its hash.
//! Linear hashing: Litwin, VLDB 1980. Scan order: reverse binary counting, as in Redis's dict.
//!
//! ```text
//! hash     slice 8 | ... | tag 8 | home 24           (from the highest bit to the lowest)
//! ```
//! Counts, the bits "young" and the stamps (`stamp_all`) belong to eviction; nothing here reads them.

use super::LineAddress;
use super::arena::Block;
use super::bucket::{BLOCK_MASK, Bucket, IS_OVERFLOW, OVERFLOW_MAX, SLOTS};
use super::regions::{PAGE, Page};

/// Twice the mean entries per bucket above which one bucket is split at each insertion. In the middle of
/// a doubling the buckets not yet split hold half as much again; at 8.5 half of those overflow, one in six of all.
const TWICE_LOAD_MAX: usize = 17;
/// Mean entries per bucket below which one bucket is merged at each removal.
const LOAD_MIN: usize = 3;
/// Continuations that an owner which asks leaves unused: more than one insertion can need.
const OVERFLOW_SPARE: usize = 64;
/// The greatest count a slot holds.
pub const COUNT_MAX: u8 = 3;
/// The bits of a hash that the table uses: enough to find an entry again without its key.
pub const HASH_BITS: u32 = 32;

/// References found by hash.
#[derive(Debug, Default)]
pub struct Table {
    pub(super) homes: Pages,
    /// Continuations of crowded buckets, by number.
    pub(super) overflow: Pages,
    /// The first unused overflow bucket, 0 = none; each names the next in its `overflow`.
    unused: u32,
    len: usize,
    /// Slots whose bit "young" is set.
    pub(super) young: usize,
}

/// A word of eviction for each slot of a bucket.
pub(super) type Stamps = [u32; SLOTS];

/// A reference on its way from one bucket to another, with all that its slot says.
#[derive(Clone, Copy, Debug)]
struct Moved {
    slot: u32,
    is_young: bool,
    stamp: u32,
}

/// Buckets in pages of `PAGE`.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) pages: Vec<Page>,
    /// The stamps of each page, while some are kept.
    #[expect(
        clippy::vec_box,
        reason = "a page stays where it is when another is added: growing copies nothing"
    )]
    pub(super) stamps: Option<Vec<Box<[Stamps; PAGE]>>>,
    pub(super) len: usize,
}

/// Where a reference stands; good until the table's next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(super) bucket: u32,
    pub(super) slot: u8,
}

/// What is to be fetched ahead of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The bucket a hash belongs to.
    Bucket,
    /// The entries which that bucket names for the hash, or else the bucket that continues it.
    Entries,
    /// The entries which that one names.
    Continued,
}

/// The byte of a hash that filters slots before their entries are looked at.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 24) as u8
}

impl Pages {
    #[inline]
    fn get(&self, at: usize) -> &Bucket {
        &self.pages[at / PAGE][at % PAGE]
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> &mut Bucket {
        &mut self.pages[at / PAGE][at % PAGE]
    }

    fn push(&mut self) {
        if self.len == self.pages.len() * PAGE {
            self.pages.push(Page::new());
            if let Some(stamps) = &mut self.stamps {
                stamps.push(Box::default());
            }
        }
        self.len += 1;
    }

    /// Empties a bucket and returns what was in it.
    fn take(&mut self, at: usize) -> (Bucket, Stamps) {
        (std::mem::take(self.get_mut(at)), self.stamps_of(at).map_or_else(Stamps::default, std::mem::take))
    }

    fn pop(&mut self) -> (Bucket, Stamps) {
        self.len -= 1;
        let bucket = self.take(self.len);
        // One empty page is kept, so that a table at a page's border does not allocate at each change.
        self.pages.truncate(self.len / PAGE + 1);
        if let Some(stamps) = &mut self.stamps {
            stamps.truncate(self.len / PAGE + 1);
        }
        bucket
    }

    #[inline]
    pub(super) fn stamps_of(&mut self, at: usize) -> Option<&mut Stamps> {
        self.stamps.as_mut().map(|pages| &mut pages[at / PAGE][at % PAGE])
    }

    fn bytes(&self) -> usize {
        let stamps = if self.stamps.is_some() { size_of::<Stamps>() } else { 0 };
        self.pages.len() * PAGE * (size_of::<Bucket>() + stamps)
    }
}

impl Table {
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the buckets.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.homes.bytes() + self.overflow.bytes()
    }

    /// Finds the reference that `is_it` accepts among those with the hash's tag.
    /// Cost: one bucket line and whatever `is_it` looks at, rarely a second bucket.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(Block) -> bool) -> Option<(Slot, Block)> {
        self.find_slot(hash, |_, block| is_it(block))
    }

    /// As `find`, told the slot as well.
    #[inline]
    pub fn find_slot(&self, hash: u64, is_it: impl Fn(Slot, Block) -> bool) -> Option<(Slot, Block)> {
        let mut number = self.home(hash)? as u32;
        loop {
            let bucket = self.bucket(number);
            let mut matches = bucket.matches(tag(hash));
            while matches != 0 {
                let at = matches.trailing_zeros();
                let block = Block(bucket.slots[at as usize] & BLOCK_MASK);
                let slot = Slot { bucket: number, slot: at as u8 };
                if block.0 != 0 && is_it(slot, block) {
                    return Some((slot, block));
                }
                matches &= matches - 1;
            }
            number = bucket.next();
            if number == 0 {
                return None;
            }
        }
    }

    /// Adds a reference that is not in the table, with a count of 0. Call `grow` after it.
    pub fn insert(&mut self, hash: u64, block: Block, is_young: bool, stamp: u32) {
        if self.homes.len == 0 {
            self.homes.push();
        }
        if let Some(home) = self.home(hash) {
            self.push(home, tag(hash), Moved { slot: block.0, is_young, stamp });
            self.len += 1;
            self.young += usize::from(is_young);
        }
    }

    /// Puts another reference in place of one, for the same key; its count stays.
    #[inline]
    pub fn replace(&mut self, at: Slot, block: Block) {
        let slot = &mut self.bucket_mut(at.bucket).slots[usize::from(at.slot)];
        *slot = *slot & !BLOCK_MASK | block.0;
    }

    /// Takes a reference out. Call `shrink` after it.
    pub fn remove(&mut self, at: Slot) {
        self.set_young(at, false);
        let bucket = self.bucket_mut(at.bucket);
        bucket.slots[usize::from(at.slot)] = 0;
        bucket.tags[usize::from(at.slot)] = 0;
        self.len -= 1;
    }

    /// Splits a bucket if the table is crowded. `prefetch` is told of the references that `hash_of` will
    /// be asked for: their keys lie anywhere in memory.
    pub fn grow(&mut self, prefetch: impl Fn(Block), hash_of: impl Fn(Block) -> u64) {
        if self.len * 2 > self.homes.len * TWICE_LOAD_MAX {
            let from = self.homes.len - self.base();
            self.homes.push();
            let (moved, stamps) = self.homes.take(from);
            self.spread(moved, stamps, prefetch, hash_of);
        }
    }

    /// Merges a bucket into another if the table is sparse.
    pub fn shrink(&mut self, prefetch: impl Fn(Block), hash_of: impl Fn(Block) -> u64) {
        if self.is_empty() {
            let is_stamped = self.homes.stamps.is_some();
            *self = Table::default();
            self.keep_stamps(is_stamped, 0);
        } else if self.homes.len > 1 && self.len < self.homes.len * LOAD_MIN {
            let (last, stamps) = self.homes.pop();
            self.spread(last, stamps, prefetch, hash_of);
        }
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end.
    /// A reference that stays in the table from cursor 0 to cursor 0 is visited at least once.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Block)) -> u64 {
        if self.homes.len == 0 {
            return 0;
        }
        let base = self.base();
        let mask = base as u64 - 1;
        let low = (cursor & mask) as usize;
        self.each_of(low, &mut visit);
        if low + base < self.homes.len {
            self.each_of(low + base, &mut visit);
        }
        next_reversed(cursor & mask, mask)
    }

    /// Visits every reference.
    pub fn each(&self, mut visit: impl FnMut(Block)) {
        (0..self.homes.len).for_each(|home| self.each_of(home, &mut visit));
    }

    /// A reference drawn at random with `random(n)` giving a number below `n`; `None` in an empty table.
    /// Not exactly uniform: one in a full bucket is drawn less often, as in Redis.
    #[must_use]
    pub fn draw(&self, mut random: impl FnMut(usize) -> usize) -> Option<Block> {
        if self.is_empty() {
            return None;
        }
        loop {
            let mut blocks = Vec::new();
            self.each_of(random(self.homes.len), &mut |block| blocks.push(block));
            if !blocks.is_empty() {
                return Some(blocks[random(blocks.len())]);
            }
        }
    }

    /// A reference drawn at random, each as likely as any other; `random(n)` gives a number below `n`. `None` in an empty
    /// table. Cost: on the mean as many places looked at as there are for one reference, two or three mostly.
    #[must_use]
    pub fn draw_evenly(&self, mut random: impl FnMut(usize) -> usize) -> Option<Block> {
        let places = (self.homes.len + self.overflow.len) * SLOTS;
        while !self.is_empty() {
            let at = random(places);
            let bucket = at / SLOTS;
            let bucket = match bucket.checked_sub(self.homes.len) {
                None => self.homes.get(bucket),
                Some(overflow) => self.overflow.get(overflow),
            };
            let block = bucket.slots[at % SLOTS] & BLOCK_MASK;
            if block != 0 {
                return Some(Block(block));
            }
        }
        None
    }

    /// Whether buckets might find no room for one more continuation each time one is split.
    #[inline]
    #[must_use]
    pub fn is_almost_full(&self) -> bool {
        self.overflow.len + OVERFLOW_SPARE > OVERFLOW_MAX
    }

    /// The bucket that a look-up of this hash will read first.
    #[inline]
    #[must_use]
    pub fn line(&self, hash: u64) -> Option<LineAddress> {
        self.home(hash).map(|home| LineAddress::of(self.homes.get(home)))
    }

    /// Visits the references that a look-up of this hash will ask for in its home bucket, or in the one behind it.
    /// Where there are none, returns the bucket that the look-up will read next.
    #[inline]
    pub fn likely(&self, hash: u64, behind: bool, mut visit: impl FnMut(Block)) -> Option<LineAddress> {
        let mut bucket = self.homes.get(self.home(hash)?);
        if behind && bucket.next() != 0 {
            bucket = self.bucket(bucket.next());
        }
        let mut matches = bucket.matches(tag(hash));
        let next = if matches == 0 { bucket.next() } else { 0 };
        while matches != 0 {
            let block = bucket.slots[matches.trailing_zeros() as usize] & BLOCK_MASK;
            if block != 0 {
                visit(Block(block));
            }
            matches &= matches - 1;
        }
        (next != 0).then(|| LineAddress::of(self.bucket(next)))
    }

    /// Buckets before the split pointer's round: the largest power of two not above the bucket count.
    #[inline]
    fn base(&self) -> usize {
        1 << self.homes.len.ilog2()
    }

    /// The bucket of a hash, or none in a table without buckets.
    #[inline]
    fn home(&self, hash: u64) -> Option<usize> {
        let homes = self.homes.len;
        if homes == 0 {
            return None;
        }
        let base = 1 << homes.ilog2();
        let wide = hash as usize & (base * 2 - 1);
        Some(if wide < homes { wide } else { wide & (base - 1) })
    }

    #[inline]
    pub(super) fn bucket(&self, number: u32) -> &Bucket {
        if number & IS_OVERFLOW == 0 {
            self.homes.get(number as usize)
        } else {
            self.overflow.get((number & !IS_OVERFLOW) as usize)
        }
    }

    #[inline]
    pub(super) fn bucket_mut(&mut self, number: u32) -> &mut Bucket {
        if number & IS_OVERFLOW == 0 {
            self.homes.get_mut(number as usize)
        } else {
            self.overflow.get_mut((number & !IS_OVERFLOW) as usize)
        }
    }

    fn push(&mut self, home: usize, tag: u8, moved: Moved) {
        let mut number = home as u32;
        loop {
            let bucket = self.bucket_mut(number);
            if let Some(free) = bucket.slots.iter().position(|slot| *slot == 0) {
                bucket.slots[free] = moved.slot;
                bucket.tags[free] = tag;
                bucket.set_young(free, moved.is_young);
                self.set_stamp(Slot { bucket: number, slot: free as u8 }, moved.stamp);
                return;
            }
            number = match bucket.next() {
                0 => self.continue_bucket(number),
                next => next,
            };
        }
    }

    /// Gives a full bucket a continuation and returns its number.
    fn continue_bucket(&mut self, number: u32) -> u32 {
        let overflow = match self.unused {
            0 => {
                self.overflow.push();
                (self.overflow.len - 1) as u32 | IS_OVERFLOW
            }
            unused => {
                let bucket = self.bucket_mut(unused);
                let rest = bucket.next();
                bucket.set_next(0);
                self.unused = rest;
                unused
            }
        };
        self.bucket_mut(number).set_next(overflow);
        overflow
    }

    /// Puts the references of a taken bucket and its continuations back where they now belong.
    fn spread(
        &mut self,
        mut bucket: Bucket,
        mut stamps: Stamps,
        prefetch: impl Fn(Block),
        hash_of: impl Fn(Block) -> u64,
    ) {
        let mut all = Vec::with_capacity(SLOTS * 2);
        loop {
            let filled = (0..SLOTS).filter(|at| bucket.slots[*at] != 0);
            all.extend(filled.map(|at| Moved {
                slot: bucket.slots[at],
                is_young: bucket.is_young(at),
                stamp: stamps[at],
            }));
            let next = bucket.next();
            if next == 0 {
                break;
            }
            (bucket, stamps) = self.overflow.take((next & !IS_OVERFLOW) as usize);
            let rest = std::mem::replace(&mut self.unused, next);
            self.bucket_mut(next).set_next(rest);
        }
        all.iter().for_each(|moved| prefetch(Block(moved.slot & BLOCK_MASK)));
        for moved in all {
            let hash = hash_of(Block(moved.slot & BLOCK_MASK));
            if let Some(home) = self.home(hash) {
                self.push(home, tag(hash), moved);
            }
        }
    }

    fn each_of(&self, home: usize, visit: &mut impl FnMut(Block)) {
        self.each_slot(home, |_, block| visit(block));
    }
}

/// The successor of `cursor` when the bits under `mask` are counted from the highest down.
fn next_reversed(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Test references are their own keys.
    fn hash_of(block: Block) -> u64 {
        crate::base::hash::HashSeed(1, 2).hash(&block.0.to_le_bytes())
    }

    fn put(table: &mut Table, block: u32) -> bool {
        let hash = hash_of(Block(block));
        let new = table.find(hash, |it| it.0 == block).is_none();
        if new {
            table.insert(hash, Block(block), false, 0);
            table.grow(|_| {}, hash_of);
        }
        new
    }

    fn take(table: &mut Table, block: u32) -> bool {
        let found = table.find(hash_of(Block(block)), |it| it.0 == block);
        if let Some((at, _)) = found {
            table.remove(at);
            table.shrink(|_| {}, hash_of);
        }
        found.is_some()
    }

    proptest! {
        #[test]
        fn table_answers_like_a_set(steps in proptest::collection::vec((0..5u8, 1..700u32), 0..2500)) {
            let mut table = Table::default();
            let mut model = HashSet::new();
            // Growing and shrinking in turns, so that splits, merges and overflow buckets all happen.
            for (at, (what, block)) in steps.into_iter().enumerate() {
                if (what < 4) == (at % 1000 < 500) {
                    prop_assert_eq!(put(&mut table, block), model.insert(block));
                } else {
                    prop_assert_eq!(take(&mut table, block), model.remove(&block));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let mut all = HashSet::new();
            table.each(|block| assert!(all.insert(block.0), "{} twice", block.0));
            prop_assert_eq!(all, model);
        }

        #[test]
        fn scan_returns_all_that_stayed_while_the_table_grows_and_shrinks(
            stay in 1..900u32,
            changes in proptest::collection::vec((any::<bool>(), 1000..3000u32), 0..300),
            per_step in 1..40usize,
        ) {
            let mut table = Table::default();
            for block in 1..=stay { put(&mut table, block); }
            let mut seen = HashSet::new();
            let mut cursor = 0;
            let mut changes = changes.chunks(per_step).cycle().take(2000);
            loop {
                cursor = table.scan(cursor, |block| { seen.insert(block.0); });
                if cursor == 0 { break }
                for (insert, block) in changes.next().unwrap_or(&[]) {
                    if *insert { put(&mut table, *block); } else { take(&mut table, *block); }
                }
            }
            for block in 1..=stay { prop_assert!(seen.contains(&block), "missed {}", block); }
        }
    }

    #[test]
    fn buckets_cost_what_the_page_on_storage_says() {
        let mut table = Table::default();
        for block in 1..=40_000 {
            put(&mut table, block);
            let per_key = table.bytes() as f64 / f64::from(block);
            assert!(block < 4_000 || per_key < 11.0, "{per_key} bytes per key at {block}");
        }
    }

    #[test]
    fn emptied_table_gives_its_buckets_back() {
        let mut table = Table::default();
        (1..10_000).for_each(|block| assert!(put(&mut table, block)));
        (1..10_000).for_each(|block| assert!(take(&mut table, block)));
        assert_eq!(table.bytes(), 0);
    }
}
