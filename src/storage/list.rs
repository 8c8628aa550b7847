//! A large list: chunks of elements in a deque.
//!
//! ```text
//! chunk   strip of elements, up to 4 KiB, or of one above that | one element from 16 KiB on, shared
//! ```
//! An element of a number is found by summing up the chunks' counts from the nearer end. Chunks split where something
//! does not fit, and join with a neighbour where both fill half a chunk at most. Knows no key and no command.
//! Invariants: no chunk is empty; `len`, `chunk_bytes` and `listpack_bytes` are what a recount gives.

mod lent;
mod name;
mod strip;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::outside::Stored;
use super::packed::{self, Element, element, listpack};
use super::value::NewValue;
use crate::base::limits::SHARED_VALUE_BYTES_MIN;
pub use lent::LentList;
use strip::{CHUNK_BYTES, Strip};

/// The deque gives memory back where it has room for more chunks than this, and for eight times as many as there are.
const ROOM_CHUNKS_MIN: usize = 64;
const SPARE_MAX: usize = 8;

// Every element that is not shared has a length that can be written.
const _: () = assert!(SHARED_VALUE_BYTES_MIN - 1 <= element::TEXT_BYTES_MAX);

/// The elements.
#[derive(Debug, Default)]
pub struct List {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// Bytes of all chunks beside their places in the deque.
    chunk_bytes: usize,
    /// What all elements would take in a listpack, as long as the list is called one (see `name`).
    listpack_bytes: Option<usize>,
}

#[derive(Debug)]
enum Chunk {
    Strip(Strip),
    Large(Stored),
}

/// An element to put in: a large one may be in another list already, which it is to leave.
#[derive(Clone, Debug)]
pub enum New<'a> {
    Small(&'a [u8]),
    Large(Stored),
}

/// An element on its way from one list to another.
#[derive(Debug)]
pub enum Moved {
    Small(Box<[u8]>),
    Large(Stored),
}

/// An element of a list.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Element(Element<'a>),
    Large(&'a Stored),
}

impl<'a> New<'a> {
    /// The element that a value makes.
    #[must_use]
    pub fn of(value: &'a NewValue<'_>) -> New<'a> {
        match value {
            NewValue::Small(text) if text.len() < SHARED_VALUE_BYTES_MIN => New::Small(text),
            NewValue::Small(_) | NewValue::Shared(_) => New::Large(Stored::new(value.to_bytes())),
        }
    }

    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            New::Small(text) => text,
            New::Large(stored) => stored,
        }
    }
}

impl Moved {
    /// The element to put in.
    #[must_use]
    pub fn to_new(&self) -> New<'_> {
        match self {
            Moved::Small(text) => New::Small(text),
            Moved::Large(stored) => New::Large(stored.clone()),
        }
    }

    /// Its text, for a reply.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Moved::Small(text) => text.into(),
            Moved::Large(stored) => Bytes::clone(&stored),
        }
    }
}

impl<'a> Value<'a> {
    /// The text, integers written into `digits`.
    #[must_use]
    pub fn text<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Value::Element(element) => element.text(digits),
            Value::Large(bytes) => bytes,
        }
    }

    /// The element for another list: a small one copied, a large one shared with this.
    #[must_use]
    pub fn to_moved(self) -> Moved {
        match self {
            Value::Element(element) => Moved::Small(element.text(&mut itoa::Buffer::new()).into()),
            Value::Large(stored) => Moved::Large(stored.clone()),
        }
    }

    /// Its text: of a small one copied, of a large one shared with this.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        match self {
            Value::Element(element) => Bytes::copy_from_slice(element.text(&mut itoa::Buffer::new())),
            Value::Large(stored) => Bytes::clone(stored),
        }
    }

    /// Whether it is this text, which `Element::of` read once for all comparisons.
    #[inline]
    #[must_use]
    pub fn is(self, text: Element<'_>) -> bool {
        match (self, text) {
            (Value::Element(element), _) => element == text,
            (Value::Large(bytes), Element::Bytes(text)) => bytes[..] == *text,
            (Value::Large(_), Element::Int(_)) => false,
        }
    }

    /// What it would take in a listpack, bytes.
    #[must_use]
    pub fn listpack_bytes(self) -> usize {
        listpack::element_bytes(match self {
            Value::Element(element) => element,
            Value::Large(bytes) => Element::Bytes(bytes),
        })
    }
}

impl Chunk {
    fn of(value: &New<'_>) -> Chunk {
        match value {
            New::Small(text) => Chunk::Strip(Strip::of(Element::of(text))),
            New::Large(stored) => Chunk::Large(stored.clone()),
        }
    }

    fn count(&self) -> usize {
        match self {
            Chunk::Strip(strip) => strip.count(),
            Chunk::Large(_) => 1,
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Chunk::Strip(strip) => strip.held_bytes(),
            Chunk::Large(bytes) => bytes.len(),
        }
    }

    /// Bytes of the elements as they lie.
    fn text_bytes(&self) -> usize {
        match self {
            Chunk::Strip(strip) => strip.len(),
            Chunk::Large(bytes) => bytes.len(),
        }
    }

    /// The large element of a chunk that goes, if no other list has it.
    fn into_last(self) -> Option<Bytes> {
        match self {
            Chunk::Strip(_) => None,
            Chunk::Large(stored) => stored.into_last(),
        }
    }

    /// The same elements, with no room for more.
    fn copied(&self) -> Chunk {
        match self {
            Chunk::Strip(strip) => Chunk::Strip(Strip::copied(strip.used(), strip.count())),
            Chunk::Large(stored) => Chunk::Large(stored.clone()),
        }
    }

    fn get(&self, index: usize) -> Option<Value<'_>> {
        match self {
            Chunk::Strip(strip) => strip.get(index).map(Value::Element),
            Chunk::Large(bytes) => Some(Value::Large(bytes)).filter(|_| index == 0),
        }
    }

    fn values(&self) -> impl DoubleEndedIterator<Item = Value<'_>> {
        let (strip, large) = match self {
            Chunk::Strip(strip) => (Some(strip.elements().map(Value::Element)), None),
            Chunk::Large(bytes) => (None, Some(Value::Large(bytes))),
        };
        strip.into_iter().flatten().chain(large)
    }
}

/// A text that lies among others in a strip.
fn small<'v>(value: &'v New<'_>) -> Option<Element<'v>> {
    match value {
        New::Small(text) if text.len() <= CHUNK_BYTES => Some(Element::of(text)),
        New::Small(_) | New::Large(_) => None,
    }
}

impl List {
    /// A list of what a packed one holds, by the same name. Cost: one copy.
    #[must_use]
    pub fn of(packed: &packed::List<'_>) -> List {
        let mut list = List::default();
        if packed.elements().len() <= CHUNK_BYTES {
            list.add(0, Chunk::Strip(Strip::copied(packed.elements(), packed.len())));
        } else {
            for element in packed.iter() {
                let mut digits = itoa::Buffer::new();
                list.insert(list.len, &New::Small(element.text(&mut digits)));
            }
        }
        list.listpack_bytes = (!packed.form().is_named()).then(|| packed.listpack_bytes());
        list
    }

    /// Elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes asked of the allocator for the elements, and those of shared ones.
    #[must_use]
    pub fn elements_bytes(&self) -> usize {
        self.chunk_bytes + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// The element of that number. Cost: a step per chunk from the nearer end, then per element of one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        if index >= self.len {
            return None;
        }
        let (chunk, within) = self.locate(index);
        self.chunks.get(chunk)?.get(within)
    }

    /// The elements from that number on, upwards.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Value<'_>> {
        let (chunk, within) = self.locate(index.min(self.len));
        self.chunks.range(chunk.min(self.chunks.len())..).flat_map(Chunk::values).skip(within)
    }

    /// The elements from that number on, downwards to the first.
    pub fn back_from(&self, index: usize) -> impl Iterator<Item = Value<'_>> {
        let index = index.min(self.len.saturating_sub(1));
        let (chunk, within) = self.locate(index);
        let behind = self.chunks.get(chunk).map_or(0, |chunk| chunk.count() - 1 - within);
        let upto = (chunk + 1).min(self.chunks.len());
        self.chunks.range(..upto).rev().flat_map(|chunk| chunk.values().rev()).skip(behind)
    }

    /// Puts an element in as the one of that number: 0 pushes at the front, `len` at the back. Beyond the end it is
    /// last.
    /// Cost: at either end a copy of it; else as `get`, and what is behind it in its chunk moves.
    pub fn insert(&mut self, index: usize, value: &New<'_>) {
        self.note_listpack(0..0, Some(value));
        self.place(index, value);
    }

    fn place(&mut self, index: usize, value: &New<'_>) {
        let (at, within) = self.locate_gap(index.min(self.len));
        if let Some(element) = small(value) {
            // The end of one chunk is the beginning of the next: either may have room.
            let ends = [(at, within), (at + 1, 0)];
            let is_end = self.chunks.get(at).is_some_and(|chunk| within == chunk.count());
            for (at, within) in ends.into_iter().take(1 + usize::from(is_end)) {
                let done = self.change(at, |strip| {
                    let fits = strip.fits(within, element);
                    if fits {
                        strip.insert(within, element);
                    }
                    fits
                });
                if done == Some(true) {
                    self.len += 1;
                    return;
                }
            }
        }
        if self.chunks.get(at).is_some_and(|chunk| 0 < within && within < chunk.count()) {
            self.split(at, within);
            // Now there are two ends with room.
            if small(value).is_some() {
                return self.place(index, value);
            }
        }
        self.add(at + usize::from(within > 0), Chunk::of(value));
    }

    /// Puts an element in place of the one of that number; `None` where there is none. Returns a large one that went:
    /// dropping it may free much.
    pub fn set(&mut self, index: usize, value: &New<'_>) -> Option<Option<Bytes>> {
        if index >= self.len {
            return None;
        }
        self.note_listpack(index..index + 1, Some(value));
        let (at, within) = self.locate(index);
        let fits = small(value).and_then(|element| {
            self.change(at, |strip| {
                let fits = strip.fits_instead(within, element);
                if fits {
                    strip.replace(within..within + 1, Some(element));
                }
                fits
            })
        });
        if fits == Some(true) {
            return Some(None);
        }
        let mut went = self.cut(index..index + 1);
        self.place(index, value);
        Some(went.pop())
    }

    /// Takes the elements of a range out; returns the large ones among them that no other list has: dropping them may free
    /// much.
    /// Cost: as `get`, and a step per chunk that goes; the chunks at both ends of the range are cut.
    pub fn remove(&mut self, range: Range<usize>) -> Vec<Bytes> {
        self.note_listpack(range.clone(), None);
        self.cut(range)
    }

    fn cut(&mut self, range: Range<usize>) -> Vec<Bytes> {
        let range = range.start.min(self.len)..range.end.min(self.len);
        let mut went = Vec::new();
        if range.is_empty() {
            return went;
        }
        let (first, within) = self.locate(range.start);
        let mut left = range.len();
        let (mut at, mut within) = (first, within);
        // What is cut at its end stays in front of what goes as a whole.
        while left > 0 {
            let Some(count) = self.chunks.get(at).map(Chunk::count) else { break };
            let cut = left.min(count - within);
            left -= cut;
            if cut < count {
                self.change(at, |strip| strip.replace(within..within + cut, None));
                self.len -= cut;
                at += usize::from(within > 0);
            } else {
                went.extend(self.take(at));
            }
            within = 0;
        }
        self.mend(first);
        self.lessen();
        went
    }

    /// Takes out elements equal to a text, at most `max`, from the front or from the back; returns how many, and the
    /// large ones. Cost: a look at every element up to the last that goes, and a move of those in their chunks.
    pub fn remove_equal(&mut self, text: &[u8], from_back: bool, max: usize) -> (usize, Vec<Bytes>) {
        let needle = Element::of(text);
        let (mut removed, mut went) = (0, Vec::new());
        let mut next = if from_back { self.chunks.len().checked_sub(1) } else { Some(0) };
        while let Some(at) = next.filter(|at| *at < self.chunks.len() && removed < max) {
            let chunk = &self.chunks[at];
            let equal = chunk.values().filter(|value| value.is(needle)).count();
            let goes = equal.min(max - removed);
            let skip = if from_back { equal - goes } else { 0 };
            removed += goes;
            let is_gone = goes == chunk.count();
            if is_gone {
                went.extend(self.take(at));
            } else if goes > 0 {
                self.change(at, |strip| strip.remove_equal(needle, skip, goes));
                self.len -= goes;
            }
            // Joined are only chunks that were looked at, both.
            let joined = match goes {
                0 => 0,
                _ if is_gone => 0,
                _ => self.join_before(at + usize::from(from_back)),
            };
            next = if from_back { at.checked_sub(1) } else { Some(at + 1 - usize::from(is_gone) - joined) };
        }
        self.note_listpack_equal(needle, removed);
        self.lessen();
        (removed, went)
    }

    /// What is untrue of the list; nothing, if all is well. Cost: a look at every element.
    #[must_use]
    pub fn check(&self) -> Vec<&'static str> {
        let is_sound = |chunk: &Chunk| match chunk {
            Chunk::Large(bytes) => bytes.len() >= SHARED_VALUE_BYTES_MIN,
            Chunk::Strip(strip) => {
                let bytes: usize = strip.elements().map(packed::twoway::encoded_bytes).sum();
                let is_counted = strip.elements().count() == strip.count() && bytes == strip.len();
                is_counted && strip.count() > 0 && (bytes <= CHUNK_BYTES || strip.count() == 1)
            }
        };
        let facts = [
            (self.chunks.iter().all(is_sound), "a chunk is empty, too long or not as counted"),
            (self.chunks.iter().map(Chunk::count).sum::<usize>() == self.len, "elements are not as counted"),
            (
                self.chunks.iter().map(Chunk::held_bytes).sum::<usize>() == self.chunk_bytes,
                "bytes are not as counted",
            ),
            (self.is_listpack_as_counted(), "bytes of a listpack are not as counted"),
        ];
        facts.into_iter().filter(|(holds, _)| !holds).map(|(_, fault)| fault).collect()
    }

    /// The chunk of the element of that number, and its number there; for `len` behind the last chunk.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut left = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                match left.checked_sub(chunk.count()) {
                    None => return (at, left),
                    Some(more) => left = more,
                }
            }
        } else if index < self.len {
            let mut begin = self.len;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                begin -= chunk.count();
                if begin <= index {
                    return (at, index - begin);
                }
            }
        }
        (self.chunks.len(), 0)
    }

    /// As `locate` for a place between two elements: of two chunks the one before it, but for the first element.
    fn locate_gap(&self, index: usize) -> (usize, usize) {
        match index.checked_sub(1) {
            None => (0, 0),
            Some(before) => {
                let (at, within) = self.locate(before);
                (at, within + 1)
            }
        }
    }

    /// Changes a strip and keeps the count of bytes; nothing where the chunk is none.
    fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Strip) -> T) -> Option<T> {
        let Some(Chunk::Strip(strip)) = self.chunks.get_mut(at) else { return None };
        let held = strip.held_bytes();
        let changed = change(strip);
        self.chunk_bytes = self.chunk_bytes + strip.held_bytes() - held;
        Some(changed)
    }

    fn add(&mut self, at: usize, chunk: Chunk) {
        if chunk.count() > 0 {
            self.len += chunk.count();
            self.chunk_bytes += chunk.held_bytes();
            self.chunks.insert(at, chunk);
        }
    }

    /// Takes a chunk out; returns the element if it is a large one.
    fn take(&mut self, at: usize) -> Option<Bytes> {
        let chunk = self.chunks.remove(at)?;
        self.len -= chunk.count();
        self.chunk_bytes -= chunk.held_bytes();
        chunk.into_last()
    }

    fn split(&mut self, at: usize, within: usize) {
        if let Some(right) = self.change(at, |strip| strip.split_off(within)) {
            self.len -= right.count();
            self.add(at + 1, Chunk::Strip(right));
        }
    }

    /// Joins what is poor around a chunk that was cut.
    fn mend(&mut self, at: usize) {
        let joined = self.join_before(at + 1);
        self.join_before(at + 1 - joined);
        self.join_before(at);
    }

    /// Joins a chunk to the one before it where both fill half a chunk at most; returns how many are fewer.
    fn join_before(&mut self, at: usize) -> usize {
        let Some(before) = at.checked_sub(1) else { return 0 };
        let (Some(Chunk::Strip(left)), Some(Chunk::Strip(right))) =
            (self.chunks.get(before), self.chunks.get(at))
        else {
            return 0;
        };
        if left.len() + right.len() > CHUNK_BYTES / 2 {
            return 0;
        }
        let Some(Chunk::Strip(right)) = self.chunks.remove(at) else { return 0 };
        self.chunk_bytes -= right.held_bytes();
        self.change(before, |strip| strip.append(&right));
        1
    }

    fn lessen(&mut self) {
        let room = self.chunks.capacity();
        if room > ROOM_CHUNKS_MIN && room / SPARE_MAX >= self.chunks.len() {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
    }
}
