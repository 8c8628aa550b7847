//! A block of an arena as bytes: named, measured, found in its segment. Knows no arena.

/// Bytes of a granule: what lengths are rounded up to.
pub const GRANULE: usize = 4;
/// Bytes of an ordinary segment.
pub const SEGMENT_BYTES: usize = GRANULE << GRANULE_BITS;
/// A block longer than this has a segment of its own.
pub const LONE_BYTES_MIN: usize = 4096;
/// Steps in which such a block doubles.
const LONE_STEPS: usize = 16;
/// The first byte of a free block; the owner's blocks must begin otherwise.
pub const FREE: u8 = 0b0000_0111;

/// Bits of a reference: the two above are free for its owner.
pub const BLOCK_BITS: u32 = 30;
pub(super) const GRANULE_BITS: u32 = 13;
/// A free block holds its list's links, so no block is shorter.
pub(super) const BLOCK_BYTES_MIN: usize = 12;
/// Free lists: one per size below 64 granules, then eight per doubling.
pub(super) const CLASSES: usize = 64 + 8 * 8;
const _: () = assert!(CLASSES <= u128::BITS as usize);

/// A reference to a block. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(pub u32);

impl Block {
    pub(super) fn new(segment: usize, at: usize) -> Block {
        Block(((segment << GRANULE_BITS) | (at / GRANULE)) as u32)
    }

    #[inline]
    pub(super) fn segment(self) -> usize {
        (self.0 >> GRANULE_BITS) as usize
    }

    /// Byte offset in its segment.
    #[inline]
    pub(super) fn at(self) -> usize {
        (self.0 as usize & ((1 << GRANULE_BITS) - 1)) * GRANULE
    }
}

/// The bytes a block for `len` bytes takes. One with a segment of its own grows in steps of a sixteenth, so that what
/// grows item by item is not copied for each.
#[inline]
#[must_use]
pub const fn rounded(len: usize) -> usize {
    if len > LONE_BYTES_MIN {
        return len.next_multiple_of((1 << len.ilog2()) / LONE_STEPS);
    }
    let len = len.next_multiple_of(GRANULE);
    if len < BLOCK_BYTES_MIN { BLOCK_BYTES_MIN } else { len }
}

/// Whether the block at the beginning of these bytes is free, and its size; `len_of` tells a used block's length.
#[inline]
pub(super) fn block_at(bytes: &[u8], len_of: impl Fn(&[u8]) -> usize) -> (bool, usize) {
    if bytes[0] == FREE { (true, free_size(bytes)) } else { (false, rounded(len_of(bytes))) }
}

/// The used blocks of a segment from `at` on, each with where the next one begins: in the order in which they lie, mostly
/// that in which they came. Each reaches to the segment's end.
pub fn used_blocks(
    segment: &[u8],
    mut at: usize,
    len_of: impl Fn(&[u8]) -> usize,
) -> impl Iterator<Item = (usize, &[u8])> {
    std::iter::from_fn(move || {
        while at < segment.len() {
            let block = &segment[at..];
            let (is_free, size) = block_at(block, &len_of);
            at += size;
            if !is_free {
                return Some((at, block));
            }
        }
        None
    })
}

/// Bytes of a free block.
pub(super) fn free_size(block: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([block[2], block[3]])) * GRANULE
}

/// The next and the previous block in a free block's list.
pub(super) fn links(block: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    (word(4), word(8))
}

/// The free list for blocks of this size: exact below 256 bytes, eight steps per doubling above.
pub(super) fn class_of(size: usize) -> usize {
    let granules = size / GRANULE;
    if granules < 64 {
        return granules;
    }
    let doubling = granules.ilog2();
    64 + (doubling as usize - 6) * 8 + (granules >> (doubling - 3) & 7)
}
