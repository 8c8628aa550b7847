//! Memory for entries: blocks of 4-byte granules inside segments, named by 30-bit references.
//!
//! A segment is filled from its beginning; a freed block goes to a list of its size and is used again by
//! the next entry of that size, or split for a smaller one. What is scattered too finely for that is
//! regained by draining: the emptiest segment's entries are moved elsewhere and the segment is given back
//! (`drain_*`; the owner of the references does the moving). A block above `LONE_BYTES_MIN` has a segment
//! of its own.
//!
//! ```text
//! Block    unused 2 bits | segment number 17 bits | granule 13 bits    0 names nothing
//! segment  block | block | free block | block | ... up to SEGMENT_BYTES, or less in a sparing arena
//! free     FREE 1 | - 1 | granules 2 | next 4 | previous 4              shorter remainders are in no list
//! ```
//! Invariants: blocks follow each other without gaps up to the segment's length; the first byte of a
//! block tells free (`FREE`) from used; `free_bytes` is the sum of a segment's free blocks; every free
//! block of 12 bytes or more is in the list of its class, except in the segment being drained.

mod block;

use std::collections::VecDeque;

use super::LineAddress;
use super::lent::{Loan, Page};
use crate::base::lent::Lending;
pub use block::{BLOCK_BITS, Block, FREE, GRANULE, LONE_BYTES_MIN, SEGMENT_BYTES, rounded, used_blocks};
use block::{BLOCK_BYTES_MIN, CLASSES, GRANULE_BITS, block_at, class_of, free_size, links};

/// A sparing arena's segments are as long as this share of it, or as this number of blocks, and at least this number of bytes: many
/// small arenas would otherwise hold more than they use, each in a segment being filled and another being drained.
const SPARING_SHARE: usize = 32;
const SPARING_BLOCKS: usize = 8;
const SPARING_BYTES_MIN: usize = 4096;
/// What the system gives memory in.
const PAGE_BYTES: usize = 4096;
/// The least that an arena grows by.
const STEP_BYTES_MIN: usize = 512;
/// Free bytes below which it is never scattered, and below which not even with little memory left.
const FREE_BYTES_MIN: usize = 2 * SEGMENT_BYTES;
const FREE_BYTES_MIN_PRESSED: usize = 1024;

/// Segments that an owner which asks leaves unused.
const SEGMENTS_SPARE: usize = 4;
/// Segments that a block can name.
const SEGMENTS_MAX: usize = 1 << (BLOCK_BITS - GRANULE_BITS);
// The longest block fits the shortest segment.
const _: () = assert!(LONE_BYTES_MIN <= SPARING_BYTES_MIN);

#[derive(Debug, Default)]
struct Segment {
    bytes: Page,
    free_bytes: usize,
}

/// The segments and the lists of what is free in them.
#[derive(Debug, Default)]
pub struct Arena {
    /// Number 0 is never used, so that no reference is zero.
    segments: Vec<Segment>,
    /// Numbers of segments given back.
    vacant: Vec<u32>,
    /// The segment being filled; 0 = none.
    open: usize,
    /// The length up to which it is filled.
    open_bytes_max: usize,
    /// The first free block of each class; empty until something is freed.
    heads: Vec<u32>,
    /// Which lists are not empty.
    filled: u128,
    free_bytes: usize,
    /// Bytes of ordinary segments in use, filled or free.
    spread_bytes: usize,
    /// Bytes of blocks with a segment of their own.
    lone_bytes: usize,
    /// Capacity of all segments.
    held_bytes: usize,
    draining: Option<Draining>,
    /// Whether it holds little more than it uses, as it must under a limit. Otherwise it doubles until it fills
    /// segments, and each then has its full size at once.
    is_sparing: bool,
    #[cfg(test)]
    pub(super) segments_limit: Option<usize>,
}

/// The segment being emptied, and how far.
#[derive(Clone, Copy, Debug)]
struct Draining {
    segment: usize,
    at: usize,
}

impl Arena {
    /// A block for `len` bytes, all zero. Cost: a list's head, or the end of a segment.
    ///
    /// # Panics
    /// With 2^17 segments in use: 4 GiB, or 131,072 lone blocks.
    pub fn alloc(&mut self, len: usize) -> Block {
        let size = rounded(len);
        if size > LONE_BYTES_MIN {
            let segment = self.new_segment();
            self.segments[segment].bytes = Page::new(vec![0; size]);
            self.held_bytes += self.segments[segment].bytes.held_bytes();
            self.lone_bytes += size;
            return Block::new(segment, 0);
        }
        if let Some(block) = self.take_exact(size).or_else(|| self.extend_open(size)) {
            return block;
        }
        if let Some(block) = self.take_larger(size) {
            return block;
        }
        self.close_open();
        self.open_segment(size);
        match self.extend_open(size) {
            Some(block) => block,
            None => unreachable!("a new segment has room for the longest block"),
        }
    }

    /// Frees a block of `len` bytes, as given to `alloc`.
    pub fn free(&mut self, block: Block, len: usize) {
        let size = rounded(len);
        let segment = block.segment();
        if size > LONE_BYTES_MIN {
            self.lone_bytes -= size;
            self.vacate(segment);
            return;
        }
        self.segments[segment].free_bytes += size;
        self.free_bytes += size;
        self.mark_free(block, size);
        if self.draining.is_some_and(|draining| draining.segment == segment) {
            return;
        }
        self.link(block, size);
        if self.segments[segment].free_bytes == self.segments[segment].bytes.len() {
            // Every block of it is free: none is asked for its length.
            self.unlink_all(segment, |_| GRANULE);
            self.give_back(segment);
        }
    }

    /// The bytes from a block's beginning to its segment's end.
    #[inline]
    #[must_use]
    pub fn bytes(&self, block: Block) -> &[u8] {
        &self.segments[block.segment()].bytes[block.at()..]
    }

    #[inline]
    pub fn bytes_mut(&mut self, block: Block) -> &mut [u8] {
        &mut self.segments[block.segment()].bytes.to_mut()[block.at()..]
    }

    /// Where a block begins.
    #[inline]
    #[must_use]
    pub fn line(&self, block: Block) -> LineAddress {
        LineAddress::of(self.segments[block.segment()].bytes.as_ptr().wrapping_add(block.at()))
    }

    /// The segments' bytes, by their numbers: for `used_blocks`.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(|segment| &*segment.bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Lends every segment as it is now, by their numbers. Cost: as `Page::lend` for each.
    pub fn lend(&mut self, lending: &Lending) -> VecDeque<Loan> {
        let held = self.segments.iter_mut().filter(|segment| !segment.bytes.is_empty());
        held.map(|segment| segment.bytes.lend(lending)).collect()
    }

    /// A block to read, and another one to write.
    ///
    /// # Panics
    /// Where they are the same.
    pub fn two(&mut self, read: Block, write: Block) -> (&[u8], &mut [u8]) {
        let (from, into) = (read.segment(), write.segment());
        if from != into {
            return match self.segments.get_disjoint_mut([from, into]) {
                Ok([from, into]) => (&from.bytes[read.at()..], &mut into.bytes.to_mut()[write.at()..]),
                Err(_) => unreachable!("two segments of the arena"),
            };
        }
        let bytes = self.segments[from].bytes.to_mut();
        assert!(read != write, "one block");
        if read.at() < write.at() {
            let (low, high) = bytes.split_at_mut(write.at());
            (&low[read.at()..], high)
        } else {
            let (low, high) = bytes.split_at_mut(read.at());
            (high, &mut low[write.at()..])
        }
    }

    /// Whether there may be no room for one block more and what compaction takes meanwhile.
    #[inline]
    #[must_use]
    pub fn is_almost_full(&self) -> bool {
        self.segments.len() + SEGMENTS_SPARE > self.segments_max() + self.vacant.len()
    }

    /// Says whether to hold little more than is used; what is held already of the open segment is let go.
    pub fn set_sparing(&mut self, sparing: bool) {
        self.is_sparing = sparing;
        if let Some(open) = self.segments.get_mut(self.open).filter(|_| sparing) {
            let bytes = open.bytes.to_mut();
            self.held_bytes -= bytes.capacity();
            bytes.shrink_to_fit();
            self.held_bytes += bytes.capacity();
            self.open_bytes_max = bytes.len();
        }
    }

    /// Bytes asked of the allocator for blocks.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What `held_bytes` must be. Cost: a look at each segment.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes.held_bytes()).sum()
    }

    /// Bytes held that the next blocks may use.
    #[must_use]
    pub fn spare_bytes(&self) -> usize {
        self.held_bytes - self.used_bytes()
    }

    /// Bytes of whole pages at the end of the open segment that were never written to.
    #[inline]
    #[must_use]
    pub fn untouched_bytes(&self) -> usize {
        self.segments
            .get(self.open)
            .map_or(0, |open| (open.bytes.held_bytes() - open.bytes.len()) & !(PAGE_BYTES - 1))
    }

    /// Bytes of blocks in use.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.spread_bytes + self.lone_bytes - self.free_bytes
    }

    /// Whether enough is free, and finely enough scattered, for draining to be worth its copies: an eighth,
    /// or a 64th where memory is `pressed`.
    #[must_use]
    pub fn is_scattered(&self, pressed: bool) -> bool {
        let (share, least) = if pressed { (64, FREE_BYTES_MIN_PRESSED) } else { (8, FREE_BYTES_MIN) };
        self.draining.is_some() || (self.free_bytes > self.spread_bytes / share && self.free_bytes > least)
    }

    /// Begins to drain the segment with the most free bytes, unless one is being drained. False where that would
    /// regain less than an eighth of what it copies: the ends of segments, too short for another block.
    /// Cost: one look at each segment, and taking its free blocks out of their lists.
    pub fn drain_begin(&mut self, pressed: bool, len_of: impl Fn(&[u8]) -> usize) -> bool {
        if self.draining.is_some() || !self.is_scattered(pressed) {
            return self.draining.is_some();
        }
        let most = (1..self.segments.len()).max_by_key(|at| self.segments[*at].free_bytes);
        let pays = |segment: &Segment| segment.free_bytes > segment.bytes.len() / 8;
        let Some(segment) = most.filter(|at| pays(&self.segments[*at])) else { return false };
        if segment == self.open {
            self.close_open();
        }
        self.unlink_all(segment, len_of);
        self.draining = Some(Draining { segment, at: 0 });
        true
    }

    /// The next used block of the segment being drained, for its owner to move with `move_block`; `None`
    /// when there is none left and the segment was given back. `len_of` tells a used block's length.
    pub fn drain_next(&mut self, len_of: impl Fn(&[u8]) -> usize) -> Option<Block> {
        let Draining { segment, mut at } = self.draining?;
        let end = self.segments[segment].bytes.len();
        while at < end {
            let block = Block::new(segment, at);
            let (is_free, size) = block_at(self.bytes(block), &len_of);
            at += size;
            self.draining = Some(Draining { segment, at });
            if !is_free {
                return Some(block);
            }
        }
        self.draining = None;
        debug_assert_eq!(self.segments[segment].free_bytes, end, "drained segment is not empty");
        self.give_back(segment);
        None
    }

    /// Copies a block of `len` bytes elsewhere and frees it; returns where it is now.
    pub fn move_block(&mut self, block: Block, len: usize) -> Block {
        let to = self.alloc(len);
        let size = rounded(len);
        let (from, into) = (block.segment(), to.segment());
        match self.segments.get_disjoint_mut([from, into]) {
            Ok([from, into]) => into.bytes.to_mut()[to.at()..to.at() + size]
                .copy_from_slice(&from.bytes[block.at()..block.at() + size]),
            Err(_) => unreachable!("what is drained is not allocated from"),
        }
        self.free(block, len);
        to
    }

    /// A block of exactly this size from its list; where the list holds several sizes its head alone is looked at.
    fn take_exact(&mut self, size: usize) -> Option<Block> {
        let class = class_of(size);
        if self.filled >> class & 1 == 0 {
            return None;
        }
        let block = Block(self.heads[class]);
        if class >= 64 && free_size(self.bytes(block)) != size {
            return None;
        }
        self.take(block, size, size);
        Some(block)
    }

    fn take_larger(&mut self, size: usize) -> Option<Block> {
        let class = class_of(size);
        // A class of several sizes is asked by its head alone; every larger class will do.
        let own = if class >= 64 && self.filled >> class & 1 == 1 { Some(self.heads[class]) } else { None };
        let own = own.map(Block).filter(|block| free_size(self.bytes(*block)) >= size);
        let block = own.or_else(|| {
            let above = self.filled.checked_shr(class as u32 + 1).unwrap_or(0);
            (above != 0).then(|| Block(self.heads[class + 1 + above.trailing_zeros() as usize]))
        })?;
        let whole = free_size(self.bytes(block));
        self.take(block, whole, size);
        Some(block)
    }

    /// Takes a free block of `whole` bytes out of its list, uses `size` of it and frees the rest.
    fn take(&mut self, block: Block, whole: usize, size: usize) {
        self.unlink(block, whole);
        self.segments[block.segment()].free_bytes -= size;
        self.free_bytes -= size;
        self.bytes_mut(block)[..size].fill(0);
        if whole > size {
            let rest = Block::new(block.segment(), block.at() + size);
            self.mark_free(rest, whole - size);
            self.link(rest, whole - size);
        }
    }

    fn extend_open(&mut self, size: usize) -> Option<Block> {
        let segment = self.segments.get_mut(self.open).filter(|_| self.open != 0)?;
        let at = segment.bytes.len();
        if at + size > self.open_bytes_max {
            return None;
        }
        let bytes = segment.bytes.to_mut();
        let held = bytes.capacity();
        if at + size > held {
            let room = self.open_bytes_max - at;
            let doubled = self.spread_bytes.max(STEP_BYTES_MIN).max(size);
            bytes.reserve_exact(if self.is_sparing { room } else { doubled.min(room) });
        }
        bytes.resize(at + size, 0);
        self.held_bytes += bytes.capacity() - held;
        self.spread_bytes += size;
        Some(Block::new(self.open, at))
    }

    /// Ends the filling of the open segment: its remainder becomes a free block.
    fn close_open(&mut self) {
        let open = std::mem::take(&mut self.open);
        let Some(segment) = self.segments.get_mut(open).filter(|_| open != 0) else { return };
        let at = segment.bytes.len();
        let rest = self.open_bytes_max - at;
        if at == 0 {
            self.vacate(open);
        } else if rest > 0 {
            let bytes = segment.bytes.to_mut();
            let held = bytes.capacity();
            bytes.reserve_exact(rest);
            bytes.resize(self.open_bytes_max, 0);
            self.held_bytes += bytes.capacity() - held;
            segment.free_bytes += rest;
            self.free_bytes += rest;
            self.spread_bytes += rest;
            let block = Block::new(open, at);
            self.mark_free(block, rest);
            self.link(block, rest);
        }
    }

    /// Begins to fill another segment, with a block of this size.
    fn open_segment(&mut self, size: usize) {
        self.open = self.new_segment();
        self.open_bytes_max = if self.is_sparing {
            let wanted = (self.spread_bytes / SPARING_SHARE).max(size * SPARING_BLOCKS);
            wanted.next_power_of_two().clamp(SPARING_BYTES_MIN, SEGMENT_BYTES)
        } else {
            SEGMENT_BYTES
        };
    }

    #[cfg(not(test))]
    fn segments_max(&self) -> usize {
        SEGMENTS_MAX
    }

    /// Tests may set it lower.
    #[cfg(test)]
    fn segments_max(&self) -> usize {
        self.segments_limit.unwrap_or(SEGMENTS_MAX)
    }

    fn new_segment(&mut self) -> usize {
        if self.segments.is_empty() {
            self.segments.push(Segment::default());
        }
        let next = self.vacant.last().map_or(self.segments.len(), |at| *at as usize);
        // Said before anything is changed: the caller still has what it had.
        assert!(next < self.segments_max(), "a shard's arena is full");
        if self.vacant.pop().is_none() {
            self.segments.push(Segment::default());
        }
        next
    }

    /// Returns an ordinary segment in which nothing is used.
    fn give_back(&mut self, segment: usize) {
        self.spread_bytes -= self.segments[segment].bytes.len();
        self.free_bytes -= self.segments[segment].free_bytes;
        if segment == self.open {
            // Likely to be filled again at once: only its content goes.
            self.segments[segment].bytes.to_mut().clear();
            self.segments[segment].free_bytes = 0;
            self.reset_if_unused();
        } else {
            self.vacate(segment);
        }
    }

    fn vacate(&mut self, segment: usize) {
        self.held_bytes -= self.segments[segment].bytes.held_bytes();
        self.segments[segment] = Segment::default();
        self.vacant.push(segment as u32);
        self.reset_if_unused();
    }

    /// Gives all back once no segment but the open one is left, and that is empty.
    fn reset_if_unused(&mut self) {
        let kept = 1 + usize::from(self.open != 0);
        if self.spread_bytes == 0 && self.vacant.len() + kept == self.segments.len() {
            *self = Arena { is_sparing: self.is_sparing, ..Arena::default() };
        }
    }

    fn mark_free(&mut self, block: Block, size: usize) {
        let bytes = self.bytes_mut(block);
        bytes[0] = FREE;
        bytes[2..4].copy_from_slice(&((size / GRANULE) as u16).to_le_bytes());
    }

    /// Puts a marked block at the head of its list.
    fn link(&mut self, block: Block, size: usize) {
        if size < BLOCK_BYTES_MIN {
            return;
        }
        if self.heads.is_empty() {
            self.heads = vec![0; CLASSES];
        }
        let class = class_of(size);
        let next = std::mem::replace(&mut self.heads[class], block.0);
        self.filled |= 1 << class;
        self.set_links(block, next, 0);
        if next != 0 {
            self.bytes_mut(Block(next))[8..12].copy_from_slice(&block.0.to_le_bytes());
        }
    }

    fn unlink(&mut self, block: Block, size: usize) {
        let (next, previous) = links(self.bytes(block));
        if next != 0 {
            self.bytes_mut(Block(next))[8..12].copy_from_slice(&previous.to_le_bytes());
        }
        if previous != 0 {
            self.bytes_mut(Block(previous))[4..8].copy_from_slice(&next.to_le_bytes());
            return;
        }
        let class = class_of(size);
        self.heads[class] = next;
        if next == 0 {
            self.filled &= !(1 << class);
        }
    }

    fn set_links(&mut self, block: Block, next: u32, previous: u32) {
        let bytes = self.bytes_mut(block);
        bytes[4..8].copy_from_slice(&next.to_le_bytes());
        bytes[8..12].copy_from_slice(&previous.to_le_bytes());
    }

    /// Takes every free block of a segment out of its list.
    fn unlink_all(&mut self, segment: usize, len_of: impl Fn(&[u8]) -> usize) {
        let end = self.segments[segment].bytes.len();
        let mut at = 0;
        while at < end {
            let block = Block::new(segment, at);
            let (is_free, size) = block_at(self.bytes(block), &len_of);
            at += size;
            if is_free && size >= BLOCK_BYTES_MIN {
                self.unlink(block, size);
            }
        }
    }
}

#[cfg(test)]
mod tests;
