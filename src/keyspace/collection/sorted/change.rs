//! A sorted set as it is changed where it lies.

use std::ops::Range;

use super::SortedRef;
use super::scores::{Form, Scores};
use crate::keyspace::collection::fresh::set_named;
use crate::keyspace::collection::items::Items;
use crate::keyspace::collection::place::Place;
use crate::storage::packed::{self, Zset};
use crate::storage::{Collection, Found, Full, Ordered, Updated};

/// A sorted set to change.
pub struct SortedMut<'v, 'a> {
    /// What is put under the key when the handle is dropped, while there is none: all of it is written once.
    fresh: Scores,
    place: Place<'v, 'a>,
}

impl<'v, 'a> SortedMut<'v, 'a> {
    pub(super) fn new(place: Place<'v, 'a>, fresh: Scores) -> SortedMut<'v, 'a> {
        SortedMut { fresh, place }
    }

    /// What is there; `None` without key.
    #[inline]
    pub fn as_ref(&mut self) -> Option<SortedRef<'_>> {
        let Some(found) = self.place.found else { return self.fresh.as_ref() };
        Collection::of(&self.place.view.store().entry(found)).map(|collection| SortedRef(Items(collection)))
    }

    /// Says that a command brings so many members: by Redis's rule also words that repeat each other count.
    pub fn brings(&mut self, count: usize) {
        if count <= self.place.view.scope.rules.forms.zset_entries {
            return;
        }
        match self.place.found {
            Some(found) => self.set_named(found),
            None => self.fresh.set_named(),
        }
    }

    /// Gives a member the score that `decide` makes of the one it has, or leaves it alone. Scores are never NaN.
    ///
    /// # Errors
    /// Where the set holds as much as it may; nothing changes then.
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<Updated, Full> {
        let updated = match self.place.found {
            Some(found) => self.update_found(found, member, decide)?,
            None => self.fresh.update(member, decide, &self.place.view.scope.rules.forms)?,
        };
        self.place.changed += u64::from(updated.to_write().is_some());
        Ok(updated)
    }

    /// Takes a member out; false where it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.settle();
        let Some(found) = self.place.found else { return false };
        let store = self.place.view.store();
        let (len, edit) = match Collection::of(&store.entry(found)) {
            Some(Collection::Packed(bytes)) => {
                let zset = Zset::read(bytes);
                let Some(place) = zset.find(member) else { return false };
                (zset.len(), Some(zset.remove(place)))
            }
            Some(Collection::Ordered(ordered)) if ordered.score(member).is_some() => (ordered.len(), None),
            _ => return false,
        };
        match edit {
            _ if len == 1 => {
                self.place.take_all(found);
                return true;
            }
            Some(edit) => self.place.found = Some(store.splice(found, &edit)),
            None => {
                Ordered::change(store, found, |ordered| ordered.remove(member));
            }
        }
        self.place.changed += 1;
        self.lessen();
        true
    }

    /// Takes the members of these ranks out. Cost: of a packed set one copy, else that of as many removals.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        self.settle();
        let Some(found) = self.place.found else { return };
        let len = self.as_ref().map_or(0, |set| set.len());
        let ranks = ranks.start.min(len)..ranks.end.min(len);
        if ranks.is_empty() {
            return;
        }
        self.place.changed += ranks.len() as u64;
        if ranks.len() == len {
            // Which counts as one more.
            self.place.changed -= 1;
            self.place.take_all(found);
            return;
        }
        let store = self.place.view.store();
        if let Some(Collection::Packed(bytes)) = Collection::of(&store.entry(found)) {
            let mut bytes = bytes.to_vec();
            let end = packed::retain(&mut bytes, |rank| !ranks.contains(&rank));
            self.place.put_packed(found, &bytes[..end]);
        } else {
            Ordered::change(store, found, |ordered| ordered.remove_ranks(ranks));
        }
        self.lessen();
    }

    fn update_found(
        &mut self,
        found: Found,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<Updated, Full> {
        let forms = &self.place.view.scope.rules.forms;
        let store = self.place.view.store();
        let Some(Collection::Packed(bytes)) = Collection::of(&store.entry(found)) else {
            let updated = Ordered::change(store, found, |ordered| {
                let updated = ordered.update(member, decide)?;
                if updated.is_new() && forms.names_zset(ordered.len(), member) {
                    ordered.set_named();
                }
                Ok(updated)
            });
            return updated.unwrap_or(Err(Full));
        };
        let zset = Zset::read(bytes);
        let place = zset.find(member);
        let before = place.and_then(|place| zset.at(place)).map(|scored| scored.score);
        let updated = Updated { before, after: decide(before) };
        let Some(score) = updated.to_write() else { return Ok(updated) };
        let is_to_be_named =
            updated.is_new() && !zset.form().is_named() && forms.names_zset(zset.len() + 1, member);
        match zset.set(place, member, score, &forms.packed) {
            Ok(edit) => {
                let found = store.splice(found, &edit);
                self.place.found = Some(found);
                if is_to_be_named {
                    self.set_named(found);
                }
            }
            Err(_) => {
                // In another layout, or as a large one: what is built without a key knows which.
                let mut scores = Scores::of_packed(bytes, store.seed());
                scores.put(member, score, forms)?;
                match scores.into_form() {
                    Form::Packed(bytes) => self.place.put_packed(found, &bytes),
                    Form::Large(ordered) => self.place.found = Some(store.put_large(found, ordered)),
                }
            }
        }
        Ok(updated)
    }

    /// Puts what has become small into the lesser form.
    fn lessen(&mut self) {
        let Some(found) = self.place.found else { return };
        let limits = &self.place.view.scope.rules.forms.packed;
        let lesser = match Collection::of(&self.place.view.store().entry(found)) {
            Some(Collection::Packed(bytes)) => {
                packed::lesser_layout(bytes, limits).map(|layout| packed::rebuilt(bytes, layout))
            }
            Some(Collection::Ordered(ordered)) => ordered.to_packed(limits),
            Some(Collection::Large(_)) | None => None,
        };
        lesser.into_iter().for_each(|bytes| self.place.put_packed(found, &bytes));
    }

    /// Gives it the name of a large one.
    fn set_named(&mut self, found: Found) {
        let store = self.place.view.store();
        if let Some(Collection::Packed(bytes)) = Collection::of(&store.entry(found)) {
            let len = bytes.len();
            self.place.found = Some(store.edit(found, len, |bytes| set_named(bytes, true)));
        } else {
            Ordered::change(store, found, Ordered::set_named);
        }
    }

    /// Puts what is new under the key.
    fn settle(&mut self) {
        if self.place.found.is_none() {
            let seed = self.place.view.keyspace.seed;
            let fresh = std::mem::replace(&mut self.fresh, Scores::new(seed));
            fresh.into_taken().into_iter().for_each(|taken| self.place.put(taken));
        }
    }
}

impl Drop for SortedMut<'_, '_> {
    fn drop(&mut self) {
        // Where there was no room for it another panic would end the process.
        if !std::thread::panicking() {
            self.settle();
        }
    }
}
