//! What a script calls: each command passes the checks that Redis makes within scripts and runs under the locks of the
//! script, as those of a transaction do under the transaction's.
//!
//! A *narrow* script is proved to touch no key but those it was called with; their shards are locked before it begins. Any
//! other is *wide*: it has passed the gate (`keyspace::gate`), and takes each shard when it first touches it.

use std::cell::RefCell;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::shared::Shared;
use crate::base::limits::SCRIPT_MEMORY_BYTES_MAX;
use crate::base::metrics::Counter;
use crate::protocol::output::Output;
use crate::protocol::range::join;
use crate::protocol::reply::Proto;
use crate::script::proof::{KeyPlaces, Last};
use crate::script::{Host, Run, Source, Vm, VmState, write_reply};
use crate::table::{FindKeys, Flag, Locking, REDIS_VERSION, Row, Table};

/// A script's call that refers to a shard which a narrow script does not hold.
const BEYOND_KEYS: &str = "ERR Script attempted to access a key that it was not called with";

thread_local! {
    /// This worker's machine, made when it first runs a script.
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

struct Machine {
    /// Of the sources it belongs to: several servers may live in one process.
    server: u64,
    vm: Vm,
}

/// How a script is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    pub keys: &'c [&'c [u8]],
    pub argv: &'c [&'c [u8]],
    /// EVAL_RO and its kin.
    pub is_read_only: bool,
}

impl Ctx<'_> {
    /// Adds a script's text, or finds it.
    pub fn add_script(&self, text: &[u8], is_loaded: bool) -> Result<Arc<Source>, CommandError> {
        let table = self.shared.table;
        let added = self.shared.scripts.add(text, is_loaded, &|name| places(table, name));
        added.map_err(CommandError::err)
    }

    /// Compiles a script, for its errors and for the runs that follow.
    pub fn compile_script(&self, source: &Arc<Source>) -> Result<(), CommandError> {
        MACHINE.with_borrow_mut(|machine| {
            vm_of(machine, self.shared)?.compile(source).map_err(CommandError::text)
        })
    }

    /// Runs a script under its locks and writes its reply.
    pub fn run_script(&mut self, source: &Arc<Source>, call: Call<'_>) -> Result<(), CommandError> {
        let is_narrow = source.is_narrow();
        if !self.in_transaction {
            if !is_narrow {
                self.keys.pass_gate();
            }
            let keyspace = self.keys.keyspace;
            self.keys.hold(call.keys.iter().map(|key| keyspace.hash(key)));
        }
        self.counters().add(if is_narrow { Counter::ScriptsNarrow } else { Counter::ScriptsWide }, 1);
        let ended = self.run_on_machine(source, call);
        if !self.in_transaction {
            self.keys.release();
        }
        match ended? {
            Run::Failed(line) => Err(CommandError::text(line)),
            Run::Returned(value, proto) => write_reply(&value, proto, &mut self.reply)
                .map_err(|_| CommandError::err("the reply of the script is too large")),
        }
    }

    fn run_on_machine(&mut self, source: &Arc<Source>, call: Call<'_>) -> Result<Run, CommandError> {
        let (shared, was_in_transaction, db) = (self.shared, self.in_transaction, self.keys.db);
        MACHINE.with_borrow_mut(|machine| {
            let vm = vm_of(machine, shared)?;
            let state = vm.state.clone();
            let is_read_only = call.is_read_only || source.flags.no_writes;
            let lacks_memory = self.lacks_memory && !source.flags.allow_oom;
            if lacks_memory && source.flags.is_said && !is_read_only {
                return Err(CommandError::text(
                    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
                ));
            }
            self.in_transaction = true;
            let most_ns = match self.settings.busy_reply_threshold_ms {
                0 => u64::MAX,
                ms => ms.saturating_mul(1_000_000),
            };
            let mut host = ScriptHost { ctx: self, source, state, is_read_only, lacks_memory };
            let ended = vm.run(source, call.keys, call.argv, &mut host, most_ns);
            self.in_transaction = was_in_transaction;
            self.select(db);
            Ok(ended)
        })
    }
}

/// The machine of this worker for a server's scripts.
fn vm_of<'m>(machine: &'m mut Option<Machine>, shared: &Shared) -> Result<&'m mut Vm, CommandError> {
    let scripts = &shared.scripts;
    machine.take_if(|machine| machine.server != scripts.id || machine.vm.is_spoilt());
    if machine.is_none() {
        let vm = Vm::new(shared.clock.clone(), REDIS_VERSION)
            .map_err(|_| CommandError::err("not enough memory for the script engine"))?;
        scripts.enlist(&vm.state);
        *machine = Some(Machine { server: scripts.id, vm });
    }
    machine.as_mut().map(|machine| &mut machine.vm).ok_or(CommandError::Syntax)
}

/// Where a command's keys stand, for the proof.
fn places(table: &Table, name: &[u8]) -> KeyPlaces {
    let Some(row) = table.find(name) else { return KeyPlaces::Anywhere };
    if !row.subcommands.is_empty() || row.spec.locking == Locking::All {
        return KeyPlaces::Anywhere;
    }
    match row.key_specs.specs.as_slice() {
        [] => KeyPlaces::None,
        [spec] => match spec.find {
            FindKeys::Range { last, step } => {
                let first = spec.begin as usize;
                let last = match usize::try_from(last) {
                    Ok(more) => Last::At(first + more),
                    Err(_) => Last::FromEnd((-last - 1) as usize),
                };
                KeyPlaces::Range { first, last, step: step.max(1) as usize }
            }
            FindKeys::Counted { step: 0 | 1 } => KeyPlaces::Counted { at: spec.begin as usize },
            FindKeys::Counted { .. } => KeyPlaces::Anywhere,
        },
        _ => KeyPlaces::Anywhere,
    }
}

/// The caller of a script, as the script's calls see it.
struct ScriptHost<'h, 'a> {
    ctx: &'h mut Ctx<'a>,
    source: &'h Source,
    state: Arc<VmState>,
    is_read_only: bool,
    /// There was no room when the script began; no matter any more once it has written.
    lacks_memory: bool,
}

impl Host for ScriptHost<'_, '_> {
    fn call(&mut self, words: &[Vec<u8>], proto: Proto) -> Vec<u8> {
        let (buffer, ranges) = join(words.iter().map(Vec::as_slice));
        let mut args = Args::new(&buffer, &ranges);
        let row = match self.admit(&args) {
            Ok(row) => row,
            Err(line) => return format!("-{line}\r\n").into_bytes(),
        };
        // Its reply goes to the script, not to the caller. A longer one would be copied only to find no room there.
        let mut own = Output::default();
        own.set_limit(SCRIPT_MEMORY_BYTES_MAX);
        std::mem::swap(self.ctx.reply.out, &mut own);
        let callers = std::mem::replace(&mut self.ctx.reply.proto, proto);
        if let Err(error) = self.ctx.call(row, &mut args) {
            let begin = Output::default().mark();
            self.ctx.reply.out.truncate(begin);
            self.ctx.write_error(&error);
        }
        self.ctx.reply.proto = callers;
        std::mem::swap(self.ctx.reply.out, &mut own);
        if own.is_over() {
            return b"-ERR not enough memory for the reply\r\n".to_vec();
        }
        bytes_of(own)
    }

    fn log(&mut self, level: i64, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match level {
            0 => tracing::debug!(script = %text),
            1 | 2 => tracing::info!(script = %text),
            _ => tracing::warn!(script = %text),
        }
    }

    fn may_call(&mut self, words: &[Vec<u8>]) -> Result<bool, &'static str> {
        let (buffer, ranges) = join(words.iter().map(Vec::as_slice));
        match self.resolve(&Args::new(&buffer, &ranges)) {
            Ok(_) => Ok(true),
            Err(_) => Err("Invalid command passed to redis.acl_check_cmd()"),
        }
    }
}

impl ScriptHost<'_, '_> {
    fn resolve(&self, args: &Args<'_>) -> Result<&'static Row, &'static str> {
        let mut row =
            self.ctx.shared.table.find(args.word(0)).ok_or("ERR Unknown Redis command called from script")?;
        if !row.subcommands.is_empty() && args.words() > 1 {
            row = row.subcommand(args.word(1)).ok_or("ERR Unknown Redis command called from script")?;
        }
        match row.admits_words(args.words()) {
            true => Ok(row),
            false => Err("ERR Wrong number of args calling Redis command from script"),
        }
    }

    /// The row of a call that may run, once its shards are held.
    fn admit(&mut self, args: &Args<'_>) -> Result<&'static Row, &'static str> {
        let row = self.resolve(args)?;
        if row.spec.has(Flag::NoScript) {
            return Err("ERR This Redis command is not allowed from script");
        }
        if row.spec.has(Flag::Write) {
            if self.is_read_only {
                return Err("ERR Write commands are not allowed from read-only scripts.");
            }
            let has_written = self.state.has_written.load(Relaxed);
            if self.lacks_memory && !has_written && row.spec.has(Flag::DenyOom) {
                return Err("OOM command not allowed when used memory > 'maxmemory'.");
            }
        }
        self.take_shards(row, args)?;
        if row.spec.has(Flag::Write) {
            self.state.has_written.store(true, Relaxed);
        }
        Ok(row)
    }

    /// The proof was wrong: this call is refused, and the next run is wide.
    #[cold]
    fn demote(&self) -> &'static str {
        self.ctx.counters().add(Counter::ScriptDemotions, 1);
        self.source.demote();
        BEYOND_KEYS
    }

    fn take_shards(&mut self, row: &Row, args: &Args<'_>) -> Result<(), &'static str> {
        let keys = &mut self.ctx.keys;
        let is_wide = keys.has_passed_gate();
        match row.spec.locking {
            Locking::None => return Ok(()),
            Locking::All if is_wide => keys.take_all(),
            Locking::All if !keys.holds_all() => return Err(self.demote()),
            _ => {}
        }
        for (at, _) in row.keys(args.words(), |at| args.word(at)) {
            let hash = keys.keyspace.hash(args.word(at));
            if is_wide {
                keys.take(hash);
            } else if !keys.holds(hash) {
                return Err(self.demote());
            }
        }
        Ok(())
    }
}

/// The bytes of a reply in one piece.
fn bytes_of(mut reply: Output) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(reply.len());
    while !reply.is_empty() {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = reply.slices(usize::MAX, &mut slices);
        let before = bytes.len();
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
        reply.consume(bytes.len() - before);
    }
    bytes
}
