//! Channels by name and who subscribes to each, sharded by hash so that publishers rarely meet.
//!
//! Invariant: a channel without subscribers is in no stripe.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

use super::names::{Count, Crowd, Names};
use super::subscriber::Subscriber;
use crate::base::gauge::Gauge;
use crate::base::glob;
use crate::base::hash::HashSeed;

/// Lock stripes; a power of two.
const STRIPES: usize = 64;

/// A space of channel names.
#[derive(Debug)]
pub struct Channels {
    stripes: Box<[Mutex<Names>]>,
    seed: HashSeed,
    len: AtomicUsize,
    /// What names and crowds take.
    held: Gauge,
}

impl Default for Channels {
    fn default() -> Channels {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Channels { stripes, seed: HashSeed::random(), len: AtomicUsize::new(0), held: Gauge::default() }
    }
}

impl Channels {
    /// Channels that somebody subscribes to.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that names and crowds take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// The subscribers of a channel, and the channel's shared name.
    #[must_use]
    pub fn crowd(&self, name: &[u8]) -> Option<(Arc<[u8]>, Crowd)> {
        if self.is_empty() {
            return None;
        }
        self.stripe(name).get(name).map(|(name, crowd)| (name.clone(), crowd.clone()))
    }

    /// Adds a subscriber; nothing happens if it is one already. Returns the channel's shared name.
    pub fn add(&self, name: &[u8], subscriber: Subscriber) -> Arc<[u8]> {
        let (shared, count) = self.stripe(name).add(name, subscriber, &self.held);
        if count == Count::OneMore {
            self.len.fetch_add(1, Relaxed);
        }
        shared
    }

    /// Takes a subscriber out.
    pub fn remove(&self, name: &[u8], client: u64) {
        if self.stripe(name).remove(name, client, &self.held) == Count::OneLess {
            self.len.fetch_sub(1, Relaxed);
        }
    }

    /// The names that match a glob pattern, or all of them, in no order.
    #[must_use]
    pub fn names(&self, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let fits = |name: &Arc<[u8]>| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        let mut found = Vec::new();
        for stripe in &self.stripes {
            found.extend(stripe.lock().iter().map(|(name, _)| name).filter(|name| fits(name)).cloned());
        }
        found
    }

    fn stripe(&self, name: &[u8]) -> MutexGuard<'_, Names> {
        self.stripes[self.seed.hash(name) as usize % STRIPES].lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(client: u64) -> Subscriber {
        Subscriber { client, post_box: Arc::default() }
    }

    fn ids(channels: &Channels, name: &[u8]) -> Vec<u64> {
        let crowd = channels.crowd(name).map(|(_, crowd)| crowd).unwrap_or_default();
        crowd.iter().map(|subscriber| subscriber.client).collect()
    }

    #[test]
    fn channel_exists_while_somebody_subscribes_to_it() {
        let channels = Channels::default();
        for client in [3, 1, 2, 1] {
            channels.add(b"news", subscriber(client));
        }
        channels.add(b"sport", subscriber(1));
        assert_eq!((ids(&channels, b"news"), channels.len()), (vec![1, 2, 3], 2));
        assert_eq!(channels.names(Some(b"n*")), [Arc::from(&b"news"[..])]);
        for client in [1, 2, 3, 9] {
            channels.remove(b"news", client);
        }
        assert_eq!((ids(&channels, b"news"), channels.len()), (Vec::new(), 1));
    }

    #[test]
    fn crowd_that_is_being_sent_to_does_not_change() {
        let channels = Channels::default();
        channels.add(b"news", subscriber(1));
        let (_, crowd) = channels.crowd(b"news").unwrap();
        channels.add(b"news", subscriber(2));
        assert_eq!((crowd.len(), ids(&channels, b"news").len()), (1, 2));
    }
}
