//! Keys that became ready for those who wait for them: noted as it happens, worked off before the locks go.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;

/// A key that may have something for those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadyKey {
    pub db: usize,
    pub key: Arc<[u8]>,
    pub hash: u64,
}

/// Keys that became ready, in the order in which they did; each once.
#[derive(Debug, Default)]
pub struct ReadyKeys {
    order: VecDeque<ReadyKey>,
    noted: HashSet<(usize, Arc<[u8]>)>,
}

impl ReadyKeys {
    /// Notes one, unless it is noted already.
    pub fn add(&mut self, ready: ReadyKey) {
        if self.noted.insert((ready.db, ready.key.clone())) {
            self.order.push_back(ready);
        }
    }

    /// The one that became ready first.
    pub fn take_first(&mut self) -> Option<ReadyKey> {
        let first = self.order.pop_front()?;
        self.noted.remove(&(first.db, first.key.clone()));
        Some(first)
    }

    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
