//! Collections under their keys: found, typed, read and changed through handles that hide their form.
//!
//! A handler names a `HashRef` or a `SetMut` and never learns whether what it reads is packed in its entry or lies outside
//! as a store of its own: `items` reads both, `change` changes both and moves from one to the other, `fresh` builds what no
//! key has yet; `list` does all of that for lists. `forms` says when and by which names. What changed is told by `place`, as
//! by the verbs of strings. Invariant: a collection is never empty; who takes the last item out removes the key.

mod change;
mod due;
mod forms;
mod fresh;
mod items;
mod lend;
mod list;
mod list_moves;
mod place;
mod sorted;
#[cfg(test)]
mod tests;

use std::ops::Deref;

use change::Change;
pub use forms::{Forms, ListName, encoding, type_name};
pub use fresh::Fresh;
pub use items::{Items, Part, Whole};
pub use lend::{LentItems, ListRange};
pub use list::{End, FreshList, ListMut, ListRef};
pub use sorted::{Scores, SortedMut, SortedRef};

use super::Keyspace;
use super::idle::Expiry;
use super::view::{View, visible};
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::limits::LENT_COLLECTION_BYTES_MIN;
use crate::storage::packed::Type;
use crate::storage::{Collection, Full, Kind, Large, Members, Meta, NewValue, Taken, WrongType};

/// A type of collections, and the class of its events.
#[derive(Clone, Copy, Debug)]
struct Family {
    of_type: Type,
    class: Classes,
}

const HASH: Family = Family { of_type: Type::Hash, class: Classes::HASH };
const LIST: Family = Family { of_type: Type::List, class: Classes::LIST };
const SET: Family = Family { of_type: Type::Set, class: Classes::SET };
const SORTED_SET: Family = Family { of_type: Type::Zset, class: Classes::SORTED_SET };

/// A hash to read.
#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a>(Items<'a>);

/// A set to read.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a>(Items<'a>);

impl<'a> Deref for HashRef<'a> {
    type Target = Items<'a>;

    fn deref(&self) -> &Items<'a> {
        &self.0
    }
}

impl<'a> Deref for SetRef<'a> {
    type Target = Items<'a>;

    fn deref(&self) -> &Items<'a> {
        &self.0
    }
}

impl SetRef<'_> {
    /// Whether a member is there. Cost: as `Items::get`.
    #[inline]
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.get(member).is_some()
    }

    /// Copies of all members.
    #[must_use]
    pub fn members(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::with_capacity(self.len());
        self.each(|member, _| all.push(member.to_vec()));
        all
    }
}

/// A hash to change.
pub struct HashMut<'v, 'a>(Change<'v, 'a>);

impl HashMut<'_, '_> {
    /// The value of a field.
    #[inline]
    pub fn get(&mut self, field: &[u8]) -> Option<Part<'_>> {
        self.0.items()?.get(field)
    }

    /// Sets a field; whether it is a new one.
    ///
    /// # Errors
    /// Where the hash holds as much as it may.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &NewValue<'_>) -> Result<bool, Full> {
        self.0.put(field, value, Expiry::None)
    }

    /// As `set`, with a deadline or the one that it has.
    ///
    /// # Errors
    /// As `set`.
    pub fn set_until(&mut self, field: &[u8], value: &NewValue<'_>, expiry: Expiry) -> Result<bool, Full> {
        self.0.put(field, value, expiry)
    }

    /// When a field ends: `None` where there is no such field, `Some(None)` where it has no deadline.
    pub fn expire_at(&mut self, field: &[u8]) -> Option<Option<i64>> {
        self.0.items()?.expire_at(field)
    }

    /// Gives a field another deadline, or takes it away; false where it is not there.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn set_deadline(&mut self, field: &[u8], expire_at: Option<i64>) -> Result<bool, Full> {
        self.0.set_deadline(field, expire_at)
    }

    /// Says what is told beside the event of a change, behind it.
    pub fn and_then(&mut self, event: &'static str) {
        self.0.and_then(event);
    }

    /// Takes a field out; false where it is not there.
    #[inline]
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.0.remove(field)
    }

    /// Says how many fields a command brings.
    pub fn brings(&mut self, count: usize) {
        self.0.brings_fields(count);
    }
}

/// A set to change.
pub struct SetMut<'v, 'a>(Change<'v, 'a>);

impl SetMut<'_, '_> {
    /// Adds a member; whether it is a new one.
    ///
    /// # Errors
    /// Where the set holds as much as it may.
    #[inline]
    pub fn add(&mut self, member: &[u8]) -> Result<bool, Full> {
        self.0.put(member, &NewValue::Small(b""), Expiry::None)
    }

    /// Takes a member out; false where it is not there.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.0.remove(member)
    }

    /// Takes all of them out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Puts what is left of a large set in place of it, from which so many members were taken out.
    pub fn leave(&mut self, rest: Members, taken: usize) {
        self.0.leave(rest, taken);
    }

    /// Says how many members a command brings.
    pub fn brings(&mut self, count: usize) {
        self.0.brings(count);
    }

    /// What is there; `None` without key.
    pub fn as_ref(&mut self) -> Option<SetRef<'_>> {
        self.0.items().map(SetRef)
    }
}

impl Keyspace {
    /// A hash or a set that no key has yet.
    #[must_use]
    pub fn fresh(&self, of_type: Type) -> Fresh {
        Fresh::new(of_type, self.seed)
    }

    /// A sorted set that no key has yet.
    #[must_use]
    pub fn fresh_scores(&self) -> Scores {
        Scores::new(self.seed)
    }
}

impl<'a> View<'a> {
    /// A key's hash, counted as a hit or a miss; `None` without key.
    ///
    /// # Errors
    /// Where the key holds something else; counted all the same.
    #[inline]
    pub fn hash(&mut self, key: &Key<'_>) -> Result<Option<HashRef<'_>>, WrongType> {
        Ok(self.items(key, Type::Hash)?.map(HashRef))
    }

    /// A key's set, counted as a hit or a miss; `None` without key.
    ///
    /// # Errors
    /// As `hash`.
    #[inline]
    pub fn set_of(&mut self, key: &Key<'_>) -> Result<Option<SetRef<'_>>, WrongType> {
        Ok(self.items(key, Type::Set)?.map(SetRef))
    }

    /// All of a key's hash or set, to be read when the lock is gone; counted as a hit or a miss. Cost: of a large one a step
    /// for each of its segments.
    ///
    /// # Errors
    /// As `hash`.
    pub fn whole(&mut self, key: &Key<'_>, of_type: Type) -> Result<Option<Whole<'_>>, WrongType> {
        let lending = &self.keyspace.lending;
        self.meet(key, |store, found| {
            let collection = Collection::of(&store.entry(found));
            let is_large = match collection.filter(|of| forms::type_of(*of) == Some(of_type)) {
                None => return Err(WrongType),
                Some(Collection::Packed(_) | Collection::Ordered(_)) => false,
                Some(Collection::Large(members)) => members.held_bytes() >= LENT_COLLECTION_BYTES_MIN,
            };
            let lend = |members: &mut Members| Whole::Lent(members.lend(lending));
            let lent = if is_large { Members::change(store, found, lend) } else { None };
            let here =
                || Collection::of(&store.entry(found)).map(|collection| Whole::Here(Items(collection)));
            lent.or_else(here).ok_or(WrongType)
        })
        .transpose()
    }

    /// As `set_of`, not counted; `None` also where the key holds something else.
    pub fn peek_set(&mut self, key: &Key<'_>) -> Option<SetRef<'_>> {
        self.tend(key);
        let collection = Collection::of(&visible(self.store(), key)?)?;
        (forms::type_of(collection) == Some(Type::Set)).then_some(SetRef(Items(collection)))
    }

    /// What TYPE says of a key, counted as a hit or a miss.
    pub fn type_of(&mut self, key: &Key<'_>) -> Option<&'static str> {
        self.look(key, |entry| type_name(&entry))
    }

    /// A key's hash to change, or none yet. A change is told as `event` when the handle is dropped.
    ///
    /// # Errors
    /// Where the key holds something else.
    #[inline]
    pub fn hash_mut<'v>(
        &'v mut self,
        key: &Key<'v>,
        event: &'static str,
    ) -> Result<HashMut<'v, 'a>, WrongType> {
        Ok(HashMut(Change::new(self.open(key, HASH, event)?)))
    }

    /// A key's set to change, or none yet. A change is told as `event` when the handle is dropped.
    ///
    /// # Errors
    /// Where the key holds something else.
    #[inline]
    pub fn set_mut<'v>(
        &'v mut self,
        key: &Key<'v>,
        event: &'static str,
    ) -> Result<SetMut<'v, 'a>, WrongType> {
        Ok(SetMut(Change::new(self.open(key, SET, event)?)))
    }

    /// Puts a set under a key in place of whatever is there, told as `event`; an empty one removes the key.
    pub fn store_set(&mut self, key: &Key<'_>, set: Fresh, event: &'static str) {
        self.store_taken(key, set.into_taken(), SET, event);
    }

    /// Puts a collection under a key in place of whatever is there, told as `event`; none removes the key.
    fn store_taken(&mut self, key: &Key<'_>, taken: Option<Taken>, family: Family, event: &'static str) {
        let Some(taken) = taken else {
            self.remove(key);
            return;
        };
        self.tend(key);
        self.put_taken(key, taken, Meta { kind: Kind::Collection, ..Meta::value(None) });
        self.gained(key);
        self.notify(family.class, event, key.bytes);
    }

    fn items(&mut self, key: &Key<'_>, of_type: Type) -> Result<Option<Items<'_>>, WrongType> {
        self.items_of(key, |other| other == of_type)
    }

    /// What a key's collection holds, if `is_right` says so of its type.
    fn items_of(
        &mut self,
        key: &Key<'_>,
        is_right: impl Fn(Type) -> bool,
    ) -> Result<Option<Items<'_>>, WrongType> {
        let Some(collection) = self.look(key, |entry| Collection::of(&entry)) else { return Ok(None) };
        let items = collection.filter(|collection| forms::type_of(*collection).is_some_and(is_right));
        items.map_or(Err(WrongType), |items| Ok(Some(Items(items))))
    }
}
