//! Reply slots: the place a parked request keeps in its connection's replies.
//!
//! Any thread may answer a slot; exactly one succeeds (`claim`). The connection learns of it through its
//! post box. Knows no socket, and of what it waits for nothing but where that is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::answer::Answer;
use super::outcome::Outcome;
use super::post_box::{self, Letter, Open};
use super::queue::Waiting;
use crate::base::gauge::{Gauge, Hold};
use crate::base::memory::arc_bytes;
use crate::base::sync::{AtomicBool, Mutex};

/// A connection's post box.
pub type PostBox = post_box::PostBox<ReplySlot>;

/// Where a parked request waits: in the queue of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Shared with who keeps the queue.
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

/// One parked request. There may be ten thousands of them: small.
#[derive(Debug)]
pub struct ReplySlot {
    pub seq: u64,
    post_box: Arc<PostBox>,
    parts: Parts,
    claimed: AtomicBool,
    gives_way: bool,
    /// Bytes that its request takes, in the queues too.
    parked_bytes: usize,
    /// What it takes, for as long as anybody has it.
    _hold: Hold,
}

/// What a request waits for. `queued` says for each key whether it is still in that queue; it is changed under the key's
/// shard lock alone.
#[derive(Debug)]
enum Parts {
    /// FILL.GET.
    One { home: Home, queued: AtomicBool },
    /// FILL.MGET.
    Many(Box<Many>),
    /// A request that waits for the first of its keys that has something for it, in the same one of each key's queues.
    Keys { places: Box<Places>, queue: u8 },
}

#[derive(Debug)]
struct Many {
    places: Places,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Places {
    /// By index, ascending.
    homes: Box<[Home]>,
    queued: Box<[AtomicBool]>,
}

impl Places {
    fn new(homes: Box<[Home]>) -> Places {
        let queued = homes.iter().map(|_| AtomicBool::new(true)).collect();
        Places { homes, queued }
    }

    fn leave(&self, index: u32) -> bool {
        let place = self.homes.binary_search_by_key(&index, |home| home.index);
        place.is_ok_and(|place| self.queued[place].swap(false, Ordering::Relaxed))
    }
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

/// Bytes that the slot of a request of this many keys takes, without its places in queues.
#[must_use]
pub fn slot_bytes(keys: usize) -> usize {
    arc_bytes(size_of::<ReplySlot>()) + keys * KEY_BYTES
}

/// A slot to be.
pub struct NewSlot<'a> {
    /// Its number: ascending on a connection.
    pub seq: u64,
    pub post_box: &'a Arc<PostBox>,
    /// Where its bytes count, but for those of its places in queues, which count by themselves.
    pub held: &'a Gauge,
    /// Bytes of its place in the queue of one key.
    pub waiter_bytes: usize,
    /// Whether it can be answered before its answer is known (`ReplySlot::expire`), so that a lease behind it on its
    /// connection gets through. One that can't keeps its connection from running what stands behind it.
    pub gives_way: bool,
}

impl NewSlot<'_> {
    /// A slot for a FILL.GET.
    #[must_use]
    pub fn one(self, home: Home) -> Arc<ReplySlot> {
        self.open(Parts::One { home, queued: AtomicBool::new(true) }, 1)
    }

    /// A slot for a FILL.MGET; `known` has an outcome for each key that does not wait, `homes` are by index, ascending.
    #[must_use]
    pub fn many(self, homes: Box<[Home]>, known: Vec<Option<Outcome<Bytes>>>) -> Arc<ReplySlot> {
        let (missing, keys) = (homes.len(), known.len());
        let known = Mutex::new(Known { outcomes: known, missing });
        self.open(Parts::Many(Box::new(Many { places: Places::new(homes), known })), keys)
    }

    /// A slot for a request that waits for keys, in the order in which it prefers them; `homes` are by index, ascending.
    /// `queue`: which of the queues that a key may have it waits in.
    #[must_use]
    pub fn keys(self, homes: Box<[Home]>, queue: u8) -> Arc<ReplySlot> {
        let keys = homes.len();
        self.open(Parts::Keys { places: Box::new(Places::new(homes)), queue }, keys)
    }

    fn open(self, parts: Parts, keys: usize) -> Arc<ReplySlot> {
        let NewSlot { seq, post_box, held, waiter_bytes, gives_way } = self;
        let slot_bytes = slot_bytes(keys);
        let parked_bytes = slot_bytes + keys * waiter_bytes;
        post_box.add_parked(parked_bytes);
        let slot = Arc::new(ReplySlot {
            seq,
            post_box: post_box.clone(),
            parts,
            claimed: AtomicBool::new(false),
            gives_way,
            parked_bytes,
            _hold: held.hold(slot_bytes),
        });
        post_box.open_slot(slot.clone());
        slot
    }
}

impl ReplySlot {
    /// Where it waits; one for FILL.GET, one or more for the others.
    #[must_use]
    pub fn homes(&self) -> &[Home] {
        match &self.parts {
            Parts::One { home, .. } => std::slice::from_ref(home),
            Parts::Many(many) => &many.places.homes,
            Parts::Keys { places, .. } => &places.homes,
        }
    }

    /// Whether it waits for keys, not for fills.
    #[must_use]
    pub fn waits_for_keys(&self) -> bool {
        matches!(self.parts, Parts::Keys { .. })
    }

    /// Which of each key's queues it waits in, where a key may have several.
    #[must_use]
    pub fn queue(&self) -> u8 {
        match self.parts {
            Parts::Keys { queue, .. } => queue,
            Parts::One { .. } | Parts::Many(_) => 0,
        }
    }

    /// Whether it can be answered at any time, so that what stands behind it gets through.
    #[must_use]
    pub fn can_give_way(&self) -> bool {
        self.gives_way
    }

    /// FILL.MGET only: what is known of each key so far.
    fn known(&self) -> Option<&Mutex<Known>> {
        match &self.parts {
            Parts::One { .. } | Parts::Keys { .. } => None,
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

    /// The answer of a claimed slot whose time is over, or that must give way.
    #[must_use]
    pub fn expire(&self, retry_ms: i64) -> Answer {
        if self.waits_for_keys() {
            return Answer::Nothing;
        }
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
        self.post_box.remove_parked(self.parked_bytes);
    }
}

impl Open for ReplySlot {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn is_open(&self) -> bool {
        ReplySlot::is_open(self)
    }

    fn claim(&self) -> bool {
        ReplySlot::claim(self)
    }

    fn can_give_way(&self) -> bool {
        ReplySlot::can_give_way(self)
    }
}

impl Waiting for Arc<ReplySlot> {
    fn is_open(&self) -> bool {
        ReplySlot::is_open(self)
    }

    fn is_deliverable(&self) -> bool {
        !self.post_box.is_backlogged() && self.post_box.is_first_open(self.seq)
    }

    fn claim(&self) -> bool {
        ReplySlot::claim(self)
    }

    fn leave(&self, index: u32) -> bool {
        match &self.parts {
            Parts::One { queued, .. } => queued.swap(false, Ordering::Relaxed),
            Parts::Many(many) => many.places.leave(index),
            Parts::Keys { places, .. } => places.leave(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITER_BYTES: usize = 72;

    fn home() -> Home {
        Home::new(0, Arc::from(&b"k"[..]), 0, 0)
    }

    fn new<'a>(seq: u64, post_box: &'a Arc<PostBox>, held: &'a Gauge) -> NewSlot<'a> {
        NewSlot { seq, post_box, held, waiter_bytes: WAITER_BYTES, gives_way: true }
    }

    fn hit(value: &'static [u8]) -> Outcome<Bytes> {
        Outcome::Hit { value: Bytes::from_static(value), ttl_ms: -1 }
    }

    #[test]
    fn slot_is_answered_by_exactly_one() {
        let slot = new(1, &Arc::default(), &Gauge::default()).one(home());
        assert_eq!(slot.settle(0, hit(b"a")), Some(Answer::One(hit(b"a"))));
        assert_eq!(slot.settle(0, hit(b"b")), None);
        assert!(!slot.claim());
    }

    #[test]
    fn many_keys_answer_once_the_last_is_known() {
        let homes = [1, 2].map(|index| Home::new(0, Arc::from(&b"k"[..]), 0, index));
        let known = vec![Some(hit(b"a")), None, None];
        let (held, post_box) = (Gauge::default(), Arc::<PostBox>::default());
        let slot = new(1, &post_box, &held).many(homes.into(), known);
        assert!(held.bytes() > 3 * KEY_BYTES && post_box.parked_bytes() == held.bytes() + 3 * WAITER_BYTES);
        assert_eq!(slot.settle(2, hit(b"c")), None);
        assert_eq!(slot.settle(1, hit(b"b")), Some(Answer::Many(vec![hit(b"a"), hit(b"b"), hit(b"c")])));
        drop((slot, post_box.abandon()));
        assert_eq!((held.bytes(), post_box.parked_bytes()), (0, 0));
    }

    #[test]
    fn only_the_first_open_slot_of_a_connection_that_takes_bytes_is_deliverable() {
        let (post_box, held) = (Arc::new(PostBox::default()), Gauge::default());
        let slots = [1, 2].map(|seq| new(seq, &post_box, &held).one(home()));
        assert!(slots[0].is_deliverable() && !slots[1].is_deliverable());
        assert_eq!(slots[1].claim_ahead().len(), 1);
        assert!(slots[1].is_deliverable());
        post_box.set_backlogged(true);
        assert!(!slots[1].is_deliverable());
    }

    #[test]
    fn slot_that_cannot_give_way_stays_until_its_box_closes() {
        let (post_box, held) = (Arc::new(PostBox::default()), Gauge::default());
        let stays = NewSlot { gives_way: false, ..new(1, &post_box, &held) }.one(home());
        let behind = new(2, &post_box, &held).one(home());
        assert!(behind.claim_ahead().is_empty() && stays.is_open() && !behind.is_deliverable());
        let (_, unanswered) = post_box.abandon();
        assert_eq!(unanswered.iter().map(|slot| slot.seq).collect::<Vec<_>>(), [1, 2]);
    }
}
