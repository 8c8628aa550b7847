//! A worker's outgoing messages: deliveries to subscribers, sent in their order and in portions.
//!
//! Small crowds are sent to at once; of large ones the rest is sent between the turns of the worker's
//! connections. Invariant: nothing overtakes within one worker, so a publisher's messages stay in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use tokio::sync::Notify;

use crate::base::limits::{POST_SENDS_MAX, WAKE_PORTION};
use crate::pubsub::Delivery;

/// What a worker still has to send.
#[derive(Default)]
pub(super) struct Post {
    queue: RefCell<VecDeque<Delivery>>,
    /// Sends that the queue stands for.
    left: Cell<usize>,
    filled: Notify,
    /// Publishers that wait until less is queued.
    publishers: RefCell<Vec<Waker>>,
}

impl Post {
    /// Takes deliveries in and sends a first portion, unless earlier ones are still being sent.
    pub fn accept(&self, deliveries: Vec<Delivery>, bytes_max: usize) {
        let is_idle = self.left.get() == 0;
        let more = deliveries.iter().map(Delivery::left).sum::<usize>();
        self.left.set(self.left.get() + more);
        self.queue.borrow_mut().extend(deliveries);
        if is_idle {
            self.send_portion(bytes_max);
            if self.left.get() > 0 {
                self.filled.notify_one();
            }
        }
    }

    /// Sends to at most `WAKE_PORTION` subscribers.
    pub fn send_portion(&self, bytes_max: usize) {
        let mut queue = self.queue.borrow_mut();
        let mut room = WAKE_PORTION;
        while room > 0
            && let Some(delivery) = queue.front_mut()
        {
            let sent = delivery.send(room, bytes_max);
            room -= sent;
            self.left.set(self.left.get() - sent);
            if delivery.left() == 0 {
                queue.pop_front();
            }
        }
        if self.left.get() <= POST_SENDS_MAX {
            self.publishers.borrow_mut().drain(..).for_each(Waker::wake);
        }
    }

    /// Sends left to do.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// Resolves when there is something to send that `accept` left over.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether so much is queued that a publisher must wait; if so, it is woken when that is over.
    pub fn holds_up(&self, cx: &Context<'_>) -> bool {
        let is_full = self.left.get() > POST_SENDS_MAX;
        if is_full {
            self.publishers.borrow_mut().push(cx.waker().clone());
        }
        is_full
    }
}
