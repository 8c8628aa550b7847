//! Shared bytes whose owner has let them go while others may still read them: how many there are.
//!
//! A value that leaves the keyspace stays in memory until the last reply with it is written, and a message until the last
//! subscriber has it. Nobody's buffer can count them, as several may wait for the same bytes; so each is counted once,
//! here. Invariant: what is counted is in memory; it is counted no more only after its memory is free.

use bytes::Bytes;

use super::gauge::{Gauge, Hold};
use super::memory::{arc_bytes, class_bytes};

/// The sum of what is lent.
#[derive(Clone, Debug, Default)]
pub struct Lending(Gauge);

impl Lending {
    /// A sum that counts others' bytes as well.
    #[must_use]
    pub fn within(sum: &Gauge) -> Lending {
        Lending(sum.clone())
    }

    /// Bytes that are lent now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// A value that its owner lets go.
    #[must_use]
    pub fn let_go(&self, value: Bytes) -> Lent {
        Lent { _hold: self.hold(value.len()), value: Some(value) }
    }

    /// A block of `bytes` bytes that its owner lets go, counted until the hold is dropped.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Hold {
        self.0.hold(class_bytes(bytes))
    }

    /// A copy that nobody owns, counted until the last handle is dropped, and with it `beside_bytes` that live as long.
    #[must_use]
    pub fn copy(&self, bytes: &[u8], beside_bytes: usize) -> Bytes {
        let hold = self.0.hold(class_bytes(bytes.len()) + arc_bytes(size_of::<Copied>()) + beside_bytes);
        Bytes::from_owner(Copied { bytes: Some(bytes.into()), _hold: hold })
    }
}

/// A value that nobody owns any more.
#[derive(Debug)]
pub struct Lent {
    value: Option<Bytes>,
    _hold: Hold,
}

impl Lent {
    /// Whether nobody else reads it: to drop it frees its memory.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.value.as_ref().is_none_or(Bytes::is_unique)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.value.as_ref().map_or(0, Bytes::len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Before it is counted no more.
        drop(self.value.take());
    }
}

/// The owner behind `copy`.
struct Copied {
    bytes: Option<Box<[u8]>>,
    _hold: Hold,
}

impl AsRef<[u8]> for Copied {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        drop(self.bytes.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_counts_until_nobody_holds_it() {
        let (lending, value) = (Lending::default(), Bytes::from(vec![1; 20_480]));
        let reader = value.clone();
        let lent = lending.let_go(value);
        assert_eq!((lending.bytes(), lent.is_unread()), (20_480, false));
        drop(reader);
        assert!(lent.is_unread());
        drop(lent);
        assert_eq!(lending.bytes(), 0);
    }

    #[test]
    fn copy_counts_once_for_all_its_readers() {
        let lending = Lending::default();
        let readers = vec![lending.copy(&[1; 4096], 100); 10];
        let bytes = lending.bytes();
        assert!((4196..4400).contains(&bytes) && readers[9].len() == 4096, "{bytes}");
        let part = readers[0].slice(1..3);
        drop(readers);
        assert_eq!(lending.bytes(), bytes);
        drop(part);
        assert_eq!(lending.bytes(), 0);
    }
}
