//! The end of a waiter's time, as a shard files it among its deadlines.

use std::cmp::Ordering;
use std::sync::{Arc, Weak};

use crate::parking::ReplySlot;

/// A parked request whose time ends some day, in the order in which they were parked.
#[derive(Clone, Debug)]
pub struct Sleeper {
    number: u64,
    slot: Weak<ReplySlot>,
}

impl Sleeper {
    /// `number` tells it from others of its shard.
    #[must_use]
    pub fn new(number: u64, slot: &Arc<ReplySlot>) -> Sleeper {
        Sleeper { number, slot: Arc::downgrade(slot) }
    }

    /// Its slot, if anybody knows that still.
    #[must_use]
    pub fn slot(&self) -> Option<Arc<ReplySlot>> {
        self.slot.upgrade()
    }

    /// Whether it still waits.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.slot().is_some_and(|slot| slot.is_open())
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Sleeper) -> bool {
        self.number == other.number
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Sleeper) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Sleeper) -> Ordering {
        self.number.cmp(&other.number)
    }
}
