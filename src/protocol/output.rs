//! Reply bytes on their way to a socket: chunks of a byte string, with reference-counted values spliced in.
//!
//! A large value is never copied, a long reply grows by chunks without copying what is there, what is written is let go, and
//! of a reply that has a source no more is made than is about to be written. An output may have a limit: what comes beyond it
//! is dropped, since the connection is to end. What a long reply takes is told as it grows. Invariant: the wire bytes leave in
//! the order in which they were put in, each once.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::base::memory::{class_bytes, vec_bytes};

/// A chunk that is as long as this is closed, and a longer reply goes on in a new one, bytes.
const CHUNK_BYTES_MIN: usize = if cfg!(test) { 1024 } else { 64 * 1024 };
/// Shared values in a chunk at most.
const CHUNK_VALUES_MAX: usize = if cfg!(test) { 16 } else { 1024 };
/// Room made for one chunk of a very long reply, bytes.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// Makes bytes of a reply when they are about to be written.
pub trait Source: fmt::Debug + Send {
    /// About as many bytes as it is to make; at the same time what it keeps from others for that.
    fn left_bytes(&self) -> usize;

    /// Bytes that the allocator gave for the source itself.
    fn held_bytes(&self) -> usize;

    /// Makes the next bytes, about as many as asked for; at least some, unless none are left. Returns whether none are.
    fn make(&mut self, out: &mut Output, bytes: usize) -> bool;
}

/// A part of an output.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// (offset in `bytes` before which the value stands, value), ascending.
    shared: Vec<(usize, Bytes)>,
    /// Bytes of the shared values, those let go among them.
    shared_bytes: usize,
    /// What makes the bytes that stand here; then nothing else does.
    source: Option<Box<dyn Source>>,
}

impl Chunk {
    fn len(&self) -> usize {
        self.bytes.len() + self.shared_bytes + self.to_make_bytes()
    }

    /// Never 0 where something is to be made.
    fn to_make_bytes(&self) -> usize {
        self.source.as_ref().map_or(0, |source| source.left_bytes().max(1))
    }

    /// Bytes that the allocator gave for it.
    fn held_bytes(&self) -> usize {
        let source = self.source.as_ref().map_or(0, |source| source.held_bytes());
        vec_bytes(&self.bytes) + vec_bytes(&self.shared) + source
    }
}

/// Reply bytes in order, with shared values spliced in.
#[derive(Debug)]
pub struct Output {
    /// Where is written. The hot path touches nothing else.
    tail: Chunk,
    /// Chunks before it, oldest first.
    full: VecDeque<Chunk>,
    full_len: usize,
    full_held_bytes: usize,
    /// Wire bytes of the first chunk that are consumed.
    consumed: usize,
    /// Shared values of the first chunk that are consumed and let go, and their bytes.
    passed: usize,
    passed_bytes: usize,
    limit: usize,
    is_over: bool,
    /// Where is told what this output takes, while it grows.
    account: Option<Arc<AtomicUsize>>,
}

impl Default for Output {
    fn default() -> Output {
        Output {
            tail: Chunk::default(),
            full: VecDeque::new(),
            full_len: 0,
            full_held_bytes: 0,
            consumed: 0,
            passed: 0,
            passed_bytes: 0,
            limit: usize::MAX,
            is_over: false,
            account: None,
        }
    }
}

/// A position in an `Output`.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    full: usize,
    bytes: usize,
    shared: usize,
}

impl Output {
    /// An output that adds to `account` what it is going to take, a chunk at a time; its owner says there how much
    /// it is in the end (`held_bytes`). So a thread that asks the allocator meanwhile knows whose it is.
    #[must_use]
    pub fn with_account(account: Option<Arc<AtomicUsize>>) -> Output {
        Output { account, ..Output::default() }
    }

    /// Bytes that are still to be put on the wire; of what is made only then, about as many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full_len + self.tail.len() - self.consumed
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the allocator gave for it, spare room and what is consumed already among them; shared values not.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.full_held_bytes + class_bytes(self.full.capacity() * size_of::<Chunk>()) + self.tail.held_bytes()
    }

    /// Bytes of shared values that this output keeps alive, and of what sources keep.
    #[must_use]
    pub fn shared_bytes(&self) -> usize {
        let full: usize = self.full.iter().map(|chunk| chunk.shared_bytes + chunk.to_make_bytes()).sum();
        full + self.tail.shared_bytes - self.passed_bytes
    }

    /// From this many bytes on nothing more is taken in: what comes is dropped, and `is_over` says so.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// More was to be put in than the limit allows; something was dropped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Appends raw bytes that are already in wire format.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.tail.bytes.capacity() - self.tail.bytes.len() >= bytes.len() || self.make_room(bytes.len()) {
            self.tail.bytes.extend_from_slice(bytes);
        }
    }

    /// Splices a shared value in at the end, without copying it.
    pub fn extend_shared(&mut self, value: Bytes) {
        if self.len().saturating_add(value.len()) > self.limit {
            self.is_over = true;
            return;
        }
        if value.is_empty() {
            // It would pass as written before anything is, and stand in the way of what counts by places.
            return;
        }
        if self.tail.shared.len() >= CHUNK_VALUES_MAX {
            self.close_tail();
        }
        self.tail.shared_bytes += value.len();
        self.tail.shared.push((self.tail.bytes.len(), value));
    }

    /// Goes on with bytes that are made when they are about to be written (`make`).
    pub fn extend_made(&mut self, source: Box<dyn Source>) {
        let chunk = Chunk { source: Some(source), ..Chunk::default() };
        if self.len().saturating_add(chunk.len()) > self.limit {
            self.is_over = true;
            return;
        }
        // Also where it is empty: a mark in it means its place.
        self.close_tail();
        self.push_full(chunk);
    }

    /// Makes the next bytes, about as many as are asked for, where there are none to be written before a source has made
    /// them; where it has none the output is empty after this. Cost: a comparison, mostly.
    #[inline]
    pub fn make(&mut self, bytes: usize) {
        if !self.full.is_empty() {
            self.make_next(bytes);
        }
    }

    #[cold]
    fn make_next(&mut self, bytes: usize) {
        // What is written already, and chunks that only keep a place that a mark meant, may stand before it.
        self.consume(0);
        while let Some(mut first) = self.take_first_source() {
            let mut made = Output::with_account(self.account.clone());
            let is_done = first.source.as_mut().is_none_or(|source| source.make(&mut made, bytes));
            let left = (!is_done).then_some(first);
            let made = [made.tail].into_iter().chain(made.full.into_iter().rev());
            let made = made.filter(|chunk| chunk.len() > 0);
            left.into_iter().chain(made).for_each(|chunk| self.push_first(chunk));
            self.consume(0);
        }
    }

    /// Takes out the chunk that is to be written next, if a source is to make it.
    fn take_first_source(&mut self) -> Option<Chunk> {
        self.full.front()?.source.as_ref()?;
        let first = self.full.pop_front()?;
        self.full_len -= first.len();
        self.full_held_bytes -= first.held_bytes();
        Some(first)
    }

    fn push_first(&mut self, chunk: Chunk) {
        self.full_len += chunk.len();
        self.full_held_bytes += chunk.held_bytes();
        self.full.push_front(chunk);
    }

    fn push_full(&mut self, chunk: Chunk) {
        self.full_len += chunk.len();
        self.full_held_bytes += chunk.held_bytes();
        self.full.push_back(chunk);
    }

    /// Room for `bytes` more in the tail; false where they would be too many.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) -> bool {
        if self.is_over || self.len().saturating_add(bytes) > self.limit {
            self.is_over = true;
            return false;
        }
        if self.tail.bytes.len() < CHUNK_BYTES_MIN {
            self.tail.bytes.reserve(bytes);
        } else {
            let room = class_bytes((self.len() / 4).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX).max(bytes));
            self.close_tail();
            self.tell(room);
            self.tail.bytes.reserve_exact(room);
        }
        true
    }

    fn tell(&self, bytes: usize) {
        if let Some(account) = &self.account {
            account.fetch_add(bytes, Relaxed);
        }
    }

    fn close_tail(&mut self) {
        self.tell(vec_bytes(&self.tail.shared));
        let chunk = std::mem::take(&mut self.tail);
        self.push_full(chunk);
    }

    /// Moves everything of `other`, of which nothing is consumed, to the end of `self`. Cost: one copy of what is short.
    pub fn append(&mut self, other: &mut Output) {
        debug_assert_eq!(other.consumed, 0, "only the first output of a connection is written");
        self.is_over |= other.is_over;
        if other.full.is_empty() && other.tail.bytes.len() < CHUNK_BYTES_MIN {
            let mut from = 0;
            for (at, value) in std::mem::take(&mut other.tail.shared) {
                self.extend(&other.tail.bytes[from..at]);
                self.extend_shared(value);
                from = at;
            }
            self.extend(&other.tail.bytes[from..]);
            // Its room stays for the next.
            other.clear(CHUNK_BYTES_MIN);
            return;
        }
        let mut other = std::mem::take(other);
        if self.len().saturating_add(other.len()) > self.limit {
            self.is_over = true;
            return;
        }
        if self.tail.len() > 0 {
            self.close_tail();
        }
        self.full_len += other.full_len;
        self.full_held_bytes += other.full_held_bytes;
        self.full.append(&mut other.full);
        self.tail = other.tail;
    }

    /// Cuts everything behind the mark away; undoes a reply that was begun. Nothing may be consumed in between.
    pub fn truncate(&mut self, mark: Mark) {
        while self.full.len() > mark.full {
            // The chunk that was the tail when the mark was set is the last one taken out.
            self.tail = self.full.pop_back().unwrap_or_default();
            self.full_len -= self.tail.len();
            self.full_held_bytes -= self.tail.held_bytes();
        }
        self.tail.bytes.truncate(mark.bytes);
        for (_, value) in self.tail.shared.drain(mark.shared..) {
            self.tail.shared_bytes -= value.len();
        }
    }

    /// The present end, for `truncate`.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { full: self.full.len(), bytes: self.tail.bytes.len(), shared: self.tail.shared.len() }
    }

    /// Empties the output, keeping at most `capacity_max` bytes of its buffer.
    pub fn clear(&mut self, capacity_max: usize) {
        self.full = VecDeque::new();
        (self.full_len, self.full_held_bytes) = (0, 0);
        (self.consumed, self.passed, self.passed_bytes) = (0, 0, 0);
        self.tail.bytes.clear();
        self.tail.bytes.shrink_to(capacity_max);
        self.tail.shared = Vec::new();
        self.tail.shared_bytes = 0;
        self.is_over = false;
    }

    /// The bytes to be written where they lie in one piece: the common case.
    #[must_use]
    pub fn as_plain(&self) -> Option<&[u8]> {
        let is_plain = self.full.is_empty() && self.tail.shared.is_empty();
        is_plain.then(|| &self.tail.bytes[self.consumed..])
    }

    /// Fills `slices` with at most `room` of the bytes to be written, those that are made; returns how many slices were
    /// used.
    pub fn slices<'a>(&'a self, mut room: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        // Where the values of the first chunk that are still there begin.
        let mut passed = self.passed;
        let mut from = passed.checked_sub(1).map_or(0, |last| self.first().shared[last].0);
        let mut skip = self.consumed - from - self.passed_bytes;
        let mut push = |piece: &'a [u8]| {
            let cut = skip.min(piece.len());
            skip -= cut;
            let end = piece.len().min(cut.saturating_add(room));
            if cut < end && used < slices.len() {
                slices[used] = IoSlice::new(&piece[cut..end]);
                used += 1;
                room -= end - cut;
            }
            room > 0 && used < slices.len()
        };
        'chunks: for chunk in self.full.iter().chain([&self.tail]) {
            if chunk.source.is_some() {
                break;
            }
            for (at, value) in &chunk.shared[std::mem::take(&mut passed)..] {
                if !push(&chunk.bytes[from..*at]) || !push(value) {
                    break 'chunks;
                }
                from = *at;
            }
            if !push(&chunk.bytes[from..]) {
                break;
            }
            from = 0;
        }
        used
    }

    /// The next `bytes` bytes are written: lets go of what is not needed any more.
    pub fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
        while let Some(chunk) = self.full.front()
            && self.consumed >= chunk.len()
        {
            self.consumed -= chunk.len();
            self.full_len -= chunk.len();
            self.full_held_bytes -= chunk.held_bytes();
            (self.passed, self.passed_bytes) = (0, 0);
            self.full.pop_front();
        }
        let first = match self.full.front_mut() {
            Some(chunk) => chunk,
            None => &mut self.tail,
        };
        while let Some((at, value)) = first.shared.get_mut(self.passed)
            && self.consumed >= *at + self.passed_bytes + value.len()
        {
            self.passed_bytes += value.len();
            self.passed += 1;
            *value = Bytes::new();
        }
    }

    fn first(&self) -> &Chunk {
        self.full.front().unwrap_or(&self.tail)
    }
}

#[cfg(test)]
mod tests;
