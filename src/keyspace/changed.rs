//! What a change leads to: the one place where counters, watchers, caches and flights are told of it.
//!
//! A verb changes the store and then says here what happened; the event it is known by among clients, such as `set` or
//! `del`, it notes itself. Invariant: nothing that ordinary commands can see changes without one of these calls.

use std::sync::atomic::Ordering::Relaxed;

use super::view::View;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::storage::{Found, Kind};

impl View<'_> {
    /// A write left a value: a lease is void, waiters get the value.
    pub(super) fn wrote(&mut self, key: &Key<'_>) {
        self.changed(key.bytes);
        if !self.db().flights.is_empty() {
            self.void_by_write(key);
        }
    }

    /// A write left a collection that may have got items: the one place that hears of it, whichever way they came.
    pub(super) fn gained(&mut self, key: &Key<'_>) {
        self.wrote(key);
        self.ready(key);
    }

    /// A deletion took out what was there, `None` where nothing was: a lease is void all the same, and the oldest waiter
    /// leads.
    pub(super) fn deleted(&mut self, key: &Key<'_>, taken: Option<Kind>) {
        if let Some(kind) = taken {
            self.answered(key, kind.is_visible());
        }
        self.void_by_delete(key, Counter::FillVoidDelete);
    }

    /// The value went to another name or database: the new place is what counts as changed.
    pub(super) fn moved_away(&mut self, key: &Key<'_>) {
        self.touched(key.bytes, true);
        self.void_by_delete(key, Counter::FillVoidDelete);
    }

    /// A deadline was set or taken away. Flights stay good.
    pub(super) fn retimed(&mut self, key: &Key<'_>) {
        self.changed(key.bytes);
    }

    /// Something of a key changed and its flight is looked after elsewhere: where it `shows` to ordinary commands this
    /// is a change like any other, else only caches may know of it what FILL commands tell.
    pub(super) fn answered(&mut self, key: &Key<'_>, shows: bool) {
        if shows {
            self.changed(key.bytes);
        } else {
            self.outdated(key.bytes, true);
        }
    }

    /// A visible entry's time is up. Nobody's request did that, whichever met it first. Flights stay good: expiry says
    /// nothing about the truth at the origin.
    pub(super) fn expired(&mut self, key: &[u8]) {
        self.scope.counters.add(Counter::ExpiredKeys, 1);
        self.touched(key, false);
        self.notify(Classes::EXPIRED, "expired", key);
    }

    /// The time of fields of a hash is up, as that of an entry.
    pub(super) fn fields_expired(&mut self, key: &[u8], fields: usize) {
        self.scope.counters.add(Counter::ExpiredFields, fields as u64);
        self.touched(key, false);
        self.notify(Classes::HASH, "hexpired", key);
    }

    /// An entry had to make room, for whichever request. Flights stay good: eviction says nothing about the truth at
    /// the origin.
    pub(super) fn evicted(&mut self, key: &[u8]) {
        self.scope.counters.add(Counter::EvictedKeys, 1);
        self.touched(key, false);
        self.notify(Classes::EVICTED, "evicted", key);
    }

    /// Takes an entry out and says so: of one that ordinary commands saw with `tell`, of a hidden one only caches may
    /// know.
    pub(super) fn take_and_tell(&mut self, found: Found, tell: fn(&mut Self, &[u8])) {
        let key = self.store().entry(found).key().to_vec();
        match self.take_found(found) {
            Kind::Value | Kind::Collection => tell(self, &key),
            Kind::Stale | Kind::None | Kind::Pass => self.outdated(&key, false),
        }
    }

    /// A fill ended: a caller that was told WAIT may ask again.
    pub(super) fn settled(&mut self, key: &Key<'_>) {
        self.outdated(key.bytes, true);
    }

    fn changed(&mut self, key: &[u8]) {
        self.scope.counters.add(Counter::Changes, 1);
        self.touched(key, true);
    }

    /// A key's value or deadline changed, or it went: watchers are told at once, caches after the unlock.
    #[inline]
    fn touched(&mut self, key: &[u8], is_write: bool) {
        self.db().watchers.touch(key);
        self.outdated(key, is_write);
    }

    /// What a cache may hold of a key, be it only that it is being filled, is out of date: by a write of this request,
    /// or by what this request only came upon.
    #[inline]
    fn outdated(&mut self, key: &[u8], is_write: bool) {
        // A reader raises the number before it locks this shard to read, so a writer behind it sees that.
        if self.keyspace.trackers.load(Relaxed) > 0 {
            self.effects.note_change(key, self.scope.by, is_write);
        }
    }
}
