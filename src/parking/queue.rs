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

    /// Waiters in it, answered ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
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
        self.shrink();
        self.answered_elsewhere = 0;
    }

    /// Gives memory back where little is left of many.
    fn shrink(&mut self) {
        if self.waiters.len() <= self.waiters.capacity() / 4 {
            self.waiters.shrink_to(self.waiters.len() * 2);
        }
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

    /// Takes out and claims the oldest deliverable waiter whose request may be elected, else the oldest such one whatever
    /// stands ahead of it. The others stay.
    #[must_use]
    pub fn elect(&mut self, may_be: impl Fn(&A) -> bool) -> Option<Waiter<W, A>> {
        self.forget_answered();
        let mut deliverable =
            self.waiters.iter().position(|waiter| may_be(&waiter.ask) && waiter.slot.is_deliverable());
        loop {
            let oldest = || self.waiters.iter().position(|waiter| may_be(&waiter.ask));
            let at = deliverable.take().or_else(oldest)?;
            let waiter = self.waiters.remove(at)?;
            waiter.leave();
            // Somebody else may claim between the look and the claim: then the oldest is next.
            if waiter.slot.claim() {
                return Some(waiter);
            }
        }
    }

    /// The oldest that is still to be answered. Cost: a constant for each waiter in the long run.
    pub fn first(&mut self) -> Option<&Waiter<W, A>> {
        while self.waiters.front().is_some_and(|waiter| !waiter.slot.is_open()) {
            self.drop_first();
        }
        self.waiters.front()
    }

    fn drop_first(&mut self) {
        let Some(waiter) = self.waiters.pop_front() else { return };
        // One that had left before was counted as gone; now it is out of the queue as well.
        if !waiter.slot.leave(waiter.index) {
            self.answered_elsewhere = self.answered_elsewhere.saturating_sub(1);
        }
        self.shrink();
    }

    /// Those in the queue, oldest first; some may be answered already.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Waiter<W, A>> {
        self.waiters.iter()
    }

    /// When the first WAIT ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiters.iter().map(Waiter::until).min()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// A parked request that counts how often it is looked at.
    #[derive(Debug)]
    struct Slot {
        is_open: Cell<bool>,
        is_queued: Cell<bool>,
        looks: Rc<Cell<usize>>,
    }

    impl Waiting for Rc<Slot> {
        fn is_open(&self) -> bool {
            self.looks.set(self.looks.get() + 1);
            self.is_open.get()
        }

        fn is_deliverable(&self) -> bool {
            self.is_open()
        }

        fn claim(&self) -> bool {
            self.is_open.replace(false)
        }

        fn leave(&self, _: u32) -> bool {
            self.is_queued.replace(false)
        }
    }

    /// A queue of so many, those in it, and how often they were looked at.
    struct Crowd {
        queue: Queue<Rc<Slot>, ()>,
        slots: Vec<Rc<Slot>>,
        looks: Rc<Cell<usize>>,
    }

    fn crowd(count: usize) -> Crowd {
        let looks = Rc::<Cell<usize>>::default();
        let mut queue = Queue::default();
        let slot =
            || Rc::new(Slot { is_open: Cell::new(true), is_queued: Cell::new(true), looks: looks.clone() });
        let slots: Vec<_> = (0..count).map(|_| slot()).collect();
        for slot in &slots {
            queue.park(Waiter { slot: slot.clone(), ask: (), parked_at: 0, wait_ms: 0, index: 0 });
        }
        Crowd { queue, slots, looks }
    }

    #[test]
    fn who_is_served_first_costs_the_same_behind_one_and_behind_thousands() {
        let looks = [1, 4000].map(|count| {
            let Crowd { mut queue, slots, looks } = crowd(count);
            assert!(queue.first().is_some_and(|first| Rc::ptr_eq(&first.slot, &slots[0])));
            assert!(slots[0].claim());
            queue.forget_one(&slots[0], 0);
            assert_eq!((queue.open(), queue.first().is_none()), (count - 1, count == 1));
            looks.get()
        });
        assert!(looks[1] <= looks[0] + 2, "{looks:?}");
    }

    #[test]
    fn those_who_left_are_passed_over_and_counted_right_in_any_order() {
        let Crowd { mut queue, slots, looks } = crowd(4000);
        // Every third is answered elsewhere, some of them are known to be.
        for (number, slot) in slots.iter().enumerate().filter(|(number, _)| number % 3 == 0) {
            assert!(slot.claim());
            if number % 2 == 0 {
                queue.forget_one(slot, 0);
            }
        }
        let mut served = 0;
        while let Some(first) = queue.first() {
            let slot = first.slot.clone();
            assert!(slot.claim());
            queue.forget_one(&slot, 0);
            served += 1;
        }
        assert_eq!((served, queue.len(), queue.open()), (slots.len() - 1334, 0, 0));
        assert!(looks.get() < 8 * slots.len(), "{} looks", looks.get());
    }
}
