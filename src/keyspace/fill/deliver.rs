//! Telling waiters: answers into `Effects`, counted; deadlines filed; flights dropped when over.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::count_answer;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::limits::LEADERLESS_PASS_MS;
use crate::base::metrics::Counter;
use crate::fill::lease::Cause;
use crate::fill::{Elected, Waiter};
use crate::keyspace::fills::Place;
use crate::keyspace::flights::Record;
use crate::keyspace::shard::Due;
use crate::keyspace::view::View;
use crate::parking::outcome::ASK_AGAIN_MS;
use crate::parking::{Answer, Grant, Outcome, ReplySlot, Token};

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

    /// Tells an elected waiter; what stands ahead of it on its connection is answered WAIT. Where nobody was elected and nobody
    /// leads, who still waits may not lead, and computes for itself.
    pub(super) fn announce(&mut self, key: &Key<'_>, elected: Option<Elected<Arc<ReplySlot>>>) {
        let Some(Elected { waiter, serial, cause }) = elected else { return self.pass_leaderless(key) };
        for ahead in waiter.slot.claim_ahead() {
            self.scope.counters.add(Counter::FillYields, 1);
            let answer = ahead.expire(ASK_AGAIN_MS);
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
        let answer = waiter.slot.finish(waiter.index, Outcome::Lead(grant), ASK_AGAIN_MS);
        self.notify(Classes::FILL, "lead", key.bytes);
        let several = waiter.slot.homes().len() > 1;
        self.answer(waiter.slot, answer, several);
        self.file_flight(key, self.scope.now.mono_ms.saturating_add(grant.lease_ms));
    }

    fn pass_leaderless(&mut self, key: &Key<'_>) {
        let record = self.db().flights.get_mut(key);
        for waiter in record.map(|record| record.flight.take_leaderless()).unwrap_or_default() {
            self.record_wait(&waiter);
            let outcome = Outcome::Pass { ttl_ms: LEADERLESS_PASS_MS };
            if let Some(answer) = waiter.slot.settle(waiter.index, outcome) {
                self.answer(waiter.slot, answer, false);
            }
        }
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
        let flight = self.db().flights.get(key).map(|record| &record.flight);
        let next = flight.and_then(|flight| flight.next_deadline());
        if flight.is_some_and(|flight| flight.live_lease(now).is_none()) {
            self.settled(key);
        }
        if let Some(at) = next {
            self.file_flight(key, at);
        }
        self.drop_if_over(key);
    }

    /// Ends what changes a flight: forgets it where nothing is left to remember, else counts what became of it.
    pub(super) fn drop_if_over(&mut self, key: &Key<'_>) {
        if self.db().flights.get(key).is_some_and(|record| record.flight.is_over()) {
            self.drop_flight(key);
        } else {
            self.note_flight(key);
        }
    }

    pub(super) fn drop_flight(&mut self, key: &Key<'_>) {
        let Some(record) = self.db().flights.remove(key) else { return };
        let fills = &self.keyspace.fills;
        match record.kept {
            Some(number) => fills.kept.remove(number),
            None => fills.end(),
        }
        fills.held.change(record.counted_bytes, 0);
        self.shard.trim_deadlines();
        self.note_tables();
    }

    /// Counts a flight that changed: what it takes, and whether it is at work or kept.
    pub(super) fn note_flight(&mut self, key: &Key<'_>) {
        let (db, fills) = (self.db, &self.keyspace.fills);
        let Some(record) = self.shard.db(db).flights.get_mut(key) else { return };
        let bytes = record.held_bytes();
        fills.held.change(std::mem::replace(&mut record.counted_bytes, bytes), bytes);
        match (record.flight.is_at_work(), record.kept) {
            (true, Some(number)) => {
                fills.kept.remove(number);
                fills.resume();
                record.kept = None;
            }
            (false, None) => {
                record.kept = Some(fills.kept.add(Place { db, hash: key.hash, id: record.id }));
                fills.end();
                self.effects.is_crowded |= fills.is_crowded(0, self.scope.rules);
            }
            _ => {}
        }
        self.note_tables();
    }

    /// Counts the tables that flights lie in.
    pub(in crate::keyspace) fn note_tables(&mut self) {
        let (db, held) = (self.db, &self.keyspace.fills.held);
        let flights = &mut self.shard.db(db).flights;
        let bytes = flights.table_bytes();
        held.change(std::mem::replace(&mut flights.counted_bytes, bytes), bytes);
        let bytes = self.shard.beside_bytes();
        held.change(std::mem::replace(&mut self.shard.counted_bytes, bytes), bytes);
    }

    /// As `note_tables`, for all databases.
    pub(in crate::keyspace) fn note_all_tables(&mut self) {
        for db in 0..self.shard.dbs.len() {
            self.db = db;
            self.note_tables();
        }
    }

    /// Files a deadline of a flight unless an earlier one is filed already.
    pub(super) fn file_flight(&mut self, key: &Key<'_>, at: u64) {
        let db = self.db;
        let Some(Record { id, hash, flight, .. }) = self.shard.db(db).flights.get_mut(key) else { return };
        if at < flight.filed_at {
            flight.filed_at = at;
            let (hash, id) = (*hash, *id);
            self.shard.file(at, Due::Flight { db, hash, id });
            self.alarm(at);
        }
    }
}
