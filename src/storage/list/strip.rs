//! A chunk of small elements, one after the other, that grows and shrinks at both ends without moving the rest.
//!
//! ```text
//! unused | element with its length behind | ... | element | room        up to CHUNK_BYTES together
//! ```
//! Invariants: what is not unused are `count` elements; a strip of more than CHUNK_BYTES has one alone.

use std::ops::Range;

use crate::base::lent::Lending;
use crate::storage::lent::{Loan, Page};
use crate::storage::packed::Element;
use crate::storage::packed::twoway::{self, Elements};

/// Bytes of a chunk of several elements.
pub const CHUNK_BYTES: usize = 4096;
/// Elements are moved for room at one end only where that makes at least so much of it: a queue that is fed at one
/// end and drained at the other would else move its last chunk for every element.
const ROOM_BYTES_MIN: usize = CHUNK_BYTES / 4;
/// What a strip grows by at least.
const STEP_BYTES_MIN: usize = 64;

/// Small elements.
#[derive(Debug, Default)]
pub struct Strip {
    bytes: Page,
    /// Bytes unused at the front.
    begin: u32,
    count: u32,
}

impl Strip {
    /// One element.
    #[must_use]
    pub fn of(element: Element<'_>) -> Strip {
        let mut strip = Strip::default();
        strip.push_back(element);
        strip
    }

    /// `count` elements of another form.
    #[must_use]
    pub fn copied(elements: &[u8], count: usize) -> Strip {
        Strip { bytes: Page::new(elements.to_vec()), begin: 0, count: count as u32 }
    }

    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes of all elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.begin as usize
    }

    /// Bytes asked of the allocator.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.held_bytes()
    }

    /// Lends the page that it is, and says where the elements begin in it.
    pub fn lend(&mut self, lending: &Lending) -> (Loan, usize) {
        (self.bytes.lend(lending), self.begin as usize)
    }

    #[inline]
    #[must_use]
    pub fn elements(&self) -> Elements<'_> {
        Elements::new(self.used(), self.count())
    }

    /// The element of that number. Cost: a step per element from the nearer end.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        let at = self.position(index)?;
        twoway::first(&self.used()[at..]).map(|(element, _)| element)
    }

    /// Whether an element can be put in as the one of that number.
    #[must_use]
    pub fn fits(&self, index: usize, element: Element<'_>) -> bool {
        let need = twoway::encoded_bytes(element);
        let room = CHUNK_BYTES.saturating_sub(self.len());
        let at_once = match index {
            0 => self.begin as usize,
            _ if index == self.count() => CHUNK_BYTES.saturating_sub(self.bytes.len()),
            _ => return need <= room,
        };
        need <= at_once || need.max(ROOM_BYTES_MIN) <= room
    }

    /// Puts an element in that fits. Cost: at either end one copy of it, in the long run; else what is behind moves.
    pub fn insert(&mut self, index: usize, element: Element<'_>) {
        if index == self.count() {
            self.push_back(element);
        } else if index == 0 {
            self.push_front(element);
        } else {
            self.replace(index..index, Some(element));
        }
    }

    /// Whether an element can be put in place of the one of that number.
    #[must_use]
    pub fn fits_instead(&self, index: usize, element: Element<'_>) -> bool {
        let old = self.position(index + 1).zip(self.position(index)).map_or(0, |(end, at)| end - at);
        self.count == 1 || self.len() - old + twoway::encoded_bytes(element) <= CHUNK_BYTES
    }

    /// Puts an element, or nothing, in place of those of a range. Cost: at either end nothing is moved.
    pub fn replace(&mut self, range: Range<usize>, element: Option<Element<'_>>) {
        let Some((at, end)) = self.position(range.start).zip(self.position(range.end)) else { return };
        self.count -= range.len() as u32;
        match element {
            None if at == 0 => self.begin += end as u32,
            None => self.splice(at, end, 0),
            Some(element) => {
                let need = twoway::encoded_bytes(element);
                self.splice(at, end, need);
                let place = self.begin as usize + at;
                twoway::encode(element, &mut self.bytes.to_mut()[place..place + need]);
                self.count += 1;
            }
        }
        self.lessen();
    }

    /// Takes off what begins with the element of that number.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Strip {
        let Some(at) = self.position(index) else { return Strip::default() };
        let right = Strip::copied(&self.used()[at..], self.count() - index);
        self.bytes.to_mut().truncate(self.begin as usize + at);
        self.count = index as u32;
        self.lessen();
        right
    }

    /// Puts another's elements behind its own, if both are a chunk's at most.
    pub fn append(&mut self, other: &Strip) {
        self.compact();
        let bytes = self.bytes.to_mut();
        bytes.reserve_exact(other.len());
        bytes.extend_from_slice(other.used());
        self.count += other.count;
    }

    /// Takes out elements equal to one, from that of the number `skip` among the equal ones on; returns how many.
    pub fn remove_equal(&mut self, needle: Element<'_>, skip: usize, max: usize) -> usize {
        let (mut from, mut to) = (self.begin as usize, self.begin as usize);
        let (mut met, mut removed) = (0, 0);
        let all = self.bytes.to_mut();
        while let Some((element, bytes)) = twoway::first(&all[from..]) {
            let is_equal = element == needle;
            if is_equal && met >= skip && removed < max {
                removed += 1;
            } else {
                all.copy_within(from..from + bytes, to);
                to += bytes;
            }
            met += usize::from(is_equal);
            from += bytes;
        }
        all.truncate(to);
        self.count -= removed as u32;
        self.lessen();
        removed
    }

    /// The elements, one after the other.
    #[must_use]
    pub fn used(&self) -> &[u8] {
        &self.bytes[self.begin as usize..]
    }

    fn position(&self, index: usize) -> Option<usize> {
        twoway::position(self.used(), self.count(), index)
    }

    fn push_back(&mut self, element: Element<'_>) {
        let need = twoway::encoded_bytes(element);
        if self.bytes.len() + need > CHUNK_BYTES {
            self.compact();
        }
        let at = self.bytes.len();
        self.reserve(need);
        let bytes = self.bytes.to_mut();
        bytes.resize(at + need, 0);
        twoway::encode(element, &mut bytes[at..]);
        self.count += 1;
    }

    fn push_front(&mut self, element: Element<'_>) {
        let need = twoway::encoded_bytes(element);
        if (self.begin as usize) < need {
            self.open_front(need);
        }
        self.begin -= need as u32;
        let at = self.begin as usize;
        twoway::encode(element, &mut self.bytes.to_mut()[at..at + need]);
        self.count += 1;
    }

    /// Makes room at the front: as much as there are elements, or all there is where little would be left.
    fn open_front(&mut self, need: usize) {
        let (old, len) = (self.begin as usize, self.len());
        let room = CHUNK_BYTES.saturating_sub(len);
        let doubled = len.max(STEP_BYTES_MIN).max(need);
        let begin = if doubled + ROOM_BYTES_MIN > room { room.max(need) } else { doubled };
        let bytes = self.bytes.to_mut();
        bytes.reserve_exact((begin + len).saturating_sub(bytes.len()));
        bytes.resize(bytes.len().max(begin + len), 0);
        bytes.copy_within(old..old + len, begin);
        bytes.truncate(begin + len);
        self.begin = begin as u32;
    }

    /// Puts `need` bytes in place of those from one place to another, counted among the elements.
    fn splice(&mut self, at: usize, end: usize, need: usize) {
        if need > end - at && self.bytes.len() + need > CHUNK_BYTES {
            self.compact();
        }
        let (at, end, len) = (self.begin as usize + at, self.begin as usize + end, self.bytes.len());
        if need > end - at {
            self.reserve(need - (end - at));
            self.bytes.to_mut().resize(len + need - (end - at), 0);
        }
        let bytes = self.bytes.to_mut();
        bytes.copy_within(end..len, at + need);
        bytes.truncate(len + need - (end - at));
    }

    fn compact(&mut self) {
        self.bytes.to_mut().drain(..self.begin as usize);
        self.begin = 0;
    }

    /// Room behind the elements: twice as much as is there, up to a chunk.
    fn reserve(&mut self, more: usize) {
        let (len, held) = (self.bytes.len(), self.bytes.held_bytes());
        if len + more > held {
            let doubled = (2 * held).clamp(STEP_BYTES_MIN, CHUNK_BYTES).max(len + more);
            self.bytes.to_mut().reserve_exact(doubled - len);
        }
    }

    /// Gives back what it holds where less than half of that is used.
    fn lessen(&mut self) {
        let held = self.bytes.held_bytes();
        if held > STEP_BYTES_MIN && 2 * self.len() + STEP_BYTES_MIN < held {
            self.compact();
            self.bytes.to_mut().shrink_to_fit();
        }
    }
}
