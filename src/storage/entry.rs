//! One entry: header, deadline, refill facts, key and value in one piece of an arena's block.
//!
//! The layout is written by `write` and read by `Entry`; nobody else knows it. Values of
//! `SHARED_VALUE_BYTES_MIN` and more, and large collections, lie outside (`outside`), their number in the entry.
//!
//! ```text
//! flags 1 | key length 1 | value length 1 | [key length 4] [value length 2] | [expire_at 5, 8 or 24] | [refill 8] | key | value
//! ```
//! With a limit on its idle time an entry has three words for its end: when it ends, the latest end, the limit.
//! Flags: kind in bits 0 to 2 (5 and 6 stay free, 7 is the arena's mark of a free block), `EXPIRE_*` in 3 and 4, then one bit each.
//! A length byte of 255 says that the longer field follows.

use std::num::NonZeroU64;

use super::arena::FREE;
use super::meta::{Idle, Kind, Meta, Refill, WrongType, dies_at};
use super::outside::{Outside, OutsideValues};
use super::packed;
use super::value::{Collected, Taken, ValueRef};

const KIND_MASK: u8 = 0b0000_0111;
const EXPIRE_MASK: u8 = 0b0001_1000;
const EXPIRE_SHORT: u8 = 0b0000_1000;
const EXPIRE_LONG: u8 = 0b0001_0000;
const EXPIRE_IDLE: u8 = 0b0001_1000;
const HAS_REFILL: u8 = 0b0010_0000;
const OUTSIDE: u8 = 0b0100_0000;
const EDITED: u8 = 0b1000_0000;

const FIXED_BYTES: usize = 3;
const LONGER: u8 = u8::MAX;
const REFILL_BYTES: usize = 8;
const IDLE_BYTES: usize = 24;
/// The number of a value outside.
const NUMBER_BYTES: usize = 4;

/// Milliseconds of 2020-01-01T00:00:00Z: deadlines of the 34 years from there fit five bytes.
pub(super) const EPOCH_MS: i64 = 1_577_836_800_000;
pub(super) const SHORT_BITS: u32 = 40;

const _: () = assert!((Kind::Collection as u8) < FREE);

/// What stands in an entry's value place.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    Inline(&'a [u8]),
    /// The number of a value outside.
    Outside(u32),
}

impl Content<'_> {
    fn len(&self) -> usize {
        match self {
            Content::Inline(bytes) => bytes.len(),
            Content::Outside(_) => NUMBER_BYTES,
        }
    }
}

/// Bytes of an entry. The key's length is bounded by the protocol (512 MiB), the content's by
/// `SHARED_VALUE_BYTES_MIN`.
#[inline]
#[must_use]
pub fn entry_bytes(key_bytes: usize, content: Content<'_>, meta: Meta) -> usize {
    Shape::of(key_bytes, content.len(), expire_flag(meta.expire_at, meta.idle), meta.refill.is_some()).total()
}

/// Writes an entry of `entry_bytes` into a block. Cost: one copy of key and content.
#[inline]
pub fn write(block: &mut [u8], key: &[u8], content: Content<'_>, meta: Meta) {
    let expire = expire_flag(meta.expire_at, meta.idle);
    let shape = Shape::of(key.len(), content.len(), expire, meta.refill.is_some());
    shape.write_lengths(block);
    let mut flags = meta.kind as u8 | expire;
    if let Some(at) = meta.expire_at {
        write_expire_at(block, shape.fixed(), at, meta.idle);
    }
    if let Some(refill) = meta.refill {
        flags |= HAS_REFILL;
        let at = shape.key_at() - REFILL_BYTES;
        block[at..at + 4].copy_from_slice(&refill.grace_ms.to_le_bytes());
        block[at + 4..at + 8].copy_from_slice(&refill.delta_ms.to_le_bytes());
    }
    flags |= if meta.edited { EDITED } else { 0 };
    let value_at = shape.value_at();
    block[shape.key_at()..value_at].copy_from_slice(key);
    match content {
        Content::Inline(bytes) => block[value_at..value_at + bytes.len()].copy_from_slice(bytes),
        Content::Outside(number) => {
            flags |= OUTSIDE;
            block[value_at..value_at + NUMBER_BYTES].copy_from_slice(&number.to_le_bytes());
        }
    }
    block[0] = flags;
}

/// An entry of the store, read.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    block: &'a [u8],
    outside: &'a OutsideValues,
    shape: Shape,
}

impl<'a> Entry<'a> {
    /// The entry that begins a block.
    #[inline]
    #[must_use]
    pub fn read(block: &'a [u8], outside: &'a OutsideValues) -> Entry<'a> {
        Entry { block, outside, shape: Shape::read(block) }
    }

    #[inline]
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        &self.block[self.shape.key_at()..self.shape.value_at()]
    }

    /// The value as bytes.
    ///
    /// # Errors
    /// Where it is a collection, whose bytes are nobody's business but its own.
    #[inline]
    pub fn value(&self) -> Result<ValueRef<'a>, WrongType> {
        if self.kind() == Kind::Collection { Err(WrongType) } else { Ok(self.bytes_as_value()) }
    }

    /// Whatever stands in the value's place.
    #[inline]
    fn bytes_as_value(&self) -> ValueRef<'a> {
        match self.content() {
            Content::Inline(bytes) => ValueRef::Inline(bytes),
            Content::Outside(number) => match self.outside.get(number) {
                Outside::Bytes(value) => ValueRef::Shared(value),
                Outside::Vacant | Outside::Collection(_) => ValueRef::Inline(b""),
            },
        }
    }

    /// The collection, where it is one.
    #[inline]
    #[must_use]
    pub fn collection(&self) -> Option<Collected<'a>> {
        if self.kind() != Kind::Collection {
            return None;
        }
        Some(match self.content() {
            Content::Inline(bytes) => Collected::Packed(bytes),
            Content::Outside(number) => match self.outside.get(number) {
                Outside::Collection(large) => Collected::Large(&**large),
                Outside::Vacant | Outside::Bytes(_) => return None,
            },
        })
    }

    /// When the first of a collection's items ends whose time is limited, or a little before. Cost: mostly a look at its
    /// header.
    #[inline]
    #[must_use]
    pub fn items_due_at(&self) -> Option<i64> {
        match self.collection()? {
            Collected::Packed(bytes) => packed::earliest(bytes),
            Collected::Large(large) => large.due_at(),
        }
    }

    /// A copy of the value, of whatever type, for another entry. Cost: a large collection is copied whole.
    #[must_use]
    pub fn to_taken(&self) -> Taken {
        match self.content() {
            Content::Inline(bytes) => Taken::Small(bytes.into()),
            Content::Outside(number) => Taken::Outside(self.outside.get(number).copied()),
        }
    }

    /// What stands in the value's place.
    #[inline]
    #[must_use]
    pub fn content(&self) -> Content<'a> {
        let bytes = &self.block[self.shape.value_at()..self.shape.total()];
        match bytes {
            [a, b, c, d] if self.flags() & OUTSIDE != 0 => {
                Content::Outside(u32::from_le_bytes([*a, *b, *c, *d]))
            }
            _ => Content::Inline(bytes),
        }
    }

    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.flags() & KIND_MASK {
            0 => Kind::Value,
            1 => Kind::Stale,
            2 => Kind::None,
            3 => Kind::Pass,
            _ => Kind::Collection,
        }
    }

    /// Wall-clock milliseconds at which the entry expires.
    #[inline]
    #[must_use]
    pub fn expire_at(&self) -> Option<i64> {
        let field = &self.block[self.shape.fixed()..];
        match self.flags() & EXPIRE_MASK {
            0 => None,
            EXPIRE_SHORT => {
                let low = u64::from(u32::from_le_bytes([field[0], field[1], field[2], field[3]]));
                Some(EPOCH_MS + (low | u64::from(field[4]) << 32) as i64)
            }
            _ => field.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)),
        }
    }

    /// The limit on the entry's idle time.
    #[inline]
    #[must_use]
    pub fn idle(&self) -> Option<Idle> {
        if self.flags() & EXPIRE_MASK != EXPIRE_IDLE {
            return None;
        }
        let at = self.shape.fixed();
        let until = self.block[at + 8..].first_chunk().map_or(i64::MAX, |bytes| i64::from_le_bytes(*bytes));
        let ms = self.block[at + 16..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        NonZeroU64::new(ms).map(|ms| Idle { ms, until })
    }

    #[must_use]
    pub fn refill(&self) -> Option<Refill> {
        if self.flags() & HAS_REFILL == 0 {
            return None;
        }
        let end = self.shape.key_at();
        let half = |at: usize| self.block[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        Some(Refill { grace_ms: half(end - REFILL_BYTES), delta_ms: half(end - REFILL_BYTES / 2) })
    }

    #[must_use]
    pub fn meta(&self) -> Meta {
        let edited = self.is_edited();
        Meta {
            kind: self.kind(),
            expire_at: self.expire_at(),
            idle: self.idle(),
            refill: self.refill(),
            edited,
        }
    }

    /// When the entry is of no more use to anybody: its deadline plus its grace.
    #[must_use]
    pub fn dies_at(&self) -> Option<i64> {
        dies_at(self.expire_at(), self.refill())
    }

    /// Whether ordinary commands see the entry, its deadline aside.
    #[inline]
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.kind().is_visible()
    }

    /// Whether the value was changed in place since it was set.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.flags() & EDITED != 0
    }

    /// Bytes of this entry, without a value outside.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.total()
    }

    #[inline]
    fn flags(&self) -> u8 {
        self.block[0]
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value_bytes", &self.bytes_as_value().len())
            .field("meta", &self.meta())
            .finish()
    }
}

/// Bytes of the entry that begins a block.
#[must_use]
pub fn bytes_of(block: &[u8]) -> usize {
    Shape::read(block).total()
}

/// Whether the entry that begins a block has this key. Cost: its first cache line, for most keys.
#[inline]
#[must_use]
pub fn has_key(block: &[u8], key: &[u8]) -> bool {
    let shape = Shape::read(block);
    shape.key_len == key.len() && block[shape.key_at()..shape.value_at()] == *key
}

/// Changes an entry's kind in place.
pub fn set_kind(block: &mut [u8], kind: Kind) {
    block[0] = block[0] & !KIND_MASK | kind as u8;
}

/// Sets or clears the mark of a value changed in place.
pub fn set_edited(block: &mut [u8], edited: bool) {
    block[0] = if edited { block[0] | EDITED } else { block[0] & !EDITED };
}

/// Changes a deadline and the limit of idle time in place; false where the new ones need more or less room
/// than the old.
pub fn replace_expire_at(block: &mut [u8], expire_at: Option<i64>, idle: Option<Idle>) -> bool {
    let fits = block[0] & EXPIRE_MASK == expire_flag(expire_at, idle);
    if let Some(at) = expire_at
        && fits
    {
        let place = Shape::read(block).fixed();
        write_expire_at(block, place, at, idle);
    }
    fits
}

/// Puts a small value in place of another, and `edited` with it: where both are visible values without a deadline
/// or refill facts, and of much the same length. False, and nothing changed, where they are not.
#[inline]
pub fn overwrite(block: &mut [u8], value: &[u8], meta: Meta) -> bool {
    let is_plain = meta.kind == Kind::Value && meta.expire_at.is_none() && meta.refill.is_none();
    if !is_plain || block[0] & !EDITED != Kind::Value as u8 {
        return false;
    }
    let Some(place) = resize_in_place(block, value.len()) else { return false };
    place.copy_from_slice(value);
    set_edited(block, meta.edited);
    true
}

/// Changes an inline value where it lies: `change` sees it with as many bytes as the longer of both, and leaves `len` of
/// them. False, and nothing done, where the entry's block or its length field does not fit.
pub fn splice_in_place(block: &mut [u8], len: usize, change: impl FnOnce(&mut [u8])) -> bool {
    let old = Shape::read(block);
    let new = Shape { value_len: len, ..old };
    if !old.is_as_long_as(&new) {
        return false;
    }
    let at = old.value_at();
    change(&mut block[at..at + len.max(old.value_len)]);
    new.write_lengths(block);
    true
}

/// Bytes of the entry that begins a block if its value had this length.
#[must_use]
pub fn bytes_with(block: &[u8], len: usize) -> usize {
    Shape { value_len: len, ..Shape::read(block) }.total()
}

/// Writes an entry of `bytes_with` into a block: all as in another entry, but for the inline value, which `fill` makes
/// from the old one. Cost: one copy.
pub fn write_respliced(from: &[u8], into: &mut [u8], len: usize, fill: impl FnOnce(&[u8], &mut [u8])) {
    let old = Shape::read(from);
    let new = Shape { value_len: len, ..old };
    into[0] = from[0];
    new.write_lengths(into);
    into[new.fixed()..new.value_at()].copy_from_slice(&from[old.fixed()..old.value_at()]);
    fill(&from[old.value_at()..old.total()], &mut into[new.value_at()..new.total()]);
}

/// The place of an inline value of `len` bytes in an entry whose value has another length, its length field set:
/// `None` where the entry's block is too short or too long for it, or its length needs another field.
/// The bytes are what they were, whatever the length.
pub fn resize_in_place(block: &mut [u8], len: usize) -> Option<&mut [u8]> {
    let old = Shape::read(block);
    let new = Shape { value_len: len, ..old };
    if !old.is_as_long_as(&new) {
        return None;
    }
    new.write_lengths(block);
    Some(&mut block[new.value_at()..new.total()])
}

#[inline]
fn expire_flag(expire_at: Option<i64>, idle: Option<Idle>) -> u8 {
    match expire_at {
        None => 0,
        Some(_) if idle.is_some() => EXPIRE_IDLE,
        Some(at) if at >= EPOCH_MS && at - EPOCH_MS < 1 << SHORT_BITS => EXPIRE_SHORT,
        Some(_) => EXPIRE_LONG,
    }
}

fn write_expire_at(block: &mut [u8], place: usize, at: i64, idle: Option<Idle>) {
    if expire_flag(Some(at), idle) == EXPIRE_SHORT {
        block[place..place + 5].copy_from_slice(&(at - EPOCH_MS).to_le_bytes()[..5]);
        return;
    }
    block[place..place + 8].copy_from_slice(&at.to_le_bytes());
    if let Some(Idle { ms, until }) = idle {
        block[place + 8..place + 16].copy_from_slice(&until.to_le_bytes());
        block[place + 16..place + IDLE_BYTES].copy_from_slice(&ms.get().to_le_bytes());
    }
}

/// The sizes of an entry.
#[derive(Clone, Copy)]
struct Shape {
    key_len: usize,
    value_len: usize,
    options: usize,
}

impl Shape {
    #[inline]
    fn of(key_len: usize, value_len: usize, expire: u8, has_refill: bool) -> Shape {
        let refill = if has_refill { REFILL_BYTES } else { 0 };
        Shape { key_len, value_len, options: expire_bytes(expire) + refill }
    }

    #[inline]
    fn read(block: &[u8]) -> Shape {
        let (mut key_len, mut value_len) = (usize::from(block[1]), usize::from(block[2]));
        let mut at = FIXED_BYTES;
        if block[1] == LONGER {
            key_len = block[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
            at += 4;
        }
        if block[2] == LONGER {
            value_len = block[at..].first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes).into());
        }
        let refill = if block[0] & HAS_REFILL != 0 { REFILL_BYTES } else { 0 };
        Shape { key_len, value_len, options: expire_bytes(block[0]) + refill }
    }

    /// Whether an entry of the other sizes lies in the same block, its value at the same place.
    fn is_as_long_as(&self, other: &Shape) -> bool {
        self.fixed() == other.fixed()
            && super::arena::rounded(self.total()) == super::arena::rounded(other.total())
    }

    fn write_lengths(&self, block: &mut [u8]) {
        let mut at = FIXED_BYTES;
        block[1] = u8::try_from(self.key_len).unwrap_or(LONGER);
        if block[1] == LONGER {
            block[at..at + 4].copy_from_slice(&(self.key_len as u32).to_le_bytes());
            at += 4;
        }
        block[2] = u8::try_from(self.value_len).unwrap_or(LONGER);
        if block[2] == LONGER {
            block[at..at + 2].copy_from_slice(&(self.value_len as u16).to_le_bytes());
        }
    }

    /// Where the options begin.
    #[inline]
    fn fixed(&self) -> usize {
        let longer = |len: usize, bytes: usize| if len >= usize::from(LONGER) { bytes } else { 0 };
        FIXED_BYTES + longer(self.key_len, 4) + longer(self.value_len, 2)
    }

    #[inline]
    fn key_at(&self) -> usize {
        self.fixed() + self.options
    }

    #[inline]
    fn value_at(&self) -> usize {
        self.key_at() + self.key_len
    }

    #[inline]
    fn total(&self) -> usize {
        self.value_at() + self.value_len
    }
}

#[inline]
fn expire_bytes(flags: u8) -> usize {
    match flags & EXPIRE_MASK {
        0 => 0,
        EXPIRE_SHORT => 5,
        EXPIRE_LONG => 8,
        _ => IDLE_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SHARED_VALUE_BYTES_MIN;
    use proptest::prelude::*;

    fn metas() -> impl Strategy<Value = Meta> {
        let kind = prop_oneof![
            Just(Kind::Value),
            Just(Kind::Stale),
            Just(Kind::None),
            Just(Kind::Pass),
            Just(Kind::Collection)
        ];
        let refill = proptest::option::of((any::<u32>(), any::<u32>()))
            .prop_map(|both| both.map(|(grace_ms, delta_ms)| Refill { grace_ms, delta_ms }));
        let near = EPOCH_MS - 2..EPOCH_MS + (1 << SHORT_BITS) + 2;
        let expire_at = proptest::option::of(prop_oneof![
            any::<i64>(),
            near,
            Just(EPOCH_MS),
            Just(EPOCH_MS + (1 << SHORT_BITS))
        ]);
        (kind, expire_at, idles(), refill, any::<bool>()).prop_map(
            |(kind, expire_at, idle, refill, edited)| Meta {
                kind,
                expire_at,
                idle: idle.filter(|_| expire_at.is_some()),
                refill,
                edited,
            },
        )
    }

    fn idles() -> impl Strategy<Value = Option<Idle>> {
        let ms = any::<u64>().prop_filter_map("not zero", NonZeroU64::new);
        let until = prop_oneof![Just(i64::MAX), any::<i64>()];
        proptest::option::of((ms, until)).prop_map(|both| both.map(|(ms, until)| Idle { ms, until }))
    }

    fn lens() -> impl Strategy<Value = usize> {
        prop_oneof![0..40usize, 250..260usize, SHARED_VALUE_BYTES_MIN - 2..SHARED_VALUE_BYTES_MIN]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn entry_gives_back_what_went_in(
            key_len in lens(),
            value_len in lens(),
            meta in metas(),
            later in any::<Option<i64>>(),
            idle in idles(),
        ) {
            let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
            let outside = OutsideValues::default();
            let content = Content::Inline(&value);
            let mut block = vec![0xAA; entry_bytes(key_len, content, meta) + 3];
            write(&mut block, &key, content, meta);
            prop_assert!(block.ends_with(&[0xAA; 3]) && block[0] != FREE);
            prop_assert!(has_key(&block, &key) && !has_key(&block, b"other"));
            let entry = Entry::read(&block, &outside);
            prop_assert_eq!((entry.key(), entry.bytes_as_value().as_slice(), entry.meta()), (&key[..], &value[..], meta));
            prop_assert_eq!(entry.value().is_err(), meta.kind == Kind::Collection);
            prop_assert_eq!(entry.bytes() + 3, block.len());
            let idle = idle.filter(|_| later.is_some());
            if replace_expire_at(&mut block, later, idle) {
                let entry = Entry::read(&block, &outside);
                prop_assert_eq!(entry.meta(), Meta { expire_at: later, idle, ..meta });
                prop_assert_eq!((entry.key(), entry.bytes_as_value().as_slice()), (&key[..], &value[..]));
            }
        }

        #[test]
        fn a_value_resized_in_place_leaves_all_else(before in lens(), after in lens(), meta in metas()) {
            let value = vec![7; before];
            let outside = OutsideValues::default();
            let content = Content::Inline(&value);
            let mut block = vec![0; super::super::arena::rounded(entry_bytes(1, content, meta))];
            write(&mut block, b"k", content, meta);
            let whole = block.len();
            if let Some(place) = resize_in_place(&mut block, after) {
                prop_assert_eq!(place.len(), after);
                place.fill(9);
                let entry = Entry::read(&block, &outside);
                prop_assert_eq!((entry.key(), entry.bytes_as_value().as_slice()), (&b"k"[..], &vec![9; after][..]));
                prop_assert_eq!((entry.meta(), super::super::arena::rounded(entry.bytes())), (meta, whole));
            } else {
                prop_assert!(before != after);
            }
        }
    }
}
