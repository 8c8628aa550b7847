//! The caches that are compared where values differ in length: each replays a load within an equal number of bytes, those
//! of keys and values.

use std::collections::{BTreeSet, HashMap};

use onefill::base::hash::{HashSeed, Key};
use onefill::storage::{Meta, NewValue, Order, Store};

use crate::policies;
use crate::replay::{Hits, Sizes};
use crate::wire::KEY_BYTES;

/// A cache to compare.
pub struct Policy {
    pub name: &'static str,
    hits: fn(&[u32], Sizes<'_>, usize) -> Hits,
}

/// All of them. `lru` is exact. `latest next use` drops what will be used latest, whatever its length: the optimum where
/// values are alike, and near it where they are not. The others are Onefill's storage.
pub const ALL: &[Policy] = &[
    Policy { name: "lru", hits: lru },
    Policy {
        name: "allkeys-s3fifo",
        hits: |requests, sizes, room| stored(requests, sizes, room, Order::Adaptive),
    },
    Policy { name: "allkeys-lru", hits: |requests, sizes, room| stored(requests, sizes, room, Order::Lru) },
    Policy { name: "allkeys-lfu", hits: |requests, sizes, room| stored(requests, sizes, room, Order::Lfu) },
    Policy {
        name: "allkeys-random",
        hits: |requests, sizes, room| stored(requests, sizes, room, Order::Random),
    },
    Policy { name: "latest next use", hits: latest_next_use },
];

impl Policy {
    /// Replays the requests within so many bytes.
    pub fn replay(&self, requests: &[u32], sizes: Sizes<'_>, room: usize) -> Hits {
        (self.hits)(requests, sizes, room)
    }
}

/// What an entry weighs.
fn weight(sizes: Sizes<'_>, key: u32) -> usize {
    KEY_BYTES + sizes.of(key)
}

/// Onefill's storage, as one store. What is longer than the whole room is not stored.
fn stored(requests: &[u32], sizes: Sizes<'_>, room: usize, order: Order) -> Hits {
    let seed = HashSeed(1, 2);
    let mut store = Store::new(seed);
    store.set_eviction(Some(policies::rule(order)), 0);
    let longest = requests.iter().map(|key| sizes.of(*key)).max().unwrap_or(0);
    let value = vec![b'v'; longest];
    let (mut hits, mut held) = (Hits::default(), 0);
    for (now_ms, number) in requests.iter().enumerate() {
        let now_ms = now_ms as i64;
        let text = number.to_le_bytes();
        let key = Key { bytes: &text, hash: seed.hash(&text) };
        let found = store.find(&key);
        hits.note(found.is_some(), sizes.of(*number));
        if let Some(found) = found {
            store.note_use(found, now_ms);
            continue;
        }
        let weight = weight(sizes, *number);
        if weight > room {
            continue;
        }
        while held + weight > room {
            let Some(victim) = store.victim(now_ms) else { break };
            held -= KEY_BYTES + store.entry(victim).value().map_or(0, |value| value.len());
            drop(store.remove(victim));
        }
        held += weight;
        store.put(now_ms, &key, &NewValue::copied(&value[..sizes.of(*number)]), Meta::value(None));
    }
    hits
}

/// Keys in the order in which they go, within a room of bytes.
struct Ordered<'a> {
    sizes: Sizes<'a>,
    room: usize,
    held: usize,
    places: HashMap<u32, usize>,
    by_place: BTreeSet<(usize, u32)>,
}

impl<'a> Ordered<'a> {
    fn new(sizes: Sizes<'a>, room: usize) -> Ordered<'a> {
        Ordered { sizes, room, held: 0, places: HashMap::new(), by_place: BTreeSet::new() }
    }

    /// Puts a key at a place. True where it was there.
    fn put(&mut self, key: u32, place: usize) -> bool {
        let before = self.places.insert(key, place);
        match before {
            Some(before) => drop(self.by_place.remove(&(before, key))),
            None => self.held += weight(self.sizes, key),
        }
        self.by_place.insert((place, key));
        before.is_some()
    }

    /// Takes keys out, as `next` chooses them, until the rest fits.
    fn make_room(&mut self, next: impl Fn(&mut BTreeSet<(usize, u32)>) -> Option<(usize, u32)>) {
        while self.held > self.room
            && let Some((_, key)) = next(&mut self.by_place)
        {
            self.places.remove(&key);
            self.held -= weight(self.sizes, key);
        }
    }
}

fn lru(requests: &[u32], sizes: Sizes<'_>, room: usize) -> Hits {
    let mut kept = Ordered::new(sizes, room);
    let mut hits = Hits::default();
    for (at, key) in requests.iter().enumerate() {
        let fits = weight(sizes, *key) <= room;
        hits.note(fits && kept.put(*key, at), sizes.of(*key));
        kept.make_room(BTreeSet::pop_first);
    }
    hits
}

fn latest_next_use(requests: &[u32], sizes: Sizes<'_>, room: usize) -> Hits {
    let next_use = policies::next_uses(requests);
    let mut kept = Ordered::new(sizes, room);
    let mut hits = Hits::default();
    for (at, key) in requests.iter().enumerate() {
        let fits = weight(sizes, *key) <= room;
        hits.note(fits && kept.put(*key, next_use[at]), sizes.of(*key));
        kept.make_room(BTreeSet::pop_last);
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key 0 has a value of 100 bytes, the others of 10.
    const SIZES: [u32; 5] = [100, 10, 10, 10, 10];

    #[test]
    fn simulations_agree_with_a_look_by_hand() {
        // Room for two of the short ones.
        let room = 2 * (KEY_BYTES + 10);
        let sizes = Sizes::Each(&SIZES);
        let hits = lru(&[1, 2, 0, 1, 3, 2, 3], sizes, room);
        assert_eq!((hits.asked, hits.hit, hits.bytes_asked, hits.bytes_hit), (7, 2, 160, 20));
        // The optimum keeps 2 while 3 comes, which LRU has dropped for 1.
        assert_eq!(latest_next_use(&[1, 2, 0, 1, 3, 2, 3], sizes, room).hit, 3);
    }

    #[test]
    fn a_long_value_costs_as_many_short_ones() {
        let room = KEY_BYTES + 100;
        let sizes = Sizes::Each(&SIZES);
        for policy in ALL {
            assert_eq!(policy.replay(&[1, 2, 1, 2], sizes, room).hit, 2, "{}", policy.name);
            assert_eq!(policy.replay(&[0, 0, 0], sizes, room).bytes_hit, 200, "{}", policy.name);
            // Longer than the room, and no harm to the others.
            assert_eq!(policy.replay(&[1, 0, 1, 0], sizes, room - 1).hit, 1, "{}", policy.name);
        }
    }
}
