//! Large values outside the arena: reference-counted blocks under small numbers.
//!
//! A reader takes its own handle and needs no lock from there on; a value is freed with its last handle.

use bytes::{Bytes, BytesMut};

/// The large values of one store. Invariant: an entry's number names a value that is there.
#[derive(Debug, Default)]
pub struct SharedValues {
    values: Vec<Bytes>,
    vacant: Vec<u32>,
    bytes: usize,
}

impl SharedValues {
    /// Keeps a value and returns its number.
    pub fn add(&mut self, value: Bytes) -> u32 {
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
    pub fn get(&self, number: u32) -> &Bytes {
        &self.values[number as usize]
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
        self.values.iter().map(Bytes::len).sum()
    }

    /// Takes a value out; dropping it may free a large block, best done outside of any lock.
    pub fn take(&mut self, number: u32) -> Bytes {
        let value = std::mem::take(&mut self.values[number as usize]);
        self.bytes -= value.len();
        self.vacant.push(number);
        if self.vacant.len() == self.values.len() {
            *self = SharedValues::default();
        }
        value
    }

    /// Changes a value in place: `change` sees it with its length set to `len`, new bytes zero.
    /// Cost: one copy if somebody else still reads it, or if it must grow beyond its block.
    pub fn edit(&mut self, number: u32, len: usize, change: impl FnOnce(&mut [u8])) {
        let value = &mut self.values[number as usize];
        let mut bytes = match std::mem::take(value).try_into_mut() {
            Ok(own) => own,
            Err(read_elsewhere) => BytesMut::from(&read_elsewhere[..]),
        };
        self.bytes = self.bytes - bytes.len() + len;
        bytes.resize(len, 0);
        change(&mut bytes);
        *value = bytes.freeze();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_leaves_readers_alone_and_copies_only_for_them() {
        let mut values = SharedValues::default();
        let number = values.add(Bytes::from(vec![1; 100]));
        let place = values.get(number).as_ptr();
        values.edit(number, 100, |bytes| bytes[0] = 2);
        assert_eq!(values.get(number).as_ptr(), place, "nobody else reads it: no copy");
        let reader = values.get(number).clone();
        values.edit(number, 101, |bytes| bytes[100] = 3);
        assert_eq!((reader.len(), reader[0]), (100, 2));
        assert_eq!((values.get(number).len(), values.get(number)[100]), (101, 3));
    }

    #[test]
    fn numbers_are_used_again() {
        let mut values = SharedValues::default();
        let [a, b] = [b"a", b"b"].map(|value| values.add(Bytes::from_static(value)));
        assert_eq!(values.take(a), Bytes::from_static(b"a"));
        assert_eq!(values.add(Bytes::from_static(b"c")), a);
        assert_eq!([values.get(a), values.get(b)], [&b"c"[..], &b"b"[..]]);
    }
}
