//! The right to fill one key: who asked for it, how it ends, why it passes on.

use std::num::NonZeroU64;

use bytes::Bytes;

/// A request for a lease: by which client, and on which terms.
#[derive(Clone, Debug)]
pub struct Ask {
    pub client: u64,
    pub nonce: Option<Box<[u8]>>,
    pub lease_ms: u32,
    pub detached: bool,
}

/// The right to fill one key.
#[derive(Debug)]
pub struct Lease {
    pub serial: u64,
    pub client: u64,
    pub started_at: u64,
    pub ends_at: u64,
    pub lease_ms: u32,
    pub(super) nonce: Option<Box<[u8]>>,
    pub(super) detached: bool,
    /// Its leader's connection closed: when it would end if that had not happened.
    pub(super) orphaned_from: Option<NonZeroU64>,
    /// Its time is over and nobody wanted to succeed: an answer is still welcome until `ends_at`.
    pub(super) overdue: bool,
}

impl Lease {
    #[must_use]
    pub fn is_live(&self, now: u64) -> bool {
        !self.overdue && self.ends_at > now
    }

    #[must_use]
    pub fn left_ms(&self, now: u64) -> u64 {
        self.ends_at.saturating_sub(now)
    }

    /// A resend of the request that was granted this lease.
    #[must_use]
    pub fn is_for(&self, ask: &Ask) -> bool {
        ask.nonce.is_some() && self.nonce == ask.nonce
    }
}

/// Why a lease passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Fail,
    LeaseEnd,
    Disconnect,
    Void,
}

/// A failure shared with new callers until its time is over.
#[derive(Clone, Debug)]
pub struct Backoff {
    pub message: Bytes,
    pub until: u64,
}
