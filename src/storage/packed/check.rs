//! What must be true of a packed value: for tests, and for a recount of a whole store.

use super::element::Element;
use super::form::{Form, Layout, Type};
use super::frame::Frame;
use super::ints::Ints;
use super::item::{Item, Second};
use super::list::List;
use super::twoway;
use super::zset::Scored;

/// What is wrong with a value; nothing, if it was made here. Cost: one comparison with all others per item.
#[must_use]
pub fn faults(value: &[u8]) -> Vec<&'static str> {
    let Some(form) = Form::read(value) else { return vec!["no form"] };
    if let Some(ints) = Ints::read(value) {
        let numbers: Vec<i64> = ints.iter_from(0).collect();
        let is_whole = numbers.len() * super::ints::width(form.layout()).unwrap_or(1) + 1 == value.len();
        return told(&[(is_whole, "a part of a number"), (ascends(&numbers), "numbers do not ascend")]);
    }
    if form.of_type() == Type::List {
        let list = List::read(value);
        let (mut left, mut count) = (list.elements(), 0);
        while let Some(bytes) = twoway::first_bytes(left) {
            (left, count) = (&left[bytes..], count + 1);
        }
        let mut back: Vec<_> = list.iter().rev().collect();
        back.reverse();
        let agree = back == list.iter().collect::<Vec<_>>();
        let is_counted = left.is_empty() && count == list.len();
        return told(&[(is_counted, "elements are not as counted"), (agree, "both directions differ")]);
    }
    faults_of(&Frame::read(value, form.of_type()))
}

fn faults_of(frame: &Frame<'_>) -> Vec<&'static str> {
    let mut places: Vec<_> = frame.iter_from(0).places().collect();
    let items: Vec<Item<'_>> = frame.iter_from(0).collect();
    let (bytes, directory) = frame.parts();
    let is_counted = places.len() == frame.len() && items.len() == frame.len();
    let tags: Vec<u8> = items.iter().map(|item| item.first.hash_tag()).collect();
    let are_tagged = directory.is_none_or(|directory| directory.tags() == tags);
    places.sort_unstable_by_key(|place| place.at);
    let follow = places.windows(2).all(|pair| pair[0].end == pair[1].at);
    let covers = follow
        && places.first().is_none_or(|place| place.at == 0)
        && places.last().map_or(0, |place| place.end) == bytes.len();
    let deadlines: Vec<i64> = items.iter().filter_map(|item| item.expire_at).collect();
    let earliest_is_true = frame.earliest() == deadlines.iter().min().copied();
    let is_unique =
        items.iter().enumerate().all(|(at, item)| items[..at].iter().all(|other| other.first != item.first));
    let scored: Vec<Scored<'_>> = items.iter().filter_map(scored_of).collect();
    let ascend = scored.windows(2).all(|pair| {
        let member = pair[1].member.text(&mut itoa::Buffer::new()).to_vec();
        pair[0].cmp_to(pair[1].score, &member).is_lt()
    });
    let are_short_runs = frame.form().layout() == Layout::Page || frame.len() <= super::form::RUN_LEN_MAX;
    let are_canonical = items.iter().all(|item| is_canonical(item.first));
    told(&[
        (frame.is_sound(), "no value of its type"),
        (is_counted && are_short_runs, "items are not as counted"),
        (are_tagged, "a tag is not its item's"),
        (covers, "items do not cover their bytes"),
        (earliest_is_true, "the earliest deadline is another"),
        (
            deadlines.is_empty() != frame.form().has_deadlines(),
            "the header does not know whether there are deadlines",
        ),
        (is_unique, "an item is there twice"),
        (ascend, "scores do not ascend"),
        (are_canonical, "an integer is kept as text"),
    ])
}

fn is_canonical(element: Element<'_>) -> bool {
    match element {
        Element::Int(_) => true,
        Element::Bytes(bytes) => Element::of(bytes) == element,
    }
}

fn scored_of<'a>(item: &Item<'a>) -> Option<Scored<'a>> {
    match item.second {
        Second::Score(score) => Some(Scored { member: item.first, score }),
        Second::Nothing | Second::Value(_) => None,
    }
}

fn ascends(numbers: &[i64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

fn told(facts: &[(bool, &'static str)]) -> Vec<&'static str> {
    facts.iter().filter(|(holds, _)| !holds).map(|(_, fault)| *fault).collect()
}
