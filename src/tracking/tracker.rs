//! A connection that keeps a cache, and what it wants to hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::parking::PostBox;

/// A connection that keeps a cache.
#[derive(Debug)]
pub struct Tracker {
    pub client: u64,
    pub post_box: Arc<PostBox>,
    is_on: AtomicBool,
    noloop: AtomicBool,
    /// The client that hears of changes in its place; 0 for none.
    redirect: AtomicU64,
}

impl Tracker {
    #[must_use]
    pub fn new(client: u64, post_box: Arc<PostBox>) -> Tracker {
        let (is_on, noloop, redirect) = (true.into(), false.into(), 0.into());
        Tracker { client, post_box, is_on, noloop, redirect }
    }

    /// Sets what may change while tracking is on.
    pub fn set_terms(&self, noloop: bool, redirect: u64) {
        self.noloop.store(noloop, Relaxed);
        self.redirect.store(redirect, Relaxed);
    }

    /// It keeps no cache any more.
    pub(super) fn end(&self) {
        self.is_on.store(false, Relaxed);
    }

    /// The client that hears of changes in its place.
    #[must_use]
    pub fn redirect(&self) -> Option<u64> {
        Some(self.redirect.load(Relaxed)).filter(|id| *id != 0)
    }

    #[must_use]
    pub fn is_noloop(&self) -> bool {
        self.noloop.load(Relaxed)
    }

    /// Whether it wants to hear of a change made by this client.
    #[must_use]
    pub fn hears(&self, by: u64) -> bool {
        self.is_on.load(Relaxed) && !(self.is_noloop() && self.client == by)
    }
}

/// A key that changed, and the client that changed it (0: nobody).
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    pub key: &'a [u8],
    pub by: u64,
}
