//! What a connection writes: its replies, large ones in turns, and what it means that all were handed over.
//!
//! Knows nothing of requests. Invariant: bytes leave in the order of `replies`, each once.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use super::reply_queue::ReplyQueue;
use super::stream::Stream;
use super::turns::{Ticket, Turns};
use crate::base::limits::{IDLE_BUFFER_BYTES_MAX, LARGE_WRITE_BYTES, TURN_BYTES};
use crate::base::metrics::{Counter, Counters, add};
use crate::clients::Client;

/// Replies of more than this are written at once: they keep the kernel busy for a while.
const WRITE_NOW_BYTES: usize = 64 * 1024;
/// Pieces handed to the kernel in one vectored write.
const WRITE_SLICES: usize = 64;

/// Replies on their way to the socket.
pub(super) struct Outflow {
    pub replies: ReplyQueue,
    /// The socket takes no more for the moment.
    is_backlogged: bool,
    /// Its large replies wait for their turn.
    ticket: Option<Ticket>,
    /// They did, since all was written last.
    was_put_off: bool,
}

impl Outflow {
    pub fn new(client: &Client) -> Outflow {
        let replies = ReplyQueue::new(Some(client.seen.reply_held_bytes.clone()));
        Outflow { replies, is_backlogged: false, ticket: None, was_put_off: false }
    }

    /// Bytes that are not with the socket yet.
    pub fn waiting_bytes(&self) -> usize {
        self.replies.bytes()
    }

    /// Tells others what waits here, and what it takes.
    pub fn publish(&self, client: &Client) {
        client.seen.reply_bytes.store(self.waiting_bytes(), Relaxed);
        client.seen.reply_held_bytes.store(self.replies.held_bytes(), Relaxed);
        client.seen.reply_shared_bytes.store(self.replies.shared_bytes(), Relaxed);
    }

    /// Whether the socket took less than it was given.
    pub fn is_backlogged(&self) -> bool {
        self.is_backlogged
    }

    /// Whether the replies are best written in the next turn, after the other connections that are ready have run:
    /// a peer that is woken finds several replies then, and need not be woken for each.
    pub fn writes_later(&self) -> bool {
        (1..=WRITE_NOW_BYTES).contains(&self.waiting_bytes())
    }

    /// Writes what is ready. Ready with whether it took a while once all is with the socket.
    pub fn poll_flush(
        &mut self,
        stream: &mut Stream,
        turns: &Turns,
        client: &Client,
        counters: &Counters,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let had_any = !self.replies.ready.is_empty();
        let mut has_written = false;
        while !self.replies.ready.is_empty() {
            let is_turn = self.poll_turn(stream, turns, counters, cx)?.is_ready();
            if is_turn {
                self.replies.ready.make(TURN_BYTES);
                if self.replies.ready.is_empty() {
                    break;
                }
            }
            let wrote = if is_turn { self.poll_write(stream, cx) } else { Poll::Pending };
            let Poll::Ready(wrote) = wrote else {
                self.is_backlogged |= is_turn;
                client.post_box.set_backlogged(true);
                if has_written {
                    self.publish(client);
                }
                return Poll::Pending;
            };
            let wrote = wrote?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            has_written = true;
            self.replies.ready.consume(wrote);
            counters.add(Counter::OutputBytes, wrote as u64);
            add(&client.seen.output_bytes, wrote);
        }
        if had_any {
            self.replies.ready.clear(IDLE_BUFFER_BYTES_MAX);
            client.seen.soft_limit_since.store(0, Relaxed);
            self.publish(client);
        }
        if stream.poll_flush(cx)?.is_pending() {
            self.is_backlogged = true;
            client.post_box.set_backlogged(true);
            return Poll::Pending;
        }
        let was_backlogged = std::mem::take(&mut self.is_backlogged);
        let was_held_up = std::mem::take(&mut self.was_put_off) || was_backlogged;
        if was_held_up {
            client.post_box.set_backlogged(false);
        }
        Poll::Ready(Ok(was_held_up))
    }

    fn poll_write(&self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.replies.ready.as_plain() {
            Some(bytes) => stream.poll_write(cx, &bytes[..bytes.len().min(TURN_BYTES)]),
            None => {
                let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
                let used = self.replies.ready.slices(TURN_BYTES, &mut slices);
                stream.poll_write_vectored(cx, &slices[..used])
            }
        }
    }

    /// Whether what is next may be written now. Much waits until it is its turn; the socket is asked first, so that
    /// no turn passes with nothing written.
    fn poll_turn(
        &mut self,
        stream: &mut Stream,
        turns: &Turns,
        counters: &Counters,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.replies.ready.len();
        if left <= LARGE_WRITE_BYTES {
            return Poll::Ready(Ok(()));
        }
        if stream.poll_write_ready(cx)?.is_pending() {
            self.is_backlogged = true;
            return Poll::Pending;
        }
        let had_ticket = self.ticket.is_some();
        let turn = turns.poll(&mut self.ticket, left.min(TURN_BYTES), cx);
        if turn.is_pending() && !had_ticket {
            self.was_put_off = true;
            counters.add(Counter::WritesPutOff, 1);
        }
        turn.map(Ok)
    }
}
