//! Bytes that many parts of the server hold together: each says what it held before a change, and what it holds now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A sum that its parts keep up to date. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// One part held `before` bytes and holds `after`.
    pub fn change(&self, before: usize, after: usize) {
        if before != after {
            self.0.fetch_add(after.wrapping_sub(before), Relaxed);
        }
    }

    /// Bytes that count until the hold is dropped.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Hold {
        self.change(0, bytes);
        Hold { sum: self.clone(), bytes }
    }
}

/// A part of a sum, for as long as it lives.
#[derive(Debug, Default)]
pub struct Hold {
    sum: Gauge,
    bytes: usize,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.sum.change(self.bytes, 0);
    }
}
