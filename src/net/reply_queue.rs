//! The replies of one connection in the order of its requests, with places kept for parked ones.
//!
//! What stands before the first unanswered slot is ready to be written; what follows queues behind it.
//! Knows no socket. Invariant: bytes leave in the order of the requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::base::limits::{SLOT_BYTES_MAX, SLOT_REPLIES_MAX};
use crate::base::memory::class_bytes;
use crate::dispatch::answer::write_answer;
use crate::dispatch::session::Parked;
use crate::parking::{Answer, ReplySlot};
use crate::protocol::output::Output;
use crate::protocol::reply::{Proto, Reply};

/// Replies on their way out.
pub struct ReplyQueue {
    pub ready: Output,
    places: VecDeque<Place>,
    /// Bytes from which on a reply is cut off, as its connection is to end.
    limit: usize,
    /// Where is told what a reply takes, while it grows.
    account: Option<Arc<AtomicUsize>>,
}

impl Default for ReplyQueue {
    fn default() -> ReplyQueue {
        ReplyQueue::new(None)
    }
}

/// A kept place and the replies behind it. Most have neither answer nor replies yet: these lie in boxes.
struct Place {
    parked: Parked,
    /// Known, but something before it is not.
    answer: Option<Box<Output>>,
    behind: Option<Box<Output>>,
    replies_behind: u32,
    /// The version spoken when the request was made.
    proto: Proto,
}

impl Place {
    fn answer_bytes(&self) -> usize {
        self.answer.as_ref().map_or(0, |answer| answer.len())
    }

    fn bytes_behind(&self) -> usize {
        self.behind.as_ref().map_or(0, |behind| behind.len())
    }
}

impl ReplyQueue {
    /// A queue that adds to `account` what its replies take as they grow.
    #[must_use]
    pub fn new(account: Option<Arc<AtomicUsize>>) -> ReplyQueue {
        let ready = Output::with_account(account.clone());
        ReplyQueue { ready, places: VecDeque::new(), limit: usize::MAX, account }
    }

    /// Where the next reply is written.
    pub fn tail(&mut self) -> &mut Output {
        let tail = match self.places.back_mut() {
            Some(place) => {
                place.behind.get_or_insert_with(|| Box::new(Output::with_account(self.account.clone())))
            }
            None => &mut self.ready,
        };
        tail.set_limit(self.limit);
        tail
    }

    /// From how many bytes on a reply is cut off.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
        self.ready.set_limit(bytes);
    }

    /// A reply was cut off.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ready.is_over() || self.outputs().any(Output::is_over)
    }

    /// Bytes that the allocator gave for it. Cost: a look at each place.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let places = class_bytes(self.places.capacity() * size_of::<Place>());
        let outputs = self.outputs().map(|output| class_bytes(size_of::<Output>()) + output.held_bytes());
        self.ready.held_bytes() + places + outputs.sum::<usize>()
    }

    /// Bytes of shared values that wait here.
    #[must_use]
    pub fn shared_bytes(&self) -> usize {
        self.ready.shared_bytes() + self.outputs().map(Output::shared_bytes).sum::<usize>()
    }

    /// What waits behind places, and in them.
    fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.places.iter().flat_map(|place| place.answer.iter().chain(&place.behind)).map(|output| &**output)
    }

    /// Where a message goes that nobody asked for. RESP3 marks such messages, so one may overtake parked
    /// requests, but never a reply that is already written: what it says comes after that.
    pub fn aside(&mut self, proto: Proto) -> &mut Output {
        let nothing_behind = |place: &Place| place.bytes_behind() == 0 && place.answer.is_none();
        if proto == Proto::Resp3 && self.places.iter().all(nothing_behind) {
            return &mut self.ready;
        }
        self.note_reply();
        self.tail()
    }

    /// Counts the reply just written to `tail`.
    #[inline]
    pub fn note_reply(&mut self) {
        if let Some(place) = self.places.back_mut() {
            place.replies_behind = place.replies_behind.saturating_add(1);
        }
    }

    /// Keeps a place for a parked request.
    pub fn keep_place(&mut self, parked: Parked, proto: Proto) {
        if self.places.capacity() == 0 {
            // Most connections park one request at a time; growth would begin with room for four.
            self.places.reserve_exact(1);
        }
        self.places.push_back(Place { parked, answer: None, behind: None, replies_behind: 0, proto });
    }

    /// Places without an answer.
    pub fn unanswered(&self) -> usize {
        self.places.iter().filter(|place| place.answer.is_none()).count()
    }

    /// The slot with this number, if its place is still unanswered.
    pub fn slot(&self, seq: u64) -> Option<&Arc<ReplySlot>> {
        self.places.iter().map(|place| &place.parked.slot).find(|slot| slot.seq == seq)
    }

    /// The keys of the slot with this number, where its connection keeps a cache.
    pub fn tracked(&self, seq: u64) -> &[Box<[u8]>] {
        let place = self.places.iter().find(|place| place.parked.slot.seq == seq);
        place.map_or(&[], |place| &place.parked.tracked)
    }

    /// The requests that are still unanswered.
    pub fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.places.iter().filter(|place| place.answer.is_none()).map(|place| &place.parked)
    }

    /// All slots that keep a place.
    pub fn slots(&self) -> Vec<Arc<ReplySlot>> {
        self.places.iter().map(|place| place.parked.slot.clone()).collect()
    }

    /// Fills a place and lets out what has become ready.
    pub fn answer(&mut self, seq: u64, answer: &Answer) {
        let Some(at) = self.places.iter().position(|place| place.parked.slot.seq == seq) else { return };
        let place = &mut self.places[at];
        let order = place.parked.order.as_deref();
        let out = if at > 0 { place.answer.get_or_insert_default() } else { &mut self.ready };
        if !place.parked.is_silent {
            write_answer(&mut Reply::new(out, place.proto), answer, order);
        }
        if at > 0 {
            return;
        }
        self.leave_first();
        while let Some(mut answer) = self.places.front_mut().and_then(|place| place.answer.take()) {
            self.ready.append(&mut answer);
            self.leave_first();
        }
    }

    /// The first place's answer is out: what is behind it follows.
    fn leave_first(&mut self) {
        if let Some(mut behind) = self.places.pop_front().and_then(|place| place.behind) {
            self.ready.append(&mut behind);
        }
    }

    /// Claims the slots behind which too much has queued up; the caller answers them WAIT.
    pub fn claim_overfull(&mut self) -> Vec<Arc<ReplySlot>> {
        if self.places.is_empty() {
            return Vec::new();
        }
        let (mut replies, mut bytes) = (0_usize, 0);
        let mut overfull = Vec::new();
        for place in self.places.iter().rev() {
            replies += place.replies_behind as usize;
            bytes += place.bytes_behind();
            let too_much = replies > SLOT_REPLIES_MAX || bytes > SLOT_BYTES_MAX;
            let slot = &place.parked.slot;
            if too_much && place.answer.is_none() && slot.can_give_way() && slot.claim() {
                overfull.push(slot.clone());
            }
            // The place's own reply queues behind those before it.
            replies += 1;
            bytes += place.answer_bytes();
        }
        overfull
    }

    /// Bytes waiting, ready or not.
    pub fn bytes(&self) -> usize {
        let kept = self.places.iter().map(|place| place.answer_bytes() + place.bytes_behind());
        self.ready.len() + kept.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::gauge::Gauge;
    use crate::parking::{Home, NewSlot, Outcome, PostBox};
    use std::io::IoSlice;

    fn parked(seq: u64) -> Parked {
        let home = Home::new(0, Arc::from(&b"k"[..]), 0, 0);
        let (post_box, held) = (&Arc::new(PostBox::default()), &Gauge::default());
        let new = NewSlot { seq, post_box, held, waiter_bytes: 0, gives_way: true };
        Parked { slot: new.one(home), row: None, order: None, tracked: Box::default(), is_silent: false }
    }

    fn written(queue: &ReplyQueue) -> String {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = queue.ready.slices(usize::MAX, &mut slices);
        slices[..used].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
    }

    fn wait(ms: i64) -> Answer {
        Answer::One(Outcome::Wait { retry_ms: ms })
    }

    #[test]
    fn replies_leave_in_the_order_of_requests_however_they_are_answered() {
        let mut queue = ReplyQueue::default();
        queue.tail().extend(b"a");
        queue.keep_place(parked(1), Proto::Resp2);
        queue.tail().extend(b"b");
        queue.keep_place(parked(2), Proto::Resp3);
        queue.tail().extend(b"c");
        assert_eq!(written(&queue), "a");
        queue.answer(2, &wait(2));
        assert_eq!((written(&queue).as_str(), queue.unanswered()), ("a", 1));
        queue.answer(1, &wait(1));
        assert_eq!(written(&queue), "a*4\r\n+WAIT\r\n$-1\r\n$-1\r\n:1\r\nb*4\r\n+WAIT\r\n_\r\n_\r\n:2\r\nc");
        queue.tail().extend(b"d");
        assert!(written(&queue).ends_with("cd"));
    }

    #[test]
    fn message_overtakes_parked_requests_in_resp3_alone_and_never_a_reply() {
        let mut queue = ReplyQueue::default();
        queue.keep_place(parked(1), Proto::Resp3);
        queue.aside(Proto::Resp3).extend(b"m1 ");
        queue.aside(Proto::Resp2).extend(b"m2 ");
        queue.tail().extend(b"reply ");
        queue.aside(Proto::Resp3).extend(b"m3 ");
        assert_eq!(written(&queue), "m1 ");
        queue.answer(1, &wait(1));
        assert_eq!(written(&queue), "m1 *4\r\n+WAIT\r\n_\r\n_\r\n:1\r\nm2 reply m3 ");
    }

    #[test]
    fn slot_with_too_many_replies_behind_it_is_claimed_once() {
        let mut queue = ReplyQueue::default();
        queue.keep_place(parked(1), Proto::Resp2);
        for _ in 0..SLOT_REPLIES_MAX {
            queue.note_reply();
        }
        assert!(queue.claim_overfull().is_empty());
        queue.note_reply();
        assert_eq!(queue.claim_overfull().len(), 1);
        assert!(queue.claim_overfull().is_empty());
    }

    #[test]
    fn slot_with_too_many_bytes_behind_it_is_claimed() {
        let mut queue = ReplyQueue::default();
        queue.keep_place(parked(1), Proto::Resp2);
        queue.tail().extend(&vec![0; SLOT_BYTES_MAX + 1]);
        assert_eq!(queue.claim_overfull().len(), 1);
    }
}
