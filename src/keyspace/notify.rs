//! What is noted under a shard's lock for others to hear of once it is released: keyspace events, and changes
//! for the connections that keep a cache.
//!
//! Where nobody asks for them they cost a verb a look at a number each. Knows no channel and no connection.

use std::sync::atomic::Ordering::Relaxed;

use super::Keyspace;
use super::effects::Change;
use super::keys::Keys;
use super::view::View;
use crate::base::events::Classes;

impl View<'_> {
    /// Notes that something happened to a key of this database, if its class is asked for.
    #[inline]
    pub fn notify(&mut self, class: Classes, name: &'static str, key: &[u8]) {
        if self.scope.rules.events.has(class) {
            self.effects.note_event(self.db, name, key);
        }
    }
}

impl Keyspace {
    /// A connection begins to keep a cache: from now on changes are noted.
    pub fn add_tracker(&self) {
        self.trackers.fetch_add(1, Relaxed);
    }

    /// A connection keeps no cache any more.
    pub fn remove_tracker(&self) {
        self.trackers.fetch_sub(1, Relaxed);
    }
}

impl Keys<'_> {
    /// Whole databases were emptied or exchanged: every cache is out of date. Noted also where nobody keeps one any
    /// more: what was remembered for those who did goes with it.
    pub fn note_flushed(&mut self) {
        self.effects.changes.push(Change::All);
    }

    /// As `View::notify`, without a view.
    pub fn notify(&mut self, db: usize, class: Classes, name: &'static str, key: &[u8]) {
        if self.scope.rules.events.has(class) {
            self.effects.note_event(db, name, key);
        }
    }
}
