//! Keyspace events: noted under the shard's lock where the setting asks for them, published after it.
//!
//! Switched off they cost a verb one look at a number that is in the cache. Knows no channel.

use super::keys::Keys;
use super::view::View;
use crate::base::events::{Classes, Event};

impl View<'_> {
    /// Notes that something happened to a key of this database, if its class is asked for.
    #[inline]
    pub fn notify(&mut self, class: Classes, name: &'static str, key: &[u8]) {
        if self.scope.rules.events.has(class) {
            self.effects.events.push(Event { db: self.db, name, key: Box::from(key) });
        }
    }
}

impl Keys<'_> {
    /// As `View::notify`, without a view.
    pub fn notify(&mut self, db: usize, class: Classes, name: &'static str, key: &[u8]) {
        if self.scope.rules.events.has(class) {
            self.effects.events.push(Event { db, name, key: Box::from(key) });
        }
    }
}
