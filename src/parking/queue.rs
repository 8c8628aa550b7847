//! Those who wait for one thing, oldest first.
//!
//! Pure: waiters are whatever implements `Waiting`; what they ask for is for their queue's owner alone. Invariant: a waiter
//! leaves the queue exactly when it is claimed or forgotten.

use std::collections::VecDeque;

use crate::base::memory::class_bytes;

/// What a queue must know of a parked request.
pub trait Waiting {
    /// Not answered yet.
    fn is_open(&self) -> bool;
    /// Its reply could be written at once: nothing unanswered stands ahead of it on its connection.
    fn is_deliverable(&self) -> bool;
    /// Takes the right to answer it; true for exactly one caller.
    fn claim(&self) -> bool;
    /// Notes that it left the queue of its key at `index`; true the first time.
    fn leave(&self, index: u32) -> bool;
}

/// A parked request in a queue. There may be ten thousands of them: small.
#[derive(Debug)]
pub struct Waiter<W, A> {
    pub slot: W,
    /// What it asks for.
    pub ask: A,
    /// Monotonic ms.
    pub parked_at: u64,
    /// How long it waits, ms from `parked_at`.
    pub wait_ms: u32,
    /// Which of the slot's keys this queue is for.
    pub index: u32,
}

impl<W: Waiting, A> Waiter<W, A> {
    /// When its WAIT ends.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.parked_at.saturating_add(self.wait_ms.into())
    }

    /// Notes that it is out of the queue. An answered waiter may have been noted so before.
    fn leave(&self) {
        self.slot.leave(self.index);
    }
}

/// Parked requests in the order in which they came.
#[derive(Debug)]
pub struct Queue<W, A> {
    waiters: VecDeque<Waiter<W, A>>,
    /// Waiters in the queue that are known to be answered elsewhere.
    answered_elsewhere: usize,
}

impl<W, A> Default for Queue<W, A> {
    fn default() -> Queue<W, A> {
        Queue { waiters: VecDeque::new(), answered_elsewhere: 0 }
    }
}

impl<W: Waiting, A> Queue<W, A> {
    /// Waiters still to be answered.
    #[must_use]
    pub fn open(&self) -> usize {
        self.waiters.len().saturating_sub(self.answered_elsewhere)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Bytes that the allocator gave for it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        class_bytes(self.waiters.capacity() * size_of::<Waiter<W, A>>())
    }

    pub fn park(&mut self, waiter: Waiter<W, A>) {
        self.waiters.push_back(waiter);
    }

    /// Notes that a waiter was answered elsewhere or lost its connection. The queue is swept once half
    /// of it is gone, so a crowd that leaves at once costs each of its members a constant time.
    pub fn forget_one(&mut self, slot: &W, index: u32) {
        if !slot.leave(index) {
            return;
        }
        self.answered_elsewhere += 1;
        if self.answered_elsewhere * 2 >= self.waiters.len() {
            self.forget_answered();
        }
    }

    fn forget_answered(&mut self) {
        self.waiters.retain(|waiter| {
            let open = waiter.slot.is_open();
            if !open {
                waiter.leave();
            }
            open
        });
        if self.waiters.len() <= self.waiters.capacity() / 4 {
            self.waiters.shrink_to(self.waiters.len() * 2);
        }
        self.answered_elsewhere = 0;
    }

    /// Takes all of them out.
    #[must_use]
    pub fn take_all(&mut self) -> VecDeque<Waiter<W, A>> {
        self.answered_elsewhere = 0;
        self.waiters.iter().for_each(Waiter::leave);
        std::mem::take(&mut self.waiters)
    }

    /// Takes out and claims those whose WAIT is over.
    #[must_use]
    pub fn expire(&mut self, now: u64) -> Vec<Waiter<W, A>> {
        if self.waiters.iter().all(|waiter| waiter.until() > now) {
            return Vec::new();
        }
        let (over, waiting) = self.waiters.drain(..).partition::<Vec<_>, _>(|waiter| waiter.until() <= now);
        self.waiters = waiting.into();
        // Those that had left before were counted as gone; now they are out of the queue as well.
        let counted = over.iter().filter(|waiter| !waiter.slot.leave(waiter.index)).count();
        self.answered_elsewhere = self.answered_elsewhere.saturating_sub(counted);
        over.into_iter().filter(|waiter| waiter.slot.claim()).collect()
    }

    /// Takes out and claims the oldest deliverable waiter, else the oldest whatever stands ahead of it.
    #[must_use]
    pub fn elect(&mut self) -> Option<Waiter<W, A>> {
        self.forget_answered();
        let mut at = self.waiters.iter().position(|waiter| waiter.slot.is_deliverable()).unwrap_or(0);
        loop {
            let waiter = self.waiters.remove(at)?;
            waiter.leave();
            // Somebody else may claim between the look and the claim: then the oldest is next.
            if waiter.slot.claim() {
                return Some(waiter);
            }
            at = 0;
        }
    }

    /// When the first WAIT ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiters.iter().map(Waiter::until).min()
    }
}
