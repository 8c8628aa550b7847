//! Lists under their keys, read and changed through handles that hide how they lie: packed in the entry, or in chunks outside
//! of it. Forms and names (`forms::ListName`) come and go behind this.

mod fresh;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::ops::Range;

use bytes::Bytes;

use super::forms::ListName;
use super::fresh::set_named;
use super::place::Place;
use super::{LIST, View};
use crate::base::hash::Key;
use crate::storage::list::{List, New, Value};
use crate::storage::packed::{self, Edit, Element, Limits, Misfit, Type, listpack};
use crate::storage::{Collected, Entry, Found, Outside, Taken, WrongType};
pub use fresh::FreshList;

/// A list to read.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Packed(packed::List<'a>),
    Large(&'a List),
}

impl<'a> ListRef<'a> {
    /// What an entry holds, where that is a list.
    #[inline]
    #[must_use]
    pub fn of(entry: &Entry<'a>) -> Option<ListRef<'a>> {
        let collected = entry.collection()?;
        Some(ListRef(match collected {
            Collected::Packed(_) if collected.of_type() != Some(Type::List) => return None,
            Collected::Packed(bytes) => Form::Packed(packed::List::read(bytes)),
            Collected::Large(large) => Form::Large((large as &dyn Any).downcast_ref()?),
        }))
    }

    /// Elements; never 0.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Form::Packed(list) => list.len(),
            Form::Large(list) => list.len(),
        }
    }

    /// Whether there are none: never, where a key has them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of that number. Cost: a step per element before it or behind it, of a large list per chunk.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self.0 {
            Form::Packed(list) => list.at(index).map(Value::Element),
            Form::Large(list) => list.get(index),
        }
    }

    /// The elements from that number on, upwards. Cost: as `get`, then a step for each.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Value<'a>> {
        let (packed, large) = match self.0 {
            Form::Packed(list) => (Some(list.iter().map(Value::Element).skip(index)), None),
            Form::Large(list) => (None, Some(list.iter_from(index))),
        };
        packed.into_iter().flatten().chain(large.into_iter().flatten())
    }

    /// The elements from that number on, downwards to the first. Cost: as `get`, then a step for each.
    pub fn back_from(&self, index: usize) -> impl Iterator<Item = Value<'a>> {
        let (packed, large) = match self.0 {
            Form::Packed(list) => {
                let behind = list.len().saturating_sub(index.saturating_add(1));
                (Some(list.iter().rev().map(Value::Element).skip(behind)), None)
            }
            Form::Large(list) => (None, Some(list.back_from(index))),
        };
        packed.into_iter().flatten().chain(large.into_iter().flatten())
    }

    /// Whether it is called `quicklist`.
    fn is_named(&self) -> bool {
        match self.0 {
            Form::Packed(list) => list.form().is_named(),
            Form::Large(list) => list.is_named(),
        }
    }

    /// Bytes of a large list, 0 of a packed one.
    pub(super) fn large_bytes(&self) -> usize {
        match self.0 {
            Form::Packed(_) => 0,
            Form::Large(list) => list.elements_bytes(),
        }
    }

    /// Whether its elements would take at most `max` bytes in a listpack. Cost: mostly some additions.
    fn fits_listpack(&self, max: usize) -> bool {
        match self.0 {
            Form::Packed(list) => list.listpack_bytes_most() <= max || list.listpack_bytes() <= max,
            Form::Large(list) => list.listpack_bytes_within(max).is_some(),
        }
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Front,
    Back,
}

impl End {
    /// The event of a push.
    #[must_use]
    pub fn pushed(self) -> &'static str {
        match self {
            End::Front => "lpush",
            End::Back => "rpush",
        }
    }

    /// The event of a pop.
    #[must_use]
    pub fn popped(self) -> &'static str {
        match self {
            End::Front => "lpop",
            End::Back => "rpop",
        }
    }
}

/// A list to change.
pub struct ListMut<'v, 'a> {
    /// What is put under the key, while there is none, when the handle is dropped or it becomes too large to be packed: all of
    /// it is written once.
    fresh: Vec<u8>,
    place: Place<'v, 'a>,
}

impl<'a> View<'a> {
    /// A key's list, counted as a hit or a miss; `None` without key.
    ///
    /// # Errors
    /// Where the key holds something else; counted all the same.
    #[inline]
    pub fn list(&mut self, key: &Key<'_>) -> Result<Option<ListRef<'_>>, WrongType> {
        self.look(key, |entry| ListRef::of(&entry).ok_or(WrongType)).transpose()
    }

    /// A key's list to change, or none yet. A change is told as `event` when the handle is dropped.
    ///
    /// # Errors
    /// Where the key holds something else.
    #[inline]
    pub fn list_mut<'v>(
        &'v mut self,
        key: &Key<'v>,
        event: &'static str,
    ) -> Result<ListMut<'v, 'a>, WrongType> {
        Ok(ListMut { fresh: Vec::new(), place: self.open(key, LIST, event)? })
    }
}

impl ListMut<'_, '_> {
    /// What is there; `None` without key.
    #[inline]
    pub fn as_ref(&mut self) -> Option<ListRef<'_>> {
        match self.place.found {
            Some(found) => ListRef::of(&self.place.view.store().entry(found)),
            None => {
                let list = packed::List::read(&self.fresh);
                (!list.is_empty()).then_some(ListRef(Form::Packed(list)))
            }
        }
    }

    /// Elements; 0 without key.
    #[inline]
    pub fn len(&mut self) -> usize {
        self.as_ref().map_or(0, |list| list.len())
    }

    /// Whether there is no key.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Says how many elements a command brings, and the bytes of all: by Redis's rule the list is called `quicklist` where they
    /// would not fit, before any of them is there.
    pub fn brings(&mut self, count: usize, bytes: usize) {
        let name = self.place.view.scope.rules.forms.list_name;
        let left = name.bytes().checked_sub(listpack::FRAME_BYTES + bytes);
        let Some(list) = self.as_ref() else {
            self.fresh = packed::List::EMPTY.to_vec();
            return set_named(&mut self.fresh, name.is_large(count, left.is_some()));
        };
        let fits = || left.is_some_and(|left| list.fits_listpack(left));
        if !list.is_named() && name.is_large(list.len() + count, fits()) {
            self.set_named(None);
        }
    }

    /// Pushes an element to an end.
    #[inline]
    pub fn push(&mut self, end: End, element: &New<'_>) {
        let index = match end {
            End::Front => 0,
            End::Back => self.len(),
        };
        self.insert(index, element);
    }

    /// Puts an element in as the one of that number.
    pub fn insert(&mut self, index: usize, element: &New<'_>) {
        self.put(
            element,
            |list, text, limits| list.insert(index, text, limits),
            |list| {
                list.insert(index, element);
                Vec::new()
            },
        );
    }

    /// Puts an element in place of the one of that number, which is there.
    pub fn set(&mut self, index: usize, element: &New<'_>) {
        self.settle();
        self.put(
            element,
            |list, text, limits| list.set(index, text, limits),
            |list| list.set(index, element).flatten().into_iter().collect(),
        );
        self.lessen();
    }

    /// Takes the elements of a range out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.settle();
        let len = self.len();
        let range = range.start..range.end.min(len);
        let Some(found) = self.place.found.filter(|_| !range.is_empty()) else { return };
        if range.len() == len {
            return self.take_all(found, len);
        }
        self.place.changed += range.len() as u64;
        let store = self.place.view.store();
        let planned = match ListRef::of(&store.entry(found)) {
            Some(ListRef(Form::Packed(list))) => list.remove(range.clone()),
            _ => None,
        };
        match planned {
            Some(edit) => self.place.found = Some(store.splice(found, &edit)),
            None => self.change_large(found, |list| list.remove(range)),
        }
        self.lessen();
    }

    /// Takes so many elements out at an end; all of them, if there are no more.
    pub fn remove_from(&mut self, end: End, count: usize) {
        let len = self.len();
        self.remove(match end {
            End::Front => 0..count.min(len),
            End::Back => len.saturating_sub(count)..len,
        });
    }

    /// As `remove_from`, and returns them: small ones copied, large ones shared. The order is that in which they leave.
    pub fn take(&mut self, end: End, count: usize) -> Vec<Bytes> {
        let Some(list) = self.as_ref() else { return Vec::new() };
        let elements: Vec<Bytes> = match end {
            End::Front => list.iter_from(0).take(count).map(Value::to_bytes).collect(),
            End::Back => list.back_from(list.len() - 1).take(count).map(Value::to_bytes).collect(),
        };
        self.remove_from(end, count);
        elements
    }

    /// Takes out elements equal to a text, at most `max`, seen from one end; returns how many.
    pub fn remove_equal(&mut self, text: &[u8], from: End, max: usize) -> usize {
        self.settle();
        let Some(found) = self.place.found else { return 0 };
        let Some(list) = self.as_ref() else { return 0 };
        let (len, mut removed) = (list.len(), 0);
        match list.0 {
            Form::Packed(list) => {
                let goes = equal_ones(list, text, from, max);
                removed = goes.len();
                if 0 < removed && removed < len {
                    let entry = self.place.view.store().entry(found);
                    let Some(Collected::Packed(bytes)) = entry.collection() else { return 0 };
                    let mut bytes = bytes.to_vec();
                    let left = packed::retain(&mut bytes, |index| !goes.contains(&index));
                    self.place.found = Some(self.place.view.store().put_packed(found, &bytes[..left]).0);
                }
            }
            Form::Large(_) => self.change_large(found, |list| {
                let went;
                (removed, went) = list.remove_equal(text, from == End::Back, max);
                went
            }),
        }
        if removed == len {
            self.take_all(found, len);
        } else if removed > 0 {
            self.place.changed += removed as u64;
            self.lessen();
        }
        removed
    }

    /// Has the event told also where nothing changed.
    pub fn tell(&mut self) {
        self.place.tell();
    }

    /// Puts an element in: as `packed` plans it where it lies packed and stays so, else as `large` does it.
    fn put(
        &mut self,
        element: &New<'_>,
        packed: impl for<'e> Fn(packed::List<'_>, &'e [u8], &Limits) -> Result<Edit<'e>, Misfit>,
        large: impl FnOnce(&mut List) -> Vec<Bytes>,
    ) {
        self.place.changed += 1;
        let limits = &self.place.view.scope.rules.forms.list;
        let plan = |list| match element {
            New::Small(text) => packed(list, text, limits).ok(),
            New::Large(_) => None,
        };
        let Some(found) = self.place.found else {
            if self.fresh.is_empty() {
                self.fresh = packed::List::EMPTY.to_vec();
            }
            let list = packed::List::read(&self.fresh);
            match plan(list) {
                Some(edit) => edit.apply_to(&mut self.fresh),
                None => {
                    let mut list = List::of(&list);
                    large(&mut list);
                    self.fresh.clear();
                    self.place.put(Taken::Outside(Outside::Collection(Box::new(list))));
                }
            }
            return;
        };
        let store = self.place.view.store();
        match ListRef::of(&store.entry(found)) {
            Some(ListRef(Form::Packed(list))) => match plan(list) {
                Some(edit) => self.place.found = Some(store.splice(found, &edit)),
                None => {
                    let mut list = List::of(&list);
                    large(&mut list);
                    self.place.found = Some(store.put_large(found, Box::new(list)));
                }
            },
            _ => self.change_large(found, large),
        }
    }

    fn change_large(&mut self, found: Found, change: impl FnOnce(&mut List) -> Vec<Bytes>) {
        let view = &mut self.place.view;
        let went = view.store().change_large(found, change).unwrap_or_default();
        went.into_iter().for_each(|value| view.let_go(Some(value)));
    }

    fn take_all(&mut self, found: Found, len: usize) {
        self.place.take_all(found);
        self.place.changed += len.saturating_sub(1) as u64;
    }

    /// Puts what is new under the key.
    fn settle(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        if !packed::List::read(&fresh).is_empty() {
            self.place.put(Taken::Small(fresh.into()));
        }
    }

    /// Gives a list that has become small the name of a small one, and the form.
    fn lessen(&mut self) {
        let forms = &self.place.view.scope.rules.forms;
        let Some(found) = self.place.found else { return };
        let small_bytes = self.as_ref().and_then(|list| small_bytes(&list, forms.list_name));
        if small_bytes.is_some() {
            self.set_named(small_bytes);
        }
        let store = self.place.view.store();
        let lesser = match ListRef::of(&store.entry(found)) {
            // A quarter, so that an element that comes and goes does not change the form each time.
            Some(ListRef(Form::Large(list))) => list.to_packed(forms.list.items / 4, forms.list.bytes / 4),
            _ => None,
        };
        let Some(bytes) = lesser else { return };
        let (found, outside) = store.put_packed(found, &bytes);
        self.place.found = Some(found);
        outside.into_iter().for_each(|outside| self.place.view.let_go_outside(outside));
    }

    /// Gives it the name of a large one, or takes it away where its elements take so many bytes in a listpack.
    fn set_named(&mut self, listpack_bytes: Option<usize>) {
        let Some(found) = self.place.found else { return };
        let store = self.place.view.store();
        let packed_bytes = match store.entry(found).collection() {
            Some(Collected::Packed(bytes)) => Some(bytes.len()),
            _ => None,
        };
        let Some(len) = packed_bytes else {
            return self.change_large(found, |list| {
                list.set_named(listpack_bytes);
                Vec::new()
            });
        };
        let is_named = listpack_bytes.is_none();
        self.place.found = Some(store.edit(found, len, |bytes| set_named(bytes, is_named)));
    }
}

impl Drop for ListMut<'_, '_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle();
        }
    }
}

/// What the elements of a list that is called `quicklist` would take in a listpack, where they are so few that it is called
/// that from now on.
fn small_bytes(list: &ListRef<'_>, name: ListName) -> Option<usize> {
    let (items, bytes) = name.half();
    if !list.is_named() || list.len() > items {
        return None;
    }
    let max = bytes.saturating_sub(listpack::FRAME_BYTES);
    match list.0 {
        Form::Packed(list) => Some(list.listpack_bytes()).filter(|bytes| *bytes <= max),
        Form::Large(list) => list.listpack_bytes_within(max),
    }
}

/// The numbers of the elements equal to a text, at most `max`, seen from one end.
fn equal_ones(list: packed::List<'_>, text: &[u8], from: End, max: usize) -> Vec<usize> {
    let needle = Element::of(text);
    let is_equal = |(index, element): (usize, Element<'_>)| (element == needle).then_some(index);
    let mut all: Vec<usize> = list.iter().enumerate().filter_map(is_equal).collect();
    match from {
        End::Front => all.truncate(max),
        End::Back => drop(all.drain(..all.len().saturating_sub(max))),
    }
    all
}
