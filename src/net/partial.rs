//! What a connection has read of a request that is not whole yet.
//!
//! Only a cut-off request lies here; whole ones are run out of the worker's buffer. A long request ends in a
//! buffer of its own size, so that its value can be kept without a copy.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::stream::Stream;
use crate::base::limits::{KEPT_REQUEST_BYTES_MIN, PARTIAL_ROOM_BYTES_MIN, READ_BYTES};
use crate::base::memory::class_bytes;

/// Requests with one large value grow that often at most.
const GROWTHS_EXACT: usize = 4;
/// How many times as much as has arrived room is made for. It is address space until something is written there.
const TRUST: usize = 128;

/// The bytes so far.
#[derive(Debug, Default)]
pub struct Partial {
    bytes: BytesMut,
    /// What the allocator gave for it, what is used up already among it.
    held_bytes: usize,
    /// How often room was made for this request.
    growths: usize,
}

impl Partial {
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that the allocator gave for it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes of room for what is still to come.
    #[must_use]
    pub fn free(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Begins with what was read of a request that lacks `missing` bytes (0 = unknown).
    pub fn begin(&mut self, bytes: &[u8], missing: usize) {
        if !bytes.is_empty() {
            self.make_room(room(bytes.len(), missing) + bytes.len());
            self.bytes.extend_from_slice(bytes);
            self.growths = 1;
        }
    }

    /// Reads on, where there is room. Returns the bytes read, 0 at the stream's end.
    pub fn poll_read(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        pin!(stream.read_buf(&mut self.bytes)).poll(cx)
    }

    /// Bytes that room will be made for.
    #[must_use]
    pub fn growth(&self, missing: usize) -> usize {
        let least = if self.growths < GROWTHS_EXACT { 0 } else { self.len() / 2 };
        room(self.len(), missing).max(least)
    }

    /// Makes room for what is missing. Not `reserve`, which rounds up: a value may stay in this buffer. But a request
    /// of many values, each of which lacks only a little, must not be copied for each of them.
    pub fn grow(&mut self, missing: usize) {
        self.make_room(self.len() + self.growth(missing));
        self.growths += 1;
    }

    /// Bytes that room will be made for while whole requests are taken in.
    #[must_use]
    pub fn growth_taking_in(&self) -> usize {
        (self.len() / 2).max(READ_BYTES)
    }

    /// Makes room for more requests that are not run yet. Cost: a constant for each byte in the long run.
    pub fn grow_taking_in(&mut self) {
        self.make_room(self.len() + self.growth_taking_in());
    }

    fn make_room(&mut self, bytes: usize) {
        let mut longer = BytesMut::with_capacity(bytes);
        longer.extend_from_slice(&self.bytes);
        self.bytes = longer;
        self.held_bytes = class_bytes(bytes);
    }

    /// The bytes, for the parser.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Whether a request of `len` bytes is most of what the allocator gave for this: no more is lost where its value is
    /// kept in its place.
    #[must_use]
    pub fn is_mostly(&self, len: usize) -> bool {
        len >= KEPT_REQUEST_BYTES_MIN && len >= self.held_bytes / 8 * 7
    }

    /// Takes the first `len` bytes out, which the caller may keep.
    pub fn split(&mut self, len: usize) -> Bytes {
        let first = self.bytes.split_to(len).freeze();
        self.growths = if len > 0 { 0 } else { self.growths };
        self.held_bytes = self.held_bytes.saturating_sub(len);
        self.drop_empty();
        first
    }

    /// Puts back what `split` took, but for its first `used` bytes. Cost: nothing where nobody kept any of it, else one
    /// copy of all there is.
    pub fn put_back(&mut self, first: Bytes, used: usize) {
        let mut whole = match first.try_into_mut() {
            Ok(first) => first,
            Err(kept) => BytesMut::from(&kept[..]),
        };
        whole.advance(used);
        whole.unsplit(std::mem::take(&mut self.bytes));
        self.bytes = whole;
        self.held_bytes = self.held_bytes.max(class_bytes(used + self.bytes.capacity()));
    }

    /// Drops the first `len` bytes.
    pub fn advance(&mut self, len: usize) {
        self.bytes.advance(len);
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        if self.is_empty() {
            *self = Partial::default();
        }
    }
}

/// Bytes to make room for: what is missing, but no more than a multiple of what has arrived, whatever a client
/// announces. What a read brings is a few dozen KiB, so values up to some MiB are copied no further than that.
fn room(len: usize, missing: usize) -> usize {
    missing.clamp(PARTIAL_ROOM_BYTES_MIN, (len * TRUST).max(READ_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes copied while `values` values of one size arrive as one request.
    fn copied(values: usize, value_bytes: usize) -> usize {
        let mut partial = Partial::default();
        partial.begin(&[0; 64], value_bytes);
        let mut copied = 0;
        for _ in 0..values {
            let end = partial.len() + value_bytes;
            while partial.len() < end {
                if partial.free() == 0 {
                    copied += partial.len();
                    partial.grow(end - partial.len());
                }
                let more = partial.free().min(end - partial.len());
                partial.bytes.extend_from_slice(&vec![0; more]);
                // As the connection does that looks whether the request is whole by now.
                drop(partial.split(0));
            }
        }
        copied
    }

    #[test]
    fn request_of_many_values_is_copied_a_few_times_over() {
        for (values, value_bytes) in [(20_000, 1_000), (50, 1 << 20)] {
            assert!(copied(values, value_bytes) < 4 * values * value_bytes, "{values} of {value_bytes}");
        }
    }

    #[test]
    fn large_value_has_a_buffer_of_its_own_size() {
        let mut partial = Partial::default();
        partial.begin(&[0; 64 * 1024], 936 * 1024);
        assert_eq!((partial.len(), partial.free()), (64 * 1024, 936 * 1024));
        assert!(partial.is_mostly(936 * 1024));
    }

    #[test]
    fn value_is_not_kept_in_a_buffer_of_many_requests() {
        let mut partial = Partial::default();
        partial.begin(&[0; 100 * 1024], 0);
        for _ in 0..10 {
            partial.grow_taking_in();
            partial.bytes.extend_from_slice(&vec![0; partial.free()]);
        }
        let held_bytes = partial.held_bytes();
        assert!(partial.len() > 1 << 20 && !partial.is_mostly(100 * 1024));
        partial.advance(1 << 20);
        assert_eq!(partial.held_bytes(), held_bytes, "what is used up is still there");
        partial.advance(partial.len());
        assert_eq!(partial.held_bytes(), 0);
    }
}
