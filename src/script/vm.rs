//! A machine: one Luau state with what scripts find in it, and the scripts it has compiled.
//!
//! Each worker has one, made on first use. A script is the machine's only user while it runs. A machine that a script left
//! in an unknown state (stopped, out of memory) is thrown away by its owner: see `is_spoilt`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti as _, Lua, LuaOptions, StdLib, Table, Value, Variadic};

use super::library::{self, number::write_number};
use super::sources::{Source, sha1_hex};
use super::state::VmState;
use super::values::{Wire, error_line, number_of};
use crate::base::clock::Clock;
use crate::base::limits::{SCRIPT_BYTES_MAX, SCRIPT_MEMORY_BYTES_MAX};
use crate::protocol::reply::Proto;

/// Ticks of the machine between two looks at the clock.
const TICKS_PER_LOOK: u32 = 1024;
/// Runs between two steps of the collector, as in Redis.
const RUNS_PER_STEP: u32 = 50;
/// What ends a script that must not go on; never seen by its caller.
const STOPPED: &str = "stopped";
/// Of `redis.call` with anything else.
const ARGUMENTS: &str = "Lua redis lib command arguments must be strings or integers";

/// Who runs what a script calls.
pub trait Host {
    /// Runs a command and gives its reply as on the wire; a refusal is an error line too.
    fn call(&mut self, words: &[Vec<u8>], proto: Proto) -> Vec<u8>;

    /// Writes a line to the server's log; the level as in `redis.LOG_…`.
    fn log(&mut self, level: i64, text: &[u8]);

    /// Whether the caller may run these words; an error text where there is no such command.
    fn may_call(&mut self, words: &[Vec<u8>]) -> Result<bool, &'static str>;
}

/// How a script ended.
#[derive(Debug)]
pub enum Run {
    /// With a value, and the protocol that the script spoke.
    Returned(Value, Proto),
    /// With an error: its line, without the leading `-`.
    Failed(Vec<u8>),
}

/// A machine and what it compiled.
pub struct Vm {
    lua: Lua,
    /// The prelude's function that runs a script.
    run: Function,
    compiled: HashMap<String, (Arc<Source>, Function)>,
    pub state: Arc<VmState>,
    watch: Rc<Watch>,
    runs: u32,
    is_spoilt: bool,
}

/// Whether the script that runs must end.
struct Watch {
    clock: Clock,
    state: Arc<VmState>,
    ticks: Cell<u32>,
    /// When the script began, as the clock reads.
    begun: Cell<u64>,
    /// The most it may take, ns.
    most_ns: Cell<u64>,
    is_over: Cell<bool>,
}

impl Watch {
    /// A tick of the machine. Once a script must end every tick says so, so that no `pcall` saves it.
    fn tick(&self) -> mlua::Result<mlua::VmState> {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if ticks.is_multiple_of(TICKS_PER_LOOK) {
            self.look();
        }
        match self.is_over.get() {
            true => Err(mlua::Error::RuntimeError(STOPPED.to_owned())),
            false => Ok(mlua::VmState::Continue),
        }
    }

    fn look(&self) {
        let took_ns = self.clock.ns_between(self.begun.get(), self.clock.reading());
        self.is_over
            .set(self.is_over.get() || took_ns > self.most_ns.get() || self.state.is_killed.load(Relaxed));
    }

    fn begin(&self, most_ns: u64) {
        self.begun.set(self.clock.reading());
        self.most_ns.set(most_ns);
        self.is_over.set(false);
    }
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
        let run: Function = prelude.call((natives(&lua, version)?, library::all(&lua)?))?;
        lua.sandbox(true)?;
        let state: Arc<VmState> = Arc::default();
        let watch = Rc::new(Watch {
            clock,
            state: state.clone(),
            ticks: Cell::new(0),
            begun: Cell::new(0),
            most_ns: Cell::new(u64::MAX),
            is_over: Cell::new(false),
        });
        let ticking = watch.clone();
        lua.set_interrupt(move |_| ticking.tick());
        Ok(Vm { lua, run, compiled: HashMap::new(), state, watch, runs: 0, is_spoilt: false })
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

    /// Runs a script to its end, `most_ns` at most.
    pub fn run(
        &mut self,
        source: &Arc<Source>,
        keys: &[&[u8]],
        argv: &[&[u8]],
        host: &mut dyn Host,
        most_ns: u64,
    ) -> Run {
        let script = match self.compiled(source) {
            Ok(script) => script,
            Err(error) => {
                self.is_spoilt |= self.is_full();
                return Run::Failed(compile_error(&error));
            }
        };
        self.state.has_written.store(false, Relaxed);
        self.state.is_killed.store(false, Relaxed);
        self.state.is_running.store(true, Relaxed);
        self.watch.begin(most_ns);
        // Where a command panics, what it leaves is nobody's any more.
        self.is_spoilt = true;
        let ended = self.run_compiled(&script, keys, argv, host);
        self.is_spoilt = false;
        self.state.is_running.store(false, Relaxed);
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_PER_STEP) {
            let _finished = self.lua.gc_step();
        }
        self.is_spoilt |= self.is_full();
        self.state.held_bytes.store(self.held_bytes() as u64, Relaxed);
        let place = |line: &str| format!(" script: {}, on @user_script:{line}.", source.sha);
        if self.watch.is_over.get() {
            self.is_spoilt = true;
            let why = match self.state.is_killed.load(Relaxed) {
                true => "ERR Script killed by user with SCRIPT KILL.",
                false => "ERR Script took longer than busy-reply-threshold and was stopped.",
            };
            return Run::Failed([why.as_bytes(), place("-1").as_bytes()].concat());
        }
        match ended {
            Ok((Ok(value), proto)) => Run::Returned(value, proto),
            Ok((Err(problem), _)) => Run::Failed(error_with_place(&problem, place)),
            Err(error) => {
                self.is_spoilt = true;
                Run::Failed([b"ERR ", text_of(&error).as_bytes(), place("-1").as_bytes()].concat())
            }
        }
    }

    /// A script's function, compiled on first use.
    fn compiled(&mut self, source: &Arc<Source>) -> mlua::Result<Function> {
        if let Some((known, script)) = self.compiled.get(&source.sha)
            && Arc::ptr_eq(known, source)
        {
            return Ok(script.clone());
        }
        self.compiled.retain(|_, (source, _)| !source.is_gone());
        let script = compile(&self.lua, source.code(), "=user_script")?;
        self.compiled.insert(source.sha.clone(), (source.clone(), script.clone()));
        Ok(script)
    }

    /// Compiles a script ahead.
    ///
    /// # Errors
    /// The error's line, where the text is no script.
    pub fn compile(&mut self, source: &Arc<Source>) -> Result<(), Vec<u8>> {
        self.compiled(source).map(drop).map_err(|error| compile_error(&error))
    }

    /// The value or the error that a script ended with, and the protocol it spoke.
    fn run_compiled(
        &self,
        script: &Function,
        keys: &[&[u8]],
        argv: &[&[u8]],
        host: &mut dyn Host,
    ) -> mlua::Result<(Result<Value, Value>, Proto)> {
        let lua = &self.lua;
        let (host, proto) = (RefCell::new(host), Cell::new(Proto::Resp2));
        let (keys, argv) = (strings(lua, keys)?, strings(lua, argv)?);
        let (is_done, value) = lua.scope(|scope| {
            let raw = scope.create_function(|lua, words: Variadic<Value>| {
                let (value, is_error) = call(lua, &host, proto.get(), &words)?;
                self.watch.look();
                Ok((value, is_error))
            })?;
            let beside = scope.create_function(|_, (what, words): (String, Variadic<Value>)| {
                beside(&host, &proto, &what, &words)
            })?;
            self.run.call::<(bool, Value)>((script, keys, argv, raw, beside))
        })?;
        Ok((if is_done { Ok(value) } else { Err(value) }, proto.get()))
    }
}

/// Compiles text; what looks like compiled code is refused.
fn compile(lua: &Lua, text: &[u8], name: &str) -> mlua::Result<Function> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(mlua::Error::RuntimeError("script is too large".to_owned()));
    }
    lua.load(text).set_name(name).set_mode(ChunkMode::Text).into_function()
}

fn strings(lua: &Lua, words: &[&[u8]]) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(words.len(), 0)?;
    for (at, word) in words.iter().enumerate() {
        list.raw_set(at + 1, lua.create_string(word)?)?;
    }
    Ok(list)
}

/// `redis.call`: the reply, and whether it is an error.
fn call(
    lua: &Lua,
    host: &RefCell<&mut dyn Host>,
    proto: Proto,
    values: &[Value],
) -> mlua::Result<(Value, bool)> {
    let reply = match words_of(values) {
        Ok(words) => host.borrow_mut().call(&words, proto),
        Err(problem) => format!("-ERR {problem}\r\n").into_bytes(),
    };
    let is_error = reply.first() == Some(&b'-');
    Ok((Wire::new(lua, &reply).value()?, is_error))
}

/// The words of a call: strings, and numbers as integers where they are whole.
fn words_of(values: &[Value]) -> Result<Vec<Vec<u8>>, &'static str> {
    if values.is_empty() {
        return Err("Please specify at least one argument for this redis lib call");
    }
    let word = |value: &Value| match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(number) => Ok(number.to_string().into_bytes()),
        Value::Number(number) => Ok(number_text(*number)),
        _ => Err(ARGUMENTS),
    };
    values.iter().map(word).collect()
}

/// A number as a word: whole ones as integers, others with 17 digits, as `%.17g` does.
fn number_text(number: f64) -> Vec<u8> {
    if number.fract() == 0.0 && number.abs() < 9.2e18 {
        return (number as i64).to_string().into_bytes();
    }
    let mut text = Vec::new();
    write_number(&mut text, number, 17);
    text
}

/// What scripts ask of the server beside commands: the answer, or what is wrong.
fn beside(
    host: &RefCell<&mut dyn Host>,
    proto: &Cell<Proto>,
    what: &str,
    values: &[Value],
) -> mlua::Result<(Value, Option<&'static str>)> {
    let fail = |text: &'static str| Ok((Value::Nil, Some(text)));
    match what {
        "setresp" => match values {
            [version] => match number_of(version) {
                Some(2.0) => proto.set(Proto::Resp2),
                Some(3.0) => proto.set(Proto::Resp3),
                _ => return fail("RESP version must be 2 or 3."),
            },
            _ => return fail("redis.setresp() requires one argument."),
        },
        "log" => {
            let [level, rest @ ..] = values else {
                return fail("redis.log() requires two arguments or more.");
            };
            if rest.is_empty() {
                return fail("redis.log() requires two arguments or more.");
            }
            let Some(level) = number_of(level) else {
                return fail("First argument must be a number (log level).");
            };
            if !(0.0..=3.0).contains(&level) {
                return fail("Invalid debug level.");
            }
            let parts: Vec<Vec<u8>> = rest
                .iter()
                .filter_map(|value| words_of(std::slice::from_ref(value)).ok())
                .flatten()
                .collect();
            host.borrow_mut().log(level as i64, &parts.join(&b' '));
        }
        _ => {
            let Ok(words) = words_of(values) else {
                return fail("redis.acl_check_cmd() require strings or integers");
            };
            return match host.borrow_mut().may_call(&words) {
                Ok(may) => Ok((Value::Boolean(may), None)),
                Err(problem) => fail(problem),
            };
        }
    }
    Ok((Value::Nil, None))
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
            let words = words_of(&[text]).unwrap_or_else(|_| vec![Vec::new()]);
            Ok(sha1_hex(&words[0]))
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

/// The line of an error table: its text, and behind it where the script stood.
fn error_with_place(problem: &Value, place: impl Fn(&str) -> String) -> Vec<u8> {
    let field = |name: &str| match problem {
        Value::Table(table) => table.raw_get::<Option<mlua::LuaString>>(name).ok().flatten(),
        _ => None,
    };
    let text = match (field("err"), problem) {
        (Some(text), _) => text.as_bytes().to_vec(),
        // Where there was no room left to run the prelude's handler.
        (None, Value::Error(error)) => format!("ERR {}", text_of(error)).into_bytes(),
        (None, Value::String(text)) => [b"ERR ", &*text.as_bytes()].concat(),
        (None, _) => b"ERR unknown error".to_vec(),
    };
    let line = field("line").map_or_else(|| "-1".to_owned(), |line| line.to_string_lossy());
    [error_line(&text), place(&line).as_bytes()].concat()
}
