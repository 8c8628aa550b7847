//! A machine: one Luau state with what scripts find in it, and the scripts it has compiled.
//!
//! Each worker has one, made on first use. A script is the machine's only user while it runs. A machine that a script left
//! in an unknown state (stopped, out of memory) is thrown away by its owner: see `is_spoilt`.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti as _, Lua, LuaOptions, StdLib, Table, Value, Variadic};

use super::bridge::{self, ARGUMENTS, Bridge, Compiled, Ended, Running, write_number_word};
use super::host::Host;
use super::library;
use super::sources::{Source, sha1_hex};
use super::state::VmState;
use super::values::error_line;
use super::watch::Watch;
use crate::base::clock::Clock;
use crate::base::limits::{SCRIPT_BYTES_MAX, SCRIPT_MEMORY_BYTES_MAX, SCRIPT_SLICE_NS};
use crate::protocol::range::ArgRange;
use crate::protocol::reply::{Proto, Reply};

/// Runs between two steps of the collector, as in Redis.
const RUNS_PER_STEP: u32 = 50;

/// What a machine keeps of the room for the words of a call, bytes.
const WORDS_KEPT_BYTES_MAX: usize = 64 * 1024;

/// How a script ended.
#[derive(Debug)]
pub enum Run {
    /// With a value, which is written as a reply.
    Returned,
    /// With an error: its line, without the leading `-`.
    Failed(Vec<u8>),
}

/// What a script is called with.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    pub keys: &'c [&'c [u8]],
    pub argv: &'c [&'c [u8]],
}

/// A machine and what it compiled.
pub struct Vm {
    lua: Lua,
    bridge: Bridge,
    /// By the sources' numbers.
    compiled: HashMap<u64, (Arc<Source>, Compiled)>,
    pub state: Arc<VmState>,
    watch: Watch,
    words: Vec<u8>,
    ranges: Vec<ArgRange>,
    runs: u32,
    is_spoilt: bool,
}

impl Vm {
    /// A machine with everything that scripts find in it. `version`: what scripts are told of Redis.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn new(clock: Clock, version: &str) -> mlua::Result<Vm> {
        let libs =
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE | StdLib::OS | StdLib::DEBUG;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        lua.set_memory_limit(SCRIPT_MEMORY_BYTES_MAX)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude").set_mode(ChunkMode::Text);
        let (handler, environment, slots) = prelude.call((natives(&lua, version)?, library::all(&lua)?))?;
        lua.sandbox(true)?;
        let bridge = Bridge::new(&lua, handler, environment, slots)?;
        let state: Arc<VmState> = Arc::default();
        let watch = Watch::new(clock, state.clone(), SCRIPT_SLICE_NS);
        Ok(Vm {
            lua,
            bridge,
            compiled: HashMap::new(),
            state,
            watch,
            words: Vec::new(),
            ranges: Vec::new(),
            runs: 0,
            is_spoilt: false,
        })
    }

    /// Whether it must not be used again.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    /// Whether the next script would hardly find room: what this one left goes with the machine.
    fn is_full(&self) -> bool {
        self.held_bytes() > SCRIPT_MEMORY_BYTES_MAX / 4 * 3
    }

    /// Bytes that the machine holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Runs a script to its end and writes its value.
    pub fn run(
        &mut self,
        source: &Arc<Source>,
        call: Call<'_>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Run {
        if let Err(error) = self.compile(source) {
            return Run::Failed(error);
        }
        self.state.begin();
        self.watch.begin();
        // Where a command panics, what it leaves is nobody's any more.
        self.is_spoilt = true;
        let ended = self.run_compiled(source, call, host, reply);
        self.is_spoilt = self.watch.is_over();
        self.state.end();
        self.runs = self.runs.wrapping_add(1);
        if self.runs.is_multiple_of(RUNS_PER_STEP) {
            let _finished = self.lua.gc_step();
            self.is_spoilt |= self.is_full();
            self.state.held_bytes.store(self.held_bytes() as u64, Relaxed);
        }
        let failed = |text: &[u8], line: &[u8]| {
            let sha = source.sha.as_bytes();
            Run::Failed([text, b" script: ", sha, b", on @user_script:", line, b"."].concat())
        };
        if self.watch.is_over() {
            return failed(b"ERR Script killed by user with SCRIPT KILL.", b"-1");
        }
        match ended {
            Ended::Returned => Run::Returned,
            Ended::Failed(text, line) => failed(&text, &line),
            Ended::TooLarge => Run::Failed(b"ERR the reply of the script is too large".to_vec()),
        }
    }

    fn run_compiled(
        &mut self,
        source: &Source,
        call: Call<'_>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Ended {
        let Some((_, script)) = self.compiled.get(&source.number) else {
            return Ended::Failed(b"ERR not compiled".to_vec(), b"-1".to_vec());
        };
        let (words, ranges) = (std::mem::take(&mut self.words), std::mem::take(&mut self.ranges));
        let watch = &self.watch;
        let mut running = Running { host, watch, proto: Proto::Resp2, words, ranges, panic: None };
        let ended = self.bridge.run(&mut self.lua, &mut running, script, call.keys, call.argv, reply);
        if let Some(panic) = running.panic {
            resume_unwind(panic);
        }
        running.words.clear();
        running.words.shrink_to(WORDS_KEPT_BYTES_MAX);
        (self.words, self.ranges) = (running.words, running.ranges);
        ended
    }

    /// Compiles a script, unless it is compiled already.
    ///
    /// # Errors
    /// The error's line, where the text is no script.
    pub fn compile(&mut self, source: &Arc<Source>) -> Result<(), Vec<u8>> {
        if self.compiled.contains_key(&source.number) {
            return Ok(());
        }
        for (_, (_, compiled)) in self.compiled.extract_if(|_, (source, _)| source.is_gone()) {
            self.bridge.forget(compiled);
        }
        let script = compile(&self.lua, source.code(), "=user_script");
        let compiled = script.and_then(|script| self.bridge.keep(&self.lua, script));
        let compiled = compiled.map_err(|error| {
            self.is_spoilt |= self.is_full();
            compile_error(&error)
        })?;
        self.compiled.insert(source.number, (source.clone(), compiled));
        Ok(())
    }
}

/// Compiles text; what looks like compiled code is refused.
fn compile(lua: &Lua, text: &[u8], name: &str) -> mlua::Result<Function> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(mlua::Error::RuntimeError("script is too large".to_owned()));
    }
    lua.load(text).set_name(name).set_mode(ChunkMode::Text).into_function()
}

/// Values as words: strings, and numbers as integers where they are whole.
fn words_of(values: &[Value]) -> Result<(Vec<u8>, Vec<ArgRange>), &'static str> {
    let (mut buffer, mut words) = (Vec::new(), Vec::new());
    for value in values {
        let start = buffer.len();
        match value {
            Value::String(text) => buffer.extend_from_slice(&text.as_bytes()),
            _ => write_number_word(number_of(value).ok_or(ARGUMENTS)?, &mut buffer),
        }
        words.push(ArgRange { start, len: buffer.len() - start });
    }
    Ok((buffer, words))
}

/// A value that is a number.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// What scripts ask of the server beside commands: the answer, or what is wrong.
fn beside(running: &mut Running<'_>, what: &str, values: &[Value]) -> Result<Value, &'static str> {
    match what {
        "setresp" => match values {
            [version] => match number_of(version) {
                Some(2.0) => running.proto = Proto::Resp2,
                Some(3.0) => running.proto = Proto::Resp3,
                _ => return Err("RESP version must be 2 or 3."),
            },
            _ => return Err("redis.setresp() requires one argument."),
        },
        "log" => {
            let [level, rest @ ..] = values else {
                return Err("redis.log() requires two arguments or more.");
            };
            if rest.is_empty() {
                return Err("redis.log() requires two arguments or more.");
            }
            let level = number_of(level).ok_or("First argument must be a number (log level).")?;
            if !(0.0..=3.0).contains(&level) {
                return Err("Invalid debug level.");
            }
            let parts: Vec<Vec<u8>> = rest
                .iter()
                .filter_map(|value| words_of(std::slice::from_ref(value)).ok())
                .map(|(text, _)| text)
                .collect();
            running.host.log(level as i64, &parts.join(&b' '));
        }
        _ => {
            let (buffer, words) =
                words_of(values).map_err(|_| "redis.acl_check_cmd() require strings or integers")?;
            return running.host.may_call(&buffer, &words).map(Value::Boolean);
        }
    }
    Ok(Value::Nil)
}

/// What the prelude is given of the server.
fn natives(lua: &Lua, version: &str) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    let number =
        version.split('.').filter_map(|part| part.parse::<i64>().ok()).fold(0, |all, part| all << 8 | part);
    native.set("version", version)?;
    native.set("version_number", number)?;
    native.set(
        "error_line",
        lua.create_function(|lua, text: mlua::LuaString| lua.create_string(error_line(&text.as_bytes())))?,
    )?;
    native.set(
        "sha1hex",
        lua.create_function(|_, text: Value| {
            let (text, _) = words_of(&[text]).unwrap_or_default();
            Ok(sha1_hex(&text))
        })?,
    )?;
    native.set(
        "text",
        lua.create_function(|lua, problem: Value| match problem {
            Value::Error(error) => lua.create_string(text_of(&error)),
            Value::String(text) => match std::str::from_utf8(&text.as_bytes()) {
                Ok(own) => lua.create_string(plain(own)),
                Err(_) => Ok(text),
            },
            other => lua.create_string(other.to_string().unwrap_or_default()),
        })?,
    )?;
    native.set(
        "compile",
        lua.create_function(|lua, (text, name): (Value, Option<mlua::LuaString>)| {
            let Value::String(text) = text else {
                return (Value::Nil, "bad argument #1 to 'loadstring' (string expected)").into_lua_multi(lua);
            };
            let name = name.map_or_else(|| "=loadstring".to_owned(), |name| name.to_string_lossy());
            match compile(lua, &text.as_bytes(), &name) {
                Ok(compiled) => compiled.into_lua_multi(lua),
                Err(error) => (Value::Nil, text_of(&error)).into_lua_multi(lua),
            }
        })?,
    )?;
    native.set(
        "beside",
        lua.create_function(|_, (what, values): (String, Variadic<Value>)| {
            let answer = bridge::with(|running| beside(running, &what, &values));
            Ok(match answer.unwrap_or(Err("no script runs")) {
                Ok(value) => (value, None),
                Err(problem) => (Value::Nil, Some(problem)),
            })
        })?,
    )?;
    bridge::add_calls(lua, &native)?;
    library::random::add(lua, &native)?;
    Ok(native)
}

/// An error's text alone, without the trace that mlua adds.
fn text_of(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::CallbackError { cause, .. } => text_of(cause),
        other => other.to_string(),
    };
    plain(&text)
}

/// A text of Luau's in Redis's words, without a trace.
fn plain(text: &str) -> String {
    let text = text.split("\nstack traceback:").next().unwrap_or_default();
    // Luau writes it with a small letter.
    text.replacen("attempt to modify a readonly table", "Attempt to modify a readonly table", 1)
}

fn compile_error(error: &mlua::Error) -> Vec<u8> {
    format!("ERR Error compiling script (new function): {}", text_of(error)).into_bytes()
}
