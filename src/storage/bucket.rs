//! A bucket of the table: one cache line of references, their tags and a link.
//!
//! ```text
//! bucket  12 references of 4 | link 4 | 12 tags of 1
//! slot    count 2 bits | block 30 bits              count: what eviction keeps of an entry's use, 0 to 3
//! link    12 bits "young", one per slot | number of the next bucket of the chain + 1, 20 bits, 0 = none
//! ```

/// References in a bucket.
pub(super) const SLOTS: usize = 12;
/// Set in the number of a bucket that is an overflow bucket.
pub(super) const IS_OVERFLOW: u32 = 1 << 31;
/// The bits of a slot that name a block; the count lies above.
pub(super) const BLOCK_MASK: u32 = (1 << super::arena::BLOCK_BITS) - 1;
/// The bits of a link that name a bucket; the bits "young" lie above.
const LINK_MASK: u32 = (1 << LINK_BITS) - 1;
const LINK_BITS: u32 = u32::BITS - SLOTS as u32;
/// Overflow buckets that a link can name.
pub(super) const OVERFLOW_MAX: usize = LINK_MASK as usize;

/// Twelve references of one home, or of those that found no room there.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    /// 0 = empty.
    pub(super) slots: [u32; SLOTS],
    link: u32,
    pub(super) tags: [u8; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// Number of the bucket that continues this one; 0 = none.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        match self.link & LINK_MASK {
            0 => 0,
            link => (link - 1) | IS_OVERFLOW,
        }
    }

    /// Sets the bucket that continues this one; 0 = none.
    pub(super) fn set_next(&mut self, number: u32) {
        let link = if number == 0 { 0 } else { (number & !IS_OVERFLOW) + 1 };
        assert!(link <= LINK_MASK, "a shard's table is full");
        self.link = self.link & !LINK_MASK | link;
    }

    #[inline]
    pub(super) fn is_young(&self, slot: usize) -> bool {
        self.link >> (LINK_BITS + slot as u32) & 1 == 1
    }

    pub(super) fn set_young(&mut self, slot: usize, is_young: bool) {
        let bit = 1 << (LINK_BITS + slot as u32);
        self.link = if is_young { self.link | bit } else { self.link & !bit };
    }

    /// One bit for each slot whose tag is this one, empty slots perhaps among them.
    #[inline]
    pub(super) fn matches(&self, tag: u8) -> u32 {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let high = u64::from_le_bytes([i, j, k, l, !tag, !tag, !tag, !tag]);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
            // SAFETY: every x86-64 processor has SSE2, and these touch no memory.
            unsafe {
                let tags = _mm_set_epi64x(high as i64, low as i64);
                _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8))) as u32
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        matches_by_words(tag, low, high)
    }
}

/// `Bucket::matches` without vector instructions: one bit for each byte of two words that is the tag.
#[cfg_attr(target_arch = "x86_64", cfg(test))]
fn matches_by_words(tag: u8, low: u64, high: u64) -> u32 {
    let all = u64::from_le_bytes([tag; 8]);
    equal_bytes(low ^ all) | equal_bytes(high ^ all) << 8
}

/// One bit for each zero byte of a word, lowest first.
#[cfg_attr(target_arch = "x86_64", cfg(test))]
#[inline]
fn equal_bytes(word: u64) -> u32 {
    const LOW_SEVEN: u64 = u64::from_le_bytes([0x7f; 8]);
    // Adding 0x7f to seven bits carries into the eighth unless they are zero; no byte carries into the next.
    let zero = !(((word & LOW_SEVEN) + LOW_SEVEN) | word | LOW_SEVEN);
    // The product gathers the eight top bits in its highest byte.
    (zero.wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn matches_are_the_slots_with_the_tag(tags in any::<[u8; SLOTS]>(), tag in any::<u8>(), at in 0..SLOTS) {
            let mut bucket = Bucket { tags, ..Bucket::default() };
            bucket.tags[at] = tag;
            let expected = bucket.tags.iter().rev().fold(0, |bits, own| bits << 1 | u32::from(*own == tag));
            prop_assert_eq!(bucket.matches(tag), expected);
            let [a, b, c, d, e, f, g, h, i, j, k, l] = bucket.tags;
            let (low, high) = ([a, b, c, d, e, f, g, h], [i, j, k, l, !tag, !tag, !tag, !tag]);
            prop_assert_eq!(matches_by_words(tag, u64::from_le_bytes(low), u64::from_le_bytes(high)), expected);
        }
    }
}
