//! L2: client-side caching: which connections may hold which keys in a cache of their own.
//!
//! A connection is noted for a key *before* it reads the key, and taken out when the key changes, after the
//! write's lock is released: so a reader of an old value is always told. Key names are global, as in Redis:
//! a change in any database invalidates. Knows no socket and no stored value.
//! Invariant: a connection that is taken out is told.

mod prefixes;
mod tracker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::HashMap;
use parking_lot::Mutex;

pub use prefixes::{Broadcast, Prefixes, collide};
pub use tracker::{Changed, Tracker};

use crate::base::gauge::Gauge;
use crate::base::hash::HashSeed;
use crate::base::memory::{class_bytes, vec_bytes};
use crate::base::sparse::shrink_map;

/// Lock stripes; a power of two.
const STRIPES: usize = 64;

/// Which connections may hold which keys.
#[derive(Debug)]
pub struct Tracking {
    stripes: Box<[Mutex<Readers>]>,
    seed: HashSeed,
    keys: AtomicUsize,
    /// Pairs of a key and a connection.
    items: AtomicUsize,
    /// The stripe that gives up a key when there are too many.
    next_stripe: AtomicUsize,
    /// What keys and the lists of their readers take.
    held: Gauge,
    pub prefixes: Prefixes,
    trackers: Mutex<BTreeMap<u64, Arc<Tracker>>>,
}

/// The readers of each key, sorted by client id.
type Readers = HashMap<Box<[u8]>, Vec<Arc<Tracker>>>;

/// A key that is no longer tracked, and the connections that held it.
pub type Forgotten = (Box<[u8]>, Vec<Arc<Tracker>>);

impl Default for Tracking {
    fn default() -> Tracking {
        Tracking {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            seed: HashSeed::random(),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            next_stripe: AtomicUsize::new(0),
            held: Gauge::default(),
            prefixes: Prefixes::default(),
            trackers: Mutex::default(),
        }
    }
}

impl Tracking {
    /// Keys that somebody may hold.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// Pairs of a key and a connection that may hold it.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.load(Relaxed)
    }

    /// Bytes that tracked keys, the lists of their readers, and prefixes take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes() + self.prefixes.held_bytes()
    }

    /// Connections that keep a cache.
    #[must_use]
    pub fn trackers(&self) -> usize {
        self.trackers.lock().len()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Tracker>> {
        self.trackers.lock().values().cloned().collect()
    }

    pub fn add(&self, tracker: Arc<Tracker>) {
        self.trackers.lock().insert(tracker.client, tracker);
    }

    /// A connection keeps no cache any more. What it was noted for is forgotten as those keys change.
    pub fn remove(&self, tracker: &Tracker) {
        tracker.end();
        self.trackers.lock().remove(&tracker.client);
        self.prefixes.remove(tracker.client);
    }

    /// Notes that a connection is about to read a key. Beyond `keys_max` keys (0: no limit) others are
    /// forgotten and returned: their readers must be told.
    pub fn remember(&self, key: &[u8], tracker: &Arc<Tracker>, keys_max: usize) -> Vec<Forgotten> {
        let at = self.stripe_of(key);
        let mut readers = self.stripes[at].lock();
        let is_new = match readers.get_mut(key) {
            Some(held) => {
                let before = vec_bytes(held);
                self.note(held, tracker);
                self.held.change(before, vec_bytes(held));
                false
            }
            None => {
                let before = map_bytes(&readers);
                let held = vec![tracker.clone()];
                let own = class_bytes(key.len()) + vec_bytes(&held);
                readers.insert(Box::from(key), held);
                self.held.change(before, map_bytes(&readers) + own);
                self.items.fetch_add(1, Relaxed);
                true
            }
        };
        drop(readers);
        let is_over = is_new && self.keys.fetch_add(1, Relaxed) >= keys_max && keys_max > 0;
        if is_over { self.trim(keys_max, usize::MAX, at) } else { Vec::new() }
    }

    /// Forgets up to `portion` of the keys beyond `keys_max` (0: no limit), as after the limit was lowered. Their
    /// readers must be told.
    #[must_use]
    pub fn trim_portion(&self, keys_max: usize, portion: usize) -> Vec<Forgotten> {
        if keys_max == 0 { Vec::new() } else { self.trim(keys_max, portion, STRIPES) }
    }

    fn trim(&self, keys_max: usize, portion: usize, avoid: usize) -> Vec<Forgotten> {
        let mut forgotten = Vec::new();
        while self.keys() > keys_max
            && forgotten.len() < portion
            && let Some(one) = self.forget_any(avoid)
        {
            forgotten.push(one);
        }
        forgotten
    }

    fn note(&self, held: &mut Vec<Arc<Tracker>>, tracker: &Arc<Tracker>) {
        match held.binary_search_by_key(&tracker.client, |other| other.client) {
            // One that was switched off and on again is another.
            Ok(at) => held[at] = tracker.clone(),
            Err(at) => {
                held.insert(at, tracker.clone());
                self.items.fetch_add(1, Relaxed);
            }
        }
    }

    /// Forgets a key of the next stripe that has one; `avoid` comes last.
    fn forget_any(&self, avoid: usize) -> Option<Forgotten> {
        let begin = self.next_stripe.fetch_add(1, Relaxed);
        let others = (0..STRIPES).map(|n| (begin + n) % STRIPES).filter(|at| *at != avoid);
        others.chain([avoid % STRIPES]).find_map(|at| {
            let mut readers = self.stripes[at].lock();
            let key = readers.keys().next()?.clone();
            let held = self.remove_from(&mut readers, &key)?;
            Some((key, held))
        })
    }

    /// A key changed: those who may hold it, no longer noted for it.
    #[must_use]
    pub fn take(&self, key: &[u8]) -> Vec<Arc<Tracker>> {
        let mut readers = self.stripes[self.stripe_of(key)].lock();
        self.remove_from(&mut readers, key).unwrap_or_default()
    }

    fn remove_from(&self, readers: &mut Readers, key: &[u8]) -> Option<Vec<Arc<Tracker>>> {
        let before = map_bytes(readers);
        let held = readers.remove(key)?;
        shrink_map(readers);
        self.held.change(before + class_bytes(key.len()) + vec_bytes(&held), map_bytes(readers));
        self.count_removed(1, held.len());
        Some(held)
    }

    /// Everything changed: forgets all keys.
    pub fn clear(&self) {
        for stripe in &self.stripes {
            let readers = std::mem::take(&mut *stripe.lock());
            let lists = readers.iter().map(|(key, held)| class_bytes(key.len()) + vec_bytes(held));
            self.held.change(map_bytes(&readers) + lists.sum::<usize>(), 0);
            self.count_removed(readers.len(), readers.values().map(Vec::len).sum());
        }
    }

    fn count_removed(&self, keys: usize, items: usize) {
        self.keys.fetch_sub(keys, Relaxed);
        self.items.fetch_sub(items, Relaxed);
    }

    fn stripe_of(&self, key: &[u8]) -> usize {
        self.seed.hash(key) as usize % STRIPES
    }
}

fn map_bytes(readers: &Readers) -> usize {
    class_bytes(readers.allocation_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(client: u64) -> Arc<Tracker> {
        Arc::new(Tracker::new(client, Arc::default()))
    }

    fn ids(held: &[Arc<Tracker>]) -> Vec<u64> {
        held.iter().map(|tracker| tracker.client).collect()
    }

    #[test]
    fn reader_is_told_once_for_each_reading() {
        let tracking = Tracking::default();
        let (one, two) = (tracker(1), tracker(2));
        for reader in [&two, &one, &two] {
            assert!(tracking.remember(b"k", reader, 10).is_empty());
        }
        assert_eq!((tracking.keys(), tracking.items()), (1, 2));
        assert_eq!(ids(&tracking.take(b"k")), [1, 2]);
        assert!(tracking.take(b"k").is_empty());
        assert_eq!((tracking.keys(), tracking.items()), (0, 0));
    }

    #[test]
    fn key_beyond_the_limit_costs_another_its_place() {
        let (tracking, one) = (Tracking::default(), tracker(1));
        for key in [b"a", b"b", b"c"] {
            assert!(tracking.remember(key, &one, 3).is_empty());
        }
        let forgotten = tracking.remember(b"d", &one, 3);
        assert_eq!((forgotten.len(), tracking.keys()), (1, 3));
        assert!(tracking.take(&forgotten[0].0).is_empty());
        assert!(tracking.remember(b"e", &one, 0).is_empty(), "0 is no limit");
    }

    #[test]
    fn lowered_limit_forgets_in_portions() {
        let (tracking, one) = (Tracking::default(), tracker(1));
        for key in 0..10 {
            assert!(tracking.remember(&[key], &one, 0).is_empty());
        }
        assert!(tracking.trim_portion(0, 5).is_empty(), "0 is no limit");
        assert_eq!([5, 5, 5].map(|portion| tracking.trim_portion(3, portion).len()), [5, 2, 0]);
        assert_eq!(tracking.keys(), 3);
        let held_bytes = tracking.held_bytes();
        assert!(held_bytes > 3 * 16, "{held_bytes}");
        tracking.clear();
        assert_eq!(tracking.held_bytes(), 0);
    }

    #[test]
    fn who_is_off_or_made_the_change_hears_nothing() {
        let one = tracker(1);
        assert!(one.hears(1) && one.hears(2));
        one.set_terms(true, 0);
        assert!(!one.hears(1) && one.hears(2));
        let tracking = Tracking::default();
        tracking.add(one.clone());
        tracking.remove(&one);
        assert!(!one.hears(2) && tracking.trackers() == 0);
    }
}
