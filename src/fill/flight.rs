//! One flight: its lease, its waiters, its back-off; one method per event of docs/fill.md, section 4.
//!
//! Pure: time and serial numbers are arguments, waiters are whatever implements `Waiting`.
//! Invariants: at most one lease; a waiter leaves the queue exactly when it is claimed or forgotten;
//! an election takes the oldest deliverable waiter, else the oldest.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::limits::{FAILURES_IN_A_ROW_MAX, FAILURES_WINDOW_MS};

/// What a flight must know of a parked request.
pub trait Waiting {
    /// Not answered yet.
    fn is_open(&self) -> bool;
    /// Its reply could be written at once: nothing unanswered stands ahead of it on its connection.
    fn is_deliverable(&self) -> bool;
    /// Takes the right to answer it; true for exactly one caller.
    fn claim(&self) -> bool;
    /// Notes that it left the queue of its key at `index`; true the first time.
    fn leave(&self, index: usize) -> bool;
}

/// Who asks for a lease, and on which terms.
#[derive(Clone, Debug)]
pub struct Ask {
    pub client: u64,
    pub lease_ms: u64,
    pub nonce: Option<Box<[u8]>>,
    pub detached: bool,
}

/// The right to fill one key.
#[derive(Debug)]
pub struct Lease {
    pub serial: u64,
    pub client: u64,
    pub started_at: u64,
    pub ends_at: u64,
    pub lease_ms: u64,
    nonce: Option<Box<[u8]>>,
    detached: bool,
    /// Its leader's connection closed: when it would end if that had not happened.
    orphaned_from: Option<u64>,
    /// Its time is over and nobody wanted to succeed: an answer is still welcome until `ends_at`.
    overdue: bool,
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

/// A parked request in a flight.
#[derive(Debug)]
pub struct Waiter<W> {
    pub slot: W,
    /// Which of the slot's keys this flight is.
    pub index: usize,
    pub ask: Ask,
    pub parked_at: u64,
    pub until: u64,
    /// Oldest stale value it takes, ms past the TTL.
    pub stale_ms: Option<u64>,
}

impl<W: Waiting> Waiter<W> {
    /// Notes that it is out of the queue. An answered waiter may have been noted so before.
    fn leave(&self) {
        self.slot.leave(self.index);
    }
}

/// A waiter that was claimed and made leader.
#[derive(Debug)]
pub struct Elected<W> {
    pub waiter: Waiter<W>,
    pub serial: u64,
    pub cause: Cause,
}

/// Why a lease passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Fail,
    LeaseEnd,
    Disconnect,
    Void,
}

/// What time did to a flight.
#[derive(Debug)]
pub struct Ticked<W> {
    /// Claimed waiters whose WAIT is over.
    pub expired: Vec<Waiter<W>>,
    pub elected: Option<Elected<W>>,
}

/// A failure shared with new callers until its time is over.
#[derive(Clone, Debug)]
pub struct Backoff {
    pub message: Bytes,
    pub until: u64,
}

/// What FAIL led to.
#[derive(Debug)]
pub enum Failed<W> {
    /// Without RETRY: the next leader, if anybody waits.
    HandedOver(Option<Elected<W>>),
    /// With RETRY: these claimable waiters share the failure.
    Shared(Vec<Waiter<W>>, Backoff),
}

/// One fill in progress, or what must be remembered of its failures.
#[derive(Debug)]
pub struct Flight<W> {
    lease: Option<Lease>,
    waiters: VecDeque<Waiter<W>>,
    /// Waiters in the queue that are known to be answered elsewhere.
    answered_elsewhere: usize,
    backoff: Option<Backoff>,
    /// When the last failed leaders failed, the latest first; forgotten after `FAILURES_WINDOW_MS`.
    failed_at: [Option<u64>; FAILURES_IN_A_ROW_MAX - 1],
    /// When this flight's record in the deadline queue fires; `u64::MAX` if none is filed.
    pub filed_at: u64,
    pub opened_at: u64,
}

impl<W: Waiting> Flight<W> {
    #[must_use]
    pub fn new(now: u64) -> Flight<W> {
        Flight {
            lease: None,
            waiters: VecDeque::new(),
            answered_elsewhere: 0,
            backoff: None,
            failed_at: [None; FAILURES_IN_A_ROW_MAX - 1],
            filed_at: u64::MAX,
            opened_at: now,
        }
    }

    /// The lease in force.
    #[must_use]
    pub fn live_lease(&self, now: u64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.is_live(now))
    }

    /// The lease whose answer would be accepted, also when overdue.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The failure new callers share.
    #[must_use]
    pub fn backoff(&self, now: u64) -> Option<&Backoff> {
        self.backoff.as_ref().filter(|backoff| backoff.until > now)
    }

    /// Waiters still to be answered.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.waiters.len().saturating_sub(self.answered_elsewhere)
    }

    /// Grants a lease to a caller whose reply is written now.
    pub fn grant(&mut self, ask: Ask, serial: u64, now: u64) {
        self.backoff = None;
        self.lease = Some(Lease {
            serial,
            client: ask.client,
            started_at: now,
            ends_at: now.saturating_add(ask.lease_ms),
            lease_ms: ask.lease_ms,
            nonce: ask.nonce,
            detached: ask.detached,
            orphaned_from: None,
            overdue: false,
        });
    }

    /// The same lease for the same request sent again, now on connection `client`. Returns its ms left.
    pub fn grant_again(&mut self, client: u64, now: u64) -> u64 {
        let Some(lease) = &mut self.lease else { return 0 };
        lease.client = client;
        lease.ends_at = lease.orphaned_from.take().unwrap_or(lease.ends_at);
        lease.left_ms(now)
    }

    /// Lets the clock of a lease begin when its reply is handed to the socket of `client`. Where the same lease
    /// was given again to another connection meanwhile, its clock has begun there.
    pub fn lease_handed(&mut self, serial: u64, client: u64, now: u64) {
        let is_theirs = |lease: &&mut Lease| lease.serial == serial && lease.client == client;
        if let Some(lease) = self.lease.as_mut().filter(is_theirs).filter(|lease| !lease.overdue) {
            lease.started_at = now;
            lease.ends_at = now.saturating_add(lease.lease_ms);
        }
    }

    pub fn park(&mut self, waiter: Waiter<W>) {
        self.waiters.push_back(waiter);
    }

    /// Notes that a waiter was answered elsewhere or lost its connection. The queue is swept once half
    /// of it is gone, so a crowd that leaves at once costs each of its members a constant time.
    pub fn forget_one(&mut self, slot: &W, index: usize) {
        if !slot.leave(index) {
            return;
        }
        self.answered_elsewhere += 1;
        if self.answered_elsewhere * 2 >= self.waiters.len() {
            self.forget_answered();
        }
    }

    fn forget_answered(&mut self) {
        self.waiters.retain(|waiter| {
            let open = waiter.slot.is_open();
            if !open {
                waiter.leave();
            }
            open
        });
        self.answered_elsewhere = 0;
    }

    fn take_waiters(&mut self) -> VecDeque<Waiter<W>> {
        self.answered_elsewhere = 0;
        self.waiters.iter().for_each(Waiter::leave);
        std::mem::take(&mut self.waiters)
    }

    /// Prolongs the lease; `None` if the token is not this flight's.
    pub fn renew(&mut self, serial: u64, lease_ms: Option<u64>, now: u64) -> Option<u64> {
        let lease = self.lease.as_mut().filter(|lease| lease.serial == serial)?;
        lease.lease_ms = lease_ms.unwrap_or(lease.lease_ms);
        lease.ends_at = now.saturating_add(lease.lease_ms);
        lease.overdue = false;
        lease.orphaned_from = None;
        Some(lease.lease_ms)
    }

    /// Whether an answer with this serial would be accepted.
    #[must_use]
    pub fn accepts(&self, serial: u64) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.serial == serial)
    }

    /// PUT, NONE, PASS: ends the lease; everybody waiting is to be answered from the new value.
    #[must_use]
    pub fn fulfil(&mut self) -> VecDeque<Waiter<W>> {
        self.lease = None;
        self.backoff = None;
        self.failed_at = [None; FAILURES_IN_A_ROW_MAX - 1];
        self.take_waiters()
    }

    /// FAIL. `retry_ms` given, or the third failure in a row: shared; else handed over.
    #[must_use]
    pub fn fail(&mut self, message: Bytes, retry_ms: Option<u64>, serial: u64, now: u64) -> Failed<W> {
        self.lease = None;
        // A window that slides: so many failures within it, wherever it begins.
        self.forget_old_failures(now);
        let storm = self.failed_at.iter().all(Option::is_some);
        self.failed_at.rotate_right(1);
        self.failed_at[0] = Some(now);
        let Some(retry_ms) = retry_ms.or(storm.then_some(FAILURES_WINDOW_MS)) else {
            return Failed::HandedOver(self.elect(serial, Cause::Fail, now));
        };
        self.failed_at = [None; FAILURES_IN_A_ROW_MAX - 1];
        let backoff = Backoff { message, until: now.saturating_add(retry_ms) };
        self.backoff = Some(backoff.clone());
        Failed::Shared(self.take_waiters().into(), backoff)
    }

    /// A deletion: the token is void, the next generation begins with the oldest waiter.
    #[must_use]
    pub fn void(&mut self, serial: u64, now: u64) -> Option<Elected<W>> {
        self.lease = None;
        self.backoff = None;
        self.failed_at = [None; FAILURES_IN_A_ROW_MAX - 1];
        self.elect(serial, Cause::Void, now)
    }

    /// The leader's connection closed: its lease ends after the orphan grace, unless detached.
    pub fn leader_gone(&mut self, serial: u64, client: u64, grace_ms: u64, now: u64) {
        let orphan = |lease: &&mut Lease| lease.serial == serial && lease.client == client && !lease.detached;
        if let Some(lease) = self.lease.as_mut().filter(orphan).filter(|lease| !lease.overdue) {
            lease.orphaned_from.get_or_insert(lease.ends_at);
            lease.ends_at = lease.ends_at.min(now.saturating_add(grace_ms));
        }
    }

    /// The grant never reached its caller: the next waiter leads at once.
    #[must_use]
    pub fn abandon(&mut self, granted: u64, serial: u64, now: u64) -> Option<Elected<W>> {
        if !self.accepts(granted) {
            return None;
        }
        self.lease = None;
        self.elect(serial, Cause::Disconnect, now)
    }

    /// Applies the time: ends waits and back-offs, and the lease with hand-over.
    /// An ended lease that nobody succeeds stays good for `late_ms`.
    #[must_use]
    pub fn tick(&mut self, serial: u64, late_ms: u64, now: u64) -> Ticked<W> {
        let expired = self.expire_waiters(now);
        if self.backoff.as_ref().is_some_and(|backoff| backoff.until <= now) {
            self.backoff = None;
        }
        self.forget_old_failures(now);
        let mut elected = None;
        if let Some(lease) = self.lease.as_ref().filter(|lease| lease.ends_at <= now) {
            let (overdue, orphaned) = (lease.overdue, lease.orphaned_from.is_some());
            let cause = if orphaned { Cause::Disconnect } else { Cause::LeaseEnd };
            elected = self.elect(serial, cause, now);
            if elected.is_none() {
                self.keep_or_drop_ended(overdue, late_ms, now);
            }
        }
        Ticked { expired, elected }
    }

    fn keep_or_drop_ended(&mut self, was_overdue: bool, late_ms: u64, now: u64) {
        match &mut self.lease {
            Some(lease) if !was_overdue && late_ms > 0 => {
                lease.overdue = true;
                lease.ends_at = now.saturating_add(late_ms);
            }
            _ => self.lease = None,
        }
    }

    fn forget_old_failures(&mut self, now: u64) {
        for failed_at in &mut self.failed_at {
            *failed_at = failed_at.filter(|at| now.saturating_sub(*at) < FAILURES_WINDOW_MS);
        }
    }

    fn expire_waiters(&mut self, now: u64) -> Vec<Waiter<W>> {
        if self.waiters.iter().all(|waiter| waiter.until > now) {
            return Vec::new();
        }
        let (over, waiting) = self.waiters.drain(..).partition::<Vec<_>, _>(|waiter| waiter.until <= now);
        self.waiters = waiting.into();
        // Those that had left before were counted as gone; now they are out of the queue as well.
        let counted = over.iter().filter(|waiter| !waiter.slot.leave(waiter.index)).count();
        self.answered_elsewhere = self.answered_elsewhere.saturating_sub(counted);
        over.into_iter().filter(|waiter| waiter.slot.claim()).collect()
    }

    /// Makes the oldest deliverable waiter leader, else the oldest whatever stands ahead of it.
    fn elect(&mut self, serial: u64, cause: Cause, now: u64) -> Option<Elected<W>> {
        self.forget_answered();
        let mut at = self.waiters.iter().position(|waiter| waiter.slot.is_deliverable()).unwrap_or(0);
        loop {
            let waiter = self.waiters.remove(at)?;
            waiter.leave();
            // Somebody else may claim between the look and the claim: then the oldest is next.
            if waiter.slot.claim() {
                self.grant(waiter.ask.clone(), serial, now);
                return Some(Elected { waiter, serial, cause });
            }
            at = 0;
        }
    }

    /// When time next changes this flight.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let lease = self.lease.iter().map(|lease| lease.ends_at);
        let waits = self.waiters.iter().map(|waiter| waiter.until);
        let backoff = self.backoff.iter().map(|backoff| backoff.until);
        let failures = self.failed_at[0].map(|at| at + FAILURES_WINDOW_MS);
        lease.chain(waits).chain(backoff).chain(failures).min()
    }

    /// Nothing left to remember.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lease.is_none()
            && self.waiters.is_empty()
            && self.backoff.is_none()
            && self.failed_at[0].is_none()
    }

    /// Somebody fills, waits or backs off; an overdue token or a counted failure alone is no open flight.
    #[must_use]
    pub fn is_open(&self, now: u64) -> bool {
        self.live_lease(now).is_some() || !self.waiters.is_empty() || self.backoff(now).is_some()
    }
}
