//! The handle against a sorted list, with limits so small that forms change every few steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::keyspace::collection::encoding;
use crate::keyspace::collection::tests::{form_of, forms, names, round, rules, with_keys};
use crate::keyspace::{Forms, Keys, SortedRef};
use crate::storage::NewValue;

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRanks(usize, usize),
    Copy,
    Rename,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let scores = prop_oneof![
        6 => (-3..4i32).prop_map(f64::from),
        2 => Just(0.5),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ];
    // Longer than what is packed may be, so that a large set of one member is met.
    let names = prop_oneof![20 => names(), 1 => Just(vec![b'l'; 400])];
    let step = prop_oneof![
        12 => (names, scores).prop_map(|(name, score)| Step::Set(name, score)),
        6 => super::super::tests::names().prop_map(Step::Remove),
        1 => Just(Step::Remove(vec![b'l'; 400])),
        2 => (0..20usize, 0..12usize).prop_map(|(at, count)| Step::RemoveRanks(at, count)),
        1 => Just(Step::Copy),
        1 => Just(Step::Rename),
    ];
    proptest::collection::vec(step, 1..120)
}

type Model = BTreeMap<Vec<u8>, f64>;

fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    all
}

fn listed(set: SortedRef<'_>, ranks: std::ops::Range<usize>, is_reverse: bool) -> Vec<(Vec<u8>, f64)> {
    let mut seen = Vec::new();
    set.each_of(ranks, is_reverse, |member, score| seen.push((member.to_vec(), score)));
    seen
}

/// What is told of a set otherwise than its list says.
fn disagreements(set: SortedRef<'_>, all: &[(Vec<u8>, f64)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |what: &str, holds: bool| faults.extend((!holds).then(|| what.to_owned()));
    expect("len", set.len() == all.len());
    expect("all", listed(set, 0..all.len(), false) == all);
    let half = all.len() / 3..all.len() / 3 * 2;
    let reversed: Vec<_> = all[half.clone()].iter().rev().cloned().collect();
    expect("in reverse", listed(set, half, true) == reversed);
    for (rank, (member, score)) in all.iter().enumerate() {
        expect("rank", set.rank(member) == Some((rank, *score)) && set.score(member) == Some(*score));
    }
    for bound in [f64::NEG_INFINITY, -1.0, 0.25, 2.0, f64::INFINITY] {
        let below = all.iter().filter(|(_, score)| *score < bound).count();
        let up_to = all.iter().filter(|(_, score)| *score <= bound).count();
        expect("scores", (set.before_score(bound, false), set.before_score(bound, true)) == (below, up_to));
    }
    if all.iter().all(|(_, score)| *score == all[0].1) {
        for bound in [&b""[..], b"-1", b"c", b"z"] {
            let below = all.iter().filter(|(member, _)| &member[..] < bound).count();
            let up_to = all.iter().filter(|(member, _)| &member[..] <= bound).count();
            expect(
                "members",
                (set.before_member(bound, false), set.before_member(bound, true)) == (below, up_to),
            );
        }
    }
    expect("absent", set.rank(b"absent").is_none() && set.score(b"absent").is_none());
    let mut visited = Vec::new();
    let mut cursor = set.scan(0, 3, |member, _| visited.push(member.to_vec()));
    while cursor != 0 {
        cursor = set.scan(cursor, 3, |member, _| visited.push(member.to_vec()));
    }
    visited.sort();
    visited.dedup();
    expect("scan", visited.len() == all.len());
    let mut drawn = 0;
    set.draw_distinct(all.len() / 2, |_, _| drawn += 1);
    expect("drawn", drawn == all.len() / 2);
    faults
}

fn run(keys: &mut Keys<'_>, step: Step, model: &mut Model) -> Vec<String> {
    let key = keys.key(b"k");
    let mut faults = Vec::new();
    match step {
        Step::Set(member, score) => {
            let mut view = keys.view(&key);
            let mut set = view.sorted_mut(&key, "zadd").expect("a sorted set");
            let before = model.insert(member.clone(), score);
            let updated = set.update(&member, |before| before.map_or(Some(score), |_| Some(score)));
            faults.extend((updated.map(|updated| updated.before) != Ok(before)).then(|| "before".to_owned()));
            let same = set.update(&member, |_| None).map(|updated| (updated.before, updated.is_new()));
            faults.extend((same != Ok((Some(score), false))).then(|| "left alone".to_owned()));
        }
        Step::Remove(member) => {
            let removed = keys.view(&key).sorted_mut(&key, "zrem").expect("a sorted set").remove(&member);
            faults.extend((removed != model.remove(&member).is_some()).then(|| "removed".to_owned()));
        }
        Step::RemoveRanks(at, count) => {
            for (member, _) in sorted(model).into_iter().skip(at).take(count) {
                model.remove(&member);
            }
            keys.view(&key).sorted_mut(&key, "zrem").expect("a sorted set").remove_ranks(at..at + count);
        }
        Step::Copy => round(keys, true),
        Step::Rename => round(keys, false),
    }
    faults
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn sorted_set_is_a_sorted_list(steps in steps()) {
        let rules = rules(forms(), b"");
        let (mut model, mut faults) = (Model::new(), Vec::new());
        with_keys(&rules, |keys| for step in steps {
            faults.extend(run(keys, step, &mut model));
            let all = sorted(&model);
            let key = keys.key(b"k");
            let mut view = keys.view(&key);
            match view.sorted(&key).expect("a sorted set") {
                Some(set) => faults.extend(disagreements(set, &all)),
                None => faults.extend((!all.is_empty()).then(|| "the key is gone".to_owned())),
            }
            drop(view);
            faults.extend(keys.recount().stores.faults);
        });
        prop_assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn forms_come_and_go_and_the_name_stays() {
    let rules = rules(forms(), b"");
    with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        let told = |keys: &mut Keys<'_>| {
            let name = keys.view(&key).entry(&key).and_then(|entry| encoding(&entry));
            (name.unwrap_or("none"), form_of(keys, b"k"))
        };
        let put = |keys: &mut Keys<'_>, member: &[u8]| {
            let mut view = keys.view(&key);
            let mut set = view.sorted_mut(&key, "zadd").expect("a sorted set");
            set.update(member, |_| Some(1.0)).expect("it has room");
        };
        (0..4u8).for_each(|number| put(keys, &[b'a' + number]));
        assert_eq!(told(keys), ("listpack", "packed"));
        put(keys, b"e");
        assert_eq!(told(keys), ("skiplist", "packed"));
        (5..13u8).for_each(|number| put(keys, &[b'a' + number]));
        assert_eq!(told(keys), ("skiplist", "large"));
        keys.view(&key).sorted_mut(&key, "zrem").expect("a sorted set").remove_ranks(2..13);
        assert_eq!(told(keys), ("skiplist", "packed"));
        keys.view(&key).remove(&key);
        put(keys, &[b'x'; 20]);
        assert_eq!(told(keys), ("listpack", "packed"));
        put(keys, &[b'x'; 21]);
        assert_eq!(told(keys), ("skiplist", "packed"));
        keys.view(&key).remove(&key);
        let mut view = keys.view(&key);
        let mut set = view.sorted_mut(&key, "zadd").expect("no key");
        set.brings(5);
        set.update(b"a", |_| Some(1.0)).expect("it has room");
        drop(set);
        drop(view);
        assert_eq!(told(keys), ("skiplist", "packed"), "by the number of words alone");
    });
}

#[test]
fn what_changed_is_told_once_and_the_last_member_takes_the_key_along() {
    let rules = rules(Forms::default(), b"AKEn");
    let told = with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        let mut view = keys.view(&key);
        let mut set = view.sorted_mut(&key, "zadd").expect("no key");
        for member in [b"a", b"b", b"c"] {
            set.update(member, |_| Some(1.0)).expect("it has room");
        }
        drop(set);
        let mut set = view.sorted_mut(&key, "zadd").expect("a sorted set");
        set.update(b"a", |_| Some(1.0)).expect("it has room");
        set.update(b"absent", |_| None).expect("nothing to do");
        assert!(!set.remove(b"absent"));
        set.remove_ranks(3..9);
        drop(set);
        view.sorted_mut(&key, "zremrangebyrank").expect("a sorted set").remove_ranks(0..2);
        let mut set = view.sorted_mut(&key, "zrem").expect("a sorted set");
        assert!(set.remove(b"c") && set.as_ref().is_none() && !set.remove(b"c"));
        drop(set);
        assert!(!view.has(&key));
        let mut scores = view.keyspace.fresh_scores();
        scores.put(b"m", 1.0, &Forms::default()).expect("it has room");
        view.store_scores(&key, scores, "zunionstore");
        assert!(view.hash(&key).is_err() && view.sorted(&key).is_ok_and(|set| set.is_some()));
        assert!(view.scored(&key).is_ok_and(|items| items.is_some()) && view.peek_scored(&key).is_some());
        let empty = view.keyspace.fresh_scores();
        view.store_scores(&key, empty, "zdiffstore");
        view.hash_mut(&key, "hset").expect("no key").set(b"f", &NewValue::Small(b"v")).expect("it has room");
        assert!(view.sorted(&key).is_err() && view.sorted_mut(&key, "zadd").is_err());
        assert!(view.scored(&key).is_err() && view.peek_scored(&key).is_none());
    });
    let expected = [
        "new k",
        "zadd k",
        "zremrangebyrank k",
        "zrem k",
        "del k",
        "new k",
        "zunionstore k",
        "del k",
        "new k",
        "hset k",
    ];
    assert_eq!(told, expected);
}
