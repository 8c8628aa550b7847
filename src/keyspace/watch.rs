//! WATCH: the connections that want to know that a key was touched.
//!
//! A watch is a flag shared between the connection and the shards of its keys; a touch raises it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hashbrown::{HashMap, HashSet};

use crate::base::gauge::Gauge;
use crate::base::hash::Key;
use crate::base::memory::{arc_bytes, class_bytes, vec_bytes};
use crate::base::sparse::shrink_map;
use crate::base::sync::AtomicBool;

/// The keys a connection watches, until EXEC, DISCARD or UNWATCH.
#[derive(Debug, Default)]
pub struct Watch {
    touched: Arc<AtomicBool>,
    keys: HashSet<WatchedKey>,
    names_bytes: usize,
}

/// One watched key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WatchedKey {
    pub db: usize,
    pub key: Box<[u8]>,
    pub hash: u64,
}

impl Watch {
    /// Adds a key; false if it is watched already.
    pub fn add(&mut self, db: usize, key: &Key<'_>) -> bool {
        let is_new = self.keys.insert(WatchedKey { db, key: key.bytes.into(), hash: key.hash });
        if is_new {
            self.names_bytes += class_bytes(key.bytes.len());
        }
        is_new
    }

    /// The watched keys, in no order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &WatchedKey> {
        self.keys.iter()
    }

    /// Bytes that it takes; what the shards know of it is theirs.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let flag = arc_bytes(size_of::<AtomicBool>());
        if self.keys.is_empty() {
            flag
        } else {
            flag + class_bytes(self.keys.allocation_size()) + self.names_bytes
        }
    }

    /// Whether any watched key was touched.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched.load(Relaxed)
    }
}

/// The watchers of one database in one shard.
#[derive(Debug)]
pub struct Watchers {
    flags: Flags,
    held: Gauge,
}

type Flags = HashMap<Box<[u8]>, Vec<Arc<AtomicBool>>>;

impl Watchers {
    /// None, whose bytes will be counted in `held`.
    #[must_use]
    pub fn new(held: &Gauge) -> Watchers {
        Watchers { flags: Flags::default(), held: held.clone() }
    }

    pub fn add(&mut self, key: &[u8], watch: &Watch) {
        let before = self.map_bytes();
        let flags = self.flags.entry(Box::from(key)).or_default();
        let list_before = list_bytes(key, flags);
        if flags.is_empty() {
            flags.reserve_exact(1);
        }
        flags.push(watch.touched.clone());
        let list = list_bytes(key, flags);
        self.held.change(before + list_before, self.map_bytes() + list);
    }

    pub fn remove(&mut self, key: &[u8], watch: &Watch) {
        let Some(flags) = self.flags.get_mut(key) else { return };
        flags.retain(|flag| !Arc::ptr_eq(flag, &watch.touched));
        if flags.is_empty() {
            let list = vec_bytes(flags) + class_bytes(key.len());
            let before = self.map_bytes();
            self.flags.remove(key);
            shrink_map(&mut self.flags);
            self.held.change(before + list, self.map_bytes());
        }
    }

    fn map_bytes(&self) -> usize {
        class_bytes(self.flags.allocation_size())
    }

    /// A write, a removal, or the end of an entry's time.
    #[inline]
    pub fn touch(&self, key: &[u8]) {
        if !self.flags.is_empty()
            && let Some(watchers) = self.flags.get(key)
        {
            watchers.iter().for_each(|flag| flag.store(true, Relaxed));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Takes the watchers of some keys out.
    pub fn split_off(&mut self, which: impl Fn(&[u8]) -> bool) -> Watchers {
        let before = self.map_bytes();
        let flags: Flags = self.flags.extract_if(|key, _| which(key)).collect();
        shrink_map(&mut self.flags);
        let split = Watchers { flags, held: self.held.clone() };
        self.held.change(before, self.map_bytes() + split.map_bytes());
        split
    }

    /// Takes in watchers of keys that nobody watches here.
    pub fn join(&mut self, others: Watchers) {
        let before = self.map_bytes() + others.map_bytes();
        self.flags.extend(others.flags);
        self.held.change(before, self.map_bytes());
    }

    /// The watched keys.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.flags.keys().map(AsRef::as_ref)
    }

    /// FLUSHDB and SWAPDB: touches the watched keys for which `exists` says so.
    pub fn touch_where(&self, exists: impl Fn(&[u8]) -> bool) {
        self.keys().filter(|key| exists(key)).for_each(|key| self.touch(key));
    }
}

/// Bytes of a key and the list of those who watch it; nothing where nobody does yet.
fn list_bytes(key: &[u8], flags: &Vec<Arc<AtomicBool>>) -> usize {
    if flags.is_empty() { 0 } else { class_bytes(key.len()) + vec_bytes(flags) }
}
