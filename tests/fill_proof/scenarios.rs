//! The parts of the contract that are searched, each through every order of its events within its bounds.
//!
//! All of 3 connections, 3 keys and 2 databases with every event is too much for one run; together the parts
//! make each kind of event follow directly on each other kind, which a test here asserts. `FILL_PROOF_DEPTH=n`
//! takes every search n steps further, `FILL_PROOF_DEPTH=all` to its end.

use super::alphabet::*;
use std::collections::HashSet;

use super::search::{Scenario, Seen, search};
use super::step::step;
use super::world::{Rules, World};

/// 1 tick: orphan grace; 2: what a late token is remembered, and the window of failures.
pub const RULES: Rules = Rules {
    conns: 3,
    keys: 1,
    dbs: 1,
    unit_ms: 1,
    fill_wait: 1,
    orphan_grace: 1,
    late: 2,
    window: 2,
    waiters_max: 9,
    flights_max: 9,
    slots_max: 2,
    tokens_kept: 2,
    mutant: None,
};

/// One key: election, hand-over, voids, time, disconnects.
pub const CALLERS: Scenario = Scenario {
    name: "3 callers of one key",
    rules: RULES,
    alphabet: Alphabet {
        gets: &[GET],
        puts: &[(None, 0)],
        fails: &[None, Some(1)],
        dels: true,
        sets: &[None],
        closes: true,
        queue_max: 2,
        ..Alphabet::EMPTY
    },
    depth: 99,
};

/// One key with a TTL, a grace, NONE and PASS, and what ordinary commands see of it.
pub const STALE: Scenario = Scenario {
    name: "stale values of one key",
    rules: Rules { conns: 2, slots_max: 1, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[GET, EARLY, NOT_STALE],
        puts: &[(Some(1), 2), (Some(2), 0)],
        nones: &[Some(1)],
        passes: &[None],
        fails: &[Some(2)],
        softens: &[None, Some(2)],
        dels: true,
        sets: &[Some(1)],
        expires: &[0, 2],
        reads: true,
        evictions: true,
        queue_max: 1,
        ..Alphabet::EMPTY
    },
    depth: 99,
};

/// Slots against flights: statement 9 in its own bounds.
pub const SLOTS: Scenario = Scenario {
    name: "3 connections by 3 keys",
    rules: Rules { keys: 3, slots_max: 3, tokens_kept: 1, ..RULES },
    alphabet: Alphabet { gets: &[Terms3::GET], fails: &[None], behind: true, ..Alphabet::EMPTY },
    depth: 7,
};

/// One lease tick more, so that slots and flights cross before time ends them.
struct Terms3;
impl Terms3 {
    const GET: super::world::Terms = super::world::Terms { wait: 3, lease: 3, ..GET };
}

/// Several keys in one call.
pub const MANY: Scenario = Scenario {
    name: "FILL.MGET of 2 keys",
    rules: Rules { conns: 3, keys: 2, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[GET],
        mgets: &[GET],
        puts: &[(None, 0)],
        fails: &[None],
        dels: true,
        closes: true,
        ..Alphabet::EMPTY
    },
    depth: 6,
};

/// What touches several keys or a whole database.
pub const DATABASES: Scenario = Scenario {
    name: "2 keys in 2 databases",
    rules: Rules { conns: 2, keys: 2, dbs: 2, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[GET],
        puts: &[(None, 0)],
        sets: &[None],
        dels: true,
        multi: true,
        moves: true,
        flushes: true,
        queue_max: 2,
        ..Alphabet::EMPTY
    },
    depth: 5,
};

/// Everything that clients send twice.
pub const RESENDS: Scenario = Scenario {
    name: "resends",
    rules: Rules { conns: 2, slots_max: 1, tokens_kept: 3, ..RULES },
    alphabet: Alphabet {
        gets: &[GET, AS_ONE, DETACHED],
        puts: &[(None, 0)],
        nones: &[None],
        fails: &[None],
        renews: &[None, Some(3)],
        dels: true,
        sets: &[None],
        closes: true,
        queue_max: 1,
        ..Alphabet::EMPTY
    },
    depth: 9,
};

/// Replies that cannot leave: slots before them, sockets that take no more, CLIENT UNBLOCK.
pub const REPLIES: Scenario = Scenario {
    name: "replies held up",
    rules: Rules { conns: 2, keys: 2, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[GET],
        puts: &[(None, 0)],
        fails: &[None],
        reads: true,
        unblocks: true,
        stalls: true,
        closes: true,
        behind: true,
        ..Alphabet::EMPTY
    },
    depth: 7,
};

/// A lease on a value that can be renamed: one that is refreshed early.
pub const RENAMED: Scenario = Scenario {
    name: "a refreshed value is moved",
    rules: Rules { conns: 2, keys: 2, dbs: 2, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[EARLY],
        puts: &[(Some(2), 0)],
        moves: true,
        queue_max: 1,
        ..Alphabet::EMPTY
    },
    depth: 7,
};

/// Limits: few waiters, one flight, one slot.
pub const LIMITS: Scenario = Scenario {
    name: "limits",
    rules: Rules { keys: 2, waiters_max: 1, flights_max: 1, slots_max: 1, tokens_kept: 1, ..RULES },
    alphabet: Alphabet {
        gets: &[GET],
        mgets: &[GET],
        puts: &[(Some(1), 1)],
        fails: &[None, Some(1)],
        dels: true,
        closes: true,
        queue_max: 2,
        ..Alphabet::EMPTY
    },
    depth: 99,
};

/// Every event, not far.
pub const EVERYTHING: Scenario = Scenario {
    name: "everything",
    rules: Rules { keys: 3, dbs: 2, ..RULES },
    alphabet: Alphabet {
        gets: &[GET, NOWAIT, EARLY, NOT_STALE, AS_ONE, DETACHED],
        mgets: &[GET],
        puts: &[(Some(1), 1)],
        nones: &[None],
        passes: &[Some(1)],
        fails: &[None, Some(1)],
        renews: &[None],
        softens: &[Some(2)],
        dels: true,
        sets: &[Some(1)],
        multi: true,
        expires: &[0, 2],
        moves: true,
        flushes: true,
        reads: true,
        unblocks: true,
        evictions: true,
        closes: true,
        stalls: true,
        behind: true,
        queue_max: 3,
    },
    depth: 3,
};

pub const ALL: &[Scenario] =
    &[CALLERS, STALE, SLOTS, MANY, DATABASES, RESENDS, REPLIES, RENAMED, LIMITS, EVERYTHING];

/// How far to search: as the scenario says, further, or to the end.
fn depth_of(scenario: &Scenario) -> usize {
    match std::env::var("FILL_PROOF_DEPTH").as_deref() {
        Ok("all") => usize::MAX,
        Ok(more) => scenario.depth + more.parse::<usize>().expect("FILL_PROOF_DEPTH is a number or all"),
        Err(_) => scenario.depth,
    }
}

fn prove(scenario: &Scenario) -> Seen {
    let began = std::time::Instant::now();
    let seen = search(scenario, depth_of(scenario), None);
    let end = if seen.is_closed { "to the end" } else { "not to the end" };
    println!(
        "{}: {} states, {} steps, depth {}, {end}, {} ms",
        scenario.name,
        seen.states,
        seen.steps,
        seen.depth,
        began.elapsed().as_millis()
    );
    if let Some(broken) = &seen.broken {
        panic!(
            "{}: law {}, {}, is broken:\n{}",
            scenario.name, broken.law.number, broken.law.text, broken.trace
        );
    }
    seen
}

#[test]
fn laws_hold_in_every_order_of_events() {
    let mut pairs = vec![0; KINDS.len()];
    let mut states = 0;
    for scenario in ALL {
        let seen = prove(scenario);
        states += seen.states;
        pairs.iter_mut().zip(&seen.pairs).for_each(|(all, some)| *all |= some);
    }
    let missing: Vec<(&str, &str)> = (0..KINDS.len())
        .flat_map(|first| (0..KINDS.len()).map(move |second| (first, second)))
        .filter(|(first, second)| pairs[*first] & 1 << second == 0)
        .map(|(first, second)| (KINDS[first], KINDS[second]))
        .collect();
    println!("{states} states in {} scenarios", ALL.len());
    assert!(missing.is_empty(), "never one after the other: {missing:?}");
}

/// What can be reached, up to names, in a search that takes worlds with the same `code` for one.
fn reached(scenario: &Scenario, depth: usize, code: fn(&World, &Rules) -> Vec<u8>) -> HashSet<Vec<u8>> {
    let rules = &scenario.rules;
    let start = World::new(rules);
    let mut found = HashSet::from([start.encode_fully(rules)]);
    let mut known = HashSet::from([code(&start, rules)]);
    let mut frontier = vec![start];
    for _ in 0..depth {
        let mut next = Vec::new();
        for before in &frontier {
            for event in scenario.alphabet.events(rules, before) {
                let (after, _) = step(rules, before, &event);
                if known.insert(code(&after, rules)) {
                    found.insert(after.encode_fully(rules));
                    next.push(after);
                }
            }
        }
        frontier = next;
    }
    println!("{}: {} known, {} up to names", scenario.name, known.len(), found.len());
    found
}

/// Taking worlds for one that differ in names alone leaves nothing out: a search that tells them apart by every
/// name reaches the same.
#[test]
fn nothing_is_left_out_by_forgetting_names() {
    let parts = [(&CALLERS, 7), (&SLOTS, 4), (&MANY, 4), (&DATABASES, 3), (&RESENDS, 6), (&REPLIES, 4)];
    for (scenario, depth) in parts {
        let nameless = reached(scenario, depth, World::encode);
        let by_name = reached(scenario, depth, World::encode_plainly);
        assert!(nameless == by_name, "{}", scenario.name);
    }
}
