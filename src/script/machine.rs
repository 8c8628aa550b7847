//! A machine: one Luau state with what scripts find in it, without a script yet.
//!
//! What it runs is its only user while that runs. A machine that was left in an unknown state (stopped, out of memory) is
//! thrown away by its owner: see `is_spoilt`. Owners are `vm` for scripts and `functions` for libraries.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib, Table};

use super::bridge::{Bridge, Callable, Ended, Entry, Failure, Running};
use super::host::Host;
use super::library;
use super::natives::{compile, natives, text_of};
use super::state::VmState;
use super::watch::Watch;
use crate::base::clock::Clock;
use crate::base::limits::SCRIPT_SLICE_NS;
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
    /// As `Failed`, with one that the server has counted already.
    Counted(Vec<u8>),
}

/// What a script is called with.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    pub keys: &'c [&'c [u8]],
    pub argv: &'c [&'c [u8]],
}

/// A machine.
pub struct Machine {
    lua: Lua,
    bridge: Bridge,
    /// What its sources are called in errors, an `@` in front.
    source: &'static str,
    pub state: Arc<VmState>,
    watch: Watch,
    words: Vec<u8>,
    ranges: Vec<ArgRange>,
    runs: u32,
    memory_bytes_max: usize,
    is_spoilt: bool,
}

impl Machine {
    /// A machine with everything that scripts find in it, and what the prelude has for functions.lua. `version`: what scripts
    /// are told of Redis; `source`: what sources are called in errors, an `@` in front; `memory_bytes_max`: what it may hold.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn new(
        clock: Clock,
        version: &str,
        source: &'static str,
        memory_bytes_max: usize,
    ) -> mlua::Result<(Machine, Table)> {
        let libs =
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE | StdLib::OS | StdLib::DEBUG;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        lua.set_memory_limit(memory_bytes_max)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude").set_mode(ChunkMode::Text);
        let natives = natives(&lua, version, &source[1..])?;
        let (handler, environment, slots, within) = prelude.call((natives, library::all(&lua)?))?;
        lua.sandbox(true)?;
        let bridge = Bridge::new(&lua, handler, environment, slots)?;
        let state: Arc<VmState> = Arc::default();
        let watch = Watch::new(clock, state.clone(), SCRIPT_SLICE_NS);
        let (words, ranges) = Default::default();
        let machine = Machine {
            lua,
            bridge,
            source,
            state,
            watch,
            words,
            ranges,
            runs: 0,
            memory_bytes_max,
            is_spoilt: false,
        };
        Ok((machine, within))
    }

    /// Whether it must not be used again.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    /// Whether the next script would hardly find room: what this one left goes with the machine.
    fn is_full(&self) -> bool {
        self.held_bytes() > self.memory_bytes_max / 4 * 3
    }

    /// Lets it hold so many bytes from now on; what it holds beyond that it keeps, and finds no more room.
    pub fn set_memory_bytes_max(&mut self, bytes: usize) {
        if self.memory_bytes_max != bytes && self.lua.set_memory_limit(bytes).is_ok() {
            self.memory_bytes_max = bytes;
            self.is_spoilt |= self.is_full();
        }
    }

    /// Bytes that the machine holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Runs a part of the server's own in the machine: what it returns.
    pub fn add_own<T: mlua::FromLuaMulti>(
        &self,
        text: &str,
        name: &str,
        given: impl mlua::IntoLuaMulti,
    ) -> mlua::Result<T> {
        self.lua.load(text).set_name(name).set_mode(ChunkMode::Text).call(given)
    }

    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong with it, or that there is no room.
    pub fn compile(&mut self, text: &[u8]) -> Result<Function, String> {
        let compiled = compile(&self.lua, text, self.source);
        self.checked(compiled)
    }

    /// Keeps a function, so that it can be run.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn keep(&mut self, function: Function) -> Result<Callable, String> {
        let kept = self.bridge.keep(&self.lua, function);
        self.checked(kept)
    }

    pub fn forget(&self, callable: Callable) {
        self.bridge.forget(callable);
    }

    fn checked<T>(&mut self, done: mlua::Result<T>) -> Result<T, String> {
        done.map_err(|error| {
            self.is_spoilt |= self.is_full();
            text_of(&error)
        })
    }

    /// Runs what is kept to its end and writes its value. `name`: what errors call it.
    pub fn run(
        &mut self,
        entry: Entry<'_>,
        name: &str,
        call: Call<'_>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Run {
        self.state.begin();
        let ended = self.hosted(host, |bridge, lua, running| {
            bridge.run(lua, running, entry, call.keys, call.argv, reply)
        });
        self.state.end();
        self.runs = self.runs.wrapping_add(1);
        if self.runs.is_multiple_of(RUNS_PER_STEP) {
            self.tidy();
        } else {
            self.is_spoilt |= self.is_full();
        }
        let source = self.source.as_bytes();
        let placed = |text: &[u8], line: &[u8]| {
            [text, b" script: ", name.as_bytes(), b", on ", source, b":", line, b"."].concat()
        };
        if self.watch.is_over() {
            // Of functions too, as in Redis.
            return Run::Failed(placed(b"ERR Script killed by user with SCRIPT KILL...", b"-1"));
        }
        match ended {
            Ended::Returned => Run::Returned,
            Ended::TooLarge => Run::Failed(b"ERR the reply of the script is too large".to_vec()),
            Ended::Failed(Failure { text, raised_at, is_counted }) => {
                let line = raised_at.map_or(text.clone(), |line| placed(&text, &line));
                if is_counted { Run::Counted(line) } else { Run::Failed(line) }
            }
        }
    }

    /// Runs something of the server's own that runs what was compiled here; nothing where its host stopped it.
    pub fn load<T>(&mut self, host: &mut dyn Host, work: impl FnOnce() -> T) -> Option<T> {
        // Whoever was killed here has ended.
        self.state.is_killed.store(false, Relaxed);
        let done = self.hosted(host, |_, _, running| running.within(work));
        self.tidy();
        (!self.watch.is_over()).then_some(done)
    }

    /// A step of the collector, and a look at what the machine holds.
    fn tidy(&mut self) {
        let _finished = self.lua.gc_step();
        self.is_spoilt |= self.is_full();
        self.state.held_bytes.store(self.held_bytes() as u64, Relaxed);
    }

    /// Does something while `host` answers what is asked here. A panic of a command goes on behind it.
    fn hosted<T>(
        &mut self,
        host: &mut dyn Host,
        work: impl FnOnce(&Bridge, &mut Lua, &mut Running<'_>) -> T,
    ) -> T {
        self.watch.begin();
        // Where a command panics, what it leaves is nobody's any more.
        self.is_spoilt = true;
        let (words, ranges) = (std::mem::take(&mut self.words), std::mem::take(&mut self.ranges));
        let watch = &self.watch;
        let mut running = Running { host, watch, proto: Proto::Resp2, words, ranges, panic: None };
        let done = work(&self.bridge, &mut self.lua, &mut running);
        if let Some(panic) = running.panic {
            // Nobody is to be told that it runs.
            self.state.end();
            resume_unwind(panic);
        }
        running.words.clear();
        running.words.shrink_to(WORDS_KEPT_BYTES_MAX);
        (self.words, self.ranges) = (running.words, running.ranges);
        self.is_spoilt = self.watch.is_over();
        done
    }
}
