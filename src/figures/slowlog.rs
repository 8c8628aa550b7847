//! The slow log: the commands that took long, newest first.
//!
//! Shared by all workers behind one lock, which is taken only for a slow command.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The slow log of a server.
#[derive(Debug, Default)]
pub struct Slowlog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    next_id: i64,
    /// The newest first.
    entries: VecDeque<Entry>,
}

/// One slow command.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: i64,
    pub wall_s: i64,
    pub us: u64,
    pub words: Vec<Vec<u8>>,
    pub addr: String,
    pub name: Vec<u8>,
}

impl Slowlog {
    /// Adds an entry, whose number is given here, and keeps the newest `len_max`.
    pub fn push(&self, entry: Entry, len_max: usize) {
        let mut log = self.0.lock();
        let id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(Entry { id, ..entry });
        log.entries.truncate(len_max);
    }

    /// The newest entries, the newest first.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.0.lock().entries.iter().take(count).cloned().collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; numbers go on.
    pub fn clear(&self) {
        self.0.lock().entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_holds_the_newest() {
        let log = Slowlog::default();
        let entry = || Entry { id: 0, wall_s: 0, us: 0, words: vec![], addr: String::new(), name: vec![] };
        (0..5).for_each(|_| log.push(entry(), 2));
        let ids: Vec<i64> = log.0.lock().entries.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [4, 3]);
        log.push(entry(), 0);
        assert!(log.0.lock().entries.is_empty());
    }
}
