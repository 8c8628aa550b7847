//! The directory behind the items of a page: found by a search for one byte, and by number at once.
//!
//! ```text
//! header | items, in the order in which they came | offset 2, for each | tag 1, for each
//! ```
//! Offsets are counted from the first item and stand, as the tags do, in the order of the collection: of insertion,
//! or of score and member. So an item of a sorted set moves nothing but its three bytes when its rank changes.

use super::deadline;
use super::element::Element;
use super::form::Form;

/// Bytes of an offset.
pub const OFFSET_BYTES: usize = 2;
/// What an item costs beside its own bytes.
pub const DIRECTORY_BYTES: usize = OFFSET_BYTES + 1;

/// The directory of a page.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    offsets: &'a [[u8; OFFSET_BYTES]],
    tags: &'a [u8],
}

impl<'a> Directory<'a> {
    /// The items of a page and their directory: from what is behind the header. `None` where that is too short.
    #[inline]
    #[must_use]
    pub fn split(bytes: &'a [u8], count: usize) -> Option<(&'a [u8], Directory<'a>)> {
        let (items, directory) = bytes.split_at_checked(bytes.len().checked_sub(count * DIRECTORY_BYTES)?)?;
        let (offsets, tags) = directory.split_at_checked(count * OFFSET_BYTES)?;
        Some((items, Directory { offsets: offsets.as_chunks().0, tags }))
    }

    /// Where the item of that number begins.
    #[inline]
    #[must_use]
    pub fn position(&self, index: usize) -> Option<usize> {
        self.offsets.get(index).map(|offset| usize::from(u16::from_le_bytes(*offset)))
    }

    /// The number and the place of the item whose first element is this one. Cost: a search for a byte, and a
    /// comparison for each item with the same tag: one in 256 of the others.
    #[inline]
    #[must_use]
    pub fn find(&self, items: &[u8], needle: Element<'_>) -> Option<(usize, usize)> {
        let is_it = |at: usize| {
            let item = items.get(at..)?;
            let (first, _) = Element::decode(item.get(deadline::skip(item)..)?)?;
            (first == needle).then_some(at)
        };
        memchr::memchr_iter(needle.hash_tag(), self.tags)
            .find_map(|index| Some((index, is_it(self.position(index)?)?)))
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> &'a [u8] {
        self.tags
    }
}

/// What is to be put right in a directory once the bytes are where they belong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settle {
    /// Offsets greater than that move by so much.
    pub shift: Option<(usize, isize)>,
    /// The item of one number gets another, and those between move up or down by one.
    pub turn: Option<(usize, usize)>,
}

impl Settle {
    /// Puts it right in a page of `count` items. Cost: one step per offset.
    pub fn apply(self, page: &mut [u8], count: usize) {
        let Some(at) = page.len().checked_sub(count * DIRECTORY_BYTES) else { return };
        let (offsets, tags) = page[at..].split_at_mut(count * OFFSET_BYTES);
        let (offsets, _) = offsets.as_chunks_mut::<OFFSET_BYTES>();
        if let Some((beyond, by)) = self.shift {
            for offset in &mut *offsets {
                let old = u16::from_le_bytes(*offset);
                if usize::from(old) > beyond {
                    *offset = ((usize::from(old)).wrapping_add_signed(by) as u16).to_le_bytes();
                }
            }
        }
        if let Some((from, to)) = self.turn {
            turn(offsets, from, to);
            turn(tags, from, to);
        }
    }
}

fn turn<T>(items: &mut [T], from: usize, to: usize) {
    if from < to {
        items[from..=to].rotate_left(1);
    } else {
        items[to..=from].rotate_right(1);
    }
}

/// Writes the directory of items that lie in their order to the end of a value that holds the items.
pub fn append_directory(value: &mut Vec<u8>, form: Form, items: impl Iterator<Item = (usize, u8)>) {
    let header = form.header_bytes();
    let mut tags = Vec::new();
    for (at, tag) in items {
        value.extend_from_slice(&((at - header) as u16).to_le_bytes());
        tags.push(tag);
    }
    value.extend_from_slice(&tags);
}
