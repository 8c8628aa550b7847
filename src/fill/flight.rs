//! One flight: its lease, its waiters, its back-off; one method per event of docs/fill.md, section 4.
//!
//! Pure: time and serial numbers are arguments, waiters are whatever implements `Waiting`.
//! Invariants: at most one lease; an election takes the oldest deliverable waiter that may lead, else the oldest such one.
//! Most flights have a lease and nothing else: the rest lies in a box of its own.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use bytes::Bytes;

use super::lease::{Ask, Backoff, Cause, Lease, LeaseCount, Waiter};
use crate::base::limits::{FAILURES_IN_A_ROW_MAX, FAILURES_WINDOW_MS};
use crate::base::memory::class_bytes;
use crate::parking::{Queue, Waiting};

/// A waiter that was claimed and made leader.
#[derive(Debug)]
pub struct Elected<W> {
    pub waiter: Waiter<W>,
    pub serial: u64,
    pub cause: Cause,
}

/// What time did to a flight.
#[derive(Debug)]
pub struct Ticked<W> {
    /// Claimed waiters whose WAIT is over.
    pub expired: Vec<Waiter<W>>,
    pub elected: Option<Elected<W>>,
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
    rest: Option<Box<Rest<W>>>,
    /// When this flight's record in the deadline queue fires; `u64::MAX` if none is filed.
    pub filed_at: u64,
    pub opened_at: u64,
}

/// What most flights never have.
#[derive(Debug)]
struct Rest<W> {
    queue: Queue<W, Ask>,
    backoff: Option<Backoff>,
    /// When the last failed leaders failed, the latest first; forgotten after `FAILURES_WINDOW_MS`.
    failed_at: [Option<u64>; FAILURES_IN_A_ROW_MAX - 1],
}

impl<W> Default for Rest<W> {
    fn default() -> Rest<W> {
        Rest { queue: Queue::default(), backoff: None, failed_at: [None; FAILURES_IN_A_ROW_MAX - 1] }
    }
}

impl<W: Waiting> Rest<W> {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.backoff.is_none() && self.failed_at[0].is_none()
    }

    fn forget_old_failures(&mut self, now: u64) {
        for failed_at in &mut self.failed_at {
            *failed_at = failed_at.filter(|at| now.saturating_sub(*at) < FAILURES_WINDOW_MS);
        }
    }
}

impl<W: Waiting> Flight<W> {
    #[must_use]
    pub fn new(now: u64) -> Flight<W> {
        Flight { lease: None, rest: None, filed_at: u64::MAX, opened_at: now }
    }

    fn rest_mut(&mut self) -> &mut Rest<W> {
        self.rest.get_or_insert_default()
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
        self.rest.as_ref()?.backoff.as_ref().filter(|backoff| backoff.until > now)
    }

    /// Waiters still to be answered.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.queue.open())
    }

    fn has_waiters(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| !rest.queue.is_empty())
    }

    /// Grants a lease to a caller whose reply is written now.
    pub fn grant(&mut self, ask: Ask, serial: u64, now: u64) {
        self.rest.iter_mut().for_each(|rest| rest.backoff = None);
        self.lease = Some(Lease {
            serial,
            client: ask.client,
            started_at: now,
            ends_at: now.saturating_add(ask.lease_ms.into()),
            lease_ms: ask.lease_ms,
            nonce: ask.nonce,
            detached: ask.detached,
            is_left: false,
            counted: ask.leases.one_more(),
            orphaned_from: None,
            overdue: false,
        });
    }

    /// The same lease for the same request sent again, now on connection `client`. Returns its ms left.
    pub fn grant_again(&mut self, client: u64, leases: &LeaseCount, now: u64) -> u64 {
        let Some(lease) = &mut self.lease else { return 0 };
        lease.client = client;
        lease.counted = leases.one_more();
        lease.is_left = false;
        lease.ends_at = lease.orphaned_from.take().map_or(lease.ends_at, NonZeroU64::get);
        lease.left_ms(now)
    }

    /// Lets the clock of a lease begin when its reply is handed to the socket of `client`. Where the same lease
    /// was given again to another connection meanwhile, its clock has begun there.
    pub fn lease_handed(&mut self, serial: u64, client: u64, now: u64) {
        let is_theirs = |lease: &&mut Lease| lease.serial == serial && lease.client == client;
        if let Some(lease) = self.lease.as_mut().filter(is_theirs).filter(|lease| !lease.overdue) {
            lease.started_at = now;
            lease.ends_at = now.saturating_add(lease.lease_ms.into());
        }
    }

    pub fn park(&mut self, waiter: Waiter<W>) {
        self.rest_mut().queue.park(waiter);
    }

    /// Notes that a waiter was answered elsewhere or lost its connection.
    pub fn forget_one(&mut self, slot: &W, index: u32) {
        if let Some(rest) = &mut self.rest {
            rest.queue.forget_one(slot, index);
        }
        self.rest.take_if(|rest| rest.is_idle());
    }

    /// Prolongs the lease; `None` if the token is not this flight's.
    pub fn renew(&mut self, serial: u64, lease_ms: Option<u32>, now: u64) -> Option<u64> {
        let lease = self.lease.as_mut().filter(|lease| lease.serial == serial)?;
        lease.lease_ms = lease_ms.unwrap_or(lease.lease_ms);
        lease.ends_at = now.saturating_add(lease.lease_ms.into());
        lease.overdue = false;
        lease.counted.set(true);
        lease.orphaned_from = None;
        Some(lease.lease_ms.into())
    }

    /// An answer has arrived and will be judged by `until` at the latest: its lease lasts as long.
    pub fn answer_arrived(&mut self, serial: u64, until: u64, now: u64) {
        let lease = self.lease.as_mut().filter(|lease| lease.serial == serial && lease.is_live(now));
        if let Some(lease) = lease {
            lease.ends_at = lease.ends_at.max(until);
        }
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
        self.rest.take().map(|mut rest| rest.queue.take_all()).unwrap_or_default()
    }

    /// FAIL. `retry_ms` given, or the third failure in a row: shared; else handed over.
    #[must_use]
    pub fn fail(&mut self, message: Bytes, retry_ms: Option<u64>, serial: u64, now: u64) -> Failed<W> {
        self.lease = None;
        let rest = self.rest_mut();
        // A window that slides: the failures within it are counted, wherever it begins.
        rest.forget_old_failures(now);
        let storm = rest.failed_at.iter().all(Option::is_some);
        rest.failed_at.rotate_right(1);
        rest.failed_at[0] = Some(now);
        let Some(retry_ms) = retry_ms.or(storm.then_some(FAILURES_WINDOW_MS)) else {
            return Failed::HandedOver(self.elect(serial, Cause::Fail, now));
        };
        rest.failed_at = [None; FAILURES_IN_A_ROW_MAX - 1];
        let backoff = Backoff { message, until: now.saturating_add(retry_ms) };
        rest.backoff = Some(backoff.clone());
        Failed::Shared(rest.queue.take_all().into(), backoff)
    }

    /// A deletion: the token is void, the next generation begins with the oldest waiter.
    #[must_use]
    pub fn void(&mut self, serial: u64, now: u64) -> Option<Elected<W>> {
        self.lease = None;
        if let Some(rest) = &mut self.rest {
            rest.backoff = None;
            rest.failed_at = [None; FAILURES_IN_A_ROW_MAX - 1];
        }
        self.elect(serial, Cause::Void, now)
    }

    /// The leader's connection closed: its lease ends after the orphan grace, unless detached.
    pub fn leader_gone(&mut self, serial: u64, client: u64, grace_ms: u64, now: u64) {
        let theirs = |lease: &&mut Lease| lease.serial == serial && lease.client == client;
        let Some(lease) = self.lease.as_mut().filter(theirs) else { return };
        if lease.detached {
            lease.is_left = true;
        } else if !lease.overdue {
            lease.orphaned_from = lease.orphaned_from.or(NonZeroU64::new(lease.ends_at));
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
        let mut expired = Vec::new();
        if let Some(rest) = &mut self.rest {
            expired = rest.queue.expire(now);
            rest.backoff.take_if(|backoff| backoff.until <= now);
            rest.forget_old_failures(now);
        }
        self.rest.take_if(|rest| rest.is_idle());
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
                lease.counted.set(false);
                lease.ends_at = now.saturating_add(late_ms);
            }
            _ => self.lease = None,
        }
    }

    /// Takes out those who wait although nobody could be elected: none of them may lead.
    #[must_use]
    pub fn take_leaderless(&mut self) -> VecDeque<Waiter<W>> {
        let has_leader = self.lease.as_ref().is_some_and(|lease| !lease.overdue);
        let rest = self.rest.as_mut().filter(|_| !has_leader);
        let left = rest.map(|rest| rest.queue.take_all()).unwrap_or_default();
        self.rest.take_if(|rest| rest.is_idle());
        left
    }

    /// Makes the oldest deliverable waiter leader that may lead, else the oldest such one whatever stands ahead of it.
    fn elect(&mut self, serial: u64, cause: Cause, now: u64) -> Option<Elected<W>> {
        let waiter = self.rest.as_mut()?.queue.elect(|ask| ask.may_lead)?;
        self.grant(waiter.ask.clone(), serial, now);
        Some(Elected { waiter, serial, cause })
    }

    /// When time next changes this flight.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let lease = self.lease.as_ref().map(|lease| lease.ends_at);
        let Some(rest) = &self.rest else { return lease };
        let backoff = rest.backoff.as_ref().map(|backoff| backoff.until);
        let failures = rest.failed_at[0].map(|at| at + FAILURES_WINDOW_MS);
        lease.into_iter().chain(rest.queue.next_deadline()).chain(backoff).chain(failures).min()
    }

    /// Nothing left to remember.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lease.is_none() && self.rest.as_deref().is_none_or(Rest::is_idle)
    }

    /// Somebody connected fills, or somebody waits: what limits on fills are about. A token kept for a late answer, a
    /// detached lease whose connection is gone and a remembered failure are favours.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| !lease.overdue && !lease.is_left) || self.has_waiters()
    }

    /// Bytes that the allocator gave for what is not in the flight itself. Nonces and messages count by themselves.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| class_bytes(size_of::<Rest<W>>()) + rest.queue.held_bytes())
    }

    /// Somebody fills, waits or backs off; an overdue token or a counted failure alone is not an open flight.
    #[must_use]
    pub fn is_open(&self, now: u64) -> bool {
        self.live_lease(now).is_some() || self.has_waiters() || self.backoff(now).is_some()
    }
}
