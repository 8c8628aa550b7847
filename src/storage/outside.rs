//! What lies outside of the arena: large strings and large collections, under small numbers.
//!
//! A string is reference-counted: a reader takes its own handle and needs no lock from there on, and it is freed with its
//! last handle. A collection has one owner, its entry.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::packed::Type;
use crate::base::lent::Lending;

/// A large value as entries hold it: one, or several after COPY. Readers hold its `Bytes` alone, so that it is known
/// when the last entry lets it go.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    bytes: Bytes,
    entries: Arc<()>,
}

impl Stored {
    #[must_use]
    pub fn new(bytes: Bytes) -> Stored {
        Stored { bytes, entries: Arc::new(()) }
    }

    /// The value to change, if neither another entry nor a reader has it.
    fn into_own(self) -> Result<BytesMut, Stored> {
        if Arc::strong_count(&self.entries) > 1 {
            return Err(self);
        }
        let Stored { bytes, entries } = self;
        bytes.try_into_mut().map_err(|bytes| Stored { bytes, entries })
    }

    /// The value, if no other entry has it.
    #[must_use]
    pub fn into_last(self) -> Option<Bytes> {
        (Arc::strong_count(&self.entries) == 1).then_some(self.bytes)
    }
}

impl Deref for Stored {
    type Target = Bytes;

    #[inline]
    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// A collection holds as much as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Makes a copy of a large collection. Now and then it says how many bytes it has taken and asks whether it is to go on.
pub type CopyLater = Box<dyn FnOnce(&mut dyn FnMut(usize) -> bool) -> Option<Box<dyn Large>> + Send>;

/// A large collection, of whatever type: what a store must know of it to keep it. Its type's file knows the rest.
pub trait Large: Any + fmt::Debug + Send + Sync {
    fn of_type(&self) -> Type;

    /// Whether its name (OBJECT ENCODING) is that of a large form.
    fn is_named(&self) -> bool;

    /// Bytes that it holds. Cost: some additions.
    fn held_bytes(&self) -> usize;

    /// When the first of its items ends whose time is limited, or a little before; `None` where no item's is.
    fn due_at(&self) -> Option<i64> {
        None
    }

    /// A collection of its own with the same items. Cost: one insertion per item.
    fn to_copy(&self) -> Box<dyn Large>;

    /// As `to_copy`, of the items as they are now, to be made without the lock, and the steps that takes; `None` where those
    /// are no more than `steps_min`, or where it has no pages to lend. Cost: as to lend it.
    fn copy_later(&mut self, _steps_min: usize, _lending: &Lending) -> Option<(CopyLater, usize)> {
        None
    }

    /// Takes the large strings out of a collection that ends, and shows those that nobody else has.
    fn drain(&mut self, see: &mut dyn FnMut(Bytes));

    /// What `held_bytes` must be, and what is wrong with it. Cost: a look at each item.
    fn recount(&self) -> (usize, Vec<String>);
}

/// A value outside of the arena.
#[derive(Debug, Default)]
pub enum Outside {
    /// No value: the number is not in use.
    #[default]
    Vacant,
    /// A string.
    Bytes(Stored),
    Collection(Box<dyn Large>),
}

impl Outside {
    /// Bytes that it holds.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Outside::Vacant => 0,
            Outside::Bytes(value) => value.len(),
            Outside::Collection(large) => large.held_bytes(),
        }
    }

    /// The same value for another entry: a string is shared, a collection copied.
    #[must_use]
    pub fn copied(&self) -> Outside {
        match self {
            Outside::Vacant => Outside::Vacant,
            Outside::Bytes(value) => Outside::Bytes(value.clone()),
            Outside::Collection(large) => Outside::Collection(large.to_copy()),
        }
    }
}

/// The values of one store that lie outside. Invariant: an entry's number names a value that is there.
#[derive(Debug, Default)]
pub struct OutsideValues {
    values: Vec<Outside>,
    vacant: Vec<u32>,
    bytes: usize,
}

impl OutsideValues {
    /// Keeps a value and returns its number.
    pub fn add(&mut self, value: Outside) -> u32 {
        self.bytes += value.held_bytes();
        if let Some(number) = self.vacant.pop() {
            self.values[number as usize] = value;
            return number;
        }
        self.values.push(value);
        (self.values.len() - 1) as u32
    }

    /// Bytes of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value of a number given by `add`.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u32) -> &Outside {
        &self.values[number as usize]
    }

    /// The strings under the same numbers, to be read. Cost: a handle for each.
    #[must_use]
    pub fn to_read(&self) -> OutsideValues {
        // No entry has them: their own must know when the last one lets go.
        let readers = Arc::new(());
        let read = |value: &Outside| match value {
            Outside::Bytes(value) => {
                Outside::Bytes(Stored { bytes: value.bytes.clone(), entries: readers.clone() })
            }
            Outside::Vacant | Outside::Collection(_) => Outside::Vacant,
        };
        let values: Vec<Outside> = self.values.iter().map(read).collect();
        let bytes = values.iter().map(Outside::held_bytes).sum();
        OutsideValues { values, vacant: self.vacant.clone(), bytes }
    }

    /// Bytes of the places of values.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Outside>() + self.vacant.capacity() * size_of::<u32>()
    }

    /// Takes everything out of a store that ends, and shows the strings in it that no other store has.
    pub fn drain(&mut self, see: &mut dyn FnMut(Bytes)) {
        for value in std::mem::take(self).values {
            match value {
                Outside::Vacant => {}
                Outside::Bytes(value) => value.into_last().into_iter().for_each(&mut *see),
                Outside::Collection(mut large) => large.drain(see),
            }
        }
    }

    /// Values that are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() - self.vacant.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `bytes` must be. Cost: a look at each value, and all that is in it.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        let counted = |value: &Outside| match value {
            Outside::Collection(large) => large.recount().0,
            value => value.held_bytes(),
        };
        self.values.iter().map(counted).sum()
    }

    /// What is wrong with the collections.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let of = |value: &Outside| match value {
            Outside::Collection(large) => large.recount().1,
            Outside::Vacant | Outside::Bytes(_) => Vec::new(),
        };
        self.values.iter().flat_map(of).collect()
    }

    /// Takes a value out; dropping it may free much, best done outside of any lock.
    pub fn take(&mut self, number: u32) -> Outside {
        let value = std::mem::take(&mut self.values[number as usize]);
        self.bytes -= value.held_bytes();
        self.vacant.push(number);
        if self.vacant.len() == self.values.len() {
            *self = OutsideValues::default();
        }
        value
    }

    /// Changes a string in place: `change` sees it with its length set to `len`, new bytes zero.
    /// Cost: one copy if somebody else still reads it, or if it must grow beyond its block. Returns what others read.
    pub fn edit(&mut self, number: u32, len: usize, change: impl FnOnce(&mut [u8])) -> Option<Bytes> {
        let place = &mut self.values[number as usize];
        let value = match std::mem::take(place) {
            Outside::Bytes(value) => value,
            other => {
                *place = other;
                return None;
            }
        };
        let (mut bytes, left) = match value.into_own() {
            Ok(own) => (own, None),
            Err(read_elsewhere) => (BytesMut::from(&read_elsewhere[..]), read_elsewhere.into_last()),
        };
        self.bytes = self.bytes - bytes.len() + len;
        bytes.resize(len, 0);
        change(&mut bytes);
        *place = Outside::Bytes(Stored::new(bytes.freeze()));
        left
    }

    /// Changes a collection, and counts what it holds anew. `None` where there is none.
    pub fn change<R>(&mut self, number: u32, change: impl FnOnce(&mut dyn Large) -> R) -> Option<R> {
        let Outside::Collection(large) = &mut self.values[number as usize] else { return None };
        self.bytes -= large.held_bytes();
        let result = change(&mut **large);
        self.bytes += large.held_bytes();
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: Bytes) -> Outside {
        Outside::Bytes(Stored::new(bytes))
    }

    fn last_of(value: Outside) -> Option<Bytes> {
        match value {
            Outside::Bytes(value) => value.into_last(),
            other => panic!("no string: {other:?}"),
        }
    }

    fn bytes_of(value: &Outside) -> &Bytes {
        match value {
            Outside::Bytes(value) => value,
            other => panic!("no string: {other:?}"),
        }
    }

    #[test]
    fn an_edit_leaves_readers_alone_and_copies_only_for_them() {
        let mut values = OutsideValues::default();
        let number = values.add(string(Bytes::from(vec![1; 100])));
        let place = bytes_of(values.get(number)).as_ptr();
        assert!(values.edit(number, 100, |bytes| bytes[0] = 2).is_none());
        assert_eq!(bytes_of(values.get(number)).as_ptr(), place, "nobody else reads it: no copy");
        let reader = Bytes::clone(bytes_of(values.get(number)));
        assert_eq!(values.edit(number, 101, |bytes| bytes[100] = 3).map(|left| left.len()), Some(100));
        assert_eq!((reader.len(), reader[0]), (100, 2));
        assert_eq!((bytes_of(values.get(number)).len(), bytes_of(values.get(number))[100]), (101, 3));
    }

    #[test]
    fn numbers_are_used_again() {
        let mut values = OutsideValues::default();
        let [a, b] = [b"a", b"b"].map(|value| values.add(string(Bytes::from_static(value))));
        assert_eq!(&bytes_of(&values.take(a))[..], b"a");
        assert_eq!(values.add(string(Bytes::from_static(b"c"))), a);
        assert_eq!([&bytes_of(values.get(a))[..], &bytes_of(values.get(b))[..]], [b"c", b"b"]);
    }

    #[test]
    fn value_of_two_entries_is_let_go_by_the_second_and_changed_by_neither() {
        let mut values = OutsideValues::default();
        let one = values.add(string(Bytes::from(vec![1; 100])));
        let two = values.add(values.get(one).copied());
        assert!(values.edit(one, 100, |bytes| bytes[0] = 2).is_none(), "the other entry still has it");
        assert_eq!((bytes_of(values.get(one))[0], bytes_of(values.get(two))[0]), (2, 1));
        let three = values.add(values.get(two).copied());
        assert!(last_of(values.take(two)).is_none());
        assert_eq!(last_of(values.take(three)).map(|value| value.len()), Some(100));
    }
}
