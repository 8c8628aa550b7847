//! Reply slots: the place a parked request keeps in its connection's replies, and the post that answers it.
//!
//! Any thread may answer a slot; exactly one succeeds (`claim`). The connection learns of it through its
//! post box. Knows no socket. Lock order: a shard's lock may be held when a post box is locked, never
//! the other way round.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use atomic_waker::AtomicWaker;
use bytes::Bytes;

use super::outcome::{Answer, Outcome};
use super::queue::{Waiter, Waiting};
use crate::base::gauge::{Gauge, Hold};
use crate::base::memory::{arc_bytes, class_bytes, vec_bytes};
use crate::base::push::Push;
use crate::base::sync::{AtomicBool, Mutex};

/// Where a parked request waits: one flight's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Shared with the flight.
    pub key: Arc<[u8]>,
    pub hash: u64,
    db: u32,
    /// Which of the slot's keys this is.
    pub index: u32,
}

impl Home {
    /// `db` and `index` are small: databases are at most as many as a setting of 31 bits says, keys of a
    /// request as `FILL_KEYS_MAX`.
    #[must_use]
    pub fn new(db: usize, key: Arc<[u8]>, hash: u64, index: usize) -> Home {
        Home { key, hash, db: db as u32, index: index as u32 }
    }

    #[must_use]
    pub fn db(&self) -> usize {
        self.db as usize
    }
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
    /// Close the connection at once (CLIENT KILL).
    Close,
    /// Answer what was received, then close (shutdown).
    Finish,
}

/// A connection's post box: letters in, and the slots that are still open, oldest first.
#[derive(Debug, Default)]
pub struct PostBox {
    inside: Mutex<Inside>,
    waker: AtomicWaker,
    has_letters: AtomicBool,
    backlogged: AtomicBool,
    /// Bytes that its lists take.
    held_bytes: AtomicUsize,
    /// Bytes that the requests parked on its connection take.
    parked_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inside {
    letters: Vec<Letter>,
    slots: VecDeque<Arc<ReplySlot>>,
    /// Bytes of the messages among the letters.
    push_bytes: usize,
    /// The connection is gone: letters come back to their senders.
    is_abandoned: bool,
}

impl PostBox {
    /// Remembers an open slot; slots come in the order of their requests.
    pub fn open_slot(&self, slot: Arc<ReplySlot>) {
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

    /// Bytes that the requests parked on its connection take, in the flights' queues too.
    #[must_use]
    pub fn parked_bytes(&self) -> usize {
        self.parked_bytes.load(Ordering::Relaxed)
    }

    fn note_held(&self, inside: &Inside) {
        let slots = class_bytes(inside.slots.capacity() * size_of::<Arc<ReplySlot>>());
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
    pub fn abandon(&self) -> (Vec<Letter>, Vec<Arc<ReplySlot>>) {
        let mut inside = self.inside.lock();
        inside.is_abandoned = true;
        let unanswered = inside.slots.drain(..).filter(|slot| slot.claim()).collect();
        (std::mem::take(&mut inside.letters), unanswered)
    }

    /// Asks to be woken at the next letter.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Said by the connection while its socket takes no more bytes: no lease is granted into it then.
    pub fn set_backlogged(&self, backlogged: bool) {
        self.backlogged.store(backlogged, Ordering::Relaxed);
    }

    /// Slots that are still unanswered.
    #[must_use]
    pub fn open_slots(&self) -> usize {
        self.inside.lock().slots.iter().filter(|slot| slot.is_open()).count()
    }

    /// Claims every open slot that stands before `seq` and returns them, for the caller to answer.
    #[must_use]
    pub fn claim_before(&self, seq: u64) -> Vec<Arc<ReplySlot>> {
        let inside = self.inside.lock();
        inside.slots.iter().take_while(|slot| slot.seq < seq).filter(|slot| slot.claim()).cloned().collect()
    }

    /// As `claim_before`, for all slots.
    #[must_use]
    pub fn claim_all(&self) -> Vec<Arc<ReplySlot>> {
        self.claim_before(u64::MAX)
    }

    fn is_first_open(&self, slot: &ReplySlot) -> bool {
        let inside = self.inside.lock();
        inside.slots.iter().find(|other| other.is_open()).is_some_and(|first| first.seq == slot.seq)
    }
}

/// One parked request. There may be ten thousands of them: small.
#[derive(Debug)]
pub struct ReplySlot {
    pub seq: u64,
    post_box: Arc<PostBox>,
    parts: Parts,
    claimed: AtomicBool,
    /// Keys of its request.
    keys: usize,
    /// What it takes, for as long as anybody has it.
    _hold: Hold,
}

/// The flights a request waits for. `queued` says for each whether it is still in that flight's queue; it is
/// changed under the key's shard lock alone.
#[derive(Debug)]
enum Parts {
    /// FILL.GET.
    One { home: Home, queued: AtomicBool },
    /// FILL.MGET.
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many {
    /// By index, ascending.
    homes: Box<[Home]>,
    queued: Box<[AtomicBool]>,
    known: Mutex<Known>,
}

/// What is known of each key of a request so far.
#[derive(Debug)]
struct Known {
    outcomes: Vec<Option<Outcome<Bytes>>>,
    /// How many are not.
    missing: usize,
}

impl Known {
    fn note(&mut self, index: u32, outcome: Outcome<Bytes>) {
        // Once they are taken, what comes is of no use any more.
        if let Some(place) = self.outcomes.get_mut(index as usize)
            && place.replace(outcome).is_none()
        {
            self.missing -= 1;
        }
    }

    /// All of them, WAIT for those that are not known.
    fn take(&mut self, retry_ms: i64) -> Answer {
        let wait = Outcome::Wait { retry_ms };
        let outcomes = std::mem::take(&mut self.outcomes).into_iter();
        Answer::Many(outcomes.map(|outcome| outcome.unwrap_or_else(|| wait.clone())).collect())
    }
}

/// Bytes that a slot takes for each key of its request.
const KEY_BYTES: usize = size_of::<Home>()
    + size_of::<AtomicBool>()
    + size_of::<Option<Outcome<Bytes>>>()
    // Its place in the answer.
    + size_of::<u32>();
/// Bytes of its place in a flight's queue.
const WAITER_BYTES: usize = size_of::<Waiter<Arc<ReplySlot>>>();

/// Bytes that a parked request of this many keys takes.
#[must_use]
pub fn parked_bytes(keys: usize) -> usize {
    arc_bytes(size_of::<ReplySlot>()) + keys * (KEY_BYTES + WAITER_BYTES)
}

impl ReplySlot {
    /// A slot for a FILL.GET, whose bytes count in `held`.
    #[must_use]
    pub fn one(seq: u64, home: Home, post_box: Arc<PostBox>, held: &Gauge) -> Arc<ReplySlot> {
        let parts = Parts::One { home, queued: AtomicBool::new(true) };
        ReplySlot::new(seq, parts, post_box, 1, held)
    }

    /// A slot for a FILL.MGET; `known` has an outcome for each key that does not wait, `homes` are by index, ascending.
    #[must_use]
    pub fn many(
        seq: u64,
        homes: Box<[Home]>,
        known: Vec<Option<Outcome<Bytes>>>,
        post_box: Arc<PostBox>,
        held: &Gauge,
    ) -> Arc<ReplySlot> {
        let (missing, keys) = (homes.len(), known.len());
        let queued = homes.iter().map(|_| AtomicBool::new(true)).collect();
        let known = Mutex::new(Known { outcomes: known, missing });
        ReplySlot::new(seq, Parts::Many(Box::new(Many { homes, queued, known })), post_box, keys, held)
    }

    fn new(seq: u64, parts: Parts, post_box: Arc<PostBox>, keys: usize, held: &Gauge) -> Arc<ReplySlot> {
        // The queues of the flights count by themselves.
        let hold = held.hold(parked_bytes(keys) - keys * WAITER_BYTES);
        post_box.parked_bytes.fetch_add(parked_bytes(keys), Ordering::Relaxed);
        Arc::new(ReplySlot { seq, post_box, parts, claimed: AtomicBool::new(false), keys, _hold: hold })
    }

    /// The flights it waits for; one for FILL.GET, one or more for FILL.MGET.
    #[must_use]
    pub fn homes(&self) -> &[Home] {
        match &self.parts {
            Parts::One { home, .. } => std::slice::from_ref(home),
            Parts::Many(many) => &many.homes,
        }
    }

    /// FILL.MGET only: what is known of each key so far.
    fn known(&self) -> Option<&Mutex<Known>> {
        match &self.parts {
            Parts::One { .. } => None,
            Parts::Many(many) => Some(&many.known),
        }
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.claimed.load(Ordering::Acquire)
    }

    /// Takes the right to answer this slot; true for exactly one caller.
    #[must_use]
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Sends the answer of a slot that the caller has claimed; gives it back if the connection is gone.
    pub fn deliver(&self, answer: Answer) -> Result<(), Answer> {
        match self.post_box.send(Letter::Answer { seq: self.seq, answer }) {
            Err(Letter::Answer { answer, .. }) => Err(answer),
            _ => Ok(()),
        }
    }

    /// Notes the outcome of the key at `index`. Returns the whole answer if this completed and claimed
    /// the slot; `None` if keys are missing or somebody else answered it.
    #[must_use]
    pub fn settle(&self, index: u32, outcome: Outcome<Bytes>) -> Option<Answer> {
        let Some(known) = self.known() else {
            return self.claim().then_some(Answer::One(outcome));
        };
        let mut known = known.lock();
        known.note(index, outcome);
        (known.missing == 0 && self.claim()).then(|| known.take(0))
    }

    /// The answer of a claimed slot in which the key at `index` has this outcome and what is still
    /// unknown is WAIT.
    #[must_use]
    pub fn finish(&self, index: u32, outcome: Outcome<Bytes>, retry_ms: i64) -> Answer {
        let Some(known) = self.known() else { return Answer::One(outcome) };
        let mut known = known.lock();
        known.note(index, outcome);
        known.take(retry_ms)
    }

    /// The answer of a claimed slot whose time is over.
    #[must_use]
    pub fn expire(&self, retry_ms: i64) -> Answer {
        let Some(known) = self.known() else { return Answer::One(Outcome::Wait { retry_ms }) };
        known.lock().take(retry_ms)
    }

    /// Claims the slots that stand ahead of this one on its connection.
    #[must_use]
    pub fn claim_ahead(&self) -> Vec<Arc<ReplySlot>> {
        self.post_box.claim_before(self.seq)
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        self.post_box.parked_bytes.fetch_sub(parked_bytes(self.keys), Ordering::Relaxed);
    }
}

impl Waiting for Arc<ReplySlot> {
    fn is_open(&self) -> bool {
        ReplySlot::is_open(self)
    }

    fn is_deliverable(&self) -> bool {
        !self.post_box.backlogged.load(Ordering::Relaxed) && self.post_box.is_first_open(self)
    }

    fn claim(&self) -> bool {
        ReplySlot::claim(self)
    }

    fn leave(&self, index: u32) -> bool {
        match &self.parts {
            Parts::One { queued, .. } => queued.swap(false, Ordering::Relaxed),
            Parts::Many(many) => {
                let place = many.homes.binary_search_by_key(&index, |home| home.index);
                place.is_ok_and(|place| many.queued[place].swap(false, Ordering::Relaxed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::new(0, Arc::from(&b"k"[..]), 0, 0)
    }

    fn hit(value: &'static [u8]) -> Outcome<Bytes> {
        Outcome::Hit { value: Bytes::from_static(value), ttl_ms: -1 }
    }

    #[test]
    fn slot_is_answered_by_exactly_one() {
        let slot = ReplySlot::one(1, home(), Arc::default(), &Gauge::default());
        assert_eq!(slot.settle(0, hit(b"a")), Some(Answer::One(hit(b"a"))));
        assert_eq!(slot.settle(0, hit(b"b")), None);
        assert!(!slot.claim());
    }

    #[test]
    fn many_keys_answer_once_the_last_is_known() {
        let homes = [1, 2].map(|index| Home::new(0, Arc::from(&b"k"[..]), 0, index));
        let known = vec![Some(hit(b"a")), None, None];
        let (held, post_box) = (Gauge::default(), Arc::<PostBox>::default());
        let slot = ReplySlot::many(1, homes.into(), known, post_box.clone(), &held);
        assert!(held.bytes() > 3 * KEY_BYTES && post_box.parked_bytes() == held.bytes() + 3 * WAITER_BYTES);
        assert_eq!(slot.settle(2, hit(b"c")), None);
        assert_eq!(slot.settle(1, hit(b"b")), Some(Answer::Many(vec![hit(b"a"), hit(b"b"), hit(b"c")])));
        drop(slot);
        assert_eq!((held.bytes(), post_box.parked_bytes()), (0, 0));
    }

    #[test]
    fn box_with_too_many_bytes_of_messages_keeps_none_of_them_and_every_answer() {
        let post_box = PostBox::default();
        let message = Arc::new(crate::base::push::Message {
            channel: Arc::from(&b"c"[..]),
            payload: Bytes::from_static(&[0; 100]),
        });
        post_box.push(Push::Message(message.clone()), 400);
        post_box.send(Letter::Answer { seq: 1, answer: Answer::One(hit(b"a")) }).unwrap();
        post_box.push(Push::Message(message.clone()), 400);
        assert_eq!(post_box.take_pushes().len(), 2);
        (0..3).for_each(|_| post_box.push(Push::Message(message.clone()), 400));
        let letters = post_box.take_letters();
        assert!(matches!(letters[..], [Letter::Answer { .. }, Letter::Overrun]), "{letters:?}");
    }

    #[test]
    fn only_the_first_open_slot_of_a_connection_that_takes_bytes_is_deliverable() {
        let post_box = Arc::new(PostBox::default());
        let slots = [1, 2].map(|seq| ReplySlot::one(seq, home(), post_box.clone(), &Gauge::default()));
        slots.iter().for_each(|slot| post_box.open_slot(slot.clone()));
        assert!(slots[0].is_deliverable() && !slots[1].is_deliverable());
        assert_eq!(slots[1].claim_ahead().len(), 1);
        assert!(slots[1].is_deliverable());
        post_box.set_backlogged(true);
        assert!(!slots[1].is_deliverable());
    }
}
