//! L1: entries, the table that finds them, and the order in which they expire.
//!
//! Knows nothing of locks, databases, requests or clocks. The only layer in which `unsafe` is allowed;
//! all of it is in `entry`, behind a safe interface.

pub mod entry;
pub mod expiry;
pub mod table;

pub use entry::{Entry, Kind, Meta, NewValue, Refill, ValueRef};
pub use expiry::ExpiryQueue;
pub use table::{Line, Table};

/// Asks the processor to fetch the cache line at an address; does nothing else.
#[inline]
pub fn prefetch_line<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing architecturally and accepts any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
