//! Where scripts run: what a stack of their own gives them.

use corosensei::Yielder;

use crate::keyspace::Busy;
use crate::script::Vm;

/// How a script lets go of its worker.
pub type Pause = Yielder<(), ()>;

/// What a script needs of the stack it runs on.
pub struct Stage<'s> {
    pub pause: &'s Pause,
    pub machine: &'s mut Option<Vm>,
    /// What others are told while it has let go.
    pub busy: Busy,
}
