//! Values that come from outside the keyspace: by RESTORE from another server, by DEBUG RELOAD from this one.

use super::view::{View, find_visible};
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::storage::eviction::Use;
use crate::storage::{Meta, Taken};

impl View<'_> {
    /// Puts a value under a key in place of whatever is there. A deadline that is already past removes the key instead.
    pub fn restore(&mut self, key: &Key<'_>, value: Taken, meta: Meta, used: Option<Use>) {
        let wall_ms = self.scope.now.wall_ms;
        if meta.expire_at.is_some_and(|at| at <= wall_ms) {
            self.remove(key);
            return;
        }
        self.tend(key);
        self.put_back(key, value, meta);
        let store = self.store();
        if let (Some(found), Some(used)) = (store.find(key), used) {
            store.set_use(found, used, wall_ms);
        }
        self.notify(Classes::GENERIC, "restore", key.bytes);
    }

    /// Puts another copy of a key's value in place of it, and tells nobody: nothing has changed. Without key nothing is done.
    pub fn renew(&mut self, key: &Key<'_>, value: Taken) {
        self.tend(key);
        let store = self.store();
        let Some(meta) = find_visible(store, key).map(|found| store.entry(found).meta()) else { return };
        self.put_taken(key, value, Meta { edited: false, ..meta });
    }
}
