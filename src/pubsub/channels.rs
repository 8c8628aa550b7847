//! Channels by name and who subscribes to each, sharded by hash so that publishers rarely meet.
//!
//! A crowd is a snapshot: a sender holds it without a lock, and a change meanwhile copies it.
//! Invariant: a channel without subscribers is not in the map, and a crowd is sorted by client id.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};

use super::subscriber::Subscriber;
use crate::base::glob;
use crate::base::hash::HashSeed;

/// The subscribers of one name, oldest connection first.
pub type Crowd = Arc<Vec<Subscriber>>;

type Names = HashMap<Arc<[u8]>, Crowd>;

/// Lock stripes; a power of two.
const STRIPES: usize = 64;

/// A space of channel names.
#[derive(Debug)]
pub struct Channels {
    stripes: Box<[Mutex<Names>]>,
    seed: HashSeed,
    len: AtomicUsize,
}

impl Default for Channels {
    fn default() -> Channels {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Channels { stripes, seed: HashSeed::random(), len: AtomicUsize::new(0) }
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

    /// The subscribers of a channel, and the channel's shared name.
    #[must_use]
    pub fn crowd(&self, name: &[u8]) -> Option<(Arc<[u8]>, Crowd)> {
        if self.is_empty() {
            return None;
        }
        self.stripe(name).get_key_value(name).map(|(name, crowd)| (name.clone(), crowd.clone()))
    }

    /// Adds a subscriber; nothing happens if it is one already. Returns the channel's shared name.
    pub fn add(&self, name: &[u8], subscriber: Subscriber) -> Arc<[u8]> {
        let mut names = self.stripe(name);
        if let Some((shared, crowd)) = names.get_key_value_mut(name) {
            join(crowd, subscriber);
            return shared.clone();
        }
        let shared: Arc<[u8]> = Arc::from(name);
        names.insert(shared.clone(), Arc::new(vec![subscriber]));
        self.len.fetch_add(1, Relaxed);
        shared
    }

    /// Takes a subscriber out.
    pub fn remove(&self, name: &[u8], client: u64) {
        let mut names = self.stripe(name);
        let Some(crowd) = names.get_mut(name) else { return };
        leave(crowd, client);
        if crowd.is_empty() {
            names.remove(name);
            self.len.fetch_sub(1, Relaxed);
        }
    }

    /// The names that match a glob pattern, or all of them, in no order.
    #[must_use]
    pub fn names(&self, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let fits = |name: &Arc<[u8]>| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        let mut found = Vec::new();
        for stripe in &self.stripes {
            found.extend(stripe.lock().keys().filter(|name| fits(name)).cloned());
        }
        found
    }

    fn stripe(&self, name: &[u8]) -> MutexGuard<'_, Names> {
        self.stripes[self.seed.hash(name) as usize % STRIPES].lock()
    }
}

/// Adds to a crowd in its place; the newest connection, the common case, comes last.
pub(super) fn join(crowd: &mut Crowd, subscriber: Subscriber) {
    if let Err(at) = crowd.binary_search_by_key(&subscriber.client, |other| other.client) {
        Arc::make_mut(crowd).insert(at, subscriber);
    }
}

pub(super) fn leave(crowd: &mut Crowd, client: u64) {
    if let Ok(at) = crowd.binary_search_by_key(&client, |other| other.client) {
        Arc::make_mut(crowd).remove(at);
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
