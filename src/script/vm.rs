//! The machine for scripts, and the scripts it has compiled. Each worker has one, made on first use.

use std::collections::HashMap;
use std::sync::Arc;

use super::bridge::{Callable, Entry};
use super::host::Host;
use super::machine::{Call, Machine, Run};
use super::sources::Source;
use super::state::VmState;
use crate::base::clock::Clock;
use crate::protocol::reply::Reply;

/// What sources are called in errors.
const SOURCE: &str = "@user_script";

/// A machine and what it compiled.
pub struct Vm {
    machine: Machine,
    /// By the sources' numbers.
    compiled: HashMap<u64, (Arc<Source>, Callable)>,
}

impl Vm {
    /// A machine with everything that scripts find in it. `version`: what scripts are told of Redis.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn new(clock: Clock, version: &str) -> mlua::Result<Vm> {
        let (machine, _) = Machine::new(clock, version, SOURCE)?;
        Ok(Vm { machine, compiled: HashMap::new() })
    }

    /// What others see of it.
    #[must_use]
    pub fn state(&self) -> &Arc<VmState> {
        &self.machine.state
    }

    /// Whether it must not be used again.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.machine.is_spoilt()
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
        let script = self.machine.compile(source.code());
        let compiled = script.and_then(|script| self.machine.keep(script));
        let compiled = compiled
            .map_err(|text| format!("ERR Error compiling script (new function): {text}").into_bytes())?;
        self.compiled.insert(source.number, (source.clone(), compiled));
        Ok(())
    }
}
