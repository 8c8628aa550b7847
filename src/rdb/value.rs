//! One value of Redis's format: read from whichever of its forms, item by item, and written in the plain ones.
//!
//! ```text
//! type 1 | string          type 1 | count | items: strings, a field's value or a member's score (8, lowest byte first) behind
//! ```
//! Format: <https://rdb.fnordig.de/file_format.html#value-type>. Streams and what belongs to modules are not read. Whether an
//! item is there twice only its reader can say, who must refuse it then.

use std::borrow::Cow;

use super::compact::{Compact, Element};
use super::payload::{DEADLINES_VERSION, VALUES_VERSION, seal};
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
    /// With its deadline, wall-clock ms.
    Field(&'a [u8], &'a [u8], Option<i64>),
}

/// How the items lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// Scores are texts.
    OldScores,
    /// All in one string.
    One(Compact),
    /// The earliest deadline, then each field behind its own, which is counted from there.
    Until,
    /// The earliest deadline, then all in one listpack, each field's deadline behind its value.
    OneUntil,
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
    (UNTIL_MARK, Type::Hash, Form::Until),
    (25, Type::Hash, Form::OneUntil),
];

/// The mark of a hash whose fields may have deadlines.
const UNTIL_MARK: u8 = 24;
/// The latest deadline of a field, wall-clock ms: what Redis has room for.
const EXPIRE_AT_MAX: i64 = (1 << 48) - 2;

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

/// The beginning of a hash of which some fields have deadlines, none before `earliest`.
pub fn write_head_until(out: &mut Vec<u8>, items: usize, earliest: i64) {
    out.push(UNTIL_MARK);
    out.extend_from_slice(&earliest.to_le_bytes());
    write_length(out, items);
}

/// Appends the deadline in front of a field, of a hash that began with that `earliest`.
pub fn write_deadline(out: &mut Vec<u8>, expire_at: Option<i64>, earliest: i64) {
    write_length(out, expire_at.map_or(0, |at| at.abs_diff(earliest) as usize + 1));
}

/// Completes the payload of a value, in the oldest version of the format that has what it holds. Cost: its checksum.
#[must_use]
pub fn seal_value(body: Vec<u8>) -> Vec<u8> {
    let has_deadlines = body.first() == Some(&UNTIL_MARK);
    seal(body, if has_deadlines { DEADLINES_VERSION } else { VALUES_VERSION })
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
        Form::Until => reading.until()?,
        Form::OneUntil => reading.compact_until()?,
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
                    (self.take)(Item::Field(&first, &value, None))?;
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
                    (self.take)(Item::Field(first, value.text(&mut digits), None))?;
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

    fn until(&mut self) -> Result<(), E> {
        let earliest = i64::from_le_bytes(self.reader.array()?);
        for _ in 0..self.reader.length()? {
            let behind = match self.reader.length()? {
                0 => None,
                more => Some(deadline(earliest.checked_add_unsigned(more as u64 - 1))?),
            };
            let (field, value) = (self.text()?, self.text()?);
            (self.take)(Item::Field(&field, &value, behind))?;
        }
        Ok(())
    }

    fn compact_until(&mut self) -> Result<(), E> {
        self.reader.array::<8>()?;
        let bytes = self.text()?;
        let mut elements = Compact::Listpack.elements(&bytes);
        while let Some(field) = elements.next() {
            let (field, mut digits) = (field?, itoa::Buffer::new());
            let (value, mut value_digits) = (elements.next().ok_or(Malformed)??, itoa::Buffer::new());
            let expire_at = match elements.next().ok_or(Malformed)?? {
                Element::Int(0) => None,
                Element::Int(at) => Some(deadline(Some(at))?),
                Element::Text(_) => return Err(Malformed.into()),
            };
            let (field, value) = (field.text(&mut digits), value.text(&mut value_digits));
            (self.take)(Item::Field(field, value, expire_at))?;
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

fn deadline(expire_at: Option<i64>) -> Result<i64, Malformed> {
    expire_at.filter(|at| (0..=EXPIRE_AT_MAX).contains(at)).ok_or(Malformed)
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
