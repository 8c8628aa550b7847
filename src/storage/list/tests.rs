//! The list against a deque of the standard library, recounted after each step.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::storage::outside::Large;
use crate::storage::packed::{Limits, Misfit};

fn text_of(value: Value<'_>) -> Vec<u8> {
    value.text(&mut itoa::Buffer::new()).to_vec()
}

/// Texts of every place an element can have: among others, in a chunk of its own, shared.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let of_len = |len: std::ops::Range<usize>| (any::<u8>(), len).prop_map(|(byte, len)| vec![byte; len]);
    prop_oneof![
        6 => (0..5u8).prop_map(|digit| vec![b'0' + digit]),
        6 => of_len(0..40),
        6 => of_len(300..1_500),
        2 => of_len(4_050..4_150),
        1 => of_len(16_380..16_390),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Front(Vec<u8>, u8),
    Back(Vec<u8>, u8),
    Insert(u8, Vec<u8>),
    Set(u8, Vec<u8>),
    Remove(u8, u8),
    Pop(bool, u8),
    RemoveEqual(u8, bool, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (text(), 0..20u8).prop_map(|(text, count)| Step::Front(text, count)),
        3 => (text(), 0..20u8).prop_map(|(text, count)| Step::Back(text, count)),
        6 => (any::<u8>(), text()).prop_map(|(at, text)| Step::Insert(at, text)),
        3 => (any::<u8>(), text()).prop_map(|(at, text)| Step::Set(at, text)),
        3 => (any::<u8>(), 0..60u8).prop_map(|(at, count)| Step::Remove(at, count)),
        3 => (any::<bool>(), 0..30u8).prop_map(|(front, count)| Step::Pop(front, count)),
        2 => (any::<u8>(), any::<bool>(), 0..9u8).prop_map(|(at, back, max)| Step::RemoveEqual(at, back, max)),
    ]
}

fn scaled(part: u8, len: usize) -> usize {
    len * usize::from(part) / 255
}

fn put(list: &mut List, index: usize, text: &[u8]) {
    list.insert(index, &New::of(&NewValue::copied(text)));
}

/// Makes a step in both; how the model does is plain.
fn make(step: &Step, list: &mut List, model: &mut VecDeque<Vec<u8>>) {
    match step {
        Step::Front(text, count) => (0..*count).for_each(|_| {
            put(list, 0, text);
            model.push_front(text.clone());
        }),
        Step::Back(text, count) => (0..*count).for_each(|_| {
            let end = list.len();
            put(list, end, text);
            model.push_back(text.clone());
        }),
        Step::Insert(part, text) => {
            let index = scaled(*part, model.len());
            put(list, index, text);
            model.insert(index, text.clone());
        }
        Step::Set(part, text) => {
            let index = scaled(*part, model.len());
            let went = list.set(index, &New::of(&NewValue::copied(text)));
            assert_eq!(went.is_some(), index < model.len());
            if let Some(old) = model.get_mut(index) {
                assert_eq!(went.flatten().is_some(), old.len() >= SHARED_VALUE_BYTES_MIN);
                old.clone_from(text);
            }
        }
        Step::Remove(part, count) => {
            let index = scaled(*part, model.len());
            let end = (index + usize::from(*count)).min(model.len());
            let went = list.remove(index..index + usize::from(*count));
            let large: Vec<_> =
                model.drain(index..end).filter(|text| text.len() >= SHARED_VALUE_BYTES_MIN).collect();
            assert_eq!(went, large);
        }
        Step::Pop(front, count) => {
            for _ in 0..*count {
                let Some(last) = model.len().checked_sub(1) else { break };
                let index = if *front { 0 } else { last };
                assert_eq!(list.get(index).map(text_of), model.remove(index));
                list.remove(index..index + 1);
            }
        }
        Step::RemoveEqual(part, from_back, max) => {
            let needle = model.get(scaled(*part, model.len())).cloned().unwrap_or_default();
            let (removed, went) = list.remove_equal(&needle, *from_back, usize::from(*max));
            assert!(went.len() <= removed);
            let equal: Vec<usize> = (0..model.len()).filter(|at| model[*at] == needle).collect();
            let goes = equal.len().min(usize::from(*max));
            assert_eq!(removed, goes);
            let which = if *from_back { &equal[equal.len() - goes..] } else { &equal[..goes] };
            which.iter().rev().for_each(|at| drop(model.remove(*at)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn list_is_a_deque(steps in vec(step(), 1..40), parts in vec(any::<u8>(), 4), is_named: bool) {
        let (mut list, mut model) = (List::default(), VecDeque::new());
        list.set_named((!is_named).then_some(0));
        for step in &steps {
            make(step, &mut list, &mut model);
            prop_assert_eq!(list.check(), [""; 0]);
            prop_assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
        }
        prop_assert!(list.iter_from(0).map(text_of).eq(model.iter().cloned()));
        prop_assert!(list.back_from(usize::MAX).map(text_of).eq(model.iter().rev().cloned()));
        for part in parts {
            let index = scaled(part, model.len());
            prop_assert_eq!(list.get(index).map(text_of), model.get(index).cloned());
            prop_assert!(list.iter_from(index).map(text_of).eq(model.iter().skip(index).cloned()));
            let last = index.min(model.len().saturating_sub(1));
            let back = model.iter().take(last + 1).rev().cloned();
            prop_assert!(list.back_from(index).map(text_of).eq(back));
        }
        let bytes = list.iter_from(0).map(Value::listpack_bytes).sum::<usize>();
        let within = [bytes, bytes.saturating_sub(1)].map(|max| list.listpack_bytes_within(max));
        prop_assert_eq!(within, [Some(bytes), (bytes == 0).then_some(0)]);
        let copy = list.to_copy();
        prop_assert_eq!((copy.recount().0, copy.is_named()), (copy.held_bytes(), is_named));
        let whole = list.len();
        list.remove(0..whole);
        prop_assert_eq!((list.check(), list.chunks.len(), list.chunk_bytes), (vec![], 0, 0));
    }
}

#[test]
fn million_elements_cost_little_more_than_they_hold() {
    for front in [false, true] {
        let mut list = List::default();
        for _ in 0..100_000 {
            let at = if front { 0 } else { list.len() };
            put(&mut list, at, b"an element of 20 byt");
        }
        let each = list.elements_bytes() as f64 / 100_000.0 - 20.0;
        assert!(each <= 2.8, "{each:.2} bytes each, pushed at the front: {front}");
    }
}

#[test]
fn queue_holds_no_more_than_its_elements_and_a_chunk_at_each_end() {
    let mut list = List::default();
    for number in 0..100_000u32 {
        let end = list.len();
        put(&mut list, end, format!("element number {number:06}").as_bytes());
        if number >= 500 {
            list.remove(0..1);
        }
    }
    assert_eq!((list.len(), list.check()), (500, vec![]));
    assert!(list.elements_bytes() < 500 * 24 + 4 * CHUNK_BYTES, "{}", list.elements_bytes());
}

#[test]
fn packed_list_becomes_a_large_one() {
    let limits = Limits { bytes: 60_000, ..Limits::LIST };
    for len in [1, 19, 200] {
        let mut value = packed::List::EMPTY.to_vec();
        let texts: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number; len]).collect();
        for text in &texts {
            let list = packed::List::read(&value);
            let edit = list.insert(list.len(), text, &limits);
            assert_ne!(edit.as_ref().err(), Some(&Misfit::Large));
            edit.into_iter().for_each(|edit| edit.apply_to(&mut value));
        }
        let list = List::of(&packed::List::read(&value));
        assert_eq!(list.check(), [""; 0]);
        assert!(list.iter_from(0).map(text_of).eq(texts));
    }
    assert!(List::of(&packed::List::read(packed::List::EMPTY)).chunks.is_empty());
}

#[test]
fn list_becomes_packed_where_it_is_small_enough() {
    let cases: [(&[&[u8]], bool); 5] = [
        (&[b"a", b"12", b""], true),
        (&[b"a", b"b", b"c", b"d"], false),
        (&[&[b'x'; 46], b""], true),
        (&[&[b'x'; 47], b""], false),
        (&[&[b'x'; 16_384]], false),
    ];
    for (texts, is_small) in cases {
        let mut list = List::default();
        texts.iter().rev().for_each(|text| put(&mut list, 0, text));
        let packed = list.to_packed(3, 50);
        assert_eq!(packed.is_some(), is_small, "{texts:?}");
        if let Some(bytes) = packed {
            assert_eq!(packed::faults(&bytes), [""; 0]);
            let back = packed::List::read(&bytes);
            assert!(back.iter().map(Value::Element).map(text_of).eq(texts.iter().map(|text| text.to_vec())));
            assert!(back.form().is_named());
        }
    }
}

#[test]
fn large_element_is_let_go_by_the_last_list_that_has_it() {
    let (mut one, mut two) = (List::default(), List::default());
    put(&mut one, 0, &[7; 20_000]);
    let moved = one.get(0).map(Value::to_moved).expect("it is there");
    two.insert(0, &moved.to_new());
    drop(moved);
    assert!(one.remove(0..1).is_empty());
    assert_eq!(two.remove(0..1).len(), 1);
}
