//! Waiters are served: after whatever made a key ready, before its locks go, oldest first.
//!
//! Each takes from the first of its keys, in its own order, that has something. No key outside of what is locked can have
//! anything for it, but for two that are served a little later (`serve_late`): one that became ready as the first waiter of the
//! server came, for which nobody had locked it, and one whose next element goes to a shard that a slow script keeps.
//! Cost: one waiter for each element, never a walk over all.

use std::sync::Arc;

use super::lines::{How, Wish};
use super::ready::ReadyKey;
use crate::base::hash::Key;
use crate::keyspace::keys::Keys;
use crate::keyspace::shard::Due;
use crate::keyspace::view::View;
use crate::parking::{Answer, Home, Popped, ReplySlot};

/// When a key is looked at again whose waiters could not be served, ms.
const LOOK_AGAIN_MS: u64 = 10;

impl View<'_> {
    /// A key holds a collection that may be new: if somebody waits for it, they are served at the end.
    #[inline]
    pub(in crate::keyspace) fn ready(&mut self, key: &Key<'_>) {
        if !self.db().waits.is_empty() {
            self.note_ready(key);
        }
    }

    #[cold]
    fn note_ready(&mut self, key: &Key<'_>) {
        let db = self.db;
        if let Some(name) = self.db().waits.name(key).cloned() {
            self.effects.ready.add(ReadyKey { db, key: name, hash: key.hash });
        }
    }

    /// As `ready`, for every key of this database for which somebody waits.
    pub(in crate::keyspace) fn all_ready(&mut self) {
        let db = self.db;
        let names: Vec<_> = self.db().waits.names().map(|(name, hash)| (name.clone(), hash)).collect();
        names.into_iter().for_each(|(key, hash)| self.effects.ready.add(ReadyKey { db, key, hash }));
    }

    /// The waiters of a key are to be served later.
    fn file_ready(&mut self, ready: ReadyKey) {
        let at = self.scope.now.mono_ms + LOOK_AGAIN_MS;
        self.shard.file(at, Due::Ready(ready));
        self.alarm(at);
        self.note_tables();
    }
}

impl Keys<'_> {
    /// Serves those who wait for keys that became ready. What is not held, or needs what cannot be had now, stays noted.
    #[cold]
    pub(in crate::keyspace) fn serve(&mut self) {
        let by = self.scope.by;
        let mut left = Vec::new();
        while let Some(ready) = self.effects.ready.take_first() {
            if !self.serve_key(&ready) {
                left.push(ready);
            }
        }
        self.scope.by = by;
        left.into_iter().for_each(|ready| self.effects.ready.add(ready));
    }

    /// Serves what was left over. No lock may be held.
    pub fn serve_late(&mut self) {
        while let Some(ready) = self.effects.ready.take_first() {
            if self.hold_one(ready.hash).is_ok() {
                let is_served = self.serve_key(&ready);
                self.release();
                if is_served {
                    continue;
                }
            }
            self.view_at(ready.db, ready.hash).file_ready(ready);
        }
    }

    /// Serves those who wait for one key until it has nothing more for any of them; false where more is to be done.
    fn serve_key(&mut self, ready: &ReadyKey) -> bool {
        let key = Key { bytes: &ready.key, hash: ready.hash };
        if !self.holds(key.hash) {
            return false;
        }
        loop {
            let mut view = self.view_in(ready.db, &key);
            let Some(of_type) = view.entry(&key).and_then(|entry| entry.collection()?.of_type()) else {
                return true;
            };
            let Some(first) = view.db().waits.first(&key, of_type) else { return true };
            let (slot, wish) = (first.slot.clone(), first.ask.clone());
            drop(view);
            if let How::Move(target) = &wish.how
                && !self.can_reach(target.hash)
            {
                return false;
            }
            if slot.claim() {
                self.give(slot, &wish);
            }
        }
    }

    fn can_reach(&mut self, hash: u64) -> bool {
        self.holds(hash) || (self.has_passed_gate() && self.take(hash).is_ok())
    }

    /// Does for a waiter, whose slot is claimed, what it waited for: in its client's name.
    fn give(&mut self, slot: Arc<ReplySlot>, wish: &Wish) {
        self.scope.by = wish.client;
        let answer = slot.homes().iter().find_map(|home| self.fulfil(home, wish));
        match slot.homes() {
            [home] => {
                let key = Key { bytes: &home.key, hash: home.hash };
                self.view_in(home.db(), &key).forget_waiting(&key, &slot, home.index);
            }
            // They may be many, and are left in portions.
            _ => self.effects.forget.push(slot.clone()),
        }
        self.effects.answers.push((slot, answer.unwrap_or(Answer::Nothing)));
    }

    /// What one of its keys has for a waiter; `None` where that is nothing.
    fn fulfil(&mut self, home: &Home, wish: &Wish) -> Option<Answer> {
        if !self.holds(home.hash) {
            return None;
        }
        let key = Key { bytes: &home.key, hash: home.hash };
        match &wish.how {
            How::Pop { end, count } => {
                let mut view = self.view_in(home.db(), &key);
                let mut list = view.list_mut(&key, end.popped()).ok()?;
                let elements = list.take(*end, count.unwrap_or(1));
                let are_several = count.is_some();
                let popped = Popped { key: home.key.clone(), elements, are_several };
                (!popped.elements.is_empty()).then(|| Answer::Popped(Box::new(popped)))
            }
            How::Move(target) => {
                let to = Key { bytes: &target.key, hash: target.hash };
                match self.move_element(home.db(), (&key, target.from), (&to, target.to)) {
                    Ok(moved) => moved.map(|element| Answer::Moved(element.into_bytes())),
                    Err(_) => Some(Answer::WrongType),
                }
            }
        }
    }
}
