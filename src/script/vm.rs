//! The machine for scripts, and the scripts it has compiled. Each worker has one, made on first use.

use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use super::bridge::{Callable, Entry};
use super::host::Host;
use super::machine::{Call, Machine, Run};
use super::sources::Source;
use super::state::VmState;
use crate::base::clock::Clock;
use crate::protocol::reply::Reply;

/// What sources are called in errors.
const SOURCE: &str = "@user_script";

/// A script, counted by its worker alone: all workers may run the same one.
pub struct Known {
    pub source: Arc<Source>,
}

/// A machine and what it compiled.
pub struct Vm {
    machine: Machine,
    /// By the sources' numbers.
    compiled: HashMap<u64, (Arc<Source>, Callable)>,
    /// The same by SHA-1.
    by_sha: HashMap<String, Rc<Known>>,
}

impl Vm {
    /// A machine with everything that scripts find in it. `version`: what scripts are told of Redis;
    /// `memory_bytes_max`: what it may hold.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn new(clock: Clock, version: &str, memory_bytes_max: usize) -> mlua::Result<Vm> {
        let (machine, _) = Machine::new(clock, version, SOURCE, memory_bytes_max)?;
        Ok(Vm { machine, compiled: HashMap::new(), by_sha: HashMap::new() })
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

    /// The script of this SHA-1, if it is compiled here and not gone.
    #[must_use]
    pub fn compiled(&self, sha: &[u8]) -> Option<&Rc<Known>> {
        let known = self.by_sha.get(std::str::from_utf8(sha).ok()?);
        known.filter(|known| !known.source.is_gone())
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
        match self.compiled.get(&source.number) {
            Some((_, script)) => self.machine.run(Entry::Script(script), &source.sha, call, host, reply),
            None => Run::Failed(b"ERR not compiled".to_vec()),
        }
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
            self.machine.forget(compiled);
        }
        self.by_sha.retain(|_, known| !known.source.is_gone());
        let script = self.machine.compile(source.code());
        let compiled = script.and_then(|script| self.machine.keep(script));
        let compiled = compiled
            .map_err(|text| format!("ERR Error compiling script (new function): {text}").into_bytes())?;
        self.by_sha.insert(source.sha.clone(), Rc::new(Known { source: source.clone() }));
        self.compiled.insert(source.number, (source.clone(), compiled));
        Ok(())
    }
}
