//! The connections of a worker whose next request was put off, by the reason: they are woken when that is gone, or when
//! the request wants to be judged again.
//!
//! Invariant: a connection that is filed here is woken once, by `wake`, and finds itself no longer filed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::task::Waker;

use crate::dispatch::session::PutOff;

/// The wakers, for each reason by client.
#[derive(Default)]
pub(super) struct PutOffs([RefCell<HashMap<u64, Filed>>; PutOff::COUNT]);

struct Filed {
    waker: Waker,
    /// When it is woken in any case, monotonic ms.
    at_ms: u64,
}

impl PutOffs {
    fn of(&self, why: PutOff) -> &RefCell<HashMap<u64, Filed>> {
        &self.0[why as usize]
    }

    /// Files a client to be woken at `at_ms` at the latest, or the latest waker of one that is filed already.
    pub fn file(&self, why: PutOff, client: u64, at_ms: u64, waker: &Waker) {
        let mut filed = self.of(why).borrow_mut();
        let filed = filed.entry(client).or_insert_with(|| Filed { waker: waker.clone(), at_ms });
        filed.waker.clone_from(waker);
    }

    /// Whether it is filed still.
    pub fn is_filed(&self, why: PutOff, client: u64) -> bool {
        self.of(why).borrow().contains_key(&client)
    }

    /// Whether anybody waits for this.
    pub fn is_any(&self, why: PutOff) -> bool {
        !self.of(why).borrow().is_empty()
    }

    /// The reason is gone.
    pub fn wake(&self, why: PutOff) {
        self.of(why).borrow_mut().drain().for_each(|(_, filed)| filed.waker.wake());
    }

    /// Wakes those whose time has come. Returns when that of the next is, monotonic ms.
    pub fn wake_due(&self, why: PutOff, now_ms: u64) -> u64 {
        let mut filed = self.of(why).borrow_mut();
        filed.extract_if(|_, filed| filed.at_ms <= now_ms).for_each(|(_, filed)| filed.waker.wake());
        filed.values().map(|filed| filed.at_ms).min().unwrap_or(u64::MAX)
    }

    /// A connection ends.
    pub fn forget(&self, client: u64) {
        self.0.iter().for_each(|waiting| drop(waiting.borrow_mut().remove(&client)));
    }
}
