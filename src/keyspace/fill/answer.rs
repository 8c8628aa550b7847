//! PUT, NONE, PASS, FAIL, RENEW, STALE on one key: check the token, store, end the flight.

use std::sync::Arc;

use bytes::Bytes;

use super::{AnswerKind, Known, Put, PutKind, takes_stale};
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::lent::Lending;
use crate::base::metrics::Counter;
use crate::fill::Waiter;
use crate::fill::flight::Failed;
use crate::fill::lease::Backoff;
use crate::keyspace::idle::Ends;
use crate::keyspace::shard::{Answered, Due};
use crate::keyspace::view::View;
use crate::keyspace::view::visible;
use crate::parking::{Outcome, ReplySlot, Token};
use crate::storage::{Idle, Kind, Meta, NewValue, Refill, WrongType};

/// The message of a FILL.FAIL without one.
const FAILED: &[u8] = b"fill failed";
/// Bytes that it takes to remember how a token was answered, about.
const ANSWERED_BYTES: usize = 128;

impl View<'_> {
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
        let record = self.db().flights.get_mut(key);
        let waiters = record.map(|record| record.flight.fulfil()).unwrap_or_default();
        self.drop_if_over(key);
        let idle_ms = match &kind {
            PutKind::Value { idle_ms, .. } => *idle_ms,
            PutKind::None | PutKind::Pass => None,
        };
        let wall_ms = self.scope.now.wall_ms;
        let (expire_at, idle) = Ends { until: expire_at, idle_ms }.from(wall_ms);
        let ttl_ms = expire_at.map_or(-1, |at| (at - wall_ms).max(0));
        let outcome = match &kind {
            PutKind::Value { value, .. } => Outcome::Hit { value: value.to_bytes(), ttl_ms },
            PutKind::None => Outcome::None { ttl_ms },
            PutKind::Pass => Outcome::Pass { ttl_ms },
        };
        let is_value = matches!(kind, PutKind::Value { .. });
        self.store_answer(key, kind, expire_at, idle, fill_ms);
        self.tell_filled(key, is_value, expire_at);
        self.keyspace.fill_times.waiters.record(waiters.len() as u64);
        self.keyspace.fill_times.fill_ms.record(fill_ms);
        self.settle_all(key, waiters.into_iter(), |_| outcome.clone());
        Put::Stored
    }

    /// The events of an answered token: those of a SET where a value was stored, and the fill itself.
    fn tell_filled(&mut self, key: &Key<'_>, is_value: bool, expire_at: Option<i64>) {
        if is_value && expire_at.is_none_or(|at| at > self.scope.now.wall_ms) {
            self.notify(Classes::STRING, "set", key.bytes);
            if expire_at.is_some() {
                self.notify(Classes::GENERIC, "expire", key.bytes);
            }
        }
        self.notify(Classes::FILL, "fill", key.bytes);
    }

    /// FAIL: hands the lease on, or shares the failure.
    pub fn fill_fail(
        &mut self,
        key: &Key<'_>,
        token: Token,
        message: Option<&[u8]>,
        retry_ms: Option<u64>,
    ) -> Put {
        let Some(fill_ms) = self.accept(key, token, AnswerKind::Fail) else {
            return self.refuse(key, token, AnswerKind::Fail);
        };
        self.keyspace.fill_times.fill_ms.record(fill_ms);
        let now = self.scope.now.mono_ms;
        self.notify(Classes::FILL, "fail", key.bytes);
        let serial = self.shard.next_serial();
        let message = self.keep_message(message);
        let Some(record) = self.db().flights.get_mut(key) else { return Put::Stored };
        match record.flight.fail(message, retry_ms, serial, now) {
            Failed::HandedOver(elected) => self.announce(key, elected),
            Failed::Shared(waiters, backoff) => self.share_failure(key, waiters, &backoff),
        }
        self.refile_or_drop(key);
        Put::Stored
    }

    /// The message of a failure, to share: it counts among what fills hold, and is left out where that is too much.
    fn keep_message(&mut self, message: Option<&[u8]>) -> Bytes {
        let (fills, rules) = (&self.keyspace.fills, self.scope.rules);
        match message {
            Some(message) if fills.has_room(message.len(), rules) => {
                Lending::within(&fills.held).copy(message, 0)
            }
            Some(message) => {
                self.effects.is_crowded |= fills.is_crowded(message.len(), rules);
                self.scope.counters.add(Counter::FillShedMemory, 1);
                Bytes::from_static(FAILED)
            }
            None => Bytes::from_static(FAILED),
        }
    }

    fn share_failure(&mut self, key: &Key<'_>, waiters: Vec<Waiter<Arc<ReplySlot>>>, backoff: &Backoff) {
        let retry_ms = (backoff.until - self.scope.now.mono_ms) as i64;
        let stale = match self.known(key) {
            Known::Stale { past_ms } => {
                let entry = self.store().get(key);
                entry.and_then(|entry| Some((entry.value().ok()?.to_bytes(), past_ms)))
            }
            _ => None,
        };
        self.settle_all(key, waiters.into_iter(), |waiter| match &stale {
            Some((value, past_ms)) if takes_stale(waiter.ask.stale_ms, *past_ms) => {
                Outcome::Stale { value: value.clone(), past_ms: *past_ms }
            }
            _ => Outcome::Fail { message: backoff.message.clone(), retry_ms },
        });
    }

    /// RENEW: milliseconds left of the prolonged lease, 0 if the token is void.
    pub fn fill_renew(&mut self, key: &Key<'_>, token: Token, lease_ms: Option<u32>) -> u64 {
        self.tick_due_flight(key);
        let now = self.scope.now.mono_ms;
        let ours = token.boot == self.keyspace.boot;
        let record = self.db().flights.get_mut(key).filter(|_| ours);
        let Some(left_ms) = record.and_then(|record| record.flight.renew(token.serial, lease_ms, now)) else {
            return 0;
        };
        self.file_flight(key, now.saturating_add(left_ms));
        self.note_flight(key);
        left_ms
    }

    /// STALE: a fresh value becomes stale now and keeps `grace_ms`; a flight is voided.
    /// True if a value was kept as stale.
    ///
    /// # Errors
    /// Where it is no string: a collection can't be stale.
    pub fn fill_stale(&mut self, key: &Key<'_>, grace_ms: Option<u32>) -> Result<bool, WrongType> {
        let known = self.known(key);
        let default_ms = u32::try_from(self.scope.rules.grace_ms).unwrap_or(u32::MAX);
        let wall_ms = self.scope.now.wall_ms;
        let entry = self.store().get(key);
        let own = entry.and_then(|entry| entry.refill()).unwrap_or_default();
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
            Known::Collection => return Err(WrongType),
            Known::Missing | Known::None { .. } | Known::Pass { .. } => None,
        };
        let kept = kept.filter(|(_, grace_ms)| *grace_ms > 0);
        let value = self.store().get(key).map(|entry| entry.to_taken());
        match (kept, value) {
            (Some((expire_at, grace_ms)), Some(value)) => {
                let refill = Some(Refill { grace_ms, ..own });
                let meta = Meta { kind: Kind::Stale, refill, ..Meta::value(Some(expire_at)) };
                self.put_taken(key, value, meta);
            }
            _ => {
                self.take_entry(key);
            }
        }
        self.answered(key, matches!(known, Known::Fresh { .. }));
        if matches!(known, Known::Fresh { .. }) {
            self.notify(Classes::GENERIC, "del", key.bytes);
        }
        self.void_by_delete(key, Counter::FillVoidDelete);
        Ok(kept.is_some())
    }

    /// Checks a token. If its answer is welcome: notes it, and returns the ms since the lease began.
    fn accept(&mut self, key: &Key<'_>, token: Token, kind: AnswerKind) -> Option<u64> {
        // A lease whose time has come but was not ticked yet is succeeded first, as the sweeper would do.
        self.tick_due_flight(key);
        let now = self.scope.now.mono_ms;
        let ours = token.boot == self.keyspace.boot;
        let record =
            self.db().flights.get(key).filter(|record| ours && record.flight.accepts(token.serial))?;
        let lease = record.flight.lease()?;
        let (started_at, lease_ms, late) = (lease.started_at, lease.lease_ms, !lease.is_live(now));
        self.scope.counters.add(Counter::FillPutsOk, 1);
        self.scope.counters.add(Counter::FillPutsLate, u64::from(late));
        // Remembering answers is a courtesy to resends; its memory is bounded like that of the flights.
        let rules = self.scope.rules;
        let is_few = self.shard.answered.len() < rules.flights / self.keyspace.shards_in_use() * 2 + 64;
        if is_few && self.keyspace.fills.has_room(ANSWERED_BYTES, rules) {
            let until = now.saturating_add(u64::from(lease_ms) * 2);
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

    fn store_answer(
        &mut self,
        key: &Key<'_>,
        kind: PutKind<'_>,
        expire_at: Option<i64>,
        idle: Option<Idle>,
        fill_ms: u64,
    ) {
        let wall_ms = self.scope.now.wall_ms;
        let (kind, value, refill) = match kind {
            PutKind::Value { value, grace_ms, .. } => {
                let delta_ms = u32::try_from(fill_ms).unwrap_or(u32::MAX);
                // Without a deadline there is no early refresh, but FILL.STALE may need the grace.
                let delta_ms = if expire_at.is_some() { delta_ms } else { 0 };
                let refill = Refill { grace_ms, delta_ms };
                (Kind::Value, value, Some(refill).filter(|refill| *refill != Refill::default()))
            }
            PutKind::None => (Kind::None, NewValue::Small(b""), None),
            PutKind::Pass => (Kind::Pass, NewValue::Small(b""), None),
        };
        let grace_ms = refill.map_or(0, |refill| i64::from(refill.grace_ms));
        let is_past = expire_at.is_some_and(|at| at <= wall_ms);
        let shows = (kind == Kind::Value && !is_past) || visible(self.store(), key).is_some();
        if expire_at.is_some_and(|at| at.saturating_add(grace_ms) <= wall_ms) {
            self.take_entry(key);
        } else {
            let kind = if is_past { Kind::Stale } else { kind };
            self.put_entry(key, &value, Meta { kind, idle, refill, ..Meta::value(expire_at) });
        }
        self.answered(key, shows);
    }
}
