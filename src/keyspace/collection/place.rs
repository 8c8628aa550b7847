//! A key's collection, opened for a change, of whatever type: what became of it is told when this is dropped, also where the
//! command ends by an error half way.

use super::Family;
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::keyspace::view::{View, find_visible};
use crate::storage::{Found, Kind, Meta, Taken, WrongType};

/// A collection under its key, or none yet. Invariant: `found` is where it lies, and it is never empty.
pub(super) struct Place<'v, 'a> {
    pub view: &'v mut View<'a>,
    pub family: Family,
    pub found: Option<Found>,
    /// Items that were put in, changed or taken out.
    pub changed: u64,
    key: Key<'v>,
    /// What is told of a change.
    event: &'static str,
    /// What is told of it beside, behind it.
    and_then: Option<&'static str>,
    /// When the entry was next to be swept, as it was found.
    filed_at: Option<i64>,
    is_gone: bool,
    is_told: bool,
}

impl<'a> View<'a> {
    /// A key's collection to change, which is told as `event`.
    ///
    /// # Errors
    /// Where the key holds something else.
    pub(super) fn open<'v>(
        &'v mut self,
        key: &Key<'v>,
        family: Family,
        event: &'static str,
    ) -> Result<Place<'v, 'a>, WrongType> {
        self.tend(key);
        let scope = self.scope;
        let store = self.store();
        let found = find_visible(store, key);
        if let Some(found) = found {
            let of_type = store.entry(found).collection().and_then(|collection| collection.of_type());
            if of_type != Some(family.of_type) {
                return Err(WrongType);
            }
            scope.note_use(store, found);
        }
        let filed_at = found.and_then(|found| store.sweep_at(found));
        let (key, and_then, is_gone, is_told) = (*key, None, false, false);
        Ok(Place { view: self, key, family, found, event, and_then, filed_at, changed: 0, is_gone, is_told })
    }
}

impl Place<'_, '_> {
    /// Puts a collection under the key, which has none.
    pub fn put(&mut self, value: Taken) {
        self.view.put_taken(&self.key, value, Meta { kind: Kind::Collection, ..Meta::value(None) });
        let store = self.view.store();
        self.found = store.find(&self.key);
        self.filed_at = self.found.and_then(|found| store.sweep_at(found));
        self.is_gone = false;
    }

    /// Puts a packed value in place of what is there.
    pub fn put_packed(&mut self, found: Found, bytes: &[u8]) {
        let (found, outside) = self.view.store().put_packed(found, bytes);
        self.found = Some(found);
        outside.into_iter().for_each(|outside| self.view.let_go_outside(outside));
    }

    /// Takes the key out with all that is left.
    pub fn take_all(&mut self, found: Found) {
        self.view.take_found(found);
        self.found = None;
        self.changed += 1;
        self.is_gone = true;
    }

    /// Has another event told behind the first.
    pub fn and_then(&mut self, event: &'static str) {
        self.and_then = Some(event);
    }

    /// Has the event told also where nothing changed.
    pub fn tell(&mut self) {
        self.is_told = true;
    }
}

impl Drop for Place<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // There was no room for it: another panic would end the process.
            return;
        }
        if let Some(found) = self.found {
            self.view.file_fields(&self.key, found, self.filed_at);
        }
        self.view.note_scattered();
        self.view.note_size();
        if self.changed == 0 && !self.is_told {
            return;
        }
        let Place { view, key, family, event, and_then, changed, is_gone, .. } = self;
        view.scope.counters.add(Counter::Changes, changed.saturating_sub(1));
        view.notify(family.class, event, key.bytes);
        if let Some(event) = and_then {
            view.notify(family.class, event, key.bytes);
        }
        if *is_gone {
            view.deleted(key, Some(Kind::Collection));
            view.notify(Classes::GENERIC, "del", key.bytes);
        } else {
            view.gained(key);
        }
    }
}
