//! Large writes in turns: what a worker writes between two looks at its sockets is bounded.
//!
//! Writing a large value takes as long as dozens of small requests. So connections with much to write share a budget
//! of bytes; one that finds it spent draws a ticket and is called, in the order of the tickets, after the worker has looked
//! at its sockets and its small requests have passed. Invariants: a ticket is called once everybody before it was, and
//! while somebody holds one that is not called, `call` is at work.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::base::limits::TURN_BYTES;

/// The turns of one worker's large writes.
#[derive(Default)]
pub(super) struct Turns {
    /// Bytes let through in this turn.
    spent: Cell<usize>,
    /// The holders of tickets that are not called yet, in order, and the bytes each is about to write.
    queue: RefCell<VecDeque<(Waker, usize)>>,
    /// Tickets below this one are called.
    called: Cell<u64>,
    /// The first bytes of a turn were let through.
    begun: Notify,
}

/// The right to write when it is called.
#[derive(Debug)]
pub(super) struct Ticket(u64);

impl Turns {
    /// Ready if the holder of `ticket`, or of none yet, may write `bytes` now. Else it holds a ticket and is woken
    /// when that is called. Cost: constant.
    pub fn poll(&self, ticket: &mut Option<Ticket>, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        if let Some(Ticket(number)) = ticket {
            if *number >= self.called.get() {
                return Poll::Pending;
            }
            // Its bytes were counted when it was called.
            *ticket = None;
            return Poll::Ready(());
        }
        let mut queue = self.queue.borrow_mut();
        if !queue.is_empty() || self.spent.get() >= TURN_BYTES {
            *ticket = Some(Ticket(self.called.get() + queue.len() as u64));
            queue.push_back((cx.waker().clone(), bytes));
            return Poll::Pending;
        }
        if self.spent.get() == 0 {
            self.begun.notify_one();
        }
        self.spent.set(self.spent.get() + bytes);
        Poll::Ready(())
    }

    /// Begins a turn whenever the worker has looked at its sockets, as long as there is much to write. Never returns.
    pub async fn call(&self) {
        loop {
            if self.spent.get() == 0 {
                self.begun.notified().await;
            }
            // The runtime looks at its sockets before it comes back here, and runs the connections that are ready there first.
            tokio::task::yield_now().await;
            self.begin();
        }
    }

    /// Calls as many tickets as the budget of a turn is for; at least one, whatever it is for.
    fn begin(&self) {
        let mut queue = self.queue.borrow_mut();
        let mut spent = 0;
        while spent < TURN_BYTES
            && let Some((waker, bytes)) = queue.pop_front()
        {
            spent += bytes;
            self.called.set(self.called.get() + 1);
            waker.wake();
        }
        self.spent.set(spent);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::{JoinHandle, spawn_local};

    use super::*;

    const BYTES: usize = TURN_BYTES / 8;

    /// The writers, in order: the number of a crowd's member, or nothing for a small reply.
    type Log = Rc<RefCell<Vec<Option<usize>>>>;

    fn on_a_worker(work: impl Future<Output = ()>) {
        let mut builder = Builder::new_current_thread();
        builder.enable_io().build_local(LocalOptions::default()).unwrap().block_on(work);
    }

    /// Starts a crowd in which everybody has `BYTES` to write, so often.
    fn crowd(turns: &Rc<Turns>, log: &Log, members: usize, writes: usize) -> Vec<JoinHandle<()>> {
        let member = |number| {
            let (turns, log) = (turns.clone(), log.clone());
            spawn_local(async move {
                for _ in 0..writes {
                    let mut ticket = None;
                    poll_fn(|cx| turns.poll(&mut ticket, BYTES, cx)).await;
                    log.borrow_mut().push(Some(number));
                }
            })
        };
        (0..members).map(member).collect()
    }

    async fn all(tasks: Vec<JoinHandle<()>>) {
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[test]
    fn small_request_that_comes_while_a_crowd_is_written_to_passes_it() {
        on_a_worker(async {
            let (turns, log) = (Rc::new(Turns::default()), Log::default());
            let (mut client, mut server) = UnixStream::pair().unwrap();
            let caller = spawn_local({
                let turns = turns.clone();
                async move { turns.call().await }
            });
            let small = spawn_local({
                let log = log.clone();
                async move {
                    server.read_u8().await.unwrap();
                    log.borrow_mut().push(None);
                }
            });
            let crowd = crowd(&turns, &log, 300, 1);
            client.write_u8(b'x').await.unwrap();
            all(crowd).await;
            small.await.unwrap();
            caller.abort();
            let at = log.borrow().iter().position(Option::is_none).unwrap();
            assert!(at <= 24, "after {at} of 300 large writes");
        });
    }

    #[test]
    fn everybody_writes_and_in_the_order_of_asking() {
        on_a_worker(async {
            let (turns, log) = (Rc::new(Turns::default()), Log::default());
            let caller = spawn_local({
                let turns = turns.clone();
                async move { turns.call().await }
            });
            all(crowd(&turns, &log, 50, 3)).await;
            // Idle again, and a second crowd begins like the first.
            all(crowd(&turns, &log, 50, 1)).await;
            caller.abort();
            let in_order = |count: usize| (0..count).map(Some).collect::<Vec<_>>();
            let log = log.borrow();
            assert_eq!(log.len(), 200);
            let first_writes = &log.iter().fold(Vec::new(), |mut seen, member| {
                if seen.len() < 50 && !seen.contains(member) {
                    seen.push(*member);
                }
                seen
            });
            assert_eq!((first_writes, log[150..].to_vec()), (&in_order(50), in_order(50)));
        });
    }

    #[test]
    fn holder_of_a_ticket_that_is_woken_by_something_else_keeps_its_place() {
        let turns = Turns::default();
        let cx = Context::from_waker(Waker::noop());
        let mut tickets = [None, None, None];
        assert!(turns.poll(&mut tickets[0], TURN_BYTES, &cx).is_ready());
        for _ in 0..3 {
            assert!(turns.poll(&mut tickets[1], TURN_BYTES, &cx).is_pending());
        }
        assert!(turns.poll(&mut tickets[2], 1, &cx).is_pending());
        turns.begin();
        assert!(turns.poll(&mut tickets[2], 1, &cx).is_pending());
        assert!(turns.poll(&mut tickets[1], TURN_BYTES, &cx).is_ready());
        // A connection that comes now finds one waiting, and waits behind it.
        assert!(turns.poll(&mut tickets[0], 1, &cx).is_pending());
        turns.begin();
        assert!(tickets.iter_mut().step_by(2).all(|ticket| turns.poll(ticket, 1, &cx).is_ready()));
    }
}
