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
use crate::base::limits::{PARTIAL_ROOM_BYTES_MIN, READ_BYTES};

/// How many times as much as has arrived room is made for. It is address space until something is written there.
const TRUST: usize = 128;

/// The bytes so far.
#[derive(Debug, Default)]
pub struct Partial(BytesMut);

impl Partial {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of room for what is still to come.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins with what was read of a request that lacks `missing` bytes (0 = unknown).
    pub fn begin(&mut self, bytes: &[u8], missing: usize) {
        if !bytes.is_empty() {
            self.0 = BytesMut::with_capacity(bytes.len() + room(bytes.len(), missing));
            self.0.extend_from_slice(bytes);
        }
    }

    /// Reads on. Returns the bytes read, 0 at the stream's end.
    pub fn poll_read(
        &mut self,
        stream: &mut Stream,
        missing: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.0.capacity() == self.0.len() {
            // Not `reserve`, which rounds up: a value may stay in this buffer.
            let mut longer = BytesMut::with_capacity(self.len() + room(self.len(), missing));
            longer.extend_from_slice(&self.0);
            self.0 = longer;
        }
        pin!(stream.read_buf(&mut self.0)).poll(cx)
    }

    /// The bytes, for the parser.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Takes the first `len` bytes out, to be kept by whoever wants.
    pub fn split(&mut self, len: usize) -> Bytes {
        let first = self.0.split_to(len).freeze();
        self.drop_empty();
        first
    }

    /// Puts back what `split` took.
    pub fn put_back(&mut self, first: &[u8]) {
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&self.0);
        self.0 = whole;
    }

    /// Drops the first `len` bytes.
    pub fn advance(&mut self, len: usize) {
        self.0.advance(len);
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        if self.0.is_empty() {
            self.0 = BytesMut::new();
        }
    }
}

/// Bytes to make room for: what is missing, but no more than a multiple of what has arrived, whatever a client
/// announces. What a read brings is a few dozen KiB, so values up to some MiB are copied no further than that.
fn room(len: usize, missing: usize) -> usize {
    missing.clamp(PARTIAL_ROOM_BYTES_MIN, (len * TRUST).max(READ_BYTES))
}
