//! The way between a script and the server that each call takes, written against Luau's C interface: mlua's safe functions
//! cost 300 ns a script and 250 ns a call more (measured: docs/benchmarks.md). What is called seldom stays with mlua.

#![allow(unsafe_code, reason = "functions in C's manner, called by Luau alone")]

mod call;
mod push;
mod running;
mod stack;
mod write;

use std::ffi::c_void;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Table};

use crate::protocol::reply::{Proto, Reply};

use call::COUNTED;
pub use call::{ARGUMENTS, write_number_word};
pub use running::{Running, step, with};
use stack::{Kept, Kind, Stack};
use write::write_value;

/// Words given to a script between two looks at the clock.
const WORDS_PER_LOOK: usize = 64;
/// Values on the stack that a run takes beside its words.
const RUN_VALUES: usize = 12;

/// A function of Lua's that is kept: a compiled script, or what a library registered.
#[derive(Debug)]
pub struct Callable(Kept);

/// What is run.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'e> {
    /// A script: it finds its keys and arguments among globals that it alone has.
    Script(&'e Callable),
    /// A function of a library: it is given its keys and its arguments.
    Function(&'e Callable),
}

/// A machine's part of the bridge.
pub struct Bridge {
    state: *mut lua_State,
    /// Gives errors their place.
    handler: Kept,
    /// Of the table in which a script finds its globals.
    environment: Kept,
    /// Where the prelude finds that table.
    slots: Kept,
}

/// How a script ended.
#[derive(Debug)]
pub enum Ended {
    /// Its value is written.
    Returned,
    /// Its value is larger than a reply may be.
    TooLarge,
    Failed(Failure),
}

/// An error that a script ended with.
#[derive(Debug)]
pub struct Failure {
    pub text: Vec<u8>,
    /// The line of the script in which it was raised; `None` where it was returned.
    pub raised_at: Option<Vec<u8>>,
    /// The server has counted it already.
    pub is_counted: bool,
}

/// A run, as the function that Luau calls finds it.
struct Frame<'f, 'r> {
    bridge: &'f Bridge,
    entry: Entry<'f>,
    keys: &'f [&'f [u8]],
    argv: &'f [&'f [u8]],
    reply: &'f mut Reply<'r>,
    ended: Ended,
}

/// Adds `call` and `pcall` to a table.
pub fn add_calls(lua: &Lua, to: &Table) -> mlua::Result<()> {
    // SAFETY: both are functions in C's manner and keep to what Luau asks of one.
    let (call, pcall) = unsafe { (lua.create_c_function(call::call)?, lua.create_c_function(call::pcall)?) };
    to.raw_set("call", call)?;
    to.raw_set("pcall", pcall)
}

impl Bridge {
    /// `handler`: gives errors their place; `environment`: the metatable of a script's globals; `slots`: where the prelude
    /// looks for the script's globals.
    pub fn new(lua: &Lua, handler: Function, environment: Table, slots: Table) -> mlua::Result<Bridge> {
        let mut state = std::ptr::null_mut();
        let mut kept = [Kept::NOTHING; 3];
        let values = (handler, environment, slots);
        // SAFETY: the closure leaves nothing behind, and the state is used where `lua` is alive: see `run`.
        unsafe {
            lua.exec_raw::<()>(values, |raw| {
                state = ffi::lua_mainthread(raw);
                let stack = Stack::new(raw);
                for at in (0..kept.len()).rev() {
                    kept[at] = stack.keep();
                    stack.pop(1);
                }
                (*ffi::lua_callbacks(raw)).interrupt = Some(running::tick);
            })?;
        }
        let [handler, environment, slots] = kept;
        Ok(Bridge { state, handler, environment, slots })
    }

    /// Keeps a function.
    pub fn keep(&self, lua: &Lua, function: Function) -> mlua::Result<Callable> {
        let mut kept = Kept::NOTHING;
        // SAFETY: the closure leaves nothing behind.
        unsafe {
            lua.exec_raw::<()>(function, |raw| {
                let stack = Stack::new(raw);
                kept = stack.keep();
                stack.pop(1);
            })?;
        }
        Ok(Callable(kept))
    }

    pub fn forget(&self, callable: Callable) {
        // SAFETY: the machine is alive, as its owner calls, and this allocates nothing.
        unsafe { Stack::new(self.state) }.forget(callable.0);
    }

    /// Runs what is kept to its end and writes its value. `running` answers its calls.
    ///
    /// `_lua` is the machine that this belongs to, which nobody uses meanwhile.
    pub fn run(
        &self,
        _lua: &mut Lua,
        running: &mut Running<'_>,
        entry: Entry<'_>,
        keys: &[&[u8]],
        argv: &[&[u8]],
        reply: &mut Reply<'_>,
    ) -> Ended {
        let unsaid = Ended::Failed(unplaced(b"ERR not enough memory".to_vec()));
        let mut frame = Frame { bridge: self, entry, keys, argv, reply, ended: unsaid };
        running.within(|| {
            // SAFETY: the state is alive and ours alone, as `_lua` is borrowed; `enter` is given a frame that outlives the call.
            unsafe {
                let top = ffi::lua_gettop(self.state);
                let status = ffi::lua_cpcall(self.state, enter, (&raw mut frame).cast::<c_void>());
                if status != ffi::LUA_OK {
                    ffi::lua_settop(self.state, top);
                }
            }
        });
        frame.ended
    }
}

/// Runs the entry of a frame within a protected call.
unsafe extern "C-unwind" fn enter(state: *mut lua_State) -> i32 {
    // SAFETY: `Bridge::run` gives it a frame, and waits for its end.
    let frame = unsafe { &mut *ffi::lua_touserdata(state, 1).cast::<Frame<'_, '_>>() };
    // SAFETY: Luau calls it.
    let stack = unsafe { Stack::new(state) };
    if !stack.reserve(RUN_VALUES) {
        return 0;
    }
    stack.push_kept(frame.bridge.handler);
    let handler = stack.absolute(-1);
    let arguments = match frame.entry {
        Entry::Script(script) => {
            stack.push_kept(script.0);
            push_globals(stack, frame);
            stack.set_environment();
            0
        }
        Entry::Function(function) => {
            stack.push_kept(function.0);
            push_words(stack, frame.keys);
            push_words(stack, frame.argv);
            2
        }
    };
    let is_done = stack.call_protected(arguments, handler);
    let proto = with(|running| running.proto).unwrap_or(Proto::Resp2);
    frame.ended = if !is_done {
        failed(stack)
    } else if let Some(failure) = returned_error(stack) {
        Ended::Failed(failure)
    } else if write_value(stack, proto, frame.reply).is_ok() {
        Ended::Returned
    } else {
        Ended::TooLarge
    };
    0
}

/// Pushes the table in which a script finds its globals.
fn push_globals(stack: Stack, frame: &Frame<'_, '_>) {
    stack.push_table(0, 3);
    push_words(stack, frame.keys);
    stack.set_field(c"KEYS");
    push_words(stack, frame.argv);
    stack.set_field(c"ARGV");
    stack.push_again(-1);
    stack.set_field(c"_G");
    stack.push_kept(frame.bridge.environment);
    stack.set_metatable();
    stack.freeze();
    stack.push_kept(frame.bridge.slots);
    stack.push_again(-2);
    stack.set_field(c"own");
    stack.pop(1);
}

fn push_words(stack: Stack, words: &[&[u8]]) {
    stack.push_table(words.len(), 0);
    for (before, word) in words.iter().enumerate() {
        if before % WORDS_PER_LOOK == WORDS_PER_LOOK - 1 {
            // Texts that were chosen to meet in the machine's table take longer and longer.
            with(|running| running.look());
        }
        stack.push_bytes(word);
        stack.set_at(before + 1);
    }
}

/// The error at the top: a table with its place, or a text where there was no room to give it one.
fn failed(stack: Stack) -> Ended {
    if stack.kind(-1) != Kind::Table {
        let text = match stack.kind(-1) {
            Kind::String => stack.bytes(-1),
            _ => b"unknown error",
        };
        return Ended::Failed(unplaced([b"ERR ", text].concat()));
    }
    let text = match stack.push_field(-1, c"err") {
        Kind::String => stack.bytes(-1).to_vec(),
        _ => b"ERR unknown error".to_vec(),
    };
    let line = match stack.push_field(-2, c"line") {
        Kind::String => stack.bytes(-1).to_vec(),
        _ => b"-1".to_vec(),
    };
    let is_counted = stack.push_field(-3, COUNTED) == Kind::Boolean && stack.boolean(-1);
    Ended::Failed(Failure { text, raised_at: Some(line), is_counted })
}

/// An error of which nobody knows where it was raised.
fn unplaced(text: Vec<u8>) -> Failure {
    Failure { text, raised_at: Some(b"-1".to_vec()), is_counted: false }
}

/// The value at the top, if it stands for an error.
fn returned_error(stack: Stack) -> Option<Failure> {
    if stack.kind(-1) != Kind::Table {
        return None;
    }
    let is_error = stack.push_field(-1, c"err") == Kind::String;
    let text = stack.bytes(-1).to_vec();
    stack.pop(1);
    let is_counted = stack.push_field(-1, COUNTED) == Kind::Boolean && stack.boolean(-1);
    stack.pop(1);
    is_error.then_some(Failure { text, raised_at: None, is_counted })
}
