//! When entries expire: a queue of (deadline, hash) records beside a table.
//!
//! A record is a hint: the entry's own `expire_at` is the truth. A later deadline is found when the
//! record fires and is filed again; only an earlier one adds a record. Superseded records are dropped
//! by a rebuild once they outnumber the entries with a deadline, so the queue's size is bounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Superseded records tolerated beyond twice the live ones.
const SLACK: usize = 64;

/// Deadlines of one table's entries.
#[derive(Debug, Default)]
pub struct ExpiryQueue {
    heap: BinaryHeap<Reverse<(i64, u64)>>,
}

impl ExpiryQueue {
    /// Notes that an entry with this hash is due at `at_ms` (wall clock).
    pub fn push(&mut self, at_ms: i64, hash: u64) {
        self.heap.push(Reverse((at_ms, hash)));
    }

    /// The earliest record's time.
    #[must_use]
    pub fn next_at(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// Takes the hash of a record that is due.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<u64> {
        if self.next_at()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((_, hash))| hash)
    }

    /// Whether more than half of the records must be superseded, given how many entries have a deadline.
    #[must_use]
    pub fn is_bloated(&self, live: usize) -> bool {
        self.heap.len() > live * 2 + SLACK
    }

    /// Replaces all records.
    pub fn rebuild(&mut self, records: impl Iterator<Item = (i64, u64)>) {
        self.heap = records.map(Reverse).collect();
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_records_come_in_order_and_not_before_their_time() {
        let mut queue = ExpiryQueue::default();
        for (at, hash) in [(30, 3), (10, 1), (20, 2)] {
            queue.push(at, hash);
        }
        assert_eq!(queue.pop_due(9), None);
        assert_eq!(queue.pop_due(20), Some(1));
        assert_eq!(queue.pop_due(20), Some(2));
        assert_eq!(queue.pop_due(20), None);
        assert_eq!(queue.next_at(), Some(30));
    }

    #[test]
    fn queue_is_bloated_once_superseded_records_outnumber_live_ones() {
        let mut queue = ExpiryQueue::default();
        for at in 0..100 {
            queue.push(at, 0);
        }
        assert!(queue.is_bloated(1) && !queue.is_bloated(50));
        queue.rebuild([(5, 0)].into_iter());
        assert_eq!((queue.len(), queue.next_at()), (1, Some(5)));
    }
}
