//! Packed values against lists of the standard library, recounted after each step, with limits so small that forms
//! change all the time; and what they cost.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Makes a change in both ways, which must agree, and recounts.
fn change(value: &mut Vec<u8>, edit: &Edit<'_>) {
    assert_eq!(edit.old_bytes(), value.len());
    let mut copied = vec![0xee; edit.new_bytes()];
    edit.copy(value, &mut copied);
    edit.apply_to(value);
    assert_eq!(*value, copied);
    assert_eq!(faults(value), [""; 0]);
}

/// Asks for a change until the value has the right layout for it; false where it is beyond the limits.
fn try_change<'e>(value: &mut Vec<u8>, plan: impl Fn(&[u8]) -> Result<Edit<'e>, Misfit>) -> bool {
    loop {
        match plan(value) {
            Ok(edit) => {
                change(value, &edit);
                return true;
            }
            Err(Misfit::Large) => return false,
            Err(Misfit::Layout(layout)) => {
                let before = Form::read(value);
                *value = rebuilt(value, layout);
                assert_ne!(Form::read(value), before, "asked for the layout that it has");
                assert_eq!(faults(value), [""; 0]);
            }
        }
    }
}

fn text_of(element: Element<'_>) -> Vec<u8> {
    element.text(&mut itoa::Buffer::new()).to_vec()
}

/// Texts of all encodings, few enough to be met again.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab]{0,2}".prop_map(String::into_bytes),
        2 => (-3i64..60).prop_map(|number| number.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (120usize..140).prop_map(|len| vec![b'x'; len]),
        1 => Just(b"007".to_vec()),
    ]
}

proptest! {
    /// Whatever the bytes are, everything can be asked of them, and every change made.
    #[test]
    fn garbage_is_no_fault(
        head in prop_oneof![any::<u8>(), (0u8..20).prop_map(|form| form), (32u8..52)],
        rest in vec(prop_oneof![any::<u8>(), 0u8..4, 0xc0u8..0xd2], 0..60),
        text in text(),
        index in 0usize..8,
    ) {
        let value = [vec![head], rest].concat();
        let _ = faults(&value);
        let limits = Limits { items: 100, run_items: 10, bytes: 500 };
        let mut edits: Vec<Edit<'_>> = Vec::new();
        let hash = Hash::read(&value);
        let place = hash.find(&text).or(hash.place(index));
        hash.iter().for_each(drop);
        edits.extend(hash.set(place, &text, b"1", Some(5), &limits));
        edits.extend(place.map(|place| hash.remove(place)));
        edits.extend(place.and_then(|place| hash.set_deadline(place, Some(9), &limits).ok()));
        let set = Set::read(&value);
        set.iter().for_each(drop);
        edits.extend(set.add(&text, &limits).ok().flatten());
        edits.extend(set.add(b"70000", &limits).ok().flatten());
        edits.extend(set.remove(&text));
        edits.extend(set.remove_at(index));
        let list = List::read(&value);
        list.iter().rev().for_each(drop);
        edits.extend(list.insert(index, &text, &limits));
        edits.extend(list.set(index, &text, &limits));
        edits.extend(list.remove(index..index + 2));
        let zset = Zset::read(&value);
        let place = zset.find(&text).or(zset.place(index));
        zset.iter_from(index).for_each(drop);
        zset.back_from(index).for_each(drop);
        edits.extend(zset.set(place, &text, 1.5, &limits));
        edits.extend(place.map(|place| zset.remove(place)));
        for edit in edits {
            let mut copied = vec![0; edit.new_bytes()];
            edit.copy(&value, &mut copied);
            let mut place = value.clone();
            edit.apply_to(&mut place);
            prop_assert_eq!(place, copied);
        }
        let mut kept = value.clone();
        let end = retain(&mut kept, |number| number % 2 == 0);
        prop_assert!(end <= value.len());
        let _ = lesser_layout(&value, &limits);
        for layout in [Layout::Run, Layout::Page, Layout::Ints8] {
            let _ = faults(&rebuilt(&value, layout));
        }
    }
}

const SMALL: Limits = Limits { items: 14, run_items: 5, bytes: 400 };

/// One step of a story.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>, f64, Option<i64>),
    Remove(u8),
    Deadline(u8, Option<i64>),
    /// Those go whose number's bit is not set.
    Retain(u16),
    /// What an owner does once items have gone.
    Lessen,
}

fn deadline() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        5 => Just(None),
        2 => (1_800_000_000_000i64..1_800_000_000_005).prop_map(Some),
        1 => Just(Some(1_000)),
        1 => Just(Some(9_000_000_000_000)),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3..3i32).prop_map(f64::from),
        2 => (-4..4i32).prop_map(|number| f64::from(number) / 8.0),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e15), Just(1e300)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (text(), text(), score(), deadline()).prop_map(|(a, b, score, at)| Step::Put(a, b, score, at)),
        4 => any::<u8>().prop_map(Step::Remove),
        2 => (any::<u8>(), deadline()).prop_map(|(index, at)| Step::Deadline(index, at)),
        1 => any::<u16>().prop_map(Step::Retain),
        1 => Just(Step::Lessen),
    ]
}

/// Steps that concern no item in particular.
fn whole<T>(step: &Step, value: &mut Vec<u8>, model: &mut Vec<T>) {
    match step {
        Step::Retain(bits) => {
            let keep = |number: usize| bits >> (number % 16) & 1 == 1;
            let end = retain(value, keep);
            value.truncate(end);
            let mut number = 0;
            model.retain(|_| {
                number += 1;
                keep(number - 1)
            });
        }
        Step::Lessen => {
            if let Some(layout) = lesser_layout(value, &SMALL) {
                *value = rebuilt(value, layout);
            }
        }
        Step::Put(..) | Step::Remove(_) | Step::Deadline(..) => {}
    }
    assert_eq!(faults(value), [""; 0]);
}

/// Whether something may be refused: the items are as many as allowed, or the bytes nearly.
fn is_near_full(value: &[u8], items: usize) -> bool {
    items >= SMALL.items || value.len() + 300 > SMALL.bytes
}

fn pick(index: u8, len: usize) -> Option<usize> {
    (len > 0).then(|| usize::from(index) % len)
}

proptest! {
    #[test]
    fn hash_is_a_list_of_fields(steps in vec(step(), 1..60)) {
        let mut value = Hash::EMPTY.to_vec();
        let mut model: Vec<(Vec<u8>, Vec<u8>, Option<i64>)> = Vec::new();
        for step in steps {
            match &step {
                Step::Put(name, text, _, at) => {
                    let found = model.iter().position(|field| field.0 == *name);
                    let near_full = is_near_full(&value, model.len());
                    let done = try_change(&mut value, |value| {
                        let hash = Hash::read(value);
                        hash.set(hash.find(name), name, text, *at, &SMALL)
                    });
                    prop_assert!(done || near_full);
                    let field = (name.clone(), text.clone(), *at);
                    match found {
                        _ if !done => {}
                        Some(found) => model[found] = field,
                        None => model.push(field),
                    }
                }
                Step::Remove(index) => if let Some(index) = pick(*index, model.len()) {
                    let hash = Hash::read(&value);
                    let edit = hash.remove(hash.find(&model[index].0).unwrap());
                    change(&mut value, &edit);
                    model.remove(index);
                },
                Step::Deadline(index, at) => if let Some(index) = pick(*index, model.len()) {
                    let place = Hash::read(&value).place(index).unwrap();
                    let done = try_change(&mut value, |value| Hash::read(value).set_deadline(place, *at, &SMALL));
                    prop_assert!(done || value.len() + 20 > SMALL.bytes);
                    if done {
                        model[index].2 = *at;
                    }
                },
                Step::Retain(_) | Step::Lessen => whole(&step, &mut value, &mut model),
            }
            let hash = Hash::read(&value);
            let all: Vec<_> =
                hash.iter().map(|field| (text_of(field.name), text_of(field.value), field.expire_at)).collect();
            prop_assert_eq!(&all, &model);
            prop_assert_eq!((hash.len(), hash.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(hash.earliest(), model.iter().filter_map(|field| field.2).min());
            for (index, field) in model.iter().enumerate() {
                let place = hash.find(&field.0).unwrap();
                prop_assert_eq!((place.index, Some(place)), (index, hash.place(index)));
                prop_assert_eq!(text_of(hash.get(&field.0).unwrap().value), &field.1[..]);
            }
            prop_assert_eq!((hash.get(b"missing"), hash.place(model.len())), (None, None));
        }
    }

    #[test]
    fn set_is_a_list_of_members_or_sorted_integers(steps in vec(step(), 1..60), digits: bool) {
        let mut value = if digits { Set::NO_INTS.to_vec() } else { Set::EMPTY.to_vec() };
        let mut model: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            let were_ints = matches!(Set::read(&value), Set::Ints(_));
            match &step {
                Step::Put(member, other, ..) => {
                    // Of integers alone, and beyond, some sets grow wide ones.
                    let member = if were_ints && member.len() < 3 { other } else { member };
                    let (known, near_full) = (model.contains(member), is_near_full(&value, model.len()));
                    prop_assert_eq!(Set::read(&value).contains(member), known);
                    if known {
                        prop_assert!(matches!(Set::read(&value).add(member, &SMALL), Ok(None)));
                    } else {
                        let done = try_change(&mut value, |value| {
                            Ok(Set::read(value).add(member, &SMALL)?.unwrap())
                        });
                        prop_assert!(done || near_full);
                        model.extend(done.then(|| member.clone()));
                    }
                }
                Step::Remove(index) => match pick(*index, model.len()) {
                    Some(number) => {
                        let set = Set::read(&value);
                        let edit = if index % 2 == 0 { set.remove_at(number) } else { set.remove(&model[number]) };
                        change(&mut value, &edit.unwrap());
                        model.remove(number);
                    }
                    None => prop_assert!(Set::read(&value).remove(b"1").is_none()),
                },
                Step::Deadline(..) => prop_assert!(Set::read(&value).remove(b"missing").is_none()),
                Step::Retain(_) | Step::Lessen => whole(&step, &mut value, &mut model),
            }
            if matches!(Set::read(&value), Set::Ints(_)) {
                model.sort_by_key(|member| String::from_utf8_lossy(member).parse::<i64>().unwrap());
            }
            let set = Set::read(&value);
            prop_assert_eq!(set.iter().map(text_of).collect::<Vec<_>>(), model.clone());
            prop_assert_eq!(set.len(), model.len());
            for (index, member) in model.iter().enumerate() {
                prop_assert!(set.contains(member));
                prop_assert_eq!(set.at(index).map(text_of), Some(member.clone()));
            }
            prop_assert_eq!(set.at(model.len()), None);
        }
    }

    #[test]
    fn sorted_set_is_a_sorted_list(steps in vec(step(), 1..60), bound in score()) {
        let mut value = Zset::EMPTY.to_vec();
        let mut model: Vec<(f64, Vec<u8>)> = Vec::new();
        for step in steps {
            match &step {
                Step::Put(member, _, score, _) => {
                    let near_full = is_near_full(&value, model.len());
                    let done = try_change(&mut value, |value| {
                        let zset = Zset::read(value);
                        zset.set(zset.find(member), member, *score, &SMALL)
                    });
                    prop_assert!(done || near_full);
                    if done {
                        model.retain(|other| other.1 != *member);
                        model.push((*score + 0.0, member.clone()));
                        model.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
                    }
                }
                Step::Remove(index) => if let Some(index) = pick(*index, model.len()) {
                    let zset = Zset::read(&value);
                    let edit = zset.remove(zset.find(&model[index].1).unwrap());
                    change(&mut value, &edit);
                    model.remove(index);
                },
                Step::Deadline(..) => prop_assert!(Zset::read(&value).find(b"missing").is_none()),
                Step::Retain(_) | Step::Lessen => whole(&step, &mut value, &mut model),
            }
            let zset = Zset::read(&value);
            let told = |found: Scored<'_>| (found.score, text_of(found.member));
            for rank in 0..=model.len() {
                prop_assert_eq!(&zset.iter_from(rank).map(told).collect::<Vec<_>>(), &model[rank..]);
                let upto = model.len().min(rank + 1);
                let back: Vec<_> = model[..upto].iter().rev().cloned().collect();
                prop_assert_eq!(zset.back_from(rank).map(told).collect::<Vec<_>>(), back);
            }
            for (rank, (score, member)) in model.iter().enumerate() {
                prop_assert_eq!(zset.find(member).map(|place| place.index), Some(rank));
                prop_assert_eq!(zset.score(member).map(f64::to_bits), Some(score.to_bits()));
                prop_assert_eq!(zset.find(member), zset.place(rank));
            }
            let below = model.iter().filter(|(score, _)| *score < bound).count();
            prop_assert_eq!(zset.rank_of(|found| found.score < bound), below);
        }
    }

    #[test]
    fn list_is_a_list(steps in vec(step(), 1..60), ends in vec(any::<u8>(), 60)) {
        let limits = Limits { run_items: 12, ..SMALL };
        let mut value = List::EMPTY.to_vec();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (step, end) in steps.into_iter().zip(ends) {
            match &step {
                Step::Put(text, ..) => {
                    let index = usize::from(end) % (model.len() + 1);
                    let near_full = model.len() >= 12 || is_near_full(&value, model.len());
                    if index < model.len() && end >= 128 {
                        let done = try_change(&mut value, |value| List::read(value).set(index, text, &limits));
                        prop_assert!(done || near_full);
                        if done {
                            model[index].clone_from(text);
                        }
                    } else {
                        let done = try_change(&mut value, |value| List::read(value).insert(index, text, &limits));
                        prop_assert!(done || near_full);
                        if done {
                            model.insert(index, text.clone());
                        }
                    }
                }
                Step::Remove(index) => if let Some(from) = pick(*index, model.len()) {
                    let upto = (from + usize::from(end) % 4).min(model.len());
                    let edit = List::read(&value).remove(from..upto).unwrap();
                    change(&mut value, &edit);
                    model.drain(from..upto);
                },
                Step::Deadline(..) => {
                    let list = List::read(&value);
                    prop_assert!(list.remove(0..model.len() + 1).is_none());
                    prop_assert!(list.set(model.len(), b"x", &limits).is_err());
                }
                Step::Retain(_) | Step::Lessen => whole(&step, &mut value, &mut model),
            }
            let list = List::read(&value);
            prop_assert_eq!(list.iter().map(text_of).collect::<Vec<_>>(), model.clone());
            let mut back: Vec<_> = list.iter().rev().map(text_of).collect();
            back.reverse();
            prop_assert_eq!(&back, &model);
            let each: Vec<_> = (0..=model.len()).map(|index| list.at(index).map(text_of)).collect();
            prop_assert_eq!(each, model.iter().cloned().map(Some).chain([None]).collect::<Vec<_>>());
        }
    }
}

/// What an entry has beside its key and its value: flags and lengths, half a granule, and a place in the table.
const ENTRY_BYTES: f64 = 5.0 + 1.5 + 7.5;

fn hash_of(fields: usize, value_bytes: usize) -> Vec<u8> {
    let mut value = Hash::EMPTY.to_vec();
    for number in 0..fields {
        let (name, text) = (format!("f:{number:05}"), vec![b'x'; value_bytes]);
        assert!(try_change(&mut value, |value| {
            let hash = Hash::read(value);
            hash.set(hash.find(name.as_bytes()), name.as_bytes(), &text, None, &Limits::SEARCHED)
        }));
    }
    value
}

fn zset_of(members: usize) -> Vec<u8> {
    let mut value = Zset::EMPTY.to_vec();
    for number in 0..members {
        let name = format!("member:{number:09}");
        let score = 1_700_000_000.0 + (number * 7919 % 1000) as f64;
        assert!(try_change(&mut value, |value| {
            let zset = Zset::read(value);
            zset.set(zset.find(name.as_bytes()), name.as_bytes(), score, &Limits::SEARCHED)
        }));
    }
    value
}

fn set_of(members: usize, name_of: impl Fn(usize) -> String, empty: &[u8]) -> Vec<u8> {
    let mut value = empty.to_vec();
    for number in 0..members {
        let name = name_of(number);
        assert!(try_change(&mut value, |value| {
            Ok(Set::read(value).add(name.as_bytes(), &Limits::SEARCHED)?.unwrap())
        }));
    }
    value
}

#[test]
fn items_cost_no_more_than_they_may() {
    let each = |value: &[u8], items: usize, payload_bytes: usize| {
        (value.len() as f64 + ENTRY_BYTES) / items as f64 - payload_bytes as f64
    };
    let mut list = List::EMPTY.to_vec();
    for _ in 0..10 {
        assert!(try_change(&mut list, |value| List::read(value).insert(
            0,
            b"an element of 20 byt",
            &Limits::LIST
        )));
    }
    let strings = |members| set_of(members, |number| format!("member:{number:09}"), Set::EMPTY);
    let integers = |members| set_of(members, |number| (100_000_000 + number * 7).to_string(), Set::NO_INTS);
    for (what, bytes, at_most) in [
        ("hash of 10", each(&hash_of(10, 20), 10, 27), 4.5),
        ("hash of 10 with 100 bytes", each(&hash_of(10, 100), 10, 107), 4.5),
        ("hash of 100", each(&hash_of(100, 20), 100, 27), 6.0),
        ("hash of 300", each(&hash_of(300, 20), 300, 27), 6.0),
        ("set of 10", each(&strings(10), 10, 16), 3.0),
        ("set of 200", each(&strings(200), 200, 16), 5.0),
        ("integers", each(&integers(10), 10, 4), 2.0),
        ("sorted set of 10", each(&zset_of(10), 10, 24), 0.0),
        ("sorted set of 200", each(&zset_of(200), 200, 24), 2.0),
        ("list of 10", each(&list, 10, 20), 4.0),
    ] {
        assert!(bytes <= at_most, "{what}: {bytes:.2} bytes beside, {at_most} allowed");
    }
}

#[test]
fn deadlines_cost_six_bytes_a_field_and_the_header_five() {
    let mut value = hash_of(10, 20);
    let before = value.len();
    for index in 0..10 {
        let place = Hash::read(&value).place(index).unwrap();
        let at = Some(1_800_000_000_000 - index as i64);
        let edit = Hash::read(&value).set_deadline(place, at, &Limits::SEARCHED).unwrap();
        change(&mut value, &edit);
        assert_eq!(Hash::read(&value).earliest(), at);
    }
    assert_eq!(value.len(), before + 10 * 6 + 5);
}

#[test]
fn members_of_one_score_are_found_by_their_bytes() {
    for members in [20, 100] {
        let mut value = Zset::EMPTY.to_vec();
        // Integers are kept by their value and ordered as texts all the same.
        for number in 0..members {
            let name = number.to_string();
            assert!(try_change(&mut value, |value| {
                Zset::read(value).set(None, name.as_bytes(), 0.0, &Limits::SEARCHED)
            }));
        }
        let mut names: Vec<String> = (0..members).map(|number| number.to_string()).collect();
        names.sort();
        let zset = Zset::read(&value);
        for bound in ["", "0", "1", "15", "150", "2", "9", "99", "a"] {
            let below = names.iter().filter(|name| name.as_str() < bound).count();
            assert_eq!(zset.rank_of(|found| found.member.cmp_text(bound.as_bytes()).is_lt()), below);
            let up_to = names.iter().filter(|name| name.as_str() <= bound).count();
            assert_eq!(zset.rank_of(|found| found.member.cmp_text(bound.as_bytes()).is_le()), up_to);
        }
    }
}

#[test]
fn run_becomes_a_page_with_its_65th_item_and_a_run_again_with_half_of_that() {
    let (mut value, more) = (hash_of(64, 3), hash_of(65, 3));
    assert_eq!([&value, &more].map(|value| Form::read(value).unwrap().layout()), [Layout::Run, Layout::Page]);
    value = more;
    let end = retain(&mut value, |number| number < 33);
    value.truncate(end);
    assert_eq!(lesser_layout(&value, &Limits::SEARCHED), None);
    let place = Hash::read(&value).place(0).unwrap();
    let edit = Hash::read(&value).remove(place);
    change(&mut value, &edit);
    assert_eq!(lesser_layout(&value, &Limits::SEARCHED), Some(Layout::Run));
    let run = rebuilt(&value, Layout::Run);
    assert_eq!(faults(&run), [""; 0]);
    assert_eq!(Hash::read(&run).iter().collect::<Vec<_>>(), Hash::read(&value).iter().collect::<Vec<_>>());
}

#[test]
fn value_ends_at_its_items_and_at_its_bytes() {
    let value = hash_of(512, 19);
    let set =
        |name: &[u8]| Hash::read(&value).set(None, name, b"", None, &Limits::SEARCHED).map(|edit| edit.len());
    assert_eq!(set(b"513th"), Err(Misfit::Large));
    let value = hash_of(1, 16_200);
    let room = Limits::SEARCHED.bytes - value.len();
    let with = |len: usize| {
        let text = vec![b'y'; len];
        let edit = Hash::read(&value).set(None, b"name", &text, None, &Limits::SEARCHED);
        edit.map(|edit| edit.new_bytes())
    };
    let longest = room - (1 + 4) - 2;
    assert_eq!(with(longest), Ok(Limits::SEARCHED.bytes));
    assert_eq!(with(longest + 1), Err(Misfit::Large));
    let longer = vec![b'y'; element::TEXT_BYTES_MAX + 1];
    let unlimited = Limits { bytes: usize::MAX, ..Limits::SEARCHED };
    assert!(
        Hash::read(&value).set(None, &longer, b"", None, &unlimited).is_err(),
        "its length can't be written"
    );
}

#[test]
fn set_of_integers_grows_wider_and_becomes_a_run_in_ascending_order() {
    let mut value = set_of(3, |number| (3 - number).to_string(), Set::NO_INTS);
    assert_eq!(value.len(), 1 + 3 * 2);
    let mut add = |member: &'static [u8]| {
        assert!(try_change(&mut value, |value| Ok(Set::read(value)
            .add(member, &Limits::SEARCHED)?
            .unwrap())));
        let layout = Form::read(&value).unwrap().layout();
        (layout, value.len(), Set::read(&value).iter().map(text_of).collect::<Vec<_>>().join(&b' '))
    };
    assert_eq!(add(b"-40000"), (Layout::Ints4, 1 + 4 * 4, b"-40000 1 2 3".to_vec()));
    assert_eq!(add(b"5000000000"), (Layout::Ints8, 1 + 5 * 8, b"-40000 1 2 3 5000000000".to_vec()));
    let (layout, _, members) = add(b"x");
    assert_eq!((layout, members), (Layout::Run, b"-40000 1 2 3 5000000000 x".to_vec()));
    assert_eq!(add(b"0").2, b"-40000 1 2 3 5000000000 x 0");
}

#[test]
fn name_outlives_changes_of_value_and_form() {
    let mut value = hash_of(64, 3);
    let edit =
        Hash::read(&value).set(None, b"a", &[b'x'; 65], None, &Limits { run_items: 65, ..Limits::SEARCHED });
    change(&mut value, &edit.unwrap().named());
    assert!(Form::read(&value).unwrap().is_named());
    let place = Hash::read(&value).find(b"a").unwrap();
    let edit = Hash::read(&value).remove(place);
    change(&mut value, &edit);
    let value = rebuilt(&value, Layout::Page);
    assert!(Hash::read(&value).form().is_named());
}
