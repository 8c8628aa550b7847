//! Items one after the other, found by walking from the front. For few: no item has anything beside it.

use super::deadline;
use super::element::{Element, skip};
use super::form::{RUN_LEN_MAX, Type};
use super::item::Parts;

/// Where the item of that number begins; the end of the items for the number behind the last.
/// Cost: one step per item before it.
#[must_use]
pub fn position(items: &[u8], of_type: Type, index: usize) -> Option<usize> {
    let mut at = 0;
    for _ in 0..index {
        at += Parts::of(items.get(at..)?, of_type)?.end;
    }
    Some(at)
}

/// The number and the place of the item whose first element is this one. Cost: one step per item before it.
#[inline]
#[must_use]
pub fn find(items: &[u8], of_type: Type, needle: Element<'_>) -> Option<(usize, usize)> {
    let (mut at, mut index) = (0, 0);
    while let Some(item) = items.get(at..) {
        let first_at = deadline::skip(item);
        let (first, bytes) = Element::decode(item.get(first_at..)?)?;
        if first == needle {
            return Some((index, at));
        }
        let second_at = first_at + bytes;
        let second = if of_type == Type::Set { 0 } else { skip(item.get(second_at..)?)? };
        (at, index) = (at + second_at + second, index + 1);
    }
    None
}

/// Where each item begins: for walks from the back.
#[derive(Clone, Debug)]
pub struct Positions {
    at: [u16; RUN_LEN_MAX],
    len: usize,
}

impl Positions {
    /// The first `count` items. Cost: one step each.
    #[must_use]
    pub fn of(items: &[u8], of_type: Type, count: usize) -> Positions {
        let mut positions = Positions { at: [0; RUN_LEN_MAX], len: 0 };
        let mut at = 0;
        while positions.len < count.min(RUN_LEN_MAX)
            && let Some(parts) = items.get(at..).and_then(|item| Parts::of(item, of_type))
        {
            positions.at[positions.len] = at as u16;
            positions.len += 1;
            at += parts.end;
        }
        positions
    }

    #[must_use]
    pub fn get(&self, index: usize) -> Option<usize> {
        self.at[..self.len].get(index).map(|at| usize::from(*at))
    }
}
