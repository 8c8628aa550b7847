//! Shared bytes whose owner has let them go while others may still read them: how many there are.
//!
//! A value that leaves the keyspace stays in memory until the last reply with it is written, and a message until the last
//! subscriber has it. Nobody's buffer can count them, as several may wait for the same bytes; so each is counted once,
//! here. Invariant: what is counted is in memory; it is counted no more only after its memory is free.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use super::memory::class_bytes;

/// The sum of what is lent.
#[derive(Clone, Debug, Default)]
pub struct Lending(Arc<AtomicUsize>);

impl Lending {
    /// Bytes that are lent now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// A value that its owner lets go.
    #[must_use]
    pub fn let_go(&self, value: Bytes) -> Lent {
        Lent { _hold: self.hold(value.len()), value: Some(value) }
    }

    /// A copy that nobody owns: counted until the last handle is dropped.
    #[must_use]
    pub fn copy(&self, bytes: &[u8]) -> Bytes {
        Bytes::from_owner(Copied { bytes: Some(bytes.into()), _hold: self.hold(bytes.len()) })
    }

    fn hold(&self, len: usize) -> Hold {
        let bytes = class_bytes(len);
        self.0.fetch_add(bytes, Relaxed);
        Hold { sum: self.clone(), bytes }
    }
}

/// A part of the sum.
#[derive(Debug)]
struct Hold {
    sum: Lending,
    bytes: usize,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.sum.0.fetch_sub(self.bytes, Relaxed);
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
        let readers = vec![lending.copy(&[1; 4096]); 10];
        assert_eq!((lending.bytes(), readers[9].len()), (4096, 4096));
        let part = readers[0].slice(1..3);
        drop(readers);
        assert_eq!(lending.bytes(), 4096);
        drop(part);
        assert_eq!(lending.bytes(), 0);
    }
}
