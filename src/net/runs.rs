//! Scripts that let go of their worker before their end: each goes on in a task of its own, a slice at a time, whatever
//! becomes of its connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use super::worker::Worker;
use crate::dispatch::station::{Finished, Unfinished};
use crate::keyspace::Effects;

/// A script of a connection that goes on.
pub(super) struct Running(Rc<Slot>);

#[derive(Default)]
struct Slot {
    finished: RefCell<Option<Finished>>,
    waker: RefCell<Option<Waker>>,
    /// Its connection has ended.
    is_left: Cell<bool>,
}

impl Running {
    /// Lets a script go on beside everything else that its worker does.
    pub fn carry_on(worker: Rc<Worker>, aside: Box<dyn Unfinished>) -> Running {
        let slot = Rc::new(Slot::default());
        tokio::task::spawn_local(lead_to_end(worker, aside, slot.clone()));
        Running(slot)
    }

    /// What it brings back, once it has ended; until then the waker is kept.
    pub fn poll(&self, waker: &Waker) -> Option<Finished> {
        let finished = self.0.finished.borrow_mut().take();
        if finished.is_none() {
            *self.0.waker.borrow_mut() = Some(waker.clone());
        }
        finished
    }

    /// Its connection ends: what it brings back is passed on without it.
    pub fn leave(self) {
        self.0.is_left.set(true);
    }
}

async fn lead_to_end(worker: Rc<Worker>, mut aside: Box<dyn Unfinished>, slot: Rc<Slot>) {
    let mut finished = loop {
        // The runtime looks at its sockets before it comes back here.
        tokio::task::yield_now().await;
        if let Some(finished) = aside.go_on() {
            break finished;
        }
    };
    let deliveries = std::mem::take(&mut finished.deliveries);
    worker.at_bench(&mut finished.effects, |bench| bench.deliveries = deliveries);
    if slot.is_left.get() {
        let session = &mut finished.session;
        worker.at_bench(&mut Effects::default(), |bench| bench.leave(session, &[]));
    } else {
        *slot.finished.borrow_mut() = Some(finished);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }
    worker.note_script_ended();
}
