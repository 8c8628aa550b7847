//! Fields whose time is up: taken out where a request or the sweeper meets them, and told of.
//!
//! All of a packed hash go at once, of a large one a bounded number at a time; those that are left it hides. So every verb,
//! which tends its key first, sees none of them.

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::keyspace::view::View;
use crate::storage::packed::{self, Hash};
use crate::storage::{Collection, Found, Kind, Members, Meta};

impl View<'_> {
    /// Hashes with fields that have a deadline.
    pub fn subexpiring(&mut self) -> usize {
        if self.is_untouched() { 0 } else { self.store().subexpiring() }
    }

    /// Takes fields out whose time is up, of a large hash up to `limit`; with the last one goes the key. Returns how many
    /// went, and where the entry is then.
    pub(in crate::keyspace) fn reclaim_fields(
        &mut self,
        found: Found,
        limit: usize,
    ) -> (usize, Option<Found>) {
        let entry = self.store().entry(found);
        let key = entry.key().to_vec();
        let (gone, found) = match Collection::of(&entry) {
            Some(Collection::Packed(bytes)) => {
                let bytes = bytes.to_vec();
                self.reclaim_packed(found, bytes)
            }
            Some(Collection::Large(_)) => self.reclaim_large(found, limit),
            Some(Collection::Ordered(_)) | None => (0, Some(found)),
        };
        if gone > 0 {
            self.fields_expired(&key, gone);
        }
        if found.is_none() {
            self.notify(Classes::GENERIC, "del", &key);
        }
        self.note_size();
        self.note_scattered();
        (gone, found)
    }

    /// Files the deadlines of a hash's fields that have changed, and wakes the sweeper in time for them; the entry's record lies
    /// at `filed_at`.
    pub(super) fn file_fields(&mut self, key: &Key<'_>, found: Found, filed_at: Option<i64>) {
        let wall_ms = self.scope.now.wall_ms;
        let store = self.store();
        store.file_items(wall_ms, key, found, filed_at);
        let due_at = store.entry(found).items_due_at();
        self.note_expiry(due_at);
    }

    /// Wakes the sweeper in time for the deadlines of the fields of a hash that was put in.
    pub(in crate::keyspace) fn note_fields_expiry(&mut self, key: &Key<'_>, meta: Meta) {
        if meta.kind == Kind::Collection {
            let due_at = self.store().get(key).and_then(|entry| entry.items_due_at());
            self.note_expiry(due_at);
        }
    }

    /// Puts what has become small into the lesser form; returns where its entry is.
    pub(super) fn lessen(&mut self, found: Found) -> Found {
        let limits = &self.scope.rules.forms.packed;
        let store = self.store();
        let lesser = match Collection::of(&store.entry(found)) {
            Some(Collection::Packed(bytes)) => {
                packed::lesser_layout(bytes, limits).map(|layout| packed::rebuilt(bytes, layout))
            }
            Some(Collection::Large(members)) => members.to_packed(limits),
            Some(Collection::Ordered(_)) | None => None,
        };
        let Some(bytes) = lesser else { return found };
        let (found, outside) = store.put_packed(found, &bytes);
        outside.into_iter().for_each(|outside| self.let_go_outside(outside));
        found
    }

    fn reclaim_packed(&mut self, found: Found, mut bytes: Vec<u8>) -> (usize, Option<Found>) {
        let wall_ms = self.scope.now.wall_ms;
        let stays: Vec<bool> =
            Hash::read(&bytes).iter().map(|field| field.expire_at.is_none_or(|at| at > wall_ms)).collect();
        let gone = stays.iter().filter(|stays| !**stays).count();
        if gone == stays.len() {
            self.take_found(found);
            return (gone, None);
        }
        let len = packed::retain(&mut bytes, |index| stays.get(index).is_none_or(|stays| *stays));
        let (found, _) = self.store().put_packed(found, &bytes[..len]);
        (gone, Some(self.lessen(found)))
    }

    fn reclaim_large(&mut self, found: Found, limit: usize) -> (usize, Option<Found>) {
        let wall_ms = self.scope.now.wall_ms;
        let mut freed = Vec::new();
        let reclaim = |members: &mut Members| {
            let gone = members.reclaim(wall_ms, limit, &mut |outside| freed.push(outside));
            (gone, members.is_empty())
        };
        let (gone, is_empty) = Members::change(self.store(), found, reclaim).unwrap_or((0, false));
        freed.into_iter().for_each(|outside| self.let_go_outside(outside));
        if is_empty {
            self.take_found(found);
            return (gone, None);
        }
        (gone, Some(self.lessen(found)))
    }
}

#[cfg(test)]
mod tests;
