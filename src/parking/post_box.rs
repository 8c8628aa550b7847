//! A connection's post box: what others send to it, and which of its requests are still parked.
//!
//! Any thread may send. Knows of a slot where it stands and whether it is open (`Open`), no more, and no socket. Lock order: a
//! shard's lock may be held when a post box is locked, never the other way round.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use atomic_waker::AtomicWaker;
use bytes::Bytes;

use super::answer::Answer;
use crate::base::memory::{class_bytes, vec_bytes};
use crate::base::push::Push;
use crate::base::sync::{AtomicBool, Mutex};

/// What a post box must know of a parked request.
pub trait Open {
    /// Its number: slots of a connection have ascending ones.
    fn seq(&self) -> u64;
    /// Not answered yet.
    fn is_open(&self) -> bool;
    /// Takes the right to answer it; true for exactly one caller.
    fn claim(&self) -> bool;
    /// Whether it can be answered at any time, so that what stands behind it gets through.
    fn can_give_way(&self) -> bool;
}

/// What is sent to a connection from outside.
#[derive(Debug)]
pub enum Letter {
    /// The reply of the slot with this number.
    Answer { seq: u64, answer: Answer },
    /// A message that was not asked for: a subscription's.
    Push(Push),
    /// More messages waited here than the connection may have; they are gone. Close it.
    Overrun,
    /// A reply line that belongs to no request (MONITOR), with its end.
    Line(Bytes),
    /// What its user may do has changed.
    Rights,
    /// Close the connection at once (CLIENT KILL).
    Close,
    /// Answer what was received, then close (shutdown).
    Finish,
}

/// A connection's post box: letters in, and the slots that are still open, oldest first.
#[derive(Debug)]
pub struct PostBox<S> {
    inside: Mutex<Inside<S>>,
    waker: AtomicWaker,
    has_letters: AtomicBool,
    backlogged: AtomicBool,
    /// Bytes that its lists take.
    held_bytes: AtomicUsize,
    /// Bytes that the requests parked on its connection take.
    parked_bytes: AtomicUsize,
}

#[derive(Debug)]
struct Inside<S> {
    letters: Vec<Letter>,
    slots: VecDeque<Arc<S>>,
    /// Bytes of the messages among the letters.
    push_bytes: usize,
    /// The connection is gone: letters come back to their senders.
    is_abandoned: bool,
}

impl<S> Default for PostBox<S> {
    fn default() -> PostBox<S> {
        let inside =
            Inside { letters: Vec::new(), slots: VecDeque::new(), push_bytes: 0, is_abandoned: false };
        PostBox {
            inside: Mutex::new(inside),
            waker: AtomicWaker::new(),
            has_letters: AtomicBool::new(false),
            backlogged: AtomicBool::new(false),
            held_bytes: AtomicUsize::new(0),
            parked_bytes: AtomicUsize::new(0),
        }
    }
}

impl<S: Open> PostBox<S> {
    /// Remembers an open slot; slots come in the order of their requests.
    pub fn open_slot(&self, slot: Arc<S>) {
        let mut inside = self.inside.lock();
        let slots = &mut inside.slots;
        if slots.capacity() == 0 {
            // Most connections park one request at a time; growth would begin with room for four.
            slots.reserve_exact(1);
        }
        slots.push_back(slot);
        self.note_held(&inside);
    }

    /// Bytes that the lists of letters and slots take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that the requests parked on its connection take, in the queues too.
    #[must_use]
    pub fn parked_bytes(&self) -> usize {
        self.parked_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_parked(&self, bytes: usize) {
        self.parked_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove_parked(&self, bytes: usize) {
        self.parked_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn note_held(&self, inside: &Inside<S>) {
        let slots = class_bytes(inside.slots.capacity() * size_of::<Arc<S>>());
        self.held_bytes.store(vec_bytes(&inside.letters) + slots, Ordering::Relaxed);
    }

    /// Puts a letter in and wakes the connection. Gives the letter back if the connection is gone.
    pub fn send(&self, letter: Letter) -> Result<(), Letter> {
        let mut inside = self.inside.lock();
        if inside.is_abandoned {
            return Err(letter);
        }
        while inside.slots.front().is_some_and(|slot| !slot.is_open()) {
            inside.slots.pop_front();
        }
        inside.letters.push(letter);
        self.note_held(&inside);
        self.has_letters.store(true, Ordering::Release);
        drop(inside);
        self.waker.wake();
        Ok(())
    }

    /// Puts a message in and wakes the connection. A box that holds more than `bytes_max` bytes of messages
    /// (0: no limit) loses them all, and the connection is told to close; one that is gone gets nothing.
    pub fn push(&self, push: Push, bytes_max: usize) {
        let mut inside = self.inside.lock();
        if inside.is_abandoned {
            return;
        }
        inside.push_bytes += push.wire_bytes();
        if bytes_max > 0 && inside.push_bytes > bytes_max {
            inside.push_bytes = 0;
            inside.letters.retain(|letter| !matches!(letter, Letter::Push(_)));
            inside.letters.push(Letter::Overrun);
        } else {
            inside.letters.push(Letter::Push(push));
        }
        self.note_held(&inside);
        self.has_letters.store(true, Ordering::Release);
        drop(inside);
        self.waker.wake();
    }

    /// Takes the messages and leaves the other letters.
    #[must_use]
    pub fn take_pushes(&self) -> Vec<Push> {
        let mut inside = self.inside.lock();
        inside.push_bytes = 0;
        let is_push = |letter: &mut Letter| matches!(letter, Letter::Push(_));
        let pushes = inside.letters.extract_if(.., is_push);
        let pushes =
            pushes.filter_map(|letter| if let Letter::Push(push) = letter { Some(push) } else { None });
        pushes.collect()
    }

    /// Takes all letters.
    pub fn take_letters(&self) -> Vec<Letter> {
        // A look costs less than a swap, and there is mostly nothing.
        if !self.has_letters.load(Ordering::Acquire) || !self.has_letters.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut inside = self.inside.lock();
        inside.push_bytes = 0;
        let letters = std::mem::take(&mut inside.letters);
        self.note_held(&inside);
        letters
    }

    /// Closes the box for good: returns the letters nobody read and the slots nobody answered, now claimed.
    #[must_use]
    pub fn abandon(&self) -> (Vec<Letter>, Vec<Arc<S>>) {
        let mut inside = self.inside.lock();
        inside.is_abandoned = true;
        let unanswered = inside.slots.drain(..).filter(|slot| slot.claim()).collect();
        (std::mem::take(&mut inside.letters), unanswered)
    }

    /// Wakes the connection without a letter: it looks at what it waits for.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Asks to be woken at the next letter.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Said by the connection while its socket takes no more bytes: no lease is granted into it then.
    pub fn set_backlogged(&self, backlogged: bool) {
        self.backlogged.store(backlogged, Ordering::Relaxed);
    }

    pub(super) fn is_backlogged(&self) -> bool {
        self.backlogged.load(Ordering::Relaxed)
    }

    /// Slots that are still unanswered.
    #[must_use]
    pub fn open_slots(&self) -> usize {
        self.inside.lock().slots.iter().filter(|slot| slot.is_open()).count()
    }

    /// Claims every open slot that stands before `seq` and can give way, and returns them, for the caller to answer.
    #[must_use]
    pub fn claim_before(&self, seq: u64) -> Vec<Arc<S>> {
        let inside = self.inside.lock();
        let ahead = inside.slots.iter().take_while(|slot| slot.seq() < seq);
        ahead.filter(|slot| slot.can_give_way() && slot.claim()).cloned().collect()
    }

    /// As `claim_before`, for all slots.
    #[must_use]
    pub fn claim_all(&self) -> Vec<Arc<S>> {
        self.claim_before(u64::MAX)
    }

    /// As `claim_all`, also those that do not give way to others: for who ends their waiting.
    #[must_use]
    pub fn claim_open(&self) -> Vec<Arc<S>> {
        self.inside.lock().slots.iter().filter(|slot| slot.claim()).cloned().collect()
    }

    /// Whether no slot before `seq` is open.
    pub(super) fn is_first_open(&self, seq: u64) -> bool {
        let inside = self.inside.lock();
        inside.slots.iter().find(|slot| slot.is_open()).is_some_and(|first| first.seq() == seq)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::super::slot::PostBox;
    use super::*;
    use crate::base::push::Message;

    #[test]
    fn box_with_too_many_bytes_of_messages_keeps_none_of_them_and_every_answer() {
        let post_box = PostBox::default();
        let payload = Bytes::from_static(&[0; 100]);
        let message = Arc::new(Message { channel: Arc::from(&b"c"[..]), payload });
        post_box.push(Push::Message(message.clone()), 400);
        let answer = Answer::One(Outcome::Wait { retry_ms: 0 });
        post_box.send(Letter::Answer { seq: 1, answer }).unwrap();
        post_box.push(Push::Message(message.clone()), 400);
        assert_eq!(post_box.take_pushes().len(), 2);
        (0..3).for_each(|_| post_box.push(Push::Message(message.clone()), 400));
        let letters = post_box.take_letters();
        assert!(matches!(letters[..], [Letter::Answer { .. }, Letter::Overrun]), "{letters:?}");
    }
}
