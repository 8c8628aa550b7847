//! The FILL verbs: flights and entries of one key, decided together under the shard's lock.
//!
//! The state machine itself is `crate::fill::Flight`; here its answers meet stored values, deadlines
//! and counters. Contract: docs/fill.md.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::shard::{Answered, Due};
use super::view::View;
use crate::base::hash::Key;
use crate::base::limits::SHARDS;
use crate::base::metrics::{Counter, Counters};
use crate::fill::flight::{Backoff, Cause, Failed};
use crate::fill::{Answer, Ask, Elected, Flight, Grant, Home, Outcome, ReplySlot, Token, Waiter};
use crate::storage::{Entry, Kind, Meta, NewValue, Refill, ValueRef};

/// A FILL.GET caller's terms.
#[derive(Clone, Debug)]
pub struct FillAsk {
    pub ask: Ask,
    /// How long the caller may be parked; 0 = not at all.
    pub wait_ms: u64,
    /// The oldest stale value it takes, ms past the TTL; `None` = whatever grace the entry has.
    pub stale_ms: Option<u64>,
    pub beta: f64,
}

/// The answer to a FILL.GET, or the wish to park it.
#[derive(Debug)]
pub enum Asked<'v> {
    Answer(Outcome<ValueRef<'v>>),
    /// Somebody else fills; call `park` under the same view.
    WouldPark,
}

/// Where and how long a parked caller waits.
#[derive(Clone, Debug)]
pub struct WaitTerms {
    pub slot: Arc<ReplySlot>,
    /// Which of the slot's keys this is.
    pub index: usize,
    pub ask: FillAsk,
}

/// The ways to answer a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    Put,
    None,
    Pass,
    Fail,
}

/// What a leader answers.
#[derive(Debug)]
pub enum PutKind<'a> {
    Value { value: NewValue<'a>, grace_ms: u32 },
    None,
    Pass,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    Dup,
    Void,
}

/// A flight as FILL.INFO and FILL.LIST show it.
#[derive(Clone, Debug)]
pub struct FlightInfo {
    pub key: Arc<[u8]>,
    pub db: usize,
    pub age_ms: u64,
    /// 0 while nobody leads (back-off).
    pub lease_left_ms: u64,
    pub waiters: usize,
    /// Client id of the leader, 0 without one.
    pub leader: u64,
}

/// What is known of a key, its time applied.
enum Known {
    Missing,
    Fresh { ttl_ms: i64, delta_ms: u32 },
    Stale { past_ms: i64 },
    None { ttl_ms: i64 },
    Pass { ttl_ms: i64 },
}

/// An outcome whose value is still to be looked up.
enum Decision {
    Told(Outcome<()>),
    Park,
}

impl View<'_> {
    /// FILL.GET of one key.
    pub fn fill_ask(&mut self, key: &Key<'_>, asked: &FillAsk) -> Asked<'_> {
        let decision = self.decide(key, asked);
        let Decision::Told(outcome) = decision else { return Asked::WouldPark };
        let value = self.content().table.find(key.hash, key.bytes).map(Entry::value);
        // Where `decide` promised a value, the entry is there: nothing ran in between.
        let empty = ValueRef::Inline(b"");
        Asked::Answer(outcome.map(|()| value.unwrap_or(empty)))
    }

    fn decide(&mut self, key: &Key<'_>, asked: &FillAsk) -> Decision {
        let known = self.known(key);
        self.tick_due_flight(key);
        let value = ();
        Decision::Told(match known {
            Known::None { ttl_ms } => Outcome::None { ttl_ms },
            Known::Pass { ttl_ms } => Outcome::Pass { ttl_ms },
            Known::Fresh { ttl_ms, delta_ms } => match self.lease_again(key, asked) {
                Some(grant) => Outcome::Refresh { value, grant },
                None if is_early(ttl_ms, delta_ms, asked.beta) => match self.elect_caller(key, asked) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Hit { value, ttl_ms },
                },
                None => Outcome::Hit { value, ttl_ms },
            },
            Known::Stale { past_ms } if takes_stale(asked.stale_ms, past_ms) => {
                match self.lease_again(key, asked).or_else(|| self.elect_caller(key, asked)) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Stale { value, past_ms },
                }
            }
            Known::Missing | Known::Stale { .. } => return self.decide_miss(key, asked),
        })
    }

    fn decide_miss(&mut self, key: &Key<'_>, asked: &FillAsk) -> Decision {
        let now = self.scope.now.mono_ms;
        if let Some(grant) = self.lease_again(key, asked) {
            return Decision::Told(Outcome::Lead(grant));
        }
        let rules = self.scope.rules;
        let retry_ms = |left_ms: u64| left_ms.clamp(1, rules.wait_ms.max(1)) as i64;
        let Some(flight) = self.db().flights.get(key.bytes) else { return self.lead_or_shed(key, asked) };
        if let Some(Backoff { message, until }) = flight.backoff(now).cloned() {
            return Decision::Told(Outcome::Fail { message, retry_ms: (until - now) as i64 });
        }
        let Some(lease) = flight.live_lease(now) else { return self.lead_or_shed(key, asked) };
        let (left_ms, waiters) = (lease.left_ms(now), flight.waiters());
        if lease.client == asked.ask.client {
            return Decision::Told(Outcome::Leading { left_ms: left_ms as i64 });
        }
        if asked.wait_ms == 0 {
            return Decision::Told(Outcome::Wait { retry_ms: retry_ms(left_ms) });
        }
        if waiters >= rules.waiters_per_key {
            self.scope.counters.add(Counter::FillShedWaiters, 1);
            return Decision::Told(Outcome::Wait { retry_ms: retry_ms(left_ms) });
        }
        Decision::Park
    }

    fn lead_or_shed(&mut self, key: &Key<'_>, asked: &FillAsk) -> Decision {
        let retry_ms = self.scope.rules.wait_ms.max(1) as i64;
        Decision::Told(match self.elect_caller(key, asked) {
            Some(grant) => Outcome::Lead(grant),
            None => Outcome::Wait { retry_ms },
        })
    }

    /// Parks a caller for which `fill_ask` said `WouldPark`, under the same lock.
    pub fn park(&mut self, key: &Key<'_>, terms: WaitTerms) {
        let now = self.scope.now.mono_ms;
        let WaitTerms { slot, index, ask: FillAsk { ask, wait_ms, stale_ms, .. } } = terms;
        let until = now.saturating_add(wait_ms);
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            flight.park(Waiter { slot, index, ask, parked_at: now, until, stale_ms });
            self.file_flight(key, until);
        }
    }

    /// PUT, NONE, PASS: checks the token, stores, ends the flight and answers everybody who waits.
    pub fn fill_put(
        &mut self,
        key: &Key<'_>,
        token: Token,
        kind: PutKind<'_>,
        expire_at: Option<i64>,
    ) -> Put {
        let answer_kind = match kind {
            PutKind::Value { .. } => AnswerKind::Put,
            PutKind::None => AnswerKind::None,
            PutKind::Pass => AnswerKind::Pass,
        };
        let Some(fill_ms) = self.accept(key, token, answer_kind) else {
            return self.refuse(key, token, answer_kind);
        };
        let flight = self.db().flights.get_mut(key.bytes);
        let waiters = flight.map(Flight::fulfil).unwrap_or_default();
        self.drop_if_over(key);
        let ttl_ms = expire_at.map_or(-1, |at| (at - self.scope.now.wall_ms).max(0));
        let outcome = match &kind {
            PutKind::Value { value, .. } => Outcome::Hit { value: value.to_bytes(), ttl_ms },
            PutKind::None => Outcome::None { ttl_ms },
            PutKind::Pass => Outcome::Pass { ttl_ms },
        };
        self.store_answer(key, kind, expire_at, fill_ms);
        self.keyspace.fill_times.waiters.record(waiters.len() as u64);
        self.keyspace.fill_times.fill_ms.record(fill_ms);
        self.settle_all(waiters.into_iter(), |_| outcome.clone());
        Put::Stored
    }

    /// FAIL: hands the lease on, or shares the failure.
    pub fn fill_fail(&mut self, key: &Key<'_>, token: Token, message: Bytes, retry_ms: Option<u64>) -> Put {
        let Some(fill_ms) = self.accept(key, token, AnswerKind::Fail) else {
            return self.refuse(key, token, AnswerKind::Fail);
        };
        self.keyspace.fill_times.fill_ms.record(fill_ms);
        let now = self.scope.now.mono_ms;
        let serial = self.shard.next_serial();
        let Some(flight) = self.db().flights.get_mut(key.bytes) else { return Put::Stored };
        match flight.fail(message, retry_ms, serial, now) {
            Failed::HandedOver(elected) => self.announce(key, elected),
            Failed::Shared(waiters, backoff) => self.share_failure(key, waiters, &backoff),
        }
        self.refile_or_drop(key);
        Put::Stored
    }

    fn share_failure(&mut self, key: &Key<'_>, waiters: Vec<Waiter<Arc<ReplySlot>>>, backoff: &Backoff) {
        let retry_ms = (backoff.until - self.scope.now.mono_ms) as i64;
        let stale = match self.known(key) {
            Known::Stale { past_ms } => {
                let entry = self.content().table.find(key.hash, key.bytes);
                entry.map(|entry| (entry.value().to_bytes(), past_ms))
            }
            _ => None,
        };
        self.settle_all(waiters.into_iter(), |waiter| match &stale {
            Some((value, past_ms)) if takes_stale(waiter.stale_ms, *past_ms) => {
                Outcome::Stale { value: value.clone(), past_ms: *past_ms }
            }
            _ => Outcome::Fail { message: backoff.message.clone(), retry_ms },
        });
    }

    /// RENEW: milliseconds left of the prolonged lease, 0 if the token is void.
    pub fn fill_renew(&mut self, key: &Key<'_>, token: Token, lease_ms: Option<u64>) -> u64 {
        self.tick_due_flight(key);
        let now = self.scope.now.mono_ms;
        let ours = token.boot == self.keyspace.boot;
        let flight = self.db().flights.get_mut(key.bytes).filter(|_| ours);
        let Some(left_ms) = flight.and_then(|flight| flight.renew(token.serial, lease_ms, now)) else {
            return 0;
        };
        self.file_flight(key, now.saturating_add(left_ms));
        left_ms
    }

    /// STALE: a fresh value becomes stale now and keeps `grace_ms`; a flight is voided.
    /// True if a value was kept as stale.
    pub fn fill_stale(&mut self, key: &Key<'_>, grace_ms: Option<u32>) -> bool {
        let known = self.known(key);
        let default_ms = u32::try_from(self.scope.rules.grace_ms).unwrap_or(u32::MAX);
        let wall_ms = self.scope.now.wall_ms;
        let entry = self.content().table.find(key.hash, key.bytes);
        let own = entry.and_then(Entry::refill).unwrap_or_default();
        let kept = match known {
            Known::Fresh { .. } => {
                let own_ms = if own.grace_ms > 0 { own.grace_ms } else { default_ms };
                Some((wall_ms, grace_ms.unwrap_or(own_ms)))
            }
            Known::Stale { past_ms } => {
                let whole = |more: u32| more.saturating_add(u32::try_from(past_ms).unwrap_or(u32::MAX));
                Some((
                    wall_ms - past_ms,
                    grace_ms.map_or(own.grace_ms, |more| if more == 0 { 0 } else { whole(more) }),
                ))
            }
            Known::Missing | Known::None { .. } | Known::Pass { .. } => None,
        };
        let kept = kept.filter(|(_, grace_ms)| *grace_ms > 0);
        let value = self.content().table.find(key.hash, key.bytes).map(|entry| entry.value().to_bytes());
        match (kept, value) {
            (Some((expire_at, grace_ms)), Some(value)) => {
                let refill = Some(Refill { grace_ms, ..own });
                let meta = Meta { kind: Kind::Value, expire_at: Some(expire_at), refill };
                let mut entry = Entry::new(key.bytes, &NewValue::from_shared(&value), meta);
                entry.mark_stale();
                self.put_entry(key, entry);
            }
            _ => drop(self.take_entry(key)),
        }
        self.db().watchers.touch(key.bytes);
        self.void_by_delete(key, Counter::FillVoidDelete);
        kept.is_some()
    }

    /// The flight of a key, if one is open.
    pub fn fill_info(&mut self, key: &Key<'_>) -> Option<FlightInfo> {
        self.tick_due_flight(key);
        let (db, now) = (self.db, self.scope.now.mono_ms);
        let (key, flight) = self.db().flights.get_key_value(key.bytes)?;
        flight.is_open(now).then(|| info(db, key, flight, now))
    }

    /// All open flights of this shard, in every database.
    pub fn fill_list(&mut self, into: &mut Vec<FlightInfo>) {
        let now = self.scope.now.mono_ms;
        for (db, content) in self.shard.dbs.iter().enumerate() {
            let open = content.flights.iter().filter(|(_, flight)| flight.is_open(now));
            into.extend(open.map(|(key, flight)| info(db, key, flight, now)));
        }
    }

    /// Lets a lease's clock begin when its reply is handed to the socket.
    pub fn lease_handed(&mut self, key: &Key<'_>, serial: u64) {
        let now = self.scope.now.mono_ms;
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            flight.lease_handed(serial, now);
            self.refile_or_drop(key);
        }
    }

    /// The connection that leads with this lease closed.
    pub fn leader_gone(&mut self, key: &Key<'_>, serial: u64, client: u64) {
        let (now, grace_ms) = (self.scope.now.mono_ms, self.scope.rules.orphan_grace_ms);
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            flight.leader_gone(serial, client, grace_ms, now);
            self.refile_or_drop(key);
        }
    }

    /// A hand-over's answer could not be written any more: its connection closed.
    pub fn lease_undelivered(&mut self, key: &Key<'_>, granted: u64) {
        let now = self.scope.now.mono_ms;
        let serial = self.shard.next_serial();
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            let elected = flight.abandon(granted, serial, now);
            self.announce(key, elected);
            self.refile_or_drop(key);
        }
    }

    /// A waiter of this key was answered elsewhere or its connection is gone.
    pub fn forget_waiter(&mut self, key: &Key<'_>) {
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            flight.forget_one();
            self.drop_if_over(key);
        }
    }

    /// Whether the lease with this serial is still in force.
    pub fn is_leading(&mut self, key: &Key<'_>, serial: u64) -> bool {
        self.db().flights.get(key.bytes).is_some_and(|flight| flight.accepts(serial))
    }

    /// A write left a value: the lease is void, everybody waiting gets the value.
    pub(super) fn void_by_write(&mut self, key: &Key<'_>) {
        let Some(flight) = self.db().flights.get_mut(key.bytes) else { return };
        let had_lease = flight.lease().is_some();
        let waiters = flight.fulfil();
        self.count_void(had_lease, Counter::FillVoidWrite);
        self.drop_if_over(key);
        let ttl_ms = match self.known(key) {
            Known::Fresh { ttl_ms, .. } => ttl_ms,
            _ => -1,
        };
        let value = self.content().table.find(key.hash, key.bytes).map(|entry| entry.value().to_bytes());
        let value = value.unwrap_or_default();
        self.settle_all(waiters.into_iter(), |_| Outcome::Hit { value: value.clone(), ttl_ms });
    }

    /// A deletion, also of an absent key: the lease is void, the oldest waiter leads the new generation.
    pub(super) fn void_by_delete(&mut self, key: &Key<'_>, cause: Counter) {
        if self.db().flights.is_empty() {
            return;
        }
        let now = self.scope.now.mono_ms;
        let serial = self.shard.next_serial();
        let Some(flight) = self.db().flights.get_mut(key.bytes) else { return };
        let had_lease = flight.lease().is_some();
        let elected = flight.void(serial, now);
        self.count_void(had_lease, cause);
        self.announce(key, elected);
        self.refile_or_drop(key);
    }

    /// FLUSHALL, FLUSHDB, SWAPDB: as a deletion of every key with a flight in this database.
    pub(super) fn void_all(&mut self) {
        let keys: Vec<Arc<[u8]>> = self.db().flights.keys().cloned().collect();
        for bytes in keys {
            let hash = self.keyspace.hash(&bytes);
            self.void_by_delete(&Key { bytes: &bytes, hash }, Counter::FillVoidFlush);
        }
    }

    /// Applies the time to a flight whose next deadline has come.
    pub(super) fn tick_due_flight(&mut self, key: &Key<'_>) {
        let now = self.scope.now.mono_ms;
        if self.db().flights.get(key.bytes).is_some_and(|flight| flight.filed_at <= now) {
            self.tick_flight(key);
        }
    }

    pub(super) fn tick_flight(&mut self, key: &Key<'_>) {
        let (now, late_ms) = (self.scope.now.mono_ms, self.scope.rules.late_ms);
        let serial = self.shard.next_serial();
        let Some(flight) = self.db().flights.get_mut(key.bytes) else { return };
        flight.filed_at = u64::MAX;
        let ticked = flight.tick(serial, late_ms, now);
        let left_ms = flight.live_lease(now).map_or(1, |lease| lease.left_ms(now));
        let retry_ms = left_ms.clamp(1, self.scope.rules.wait_ms.max(1)) as i64;
        self.scope.counters.add(Counter::FillWaitExpired, ticked.expired.len() as u64);
        for waiter in ticked.expired {
            self.record_wait(&waiter);
            self.answer(waiter.slot.clone(), waiter.slot.expire(retry_ms), waiter.slot.homes.len() > 1);
        }
        self.announce(key, ticked.elected);
        self.refile_or_drop(key);
    }

    /// What is known of the key now; entries of no more use are removed.
    fn known(&mut self, key: &Key<'_>) -> Known {
        self.tend(key);
        let wall_ms = self.scope.now.wall_ms;
        let Some(entry) = self.content().table.find(key.hash, key.bytes) else { return Known::Missing };
        let expire_at = entry.expire_at();
        let ttl_ms = expire_at.map_or(-1, |at| at - wall_ms);
        match entry.kind() {
            Kind::None => Known::None { ttl_ms },
            Kind::Pass => Known::Pass { ttl_ms },
            Kind::Value if entry.is_marked_stale() => {
                Known::Stale { past_ms: wall_ms - expire_at.unwrap_or(wall_ms) }
            }
            Kind::Value => {
                Known::Fresh { ttl_ms, delta_ms: entry.refill().map_or(0, |refill| refill.delta_ms) }
            }
        }
    }

    /// The same lease again for a request with the same nonce.
    fn lease_again(&mut self, key: &Key<'_>, asked: &FillAsk) -> Option<Grant> {
        asked.ask.nonce.as_ref()?;
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        let flight = self.db().flights.get_mut(key.bytes)?;
        let serial = flight.live_lease(now).filter(|lease| lease.is_for(&asked.ask))?.serial;
        let lease_ms = flight.grant_again(asked.ask.client, now);
        self.refile_or_drop(key);
        Some(Grant { token: Token { boot, serial }, lease_ms })
    }

    /// Makes the caller leader if nobody leads, nobody backs off and a flight may be opened.
    fn elect_caller(&mut self, key: &Key<'_>, asked: &FillAsk) -> Option<Grant> {
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        match self.db().flights.get(key.bytes) {
            Some(flight) if flight.live_lease(now).is_some() || flight.backoff(now).is_some() => return None,
            Some(_) => {}
            None => self.open_flight(key)?,
        }
        let serial = self.shard.next_serial();
        let flight = self.db().flights.get_mut(key.bytes)?;
        flight.grant(asked.ask.clone(), serial, now);
        self.file_flight(key, now.saturating_add(asked.ask.lease_ms));
        Some(Grant { token: Token { boot, serial }, lease_ms: asked.ask.lease_ms })
    }

    /// Opens a flight, or sheds: `None` over the limit.
    fn open_flight(&mut self, key: &Key<'_>) -> Option<()> {
        let now = self.scope.now.mono_ms;
        if self.keyspace.flights.fetch_add(1, Relaxed) >= self.scope.rules.flights {
            self.keyspace.flights.fetch_sub(1, Relaxed);
            self.scope.counters.add(Counter::FillShedFlights, 1);
            return None;
        }
        self.db().flights.insert(Arc::from(key.bytes), Flight::new(now));
        Some(())
    }

    /// Checks a token. If its answer is welcome: notes it, and returns the ms since the lease began.
    fn accept(&mut self, key: &Key<'_>, token: Token, kind: AnswerKind) -> Option<u64> {
        // A lease whose time has come but was not ticked yet is succeeded first, as the sweeper would do.
        self.tick_due_flight(key);
        let now = self.scope.now.mono_ms;
        let ours = token.boot == self.keyspace.boot;
        let flight =
            self.db().flights.get(key.bytes).filter(|flight| ours && flight.accepts(token.serial))?;
        let lease = flight.lease()?;
        let (started_at, lease_ms, late) = (lease.started_at, lease.lease_ms, !lease.is_live(now));
        self.scope.counters.add(Counter::FillPutsOk, 1);
        self.scope.counters.add(Counter::FillPutsLate, u64::from(late));
        // Remembering answers is a courtesy to resends; its memory is bounded like that of the flights.
        if self.shard.answered.len() < self.scope.rules.flights / SHARDS * 2 + 64 {
            let until = now.saturating_add(lease_ms * 2);
            let answered = Answered { kind, key_hash: key.hash, db: self.db, until };
            self.shard.answered.insert(token.serial, answered);
            self.shard.file(until, Due::Answered { serial: token.serial });
            self.alarm(until);
        }
        Some(now.saturating_sub(started_at))
    }

    /// DUP for a token that was answered this way, else VOID.
    fn refuse(&mut self, key: &Key<'_>, token: Token, kind: AnswerKind) -> Put {
        let now = self.scope.now.mono_ms;
        let ours = token.boot == self.keyspace.boot;
        let answered = self.shard.answered.get(&token.serial).filter(|_| ours);
        let db = self.db;
        let same = |a: &&Answered| a.kind == kind && a.key_hash == key.hash && a.db == db && a.until > now;
        let dup = answered.filter(same).is_some();
        self.scope.counters.add(if dup { Counter::FillPutsDup } else { Counter::FillPutsVoid }, 1);
        if dup { Put::Dup } else { Put::Void }
    }

    fn store_answer(&mut self, key: &Key<'_>, kind: PutKind<'_>, expire_at: Option<i64>, fill_ms: u64) {
        let wall_ms = self.scope.now.wall_ms;
        let (kind, value, refill) = match kind {
            PutKind::Value { value, grace_ms } => {
                let delta_ms = u32::try_from(fill_ms).unwrap_or(u32::MAX);
                let refill = Refill { grace_ms, delta_ms };
                (
                    Kind::Value,
                    value,
                    expire_at.is_some().then_some(refill).filter(|r| *r != Refill::default()),
                )
            }
            PutKind::None => (Kind::None, NewValue::Small(b""), None),
            PutKind::Pass => (Kind::Pass, NewValue::Small(b""), None),
        };
        let grace_ms = refill.map_or(0, |refill| i64::from(refill.grace_ms));
        if expire_at.is_some_and(|at| at.saturating_add(grace_ms) <= wall_ms) {
            drop(self.take_entry(key));
        } else {
            let mut entry = Entry::new(key.bytes, &value, Meta { kind, expire_at, refill });
            if expire_at.is_some_and(|at| at <= wall_ms) {
                entry.mark_stale();
            }
            self.put_entry(key, entry);
        }
        self.db().watchers.touch(key.bytes);
    }

    /// Answers waiters from a finished fill; each slot is claimed as it completes.
    fn settle_all(
        &mut self,
        waiters: impl Iterator<Item = Waiter<Arc<ReplySlot>>>,
        outcome: impl Fn(&Waiter<Arc<ReplySlot>>) -> Outcome<Bytes>,
    ) {
        let now = self.scope.now.mono_ms;
        let mut waits_ms = Vec::new();
        for waiter in waiters.filter(|waiter| waiter.slot.is_open()) {
            waits_ms.push(now.saturating_sub(waiter.parked_at));
            if let Some(answer) = waiter.slot.settle(waiter.index, outcome(&waiter)) {
                self.answer(waiter.slot, answer, false);
            }
        }
        if !waits_ms.is_empty() {
            self.scope.counters.add(Counter::FillCoalesced, waits_ms.len() as u64);
            self.keyspace.fill_times.wait_ms.record_all(waits_ms.into_iter());
        }
    }

    /// Tells an elected waiter; what stands ahead of it on its connection is answered WAIT.
    fn announce(&mut self, key: &Key<'_>, elected: Option<Elected<Arc<ReplySlot>>>) {
        let Some(Elected { waiter, serial, cause }) = elected else { return };
        let retry_ms = self.scope.rules.wait_ms.max(1) as i64;
        for ahead in waiter.slot.claim_ahead() {
            self.scope.counters.add(Counter::FillYields, 1);
            let answer = ahead.expire(retry_ms);
            self.answer(ahead, answer, true);
        }
        self.record_wait(&waiter);
        let handed_over = match cause {
            Cause::Fail => Some(Counter::FillHandoverFail),
            Cause::LeaseEnd => Some(Counter::FillHandoverLeaseEnd),
            Cause::Disconnect => Some(Counter::FillHandoverDisconnect),
            Cause::Void => None,
        };
        handed_over.into_iter().for_each(|counter| self.scope.counters.add(counter, 1));
        let grant =
            Grant { token: Token { boot: self.keyspace.boot, serial }, lease_ms: waiter.ask.lease_ms };
        let answer = waiter.slot.finish(waiter.index, Outcome::Lead(grant), retry_ms);
        let several = waiter.slot.homes.len() > 1;
        self.answer(waiter.slot, answer, several);
        self.file_flight(key, self.scope.now.mono_ms.saturating_add(grant.lease_ms));
    }

    /// Sends a claimed slot's answer once the locks are released.
    fn answer(&mut self, slot: Arc<ReplySlot>, answer: Answer, waits_elsewhere: bool) {
        count_answer(self.scope.counters, &answer);
        if waits_elsewhere {
            self.effects.forget.push(slot.clone());
        }
        self.effects.answers.push((slot, answer));
    }

    fn record_wait(&self, waiter: &Waiter<Arc<ReplySlot>>) {
        self.keyspace.fill_times.wait_ms.record(self.scope.now.mono_ms.saturating_sub(waiter.parked_at));
    }

    fn count_void(&self, had_lease: bool, cause: Counter) {
        self.scope.counters.add(cause, u64::from(had_lease));
    }

    /// Files the flight's next deadline, or forgets a flight with nothing left to remember.
    fn refile_or_drop(&mut self, key: &Key<'_>) {
        let next = self.db().flights.get(key.bytes).and_then(Flight::next_deadline);
        if let Some(at) = next {
            self.file_flight(key, at);
        }
        self.drop_if_over(key);
    }

    fn drop_if_over(&mut self, key: &Key<'_>) {
        if self.db().flights.get(key.bytes).is_some_and(Flight::is_over) {
            self.db().flights.remove(key.bytes);
            self.keyspace.flights.fetch_sub(1, Relaxed);
            self.shard.trim_deadlines();
        }
    }

    /// Files a deadline of a flight unless an earlier one is filed already.
    fn file_flight(&mut self, key: &Key<'_>, at: u64) {
        let db = self.db;
        let Some((stored, flight)) = self.shard.db(db).flights.get_key_value_mut(key.bytes) else { return };
        if at < flight.filed_at {
            flight.filed_at = at;
            let key = stored.clone();
            self.shard.file(at, Due::Flight { db, key });
            self.alarm(at);
        }
    }
}

impl NewValue<'_> {
    fn to_bytes(&self) -> Bytes {
        match self {
            NewValue::Small(bytes) => Bytes::copy_from_slice(bytes),
            NewValue::Shared(bytes) => bytes.clone(),
        }
    }
}

/// Counts each key of an answer: gets = the sum of the nine statuses, always.
pub(super) fn count_answer(counters: &Counters, answer: &Answer) {
    match answer {
        Answer::One(outcome) => count_outcome(counters, outcome),
        Answer::Many(outcomes) => outcomes.iter().for_each(|outcome| count_outcome(counters, outcome)),
        Answer::Unblocked => {}
    }
}

/// Counts one answered key.
pub fn count_outcome<V>(counters: &Counters, outcome: &Outcome<V>) {
    counters.add(Counter::FillGets, 1);
    let status = match outcome {
        Outcome::Hit { .. } => Counter::FillHits,
        Outcome::Lead(_) => Counter::FillLeads,
        Outcome::Refresh { .. } => Counter::FillRefreshes,
        Outcome::Stale { .. } => Counter::FillStale,
        Outcome::None { .. } => Counter::FillNone,
        Outcome::Fail { .. } => Counter::FillFail,
        Outcome::Pass { .. } => Counter::FillPass,
        Outcome::Wait { .. } => Counter::FillWait,
        Outcome::Leading { .. } => Counter::FillSelf,
    };
    counters.add(status, 1);
}

fn info(db: usize, key: &Arc<[u8]>, flight: &Flight<Arc<ReplySlot>>, now: u64) -> FlightInfo {
    let lease = flight.live_lease(now);
    FlightInfo {
        key: key.clone(),
        db,
        age_ms: now.saturating_sub(flight.opened_at),
        lease_left_ms: lease.map_or(0, |lease| lease.left_ms(now)),
        waiters: flight.waiters(),
        leader: lease.map_or(0, |lease| lease.client),
    }
}

/// XFetch: whether this caller should refresh a value before it expires.
/// `now - delta * beta * ln(random) >= expire_at` (Vattani et al., VLDB 2015).
fn is_early(ttl_ms: i64, delta_ms: u32, beta: f64) -> bool {
    if ttl_ms < 0 || delta_ms == 0 || beta <= 0.0 {
        return false;
    }
    // `1 - f64()` lies in (0, 1], so the logarithm is finite.
    let head_start_ms = -f64::from(delta_ms) * beta * (1.0 - fastrand::f64()).ln();
    head_start_ms >= ttl_ms as f64
}

fn takes_stale(limit_ms: Option<u64>, past_ms: i64) -> bool {
    limit_ms.is_none_or(|limit_ms| limit_ms > 0 && past_ms as u64 <= limit_ms)
}

/// Where a parked caller waits for this key.
#[must_use]
pub fn home(db: usize, key: &Key<'_>) -> Home {
    Home { db, key: Arc::from(key.bytes), hash: key.hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_refresh_needs_delta_ttl_and_beta() {
        assert!(!is_early(-1, 100, 1.0) && !is_early(0, 0, 1.0) && !is_early(0, 100, 0.0));
        assert!(is_early(0, 100, 1.0));
    }

    #[test]
    fn early_refresh_happens_as_often_as_the_formula_says() {
        fastrand::seed(1);
        // P(-delta * ln(u) >= ttl) = exp(-ttl / delta): with ttl = delta about 36.8 %.
        let early = (0..20_000).filter(|_| is_early(100, 100, 1.0)).count();
        assert!((7_100..7_620).contains(&early), "{early}");
    }
}
