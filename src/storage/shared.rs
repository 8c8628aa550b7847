//! Large values outside the arena: reference-counted blocks under small numbers.
//!
//! A reader takes its own handle and needs no lock from there on; a value is freed with its last handle.

use std::ops::Deref;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

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

/// The large values of one store. Invariant: an entry's number names a value that is there.
#[derive(Debug, Default)]
pub struct SharedValues {
    values: Vec<Stored>,
    vacant: Vec<u32>,
    bytes: usize,
}

impl SharedValues {
    /// Keeps a value and returns its number.
    pub fn add(&mut self, value: Stored) -> u32 {
        self.bytes += value.len();
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
    pub fn get(&self, number: u32) -> &Stored {
        &self.values[number as usize]
    }

    /// The values that no other store has, taken out of a store that ends.
    pub fn drain(&mut self) -> impl Iterator<Item = Bytes> {
        std::mem::take(self).values.into_iter().filter_map(Stored::into_last)
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

    /// What `bytes` must be. Cost: a look at each value.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.values.iter().map(|value| value.len()).sum()
    }

    /// Takes a value out; dropping it may free a large block, best done outside of any lock.
    pub fn take(&mut self, number: u32) -> Stored {
        let value = std::mem::take(&mut self.values[number as usize]);
        self.bytes -= value.len();
        self.vacant.push(number);
        if self.vacant.len() == self.values.len() {
            *self = SharedValues::default();
        }
        value
    }

    /// Changes a value in place: `change` sees it with its length set to `len`, new bytes zero.
    /// Cost: one copy if somebody else still reads it, or if it must grow beyond its block. Returns what others read.
    pub fn edit(&mut self, number: u32, len: usize, change: impl FnOnce(&mut [u8])) -> Option<Bytes> {
        let value = &mut self.values[number as usize];
        let (mut bytes, left) = match std::mem::take(value).into_own() {
            Ok(own) => (own, None),
            Err(read_elsewhere) => (BytesMut::from(&read_elsewhere[..]), read_elsewhere.into_last()),
        };
        self.bytes = self.bytes - bytes.len() + len;
        bytes.resize(len, 0);
        change(&mut bytes);
        *value = Stored::new(bytes.freeze());
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_leaves_readers_alone_and_copies_only_for_them() {
        let mut values = SharedValues::default();
        let number = values.add(Stored::new(Bytes::from(vec![1; 100])));
        let place = values.get(number).as_ptr();
        assert!(values.edit(number, 100, |bytes| bytes[0] = 2).is_none());
        assert_eq!(values.get(number).as_ptr(), place, "nobody else reads it: no copy");
        let reader = Bytes::clone(values.get(number));
        assert_eq!(values.edit(number, 101, |bytes| bytes[100] = 3).map(|left| left.len()), Some(100));
        assert_eq!((reader.len(), reader[0]), (100, 2));
        assert_eq!((values.get(number).len(), values.get(number)[100]), (101, 3));
    }

    #[test]
    fn numbers_are_used_again() {
        let mut values = SharedValues::default();
        let [a, b] = [b"a", b"b"].map(|value| values.add(Stored::new(Bytes::from_static(value))));
        assert_eq!(&values.take(a)[..], b"a");
        assert_eq!(values.add(Stored::new(Bytes::from_static(b"c"))), a);
        assert_eq!([&values.get(a)[..], &values.get(b)[..]], [b"c", b"b"]);
    }

    #[test]
    fn value_of_two_entries_is_let_go_by_the_second_and_changed_by_neither() {
        let mut values = SharedValues::default();
        let one = values.add(Stored::new(Bytes::from(vec![1; 100])));
        let two = values.add(values.get(one).clone());
        assert!(values.edit(one, 100, |bytes| bytes[0] = 2).is_none(), "the other entry still has it");
        assert_eq!((values.get(one)[0], values.get(two)[0]), (2, 1));
        let three = values.add(values.get(two).clone());
        assert!(values.take(two).into_last().is_none());
        assert_eq!(values.take(three).into_last().map(|value| value.len()), Some(100));
    }
}
