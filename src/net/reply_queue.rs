//! The replies of one connection in the order of its requests, with places kept for parked ones.
//!
//! What stands before the first unanswered slot is ready to be written; what follows queues behind it.
//! Knows no socket. Invariant: bytes leave in the order of the requests.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::limits::{SLOT_BYTES_MAX, SLOT_REPLIES_MAX};
use crate::commands::fill::write_answer;
use crate::commands::session::Parked;
use crate::fill::{Answer, ReplySlot};
use crate::protocol::reply::{Output, Proto, Reply};

/// Replies on their way out.
#[derive(Default)]
pub struct ReplyQueue {
    pub ready: Output,
    places: VecDeque<Place>,
}

/// A kept place and the replies behind it.
struct Place {
    parked: Parked,
    /// The version spoken when the request was made.
    proto: Proto,
    answer: Option<Output>,
    behind: Output,
    replies_behind: usize,
}

impl ReplyQueue {
    /// Where the next reply is written.
    pub fn tail(&mut self) -> &mut Output {
        match self.places.back_mut() {
            Some(place) => &mut place.behind,
            None => &mut self.ready,
        }
    }

    /// Where a message goes that nobody asked for. RESP3 marks such messages, so one may overtake parked
    /// requests, but never a reply that is already written: what it says comes after that.
    pub fn aside(&mut self, proto: Proto) -> &mut Output {
        let nothing_behind = |place: &Place| place.behind.is_empty() && place.answer.is_none();
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
            place.replies_behind += 1;
        }
    }

    /// Keeps a place for a parked request.
    pub fn keep_place(&mut self, parked: Parked, proto: Proto) {
        let (behind, replies_behind) = (Output::default(), 0);
        self.places.push_back(Place { parked, proto, answer: None, behind, replies_behind });
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

    /// All slots that keep a place.
    pub fn slots(&self) -> Vec<Arc<ReplySlot>> {
        self.places.iter().map(|place| place.parked.slot.clone()).collect()
    }

    /// Fills a place and lets out what has become ready.
    pub fn answer(&mut self, seq: u64, answer: &Answer) {
        if let Some(place) = self.places.iter_mut().find(|place| place.parked.slot.seq == seq) {
            let mut output = Output::default();
            write_answer(&mut Reply::new(&mut output, place.proto), answer, place.parked.order.as_deref());
            place.answer = Some(output);
        }
        while let Some(answer) = self.places.front_mut().and_then(|place| place.answer.take()) {
            let mut place = self.places.pop_front();
            self.ready.append(&mut { answer });
            place.iter_mut().for_each(|place| self.ready.append(&mut place.behind));
        }
    }

    /// Claims the slots behind which too much has queued up; the caller answers them WAIT.
    pub fn claim_overfull(&mut self) -> Vec<Arc<ReplySlot>> {
        if self.places.is_empty() {
            return Vec::new();
        }
        let (mut replies, mut bytes) = (0, 0);
        let mut overfull = Vec::new();
        for place in self.places.iter().rev() {
            replies += place.replies_behind;
            bytes += place.behind.len();
            let too_much = replies > SLOT_REPLIES_MAX || bytes > SLOT_BYTES_MAX;
            if too_much && place.answer.is_none() && place.parked.slot.claim() {
                overfull.push(place.parked.slot.clone());
            }
            // The place's own reply queues behind those before it.
            replies += 1;
            bytes += place.answer.as_ref().map_or(0, Output::len);
        }
        overfull
    }

    /// Bytes waiting, ready or not.
    pub fn bytes(&self) -> usize {
        let behind =
            self.places.iter().map(|place| place.behind.len() + place.answer.as_ref().map_or(0, Output::len));
        self.ready.len() + behind.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::{Home, Outcome, PostBox};
    use std::io::IoSlice;

    fn parked(seq: u64) -> Parked {
        let home = Home { db: 0, key: Arc::from(&b"k"[..]), hash: 0, index: 0 };
        Parked {
            slot: ReplySlot::one(seq, 1, home, Arc::new(PostBox::default())),
            order: None,
            tracked: Box::default(),
        }
    }

    fn written(queue: &ReplyQueue) -> String {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = queue.ready.slices(0, &mut slices);
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
