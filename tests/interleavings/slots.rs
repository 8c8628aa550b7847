//! Reply slots and post boxes by themselves: answered exactly once, and no letter is lost.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use onefill::base::gauge::Gauge;
use onefill::parking::{Answer, Home, Letter, NewSlot, Outcome, PostBox, ReplySlot};
use shuttle::thread::{self, JoinHandle};

use super::explore;

fn home(index: usize) -> Home {
    Home::new(0, Arc::from(&b"k"[..]), 0, index)
}

fn new_slot<'a>(post_box: &'a Arc<PostBox>, held: &'a Gauge) -> NewSlot<'a> {
    NewSlot { seq: 1, post_box, held, waiter_bytes: 0, gives_way: true }
}

fn hit(value: &'static [u8]) -> Outcome<Bytes> {
    Outcome::Hit { value: Bytes::from_static(value), ttl_ms: -1 }
}

/// Sleeps until there are letters, as a connection does.
fn read(post_box: &PostBox) -> Vec<Letter> {
    shuttle::future::block_on(poll_fn(|cx| {
        post_box.register(cx.waker());
        let letters = post_box.take_letters();
        if letters.is_empty() { Poll::Pending } else { Poll::Ready(letters) }
    }))
}

/// Answers that came back because the connection was gone.
fn deliver(slot: &ReplySlot, answer: Option<Answer>) -> usize {
    answer.map_or(0, |answer| usize::from(slot.deliver(answer).is_err()))
}

fn join<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().expect("a thread"))
}

/// A leader's answer, the end of WAIT, CLIENT UNBLOCK and the end of the connection, all at once.
#[test]
fn slot_is_answered_once_whoever_comes_first() {
    explore(|| {
        let post_box = Arc::new(PostBox::default());
        let slot = new_slot(&post_box, &Gauge::default()).one(home(0));
        let leader = thread::spawn({
            let slot = slot.clone();
            move || deliver(&slot, slot.settle(0, hit(b"a")))
        });
        let sweeper = thread::spawn({
            let slot = slot.clone();
            move || deliver(&slot, slot.claim().then(|| slot.expire(1)))
        });
        let unblock = thread::spawn({
            let post_box = post_box.clone();
            move || {
                post_box.claim_all().iter().map(|slot| deliver(slot, Some(Answer::Unblocked))).sum::<usize>()
            }
        });
        let read = post_box.take_letters().len();
        let (unread, unanswered) = post_box.abandon();
        let came_back: usize = join([leader, sweeper, unblock]).iter().sum();
        assert_eq!(read + unread.len() + unanswered.len() + came_back, 1);
        assert!(!slot.is_open());
    });
}

/// The connection lives on: it hears of one answer, and of no other.
#[test]
fn parked_connection_hears_of_one_answer() {
    explore(|| {
        let post_box = Arc::new(PostBox::default());
        let slot = new_slot(&post_box, &Gauge::default()).one(home(0));
        let answerers = [b"a", b"b"].map(|value| {
            let slot = slot.clone();
            thread::spawn(move || deliver(&slot, slot.settle(0, hit(value))))
        });
        assert_eq!(read(&post_box).len(), 1);
        join(answerers);
        assert!(post_box.take_letters().is_empty());
    });
}

/// Two keys of a FILL.MGET are filled at once while its time ends: one answer, and where nobody cut it short, with
/// both values.
#[test]
fn slot_of_two_keys_is_answered_once_and_whole() {
    explore(|| {
        let post_box = Arc::new(PostBox::default());
        let homes = Box::new([home(0), home(1)]);
        let slot = new_slot(&post_box, &Gauge::default()).many(homes, vec![None, None]);
        let leaders = [0, 1].map(|index| {
            let slot = slot.clone();
            thread::spawn(move || deliver(&slot, slot.settle(index, hit(b"a"))))
        });
        let is_over = thread::spawn({
            let slot = slot.clone();
            move || {
                let is_ours = slot.claim();
                deliver(&slot, is_ours.then(|| slot.expire(1)));
                is_ours
            }
        });
        let letters = read(&post_box);
        join(leaders);
        let cut_short = is_over.join().expect("a thread");
        assert_eq!(letters.len() + post_box.take_letters().len(), 1);
        let Letter::Answer { answer: Answer::Many(outcomes), .. } = &letters[0] else {
            panic!("{letters:?}")
        };
        assert_eq!(outcomes.len(), 2);
        assert!(cut_short || *outcomes == [hit(b"a"), hit(b"a")], "{outcomes:?}");
    });
}

/// Whoever sleeps is woken for every letter, and each sender's letters come in its order.
#[test]
fn no_letter_is_lost() {
    const EACH: usize = 3;
    explore(|| {
        let post_box = Arc::new(PostBox::default());
        let senders = ["a", "b"].map(|sender| {
            let post_box = post_box.clone();
            thread::spawn(move || {
                for number in 0..EACH {
                    let line = Bytes::from(format!("{sender}{number}"));
                    post_box.send(Letter::Line(line)).expect("the box is open");
                }
            })
        });
        let mut lines = Vec::new();
        while lines.len() < 2 * EACH {
            for letter in read(&post_box) {
                let Letter::Line(line) = letter else { panic!("{letter:?}") };
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        join(senders);
        for sender in ["a", "b"] {
            let of_sender: Vec<_> = lines.iter().filter(|line| line.starts_with(sender)).collect();
            assert!(of_sender.is_sorted() && of_sender.len() == EACH, "{lines:?}");
        }
    });
}

/// A letter to a box that closes is read, is found in it, or comes back.
#[test]
fn closing_a_box_loses_no_letter() {
    explore(|| {
        let post_box = Arc::new(PostBox::default());
        let senders = [1, 2].map(|_| {
            let post_box = post_box.clone();
            thread::spawn(move || (0..2).filter(|_| post_box.send(Letter::Close).is_err()).count())
        });
        let read = post_box.take_letters().len();
        let (unread, _) = post_box.abandon();
        let came_back: usize = join(senders).iter().sum();
        assert_eq!(read + unread.len() + came_back, 4);
    });
}
