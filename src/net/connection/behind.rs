//! What stands behind a request that is not at its end: taken in, and run when its time has come.

use std::task::{Context, Poll, ready};

use super::super::bounds::End;
use super::Connection;

impl Connection {
    /// A request of it waits for a key, and what stands behind it for that: what the client sends is taken in, so that its end is
    /// noticed.
    pub(super) fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.is_at_end {
            return Poll::Ready(Err(End::Client));
        }
        ready!(self.stream.poll_read_ready(cx)).map_err(End::Socket)?;
        self.poll_take_in(cx)
    }

    /// Whether a request that was run last waits for a key.
    pub(super) fn is_blocked(&self) -> bool {
        self.session.slots.blocked.is_some()
    }

    /// Whether what stands behind the request that was run last has to wait for its end.
    pub(super) fn is_held_up(&self) -> bool {
        self.script.is_some() || self.is_blocked()
    }

    /// Takes in what the client sends and runs none of it, up to `client-query-buffer-limit`.
    pub(super) fn poll_take_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.is_at_end {
            return Poll::Pending;
        }
        self.is_behind = true;
        if self.partial.free() == 0 {
            self.count_growth(self.partial.growth_taking_in());
            self.partial.grow_taking_in();
        }
        let read = ready!(self.partial.poll_read(&mut self.stream, cx)).map_err(End::Socket)?;
        self.is_at_end = read == 0;
        self.publish(read);
        Poll::Ready(self.check_limits())
    }
}
