//! How many handshakes may be in progress, and which one gives way.
//!
//! Honest ones take milliseconds, so the oldest is the one to end: first of those that have not sent a byte, which cost
//! a stranger nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::base::limits::{HANDSHAKES_MAX, REFUSED_HANDSHAKES_MAX};

/// The handshakes in progress.
#[derive(Default)]
pub(super) struct Room {
    places: Mutex<Places>,
    /// Those among them whose connections will be told that there is no room for them.
    refused: AtomicUsize,
}

#[derive(Default)]
struct Places {
    by_age: BTreeMap<u64, Arc<Place>>,
    next: u64,
}

/// One handshake, as the others see it.
#[derive(Default)]
struct Place {
    has_heard: AtomicBool,
    ends: Notify,
}

/// A place, for as long as this is kept.
pub(super) struct Stay {
    room: Arc<Room>,
    number: u64,
    place: Arc<Place>,
    is_refused: bool,
}

impl Room {
    /// Takes a place. Where all are taken another handshake gives way. `None` for one too many whose connection is to be
    /// refused anyway.
    pub fn enter(self: &Arc<Room>, is_refused: bool) -> Option<Stay> {
        if is_refused && self.refused.fetch_add(1, Relaxed) >= REFUSED_HANDSHAKES_MAX {
            self.refused.fetch_sub(1, Relaxed);
            return None;
        }
        let mut places = self.places.lock();
        if places.by_age.len() >= HANDSHAKES_MAX {
            let silent = places.by_age.iter().find(|(_, place)| !place.has_heard.load(Relaxed));
            let oldest = silent.or_else(|| places.by_age.iter().next()).map(|(number, _)| *number);
            if let Some(place) = oldest.and_then(|number| places.by_age.remove(&number)) {
                place.ends.notify_one();
            }
        }
        let place = Arc::<Place>::default();
        let number = places.next;
        places.next += 1;
        places.by_age.insert(number, place.clone());
        Some(Stay { room: self.clone(), number, place, is_refused })
    }

    /// Handshakes in progress.
    pub fn len(&self) -> usize {
        self.places.lock().by_age.len()
    }
}

impl Stay {
    /// A number that no other has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The peer has sent something.
    pub fn note_heard(&self) {
        self.place.has_heard.store(true, Relaxed);
    }

    /// Resolves when the handshake has to give way.
    pub async fn ends(&self) {
        self.place.ends.notified().await;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.room.places.lock().by_age.remove(&self.number);
        if self.is_refused {
            self.room.refused.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn has_ended(stay: &Stay) -> bool {
        stay.ends().now_or_never().is_some()
    }

    #[test]
    fn oldest_that_has_sent_nothing_gives_way_then_the_oldest() {
        let room = Arc::new(Room::default());
        let stays: Vec<Stay> = (0..HANDSHAKES_MAX).filter_map(|_| room.enter(false)).collect();
        stays.iter().skip(1).step_by(2).for_each(Stay::note_heard);
        stays[0].note_heard();
        let more: Vec<Stay> = (0..2).filter_map(|_| room.enter(false)).collect();
        assert_eq!(room.len(), HANDSHAKES_MAX);
        let ended: Vec<usize> = (0..stays.len()).filter(|at| has_ended(&stays[*at])).collect();
        assert_eq!(ended, [2, 4]);
        stays.iter().chain(&more).for_each(Stay::note_heard);
        let _last = room.enter(false);
        assert!(has_ended(&stays[0]));
        drop(stays);
        assert_eq!(room.len(), 3, "each place is given back once");
    }

    #[test]
    fn few_wait_only_to_be_refused() {
        let room = Arc::new(Room::default());
        let mut stays: Vec<Stay> = (0..REFUSED_HANDSHAKES_MAX).filter_map(|_| room.enter(true)).collect();
        assert_eq!(stays.len(), REFUSED_HANDSHAKES_MAX);
        assert!(room.enter(true).is_none() && room.enter(false).is_some());
        stays.pop();
        assert!(room.enter(true).is_some());
    }
}
