//! The caches that are compared, each replaying a trace at an equal number of keys.

use std::collections::{BTreeSet, HashMap};

use onefill::base::hash::{HashSeed, Key};
use onefill::storage::eviction::LfuRule;
use onefill::storage::{Eviction, Meta, NewValue, Order, Store};

use crate::traces::Trace;

/// A cache to compare.
pub struct Policy {
    pub name: &'static str,
    hits: fn(&Trace, usize) -> usize,
}

/// Those that are simulated exactly.
pub const EXACT: [&str; 2] = ["lru", "optimum"];

/// All of them. `lru` and `optimum` are exact simulations, the others Onefill's storage.
pub const ALL: &[Policy] = &[
    Policy { name: "lru", hits: lru },
    Policy { name: "optimum", hits: optimum },
    Policy { name: "allkeys-s3fifo", hits: |trace, keys| stored(trace, keys, Order::Adaptive, 1) },
    Policy { name: "s3fifo, 8 shards", hits: |trace, keys| stored(trace, keys, Order::Adaptive, 8) },
    Policy { name: "allkeys-lru", hits: |trace, keys| stored(trace, keys, Order::Lru, 1) },
    Policy { name: "allkeys-lfu", hits: |trace, keys| stored(trace, keys, Order::Lfu, 1) },
    Policy { name: "allkeys-random", hits: |trace, keys| stored(trace, keys, Order::Random, 1) },
];

/// Hits in percent of the requests.
pub fn hit_ratio(policy: &Policy, trace: &Trace, keys: usize) -> f64 {
    (policy.hits)(trace, keys) as f64 * 100.0 / trace.requests.len() as f64
}

/// A policy with the settings that a server starts with.
pub fn rule(order: Order) -> Eviction {
    let lfu = LfuRule { log_factor: 10, decay_minutes: 1 };
    Eviction { order, expiring_only: false, samples: 5, lfu }
}

/// Onefill's storage in so many parts, each with its share of the keys. A request takes 1 ms, so that
/// clocks of the sampling policies mean something.
fn stored(trace: &Trace, keys: usize, order: Order, shards: usize) -> usize {
    let seed = HashSeed(1, 2);
    let part = || {
        let mut store = Store::new(seed);
        store.set_eviction(Some(rule(order)), 0);
        store
    };
    let mut parts: Vec<Store> = (0..shards).map(|_| part()).collect();
    let room = keys.div_ceil(shards);
    let mut hits = 0;
    for (now_ms, number) in trace.requests.iter().enumerate() {
        let (now_ms, bytes) = (now_ms as i64, number.to_le_bytes());
        let key = Key { bytes: &bytes, hash: seed.hash(&bytes) };
        let store = &mut parts[(key.hash >> 56) as usize % shards];
        if let Some(found) = store.find(&key) {
            store.note_use(found, now_ms);
            hits += 1;
            continue;
        }
        while store.len() >= room {
            match store.victim(now_ms) {
                Some(victim) => drop(store.remove(victim)),
                None => break,
            }
        }
        store.put(now_ms, &key, &NewValue::Small(b"v"), Meta::value(None));
    }
    hits
}

fn lru(trace: &Trace, room: usize) -> usize {
    let mut last = HashMap::new();
    let mut by_age = BTreeSet::new();
    let mut hits = 0;
    for (at, key) in trace.requests.iter().enumerate() {
        match last.insert(*key, at) {
            Some(before) => {
                hits += 1;
                by_age.remove(&(before, *key));
            }
            None if last.len() > room => {
                if let Some((_, oldest)) = by_age.pop_first() {
                    last.remove(&oldest);
                }
            }
            None => {}
        }
        by_age.insert((at, *key));
    }
    hits
}

/// When the key of each request is asked for again: the number of that request, or `usize::MAX`.
pub fn next_uses(requests: &[u32]) -> Vec<usize> {
    let mut next_use = vec![usize::MAX; requests.len()];
    let mut later = HashMap::new();
    for (at, key) in requests.iter().enumerate().rev() {
        next_use[at] = later.insert(*key, at).unwrap_or(usize::MAX);
    }
    next_use
}

/// Belady's: whoever is used latest makes room.
fn optimum(trace: &Trace, room: usize) -> usize {
    let next_use = next_uses(&trace.requests);
    let mut kept = HashMap::new();
    let mut by_use = BTreeSet::new();
    let mut hits = 0;
    for (at, key) in trace.requests.iter().enumerate() {
        if let Some(due) = kept.insert(*key, next_use[at]) {
            hits += 1;
            by_use.remove(&(due, *key));
        }
        by_use.insert((next_use[at], *key));
        if kept.len() > room
            && let Some((_, latest)) = by_use.pop_last()
        {
            kept.remove(&latest);
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(requests: &[u32]) -> Trace {
        Trace { name: "test", requests: requests.to_vec(), keys: 4 }
    }

    #[test]
    fn simulations_agree_with_a_look_by_hand() {
        // LRU of 2: hits are the second 1 and the last 2. The optimum keeps 1 while 3 passes.
        assert_eq!(lru(&trace(&[1, 2, 1, 3, 2, 2]), 2), 2);
        assert_eq!(optimum(&trace(&[1, 2, 1, 3, 2, 2]), 2), 3);
        assert_eq!(optimum(&trace(&[1, 2, 3, 1, 2, 3]), 2), 2);
    }

    #[test]
    fn storage_keeps_no_more_than_it_may_and_hits_what_it_keeps() {
        let requests: Vec<u32> = (0..2_000).map(|at| at % 50).collect();
        // Spread over several stores each has a few entries' room, and some of the 50 keys find theirs full.
        for policy in ALL[2..].iter().filter(|policy| !policy.name.contains("shards")) {
            assert_eq!((policy.hits)(&trace(&requests), 64), 1_950, "{}", policy.name);
        }
    }
}
