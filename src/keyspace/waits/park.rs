//! Waiters come and go: parked with a deadline, told when that is over, forgotten where they were answered elsewhere.

use std::sync::Arc;

use super::lines::{Waiter, Wish};
use super::sleeper::Sleeper;
use crate::base::hash::Key;
use crate::keyspace::keys::Keys;
use crate::keyspace::shard::Due;
use crate::keyspace::view::View;
use crate::parking::{Answer, Home, ReplySlot};

impl Keys<'_> {
    /// Where a request waits for these keys of the selected database.
    pub fn wait_homes(&mut self, keys: &[Key<'_>]) -> Box<[Home]> {
        let db = self.db;
        let home = |(index, key): (usize, &Key<'_>)| {
            let mut view = self.view(key);
            let name = view.db().waits.name(key).cloned().unwrap_or_else(|| Arc::from(key.bytes));
            Home::new(db, name, key.hash, index)
        };
        keys.iter().enumerate().map(home).collect()
    }

    /// Parks a request until one of its keys has something for it, or until `until`, monotonic ms. None of them may have
    /// anything now; their shards are held since that was seen.
    pub fn wait(&mut self, slot: &Arc<ReplySlot>, wish: &Wish, until: Option<u64>) {
        let parked_at = self.scope.now.mono_ms;
        for home in slot.homes() {
            let key = Key { bytes: &home.key, hash: home.hash };
            let (slot, ask) = (slot.clone(), wish.clone());
            // The time is looked after for the whole request.
            let waiter = Waiter { slot, ask, parked_at, wait_ms: u32::MAX, index: home.index };
            self.view_in(home.db(), &key).db().waits.park(&home.key, home.hash, waiter);
        }
        self.keyspace.note_waiting();
        if let (Some(at), Some(first)) = (until, slot.homes().first()) {
            self.view_at(first.db(), first.hash).file_sleeper(at, slot);
        }
    }
}

impl Keys<'_> {
    /// Keys that somebody waits for, once for each type, in all databases. Cost: a look into each shard, if anybody ever waited.
    pub fn waited_keys(&mut self) -> usize {
        if !self.keyspace.has_waited() {
            return 0;
        }
        let mut keys = 0;
        self.each_shard(0, |view| keys += view.shard.dbs.iter().map(|db| db.waits.len()).sum::<usize>());
        keys
    }
}

impl View<'_> {
    fn file_sleeper(&mut self, at: u64, slot: &Arc<ReplySlot>) {
        let sleeper = Sleeper::new(self.shard.next_serial(), slot);
        self.shard.file(at, Due::Wait(sleeper));
        self.alarm(at);
        self.note_tables();
    }

    /// The time of a waiter is over.
    pub(in crate::keyspace) fn wake_sleeper(&mut self, sleeper: &Sleeper) {
        if let Some(slot) = sleeper.slot()
            && slot.claim()
        {
            self.effects.forget.push(slot.clone());
            self.effects.answers.push((slot, Answer::Nothing));
        }
    }

    /// A waiter of this key was answered elsewhere or its connection is gone.
    pub(in crate::keyspace) fn forget_waiting(&mut self, key: &Key<'_>, slot: &Arc<ReplySlot>, index: u32) {
        self.db().waits.forget(key, slot, index);
        self.shard.trim_deadlines();
        self.note_tables();
    }
}
