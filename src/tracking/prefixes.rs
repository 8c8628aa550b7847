//! Broadcasting: connections that hear of every change to a key with one of their prefixes.
//!
//! Nothing is noted as they read. Invariant: a prefix without connections is not in the list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::RwLock;

use super::tracker::{Changed, Tracker};
use crate::base::gauge::Gauge;
use crate::base::memory::{class_bytes, vec_bytes};

/// Prefixes and the listeners of each.
#[derive(Debug, Default)]
pub struct Prefixes {
    all: RwLock<Vec<Listeners>>,
    count: AtomicUsize,
    /// What prefixes and the lists of their listeners take.
    held: Gauge,
}

/// A prefix and its listeners.
type Listeners = (Box<[u8]>, Vec<Arc<Tracker>>);

/// Changed keys and the listeners that are to be told.
#[derive(Debug)]
pub struct Broadcast {
    pub keys: Vec<Box<[u8]>>,
    pub trackers: Vec<Arc<Tracker>>,
}

/// Whether a key may have both prefixes.
#[must_use]
pub fn collide(one: &[u8], two: &[u8]) -> bool {
    one.starts_with(two) || two.starts_with(one)
}

impl Prefixes {
    /// Prefixes that somebody listens to.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that prefixes and the lists of their listeners take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Makes a connection listen to a prefix; nothing happens if it does already.
    pub fn add(&self, prefix: &[u8], tracker: &Arc<Tracker>) {
        let mut all = self.all.write();
        let before = bytes_of(&all);
        match all.iter_mut().find(|(other, _)| **other == *prefix) {
            Some((_, listeners)) => {
                if !listeners.iter().any(|other| other.client == tracker.client) {
                    listeners.push(tracker.clone());
                }
            }
            None => all.push((Box::from(prefix), vec![tracker.clone()])),
        }
        self.count.store(all.len(), Relaxed);
        self.held.change(before, bytes_of(&all));
    }

    /// Takes a connection out of all prefixes.
    pub(super) fn remove(&self, client: u64) {
        if self.is_empty() {
            return;
        }
        let mut all = self.all.write();
        let before = bytes_of(&all);
        all.iter_mut().for_each(|(_, listeners)| listeners.retain(|other| other.client != client));
        all.retain(|(_, listeners)| !listeners.is_empty());
        if all.is_empty() {
            *all = Vec::new();
        }
        self.count.store(all.len(), Relaxed);
        self.held.change(before, bytes_of(&all));
    }

    /// Which listeners are to be told of which of these changes. Cost: changes × prefixes.
    #[must_use]
    pub fn broadcasts(&self, changes: &[Changed<'_>]) -> Vec<Broadcast> {
        let mut found = Vec::new();
        for (prefix, listeners) in self.all.read().iter() {
            // Each key once, by the client that changed it last.
            let within = changes.iter().filter(|change| change.key.starts_with(prefix));
            let last: BTreeMap<&[u8], u64> = within.map(|change| (change.key, change.by)).collect();
            if last.is_empty() {
                continue;
            }
            let (own, plain): (Vec<_>, Vec<_>) =
                listeners.iter().cloned().partition(|listener| listener.is_noloop());
            let keys = |by: Option<u64>| {
                last.iter()
                    .filter(|(_, last_by)| by != Some(**last_by))
                    .map(|(key, _)| Box::from(*key))
                    .collect()
            };
            found.push(Broadcast { keys: keys(None), trackers: plain });
            for listener in own {
                found.push(Broadcast { keys: keys(Some(listener.client)), trackers: vec![listener] });
            }
        }
        found.retain(|broadcast| !broadcast.keys.is_empty() && !broadcast.trackers.is_empty());
        found
    }
}

fn bytes_of(all: &Vec<Listeners>) -> usize {
    let each = |(prefix, listeners): &Listeners| class_bytes(prefix.len()) + vec_bytes(listeners);
    vec_bytes(all) + all.iter().map(each).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(prefixes: &Prefixes, changes: &[(&str, u64)]) -> Vec<(u64, String)> {
        let changes: Vec<Changed<'_>> =
            changes.iter().map(|(key, by)| Changed { key: key.as_bytes(), by: *by }).collect();
        let mut told = Vec::new();
        for Broadcast { keys, trackers } in prefixes.broadcasts(&changes) {
            let keys: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
            told.extend(trackers.iter().map(|tracker| (tracker.client, keys.join(" "))));
        }
        told.sort();
        told
    }

    #[test]
    fn changes_are_told_once_sorted_and_by_prefix() {
        let prefixes = Prefixes::default();
        let [one, two] = [1, 2].map(|id| Arc::new(Tracker::new(id, Arc::default())));
        prefixes.add(b"user:", &one);
        prefixes.add(b"user:", &one);
        prefixes.add(b"", &two);
        two.set_terms(true, 0);
        let changes = [("user:2", 9), ("x", 2), ("user:1", 2), ("user:2", 9)];
        assert_eq!(told(&prefixes, &changes), [(1, "user:1 user:2".into()), (2, "user:2".into())]);
        assert_eq!(told(&prefixes, &[("x", 2)]), []);
        // Who changed it last counts: an expiry, nobody's, met by a write of its own tells nothing.
        assert_eq!(told(&prefixes, &[("x", 0), ("x", 2)]), []);
        assert_eq!(told(&prefixes, &[("x", 2), ("x", 0)]), [(2, "x".into())]);
        prefixes.remove(1);
        assert_eq!(prefixes.len(), 1);
    }

    #[test]
    fn prefixes_collide_where_one_begins_the_other() {
        assert!(collide(b"", b"a") && collide(b"ab", b"a") && collide(b"a", b"a") && !collide(b"ab", b"ac"));
    }
}
