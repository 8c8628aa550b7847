//! One entry: header, optional deadline, optional refill facts, key and value in a single allocation.
//!
//! An `Entry` is one pointer wide, so that a table's bucket of six fits a cache line. Values of
//! `SHARED_VALUE_BYTES_MIN` and more live outside as reference-counted `Bytes`.
//! Invariant: the bytes behind the pointer always follow the layout below.
//!
//! ```text
//! flags 1 | value length 2 | key length 1 or 5 | [expire_at 8] | [refill 8] | key | value or *Bytes
//! ```

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use bytes::{Bytes, BytesMut};

use crate::base::limits::SHARED_VALUE_BYTES_MIN;

const KIND_MASK: u8 = 0b0000_0011;
const HAS_EXPIRE: u8 = 0b0000_0100;
const HAS_REFILL: u8 = 0b0000_1000;
const SHARED: u8 = 0b0001_0000;
const LONG_KEY: u8 = 0b0010_0000;
const STALE: u8 = 0b0100_0000;
const EDITED: u8 = 0b1000_0000;

/// A short key's length stands in one byte; this value says that four more bytes follow.
const KEY_LEN_LONG: u8 = u8::MAX;
const FIXED_BYTES: usize = 4;

/// What an entry says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value, visible to every command.
    Value,
    /// FILL.NONE: known not to exist. Hidden from all but the FILL commands.
    None,
    /// FILL.PASS: uncacheable. Hidden likewise.
    Pass,
}

/// What FILL keeps with a value: how long it may be served stale and what it cost to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Refill {
    /// Milliseconds past `expire_at` during which the value may be served stale.
    pub grace_ms: u32,
    /// Milliseconds from lease to PUT: XFetch's delta.
    pub delta_ms: u32,
}

/// Everything about an entry except its key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    /// Wall-clock milliseconds since the epoch at which the entry expires.
    pub expire_at: Option<i64>,
    pub refill: Option<Refill>,
}

impl Meta {
    /// An ordinary value.
    #[must_use]
    pub fn value(expire_at: Option<i64>) -> Meta {
        Meta { kind: Kind::Value, expire_at, refill: None }
    }
}

/// A value on its way into an entry. Built before any lock is taken, so that large copies happen outside.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    Small(&'a [u8]),
    Shared(Bytes),
}

impl<'a> NewValue<'a> {
    /// Borrows a small value, copies a large one into a shared block.
    #[must_use]
    pub fn copied(bytes: &'a [u8]) -> NewValue<'a> {
        if bytes.len() < SHARED_VALUE_BYTES_MIN {
            NewValue::Small(bytes)
        } else {
            NewValue::Shared(Bytes::copy_from_slice(bytes))
        }
    }

    /// Keeps a large shared value shared.
    #[must_use]
    pub fn from_shared(bytes: &'a Bytes) -> NewValue<'a> {
        if bytes.len() < SHARED_VALUE_BYTES_MIN {
            NewValue::Small(bytes)
        } else {
            NewValue::Shared(bytes.clone())
        }
    }

    /// A handle that outlives the request: copies a small value, shares a large one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            NewValue::Small(bytes) => Bytes::copy_from_slice(bytes),
            NewValue::Shared(bytes) => bytes.clone(),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            NewValue::Small(bytes) => bytes,
            NewValue::Shared(bytes) => bytes,
        }
    }
}

/// A value as it lies in its entry.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    Inline(&'a [u8]),
    Shared(&'a Bytes),
}

impl<'a> ValueRef<'a> {
    #[must_use]
    pub fn as_slice(self) -> &'a [u8] {
        match self {
            ValueRef::Inline(bytes) => bytes,
            ValueRef::Shared(bytes) => bytes,
        }
    }

    #[must_use]
    pub fn len(self) -> usize {
        self.as_slice().len()
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A handle that outlives the lock: copies a small value, shares a large one.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        match self {
            ValueRef::Inline(bytes) => Bytes::copy_from_slice(bytes),
            ValueRef::Shared(bytes) => bytes.clone(),
        }
    }

    /// The same value for another entry.
    #[must_use]
    pub fn to_new(self) -> NewValue<'a> {
        match self {
            ValueRef::Inline(bytes) => NewValue::Small(bytes),
            ValueRef::Shared(bytes) => NewValue::Shared(bytes.clone()),
        }
    }
}

/// An entry of the table.
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns its allocation and the `Bytes` inside; nothing in it is tied to a thread.
unsafe impl Send for Entry {}
// SAFETY: shared access only reads.
unsafe impl Sync for Entry {}

impl Entry {
    /// Builds an entry. Cost: one allocation and one copy of key and small value.
    #[must_use]
    pub fn new(key: &[u8], value: &NewValue<'_>, meta: Meta) -> Entry {
        let shape = Shape::of(key.len(), value, meta);
        let entry = Entry::allocate(shape.total());
        let flags = shape.flags | meta.kind as u8;
        let bytes = entry.0.as_ptr();
        // SAFETY: the allocation is `shape.total()` bytes long, the slices below are cut out of exactly
        // that, and nobody else has the pointer yet. It is zeroed first, so no uninitialised byte is read.
        let bytes = unsafe {
            std::ptr::write_bytes(bytes, 0, shape.key_at());
            std::slice::from_raw_parts_mut(bytes, shape.key_at())
        };
        bytes[0] = flags;
        bytes[1..3].copy_from_slice(&(shape.inline_len as u16).to_le_bytes());
        if flags & LONG_KEY == 0 {
            bytes[3] = key.len() as u8;
        } else {
            bytes[3] = KEY_LEN_LONG;
            bytes[4..8].copy_from_slice(&(key.len() as u32).to_le_bytes());
        }
        let mut at = shape.fixed();
        if let Some(expire_at) = meta.expire_at {
            bytes[at..at + 8].copy_from_slice(&expire_at.to_le_bytes());
            at += 8;
        }
        if let Some(refill) = meta.refill {
            bytes[at..at + 4].copy_from_slice(&refill.grace_ms.to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&refill.delta_ms.to_le_bytes());
        }
        entry.write_tail(&shape, key, value);
        entry
    }

    fn write_tail(&self, shape: &Shape, key: &[u8], value: &NewValue<'_>) {
        // SAFETY: key and value lie behind the header inside the fresh allocation of `shape.total()` bytes.
        unsafe {
            let key_at = self.0.as_ptr().add(shape.key_at());
            std::ptr::copy_nonoverlapping(key.as_ptr(), key_at, key.len());
            let value_at = key_at.add(key.len());
            match value {
                NewValue::Shared(bytes) => {
                    let owned: *mut Bytes = Box::into_raw(Box::new(bytes.clone()));
                    value_at.cast::<*mut Bytes>().write_unaligned(owned);
                }
                NewValue::Small(_) => {
                    std::ptr::copy_nonoverlapping(value.as_slice().as_ptr(), value_at, shape.inline_len);
                }
            }
        }
    }

    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let (at, len) = self.key_place();
        &self.head_and_key(at + len)[at..]
    }

    #[inline]
    #[must_use]
    pub fn value(&self) -> ValueRef<'_> {
        let (key_at, key_len) = self.key_place();
        let value_at = key_at + key_len;
        if self.flags() & SHARED != 0 {
            // SAFETY: with SHARED set, the value's place holds the pointer written by `write_tail`.
            return ValueRef::Shared(unsafe { &*self.shared_ptr(value_at) });
        }
        // SAFETY: the allocation is `value_at + inline_len` bytes long and initialised by `new`.
        ValueRef::Inline(unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().add(value_at), self.inline_len())
        })
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.flags() & KIND_MASK {
            0 => Kind::Value,
            1 => Kind::None,
            _ => Kind::Pass,
        }
    }

    /// Wall-clock milliseconds at which the entry expires.
    #[inline]
    #[must_use]
    pub fn expire_at(&self) -> Option<i64> {
        (self.flags() & HAS_EXPIRE != 0).then(|| i64::from_le_bytes(self.field(self.fixed())))
    }

    #[must_use]
    pub fn refill(&self) -> Option<Refill> {
        if self.flags() & HAS_REFILL == 0 {
            return None;
        }
        let at = self.fixed() + if self.flags() & HAS_EXPIRE != 0 { 8 } else { 0 };
        let both: [u8; 8] = self.field(at);
        let half =
            |from: usize| u32::from_le_bytes([both[from], both[from + 1], both[from + 2], both[from + 3]]);
        Some(Refill { grace_ms: half(0), delta_ms: half(4) })
    }

    #[must_use]
    pub fn meta(&self) -> Meta {
        Meta { kind: self.kind(), expire_at: self.expire_at(), refill: self.refill() }
    }

    /// Set once the sweeper has seen the entry go stale; keeps the count of hidden entries exact.
    #[must_use]
    pub fn is_marked_stale(&self) -> bool {
        self.flags() & STALE != 0
    }

    pub fn mark_stale(&mut self) {
        self.set_flag(STALE, true);
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        let flags = if on { self.flags() | flag } else { self.flags() & !flag };
        // SAFETY: the first byte of the allocation is the flags byte, and `&mut self` is the only access.
        unsafe { *self.0.as_ptr() = flags };
    }

    /// Whether the value was changed in place since it was set: OBJECT ENCODING calls that `raw`.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.flags() & EDITED != 0
    }

    pub fn set_edited(&mut self, edited: bool) {
        self.set_flag(EDITED, edited);
    }

    /// Changes the deadline; a new or removed one costs a new allocation and a copy of a small value.
    pub fn set_expire_at(&mut self, expire_at: Option<i64>) {
        match expire_at {
            Some(at) if self.flags() & HAS_EXPIRE != 0 => {
                let place = self.fixed();
                // SAFETY: with HAS_EXPIRE set, the eight bytes at `fixed()` are the deadline.
                unsafe { self.0.as_ptr().add(place).cast::<[u8; 8]>().write_unaligned(at.to_le_bytes()) };
            }
            None if self.flags() & HAS_EXPIRE == 0 => {}
            _ => {
                let edited = self.is_edited();
                *self = Entry::new(self.key(), &self.value().to_new(), Meta { expire_at, ..self.meta() });
                self.set_edited(edited);
            }
        }
    }

    /// Changes the value in place: `change` sees it with its length set to `len`, new bytes zero.
    /// Cost: a small value is copied once; a shared one only when somebody else still reads it.
    pub fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        if self.flags() & SHARED != 0 {
            let (key_at, key_len) = self.key_place();
            // SAFETY: with SHARED set, the place holds the pointer; `&mut self` makes the access exclusive.
            let shared = unsafe { &mut *self.shared_ptr(key_at + key_len) };
            let mut bytes = match std::mem::take(shared).try_into_mut() {
                Ok(own) => own,
                Err(read_elsewhere) => BytesMut::from(&read_elsewhere[..]),
            };
            bytes.resize(len, 0);
            change(&mut bytes);
            *shared = bytes.freeze();
        } else if len == self.inline_len() {
            let (key_at, key_len) = self.key_place();
            // SAFETY: the inline value's `len` bytes lie behind the key; `&mut self` makes it exclusive.
            change(unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().add(key_at + key_len), len) });
        } else {
            let mut bytes = BytesMut::with_capacity(len);
            bytes.extend_from_slice(&self.value().as_slice()[..len.min(self.inline_len())]);
            bytes.resize(len, 0);
            change(&mut bytes);
            *self = Entry::new(self.key(), &NewValue::from_shared(&bytes.freeze()), self.meta());
        }
    }

    /// Bytes of this entry's allocation, without a shared value.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let (key_at, key_len) = self.key_place();
        let tail = if self.flags() & SHARED != 0 { size_of::<*mut Bytes>() } else { self.inline_len() };
        key_at + key_len + tail
    }

    /// Asks the processor to fetch the entry's first two cache lines: header, key and a small value.
    #[inline]
    pub fn prefetch(&self) {
        super::prefetch_line(self.0.as_ptr());
        super::prefetch_line(self.0.as_ptr().wrapping_add(64));
    }

    #[inline]
    fn flags(&self) -> u8 {
        // SAFETY: every entry begins with its flags byte.
        unsafe { *self.0.as_ptr() }
    }

    #[inline]
    fn inline_len(&self) -> usize {
        u16::from_le_bytes(self.field(1)).into()
    }

    #[inline]
    fn fixed(&self) -> usize {
        if self.flags() & LONG_KEY == 0 { FIXED_BYTES } else { FIXED_BYTES + 4 }
    }

    /// Offset and length of the key.
    #[inline]
    fn key_place(&self) -> (usize, usize) {
        let flags = self.flags();
        let len = if flags & LONG_KEY == 0 {
            usize::from(self.field::<1>(3)[0])
        } else {
            u32::from_le_bytes(self.field(4)) as usize
        };
        let options = usize::from(flags & HAS_EXPIRE != 0) + usize::from(flags & HAS_REFILL != 0);
        (self.fixed() + 8 * options, len)
    }

    #[inline]
    fn head_and_key(&self, len: usize) -> &[u8] {
        // SAFETY: callers pass the end of the key as given by `key_place`, inside the allocation.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), len) }
    }

    #[inline]
    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        // SAFETY: callers pass places inside the header, which every allocation has in full.
        unsafe { self.0.as_ptr().add(at).cast::<[u8; N]>().read_unaligned() }
    }

    fn shared_ptr(&self, value_at: usize) -> *mut Bytes {
        // SAFETY: only called with SHARED set, when eight bytes at the value's place hold the pointer.
        unsafe { self.0.as_ptr().add(value_at).cast::<*mut Bytes>().read_unaligned() }
    }

    fn allocate(bytes: usize) -> Entry {
        let layout = layout(bytes);
        // SAFETY: the layout is never empty (the header alone is four bytes).
        let pointer = unsafe { alloc(layout) };
        Entry(NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout)))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let bytes = self.allocated_bytes();
        // SAFETY: the shared block was boxed by `write_tail` and is given back exactly once; the entry's
        // own allocation was made with this very layout.
        unsafe {
            if self.flags() & SHARED != 0 {
                let (key_at, key_len) = self.key_place();
                drop(Box::from_raw(self.shared_ptr(key_at + key_len)));
            }
            dealloc(self.0.as_ptr(), layout(bytes));
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value_bytes", &self.value().len())
            .field("meta", &self.meta())
            .finish()
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::array::<u8>(bytes).unwrap_or_else(|_| handle_alloc_error(Layout::new::<u8>()))
}

/// The sizes of an entry about to be built.
struct Shape {
    flags: u8,
    key_len: usize,
    inline_len: usize,
}

impl Shape {
    fn of(key_len: usize, value: &NewValue<'_>, meta: Meta) -> Shape {
        let mut flags = 0;
        flags |= if meta.expire_at.is_some() { HAS_EXPIRE } else { 0 };
        flags |= if meta.refill.is_some() { HAS_REFILL } else { 0 };
        flags |= if key_len >= usize::from(KEY_LEN_LONG) { LONG_KEY } else { 0 };
        let inline_len = match value {
            NewValue::Small(bytes) => bytes.len(),
            NewValue::Shared(_) => {
                flags |= SHARED;
                0
            }
        };
        Shape { flags, key_len, inline_len }
    }

    fn fixed(&self) -> usize {
        if self.flags & LONG_KEY == 0 { FIXED_BYTES } else { FIXED_BYTES + 4 }
    }

    fn key_at(&self) -> usize {
        let options = (self.flags & HAS_EXPIRE != 0) as usize + (self.flags & HAS_REFILL != 0) as usize;
        self.fixed() + 8 * options
    }

    fn total(&self) -> usize {
        let tail = if self.flags & SHARED != 0 { size_of::<*mut Bytes>() } else { self.inline_len };
        self.key_at() + self.key_len + tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metas() -> impl Strategy<Value = Meta> {
        let kind = prop_oneof![Just(Kind::Value), Just(Kind::None), Just(Kind::Pass)];
        let refill = proptest::option::of((any::<u32>(), any::<u32>()))
            .prop_map(|both| both.map(|(grace_ms, delta_ms)| Refill { grace_ms, delta_ms }));
        (kind, proptest::option::of(any::<i64>()), refill).prop_map(|(kind, expire_at, refill)| Meta {
            kind,
            expire_at,
            refill,
        })
    }

    fn lens() -> impl Strategy<Value = usize> {
        prop_oneof![0..40usize, 250..260usize, (SHARED_VALUE_BYTES_MIN - 2)..(SHARED_VALUE_BYTES_MIN + 2)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn entry_gives_back_what_went_in(key_len in lens(), value_len in lens(), meta in metas(), later in any::<Option<i64>>()) {
            let key = vec![b'k'; key_len];
            let value: Vec<u8> = (0..value_len).map(|i| i as u8).collect();
            let mut entry = Entry::new(&key, &NewValue::copied(&value), meta);
            prop_assert_eq!(entry.key(), &key[..]);
            prop_assert_eq!(entry.value().as_slice(), &value[..]);
            prop_assert_eq!(entry.meta(), meta);
            entry.set_expire_at(later);
            prop_assert_eq!(entry.key(), &key[..]);
            prop_assert_eq!(entry.value().as_slice(), &value[..]);
            prop_assert_eq!(entry.meta(), Meta { expire_at: later, ..meta });
        }

        #[test]
        fn edit_resizes_and_leaves_readers_of_a_shared_value_alone(before in lens(), after in lens()) {
            let value = vec![7; before];
            let mut entry = Entry::new(b"k", &NewValue::copied(&value), Meta::value(Some(9)));
            let reader = entry.value().to_bytes();
            entry.edit(after, |bytes| if let Some(last) = bytes.last_mut() { *last = 1 });
            let mut expected = value.clone();
            expected.resize(after, 0);
            if let Some(last) = expected.last_mut() { *last = 1 }
            prop_assert_eq!(entry.value().as_slice(), &expected[..]);
            prop_assert_eq!(&reader[..], &value[..]);
            prop_assert_eq!(entry.meta(), Meta::value(Some(9)));
        }
    }

    #[test]
    fn entry_is_one_pointer_wide_even_when_optional() {
        assert_eq!(size_of::<Option<Entry>>(), size_of::<usize>());
    }
}
