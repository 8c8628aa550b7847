//! A command's way to the keys: opens views, and holds several shards where a command must be atomic.
//!
//! Shards are locked in ascending order, so two commands can never wait for each other.

use std::sync::Arc;

use super::effects::Effects;
use super::fill::count_answer;
use super::shard::Shard;
use super::view::{Guard, Scope, View};
use super::{Keyspace, shard_of};
use crate::base::hash::Key;
use crate::base::limits::SHARDS;
use crate::base::sync::MutexGuard;
use crate::fill::{Answer, ReplySlot};
use crate::storage::Ahead;

/// The keyspace as one command (or one transaction) sees it.
pub struct Keys<'a> {
    pub keyspace: &'a Keyspace,
    /// The connection's selected database.
    pub db: usize,
    pub scope: Scope<'a>,
    pub effects: &'a mut Effects,
    /// Shards held, ascending.
    held: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl<'a> Keys<'a> {
    #[must_use]
    pub fn new(keyspace: &'a Keyspace, db: usize, scope: Scope<'a>, effects: &'a mut Effects) -> Keys<'a> {
        Keys { keyspace, db, scope, effects, held: Vec::new() }
    }

    /// A key that is no word of the request, hashed; `Args::key` reads those that are.
    #[must_use]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hash(bytes) }
    }

    /// Locks the key's shard, unless it is held already, and shows the selected database.
    #[inline]
    pub fn view(&mut self, key: &Key<'_>) -> View<'_> {
        self.view_shard(shard_of(key.hash), self.db)
    }

    /// As `view`, for another database.
    pub fn view_in(&mut self, db: usize, key: &Key<'_>) -> View<'_> {
        self.view_shard(shard_of(key.hash), db)
    }

    /// A view of a shard by number.
    #[inline]
    pub(super) fn view_shard(&mut self, index: usize, db: usize) -> View<'_> {
        let (keyspace, scope) = (self.keyspace, self.scope);
        let held = if self.held.is_empty() { None } else { self.held_position(index) };
        let shard = match held {
            Some(at) => Guard::Held(&mut self.held[at].1),
            None => Guard::Own(keyspace.lock(index)),
        };
        View { shard, index, db, keyspace, scope, effects: self.effects }
    }

    fn held_position(&self, index: usize) -> Option<usize> {
        let at = self.held.binary_search_by_key(&index, |(held, _)| *held).ok();
        // Taking one more lock while holding some could deadlock: a command's row must name all its keys.
        assert!(at.is_some(), "shard {index} is not among the held ones");
        at
    }

    /// Locks the shards of all these hashes until `release`; does nothing if shards are held already.
    pub fn hold(&mut self, hashes: impl Iterator<Item = u64>) {
        if self.held.is_empty() {
            let mut shards: Vec<usize> = hashes.map(shard_of).collect();
            shards.sort_unstable();
            shards.dedup();
            self.hold_shards(shards.into_iter());
        }
    }

    /// Fetches ahead what look-ups of these keys will touch, in the shards that are held.
    pub fn prefetch(&mut self, hashes: impl Iterator<Item = u64>) {
        let db = self.db;
        Ahead::default().fetch(hashes, |hash, line, lines| {
            self.view_shard(shard_of(hash), db).store().lines(hash, line, lines)
        });
    }

    /// Locks every shard until `release`.
    pub fn hold_all(&mut self) {
        if self.held.is_empty() {
            self.hold_shards(0..SHARDS);
        }
    }

    fn hold_shards(&mut self, shards: impl Iterator<Item = usize>) {
        let keyspace = self.keyspace;
        self.held.extend(shards.map(|shard| (shard, keyspace.lock(shard))));
    }

    /// Unlocks what is held.
    pub fn release(&mut self) {
        self.held.clear();
    }

    /// Answers a slot that was claimed outside its flight (CLIENT UNBLOCK, a reply that cannot wait).
    pub fn answer(&mut self, slot: Arc<ReplySlot>, answer: Answer) {
        count_answer(self.scope.counters, &answer);
        self.effects.forget.push(slot.clone());
        self.effects.answers.push((slot, answer));
    }

    /// Visits every shard of a database in turn, under its lock.
    pub fn each_shard(&mut self, db: usize, mut visit: impl FnMut(&mut View<'_>)) {
        for index in 0..SHARDS {
            visit(&mut self.view_shard(index, db));
        }
    }
}
