//! How much memory a store takes, counted as it changes and so told at once.

use super::store::Store;

/// The memory of a store, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Asked of the allocator.
    pub held_bytes: usize,
    /// Of that: free for the next entries.
    pub spare_bytes: usize,
    /// Of that: never written to, so that no page lies behind it yet.
    pub untouched_bytes: usize,
}

impl Store {
    /// What the store holds and what of that it does not use.
    #[inline]
    #[must_use]
    pub fn size(&self) -> Size {
        let Store { table, arena, shared, wheel, .. } = self;
        let beside = table.bytes() + shared.bytes() + wheel.bytes() + self.eviction_bytes();
        Size {
            held_bytes: arena.held_bytes() + beside,
            spare_bytes: arena.spare_bytes(),
            untouched_bytes: arena.untouched_bytes(),
        }
    }
}
