//! The machine for functions: loads libraries, and runs what those registered.
//!
//! Each worker has one beside that for scripts, made on first use. It loads a library when one of its functions is first called
//! there, and drops it when the set of libraries (`libraries`) no longer has it.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::{LuaString, Table, Value};

use super::flags::FunctionFlags;
use super::header::BAD_NAME;
use super::libraries::Libraries;
use super::library::{Function, Library, code_of};
use crate::base::clock::Clock;
use crate::base::limits::{FUNCTIONS_MAX, LIBRARIES_BYTES_MAX};
use crate::protocol::reply::Reply;
use crate::script::bridge::{Callable, Entry};
use crate::script::host::Host;
use crate::script::machine::{Call, Machine, Run};
use crate::script::natives::{text_of, version_number};
use crate::script::state::VmState;

/// What libraries are called in errors.
const SOURCE: &str = "@user_function";

/// A machine, and the libraries that it has loaded.
pub struct FunctionVm {
    machine: Machine,
    /// The function of functions.lua that loads a library.
    load: mlua::Function,
    /// Of the set that `loaded` was last compared with.
    epoch: u64,
    loaded: HashMap<String, Loaded>,
}

/// A library as this machine has it.
struct Loaded {
    library: Arc<Library>,
    /// In the order of the library's functions.
    callbacks: Vec<Callable>,
}

/// What a library registers.
type Registered = Vec<(Function, mlua::Function)>;

impl FunctionVm {
    /// A machine without libraries. `version`: what functions are told of Redis;
    /// `memory_bytes_max`: what it may hold.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn new(clock: Clock, version: &str, memory_bytes_max: usize) -> mlua::Result<FunctionVm> {
        let (machine, within) = Machine::new(clock, version, SOURCE, memory_bytes_max)?;
        let given = (within, version, version_number(version), FUNCTIONS_MAX, BAD_NAME);
        let load = machine.add_own(include_str!("functions.lua"), "=functions", given)?;
        Ok(FunctionVm { machine, load, epoch: 0, loaded: HashMap::new() })
    }

    /// What others see of it.
    #[must_use]
    pub fn state(&self) -> &Arc<VmState> {
        &self.machine.state
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_memory_bytes_max(&mut self, bytes: usize) {
        self.machine.set_memory_bytes_max(bytes);
    }

    /// Whether it must not be used again.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.machine.is_spoilt()
    }

    /// Drops the libraries that the set no longer has. Cost: a comparison of two numbers, unless the set has changed.
    pub fn keep(&mut self, libraries: &Libraries) {
        if self.epoch == libraries.epoch() {
            return;
        }
        self.epoch = libraries.epoch();
        let is_gone = |name: &str, loaded: &Loaded| {
            libraries.get(name).is_none_or(|library| !Arc::ptr_eq(library, &loaded.library))
        };
        for (_, gone) in self.loaded.extract_if(|name, loaded| is_gone(name, loaded)) {
            gone.callbacks.into_iter().for_each(|callback| self.machine.forget(callback));
        }
    }

    /// Loads a library's text to learn which functions it has.
    ///
    /// # Errors
    /// The error's line, in Redis's words.
    pub fn register(&mut self, text: &[u8], host: &mut dyn Host) -> Result<Vec<Function>, Vec<u8>> {
        let registered = self.load_text(text, host)?;
        match registered.is_empty() {
            true => Err(b"ERR No functions registered".to_vec()),
            false => Ok(registered.into_iter().map(|(function, _)| function).collect()),
        }
    }

    /// Loads a library, so that its functions can be run here; nothing where it is loaded already. `host` may stop it.
    ///
    /// # Errors
    /// The error's line.
    pub fn load(&mut self, library: &Arc<Library>, host: &mut dyn Host) -> Result<(), Vec<u8>> {
        if self.loaded.get(&library.name).is_some_and(|loaded| Arc::ptr_eq(&loaded.library, library)) {
            return Ok(());
        }
        let (functions, callbacks): (Vec<_>, Vec<_>) =
            self.load_text(&library.text, host)?.into_iter().unzip();
        if functions != library.functions {
            return Err(b"ERR the library registered other functions than when it was loaded".to_vec());
        }
        let kept: Result<Vec<_>, _> =
            callbacks.into_iter().map(|callback| self.machine.keep(callback)).collect();
        let callbacks = kept.map_err(|text| format!("ERR {text}").into_bytes())?;
        let loaded = Loaded { library: library.clone(), callbacks };
        if let Some(before) = self.loaded.insert(library.name.clone(), loaded) {
            before.callbacks.into_iter().for_each(|callback| self.machine.forget(callback));
        }
        Ok(())
    }

    /// Runs the function at a place of a library that is loaded to its end, and writes its value.
    pub fn run(
        &mut self,
        (library, at): (&Arc<Library>, usize),
        call: Call<'_>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Run {
        let loaded = self.loaded.get(&library.name).filter(|loaded| Arc::ptr_eq(&loaded.library, library));
        match loaded.and_then(|loaded| loaded.callbacks.get(at)) {
            Some(callback) => {
                let name = &library.functions[at].name;
                self.machine.run(Entry::Function(callback), name, call, host, reply)
            }
            None => Run::Failed(b"ERR the library is not loaded".to_vec()),
        }
    }

    fn load_text(&mut self, text: &[u8], host: &mut dyn Host) -> Result<Registered, Vec<u8>> {
        let compiled = self.machine.compile(code_of(text));
        let compiled =
            compiled.map_err(|text| format!("ERR Error compiling function: {text}").into_bytes())?;
        let load = &self.load;
        let ended = self.machine.load(host, || load.call::<(bool, Value)>(compiled));
        let failed = |text: &[u8]| Err([b"ERR Error registering functions: ", text].concat());
        match ended {
            None => failed(b"ERR FUNCTION LOAD timeout"),
            Some(Ok((true, Value::Table(all)))) => {
                read_registered(&all).or_else(|text| failed(text.as_bytes()))
            }
            Some(Ok((_, problem))) => failed(&error_text(&problem)),
            Some(Err(error)) => failed(format!("ERR {}", text_of(&error)).as_bytes()),
        }
    }
}

/// What a library registered, from the tables of functions.lua.
fn read_registered(all: &Table) -> Result<Registered, String> {
    let told = |error: mlua::Error| format!("ERR {}", text_of(&error));
    let (mut registered, mut left_bytes) = (Registered::new(), LIBRARIES_BYTES_MAX);
    for entry in all.sequence_values::<Table>() {
        let (mut function, flags, callback) = entry.and_then(|entry| read_function(&entry)).map_err(told)?;
        if !flags.iter().all(|flag| function.flags.set(&flag.as_bytes())) {
            return Err("ERR unknown flag given".to_owned());
        }
        // One long text in the machine may be that of many functions; here each has its own.
        let held_bytes = function.name.len() + function.description.as_ref().map_or(0, |text| text.len());
        left_bytes = left_bytes.checked_sub(held_bytes).ok_or("ERR the libraries are too large")?;
        registered.push((function, callback));
    }
    Ok(registered)
}

fn read_function(entry: &Table) -> mlua::Result<(Function, Vec<LuaString>, mlua::Function)> {
    let description = entry.raw_get::<Option<LuaString>>("description")?;
    let function = Function {
        name: entry.raw_get("function_name")?,
        description: description.map(|text| Box::from(&*text.as_bytes())),
        flags: FunctionFlags::default(),
    };
    let flags = entry.raw_get::<Option<Vec<LuaString>>>("flags")?.unwrap_or_default();
    Ok((function, flags, entry.raw_get("callback")?))
}

/// The text of an error table, with its code.
fn error_text(problem: &Value) -> Vec<u8> {
    let said = match problem {
        Value::Table(table) => table.raw_get::<Option<LuaString>>("err").ok().flatten(),
        _ => None,
    };
    match (said, problem) {
        (Some(text), _) => text.as_bytes().to_vec(),
        // Where there was no room left to run the prelude's handler.
        (None, Value::Error(error)) => format!("ERR {}", text_of(error)).into_bytes(),
        (None, Value::String(text)) => [b"ERR ", &*text.as_bytes()].concat(),
        (None, _) => b"ERR unknown error".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::libraries::Functions;
    use super::*;
    use crate::protocol::output::Output;
    use crate::protocol::range::ArgRange;
    use crate::protocol::reply::Proto;
    use crate::script::proof::Proved;
    use crate::script::state::{Killed, Machines};

    /// Enough for all that ends by itself.
    const PAUSES: u32 = 10_000;

    /// Calls nothing, and stops what asks once more than so many times.
    struct Nobody(u32);

    impl Host for Nobody {
        fn call(&mut self, _: &[u8], _: &[ArgRange], _: Proto) -> &[u8] {
            b"-ERR nobody\r\n"
        }

        fn log(&mut self, _: i64, _: &[u8]) {}

        fn may_call(&mut self, _: &[u8], _: &[ArgRange]) -> Result<bool, &'static str> {
            Ok(false)
        }

        fn pause(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 > 0
        }
    }

    fn machine() -> FunctionVm {
        FunctionVm::new(Clock::system(), "7.2.4", 64 << 20).expect("there is memory")
    }

    fn text(name: &str, code: &str) -> Vec<u8> {
        format!("#!lua name={name}\n{code}").into_bytes()
    }

    fn library(name: &str, code: &str) -> Library {
        let text = text(name, code);
        let functions = machine().register(&text, &mut Nobody(PAUSES)).expect("a library");
        Library { name: name.to_owned(), text: text.into(), functions, proved: Proved::default() }
    }

    /// What a function answers, or an error's line.
    fn run(vm: &mut FunctionVm, library: &Arc<Library>, at: usize) -> String {
        let mut out = Output::default();
        let call = Call { keys: &[b"key"], argv: &[b"word"] };
        let ended = match vm.load(library, &mut Nobody(PAUSES)) {
            Ok(()) => {
                vm.run((library, at), call, &mut Nobody(PAUSES), &mut Reply::new(&mut out, Proto::Resp2))
            }
            Err(line) => Run::Failed(line),
        };
        let answer = match &ended {
            Run::Returned => out.as_plain().expect("it is short"),
            Run::Failed(line) | Run::Counted(line) => line,
        };
        String::from_utf8_lossy(answer).into_owned()
    }

    #[test]
    fn functions_are_registered_in_order_with_what_they_say() {
        let code = "redis.register_function('b', function() end)
            redis.register_function{function_name = 'a', callback = function() end, flags = {'no-writes'}, description = 'd'}";
        let library = library("lib", code);
        let [b, a] = &library.functions[..] else { panic!("{library:?}") };
        assert_eq!((b.name.as_str(), &b.description, b.flags.no_writes()), ("b", &None, false));
        assert_eq!((a.name.as_str(), a.flags.no_writes(), a.flags.allow_oom()), ("a", true, false));
        assert_eq!(a.description.as_deref(), Some(&b"d"[..]));
    }

    #[test]
    fn what_registers_too_many_or_never_ends_is_refused() {
        let told = |code: &str| {
            machine()
                .register(&text("lib", code), &mut Nobody(PAUSES))
                .map_err(|line| String::from_utf8_lossy(&line).into_owned())
        };
        let many = |count| {
            format!(
                "local n = 0 while n < {count} do n += 1 redis.register_function('f' .. n, function() end) end"
            )
        };
        assert_eq!(told(&many(FUNCTIONS_MAX)).map(|functions| functions.len()), Ok(FUNCTIONS_MAX));
        assert_eq!(
            told(&many(FUNCTIONS_MAX + 1)),
            Err("ERR Error registering functions: ERR there are too many functions".to_owned())
        );
        assert_eq!(told(""), Err("ERR No functions registered".to_owned()));
        let mut vm = machine();
        let endless = vm.register(&text("lib", "while true do end"), &mut Nobody(3));
        assert_eq!(endless, Err(b"ERR Error registering functions: ERR FUNCTION LOAD timeout".to_vec()));
        assert!(vm.is_spoilt());
    }

    #[test]
    fn a_machine_loads_what_is_called_and_drops_what_is_gone() {
        let (set, mut vm) = (Functions::default(), machine());
        let counting = "local count = 0 redis.register_function('f', function() count += 1 return count end)";
        set.load(library("a", counting), false).expect("it is new");
        set.load(library("b", &counting.replace("'f'", "'g'")), false).expect("it is new");
        let first = set.current();
        let (a, at) = first.find(b"f").expect("it is there");
        vm.keep(&first);
        assert_eq!((run(&mut vm, a, at), run(&mut vm, a, at)), (":1\r\n".to_owned(), ":2\r\n".to_owned()));
        assert_eq!(vm.loaded.keys().collect::<Vec<_>>(), ["a"]);
        // Another library of the same text begins anew; who found the old one may still call it.
        set.load(library("a", counting), true).expect("it replaces the other");
        let now = set.current();
        vm.keep(&now);
        assert!(vm.loaded.is_empty());
        let (new, at) = now.find(b"f").expect("it is there");
        assert_eq!((run(&mut vm, new, at), run(&mut vm, a, at)), (":1\r\n".to_owned(), ":1\r\n".to_owned()));
        set.flush();
        vm.keep(&set.current());
        assert!(vm.loaded.is_empty());
    }

    #[test]
    fn a_library_that_registers_something_else_the_second_time_is_not_run() {
        let mut odd = library("lib", "redis.register_function('f', function() end)");
        odd.functions[0].name = "g".to_owned();
        let told = run(&mut machine(), &Arc::new(odd), 0);
        assert_eq!(told, "ERR the library registered other functions than when it was loaded");
    }

    #[test]
    fn functions_are_given_keys_and_arguments() {
        let code = "redis.register_function('f', function(keys, args) return keys[1] .. #keys .. args[1] .. #args end)";
        assert_eq!(run(&mut machine(), &Arc::new(library("lib", code)), 0), "$9\r\nkey1word1\r\n");
    }

    /// Panics as a command may.
    struct Panics;

    impl Host for Panics {
        fn call(&mut self, _: &[u8], _: &[ArgRange], _: Proto) -> &[u8] {
            panic!("a command's")
        }

        fn log(&mut self, _: i64, _: &[u8]) {}

        fn may_call(&mut self, _: &[u8], _: &[ArgRange]) -> Result<bool, &'static str> {
            Ok(false)
        }

        fn pause(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn a_machine_whose_command_panicked_does_not_run_and_is_spoilt() {
        let code = "redis.register_function('f', function() pcall(redis.call, 'PING') while true do end end)";
        let (library, mut vm) = (Arc::new(library("lib", code)), machine());
        let machines = Machines::default();
        machines.enlist(vm.state());
        vm.load(&library, &mut Nobody(PAUSES)).expect("it is sound");
        vm.state().note_call("f", std::iter::empty(), 1);
        let mut out = Output::default();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let call = Call { keys: &[], argv: &[] };
            vm.run((&library, 0), call, &mut Panics, &mut Reply::new(&mut out, Proto::Resp2))
        }));
        assert!(ended.is_err() && vm.is_spoilt());
        assert_eq!((machines.longest_call(), machines.kill()), (None, Killed::Nothing));
    }
}
