//! The verbs of ordinary commands on one locked shard.
//!
//! Every verb sees a key as its users do: what has expired, and what only FILL knows, is absent.
//! Every change is told through `changed`.

use std::num::NonZeroU64;

use super::idle::{Ends, Expiry};
use super::sweep::look_at;
use super::view::{Scope, View, find_visible, visible};
use super::watch::Watch;
use crate::base::clock::Now;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::limits::SWEEP_FIELDS_MAX;
use crate::base::metrics::Counter;
use crate::storage::{
    Content, Entry, Found, Kind, Meta, NewContent, NewValue, Removed, Store, Taken, ValueRef, WrongType,
};

/// The condition of a SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetWhen<'a> {
    Always,
    Absent,
    Present,
    Equals(&'a [u8]),
}

impl View<'_> {
    /// The value of a key, counted as a hit or a miss.
    ///
    /// # Errors
    /// Where it is no string; counted all the same.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>) -> Result<Option<ValueRef<'_>>, WrongType> {
        self.look(key, |entry| entry.value()).transpose()
    }

    /// Shows the entry of a key, of whatever type, counted as a hit or a miss, and as a use.
    #[inline]
    pub(super) fn look<'s, R>(&'s mut self, key: &Key<'_>, see: impl FnOnce(Entry<'s>) -> R) -> Option<R> {
        self.meet(key, |store, found| see(store.entry(found)))
    }

    /// As `look`, for what must know where the entry is.
    #[inline]
    pub(super) fn meet<'s, R>(
        &'s mut self,
        key: &Key<'_>,
        see: impl FnOnce(&'s mut Store, Found) -> R,
    ) -> Option<R> {
        self.tend(key);
        let View { shard, effects, scope, db, .. } = self;
        let store = &mut shard.db(*db).store;
        let found = find_visible(store, key);
        let counter = if found.is_some() { Counter::KeyspaceHits } else { Counter::KeyspaceMisses };
        scope.counters.add(counter, 1);
        let Some(found) = found else {
            if scope.rules.events.has(Classes::KEY_MISS) {
                effects.note_event(*db, "keymiss", key.bytes);
            }
            return None;
        };
        scope.note_use(store, found);
        Some(see(store, found))
    }

    /// The entry of a key, counted as a hit or a miss without the event of a missing key: for commands about a key rather
    /// than its value.
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<Entry<'_>> {
        self.tend(key);
        let counters = self.scope.counters;
        let found = visible(self.store(), key);
        counters.add(if found.is_some() { Counter::KeyspaceHits } else { Counter::KeyspaceMisses }, 1);
        found
    }

    /// The value of a key, not counted.
    ///
    /// # Errors
    /// Where it is no string.
    #[inline]
    pub fn peek(&mut self, key: &Key<'_>) -> Result<Option<ValueRef<'_>>, WrongType> {
        self.tend(key);
        visible(self.store(), key).map(|entry| entry.value()).transpose()
    }

    /// The entry of a key, of whatever type; not counted.
    pub fn entry(&mut self, key: &Key<'_>) -> Option<Entry<'_>> {
        self.tend(key);
        visible(self.store(), key)
    }

    /// Whether there is a key, of whatever type; not counted.
    pub fn has(&mut self, key: &Key<'_>) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the key exists, counted as a hit or a miss.
    pub fn exists(&mut self, key: &Key<'_>) -> bool {
        self.look(key, |_| ()).is_some()
    }

    /// The key's deadline: `None` if it is absent, `Some(None)` if it has none.
    pub fn expire_at(&mut self, key: &Key<'_>) -> Option<Option<i64>> {
        self.tend(key);
        visible(self.store(), key).map(|entry| entry.expire_at())
    }

    /// Whether `when` holds for the key as it is now.
    ///
    /// # Errors
    /// Where a value is to be compared with what is no string.
    pub fn admits(&mut self, key: &Key<'_>, when: &SetWhen<'_>) -> Result<bool, WrongType> {
        Ok(match when {
            SetWhen::Always => true,
            SetWhen::Absent => !self.has(key),
            SetWhen::Present => self.has(key),
            SetWhen::Equals(expected) => self.peek(key)?.is_some_and(|value| value.as_slice() == *expected),
        })
    }

    /// SET and its kin: stores a value, and tells so.
    pub fn set(&mut self, key: &Key<'_>, value: &NewValue<'_>, expiry: Expiry) {
        self.set_idle(key, value, expiry, None);
    }

    /// As `set`, with a limit on the idle time; `None` leaves the one that `Expiry::Keep` finds.
    pub fn set_idle(
        &mut self,
        key: &Key<'_>,
        value: &NewValue<'_>,
        expiry: Expiry,
        idle_ms: Option<NonZeroU64>,
    ) {
        self.store_value(key, value, expiry, idle_ms);
        self.notify(Classes::STRING, "set", key.bytes);
        if matches!(expiry, Expiry::At(_)) || idle_ms.is_some() {
            self.notify(Classes::GENERIC, "expire", key.bytes);
        }
        if let Expiry::At(at) = expiry
            && at <= self.scope.now.wall_ms
        {
            self.notify(Classes::EXPIRED, "expired", key.bytes);
        }
    }

    /// Stores a value, as part of something that tells what it is. A deadline that is already past removes
    /// the key instead, as in Redis.
    pub fn set_quietly(&mut self, key: &Key<'_>, value: &NewValue<'_>, expiry: Expiry) {
        self.store_value(key, value, expiry, None);
    }

    /// Changes a value in place, or creates it from nothing: `change` sees it with length `len`.
    /// Deadline and refill facts stay.
    ///
    /// # Errors
    /// Where it is no string; then nothing changes.
    pub fn edit(
        &mut self,
        key: &Key<'_>,
        len: usize,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<(), WrongType> {
        let change = |bytes: &mut [u8]| {
            change(bytes);
            true
        };
        self.edit_if(key, len, change).map(|_| ())
    }

    /// As `edit`, but `change` says whether it changed a byte: nobody is told where it did not and the
    /// length is the same as before. Returns whether they were told.
    ///
    /// # Errors
    /// As `edit`.
    pub fn edit_if(
        &mut self,
        key: &Key<'_>,
        len: usize,
        change: impl FnOnce(&mut [u8]) -> bool,
    ) -> Result<bool, WrongType> {
        self.tend(key);
        let mut is_changed = true;
        let scope = self.scope;
        let store = self.store();
        match find_visible(store, key) {
            Some(found) => {
                let old = store.entry(found).value()?;
                let (before, is_large) = (old.len(), matches!(old, ValueRef::Shared(_)));
                scope.note_use(store, found);
                let change = |bytes: &mut [u8]| is_changed = change(bytes) || before != len;
                let found = match is_large {
                    false => store.edit(found, len, change),
                    true => self.edit_large(found, len, change),
                };
                if is_changed {
                    self.store().set_edited(found, true);
                }
                self.note_size();
            }
            None => {
                let mut bytes = vec![0; len];
                change(&mut bytes);
                let value = bytes::Bytes::from(bytes);
                let meta = Meta { edited: true, ..Meta::value(None) };
                self.put_entry(key, &NewValue::from_shared(&value), meta);
            }
        }
        if is_changed {
            self.wrote(key);
        }
        Ok(is_changed)
    }

    /// Replaces a value by one that `compute` makes of it (`None`: of an absent key), in one look-up.
    /// Deadline and refill facts stay; nothing changes where `compute` fails, or where it is no string.
    pub fn recompute<T: AsRef<[u8]>, E: From<WrongType>>(
        &mut self,
        key: &Key<'_>,
        compute: impl FnOnce(Option<&[u8]>) -> Result<T, E>,
    ) -> Result<(), E> {
        self.tend(key);
        let scope = self.scope;
        let store = self.store();
        match find_visible(store, key) {
            Some(found) => {
                scope.note_use(store, found);
                let old = store.entry(found).value()?;
                let is_large = matches!(old, ValueRef::Shared(_));
                let value = compute(Some(old.as_slice()))?;
                let value = value.as_ref();
                let change = |bytes: &mut [u8]| bytes.copy_from_slice(value);
                let found = match is_large {
                    false => store.edit(found, value.len(), change),
                    true => self.edit_large(found, value.len(), change),
                };
                self.store().set_edited(found, false);
                self.note_size();
            }
            None => {
                let value = compute(None)?;
                self.put_entry(key, &NewValue::copied(value.as_ref()), Meta::value(None));
            }
        }
        self.wrote(key);
        Ok(())
    }

    /// The stamp of a visible key's last use, where the policy of eviction keeps one. Counted as `inspect` is, and
    /// not as a use.
    pub fn use_stamp(&mut self, key: &Key<'_>) -> Option<u32> {
        self.inspect(key)?;
        self.follow_eviction();
        let store = self.store();
        find_visible(store, key).map(|found| store.stamp(found))
    }

    /// Removes a key, and tells so; false if no command could see it. Voids a flight also of an absent key.
    pub fn remove(&mut self, key: &Key<'_>) -> bool {
        let was_visible = self.erase(key);
        if was_visible {
            self.notify(Classes::GENERIC, "del", key.bytes);
        }
        was_visible
    }

    pub(super) fn erase(&mut self, key: &Key<'_>) -> bool {
        self.tend(key);
        let taken = self.take_entry(key);
        self.deleted(key, taken);
        taken.is_some_and(Kind::is_visible)
    }

    /// Sets when an existing key ends; a past deadline removes the key. The idle time begins anew.
    /// TTL-only: flights stay good, watchers are told.
    pub fn set_ends(&mut self, key: &Key<'_>, ends: Ends) {
        let wall_ms = self.scope.now.wall_ms;
        if ends.until.is_some_and(|at| at <= wall_ms) {
            self.remove(key);
            return;
        }
        let (expire_at, idle) = ends.from(wall_ms);
        let store = self.store();
        let Some(found) = find_visible(store, key) else { return };
        store.set_expire_at(wall_ms, key, found, expire_at, idle);
        self.note_size();
        self.note_expiry(expire_at);
        self.retimed(key);
        self.notify(Classes::GENERIC, if expire_at.is_some() { "expire" } else { "persist" }, key.bytes);
    }

    /// The key's value and deadline, taken out: for RENAME and MOVE.
    pub fn take(&mut self, key: &Key<'_>) -> Option<(Taken, Meta)> {
        self.tend(key);
        let found = find_visible(self.store(), key)?;
        let taken = self.take_out(found);
        self.moved_away(key);
        Some(taken)
    }

    /// The key's value and deadline, copied: for COPY. Cost: a large collection is copied whole.
    pub fn copy_out(&mut self, key: &Key<'_>) -> Option<(Taken, Meta)> {
        self.tend(key);
        visible(self.store(), key).map(|entry| (entry.to_taken(), entry.meta()))
    }

    /// Voids the key's lease as its deletion would, and leaves the entry: for COPY's source.
    pub fn void_lease(&mut self, key: &Key<'_>) {
        self.void_by_delete(key, Counter::FillVoidDelete);
    }

    /// Puts a taken or copied value under a key, with all that was known of it.
    pub fn put_back(&mut self, key: &Key<'_>, value: Taken, meta: Meta) {
        self.put_taken(key, value, meta);
        match meta.kind {
            Kind::Collection => self.gained(key),
            Kind::Value | Kind::Stale | Kind::None | Kind::Pass => self.wrote(key),
        }
    }

    /// Keys of this shard and database that ordinary commands see, expired ones not counted.
    pub fn len(&mut self) -> usize {
        if self.is_untouched() {
            return 0;
        }
        self.sweep_entries(usize::MAX);
        visible_count(self.store())
    }

    /// As `len`, but keys whose time is up count until they are reclaimed, and nothing is reclaimed here.
    pub fn stored(&mut self) -> usize {
        if self.is_untouched() { 0 } else { visible_count(self.store()) }
    }

    /// As `len`, compared with zero.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Visible keys with a deadline. Hidden entries are taken to have one, as all but a NONE or PASS that
    /// was given none do.
    pub fn expiring(&mut self) -> usize {
        if self.is_untouched() { 0 } else { expiring_count(self.store()) }
    }

    /// The TTL of an entry drawn at random, ms; `None` if it has none.
    pub fn sample_ttl(&mut self) -> Option<i64> {
        let wall_ms = self.scope.now.wall_ms;
        sample_ttl(self.store(), wall_ms)
    }

    /// Begins to watch a key, as it is now: what has expired is removed first and touches nobody later.
    pub fn watch(&mut self, key: &Key<'_>, watch: &Watch) {
        self.tend(key);
        self.db().watchers.add(key.bytes, watch);
    }

    /// Whether a watched key changed, or has expired since.
    pub fn is_touched(&mut self, key: &Key<'_>, watch: &Watch) -> bool {
        self.tend(key);
        watch.is_touched()
    }

    pub fn unwatch(&mut self, key: &Key<'_>, watch: &Watch) {
        self.db().watchers.remove(key.bytes, watch);
    }

    /// Casts off all entries of the database in this shard; the caller hands them to the reaper.
    pub fn flush(&mut self) {
        if self.is_untouched() {
            return;
        }
        // What has expired goes first, in its own right: to its watchers it is gone already.
        self.sweep_entries(usize::MAX);
        let empty = Store::new(self.keyspace.seed);
        let store = std::mem::replace(self.store(), empty);
        self.note_size();
        let keyspace = self.keyspace;
        let exists = |bytes: &[u8]| {
            let hash = keyspace.hash(bytes);
            store.get(&Key { bytes, hash }).is_some_and(|entry| entry.is_visible())
        };
        self.db().watchers.touch_where(exists);
        self.void_all();
        if !store.is_empty() {
            self.keyspace.cast_off(store);
        }
    }

    /// Whether this shard never held anything of the database, so that there is nothing to look at.
    pub(super) fn is_untouched(&self) -> bool {
        self.db >= self.shard.dbs.len()
    }

    /// Exchanges two databases of this shard.
    pub fn swap(&mut self, one: usize, two: usize) {
        let dbs = [one, two].into_iter().filter_map(|db| self.shard.dbs.get(db));
        let watched: Vec<Vec<u8>> = dbs.flat_map(|db| db.watchers.keys()).map(<[u8]>::to_vec).collect();
        let keyspace = self.keyspace;
        for db in [one, two] {
            self.db = db;
            self.sweep_entries(usize::MAX);
            // The sweep may leave what has only just died; on the other side its end would touch those who never
            // saw it alive.
            for bytes in &watched {
                self.tend(&Key { bytes, hash: keyspace.hash(bytes) });
            }
        }
        let empty = || Store::new(keyspace.seed);
        let [a, b] = [one, two].map(|db| std::mem::replace(&mut self.shard.dbs[db].store, empty()));
        let wall_ms = self.scope.now.wall_ms;
        let is_live = |entry: Entry| entry.is_visible() && entry.expire_at().is_none_or(|at| at > wall_ms);
        let exists = |bytes: &[u8]| {
            let hash = keyspace.hash(bytes);
            [&a, &b].iter().any(|store| store.get(&Key { bytes, hash }).is_some_and(is_live))
        };
        for db in [one, two] {
            self.shard.dbs[db].watchers.touch_where(exists);
        }
        self.shard.dbs[one].store = b;
        self.shard.dbs[two].store = a;
        for db in [one, two] {
            self.db = db;
            self.note_size();
            self.void_all();
            self.all_ready();
        }
        // The swapped-in entries' deadlines are in their own queues; the sweeper finds them from here.
        self.alarm(self.scope.now.mono_ms);
    }

    /// Applies the time to a key before a verb looks at it: an expired entry is removed, or marked stale
    /// while its grace lasts; of one with limited idle time the end moves. Costs nothing in a database without
    /// deadlines.
    #[inline]
    pub(super) fn tend(&mut self, key: &Key<'_>) {
        if self.store().has_deadlines() {
            self.tend_expiring(key);
        }
    }

    fn tend_expiring(&mut self, key: &Key<'_>) {
        let Scope { now: Now { wall_ms, .. }, touches, .. } = *self.scope;
        let store = self.store();
        let Some(found) = store.find(key) else { return };
        let entry = store.entry(found);
        if entry.expire_at().is_none_or(|at| at > wall_ms) {
            let is_due = entry.items_due_at().is_some_and(|at| at <= wall_ms);
            if entry.idle().is_some() && touches {
                store.touch(wall_ms, found);
            }
            if is_due {
                self.reclaim_fields(found, SWEEP_FIELDS_MAX);
            }
            return;
        }
        if entry.dies_at().is_none_or(|at| at <= wall_ms) {
            self.expire_found(found);
            return;
        }
        let was_visible = entry.is_visible();
        store.mark_stale(found);
        if was_visible {
            self.expired(key.bytes);
        }
    }

    /// Removes an entry whose time is up.
    pub(super) fn expire_found(&mut self, found: Found) {
        self.take_and_tell(found, Self::expired);
    }

    /// Puts an entry in place of what is there.
    pub(super) fn put_entry(&mut self, key: &Key<'_>, value: &NewValue<'_>, meta: Meta) {
        let wall_ms = self.scope.now.wall_ms;
        self.follow_eviction();
        let store = self.store();
        let found = store.find(key);
        if found.is_some_and(|found| store.overwrite(wall_ms, found, value, meta)) {
            return;
        }
        let old = store.put_at(wall_ms, found, key, value, meta);
        self.note_placed(key, old, meta);
    }

    /// As `put_entry`, for a value that was taken or copied from another entry.
    pub(super) fn put_taken(&mut self, key: &Key<'_>, value: Taken, meta: Meta) {
        let value = match value {
            Taken::Small(bytes) => return self.put_entry(key, &NewValue::Small(&bytes), meta),
            Taken::Outside(value) => NewContent::Outside(value),
        };
        let wall_ms = self.scope.now.wall_ms;
        self.follow_eviction();
        let store = self.store();
        let found = store.find(key);
        let old = store.put_content(wall_ms, found, key, value, meta);
        self.note_placed(key, old, meta);
    }

    /// What an entry that was put in, in place of an old one or of none, leads to.
    fn note_placed(&mut self, key: &Key<'_>, old: Option<Removed>, meta: Meta) {
        let wall_ms = self.scope.now.wall_ms;
        let ghost_hits = self.store().take_ghost_hits();
        if ghost_hits > 0 {
            self.scope.counters.add(Counter::GhostHits, ghost_hits);
        }
        let was_visible = old.as_ref().is_some_and(|old| old.kind.is_visible());
        let has_expired = old.as_ref().and_then(|old| old.expire_at).is_some_and(|at| at <= wall_ms);
        self.keep_freed(old);
        let is_new = has_expired || !was_visible;
        if was_visible && has_expired {
            // Nobody has met its end yet.
            self.expired(key.bytes);
        }
        self.note_expiry(meta.expire_at);
        self.note_fields_expiry(key, meta);
        self.note_size();
        self.note_scattered();
        if meta.kind.is_visible() && is_new {
            self.notify(Classes::NEW, "new", key.bytes);
        }
    }

    /// Puts in an entry that comes from another shard: nothing has happened to it, and nobody is told.
    pub(super) fn receive(&mut self, key: &Key<'_>, value: Taken, meta: Meta) {
        let wall_ms = self.scope.now.wall_ms;
        self.follow_eviction();
        self.store().put_taken(wall_ms, key, value, meta);
        self.note_expiry(meta.expire_at);
        self.note_fields_expiry(key, meta);
        self.note_size();
    }

    /// Takes an entry out, visible or not, and says what it was.
    pub(super) fn take_entry(&mut self, key: &Key<'_>) -> Option<Kind> {
        let found = self.store().find(key)?;
        Some(self.take_found(found))
    }

    /// Takes an entry out with its value, for another place.
    pub(super) fn take_out(&mut self, found: Found) -> (Taken, Meta) {
        let store = self.store();
        let entry = store.entry(found);
        let meta = entry.meta();
        let small: Box<[u8]> = match entry.content() {
            Content::Inline(bytes) => bytes.into(),
            Content::Outside(_) => Box::default(),
        };
        let removed = store.remove(found);
        self.note_size();
        self.note_scattered();
        (removed.outside.map_or(Taken::Small(small), Taken::Outside), meta)
    }

    pub(super) fn take_found(&mut self, found: Found) -> Kind {
        let removed = self.store().remove(found);
        let kind = removed.kind;
        self.keep_freed(Some(removed));
        self.note_size();
        self.note_scattered();
        kind
    }

    /// Wakes the sweeper in time for a new deadline.
    pub(super) fn note_expiry(&mut self, expire_at: Option<i64>) {
        if let Some(at) = expire_at {
            self.keyspace.note_due(self.index, look_at(at, self.scope.now));
        }
    }

    /// Wakes the sweeper to compact memory that deletions left scattered.
    pub(super) fn note_scattered(&mut self) {
        if self.store().is_scattered() {
            let at = self.shard.compact_at.max(self.scope.now.mono_ms);
            self.keyspace.note_due(self.index, at);
        }
    }
}

/// Entries that ordinary commands see.
pub(super) fn visible_count(store: &Store) -> usize {
    store.len() - store.hidden()
}

pub(super) fn expiring_count(store: &Store) -> usize {
    store.expiring().saturating_sub(store.hidden())
}

/// The TTL of an entry drawn at random, ms; `None` if it has none.
pub(super) fn sample_ttl(store: &Store, wall_ms: i64) -> Option<i64> {
    let drawn = store.draw(|n| fastrand::usize(..n))?;
    drawn.expire_at().filter(|at| drawn.is_visible() && *at > wall_ms).map(|at| at - wall_ms)
}
