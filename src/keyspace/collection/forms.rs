//! When a collection is packed, and by which name it goes: the two are independent.
//!
//! The form follows what is cheap. The name is what Redis 7.2 would say under the settings, and like Redis's own
//! conversions it never goes back: a hash of ten fields, one of 100 B, is `hashtable` by name and packed in fact.

use crate::storage::packed::{Element, Layout, Limits, Set, Type};
use crate::storage::{Collected, Collection, Entry};

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
    /// Members of a sorted set that is called `listpack`.
    pub zset_entries: usize,
    /// Bytes of them.
    pub zset_value_bytes: usize,
    /// Of a list that is packed.
    pub list: Limits,
    /// Of a list that is called `listpack`.
    pub list_name: ListName,
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
            zset_entries: 128,
            zset_value_bytes: 64,
            list: Limits::LIST,
            list_name: ListName::of_setting(-2),
        }
    }
}

/// What a set is called while it has not the name of a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small {
    Intset,
    Listpack,
}

/// How large a list may be that is called `listpack`. Other than hashes and sets it is called so again when it has shrunk to
/// half of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListName {
    /// Bytes of its listpack.
    Bytes(usize),
    /// Elements.
    Items(usize),
}

/// Bytes of a listpack of so many elements that never get more, whatever their number (Redis: `SIZE_SAFETY_LIMIT`).
const LISTPACK_BYTES_MAX: usize = 8 * 1024;

impl ListName {
    /// What `list-max-listpack-size` means: a number of elements, or negative one of five sizes (Redis: `quicklistNodeLimit`).
    #[must_use]
    pub fn of_setting(fill: i64) -> ListName {
        match usize::try_from(fill) {
            Ok(items) => ListName::Items(items.max(1)),
            Err(_) => ListName::Bytes(4_096 << (fill.unsigned_abs() - 1).min(4)),
        }
    }

    /// Bytes up to which a listpack may grow.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            ListName::Bytes(bytes) => bytes,
            ListName::Items(_) => LISTPACK_BYTES_MAX,
        }
    }

    /// Whether a list of so many elements is called `quicklist`, told whether its listpack takes no more than `self.bytes()`.
    #[must_use]
    pub fn is_large(self, items: usize, fits: bool) -> bool {
        !fits || matches!(self, ListName::Items(most) if items > most)
    }

    /// Elements, and bytes of its listpack, up to which a list that was called `quicklist` loses that name.
    #[must_use]
    pub fn half(self) -> (usize, usize) {
        match self {
            ListName::Bytes(bytes) => (usize::MAX, bytes / 2),
            ListName::Items(items) => (items / 2, LISTPACK_BYTES_MAX),
        }
    }
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

    /// Whether a sorted set that is to have so many members, this new one among them, is called `skiplist` from now on.
    #[must_use]
    pub fn names_zset(&self, len: usize, member: &[u8]) -> bool {
        len > self.zset_entries || member.len() > self.zset_value_bytes
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
    Collected::from(collection).of_type()
}

/// Whether it has got the name of a large one.
pub(super) fn is_named(collection: Collection<'_>) -> bool {
    Collected::from(collection).is_named()
}

/// What a set is called as long as it has not the name of a large one.
pub(super) fn small_name(collection: Collection<'_>) -> Small {
    let has_strings = match collection {
        Collection::Packed(bytes) => matches!(Set::read(bytes).form().layout(), Layout::Run | Layout::Page),
        Collection::Large(members) => members.has_strings(),
        Collection::Ordered(_) => true,
    };
    if has_strings { Small::Listpack } else { Small::Intset }
}

/// What OBJECT ENCODING says of an entry that is no string.
#[must_use]
pub fn encoding(entry: &Entry<'_>) -> Option<&'static str> {
    let collected = entry.collection()?;
    Some(match collected.of_type() {
        Some(Type::List) if collected.is_named() => "quicklist",
        Some(Type::List) => "listpack",
        Some(Type::Zset) if collected.is_named() => "skiplist",
        _ if collected.is_named() => "hashtable",
        Some(Type::Set) if Collection::of(entry).map(small_name) == Some(Small::Intset) => "intset",
        Some(Type::Hash) if entry.items_due_at().is_some() => "listpackex",
        _ => "listpack",
    })
}

/// What TYPE says.
#[must_use]
pub fn type_name(entry: &Entry<'_>) -> &'static str {
    match entry.collection().map(Collected::of_type) {
        None => "string",
        Some(Some(Type::List)) => "list",
        Some(Some(Type::Set)) => "set",
        Some(Some(Type::Zset)) => "zset",
        Some(_) => "hash",
    }
}
