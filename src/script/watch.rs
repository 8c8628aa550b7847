//! Whether the script that runs must end, or give others their turn.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::state::VmState;
use crate::base::clock::Clock;

/// Ticks of the machine between two looks at the clock.
const TICKS_PER_LOOK: u32 = 1024;

/// The clock of the scripts of one machine.
pub struct Watch {
    clock: Clock,
    state: Arc<VmState>,
    ticks: Cell<u32>,
    /// When the slice began, as the clock reads.
    begun: Cell<u64>,
    slice_ns: u64,
    is_over: Cell<bool>,
}

impl Watch {
    pub fn new(clock: Clock, state: Arc<VmState>, slice_ns: u64) -> Watch {
        let (ticks, begun, is_over) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Watch { clock, state, ticks, begun, slice_ns, is_over }
    }

    /// A script begins.
    pub fn begin(&self) {
        self.is_over.set(false);
        self.begin_slice();
    }

    pub fn begin_slice(&self) {
        self.begun.set(self.clock.reading());
    }

    /// A tick of the machine; whether it is time for a look.
    #[inline]
    pub fn tick(&self) -> bool {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        ticks.is_multiple_of(TICKS_PER_LOOK)
    }

    /// Whether others should have their turn. A script that was killed ends.
    pub fn is_slice_over(&self) -> bool {
        if self.state.is_killed.load(Relaxed) {
            self.end();
        }
        !self.is_over() && self.clock.ns_between(self.begun.get(), self.clock.reading()) > self.slice_ns
    }

    /// The script must end.
    pub fn end(&self) {
        self.is_over.set(true);
    }

    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }
}
