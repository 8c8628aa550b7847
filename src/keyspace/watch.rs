//! WATCH: the connections that want to know that a key was touched.
//!
//! A watch is a flag shared between the connection and the shards of its keys; a touch raises it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hashbrown::{HashMap, HashSet};

use crate::base::sync::AtomicBool;

/// The keys a connection watches, until EXEC, DISCARD or UNWATCH.
#[derive(Debug, Default)]
pub struct Watch {
    touched: Arc<AtomicBool>,
    pub keys: HashSet<WatchedKey>,
}

/// One watched key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WatchedKey {
    pub db: usize,
    pub key: Box<[u8]>,
    pub hash: u64,
}

impl Watch {
    /// Whether any watched key was touched.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched.load(Relaxed)
    }
}

/// The watchers of one database in one shard.
#[derive(Debug, Default)]
pub struct Watchers(HashMap<Box<[u8]>, Vec<Arc<AtomicBool>>>);

impl Watchers {
    pub fn add(&mut self, key: &[u8], watch: &Watch) {
        self.0.entry(Box::from(key)).or_default().push(watch.touched.clone());
    }

    pub fn remove(&mut self, key: &[u8], watch: &Watch) {
        if let Some(watchers) = self.0.get_mut(key) {
            watchers.retain(|flag| !Arc::ptr_eq(flag, &watch.touched));
            if watchers.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// A write, a removal, or the end of an entry's time.
    #[inline]
    pub fn touch(&self, key: &[u8]) {
        if !self.0.is_empty()
            && let Some(watchers) = self.0.get(key)
        {
            watchers.iter().for_each(|flag| flag.store(true, Relaxed));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the watchers of some keys out.
    pub fn split_off(&mut self, which: impl Fn(&[u8]) -> bool) -> Watchers {
        Watchers(self.0.extract_if(|key, _| which(key)).collect())
    }

    /// Takes in watchers of keys that nobody watches here.
    pub fn join(&mut self, others: Watchers) {
        self.0.extend(others.0);
    }

    /// The watched keys.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// FLUSHDB and SWAPDB: touches the watched keys for which `exists` says so.
    pub fn touch_where(&self, exists: impl Fn(&[u8]) -> bool) {
        self.keys().filter(|key| exists(key)).for_each(|key| self.touch(key));
    }
}
