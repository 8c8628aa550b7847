//! Values that leave: kept until the locks are released, or handed to the reaper.

use super::view::View;
use crate::base::limits::REAPED_COLLECTION_BYTES_MIN;
use crate::storage::{Found, Outside, Removed};

impl View<'_> {
    /// Keeps a large value that nobody has any more until the lock is released.
    pub(super) fn keep_freed(&mut self, removed: Option<Removed>) {
        if let Some(outside) = removed.and_then(|removed| removed.outside) {
            self.let_go_outside(outside);
        }
    }

    /// As `keep_freed`, for what lay outside of an entry, here or within a collection.
    #[cold]
    pub(super) fn let_go_outside(&mut self, outside: Outside) {
        match outside {
            Outside::Vacant => {}
            Outside::Bytes(value) => self.let_go(value.into_last()),
            Outside::Collection(large) if large.held_bytes() >= REAPED_COLLECTION_BYTES_MIN => {
                self.keyspace.cast_off_large(large);
            }
            Outside::Collection(mut large) => {
                let (lending, freed) = (&self.keyspace.lending, &mut self.effects.freed);
                large.drain(&mut |value| freed.push(lending.let_go(value)));
            }
        }
    }

    /// Changes a value that lies outside of its entry. Returns where its entry is.
    #[cold]
    pub(super) fn edit_large(&mut self, found: Found, len: usize, change: impl FnOnce(&mut [u8])) -> Found {
        let left = self.store().edit_large(found, len, change);
        self.let_go(left);
        found
    }

    pub(super) fn let_go(&mut self, value: Option<bytes::Bytes>) {
        self.effects.freed.extend(value.map(|value| self.keyspace.lending.let_go(value)));
    }
}
