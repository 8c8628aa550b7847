//! `redis.call` and `redis.pcall`.

#![allow(unsafe_code, reason = "functions in C's manner, called by Luau alone")]

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use itoa::Buffer;
use mlua::ffi::lua_State;

use super::push::push_reply;
use super::running::{self, Running};
use super::stack::{Kind, Stack};
use crate::protocol::range::ArgRange;
use crate::script::library::number::write_number;

/// Values on the stack that an error with its place takes.
const ERROR_VALUES: usize = 4;
/// Of a call with anything else.
pub const ARGUMENTS: &str = "Lua redis lib command arguments must be strings or integers";
const NO_ARGUMENTS: &str = "Please specify at least one argument for this redis lib call";
const NO_ROOM: &[u8] = b"ERR not enough memory for the reply";

/// The field of an error table that says that the server has counted it; Redis's name.
pub const COUNTED: &CStr = c"ignore_error_stats_update";

/// How a call ended: its value, or its error table, is pushed.
enum Called {
    Value,
    Error,
}

/// `redis.call`: an error is raised.
pub unsafe extern "C-unwind" fn call(state: *mut lua_State) -> i32 {
    // SAFETY: Luau calls it.
    let stack = unsafe { Stack::new(state) };
    match run(stack) {
        Called::Value => 1,
        Called::Error => stack.raise(),
    }
}

/// `redis.pcall`: an error is the value.
pub unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> i32 {
    // SAFETY: Luau calls it.
    run(unsafe { Stack::new(state) });
    1
}

fn run(stack: Stack) -> Called {
    running::with(|running| run_in(stack, running))
        .unwrap_or_else(|| error(stack, b"ERR no script runs", false))
}

fn run_in(stack: Stack, running: &mut Running<'_>) -> Called {
    if let Err(problem) = read_words(stack, running) {
        return error(stack, format!("ERR {problem}").as_bytes(), false);
    }
    let Running { host, words, ranges, proto, .. } = &mut *running;
    let (host, proto) = (&mut **host, *proto);
    let called = catch_unwind(AssertUnwindSafe(move || {
        // Moved in: what it returns may borrow from it.
        let host = host;
        host.call(words, ranges, proto)
    }));
    let reply = match called {
        Ok(reply) => reply,
        Err(panic) => {
            running.end_by(panic);
            return error(stack, b"ERR the command panicked", true);
        }
    };
    let called = if reply.first() == Some(&b'-') {
        let line = memchr::memchr(b'\r', reply).map_or(reply, |end| &reply[..end]);
        error(stack, &line[1..], true)
    } else if push_reply(stack, reply) {
        Called::Value
    } else {
        error(stack, NO_ROOM, false)
    };
    running.look();
    called
}

/// Reads the words of a call: strings, and numbers as integers where they are whole.
fn read_words(stack: Stack, running: &mut Running<'_>) -> Result<(), &'static str> {
    running.words.clear();
    running.ranges.clear();
    let count = stack.len();
    if count == 0 {
        return Err(NO_ARGUMENTS);
    }
    for at in 1..=count as i32 {
        let start = running.words.len();
        write_word(stack, at, &mut running.words)?;
        running.ranges.push(ArgRange { start, len: running.words.len() - start });
    }
    Ok(())
}

/// Appends the argument at a position as a word.
fn write_word(stack: Stack, at: i32, word: &mut Vec<u8>) -> Result<(), &'static str> {
    match stack.kind(at) {
        Kind::String => word.extend_from_slice(stack.bytes(at)),
        Kind::Number => write_number_word(stack.number(at), word),
        _ => return Err(ARGUMENTS),
    }
    Ok(())
}

/// A number as a word: whole ones as integers, others with 17 digits, as `%.17g` does.
pub fn write_number_word(number: f64, word: &mut Vec<u8>) {
    if number.fract() == 0.0 && number.abs() < 9.2e18 {
        word.extend_from_slice(Buffer::new().format(number as i64).as_bytes());
    } else {
        write_number(word, number, 17);
    }
}

/// Pushes an error table. `is_counted`: the server has counted the error already. Its place it gets where it is raised.
fn error(stack: Stack, line: &[u8], is_counted: bool) -> Called {
    if !stack.reserve(ERROR_VALUES) {
        // Luau frees the arguments' room when the function ends.
        stack.pop(stack.len() as i32);
    }
    stack.push_table(0, 2);
    stack.push_bytes(line);
    stack.set_field(c"err");
    if is_counted {
        stack.push_boolean(true);
        stack.set_field(COUNTED);
    }
    Called::Error
}
