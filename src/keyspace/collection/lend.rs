//! Collections for those who read them when the lock is gone: packed ones copied, large ones lent.
//!
//! Nothing here counts as a look at a key: it is for what is planned, and counted when it is done.

use std::ops::Range;

use super::forms;
use super::items::Items;
use super::list::ListRef;
use crate::base::hash::Key;
use crate::base::limits::LENT_COLLECTION_BYTES_MIN;
use crate::keyspace::view::{View, find_visible, visible};
use crate::storage::list::{LentList, List};
use crate::storage::packed::Type;
use crate::storage::{Collection, CopyLater, Found, Large, LentMembers, Members, Selection, WrongType};

/// The items of a hash or a set as they were at one moment.
#[derive(Debug)]
pub enum LentItems {
    Packed(Box<[u8]>),
    Large(LentMembers),
}

/// Elements of a list: lent where they are many.
#[derive(Debug)]
pub enum ListRange<'a> {
    Here(ListRef<'a>, Range<usize>),
    Lent(LentList),
}

impl ListRange<'_> {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            ListRange::Here(_, range) => range.len(),
            ListRange::Lent(list) => list.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LentItems {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            LentItems::Packed(bytes) => Items(Collection::Packed(bytes)).len(),
            LentItems::Large(members) => members.len(),
        }
    }

    /// Whether there are none: never, where a key had them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first of the fields ended that have a deadline, or a little before.
    #[must_use]
    pub fn due_at(&self) -> Option<i64> {
        match self {
            LentItems::Packed(bytes) => Items(Collection::Packed(bytes)).due_at(),
            LentItems::Large(members) => members.due_at(),
        }
    }

    /// Shows name and value of each item in turn, as long as it is answered true; whether all were.
    pub fn read(self, mut see: impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        self.read_until(|name, value, _| see(name, value))
    }

    /// As `read`, with the deadlines of fields.
    pub fn read_until(self, mut see: impl FnMut(&[u8], &[u8], Option<i64>) -> bool) -> bool {
        match self {
            LentItems::Large(mut members) => {
                members.read_until(|name, value, expire_at| see(name, value.as_slice(), expire_at))
            }
            LentItems::Packed(bytes) => {
                let mut goes_on = true;
                Items(Collection::Packed(&bytes)).each_until(|name, value, expire_at| {
                    goes_on = goes_on && name.with(|name| value.with(|value| see(name, value, expire_at)));
                });
                goes_on
            }
        }
    }
}

impl View<'_> {
    /// How many items a key's set has, 0 without key; `None` where it holds something else.
    pub fn members_len(&mut self, key: &Key<'_>) -> Option<usize> {
        self.tend(key);
        let Some(entry) = visible(self.store(), key) else { return Some(0) };
        let set = Collection::of(&entry).filter(|set| forms::type_of(*set) == Some(Type::Set))?;
        Some(Items(set).len())
    }

    /// The items of a key's hash or set, and which of them it is; `None` where there is no such thing. Cost: a copy of a packed
    /// one, of a large one a step for each of its segments.
    pub fn lend_items(&mut self, key: &Key<'_>) -> Option<(LentItems, Type)> {
        let (found, lending) = (self.find_to_lend(key)?, &self.keyspace.lending);
        let store = &mut self.shard.db(self.db).store;
        let collection = Collection::of(&store.entry(found))?;
        let of_type = forms::type_of(collection).filter(|of| matches!(of, Type::Hash | Type::Set))?;
        let items = match collection {
            Collection::Ordered(_) => return None,
            Collection::Packed(bytes) => LentItems::Packed(bytes.into()),
            Collection::Large(_) => {
                LentItems::Large(store.change_large(found, |members: &mut Members| members.lend(lending))?)
            }
        };
        Some((items, of_type))
    }

    /// As `lend_items`, of a large set, to select some of its members.
    pub fn lend_to_select(&mut self, key: &Key<'_>) -> Option<Selection> {
        let (found, lending) = (self.find_to_lend(key)?, &self.keyspace.lending);
        let store = &mut self.shard.db(self.db).store;
        let lend =
            |members: &mut Members| (members.of_type() == Type::Set).then(|| members.lend_to_select(lending));
        store.change_large(found, lend)?
    }

    /// All elements of a key's large list.
    pub fn lend_list(&mut self, key: &Key<'_>) -> Option<LentList> {
        let (found, lending) = (self.find_to_lend(key)?, &self.keyspace.lending);
        let store = &mut self.shard.db(self.db).store;
        store.change_large(found, |list: &mut List| list.lend(0..list.len(), lending))
    }

    /// Elements of a key's list, `range_of` all, to be read when the lock is gone; counted as a hit or a miss. Cost: of many
    /// a step for each of their chunks.
    ///
    /// # Errors
    /// Where the key holds something else; counted all the same.
    pub fn list_range(
        &mut self,
        key: &Key<'_>,
        range_of: impl FnOnce(usize) -> Range<usize>,
    ) -> Result<Option<ListRange<'_>>, WrongType> {
        let lending = &self.keyspace.lending;
        self.meet(key, |store, found| {
            let list = ListRef::of(&store.entry(found)).ok_or(WrongType)?;
            let (len, bytes) = (list.len(), list.large_bytes());
            let range = range_of(len);
            if bytes / len.max(1) * range.len() >= LENT_COLLECTION_BYTES_MIN {
                let lend = |list: &mut List| ListRange::Lent(list.lend(range, lending));
                return store.change_large(found, lend).ok_or(WrongType);
            }
            ListRef::of(&store.entry(found)).map(|list| ListRange::Here(list, range)).ok_or(WrongType)
        })
        .transpose()
    }

    /// A copy of a key's large collection, of whatever type, to be made later, and the steps it takes; `None` where there is
    /// none of more than `steps_min` steps.
    pub fn copy_later(&mut self, key: &Key<'_>, steps_min: usize) -> Option<(CopyLater, usize)> {
        let (found, lending) = (self.find_to_lend(key)?, &self.keyspace.lending);
        let store = &mut self.shard.db(self.db).store;
        store.change_outside(found, |large| large.copy_later(steps_min, lending))?
    }

    fn find_to_lend(&mut self, key: &Key<'_>) -> Option<Found> {
        self.tend(key);
        find_visible(self.store(), key)
    }
}
