//! What happens to a flight from outside: deletions, writes, the clock, connections that end.

use std::sync::Arc;

use bytes::Bytes;

use super::Known;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::fill::Flight;
use crate::keyspace::flights::Record;
use crate::keyspace::view::View;
use crate::parking::outcome::ASK_AGAIN_MS;
use crate::parking::{Outcome, ReplySlot, Token};
use crate::storage::{ValueRef, WrongType};

impl View<'_> {
    /// Lets a lease's clock begin when its reply is handed to the socket of `client`. False if the lease has ended.
    pub fn lease_handed(&mut self, hash: u64, serial: u64, client: u64) -> bool {
        let now = self.scope.now.mono_ms;
        self.change_led(hash, serial, |flight| flight.lease_handed(serial, client, now))
    }

    /// The answer of this lease has arrived and is put off: until then nobody succeeds to it.
    pub fn fill_answer_arrived(&mut self, key: &Key<'_>, token: Token, until_ms: u64) {
        self.tick_due_flight(key);
        let (now, ours) = (self.scope.now.mono_ms, token.boot == self.keyspace.boot);
        if let Some(record) = self.db().flights.get_mut(key).filter(|_| ours) {
            record.flight.answer_arrived(token.serial, until_ms, now);
        }
    }

    /// The connection that leads with this lease closed.
    pub fn leader_gone(&mut self, hash: u64, serial: u64, client: u64) {
        let (now, grace_ms) = (self.scope.now.mono_ms, self.scope.rules.orphan_grace_ms);
        self.change_led(hash, serial, |flight| flight.leader_gone(serial, client, grace_ms, now));
    }

    /// Who was granted this lease can't answer it: a hand-over's connection closed before that was written, or a right was taken.
    pub fn lease_undelivered(&mut self, key: &Key<'_>, granted: u64) {
        let now = self.scope.now.mono_ms;
        let serial = self.shard.next_serial();
        if let Some(record) = self.db().flights.get_mut(key) {
            let elected = record.flight.abandon(granted, serial, now);
            self.announce(key, elected);
            self.refile_or_drop(key);
        }
    }

    /// A waiter of this key was answered elsewhere or its connection is gone.
    pub fn forget_waiter(&mut self, key: &Key<'_>, slot: &Arc<ReplySlot>, index: u32) {
        if slot.waits_for_keys() {
            self.forget_waiting(key, slot, index);
        } else if let Some(record) = self.db().flights.get_mut(key) {
            record.flight.forget_one(slot, index);
            self.drop_if_over(key);
        }
    }

    /// Whether the lease with this serial is still in force, or its late answer welcome.
    pub fn is_leading(&mut self, hash: u64, serial: u64) -> bool {
        self.led(hash, serial).is_some()
    }

    /// The key of the flight that `client` leads with this lease.
    pub fn led_by(&mut self, hash: u64, serial: u64, client: u64) -> Option<Arc<[u8]>> {
        let is_theirs = |flight: &Flight<_>| flight.lease().is_some_and(|lease| lease.client == client);
        let is_it = |record: &Record| record.flight.accepts(serial) && is_theirs(&record.flight);
        self.db().flights.find(hash, is_it).map(|record| record.key.clone())
    }

    /// The key of the flight with this lease.
    fn led(&mut self, hash: u64, serial: u64) -> Option<Arc<[u8]>> {
        let record = self.db().flights.find(hash, |record| record.flight.accepts(serial));
        record.map(|record| record.key.clone())
    }

    /// Changes the flight with this lease; false if there is none.
    fn change_led(
        &mut self,
        hash: u64,
        serial: u64,
        change: impl FnOnce(&mut Flight<Arc<ReplySlot>>),
    ) -> bool {
        let Some(key) = self.led(hash, serial) else { return false };
        let key = Key { bytes: &key, hash };
        if let Some(record) = self.db().flights.get_mut(&key) {
            change(&mut record.flight);
            self.refile_or_drop(&key);
        }
        true
    }

    /// A write left a value: the lease is void, everybody waiting gets the value.
    pub(in crate::keyspace) fn void_by_write(&mut self, key: &Key<'_>) {
        let Some(record) = self.db().flights.get_mut(key) else { return };
        let had_lease = record.flight.lease().is_some();
        let waiters = record.flight.fulfil();
        self.count_void(key, had_lease, Counter::FillVoidWrite);
        self.drop_if_over(key);
        let ttl_ms = match self.known(key) {
            Known::Fresh { ttl_ms, .. } => ttl_ms,
            _ => -1,
        };
        let value = self.store().get(key).map(|entry| entry.value().map(ValueRef::to_bytes));
        let outcome = match value.unwrap_or_else(|| Ok(Bytes::new())) {
            Ok(value) => Outcome::Hit { value, ttl_ms },
            Err(WrongType) => Outcome::WrongType,
        };
        self.settle_all(key, waiters.into_iter(), |_| outcome.clone());
    }

    /// A deletion, also of an absent key: the lease is void, the oldest waiter leads the new generation.
    pub(in crate::keyspace) fn void_by_delete(&mut self, key: &Key<'_>, cause: Counter) {
        if self.db().flights.is_empty() {
            return;
        }
        let now = self.scope.now.mono_ms;
        let serial = self.shard.next_serial();
        let Some(record) = self.db().flights.get_mut(key) else { return };
        let had_lease = record.flight.lease().is_some();
        let elected = record.flight.void(serial, now);
        self.count_void(key, had_lease, cause);
        self.announce(key, elected);
        self.refile_or_drop(key);
    }

    /// FLUSHALL, FLUSHDB, SWAPDB: as a deletion of every key with a flight in this database.
    pub(in crate::keyspace) fn void_all(&mut self) {
        let keys: Vec<(Arc<[u8]>, u64)> =
            self.db().flights.iter().map(|record| (record.key.clone(), record.hash)).collect();
        for (bytes, hash) in keys {
            self.void_by_delete(&Key { bytes: &bytes, hash }, Counter::FillVoidFlush);
        }
    }

    /// Applies the time to a flight whose next deadline has come.
    pub(in crate::keyspace) fn tick_due_flight(&mut self, key: &Key<'_>) {
        let now = self.scope.now.mono_ms;
        if self.db().flights.get(key).is_some_and(|record| record.flight.filed_at <= now) {
            self.tick_flight(key);
        }
    }

    pub(in crate::keyspace) fn tick_flight(&mut self, key: &Key<'_>) {
        let (now, late_ms) = (self.scope.now.mono_ms, self.scope.rules.late_ms);
        let serial = self.shard.next_serial();
        let Some(record) = self.db().flights.get_mut(key) else { return };
        record.flight.filed_at = u64::MAX;
        let ticked = record.flight.tick(serial, late_ms, now);
        self.scope.counters.add(Counter::FillWaitExpired, ticked.expired.len() as u64);
        for waiter in ticked.expired {
            self.record_wait(&waiter);
            self.answer(waiter.slot.clone(), waiter.slot.expire(ASK_AGAIN_MS), waiter.slot.homes().len() > 1);
        }
        self.announce(key, ticked.elected);
        self.refile_or_drop(key);
    }

    fn count_void(&mut self, key: &Key<'_>, had_lease: bool, cause: Counter) {
        if had_lease {
            self.scope.counters.add(cause, 1);
            self.notify(Classes::FILL, "void", key.bytes);
        }
    }
}
