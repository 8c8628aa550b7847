//! The script that runs on this thread: who answers its calls, and whether it must end.

#![allow(
    unsafe_code,
    reason = "the functions that Luau calls are given no argument of ours: they find it here"
)]

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use mlua::ffi::lua_State;

use super::super::host::Host;
use super::super::watch::Watch;
use super::stack::Stack;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::Proto;

/// What ends a script that must not go on; never seen by its caller.
const STOPPED: &[u8] = b"stopped";

thread_local! {
    static RUNNING: Cell<Option<NonNull<Running<'static>>>> = const { Cell::new(None) };
}

/// A script that runs.
pub struct Running<'h> {
    pub host: &'h mut dyn Host,
    pub watch: &'h Watch,
    /// What it speaks.
    pub proto: Proto,
    /// Words of the call that is made.
    pub words: Vec<u8>,
    pub ranges: Vec<ArgRange>,
    /// A command panicked: the script ends, then the panic goes on.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Running<'_> {
    /// Makes it the script of this thread until `work` is done.
    pub fn within<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = RUNNING.replace(Some(NonNull::from(&mut *self).cast()));
        let _restore = Restore(before);
        work()
    }

    /// Looks whether the script must end, and gives others their turn when its slice is over.
    pub fn look(&mut self) {
        if self.watch.is_slice_over() {
            // Whoever has the thread meanwhile may run scripts too.
            let own = RUNNING.get();
            let paused = catch_unwind(AssertUnwindSafe(|| self.host.pause()));
            RUNNING.set(own);
            match paused {
                Ok(true) => self.watch.begin_slice(),
                Ok(false) => self.watch.end(),
                Err(panic) => self.end_by(panic),
            }
        }
    }

    /// A panic must not pass through Luau: it goes on when the script has ended.
    pub fn end_by(&mut self, panic: Box<dyn Any + Send>) {
        self.panic = Some(panic);
        self.watch.end();
    }
}

/// Puts back who ran before, also where a panic passes.
struct Restore(Option<NonNull<Running<'static>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}

/// Does something with the script that runs on this thread; nothing where none does.
pub fn with<T>(work: impl FnOnce(&mut Running<'_>) -> T) -> Option<T> {
    // SAFETY: it lives as long as it stands there (`within`), on this thread alone. It is used by the functions that a script
    // calls, each of which is done with it before the script goes on, and by `look` within them, which passes it on.
    RUNNING.get().map(|mut running| work(unsafe { running.as_mut() }))
}

/// A tick of a function that the machine does not look into, for each of its steps: so that what is long lets others run.
///
/// # Errors
/// Where the script must end.
pub fn step() -> mlua::Result<()> {
    let is_over = with(|running| {
        if running.watch.tick() {
            running.look();
        }
        running.watch.is_over()
    });
    match is_over {
        Some(true) => Err(mlua::Error::RuntimeError(String::from_utf8_lossy(STOPPED).into_owned())),
        _ => Ok(()),
    }
}

/// A tick of the machine: at each call, return and turn of a loop, and as the collector works. Once a script must end
/// every tick says so, so that no `pcall` saves it.
pub unsafe extern "C-unwind" fn tick(state: *mut lua_State, collecting: i32) {
    if collecting >= 0 {
        return;
    }
    let is_over = with(|running| {
        if running.watch.tick() {
            running.look();
        }
        running.watch.is_over()
    });
    if is_over == Some(true) {
        // SAFETY: Luau ticks where an error may be raised.
        let stack = unsafe { Stack::new(state) };
        if stack.reserve(1) {
            stack.push_bytes(STOPPED);
        }
        stack.raise();
    }
}
