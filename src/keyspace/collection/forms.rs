//! When a collection is packed, and by which name it goes: the two are independent.
//!
//! The form follows what is cheap. The name is what Redis 7.2 would say under the settings, and like Redis's own
//! conversions it never goes back: a hash of ten fields, one of 100 B, is `hashtable` by name and packed in fact.

use crate::storage::packed::{Element, Layout, Limits, Set, Type};
use crate::storage::{Collection, Entry, packed};

/// The limits of forms and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// Of what is packed.
    pub packed: Limits,
    /// Fields of a hash that is called `listpack`.
    pub hash_entries: usize,
    /// Bytes of its fields and values.
    pub hash_value_bytes: usize,
    /// Members of a set that is called `intset`.
    pub set_ints: usize,
    /// Members of one that is called `listpack`.
    pub set_entries: usize,
    /// Bytes of them.
    pub set_value_bytes: usize,
}

impl Default for Forms {
    fn default() -> Forms {
        Forms {
            packed: Limits::SEARCHED,
            hash_entries: 512,
            hash_value_bytes: 64,
            set_ints: 512,
            set_entries: 128,
            set_value_bytes: 64,
        }
    }
}

/// What a set is called while it has not the name of a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small {
    Intset,
    Listpack,
}

impl Forms {
    /// Whether a hash that is to have so many fields, this one among them, is called `hashtable` from now on.
    #[must_use]
    pub fn names_hash(&self, len: usize, field: &[u8], value: &[u8]) -> bool {
        len > self.hash_entries || field.len().max(value.len()) > self.hash_value_bytes
    }

    /// The same for a set, told what it is called before this member.
    #[must_use]
    pub fn names_set(&self, before: Small, len: usize, member: &[u8]) -> bool {
        let is_int = matches!(Element::of(member), Element::Int(_));
        match before {
            Small::Intset if is_int => len > self.set_ints,
            _ => len > self.set_entries || member.len() > self.set_value_bytes,
        }
    }

    /// Whether so many members, as many words a command brings, make a set `hashtable` by their number alone.
    #[must_use]
    pub fn names_by_count(&self, before: Small, count: usize) -> bool {
        count > self.entries_of(before)
    }

    /// Members up to which a set keeps such a name.
    #[must_use]
    pub fn entries_of(&self, name: Small) -> usize {
        match name {
            Small::Intset => self.set_ints,
            Small::Listpack => self.set_entries,
        }
    }
}

/// Of which type a collection is; `None` for bytes that are none.
#[inline]
pub(super) fn type_of(collection: Collection<'_>) -> Option<Type> {
    match collection {
        Collection::Packed(bytes) => packed::Form::read(bytes).map(|form| form.of_type()),
        Collection::Large(members) => Some(members.of_type()),
    }
}

/// Whether it has got the name of a large one.
pub(super) fn is_named(collection: Collection<'_>) -> bool {
    match collection {
        Collection::Packed(bytes) => packed::Form::read(bytes).is_some_and(|form| form.is_named()),
        Collection::Large(members) => members.is_named(),
    }
}

/// What a set is called as long as it has not the name of a large one.
pub(super) fn small_name(collection: Collection<'_>) -> Small {
    let has_strings = match collection {
        Collection::Packed(bytes) => matches!(Set::read(bytes).form().layout(), Layout::Run | Layout::Page),
        Collection::Large(members) => members.has_strings(),
    };
    if has_strings { Small::Listpack } else { Small::Intset }
}

/// What OBJECT ENCODING says.
#[must_use]
pub fn encoding(collection: Collection<'_>) -> &'static str {
    let of_type = type_of(collection);
    match (of_type, small_name(collection)) {
        _ if is_named(collection) => "hashtable",
        (Some(Type::Set), Small::Intset) => "intset",
        _ => "listpack",
    }
}

/// What TYPE says.
#[must_use]
pub fn type_name(entry: &Entry<'_>) -> &'static str {
    match Collection::of(entry).map(type_of) {
        None => "string",
        Some(Some(Type::Set)) => "set",
        Some(_) => "hash",
    }
}
