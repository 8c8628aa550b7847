//! Names and who subscribes to each. The one place where a subscription is added and taken away.
//!
//! A crowd is a snapshot: a sender holds it without a lock, and a change meanwhile copies it. Invariants: a name without
//! subscribers is not in the map, a crowd is sorted by client id, and the gauge says what all of it takes.

use std::sync::Arc;

use hashbrown::HashMap;

use super::subscriber::Subscriber;
use crate::base::gauge::Gauge;
use crate::base::memory::{arc_bytes, class_bytes, vec_bytes};
use crate::base::sparse::shrink_map;

/// The subscribers of one name, oldest connection first.
pub type Crowd = Arc<Vec<Subscriber>>;

/// Crowds by name.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Arc<[u8]>, Crowd>);

/// What a change did to the number of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    OneMore,
    Same,
    OneLess,
}

impl Names {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<[u8]>, &Crowd)> {
        self.0.iter()
    }

    pub fn get(&self, name: &[u8]) -> Option<(&Arc<[u8]>, &Crowd)> {
        self.0.get_key_value(name)
    }

    /// Adds a subscriber; nothing happens if it is one already. Returns the shared name.
    pub fn add(&mut self, name: &[u8], subscriber: Subscriber, held: &Gauge) -> (Arc<[u8]>, Count) {
        if let Some((shared, crowd)) = self.0.get_key_value_mut(name) {
            let before = crowd_bytes(crowd);
            // The newest connection, the common case, comes last.
            if let Err(at) = crowd.binary_search_by_key(&subscriber.client, |other| other.client) {
                Arc::make_mut(crowd).insert(at, subscriber);
            }
            held.change(before, crowd_bytes(crowd));
            return (shared.clone(), Count::Same);
        }
        let before = self.map_bytes();
        let shared: Arc<[u8]> = Arc::from(name);
        let crowd = Arc::new(vec![subscriber]);
        let own = arc_bytes(name.len()) + crowd_bytes(&crowd);
        self.0.insert(shared.clone(), crowd);
        held.change(before, self.map_bytes() + own);
        (shared, Count::OneMore)
    }

    /// Takes a subscriber out.
    pub fn remove(&mut self, name: &[u8], client: u64, held: &Gauge) -> Count {
        let Some(crowd) = self.0.get_mut(name) else { return Count::Same };
        let before = crowd_bytes(crowd);
        if let Ok(at) = crowd.binary_search_by_key(&client, |other| other.client) {
            let crowd = Arc::make_mut(crowd);
            crowd.remove(at);
            if crowd.len() <= crowd.capacity() / 4 {
                crowd.shrink_to(crowd.len() * 2);
            }
        }
        held.change(before, crowd_bytes(crowd));
        if !crowd.is_empty() {
            return Count::Same;
        }
        let own = arc_bytes(name.len()) + crowd_bytes(crowd);
        let before = self.map_bytes();
        self.0.remove(name);
        shrink_map(&mut self.0);
        held.change(before + own, self.map_bytes());
        Count::OneLess
    }

    fn map_bytes(&self) -> usize {
        class_bytes(self.0.allocation_size())
    }
}

fn crowd_bytes(crowd: &Crowd) -> usize {
    arc_bytes(size_of::<Vec<Subscriber>>()) + vec_bytes(crowd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(client: u64) -> Subscriber {
        Subscriber { client, post_box: Arc::default() }
    }

    #[test]
    fn gauge_says_what_names_and_crowds_take() {
        let (mut names, held) = (Names::default(), Gauge::default());
        for client in 1..=100 {
            names.add(b"all", subscriber(client), &held);
            names.add(&client.to_le_bytes(), subscriber(client), &held);
        }
        let crowds: usize =
            names.iter().map(|(name, crowd)| arc_bytes(name.len()) + crowd_bytes(crowd)).sum();
        assert_eq!(held.bytes(), names.map_bytes() + crowds);
        for client in 1..=100 {
            names.remove(b"all", client, &held);
            names.remove(&client.to_le_bytes(), client, &held);
        }
        assert_eq!((names.len(), held.bytes()), (0, names.map_bytes()));
    }
}
