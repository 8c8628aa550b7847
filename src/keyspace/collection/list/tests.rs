//! Lists under their keys against a deque of the standard library, with limits so small that forms and names change every few
//! steps.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{End, ListMut};
use crate::keyspace::collection::tests::{form_of, forms, round, rules, with_keys};
use crate::keyspace::{Forms, Keys, ListName, encoding};
use crate::storage::NewValue;
use crate::storage::list::{New, Value};
use crate::storage::packed::{Element, listpack};

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<Vec<u8>>),
    Insert(u8, Vec<u8>),
    Set(u8, Vec<u8>),
    Remove(u8, u8),
    RemoveEqual(Vec<u8>, bool, usize),
    Pop(bool),
    Copy,
    Rename,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..5u8).prop_map(|digit| vec![b'0' + digit]),
        4 => (0..4u8, 0..30usize).prop_map(|(letter, len)| vec![b'a' + letter; len]),
        1 => (200..400usize).prop_map(|len| vec![b'x'; len]),
        1 => (16_383..16_386usize).prop_map(|len| vec![b'y'; len]),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<bool>(), proptest::collection::vec(text(), 1..4)).prop_map(|(front, texts)| Step::Push(front, texts)),
        3 => (any::<u8>(), text()).prop_map(|(at, text)| Step::Insert(at, text)),
        3 => (any::<u8>(), text()).prop_map(|(at, text)| Step::Set(at, text)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Step::Remove(from, to)),
        3 => (text(), any::<bool>(), 0..4usize).prop_map(|(text, front, max)| Step::RemoveEqual(text, front, max)),
        6 => any::<bool>().prop_map(Step::Pop),
        1 => Just(Step::Copy),
        1 => Just(Step::Rename),
    ];
    proptest::collection::vec(step, 1..80)
}

fn end(is_front: bool) -> End {
    if is_front { End::Front } else { End::Back }
}

/// The number of an element, or with `len` + 1 of a gap.
fn scaled(part: u8, len: usize) -> usize {
    usize::from(part) * len / 256
}

/// A list, and whether it is called `quicklist`, by Redis's rules said plainly.
struct Model {
    texts: VecDeque<Vec<u8>>,
    is_named: bool,
    name: ListName,
}

impl Model {
    fn listpack_bytes(&self) -> usize {
        let bytes = self.texts.iter().map(|text| listpack::element_bytes(Element::of(text)));
        bytes.sum::<usize>() + listpack::FRAME_BYTES
    }

    fn brings(&mut self, texts: &[Vec<u8>]) {
        let bytes = self.listpack_bytes() + texts.iter().map(Vec::len).sum::<usize>();
        self.is_named |= match self.name {
            ListName::Bytes(most) => bytes > most,
            ListName::Items(most) => self.texts.len() + texts.len() > most || bytes > 8_192,
        };
    }

    fn shrank(&mut self) {
        self.is_named &= match self.name {
            _ if self.texts.is_empty() => false,
            ListName::Bytes(most) => self.listpack_bytes() > most / 2,
            ListName::Items(most) => self.texts.len() > most / 2 || self.listpack_bytes() > 8_192,
        };
    }
}

fn bring(list: &mut ListMut<'_, '_>, model: &mut Model, texts: &[Vec<u8>]) {
    list.brings(texts.len(), texts.iter().map(Vec::len).sum());
    model.brings(texts);
}

/// Makes a step in both; how the model does is plain.
fn make(step: Step, list: &mut ListMut<'_, '_>, model: &mut Model) {
    let len = model.texts.len();
    match step {
        Step::Push(is_front, texts) => {
            bring(list, model, &texts);
            for text in texts {
                list.push(end(is_front), &New::of(&NewValue::copied(&text)));
                model.texts.insert(if is_front { 0 } else { model.texts.len() }, text);
            }
        }
        Step::Insert(at, text) => {
            let at = scaled(at, len + 1);
            bring(list, model, std::slice::from_ref(&text));
            list.insert(at, &New::of(&NewValue::copied(&text)));
            model.texts.insert(at, text);
        }
        Step::Set(at, text) if len > 0 => {
            bring(list, model, std::slice::from_ref(&text));
            list.set(scaled(at, len), &New::of(&NewValue::copied(&text)));
            model.texts[scaled(at, len)] = text;
            model.shrank();
        }
        Step::Remove(from, to) => {
            let range = scaled(from, len + 1)..scaled(to, len + 1);
            list.remove(range.clone());
            if range.start < range.end {
                model.texts.drain(range);
                model.shrank();
            }
        }
        Step::RemoveEqual(text, is_front, max) => {
            let equal: Vec<usize> = (0..len).filter(|at| model.texts[*at] == text).collect();
            let goes = equal.len().min(max);
            let which = if is_front { &equal[..goes] } else { &equal[equal.len() - goes..] };
            assert_eq!(list.remove_equal(&text, end(is_front), max), goes);
            which.iter().rev().for_each(|at| drop(model.texts.remove(*at)));
            if goes > 0 {
                model.shrank();
            }
        }
        Step::Pop(is_front) if len > 0 => {
            list.remove(if is_front { 0..1 } else { len - 1..len });
            drop(if is_front { model.texts.pop_front() } else { model.texts.pop_back() });
            model.shrank();
        }
        Step::Set(..) | Step::Pop(_) | Step::Copy | Step::Rename => {}
    }
}

fn text_of(value: Value<'_>) -> Vec<u8> {
    value.text(&mut itoa::Buffer::new()).to_vec()
}

/// What is wrong with the list under the key.
fn faults(keys: &mut Keys<'_>, model: &VecDeque<Vec<u8>>) -> Vec<String> {
    let key = keys.key(b"k");
    let mut view = keys.view(&key);
    let list = view.list(&key).expect("a list");
    let mut faults: Vec<String> = Vec::new();
    let mut expect = |holds: bool, what: &str| faults.extend((!holds).then(|| what.to_owned()));
    expect(list.map_or(0, |list| list.len()) == model.len(), "len");
    expect(list.is_none_or(|list| !list.is_empty()), "an empty list");
    if let Some(list) = list {
        expect(list.iter_from(0).map(text_of).eq(model.iter().cloned()), "upwards");
        expect(list.back_from(usize::MAX).map(text_of).eq(model.iter().rev().cloned()), "downwards");
        let middle = model.len() / 2;
        expect(
            list.iter_from(middle).map(text_of).eq(model.iter().skip(middle).cloned()),
            "upwards from within",
        );
        let down = model.iter().take(middle + 1).rev().cloned();
        expect(list.back_from(middle).map(text_of).eq(down), "downwards from within");
        expect(list.get(middle).map(text_of).as_ref() == model.get(middle), "get");
        expect(list.get(model.len()).is_none(), "get beyond the end");
    }
    drop(view);
    faults.extend(keys.recount().stores.faults);
    faults
}

fn name_of(keys: &mut Keys<'_>) -> &'static str {
    let key = keys.key(b"k");
    keys.view(&key).entry(&key).and_then(|entry| encoding(&entry)).unwrap_or("none")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn list_is_a_deque_by_the_name_of_redis(
        steps in steps(),
        name in prop_oneof![(1..9usize).prop_map(ListName::Items), (50..400usize).prop_map(ListName::Bytes)],
    ) {
        let rules = rules(Forms { list_name: name, ..forms() }, b"");
        let (mut model, mut found) = (Model { texts: VecDeque::new(), is_named: false, name }, Vec::new());
        with_keys(&rules, |keys| for step in steps {
            let key = keys.key(b"k");
            match step {
                Step::Copy => round(keys, true),
                Step::Rename => round(keys, false),
                step => make(step, &mut keys.view(&key).list_mut(&key, "changed").expect("a list"), &mut model),
            }
            found.extend(faults(keys, &model.texts));
            let name = match model.is_named {
                _ if model.texts.is_empty() => "none",
                false => "listpack",
                true => "quicklist",
            };
            let shown = name_of(keys);
            found.extend((shown != name).then(|| format!("{shown} is not {name}: {} bytes", model.listpack_bytes())));
        });
        prop_assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn forms_come_and_go_and_the_last_element_takes_the_key_along() {
    let rules = rules(forms(), b"AKEn");
    let told = with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        let push = |keys: &mut Keys<'_>, text: &[u8], count: usize| {
            let mut view = keys.view(&key);
            let mut list = view.list_mut(&key, "rpush").expect("a list");
            (0..count).for_each(|_| list.push(End::Back, &New::Small(text)));
        };
        push(keys, b"text", 12);
        assert_eq!(form_of(keys, b"k"), "packed");
        push(keys, b"text", 1);
        assert_eq!(form_of(keys, b"k"), "large");
        keys.view(&key).list_mut(&key, "lpop").expect("a list").remove(0..9);
        assert_eq!(form_of(keys, b"k"), "large", "four is more than a quarter");
        keys.view(&key).list_mut(&key, "lpop").expect("a list").remove(0..1);
        assert_eq!(form_of(keys, b"k"), "packed");
        let mut view = keys.view(&key);
        assert_eq!(view.list_mut(&key, "lrem").expect("a list").remove_equal(b"absent", End::Back, 9), 0);
        assert_eq!(view.list_mut(&key, "lrem").expect("a list").remove_equal(b"text", End::Back, 9), 3);
        assert!(!view.has(&key));
        view.list_mut(&key, "ltrim").expect("no key").remove(0..9);
        view.list_mut(&key, "rpush").expect("no key").push(End::Front, &New::Small(&[b'x'; 301]));
        assert!(view.hash(&key).is_err() && view.set_mut(&key, "sadd").is_err() && view.read(&key).is_err());
        let mut list = view.list_mut(&key, "lpop").expect("a list");
        list.tell();
        list.remove(0..1);
    });
    let expected = [
        "new k", "rpush k", "rpush k", "lpop k", "lpop k", "lrem k", "del k", "new k", "rpush k", "lpop k",
        "del k",
    ];
    assert_eq!(told, expected);
}
