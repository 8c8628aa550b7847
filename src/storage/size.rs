//! How much memory a store takes, counted as it changes and so told at once.

use super::arena::rounded;
use super::entry::Content;
use super::outside::Outside;
use super::store::{Found, Store};
use crate::base::memory::class_bytes;

/// The most that counts as an entry's share of what is held for all: the rest of a table that is almost empty is there
/// for the next ones.
const ENTRY_SHARE_BYTES_MAX: usize = 16;

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
        let Store { table, arena, outside, wheel, .. } = self;
        let beside = table.bytes() + outside.bytes() + wheel.bytes() + self.eviction_bytes();
        Size {
            held_bytes: arena.held_bytes() + beside,
            spare_bytes: arena.spare_bytes(),
            untouched_bytes: arena.untouched_bytes(),
        }
    }

    /// What one entry takes, bytes: its block, a large value outside of it, and its share of what finds and
    /// ends entries. The sum over all entries is what the store uses; what it holds beside is free for the
    /// next ones. Cost: as `entry`.
    #[must_use]
    pub fn entry_memory(&self, found: Found) -> usize {
        let entry = self.entry(found);
        let large = match entry.content() {
            Content::Outside(number) => match self.outside.get(number) {
                Outside::Bytes(value) => class_bytes(value.len()) + size_of::<Outside>(),
                other => other.held_bytes() + size_of::<Outside>(),
            },
            Content::Inline(_) => 0,
        };
        let share = |bytes: usize, entries: usize| bytes.div_ceil(entries.max(1)).min(ENTRY_SHARE_BYTES_MAX);
        let wheel = if entry.expire_at().is_some() { share(self.wheel.bytes(), self.expiring) } else { 0 };
        rounded(entry.bytes()) + large + share(self.table_bytes(), self.len()) + wheel
    }

    /// Bytes of what finds entries and knows of their use.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.table.bytes() + self.eviction_bytes()
    }

    /// Bytes of what ends entries whose time is up, about.
    #[must_use]
    pub fn wheel_bytes(&self) -> usize {
        self.wheel.bytes()
    }
}
