//! Whether the script that runs must end, or give others their turn.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::state::VmState;
use crate::base::clock::Clock;

/// Ticks of the machine between two looks at the clock, where they are quick: a loop of nothing makes one in 3 ns. A look costs
/// about 15.
const TICKS_PER_LOOK_MAX: u32 = 128;
/// From then on ticks are slow, and the next looks come sooner: one step of a pattern of a million bytes takes a millisecond,
/// nanoseconds.
const LOOK_LATE_NS: u64 = 200_000;

/// The clock of the scripts of one machine.
pub struct Watch {
    clock: Clock,
    state: Arc<VmState>,
    /// Ticks until the next look.
    ticks_left: Cell<u32>,
    ticks_per_look: Cell<u32>,
    /// When the slice began, and when the last look was, as the clock reads.
    begun: Cell<u64>,
    looked: Cell<u64>,
    slice_ns: u64,
    is_over: Cell<bool>,
}

impl Watch {
    pub fn new(clock: Clock, state: Arc<VmState>, slice_ns: u64) -> Watch {
        Watch {
            clock,
            state,
            ticks_left: Cell::new(TICKS_PER_LOOK_MAX),
            ticks_per_look: Cell::new(TICKS_PER_LOOK_MAX),
            begun: Cell::new(0),
            looked: Cell::new(0),
            slice_ns,
            is_over: Cell::new(false),
        }
    }

    /// A script begins.
    pub fn begin(&self) {
        self.is_over.set(false);
        self.begin_slice();
    }

    pub fn begin_slice(&self) {
        let now = self.clock.reading();
        self.begun.set(now);
        self.looked.set(now);
    }

    /// A tick of the machine; whether it is time for a look.
    #[inline]
    pub fn tick(&self) -> bool {
        let left = self.ticks_left.get() - 1;
        self.ticks_left.set(left);
        left == 0 && self.note_look()
    }

    /// True. The next look comes sooner where this one was late.
    fn note_look(&self) -> bool {
        let now = self.clock.reading();
        let is_late = self.clock.ns_between(self.looked.replace(now), now) > LOOK_LATE_NS;
        let ticks = if is_late { 1 } else { (self.ticks_per_look.get() * 2).min(TICKS_PER_LOOK_MAX) };
        self.ticks_per_look.set(ticks);
        self.ticks_left.set(ticks);
        true
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
