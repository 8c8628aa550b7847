//! One value of Redis's format: read from whichever of its forms, item by item, and written in the plain ones.
//!
//! ```text
//! type 1 | string          type 1 | count | items: strings, a field's value or a member's score (8, lowest byte first) behind
//! ```
//! Format: <https://rdb.fnordig.de/file_format.html#value-type>. Streams and what belongs to modules are not read. Whether an
//! item is there twice only its reader can say, who must refuse it then.

use std::borrow::Cow;

use super::compact::{Compact, Element};
use super::string::{Malformed, Reader, write_length};
use crate::base::score;

/// The types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    List,
    Set,
    Zset,
    Hash,
}

/// A part of a value. Of a string there is one, of other types as many as they have, one at least.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    String(Cow<'a, [u8]>),
    /// The next of a list.
    Element(&'a [u8]),
    Member(&'a [u8]),
    /// Of a sorted set, in any order; its score is a number.
    Scored(&'a [u8], f64),
    Field(&'a [u8], &'a [u8]),
}

/// How the items lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// Scores are texts.
    OldScores,
    /// All in one string.
    One(Compact),
    /// Several strings, each with some.
    Ziplists,
    /// The same, or with one element alone.
    Nodes,
}

/// The mark that a value begins with, its type and form. The first of a type is the one that is written.
const MARKS: &[(u8, Type, Form)] = &[
    (0, Type::String, Form::Plain),
    (1, Type::List, Form::Plain),
    (2, Type::Set, Form::Plain),
    (5, Type::Zset, Form::Plain),
    (3, Type::Zset, Form::OldScores),
    (4, Type::Hash, Form::Plain),
    (9, Type::Hash, Form::One(Compact::Zipmap)),
    (10, Type::List, Form::One(Compact::Ziplist)),
    (11, Type::Set, Form::One(Compact::Ints)),
    (12, Type::Zset, Form::One(Compact::Ziplist)),
    (13, Type::Hash, Form::One(Compact::Ziplist)),
    (14, Type::List, Form::Ziplists),
    (16, Type::Hash, Form::One(Compact::Listpack)),
    (17, Type::Zset, Form::One(Compact::Listpack)),
    (18, Type::List, Form::Nodes),
    (20, Type::Set, Form::One(Compact::Listpack)),
];

/// A node of a list that is one element, and one that is a listpack.
const NODE_PLAIN: usize = 1;
const NODE_PACKED: usize = 2;
/// Lengths of old scores that stand for what has no digits; NaN is 253.
const OLD_INFINITY: u8 = 254;
const OLD_NEGATIVE_INFINITY: u8 = 255;
const OLD_NAN: u8 = 253;

/// The beginning of a value, behind which its items are written.
pub fn write_head(out: &mut Vec<u8>, of_type: Type, items: usize) {
    let marks = MARKS.iter().filter(|(_, marked, _)| *marked == of_type);
    out.extend(marks.map(|(mark, ..)| *mark).take(1));
    if of_type != Type::String {
        write_length(out, items);
    }
}

/// Appends a score.
pub fn write_score(out: &mut Vec<u8>, score: f64) {
    out.extend_from_slice(&score.to_le_bytes());
}

/// Reads a value, each of whose strings has `bytes_max` at most, and hands over its items. Cost: room for one string.
///
/// # Errors
/// Where it is none, or ends before its bytes do, or behind; some items may have been seen then. And what `take` says.
pub fn read<E: From<Malformed>>(
    body: &[u8],
    bytes_max: usize,
    take: &mut dyn FnMut(Item<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::new(body);
    let mark = reader.byte().ok_or(Malformed)?;
    let known = MARKS.iter().find(|(known, ..)| *known == mark);
    let (_, of_type, form) = *known.ok_or(Malformed)?;
    let mut items = 0;
    let taken = &mut |item: Item<'_>| {
        items += 1;
        take(item)
    };
    let mut reading = Reading { reader: &mut reader, of_type, bytes_max, take: taken };
    match form {
        Form::Plain if of_type == Type::String => reading.string()?,
        Form::Plain => reading.plain(|reader| Ok(f64::from_le_bytes(reader.array()?)))?,
        Form::OldScores => reading.plain(old_score)?,
        Form::One(compact) => reading.compact(compact)?,
        Form::Ziplists => reading.nodes(|_| Ok(NODE_PACKED), Compact::Ziplist)?,
        Form::Nodes => reading.nodes(Reader::length, Compact::Listpack)?,
    }
    if items == 0 || !reader.is_done() {
        return Err(Malformed.into());
    }
    Ok(())
}

/// A value on its way.
struct Reading<'r, 'a, E> {
    reader: &'r mut Reader<'a>,
    of_type: Type,
    bytes_max: usize,
    take: &'r mut dyn FnMut(Item<'_>) -> Result<(), E>,
}

impl<'a, E: From<Malformed>> Reading<'_, 'a, E> {
    fn string(&mut self) -> Result<(), E> {
        let text = self.text()?;
        (self.take)(Item::String(text))
    }

    fn text(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        self.reader.string(self.bytes_max)
    }

    fn plain(&mut self, score: fn(&mut Reader<'a>) -> Result<f64, Malformed>) -> Result<(), E> {
        for _ in 0..self.reader.length()? {
            let first = self.text()?;
            match self.of_type {
                Type::Hash => {
                    let value = self.text()?;
                    (self.take)(Item::Field(&first, &value))?;
                }
                Type::Zset => {
                    let score = score(self.reader)?;
                    self.scored(&first, score)?;
                }
                Type::Set => (self.take)(Item::Member(&first))?,
                Type::List | Type::String => (self.take)(Item::Element(&first))?,
            }
        }
        Ok(())
    }

    fn compact(&mut self, compact: Compact) -> Result<(), E> {
        let bytes = self.text()?;
        let mut elements = compact.elements(&bytes);
        while let Some(first) = elements.next() {
            let (first, mut digits) = (first?, itoa::Buffer::new());
            let first = first.text(&mut digits);
            match self.of_type {
                Type::Hash => {
                    let (value, mut digits) = (elements.next().ok_or(Malformed)??, itoa::Buffer::new());
                    (self.take)(Item::Field(first, value.text(&mut digits)))?;
                }
                Type::Zset => {
                    let score = match elements.next().ok_or(Malformed)?? {
                        Element::Int(number) => number as f64,
                        Element::Text(text) => score::parse(text).ok_or(Malformed)?,
                    };
                    self.scored(first, score)?;
                }
                Type::Set => (self.take)(Item::Member(first))?,
                Type::List | Type::String => (self.take)(Item::Element(first))?,
            }
        }
        Ok(())
    }

    fn nodes(
        &mut self,
        kind: fn(&mut Reader<'a>) -> Result<usize, Malformed>,
        compact: Compact,
    ) -> Result<(), E> {
        for _ in 0..self.reader.length()? {
            match kind(self.reader)? {
                NODE_PLAIN => {
                    let element = self.text()?;
                    (self.take)(Item::Element(&element))?;
                }
                NODE_PACKED => self.compact(compact)?,
                _ => return Err(Malformed.into()),
            }
        }
        Ok(())
    }

    fn scored(&mut self, member: &[u8], score: f64) -> Result<(), E> {
        if score.is_nan() {
            return Err(Malformed.into());
        }
        (self.take)(Item::Scored(member, score))
    }
}

fn old_score(reader: &mut Reader<'_>) -> Result<f64, Malformed> {
    match reader.byte().ok_or(Malformed)? {
        OLD_INFINITY => Ok(f64::INFINITY),
        OLD_NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
        OLD_NAN => Err(Malformed),
        len => score::parse(reader.take(len.into())?).ok_or(Malformed),
    }
}

#[cfg(test)]
mod tests;
