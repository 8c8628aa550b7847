//! A hash or a set as it is changed where it lies: forms come and go behind this.

use super::forms::{self, Forms};
use super::fresh::{self, Fresh, is_to_be_named, plan_put};
use super::items::Items;
use super::place::Place;
use crate::keyspace::idle::Expiry;
use crate::storage::packed::{self, Hash, Misfit, Set, Type};
use crate::storage::{Collection, Found, Full, Members, NewValue, Outside, Store};

/// A collection under its key, or none yet.
pub struct Change<'v, 'a> {
    /// What is put under the key when the handle is dropped, while there is none: all of it is written once.
    fresh: Option<Fresh>,
    /// As many items as a command brings at least.
    expected: usize,
    place: Place<'v, 'a>,
}

impl<'v, 'a> Change<'v, 'a> {
    /// A change of what lies in a place.
    pub(super) fn new(place: Place<'v, 'a>) -> Change<'v, 'a> {
        Change { fresh: None, expected: 0, place }
    }
}

impl Change<'_, '_> {
    /// What is there; `None` without key.
    #[inline]
    pub fn items(&mut self) -> Option<Items<'_>> {
        let Some(found) = self.place.found else { return self.fresh.as_ref()?.items() };
        Collection::of(&self.place.view.store().entry(found)).map(Items)
    }

    /// Puts an item in, or another value in place of its own, with or without a deadline; whether it is a new one.
    ///
    /// # Errors
    /// Where it holds as much as it may; nothing changes then.
    pub fn put(&mut self, name: &[u8], value: &NewValue<'_>, expiry: Expiry) -> Result<bool, Full> {
        let (forms, now_ms) = (&self.place.view.scope.rules.forms, self.place.view.scope.now.wall_ms);
        let expire_at = match expiry {
            Expiry::None => None,
            Expiry::At(at) => Some(at),
            Expiry::Keep => self.items().and_then(|items| items.expire_at(name)).flatten(),
        };
        let Some(found) = self.place.found else { return self.put_fresh(name, value, expire_at) };
        self.name(found, name, value, forms);
        loop {
            let Some(found) = self.place.found else { return self.put_fresh(name, value, expire_at) };
            let store = self.place.view.store();
            let bytes = match Collection::of(&store.entry(found)) {
                Some(Collection::Packed(bytes)) => bytes,
                _ => return self.put_large(found, name, value, expire_at),
            };
            match plan_put(bytes, name, value.as_slice(), expire_at, forms) {
                Ok(None) => return Ok(false),
                Ok(Some((edit, is_new))) => {
                    self.place.found = Some(store.splice(found, &edit));
                    self.place.changed += 1;
                    return Ok(is_new);
                }
                Err(Misfit::Layout(layout)) => {
                    let bytes = packed::rebuilt(bytes, layout);
                    self.place.found = Some(store.put_packed(found, &bytes).0);
                }
                Err(Misfit::Large) => self.place.found = Some(enlarge(store, now_ms, found)?),
            }
        }
    }

    /// Gives a field another deadline, or takes it away; false where it is not there.
    ///
    /// # Errors
    /// Where there is no room for it; nothing changes then.
    pub fn set_deadline(&mut self, name: &[u8], expire_at: Option<i64>) -> Result<bool, Full> {
        self.settle();
        let (limits, now_ms) = (&self.place.view.scope.rules.forms.packed, self.place.view.scope.now.wall_ms);
        loop {
            let Some(found) = self.place.found else { return Ok(false) };
            let store = self.place.view.store();
            let Some(Collection::Packed(bytes)) = Collection::of(&store.entry(found)) else {
                let set = |members: &mut Members| members.set_deadline(now_ms, name, expire_at);
                let is_there = Members::change(store, found, set).unwrap_or(Ok(false))?;
                self.place.changed += u64::from(is_there);
                return Ok(is_there);
            };
            let hash = Hash::read(bytes);
            let Some(place) = hash.find(name) else { return Ok(false) };
            match hash.set_deadline(place, expire_at, limits) {
                Ok(edit) => {
                    self.place.found = Some(store.splice(found, &edit));
                    self.place.changed += 1;
                    return Ok(true);
                }
                Err(_) => self.place.found = Some(enlarge(store, now_ms, found)?),
            }
        }
    }

    /// Has another event told behind that of the change.
    pub fn and_then(&mut self, event: &'static str) {
        self.place.and_then(event);
    }

    /// Takes an item out; false where it is not there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.settle();
        let Some(found) = self.place.found else { return false };
        let store = self.place.view.store();
        let Some(collection) = Collection::of(&store.entry(found)) else { return false };
        let items = Items(collection);
        if items.len() == 1 {
            return items.get(name).is_some() && self.take_all(found);
        }
        let bytes = match collection {
            Collection::Packed(bytes) => bytes,
            _ => return self.remove_large(found, name),
        };
        let edit = match self.place.family.of_type {
            Type::Set => Set::read(bytes).remove(name),
            _ => {
                let hash = Hash::read(bytes);
                hash.find(name).map(|place| hash.remove(place))
            }
        };
        let Some(edit) = edit else { return false };
        let found = store.splice(found, &edit);
        self.place.changed += 1;
        self.place.found = Some(self.place.view.lessen(found));
        true
    }

    /// Takes the whole collection out, which then counts as that many changes; false without key.
    pub fn clear(&mut self) -> bool {
        self.settle();
        let len = self.items().map_or(0, |items| items.len());
        let Some(found) = self.place.found else { return false };
        self.place.changed += (len as u64).saturating_sub(1);
        self.take_all(found)
    }

    /// Puts what is left of a large collection in place of it, which counts as so many changes.
    pub fn leave(&mut self, rest: Members, taken: usize) {
        let Some(found) = self.place.found.filter(|_| !rest.is_empty()) else { return };
        let view = &mut self.place.view;
        let old = view.store().change_large(found, |members: &mut Members| std::mem::replace(members, rest));
        let Some(old) = old else { return };
        view.let_go_outside(Outside::Collection(Box::new(old)));
        self.place.changed += taken as u64;
        self.place.found = Some(self.place.view.lessen(found));
    }

    /// Tells a set that a command brings so many words: by Redis's rule their number alone may make it `hashtable`.
    pub fn brings(&mut self, count: usize) {
        self.expected = count;
        let forms = &self.place.view.scope.rules.forms;
        let Some(items) = self.items() else { return };
        let (is_named, before) = (forms::is_named(items.0), forms::small_name(items.0));
        if let Some(found) = self.place.found
            && !is_named
            && forms.names_by_count(before, count)
        {
            self.set_named(found);
        }
    }

    /// As `brings`, for a hash: by Redis's rule also words that repeat each other count.
    pub fn brings_fields(&mut self, count: usize) {
        self.expected = count;
        let is_named = self.items().is_none_or(|items| forms::is_named(items.0));
        let is_more = count > self.place.view.scope.rules.forms.hash_entries;
        self.place.found.into_iter().filter(|_| is_more && !is_named).for_each(|found| self.set_named(found));
    }

    /// Puts an item into what is to be put under the key.
    fn put_fresh(&mut self, name: &[u8], value: &NewValue<'_>, expire_at: Option<i64>) -> Result<bool, Full> {
        let (forms, now_ms) = (&self.place.view.scope.rules.forms, self.place.view.scope.now.wall_ms);
        let (family, seed, expected) = (self.place.family, self.place.view.keyspace.seed, self.expected);
        let begin = || Fresh::new(family.of_type, seed).expecting(expected).at(now_ms);
        let is_new = self.fresh.get_or_insert_with(begin).put_until(name, value, expire_at, forms)?;
        // Of a set nothing has changed where the member is there.
        self.place.changed += u64::from(is_new || family.of_type == Type::Hash);
        Ok(is_new)
    }

    /// Puts what is new under the key.
    fn settle(&mut self) {
        let taken = self.fresh.take().and_then(Fresh::into_taken);
        taken.into_iter().for_each(|taken| self.place.put(taken));
    }

    fn put_large(
        &mut self,
        found: Found,
        name: &[u8],
        value: &NewValue<'_>,
        expire_at: Option<i64>,
    ) -> Result<bool, Full> {
        let now_ms = self.place.view.scope.now.wall_ms;
        let is_there = self.place.family.of_type == Type::Set
            && self.items().is_some_and(|items| items.get(name).is_some());
        if is_there {
            return Ok(false);
        }
        let put = |members: &mut Members| members.put_until(now_ms, name, value, expire_at);
        let placed = Members::change(self.place.view.store(), found, put);
        let placed = placed.unwrap_or(Err(Full))?;
        placed.outside.into_iter().for_each(|outside| self.place.view.let_go_outside(outside));
        self.place.changed += 1;
        Ok(placed.is_new)
    }

    fn remove_large(&mut self, found: Found, name: &[u8]) -> bool {
        let removed = Members::change(self.place.view.store(), found, |members| members.remove(name));
        let Some(removed) = removed.flatten() else { return false };
        removed.outside.into_iter().for_each(|outside| self.place.view.let_go_outside(outside));
        self.place.changed += 1;
        self.place.found = Some(self.place.view.lessen(found));
        true
    }

    /// Gives it the name of a large one where this item makes it that.
    fn name(&mut self, found: Found, name: &[u8], value: &NewValue<'_>, forms: &Forms) {
        let collection = Collection::of(&self.place.view.store().entry(found));
        let is_new_name =
            |collection| !forms::is_named(collection) && is_to_be_named(collection, name, value, forms);
        if collection.is_some_and(is_new_name) {
            self.set_named(found);
        }
    }

    fn set_named(&mut self, found: Found) {
        let store = self.place.view.store();
        let len = match Collection::of(&store.entry(found)) {
            Some(Collection::Packed(bytes)) => bytes.len(),
            _ => {
                Members::change(store, found, Members::set_named);
                return;
            }
        };
        self.place.found = Some(store.edit(found, len, |bytes| fresh::set_named(bytes, true)));
    }

    fn take_all(&mut self, found: Found) -> bool {
        self.place.take_all(found);
        true
    }
}

/// Makes a packed collection a large one; returns where its entry is.
fn enlarge(store: &mut Store, now_ms: i64, found: Found) -> Result<Found, Full> {
    let Some(Collection::Packed(bytes)) = Collection::of(&store.entry(found)) else { return Ok(found) };
    let members = Members::of_packed(now_ms, bytes, store.seed())?;
    Ok(store.put_large(found, Box::new(members)))
}

impl Drop for Change<'_, '_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle();
        }
    }
}
