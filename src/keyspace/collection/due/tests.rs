//! Field deadlines against a map, with a clock that the test holds and limits so small that forms change every few steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::clock::Now;
use crate::base::hash::HashSeed;
use crate::base::limits::SWEEP_FIELDS_MAX;
use crate::base::metrics::{Counter, Counters};
use crate::keyspace::collection::tests::{form_of, forms, round, rules};
use crate::keyspace::{Effects, Expiry, Forms, Keys, Keyspace, Rules, Scope};
use crate::storage::NewValue;

/// A keyspace of two shards whose clock stands where the test puts it.
struct World {
    keyspace: Keyspace,
    counters: Counters,
    rules: Rules,
    wall_ms: i64,
    events: Vec<String>,
}

impl World {
    fn new(rules: Rules, wall_ms: i64) -> World {
        let keyspace = Keyspace::new(2, 4, 0, HashSeed(1, 2));
        World { keyspace, counters: Counters::default(), rules, wall_ms, events: Vec::new() }
    }

    fn run<R>(&mut self, step: impl FnOnce(&mut Keys<'_>) -> R) -> R {
        let now = Now { wall_ms: self.wall_ms, mono_ms: self.wall_ms as u64 };
        let scope = Scope { now, rules: &self.rules, counters: &self.counters, by: 0, touches: true };
        let mut effects = Effects::default();
        let result = step(&mut Keys::new(&self.keyspace, 0, scope, &mut effects));
        self.events.extend(effects.events.iter().map(|event| event.name.to_owned()));
        result
    }

    /// Sweeps all shards once.
    fn sweep(&mut self) {
        self.run(|keys| {
            for shard in 0..4 {
                keys.sweep_shard(shard, true);
            }
        });
    }

    fn faults(&mut self) -> Vec<String> {
        self.run(|keys| keys.recount().stores.faults)
    }

    /// Sets fields of `k`, all with one deadline.
    fn set(&mut self, names: impl Iterator<Item = usize>, expire_at: i64) {
        self.run(|keys| {
            let key = keys.key(b"k");
            let mut view = keys.view(&key);
            let mut hash = view.hash_mut(&key, "hset").expect("a hash");
            for name in names {
                let name = format!("field:{name}");
                hash.set_until(name.as_bytes(), &NewValue::Small(b"v"), Expiry::At(expire_at)).expect("room");
            }
        });
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    PutUntil(u8, usize, i64),
    PutKeeping(u8),
    Expire(u8, i64),
    Persist(u8),
    Remove(u8),
    Wait(i64),
    Sweep,
    Copy,
    Rename,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lens =
        || prop_oneof![6 => 0..12usize, 1 => 15..40usize, 1 => 200..400usize, 1 => 16_384..16_390usize];
    let times =
        || prop_oneof![4 => 1..50i64, 2 => 1..5_000i64, 1 => Just(40_000_000), 1 => Just(5_000_000_000_000)];
    let names = || 0..16u8;
    let step = prop_oneof![
        5 => (names(), lens()).prop_map(|(name, len)| Step::Put(name, len)),
        6 => (names(), lens(), times()).prop_map(|(name, len, ms)| Step::PutUntil(name, len, ms)),
        2 => names().prop_map(Step::PutKeeping),
        6 => (names(), times()).prop_map(|(name, ms)| Step::Expire(name, ms)),
        2 => names().prop_map(Step::Persist),
        4 => names().prop_map(Step::Remove),
        4 => times().prop_map(Step::Wait),
        2 => Just(Step::Sweep),
        1 => Just(Step::Copy),
        1 => Just(Step::Rename),
    ];
    proptest::collection::vec(step, 1..100)
}

type Model = BTreeMap<Vec<u8>, (usize, Option<i64>)>;

/// Makes a step on both sides; whether they said the same.
fn make(world: &mut World, model: &mut Model, step: &Step) -> bool {
    let now_ms = world.wall_ms;
    let value = |len: &usize| vec![b'v'; *len];
    let name_of = |name: &u8| format!("f{name}").into_bytes();
    let put = |world: &mut World, name: &[u8], len: usize, expiry: Expiry| {
        world.run(|keys| {
            let key = keys.key(b"k");
            let mut view = keys.view(&key);
            let mut hash = view.hash_mut(&key, "hset").expect("a hash");
            hash.set_until(name, &NewValue::copied(&value(&len)), expiry)
        })
    };
    match step {
        Step::Put(name, len) => {
            let is_new = put(world, &name_of(name), *len, Expiry::None);
            is_new == Ok(model.insert(name_of(name), (*len, None)).is_none())
        }
        Step::PutUntil(name, len, ms) => {
            let at = now_ms + ms;
            let is_new = put(world, &name_of(name), *len, Expiry::At(at));
            is_new == Ok(model.insert(name_of(name), (*len, Some(at))).is_none())
        }
        Step::PutKeeping(name) => {
            let before = model.get(&name_of(name)).and_then(|field| field.1);
            let is_new = put(world, &name_of(name), 3, Expiry::Keep);
            is_new == Ok(model.insert(name_of(name), (3, before)).is_none())
        }
        Step::Expire(name, ms) => set_deadline(world, model, &name_of(name), Some(now_ms + ms)),
        Step::Persist(name) => set_deadline(world, model, &name_of(name), None),
        Step::Remove(name) => {
            let removed = world.run(|keys| {
                let key = keys.key(b"k");
                keys.view(&key).hash_mut(&key, "hdel").expect("a hash").remove(&name_of(name))
            });
            removed == model.remove(&name_of(name)).is_some()
        }
        Step::Wait(ms) => {
            world.wall_ms += ms;
            let now_ms = world.wall_ms;
            model.retain(|_, (_, at)| at.is_none_or(|at| at > now_ms));
            true
        }
        Step::Sweep => {
            world.sweep();
            true
        }
        Step::Copy | Step::Rename => {
            world.run(|keys| round(keys, matches!(step, Step::Copy)));
            true
        }
    }
}

fn set_deadline(world: &mut World, model: &mut Model, name: &[u8], expire_at: Option<i64>) -> bool {
    let is_there = world.run(|keys| {
        let key = keys.key(b"k");
        keys.view(&key).hash_mut(&key, "hexpire").expect("a hash").set_deadline(name, expire_at)
    });
    let field = model.get_mut(name);
    let is_same = is_there == Ok(field.is_some());
    field.into_iter().for_each(|field| field.1 = expire_at);
    is_same
}

/// What can be seen of the hash.
fn seen(world: &mut World) -> Model {
    world.run(|keys| {
        let key = keys.key(b"k");
        let mut view = keys.view(&key);
        let mut seen = Model::new();
        if let Some(hash) = view.hash(&key).expect("a hash") {
            hash.each_until(|name, value, at| {
                let (name, len) = (name.to_vec(), value.with(<[u8]>::len));
                assert_eq!(hash.expire_at(&name), Some(at));
                assert!(hash.get(&name).is_some());
                seen.insert(name, (len, at));
            });
            assert_eq!(hash.shown(), seen.len());
        }
        seen
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn field_is_there_until_its_time_and_not_a_moment_longer(
        begin in prop_oneof![Just(0i64), Just(1_800_000_000_000)],
        steps in steps(),
    ) {
        let mut world = World::new(rules(forms(), b""), begin);
        let mut model = Model::new();
        for step in steps {
            let is_same = make(&mut world, &mut model, &step);
            prop_assert!(is_same, "{step:?}");
            prop_assert_eq!(world.faults(), [""; 0]);
            // Each other step looks, so that each other finds what nobody has reclaimed.
            if matches!(step, Step::Wait(_) | Step::Sweep | Step::Copy | Step::Rename) {
                prop_assert_eq!(seen(&mut world), model.clone());
            }
        }
        prop_assert_eq!(seen(&mut world), model.clone());
        let has_deadlines = model.values().any(|field| field.1.is_some());
        let subexpiring = world.run(|keys| {
            let key = keys.key(b"k");
            keys.view(&key).subexpiring()
        });
        prop_assert_eq!(subexpiring, usize::from(has_deadlines));
    }
}

#[test]
fn sweeper_takes_due_fields_out_in_slices_and_the_key_with_the_last() {
    let mut world = World::new(rules(Forms::default(), b"AKE"), 1_800_000_000_000);
    world.set(0..1_000, world.wall_ms + 100);
    world.set(1_000..1_001, world.wall_ms + 10_000);
    assert_eq!(world.run(|keys| form_of(keys, b"k")), "large");
    world.wall_ms += 200;
    let mut sweeps = 0;
    while world.counters.get(Counter::ExpiredFields) < 1_000 {
        let before = world.counters.get(Counter::ExpiredFields);
        world.sweep();
        let gone = world.counters.get(Counter::ExpiredFields) - before;
        assert!(gone <= 2 * SWEEP_FIELDS_MAX as u64, "{gone} at once");
        sweeps += 1;
        assert!(sweeps < 200, "it does not end");
    }
    assert_eq!(world.run(|keys| form_of(keys, b"k")), "packed");
    assert_eq!(world.faults(), [""; 0]);
    world.wall_ms += 20_000;
    (0..3).for_each(|_| world.sweep());
    assert_eq!(world.run(|keys| form_of(keys, b"k")), "none");
    assert_eq!(world.events[world.events.len() - 2..], ["hexpired", "del"]);
    assert_eq!(world.counters.get(Counter::ExpiredKeys), 0);
}

#[test]
fn what_nobody_has_reclaimed_yet_is_hidden_from_every_verb() {
    let mut world = World::new(rules(Forms::default(), b""), 1_800_000_000_000);
    world.set(0..2_000, world.wall_ms + 100);
    world.set(2_000..2_010, world.wall_ms + 100_000);
    world.wall_ms += 5_000;
    let (left, shown) = world.run(|keys| {
        let key = keys.key(b"k");
        let mut view = keys.view(&key);
        let hash = view.hash(&key).expect("a hash").expect("it is there");
        let mut drawn = 0;
        hash.draw_distinct(100, |name, _| {
            drawn += 1;
            assert!(name.with(|name| name.starts_with(b"field:20")));
        });
        (0..50).for_each(|_| {
            hash.draw(&mut |name, _| assert!(name.with(|name| name.starts_with(b"field:20"))));
        });
        let mut scanned = 0;
        let mut cursor = 0;
        loop {
            cursor = hash.scan(cursor, 100, |_, _| scanned += 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!((drawn, scanned), (10, 10));
        (hash.len(), hash.shown())
    });
    assert!(left > 1_000 && shown == 10, "{left} are left, {shown} shown");
    world.run(|keys| {
        let key = keys.key(b"k");
        let mut view = keys.view(&key);
        let mut hash = view.hash_mut(&key, "hset").expect("a hash");
        let hidden: Vec<String> = (0..2_000).map(|name| format!("field:{name}")).collect();
        for name in &hidden {
            assert_eq!(hash.expire_at(name.as_bytes()), None);
            assert!(hash.get(name.as_bytes()).is_none() && !hash.remove(name.as_bytes()));
            assert_eq!(hash.set_deadline(name.as_bytes(), None), Ok(false));
        }
        assert_eq!(hash.set_until(hidden[7].as_bytes(), &NewValue::Small(b"w"), Expiry::Keep), Ok(true));
        assert_eq!(hash.expire_at(hidden[7].as_bytes()), Some(None), "nothing comes back");
    });
    assert_eq!(world.faults(), [""; 0]);
}
