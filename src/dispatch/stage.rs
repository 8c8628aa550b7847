//! Where scripts run: what a stack of their own gives them.

use corosensei::Yielder;

use crate::keyspace::Busy;
use crate::protocol::output::Output;
use crate::script::Vm;
use crate::script::functions::FunctionVm;

/// How a script lets go of its worker: it says what others are told meanwhile, and hears whether it may go on.
pub type Pause = Yielder<bool, Busy>;

/// What a script needs of the stack it runs on.
pub struct Stage<'s> {
    pub pause: &'s Pause,
    /// The machine for scripts by EVAL.
    pub eval: &'s mut Option<Vm>,
    /// The machine for functions of libraries.
    pub functions: &'s mut Option<FunctionVm>,
    /// For the reply of the call that is made, and for what is returned.
    pub called: &'s mut Output,
    pub returned: &'s mut Output,
    /// From when on others are refused what it keeps, monotonic ms.
    pub refuses_at_ms: u64,
}
