//! Functions of libraries: loads libraries for the whole server, and runs functions as scripts are run (`scripted`).

use std::sync::Arc;

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::scripted::{Under, log, places};
use super::station::{loader, usable_functions};
use crate::base::clock::Clock;
use crate::base::limits::{LIBRARIES_RESTORE_MS, LIBRARY_LOAD_MS};
use crate::keyspace::Busy;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::Proto;
use crate::script::functions::{Function, FunctionVm, Libraries, Library, Policy, name_of, texts_of};
use crate::script::proof::{Proved, prove_library};
use crate::script::{Call, Host};

const WRITES: &str = "ERR Can not execute a script with write flag using *_ro command.";

/// A function that was found by its name, in the libraries as they then were.
#[derive(Debug)]
pub struct Found {
    library: Arc<Library>,
    at: usize,
}

impl Found {
    fn function(&self) -> &Function {
        &self.library.functions[self.at]
    }
}

impl Ctx<'_> {
    /// FUNCTION LOAD: loads a library and makes its functions those of the server; its name.
    pub fn load_library(&self, text: &[u8], is_replacing: bool) -> Result<String, CommandError> {
        let name = name_of(text).map_err(CommandError::err)?;
        let functions = &self.shared.functions;
        if !is_replacing && functions.current().get(&name).is_some() {
            return Err(CommandError::err(format!("Library '{name}' already exists")));
        }
        let library = self.library(&mut loader(self.shared, self.settings)?, name.clone(), text)?;
        functions.load(library, is_replacing).map_err(CommandError::err)?;
        Ok(name)
    }

    /// FUNCTION RESTORE: loads all libraries of a payload, or none.
    pub fn restore_libraries(&self, payload: &[u8], policy: Policy) -> Result<(), CommandError> {
        let shared = self.shared;
        // Each has its own limit; all together have one too.
        let all = Span::begin(&shared.clock);
        let texts = texts_of(payload).map_err(CommandError::err)?;
        let (mut vm, mut incoming) = (loader(self.shared, self.settings)?, Libraries::default());
        for text in texts {
            if all.is_longer_than(LIBRARIES_RESTORE_MS) {
                return Err(CommandError::err("FUNCTION RESTORE timeout"));
            }
            if vm.is_spoilt() {
                vm = loader(self.shared, self.settings)?;
            }
            let name = name_of(&text).map_err(CommandError::err)?;
            incoming.add(self.library(&mut vm, name, &text)?).map_err(CommandError::err)?;
        }
        shared.functions.restore(incoming, policy).map_err(CommandError::err)
    }

    /// A library, and what it registers in this machine.
    fn library(&self, vm: &mut FunctionVm, name: String, text: &[u8]) -> Result<Library, CommandError> {
        let functions =
            vm.register(text, &mut Loading::begin(&self.shared.clock)).map_err(CommandError::text)?;
        let proved = Proved::by(prove_library, text, &|name| places(self.shared.table, name));
        Ok(Library { name, text: text.into(), functions, proved })
    }

    /// FUNCTION FLUSH: no libraries any more. This worker's machine goes at once, those of others lose theirs when they next
    /// run a function.
    pub fn flush_libraries(&mut self) {
        self.shared.functions.flush();
        if let Some(stage) = &mut self.stage {
            *stage.functions = None;
        } else if let Some(station) = self.station {
            station.drop_functions();
        }
    }

    /// The function of a name.
    pub fn find_function(&self, name: &[u8]) -> Result<Found, CommandError> {
        let libraries = self.shared.functions.current();
        let (library, at) = libraries.find(name).ok_or_else(|| CommandError::err("Function not found"))?;
        Ok(Found { library: library.clone(), at })
    }

    /// Runs a function under its locks and writes its reply. `args`: the request, for those who ask what runs.
    pub fn run_function(
        &mut self,
        found: &Found,
        call: Call<'_>,
        is_read_only: bool,
        args: &Args<'_>,
    ) -> Result<(), CommandError> {
        let flags = found.function().flags;
        let lacks_memory = self.lacks_memory && !flags.allow_oom();
        if lacks_memory && !flags.no_writes() {
            return Err(CommandError::OutOfMemory);
        }
        if is_read_only && !flags.no_writes() {
            return Err(CommandError::text(WRITES));
        }
        self.on_stage(|ctx, stage| {
            let shared = ctx.shared;
            let vm = usable_functions(stage.functions, shared, ctx.settings)?;
            vm.keep(&shared.functions.current());
            vm.load(&found.library, &mut Loading::begin(&shared.clock)).map_err(CommandError::text)?;
            let words = (0..args.words()).map(|at| args.word(at));
            vm.state().note_call(&found.function().name, words, ctx.now().mono_ms);
            let under = Under {
                pause: stage.pause,
                called: stage.called,
                busy: Busy::new(stage.refuses_at_ms, true),
                state: vm.state().clone(),
                proved: &found.library.proved,
                is_read_only: flags.no_writes(),
                lacks_memory,
            };
            ctx.run_under(under, stage.returned, call.keys, |host, reply| {
                vm.run((&found.library, found.at), call, host, reply)
            })
        })
    }
}

/// Time that has passed.
struct Span<'c> {
    clock: &'c Clock,
    begun: u64,
}

impl Span<'_> {
    fn begin(clock: &Clock) -> Span<'_> {
        Span { clock, begun: clock.reading() }
    }

    fn is_longer_than(&self, ms: u64) -> bool {
        self.clock.ns_between(self.begun, self.clock.reading()) > ms * 1_000_000
    }
}

/// The host of a library that is being loaded: it may write to the log, calls nothing, and has its time.
struct Loading<'c>(Span<'c>);

impl Loading<'_> {
    fn begin(clock: &Clock) -> Loading<'_> {
        Loading(Span::begin(clock))
    }
}

impl Host for Loading<'_> {
    fn call(&mut self, _: &[u8], _: &[ArgRange], _: Proto) -> &[u8] {
        b"-ERR no command may be called while a library is loaded\r\n"
    }

    fn log(&mut self, level: i64, text: &[u8]) {
        log(level, text);
    }

    fn may_call(&mut self, _: &[u8], _: &[ArgRange]) -> Result<bool, &'static str> {
        Ok(false)
    }

    /// Others wait: what is loaded has begun nothing that could be left half done, and ends soon.
    fn pause(&mut self) -> bool {
        !self.0.is_longer_than(LIBRARY_LOAD_MS)
    }
}
