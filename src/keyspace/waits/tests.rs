//! Lines by themselves: what they count, and what stays with whom when they are parted.

use std::sync::Arc;

use super::lines::{How, Target, Waiter, Waits, Wish};
use crate::base::gauge::Gauge;
use crate::base::hash::Key;
use crate::keyspace::collection::End;
use crate::parking::{Home, NewSlot, PostBox, ReplySlot};
use crate::storage::packed::Type;

/// A waiter for one key of this hash, whose element goes to a key of that one.
fn park(waits: &mut Waits, name: &str, hash: u64, to: Option<u64>) -> Arc<ReplySlot> {
    let (post_box, held) = (Arc::new(PostBox::default()), Gauge::default());
    let name: Arc<[u8]> = Arc::from(name.as_bytes());
    let home = Home::new(0, name.clone(), hash, 0);
    let new = NewSlot { seq: 1, post_box: &post_box, held: &held, waiter_bytes: 0, gives_way: false };
    let slot = new.keys(Box::new([home]), Type::List as u8);
    let how = match to {
        Some(hash) => {
            How::Move(Arc::new(Target { key: Arc::from(&b"to"[..]), hash, from: End::Front, to: End::Back }))
        }
        None => How::Pop { end: End::Front, count: None },
    };
    let ask = Wish { client: 1, how };
    waits.park(&name, hash, Waiter { slot: slot.clone(), ask, parked_at: 0, wait_ms: 0, index: 0 });
    slot
}

fn targets(waits: &Waits, hash: u64) -> Vec<u64> {
    let mut all: Vec<u64> = waits.targets(hash).flatten().copied().collect();
    all.sort_unstable();
    all
}

#[test]
fn line_knows_where_its_elements_may_go_and_forgets_it_with_its_waiters() {
    let held = Gauge::default();
    let mut waits = Waits::new(&held);
    let slots: Vec<_> = (0..10).map(|number| park(&mut waits, "k", 7, Some(100 + number))).collect();
    park(&mut waits, "k", 7, None);
    assert_eq!(targets(&waits, 7), (100..110).collect::<Vec<_>>());
    assert!(waits.fault().is_none() && held.bytes() > 0);
    let key = Key { bytes: b"k", hash: 7 };
    for slot in &slots[..9] {
        assert!(slot.claim());
        waits.forget(&key, slot, 0);
        assert!(waits.fault().is_none());
    }
    assert_eq!((targets(&waits, 7), waits.waiting()), (vec![109], 2));
    let first = waits.first(&key, Type::List).map(|waiter| waiter.slot.clone());
    assert!(first.is_some_and(|first| Arc::ptr_eq(&first, &slots[9])));
    assert!(waits.first(&key, Type::Set).is_none(), "of another type nobody waits");
}

#[test]
fn line_is_gone_with_its_last_waiter_and_nothing_counts_any_more() {
    let held = Gauge::default();
    let mut waits = Waits::new(&held);
    let slot = park(&mut waits, "k", 7, None);
    let key = Key { bytes: b"k", hash: 7 };
    assert!(slot.claim());
    assert!(waits.first(&key, Type::List).is_none(), "it was answered");
    assert!(waits.is_empty());
    waits.forget(&key, &slot, 0);
    drop(waits.split_off(|_| true));
    assert_eq!((waits.waiting(), waits.len()), (0, 0));
    let slots = ["a", "b"].map(|name| park(&mut waits, name, 8, None));
    assert_eq!((waits.len(), waits.waiting()), (2, 2), "two names of one hash");
    slots.iter().for_each(|slot| assert!(slot.claim()));
    waits.forget(&Key { bytes: b"a", hash: 8 }, &slots[0], 0);
    assert_eq!((waits.len(), waits.waiting(), waits.fault()), (1, 1, None));
}

#[test]
fn lines_that_move_take_their_waiters_and_their_bytes_along() {
    let held = Gauge::default();
    let [mut one, mut two] = [Waits::new(&held), Waits::new(&held)];
    let slots: Vec<_> =
        (0..200).map(|number| park(&mut one, &number.to_string(), number, Some(number + 1))).collect();
    two.join(one.split_off(|hash| hash % 2 == 0));
    assert_eq!((one.len(), two.len(), one.waiting(), two.waiting()), (100, 100, 100, 100));
    assert!(one.fault().is_none() && two.fault().is_none());
    for (number, slot) in (0u64..).zip(&slots) {
        assert!(slot.claim());
        let name = number.to_string();
        let key = Key { bytes: name.as_bytes(), hash: number };
        let waits = if number % 2 == 0 { &mut two } else { &mut one };
        assert_eq!(targets(waits, number), [number + 1]);
        waits.forget(&key, slot, 0);
    }
    assert!(one.is_empty() && two.is_empty());
    one.join(two.split_off(|_| true));
    assert!(held.bytes() < 4096, "{} bytes are left of the tables", held.bytes());
}
