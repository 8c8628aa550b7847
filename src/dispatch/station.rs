//! What a worker has for its scripts: machines, a stack, and what a script needs that outlives the bench it began at.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use corosensei::stack::DefaultStack;

use super::error::CommandError;
use super::live::Current;
use super::session::Session;
use super::shared::Shared;
use crate::base::limits::SCRIPT_STACK_BYTES;
use crate::base::metrics::Counters;
use crate::config::Settings;
use crate::figures::calls::{Calls, Meter};
use crate::keyspace::{Busy, Effects};
use crate::protocol::output::Output;
use crate::protocol::range::ArgRange;
use crate::pubsub::Delivery;
use crate::script::Vm;
use crate::script::functions::FunctionVm;
use crate::table::REDIS_VERSION;

/// The place of one worker in its server.
pub struct Station {
    pub shared: Arc<Shared>,
    pub counters: Arc<Counters>,
    calls: Arc<Calls>,
    shelf: RefCell<Shelf>,
}

/// A request that let go of its worker before its end (`aside`).
pub trait Unfinished {
    /// Lets it run for a slice; what it leaves, when it has ended.
    fn go_on(&mut self) -> Option<Finished>;
}

/// What is left of a request that has ended long after it began.
pub struct Finished {
    pub session: Session,
    pub effects: Effects,
    pub deliveries: Vec<Delivery>,
    pub out: Output,
    /// A command of it panicked: its connection ends.
    pub panicked: bool,
}

/// What waits for the next script.
struct Shelf {
    current: Rc<Current>,
    kit: Option<Box<Kit>>,
    stack: Option<DefaultStack>,
    /// Of the script that has the kit and lets others run meanwhile.
    busy: Option<Busy>,
    /// That script, until its connection takes it.
    unfinished: Option<Box<dyn Unfinished>>,
}

/// What one script takes along; a worker has one.
pub struct Kit {
    /// The machine for scripts by EVAL.
    pub eval: Option<Vm>,
    /// The machine for functions of libraries.
    pub functions: Option<FunctionVm>,
    /// Stands in for the worker's own, which the script has.
    pub meter: Meter,
    pub buffer: Vec<u8>,
    pub words: Vec<ArgRange>,
    pub out: Output,
    /// The reply of the call that the script made last, and what it returns.
    pub called: Output,
    pub returned: Output,
}

/// What a worker keeps of the room for a script's words and reply, bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Station {
    /// The place of worker `number`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, number: usize) -> Station {
        let current = Rc::new(Current::of(&shared.settings));
        Station {
            counters: shared.figures.counters[number].clone(),
            calls: shared.figures.calls[number].clone(),
            shelf: RefCell::new(Shelf { current, kit: None, stack: None, busy: None, unfinished: None }),
            shared,
        }
    }

    /// The settings of now.
    pub(super) fn current(&self) -> Rc<Current> {
        let mut shelf = self.shelf.borrow_mut();
        if shelf.current.version() != self.shared.settings.version() {
            shelf.current = Rc::new(Current::of(&self.shared.settings));
        }
        shelf.current.clone()
    }

    /// Takes what a script needs.
    ///
    /// # Errors
    /// Where another script has it, or there is no memory for it.
    pub(super) fn take_kit(&self) -> Result<Box<Kit>, CommandError> {
        let mut shelf = self.shelf.borrow_mut();
        if let Some(busy) = shelf.busy {
            return Err(CommandError::Busy(busy));
        }
        if let Some(kit) = shelf.kit.take() {
            return Ok(kit);
        }
        let meter = Meter::new(self.shared.clock.clone(), self.calls.clone());
        let (buffer, words, out) = Default::default();
        let (called, returned) = Default::default();
        Ok(Box::new(Kit { eval: None, functions: None, meter, buffer, words, out, called, returned }))
    }

    /// Takes a stack for a script. It is mapped as it is used.
    pub(super) fn take_stack(&self) -> Result<DefaultStack, CommandError> {
        let kept = self.shelf.borrow_mut().stack.take();
        kept.map_or_else(|| DefaultStack::new(SCRIPT_STACK_BYTES).map_err(|_| no_memory()), Ok)
    }

    /// Puts a stack back.
    pub(super) fn put_stack(&self, stack: DefaultStack) {
        self.shelf.borrow_mut().stack = Some(stack);
    }

    /// Puts back what a script had.
    pub(super) fn put_back(&self, mut kit: Box<Kit>) {
        kit.buffer.clear();
        kit.buffer.shrink_to(KEPT_BYTES_MAX);
        kit.words.clear();
        kit.words.shrink_to(KEPT_BYTES_MAX / size_of::<ArgRange>());
        for out in [&mut kit.out, &mut kit.called, &mut kit.returned] {
            out.clear(KEPT_BYTES_MAX);
        }
        let mut shelf = self.shelf.borrow_mut();
        (shelf.busy, shelf.kit) = (None, Some(kit));
    }

    /// The script that has the kit while others run, if one does.
    #[must_use]
    pub fn busy(&self) -> Option<Busy> {
        self.shelf.borrow().busy
    }

    /// The machine for functions goes, unless a script has it.
    pub(super) fn drop_functions(&self) {
        if let Some(kit) = &mut self.shelf.borrow_mut().kit {
            kit.functions = None;
        }
    }

    /// The script that has the kit keeps it while others have their turn: what they are told of it.
    pub(super) fn note_busy(&self, busy: Busy) {
        self.shelf.borrow_mut().busy = Some(busy);
    }

    /// A script goes on when others have had their turn.
    pub(super) fn leave_unfinished(&self, unfinished: Box<dyn Unfinished>) {
        self.shelf.borrow_mut().unfinished = Some(unfinished);
    }

    /// The script that the request run last is, if that is not at its end.
    pub fn take_unfinished(&self) -> Option<Box<dyn Unfinished>> {
        self.shelf.borrow_mut().unfinished.take()
    }
}

/// The machine for scripts by EVAL, made where there is none that can be used.
pub(super) fn usable<'m>(
    machine: &'m mut Option<Vm>,
    shared: &Shared,
    settings: &Settings,
) -> Result<&'m mut Vm, CommandError> {
    let bytes_max = settings.script_memory_bytes_max;
    machine.iter_mut().for_each(|vm| vm.set_memory_bytes_max(bytes_max));
    machine.take_if(|vm| vm.is_spoilt());
    if machine.is_none() {
        let vm = Vm::new(shared.clock.clone(), REDIS_VERSION, bytes_max).map_err(|_| no_memory())?;
        shared.scripts.machines.enlist(vm.state());
        *machine = Some(vm);
    }
    machine.as_mut().ok_or_else(no_memory)
}

/// The machine for functions, made where there is none that can be used.
pub(super) fn usable_functions<'m>(
    machine: &'m mut Option<FunctionVm>,
    shared: &Shared,
    settings: &Settings,
) -> Result<&'m mut FunctionVm, CommandError> {
    let bytes_max = settings.script_memory_bytes_max;
    machine.iter_mut().for_each(|vm| vm.set_memory_bytes_max(bytes_max));
    machine.take_if(|vm| vm.is_spoilt());
    if machine.is_none() {
        let vm = loader(shared, settings)?;
        shared.functions.machines.enlist(vm.state());
        *machine = Some(vm);
    }
    machine.as_mut().ok_or_else(no_memory)
}

/// A machine for functions that nobody else knows.
pub(super) fn loader(shared: &Shared, settings: &Settings) -> Result<FunctionVm, CommandError> {
    FunctionVm::new(shared.clock.clone(), REDIS_VERSION, settings.script_memory_bytes_max)
        .map_err(|_| no_memory())
}

fn no_memory() -> CommandError {
    CommandError::err("not enough memory for the script engine")
}
