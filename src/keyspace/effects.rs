//! What must happen after the locks are released: answers to parked callers, waiters to take out of
//! other flights, and sweepers to wake earlier.

use std::sync::Arc;

use bytes::Bytes;

use crate::fill::{Answer, ReplySlot};

/// Collected under locks, carried out by the caller after releasing them.
#[derive(Debug, Default)]
pub struct Effects {
    /// Claimed slots and their answers, in order of election.
    pub answers: Vec<(Arc<ReplySlot>, Answer)>,
    /// Slots answered by others than their flights, still queued there.
    pub forget: Vec<Arc<ReplySlot>>,
    /// (shard, monotonic ms): that shard's sweeper must look no later than that.
    pub alarms: Vec<(usize, u64)>,
    /// Large values that nobody has any more, to be dropped outside of the locks.
    pub freed: Vec<Bytes>,
}

impl Effects {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.forget.is_empty() && self.alarms.is_empty() && self.freed.is_empty()
    }
}
