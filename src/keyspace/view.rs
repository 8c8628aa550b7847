//! A view: one shard, locked, with a database selected. The verbs on it are in `verbs` and `fill`.

use std::ops::{Deref, DerefMut};

use super::effects::Effects;
use super::shard::{Db, Shard};
use super::{Keyspace, Rules};
use crate::base::clock::Now;
use crate::base::hash::Key;
use crate::base::metrics::Counters;
use crate::base::sync::MutexGuard;
use crate::storage::{Entry, Found, Store};

/// What a verb needs besides data: the time, the rules, and where to count.
#[derive(Debug)]
pub struct Scope<'a> {
    pub now: Now,
    pub rules: &'a Rules,
    pub counters: &'a Counters,
    /// The client whose request it is; 0 for nobody's.
    pub by: u64,
    /// Whether a look at a key counts as an access.
    pub touches: bool,
}

impl Scope<'_> {
    /// Notes for eviction that an entry was used, where that counts.
    #[inline]
    pub(super) fn note_use(&self, store: &mut Store, found: Found) {
        if self.touches {
            store.note_use(found, self.now.wall_ms);
        }
    }
}

/// A shard's lock: taken for this view alone, or held for a whole command or transaction.
pub(super) enum Guard<'g> {
    Own(MutexGuard<'g, Shard>),
    Held(&'g mut Shard),
}

impl Deref for Guard<'_> {
    type Target = Shard;
    #[inline]
    fn deref(&self) -> &Shard {
        match self {
            Guard::Own(shard) => shard,
            Guard::Held(shard) => shard,
        }
    }
}

impl DerefMut for Guard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shard {
        match self {
            Guard::Own(shard) => shard,
            Guard::Held(shard) => shard,
        }
    }
}

/// One locked shard, seen as one database.
pub struct View<'a> {
    pub(super) shard: Guard<'a>,
    pub(super) index: usize,
    pub(super) db: usize,
    pub(super) keyspace: &'a Keyspace,
    pub(super) scope: &'a Scope<'a>,
    pub(super) effects: &'a mut Effects,
}

impl<'a> View<'a> {
    /// Where this worker counts.
    #[inline]
    #[must_use]
    pub fn counters(&self) -> &'a Counters {
        self.scope.counters
    }
}

impl View<'_> {
    #[inline]
    pub(super) fn db(&mut self) -> &mut Db {
        self.shard.db(self.db)
    }

    #[inline]
    pub(super) fn store(&mut self) -> &mut Store {
        &mut self.shard.db(self.db).store
    }

    /// Files a deadline, monotonic ms, with the shard and its sweeper.
    pub(super) fn alarm(&mut self, at: u64) {
        if self.keyspace.note_due(self.index, at) {
            self.effects.alarms.push((self.index, at));
        }
    }
}

/// A key's entry, if ordinary commands may see it.
#[inline]
pub(super) fn visible<'s>(store: &'s Store, key: &Key<'_>) -> Option<Entry<'s>> {
    store.get(key).filter(Entry::is_visible)
}

/// As `visible`, but where it is.
#[inline]
pub(super) fn find_visible(store: &Store, key: &Key<'_>) -> Option<Found> {
    store.find(key).filter(|found| store.entry(*found).is_visible())
}
