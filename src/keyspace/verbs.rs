//! The verbs of ordinary commands on one locked shard.
//!
//! Every verb sees a key as its users do: what has expired, and what only FILL knows, is absent.
//! Every change goes through `wrote`, `deleted` or `expired`, the one place where watchers and flights
//! learn of it.

use super::shard::Content;
use super::sweep::look_at;
use super::view::View;
use super::watch::Watch;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::storage::{Entry, Kind, Meta, NewValue, ValueRef};

/// What a write does to the key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Keep,
    None,
    /// Wall-clock ms since the epoch.
    At(i64),
}

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
    #[inline]
    pub fn read(&mut self, key: &Key<'_>) -> Option<ValueRef<'_>> {
        self.tend(key);
        let View { shard, effects, scope, db, .. } = self;
        let found = visible(&shard.db(*db).content, key);
        let counter = if found.is_some() { Counter::KeyspaceHits } else { Counter::KeyspaceMisses };
        scope.counters.add(counter, 1);
        if found.is_none() && scope.rules.events.has(Classes::KEY_MISS) {
            effects.note_event(*db, "keymiss", key.bytes);
        }
        found.map(Entry::value)
    }

    /// As `read`, without the event of a missing key: for commands about a key rather than its value.
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<ValueRef<'_>> {
        self.tend(key);
        let counters = self.scope.counters;
        let found = visible(self.content(), key);
        counters.add(if found.is_some() { Counter::KeyspaceHits } else { Counter::KeyspaceMisses }, 1);
        found.map(Entry::value)
    }

    /// The value of a key, not counted.
    #[inline]
    pub fn peek(&mut self, key: &Key<'_>) -> Option<ValueRef<'_>> {
        self.tend(key);
        visible(self.content(), key).map(Entry::value)
    }

    /// Whether the key exists, counted as a hit or a miss.
    pub fn exists(&mut self, key: &Key<'_>) -> bool {
        self.read(key).is_some()
    }

    /// The key's deadline: `None` if it is absent, `Some(None)` if it has none.
    pub fn expire_at(&mut self, key: &Key<'_>) -> Option<Option<i64>> {
        self.tend(key);
        visible(self.content(), key).map(Entry::expire_at)
    }

    /// Whether `when` holds for the key as it is now.
    pub fn admits(&mut self, key: &Key<'_>, when: &SetWhen<'_>) -> bool {
        match when {
            SetWhen::Always => true,
            SetWhen::Absent => self.peek(key).is_none(),
            SetWhen::Present => self.peek(key).is_some(),
            SetWhen::Equals(expected) => self.peek(key).is_some_and(|value| value.as_slice() == *expected),
        }
    }

    /// SET and its kin: stores a value, and tells so.
    pub fn set(&mut self, key: &Key<'_>, value: &NewValue<'_>, expiry: Expiry) {
        self.store(key, value, expiry);
        self.notify(Classes::STRING, "set", key.bytes);
        if let Expiry::At(at) = expiry {
            self.notify(Classes::GENERIC, "expire", key.bytes);
            if at <= self.scope.now.wall_ms {
                self.notify(Classes::EXPIRED, "expired", key.bytes);
            }
        }
    }

    /// Stores a value, as part of something that tells what it is. A deadline that is already past removes
    /// the key instead, as in Redis.
    pub fn store(&mut self, key: &Key<'_>, value: &NewValue<'_>, expiry: Expiry) {
        let expire_at = match expiry {
            Expiry::None => None,
            Expiry::At(at) => Some(at),
            Expiry::Keep => self.expire_at(key).flatten(),
        };
        if expire_at.is_some_and(|at| at <= self.scope.now.wall_ms) {
            self.erase(key);
            return;
        }
        self.put_entry(key, Entry::new(key.bytes, value, Meta::value(expire_at)));
        self.wrote(key);
    }

    /// Changes a value in place, or creates it from nothing: `change` sees it with length `len`.
    /// Deadline and refill facts stay.
    pub fn edit(&mut self, key: &Key<'_>, len: usize, change: impl FnOnce(&mut [u8])) {
        self.edit_if(key, len, |bytes| {
            change(bytes);
            true
        });
    }

    /// As `edit`, but `change` says whether it changed a byte: nobody is told where it did not and the
    /// length is the same as before. Returns whether they were told.
    pub fn edit_if(&mut self, key: &Key<'_>, len: usize, change: impl FnOnce(&mut [u8]) -> bool) -> bool {
        self.tend(key);
        let mut is_changed = true;
        match visible_mut(self.content(), key) {
            Some(entry) => {
                let before = entry.value().len();
                entry.edit(len, |bytes| is_changed = change(bytes) || before != len);
                if is_changed {
                    entry.set_edited(true);
                }
            }
            None => {
                let mut bytes = vec![0; len];
                change(&mut bytes);
                let value = bytes::Bytes::from(bytes);
                let mut entry = Entry::new(key.bytes, &NewValue::from_shared(&value), Meta::value(None));
                entry.set_edited(true);
                self.put_entry(key, entry);
            }
        }
        if is_changed {
            self.wrote(key);
        }
        is_changed
    }

    /// Replaces a value by one that `compute` makes of it (`None`: of an absent key), in one look-up.
    /// Deadline and refill facts stay; nothing changes where `compute` fails.
    pub fn recompute<T: AsRef<[u8]>, E>(
        &mut self,
        key: &Key<'_>,
        compute: impl FnOnce(Option<&[u8]>) -> Result<T, E>,
    ) -> Result<(), E> {
        self.tend(key);
        match visible_mut(self.content(), key) {
            Some(entry) => {
                let value = compute(Some(entry.value().as_slice()))?;
                let value = value.as_ref();
                entry.edit(value.len(), |bytes| bytes.copy_from_slice(value));
                entry.set_edited(false);
            }
            None => {
                let value = compute(None)?;
                let entry = Entry::new(key.bytes, &NewValue::copied(value.as_ref()), Meta::value(None));
                self.put_entry(key, entry);
            }
        }
        self.wrote(key);
        Ok(())
    }

    /// Whether the value was changed in place since it was set (OBJECT ENCODING's `raw`).
    pub fn is_edited(&mut self, key: &Key<'_>) -> bool {
        visible(self.content(), key).is_some_and(Entry::is_edited)
    }

    /// Removes a key, and tells so; false if no command could see it. Voids a flight also of an absent key.
    pub fn remove(&mut self, key: &Key<'_>) -> bool {
        let was_visible = self.erase(key);
        if was_visible {
            self.notify(Classes::GENERIC, "del", key.bytes);
        }
        was_visible
    }

    fn erase(&mut self, key: &Key<'_>) -> bool {
        self.tend(key);
        let taken = self.take_entry(key);
        let was_visible = taken.as_ref().is_some_and(is_visible);
        if was_visible {
            self.scope.counters.add(Counter::Changes, 1);
            self.touched(key.bytes);
        } else if taken.is_some() {
            self.outdated(key.bytes);
        }
        self.void_by_delete(key, Counter::FillVoidDelete);
        was_visible
    }

    /// Sets or removes the deadline of an existing key; a past one removes the key.
    /// TTL-only: flights stay good, watchers are told.
    pub fn set_expire_at(&mut self, key: &Key<'_>, expire_at: Option<i64>) {
        if expire_at.is_some_and(|at| at <= self.scope.now.wall_ms) {
            self.remove(key);
            return;
        }
        let content = self.content();
        let Some(entry) = visible_mut(content, key) else { return };
        let before = entry.expire_at();
        entry.set_expire_at(expire_at);
        content.expiring += usize::from(expire_at.is_some());
        content.expiring -= usize::from(before.is_some());
        if let Some(at) = expire_at {
            self.file_expiry(key.hash, before, at);
        }
        self.scope.counters.add(Counter::Changes, 1);
        self.touched(key.bytes);
        self.notify(Classes::GENERIC, if expire_at.is_some() { "expire" } else { "persist" }, key.bytes);
    }

    /// The key's value and deadline, taken out: for RENAME and MOVE.
    pub fn take(&mut self, key: &Key<'_>) -> Option<(bytes::Bytes, Meta)> {
        self.tend(key);
        visible(self.content(), key)?;
        let entry = self.take_entry(key)?;
        self.touched(key.bytes);
        self.void_by_delete(key, Counter::FillVoidDelete);
        Some((entry.value().to_bytes(), entry.meta()))
    }

    /// The key's value and deadline, copied: for COPY.
    pub fn copy_out(&mut self, key: &Key<'_>) -> Option<(bytes::Bytes, Meta)> {
        self.tend(key);
        visible(self.content(), key).map(|entry| (entry.value().to_bytes(), entry.meta()))
    }

    /// Voids the key's lease as its deletion would, and leaves the entry: for COPY's source.
    pub fn void_lease(&mut self, key: &Key<'_>) {
        self.void_by_delete(key, Counter::FillVoidDelete);
    }

    /// Puts a taken or copied value under a key, with all that was known of it.
    pub fn put_back(&mut self, key: &Key<'_>, value: &bytes::Bytes, meta: Meta) {
        self.put_entry(key, Entry::new(key.bytes, &NewValue::from_shared(value), meta));
        self.wrote(key);
    }

    /// Keys of this shard and database that ordinary commands see, expired ones not counted.
    pub fn len(&mut self) -> usize {
        if self.is_untouched() {
            return 0;
        }
        self.sweep_entries(usize::MAX);
        self.content().visible()
    }

    /// As `len`, but keys whose time is up count until they are reclaimed, and nothing is reclaimed here.
    pub fn stored(&mut self) -> usize {
        if self.is_untouched() { 0 } else { self.content().visible() }
    }

    /// As `len`, compared with zero.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Visible keys with a deadline. Hidden entries are taken to have one, as all but a NONE or PASS that
    /// was given none do.
    pub fn expiring(&mut self) -> usize {
        if self.is_untouched() {
            return 0;
        }
        let content = self.content();
        content.expiring.saturating_sub(content.hidden)
    }

    /// The TTL of an entry drawn at random, ms; `None` if it has none.
    pub fn sample_ttl(&mut self) -> Option<i64> {
        let wall_ms = self.scope.now.wall_ms;
        let drawn = self.content().table.draw(|n| fastrand::usize(..n))?;
        drawn.expire_at().filter(|at| is_visible(drawn) && *at > wall_ms).map(|at| at - wall_ms)
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
        let content = std::mem::take(self.content());
        let keyspace = self.keyspace;
        let exists = |key: &[u8]| content.table.find(keyspace.hash(key), key).is_some_and(is_visible);
        self.db().watchers.touch_where(exists);
        self.void_all();
        if !content.table.is_empty() {
            self.keyspace.cast_off(content);
        }
    }

    /// Whether this shard never held anything of the database, so that there is nothing to look at.
    fn is_untouched(&self) -> bool {
        self.db >= self.shard.dbs.len()
    }

    /// Exchanges two databases of this shard.
    pub fn swap(&mut self, one: usize, two: usize) {
        for db in [one, two] {
            self.db = db;
            self.sweep_entries(usize::MAX);
        }
        let keyspace = self.keyspace;
        let [a, b] = [one, two].map(|db| std::mem::take(&mut self.shard.dbs[db].content));
        let wall_ms = self.scope.now.wall_ms;
        let is_live = |entry: &Entry| is_visible(entry) && entry.expire_at().is_none_or(|at| at > wall_ms);
        let exists = |key: &[u8]| {
            let hash = keyspace.hash(key);
            [&a, &b].iter().any(|content| content.table.find(hash, key).is_some_and(is_live))
        };
        for db in [one, two] {
            self.shard.dbs[db].watchers.touch_where(exists);
        }
        self.shard.dbs[one].content = b;
        self.shard.dbs[two].content = a;
        for db in [one, two] {
            self.db = db;
            self.void_all();
        }
        // The swapped-in entries' deadlines are in their own queues; the sweeper finds them from here.
        self.alarm(self.scope.now.mono_ms);
    }

    /// Applies the time to a key before a verb looks at it: an expired entry is removed, or marked stale
    /// while its grace lasts. Costs nothing in a database without deadlines.
    #[inline]
    pub(super) fn tend(&mut self, key: &Key<'_>) {
        if self.content().expiring > 0 {
            self.tend_expiring(key);
        }
    }

    fn tend_expiring(&mut self, key: &Key<'_>) {
        let wall_ms = self.scope.now.wall_ms;
        let content = self.content();
        let Some(entry) = content.table.find_mut(key.hash, key.bytes) else { return };
        if entry.expire_at().is_none_or(|at| at > wall_ms) {
            return;
        }
        if dies_at(entry).is_some_and(|at| at > wall_ms) {
            if is_visible(entry) {
                entry.mark_stale();
                content.hidden += 1;
                self.expired(key.bytes);
            }
        } else if let Some(entry) = self.take_entry(key) {
            self.died(&entry);
        }
    }

    /// An entry of no more use to anybody was taken out: a visible one has expired, of a hidden one only
    /// caches may know.
    pub(super) fn died(&mut self, entry: &Entry) {
        if is_visible(entry) {
            self.expired(entry.key());
        } else {
            self.outdated(entry.key());
        }
    }

    /// A visible entry's time is up: counted, and told to those who watch it. Flights stay good: expiry
    /// says nothing about the truth at the origin.
    pub(super) fn expired(&mut self, key: &[u8]) {
        self.scope.counters.add(Counter::ExpiredKeys, 1);
        self.touched(key);
        self.notify(Classes::EXPIRED, "expired", key);
    }

    /// Puts an entry in place of what is there and keeps the counts and the expiry queue true.
    pub(super) fn put_entry(&mut self, key: &Key<'_>, entry: Entry) {
        let expire_at = entry.expire_at();
        let hidden = !is_visible(&entry);
        let keyspace = self.keyspace;
        let content = self.content();
        let old = content.table.insert(key.hash, entry);
        let grew = old.is_none();
        let is_new = !hidden && old.as_ref().is_none_or(|old| !is_visible(old));
        let before = old.as_ref().and_then(Entry::expire_at);
        content.expiring += usize::from(expire_at.is_some());
        content.expiring -= usize::from(before.is_some());
        content.hidden += usize::from(hidden);
        content.hidden -= usize::from(old.as_ref().is_some_and(|old| !is_visible(old)));
        if grew {
            content.table.grow(|key| keyspace.hash(key));
        }
        drop(old);
        if let Some(at) = expire_at {
            self.file_expiry(key.hash, before, at);
        }
        if is_new {
            self.notify(Classes::NEW, "new", key.bytes);
        }
    }

    /// Takes an entry out, visible or not, and keeps the counts true.
    pub(super) fn take_entry(&mut self, key: &Key<'_>) -> Option<Entry> {
        let keyspace = self.keyspace;
        let content = self.content();
        let entry = content.table.remove(key.hash, key.bytes, |key| keyspace.hash(key))?;
        content.note_removed(&entry);
        Some(entry)
    }

    /// Adds a record to the expiry queue where the record of the deadline `before` would fire too late.
    pub(super) fn file_expiry(&mut self, hash: u64, before: Option<i64>, at: i64) {
        if before.is_some_and(|before| before <= at) {
            return;
        }
        let now = self.scope.now;
        let content = self.content();
        content.queue.push(at, hash);
        self.rebuild_bloated_queue();
        self.keyspace.note_due(self.index, look_at(at, now));
    }

    fn rebuild_bloated_queue(&mut self) {
        let keyspace = self.keyspace;
        let content = self.content();
        if !content.queue.is_bloated(content.expiring) {
            return;
        }
        let mut records = Vec::with_capacity(content.expiring);
        content.table.each(|entry| {
            if let Some(at) = sweep_at(entry) {
                records.push((at, keyspace.hash(entry.key())));
            }
        });
        content.queue.rebuild(records.into_iter());
    }

    /// A write left a value: watchers are told, a lease is void, waiters get the value.
    pub(super) fn wrote(&mut self, key: &Key<'_>) {
        self.scope.counters.add(Counter::Changes, 1);
        self.touched(key.bytes);
        if !self.db().flights.is_empty() {
            self.void_by_write(key);
        }
    }
}

impl Content {
    /// Keeps the counts true after an entry left the table.
    pub fn note_removed(&mut self, entry: &Entry) {
        self.expiring -= usize::from(entry.expire_at().is_some());
        self.hidden -= usize::from(!is_visible(entry));
    }
}

/// Whether ordinary commands see this entry, its deadline aside.
#[inline]
pub(super) fn is_visible(entry: &Entry) -> bool {
    entry.kind() == Kind::Value && !entry.is_marked_stale()
}

/// When the entry is of no more use to anybody: its deadline plus its grace.
pub(super) fn dies_at(entry: &Entry) -> Option<i64> {
    let grace_ms = entry.refill().map_or(0, |refill| i64::from(refill.grace_ms));
    entry.expire_at().map(|at| at.saturating_add(grace_ms))
}

/// When the sweeper next has something to do with the entry.
pub(super) fn sweep_at(entry: &Entry) -> Option<i64> {
    if entry.is_marked_stale() { dies_at(entry) } else { entry.expire_at() }
}

#[inline]
fn visible<'t>(content: &'t Content, key: &Key<'_>) -> Option<&'t Entry> {
    content.table.find(key.hash, key.bytes).filter(|entry| is_visible(entry))
}

fn visible_mut<'t>(content: &'t mut Content, key: &Key<'_>) -> Option<&'t mut Entry> {
    content.table.find_mut(key.hash, key.bytes).filter(|entry| is_visible(entry))
}
