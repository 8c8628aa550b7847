//! Handles against std collections, with limits so small that forms change every few steps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Forms, ListName, SetRef};
use crate::base::clock::Now;
use crate::base::events::Classes;
use crate::base::hash::HashSeed;
use crate::base::metrics::Counters;
use crate::keyspace::{Effects, Keys, Keyspace, Rules, Scope};
use crate::storage::packed::Limits;
use crate::storage::{Collected, NewValue};

pub(super) fn forms() -> Forms {
    let packed = Limits { items: 12, run_items: 4, bytes: 300 };
    Forms {
        packed,
        hash_entries: 8,
        hash_value_bytes: 20,
        set_ints: 6,
        set_entries: 4,
        set_value_bytes: 20,
        zset_entries: 4,
        zset_value_bytes: 20,
        list: Limits { run_items: 12, ..packed },
        list_name: ListName::Items(8),
    }
}

pub(super) fn rules(forms: Forms, events: &[u8]) -> Rules {
    Rules {
        wait_ms: 0,
        lease_ms: 0,
        beta: 1.0,
        grace_ms: 0,
        orphan_grace_ms: 0,
        late_ms: 0,
        waiters_per_key: 1,
        flights: 1,
        fill_bytes: usize::MAX,
        leases_per_connection: 1,
        eviction: None,
        events: Classes::parse(events).map(Classes::in_effect).unwrap_or_default(),
        forms,
    }
}

/// Runs a test over one database; returns the events it told.
pub(super) fn with_keys(rules: &Rules, test: impl FnOnce(&mut Keys<'_>)) -> Vec<String> {
    let keyspace = Keyspace::new(2, 4, 0, HashSeed(1, 2));
    let counters = Counters::default();
    let now = Now { wall_ms: 0, mono_ms: 0 };
    let scope = Scope { now, rules, counters: &counters, by: 0, touches: true };
    let mut effects = Effects::default();
    test(&mut Keys::new(&keyspace, 0, scope, &mut effects));
    effects.events.iter().map(|event| format!("{} {}", event.name, event.key.escape_ascii())).collect()
}

/// How the key's collection lies.
pub(super) fn form_of(keys: &mut Keys<'_>, name: &[u8]) -> &'static str {
    let key = keys.key(name);
    match keys.view(&key).entry(&key).and_then(|entry| entry.collection()) {
        Some(Collected::Packed(_)) => "packed",
        Some(Collected::Large(_)) => "large",
        None => "none",
    }
}

/// A name: mostly an integer, sometimes text, rarely a long one.
pub(super) fn names() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => (-9..9i64).prop_map(|number| number.to_string().into_bytes()),
        3 => (0..12u8).prop_map(|letter| vec![b'a' + letter]),
        1 => (0..3u8, 15..30usize).prop_map(|(letter, len)| vec![b'x' + letter; len]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, usize),
    Remove(Vec<u8>),
    Clear,
    Copy,
    Rename,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lens = prop_oneof![6 => 0..12usize, 1 => 15..40usize, 1 => 200..400usize, 1 => 16_384..16_390usize];
    let step = prop_oneof![
        12 => (names(), lens).prop_map(|(name, len)| Step::Put(name, len)),
        9 => names().prop_map(Step::Remove),
        1 => Just(Step::Clear),
        1 => Just(Step::Copy),
        1 => Just(Step::Rename),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What COPY and RENAME do: the value goes to another name, and comes back.
pub(super) fn round(keys: &mut Keys<'_>, copies: bool) {
    let (key, other) = (keys.key(b"k"), keys.key(b"other"));
    let taken = if copies { keys.view(&key).copy_out(&key) } else { keys.view(&key).take(&key) };
    let Some((value, meta)) = taken else { return };
    keys.view(&other).put_back(&other, value, meta);
    keys.view(&key).remove(&key);
    let taken = keys.view(&other).take(&other);
    if let Some((value, meta)) = taken {
        keys.view(&key).put_back(&key, value, meta);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn hash_is_a_map(steps in steps()) {
        let rules = rules(forms(), b"");
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut faults = Vec::new();
        with_keys(&rules, |keys| for step in steps {
            let key = keys.key(b"k");
            match step {
                Step::Put(name, len) => {
                    let value = vec![b'v'; len];
                    let mut view = keys.view(&key);
                    let is_new = view.hash_mut(&key, "hset").expect("a hash").set(&name, &NewValue::copied(&value));
                    faults.extend((is_new != Ok(!model.contains_key(&name))).then(|| "is new".to_owned()));
                    model.insert(name, value);
                }
                Step::Remove(name) => {
                    let removed = keys.view(&key).hash_mut(&key, "hdel").expect("a hash").remove(&name);
                    faults.extend((removed != model.remove(&name).is_some()).then(|| "removed".to_owned()));
                }
                Step::Clear => {
                    keys.view(&key).remove(&key);
                    model.clear();
                }
                Step::Copy => round(keys, true),
                Step::Rename => round(keys, false),
            }
            let mut seen = BTreeMap::new();
            let mut view = keys.view(&key);
            if let Some(hash) = view.hash(&key).expect("a hash") {
                hash.each(|name, value| drop(seen.insert(name.to_vec(), value.to_vec())));
                let agrees = |(name, value): (&Vec<u8>, &Vec<u8>)| hash.get(name).map(|found| found.to_vec()) == Some(value.clone());
                faults.extend((!model.iter().all(agrees)).then(|| "get".to_owned()));
                faults.extend((hash.len() != model.len() || hash.is_empty()).then(|| "len".to_owned()));
            }
            drop(view);
            faults.extend((seen != model).then(|| format!("{seen:?} is not {model:?}")));
            faults.extend(keys.recount().stores.faults);
        });
        prop_assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn set_is_a_set(steps in steps()) {
        let rules = rules(forms(), b"");
        let mut model: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut faults = Vec::new();
        with_keys(&rules, |keys| for step in steps {
            let key = keys.key(b"k");
            match step {
                Step::Put(name, _) => {
                    let is_new = keys.view(&key).set_mut(&key, "sadd").expect("a set").add(&name);
                    faults.extend((is_new != Ok(model.insert(name))).then(|| "is new".to_owned()));
                }
                Step::Remove(name) => {
                    let removed = keys.view(&key).set_mut(&key, "srem").expect("a set").remove(&name);
                    faults.extend((removed != model.remove(&name)).then(|| "removed".to_owned()));
                }
                Step::Clear => {
                    keys.view(&key).set_mut(&key, "spop").expect("a set").clear();
                    model.clear();
                }
                Step::Copy => round(keys, true),
                Step::Rename => round(keys, false),
            }
            let mut view = keys.view(&key);
            let set = view.set_of(&key).expect("a set");
            let members = set.map_or_else(Vec::new, |set: SetRef<'_>| set.members());
            faults.extend((members.len() != model.len()).then(|| "a member twice".to_owned()));
            if let Some(set) = set {
                faults.extend((!model.iter().all(|member| set.contains(member))).then(|| "contains".to_owned()));
                let mut drawn = BTreeSet::new();
                let wanted = model.len() / 2;
                set.draw_distinct(wanted, |member, _| {
                    drawn.insert(member.to_vec());
                });
                faults.extend((drawn.len() != wanted || !drawn.is_subset(&model)).then(|| "drawn".to_owned()));
            }
            let same = members.into_iter().collect::<BTreeSet<_>>() == model;
            drop(view);
            faults.extend((!same).then(|| "members".to_owned()));
            faults.extend(keys.recount().stores.faults);
        });
        prop_assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn scan_meets_all_that_stays_while_forms_change() {
    let rules = rules(forms(), b"");
    with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        for first in [5, 40, 400] {
            keys.view(&key).remove(&key);
            let add = |keys: &mut Keys<'_>, number: usize| {
                let name = format!("member:{number}");
                keys.view(&key)
                    .set_mut(&key, "sadd")
                    .expect("a set")
                    .add(name.as_bytes())
                    .expect("it has room");
            };
            (0..first).for_each(|number| add(keys, number));
            let (mut cursor, mut seen, mut more) = (0, BTreeSet::new(), first);
            loop {
                cursor = keys.view(&key).set_of(&key).expect("a set").map_or(0, |set| {
                    set.scan(cursor, 3, |member, _| {
                        seen.insert(member.to_vec());
                    })
                });
                if cursor == 0 {
                    break;
                }
                // It grows for a while, and then all but three go.
                if more < first * 2 {
                    (more..more + 5).for_each(|number| add(keys, number));
                    more += 5;
                } else if form_of(keys, b"k") == "large" {
                    for number in 3..more {
                        let name = format!("member:{number}");
                        keys.view(&key).set_mut(&key, "srem").expect("a set").remove(name.as_bytes());
                    }
                }
            }
            for stays in 0..3 {
                assert!(seen.contains(format!("member:{stays}").as_bytes()), "{stays} of {first}");
            }
        }
    });
}

#[test]
fn forms_come_and_go_and_names_stay() {
    let rules = rules(forms(), b"");
    with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        let named = |keys: &mut Keys<'_>| {
            keys.view(&key).entry(&key).and_then(|entry| super::encoding(&entry)).unwrap_or("none")
        };
        let add = |keys: &mut Keys<'_>, member: &[u8]| {
            keys.view(&key).set_mut(&key, "sadd").expect("a set").add(member).expect("it has room");
        };
        (0..6u8).for_each(|number| add(keys, &[b'0' + number]));
        assert_eq!((named(keys), form_of(keys, b"k")), ("intset", "packed"));
        add(keys, b"6");
        assert_eq!((named(keys), form_of(keys, b"k")), ("hashtable", "packed"));
        (10..20u8).for_each(|number| add(keys, number.to_string().as_bytes()));
        assert_eq!((named(keys), form_of(keys, b"k")), ("hashtable", "large"));
        (10..20u8).for_each(|number| {
            keys.view(&key).set_mut(&key, "srem").expect("a set").remove(number.to_string().as_bytes());
        });
        (3..7u8).for_each(|number| {
            keys.view(&key).set_mut(&key, "srem").expect("a set").remove(number.to_string().as_bytes());
        });
        assert_eq!((named(keys), form_of(keys, b"k")), ("hashtable", "packed"));
        keys.view(&key).remove(&key);
        add(keys, b"1");
        add(keys, b"a");
        assert_eq!(named(keys), "listpack");
        add(keys, &[b'x'; 21]);
        assert_eq!(named(keys), "hashtable");
        keys.view(&key).remove(&key);
        let mut view = keys.view(&key);
        let mut set = view.set_mut(&key, "sadd").expect("a set");
        set.brings(7);
        set.add(b"1").expect("it has room");
        drop(set);
        drop(view);
        assert_eq!(named(keys), "hashtable", "as many words as an intset does not have");
    });
}

#[test]
fn what_changed_is_told_once_and_the_last_item_takes_the_key_along() {
    let rules = rules(Forms::default(), b"AKEn");
    let told = with_keys(&rules, |keys| {
        let key = keys.key(b"k");
        let mut view = keys.view(&key);
        let mut hash = view.hash_mut(&key, "hset").expect("a hash");
        hash.set(b"a", &NewValue::Small(b"1")).expect("it has room");
        hash.set(b"b", &NewValue::Small(b"2")).expect("it has room");
        drop(hash);
        assert!(!view.hash_mut(&key, "hdel").expect("a hash").remove(b"absent"));
        let mut hash = view.hash_mut(&key, "hdel").expect("a hash");
        assert!(hash.remove(b"a") && hash.remove(b"b") && !hash.remove(b"b"));
        drop(hash);
        assert!(!view.has(&key));
        view.set_mut(&key, "sadd").expect("no key").add(b"m").expect("it has room");
        assert!(view.hash(&key).is_err() && view.hash_mut(&key, "hset").is_err() && view.read(&key).is_err());
        let empty = view.keyspace.fresh(crate::storage::packed::Type::Set);
        view.store_set(&key, empty, "sinterstore");
    });
    assert_eq!(told, ["new k", "hset k", "hdel k", "del k", "new k", "sadd k", "del k"]);
}
