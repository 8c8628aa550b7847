//! Telling waiters: answers into `Effects`, counted; deadlines filed; flights dropped when over.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::count_answer;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::fill::lease::Cause;
use crate::fill::{Answer, Elected, Grant, Outcome, ReplySlot, Token, Waiter};
use crate::keyspace::shard::Due;
use crate::keyspace::view::View;

impl View<'_> {
    /// Answers waiters from a finished fill; each slot is claimed as it completes.
    pub(super) fn settle_all(
        &mut self,
        key: &Key<'_>,
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
            let callers = waits_ms.len() as u64;
            self.scope.counters.add(Counter::FillCoalesced, callers);
            let epoch = self.keyspace.top_epoch.load(Relaxed);
            self.shard.top.add(epoch, self.db, key.bytes, key.hash, callers);
            self.keyspace.fill_times.wait_ms.record_all(waits_ms.into_iter());
        }
    }

    /// Tells an elected waiter; what stands ahead of it on its connection is answered WAIT.
    pub(super) fn announce(&mut self, key: &Key<'_>, elected: Option<Elected<Arc<ReplySlot>>>) {
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
            Grant { token: Token { boot: self.keyspace.boot, serial }, lease_ms: waiter.ask.lease_ms.into() };
        let answer = waiter.slot.finish(waiter.index, Outcome::Lead(grant), retry_ms);
        self.notify(Classes::FILL, "lead", key.bytes);
        let several = waiter.slot.homes().len() > 1;
        self.answer(waiter.slot, answer, several);
        self.file_flight(key, self.scope.now.mono_ms.saturating_add(grant.lease_ms));
    }

    /// Sends a claimed slot's answer once the locks are released.
    pub(super) fn answer(&mut self, slot: Arc<ReplySlot>, answer: Answer, waits_elsewhere: bool) {
        count_answer(self.scope.counters, &answer);
        if waits_elsewhere {
            self.effects.forget.push(slot.clone());
        }
        self.effects.answers.push((slot, answer));
    }

    pub(super) fn record_wait(&self, waiter: &Waiter<Arc<ReplySlot>>) {
        self.keyspace.fill_times.wait_ms.record(self.scope.now.mono_ms.saturating_sub(waiter.parked_at));
    }

    /// Files the flight's next deadline, or forgets a flight with nothing left to remember.
    pub(super) fn refile_or_drop(&mut self, key: &Key<'_>) {
        let now = self.scope.now.mono_ms;
        let flight = self.db().flights.get(key.bytes);
        let next = flight.and_then(|flight| flight.next_deadline());
        if flight.is_some_and(|flight| flight.live_lease(now).is_none()) {
            self.settled(key);
        }
        if let Some(at) = next {
            self.file_flight(key, at);
        }
        self.drop_if_over(key);
    }

    pub(super) fn drop_if_over(&mut self, key: &Key<'_>) {
        if self.db().flights.get(key.bytes).is_some_and(|flight| flight.is_over()) {
            self.db().flights.remove(key.bytes);
            self.keyspace.flights.fetch_sub(1, Relaxed);
            self.shard.trim_deadlines();
        }
    }

    /// Files a deadline of a flight unless an earlier one is filed already.
    pub(super) fn file_flight(&mut self, key: &Key<'_>, at: u64) {
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
