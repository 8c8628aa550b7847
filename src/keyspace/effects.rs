//! What must happen after the locks are released: answers to parked callers, waiters to take out of
//! other flights, sweepers to wake earlier, and events to publish.

use std::sync::Arc;

use super::waits::ReadyKeys;
use crate::base::events::Event;
use crate::base::lent::Lent;
use crate::parking::{Answer, ReplySlot};

/// What a connection that caches it must hear of.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// A key, and the client whose request it was (0: nobody's): one that wrote, or that came upon the end of an entry.
    Key { key: Box<[u8]>, by: u64, is_write: bool },
    /// Whole databases.
    All,
}

/// Collected under locks, carried out by the caller after releasing them.
#[derive(Debug, Default)]
pub struct Effects {
    /// Claimed slots and their answers, in order of election.
    pub answers: Vec<(Arc<ReplySlot>, Answer)>,
    /// Slots answered by others than their flights, still queued there.
    pub forget: Vec<Arc<ReplySlot>>,
    /// Keys whose waiters are to be served, before the locks are released where they are held for the whole command.
    pub ready: ReadyKeys,
    /// (shard, monotonic ms): that shard's sweeper must look no later than that.
    pub alarms: Vec<(usize, u64)>,
    /// Keyspace events to publish, in the order in which they happened.
    pub events: Vec<Event>,
    /// What changed, for those who keep a cache.
    pub changes: Vec<Change>,
    /// Large values that nobody has any more, to be dropped outside of the locks.
    pub freed: Vec<Lent>,
    /// Fills hold too much: what is kept as a favour must give way.
    pub is_crowded: bool,
}

impl Effects {
    /// Notes a keyspace event. Rarely asked for, so kept out of the way of the verbs.
    #[cold]
    pub(super) fn note_event(&mut self, db: usize, name: &'static str, key: &[u8]) {
        self.events.push(Event { db, name, key: Box::from(key) });
    }

    /// Notes a change for those who keep a cache.
    #[cold]
    pub(super) fn note_change(&mut self, key: &[u8], by: u64, is_write: bool) {
        self.changes.push(Change::Key { key: Box::from(key), by, is_write });
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
            && self.forget.is_empty()
            && self.ready.is_empty()
            && self.alarms.is_empty()
            && self.events.is_empty()
            && self.changes.is_empty()
            && self.freed.is_empty()
            && !self.is_crowded
    }
}
