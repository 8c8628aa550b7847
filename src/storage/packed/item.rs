//! One item of a collection: what counts as one of it. A member; a field and its value; a member and its score.
//!
//! ```text
//! [deadline] element [element | score]
//! ```
//! Knows how an item lies and nothing of where.

use super::deadline;
use super::element::{self, Element, encode_score, score_bytes, skip};
use super::form::Type;

/// An item on its way into a collection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    /// When a field ends, wall-clock milliseconds. Only fields of hashes have one.
    pub expire_at: Option<i64>,
    pub first: Element<'a>,
    pub second: Second<'a>,
}

/// What belongs to a field or a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Second<'a> {
    Nothing,
    Value(Element<'a>),
    Score(f64),
}

impl<'a> Item<'a> {
    /// A member of a set.
    #[must_use]
    pub fn member(first: Element<'a>) -> Item<'a> {
        Item { expire_at: None, first, second: Second::Nothing }
    }

    /// Bytes it takes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let second = match self.second {
            Second::Nothing => 0,
            Second::Value(value) => value.encoded_bytes(),
            Second::Score(score) => score_bytes(score),
        };
        deadline::encoded_bytes(self.expire_at) + self.first.encoded_bytes() + second
    }

    /// Whether the lengths of its texts can be written.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.first.is_short() && !matches!(self.second, Second::Value(value) if !value.is_short())
    }

    /// Writes it to the front of `into`, which has room for it.
    pub fn encode(&self, into: &mut [u8]) {
        let first_at = deadline::encode(self.expire_at, into);
        self.first.encode(&mut into[first_at..]);
        let place = &mut into[first_at + self.first.encoded_bytes()..];
        match self.second {
            Second::Nothing => {}
            Second::Value(value) => value.encode(place),
            Second::Score(score) => encode_score(score, place),
        }
    }
}

/// Where the parts of an item lie, from where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub first_at: usize,
    pub second_at: usize,
    pub end: usize,
}

impl Parts {
    /// The parts of the item at the front of `bytes`.
    #[inline]
    #[must_use]
    pub fn of(bytes: &[u8], of_type: Type) -> Option<Parts> {
        let first_at = deadline::skip(bytes);
        let second_at = first_at + skip(bytes.get(first_at..)?)?;
        let end = if of_type == Type::Set { second_at } else { second_at + skip(bytes.get(second_at..)?)? };
        Some(Parts { first_at, second_at, end })
    }
}

/// The item at the front of `bytes`, read, and its length.
#[must_use]
pub fn decode(bytes: &[u8], of_type: Type) -> Option<(Item<'_>, usize)> {
    let parts = Parts::of(bytes, of_type)?;
    let (first, _) = Element::decode(bytes.get(parts.first_at..)?)?;
    let rest = bytes.get(parts.second_at..)?;
    let second = match of_type {
        Type::Set | Type::List => Second::Nothing,
        Type::Hash => Second::Value(Element::decode(rest)?.0),
        Type::Zset => Second::Score(element::decode_score(rest)?),
    };
    Some((Item { expire_at: deadline::decode(bytes), first, second }, parts.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(item: &Item<'_>) -> Vec<u8> {
        let mut bytes = vec![0xee; item.encoded_bytes()];
        item.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn items_read_back(first: Vec<u8>, value: Vec<u8>, score in -1e9..1e9, expire_at: Option<i64>) {
            let first = Element::of(&first);
            let seconds = [
                (Type::Set, Second::Nothing),
                (Type::Hash, Second::Value(Element::of(&value))),
                (Type::Zset, Second::Score(score)),
            ];
            for (of_type, second) in seconds {
                let item = Item { expire_at, first, second };
                let bytes = encoded(&item);
                prop_assert_eq!(decode(&bytes, of_type), Some((item, bytes.len())));
                prop_assert_eq!(decode(&bytes[..bytes.len() - 1], of_type), None);
            }
        }
    }
}
