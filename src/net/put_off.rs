//! The connections of a worker whose next request was put off, by the reason: they are woken when that is gone.
//!
//! Invariant: a connection that is filed here is woken once, by `wake`, and finds itself no longer filed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::task::Waker;

use crate::dispatch::session::PutOff;

/// The wakers, for each reason by client.
#[derive(Default)]
pub(super) struct PutOffs([RefCell<HashMap<u64, Waker>>; PutOff::COUNT]);

impl PutOffs {
    fn of(&self, why: PutOff) -> &RefCell<HashMap<u64, Waker>> {
        &self.0[why as usize]
    }

    /// Files a client, or its latest waker.
    pub fn file(&self, why: PutOff, client: u64, waker: &Waker) {
        self.of(why).borrow_mut().insert(client, waker.clone());
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
        self.of(why).borrow_mut().drain().for_each(|(_, waker)| waker.wake());
    }

    /// A connection ends.
    pub fn forget(&self, client: u64) {
        self.0.iter().for_each(|waiting| drop(waiting.borrow_mut().remove(&client)));
    }
}
