//! L1: entries, the table that finds them, the memory they lie in and the order in which they expire.
//!
//! Knows nothing of locks, databases, requests or clocks. `Store` is the one door; docs/storage.md draws
//! what is behind it. The only layer in which `unsafe` is allowed: the prefetch, the comparison of tags, and
//! `regions`, which is an allocator.

mod ahead;
pub mod arena;
mod bucket;
pub mod entry;
pub mod eviction;
pub mod lent;
pub mod list;
mod marks;
pub mod members;
pub mod meta;
pub mod order;
pub mod ordered;
pub mod outside;
pub mod packed;
mod regions;
mod size;
pub mod store;
pub mod table;
pub mod value;
pub mod wheel;

pub use ahead::Ahead;
pub use entry::{Content, Entry};
pub use eviction::{Eviction, Order};
pub use members::{Collection, LentMembers, Members, Selection};
pub use meta::{Idle, Kind, Meta, Refill, WrongType};
pub use ordered::{Ordered, Updated};
pub use outside::{CopyLater, Full, Large, Outside, Stored};
pub use size::Size;
pub use store::{Found, Recount, Removed, Store};
pub use table::Line;
pub use value::{Collected, NewContent, NewValue, Taken, ValueRef};

/// What the processor fetches at a time.
const CACHE_LINE_BYTES: usize = 64;

/// The address of a cache line that will be read soon. Good for nothing but `fetch`: what lay there may
/// have moved since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineAddress(usize);

impl LineAddress {
    #[inline]
    fn of<T>(at: *const T) -> LineAddress {
        LineAddress(at.addr())
    }

    /// Bytes from here to the next line.
    #[inline]
    fn bytes_to_next(self) -> usize {
        CACHE_LINE_BYTES - self.0 % CACHE_LINE_BYTES
    }

    /// This number of lines further.
    #[inline]
    fn plus(self, lines: usize) -> LineAddress {
        LineAddress(self.0 + lines * CACHE_LINE_BYTES)
    }

    /// Asks the processor to fetch the line; does nothing else.
    #[inline]
    pub fn fetch(self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing architecturally and accepts any address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(self.0));
        }
    }
}
