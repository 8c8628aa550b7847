//! The right to fill one key: who asked for it, how it ends, why it passes on.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::base::gauge::{Gauge, Hold};
use crate::base::memory::{arc_bytes, class_bytes};
use crate::parking::{ReplySlot, queue, slot_bytes};

/// What a request gives so that the same request, sent again, gets the same lease. All that came of the request share it.
#[derive(Clone, Debug)]
pub struct Nonce(Arc<Text>);

#[derive(Debug)]
struct Text {
    bytes: Box<[u8]>,
    _hold: Hold,
}

impl Nonce {
    /// A nonce whose bytes count in `held` for as long as anything of its request is left.
    #[must_use]
    pub fn new(bytes: &[u8], held: &Gauge) -> Nonce {
        let hold = held.hold(class_bytes(bytes.len()) + arc_bytes(size_of::<Text>()));
        Nonce(Arc::new(Text { bytes: bytes.into(), _hold: hold }))
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Nonce) -> bool {
        self.0.bytes == other.0.bytes
    }
}

/// How many leases a connection holds.
#[derive(Clone, Debug, Default)]
pub struct LeaseCount(Arc<AtomicUsize>);

impl LeaseCount {
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// One more, until it is dropped.
    pub(super) fn one_more(&self) -> Counted {
        let mut counted = Counted { leases: self.clone(), is_on: false };
        counted.set(true);
        counted
    }
}

/// A lease among those that its leader's connection holds, while it is in force.
#[derive(Debug)]
pub(super) struct Counted {
    leases: LeaseCount,
    is_on: bool,
}

impl Counted {
    pub fn set(&mut self, is_on: bool) {
        match (std::mem::replace(&mut self.is_on, is_on), is_on) {
            (false, true) => drop(self.leases.0.fetch_add(1, Relaxed)),
            (true, false) => drop(self.leases.0.fetch_sub(1, Relaxed)),
            _ => {}
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// A request for a lease: by which client, and on which terms.
#[derive(Clone, Debug)]
pub struct Ask {
    pub client: u64,
    pub leases: LeaseCount,
    pub nonce: Option<Nonce>,
    pub lease_ms: u32,
    pub detached: bool,
    /// The oldest stale value it takes, ms past the TTL; `None` = whatever grace the entry has.
    pub stale_ms: Option<u64>,
    /// Whether it may be elected: it could answer what it leads.
    pub may_lead: bool,
}

/// Bytes of a parked request's place in a flight.
pub const WAITER_BYTES: usize = size_of::<Waiter<Arc<ReplySlot>>>();

/// A parked request in a flight.
pub type Waiter<W> = queue::Waiter<W, Ask>;

/// Bytes that a parked request of this many keys takes.
#[must_use]
pub fn parked_bytes(keys: usize) -> usize {
    slot_bytes(keys) + keys * WAITER_BYTES
}

/// The right to fill one key.
#[derive(Debug)]
pub struct Lease {
    pub serial: u64,
    pub client: u64,
    pub started_at: u64,
    pub ends_at: u64,
    pub lease_ms: u32,
    pub(super) nonce: Option<Nonce>,
    pub(super) detached: bool,
    /// Detached, and the connection of its leader is gone.
    pub(super) is_left: bool,
    pub(super) counted: Counted,
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
    pub fn is_for(&self, nonce: Option<&Nonce>) -> bool {
        nonce.is_some() && self.nonce.as_ref() == nonce
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
