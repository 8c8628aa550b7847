//! What a script calls: each command passes the checks that Redis makes within scripts and runs under the locks of the
//! script, as those of a transaction do under the transaction's.
//!
//! A *narrow* script is proved to touch no key but those it was called with; their shards are locked before it begins. Any
//! other is *wide*: it has passed the gate (`keyspace::gate`), and takes each shard when it first touches it.

use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::ctx::{Ctx, ScriptClock};
use super::error::CommandError;
use super::shared::Shared;
use super::stage::{Pause, Stage};
use super::station::usable;
use crate::base::limits::SCRIPT_TEXT_BYTES_MAX;
use crate::base::metrics::Counter;
use crate::config::Settings;
use crate::keyspace::{Busy, Keys};
use crate::protocol::output::Output;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::{Proto, Reply};
use crate::script::proof::{KeyPlaces, Last, Proved};
use crate::script::{Call, Host, Known, Run, ScriptFlags, Source, Vm, VmState};
use crate::table::{FindKeys, Flag, KeySpec, Locking, Row, Table};

/// A script was killed as it waited for a shard; its machine ends it before it sees this.
const KILLED: &str = "ERR Script killed";
/// What is kept of the room for replies of calls, bytes.
const REPLY_KEPT_BYTES_MAX: usize = 16 * 1024;
/// A script's call that refers to a shard which a narrow script does not hold.
const BEYOND_KEYS: &str = "ERR Script attempted to access a key that it was not called with";

impl Ctx<'_> {
    /// Adds a script's text, or finds it.
    pub fn add_script(&self, text: &[u8], is_loaded: bool) -> Result<Arc<Source>, CommandError> {
        let table = self.shared.table;
        let added = self.shared.scripts.add(text, is_loaded, self.now().mono_ms, &|name| places(table, name));
        added.map_err(CommandError::err)
    }

    /// Whether the script or function that a request calls says of itself that it writes nothing. It is its first word: a text,
    /// an SHA-1 or a name, none of which can be taken for another.
    pub(super) fn says_no_writes(&self, args: &Args<'_>) -> bool {
        let word = if args.words() > 1 { args.word(1) } else { return false };
        let functions = self.shared.functions.current();
        let function = functions.find(word).map(|(library, at)| library.functions[at].flags);
        let source = || self.shared.scripts.get(word, self.now().mono_ms).map(|source| source.flags);
        function.is_some_and(|flags| flags.no_writes())
            || ScriptFlags::read(word).is_ok_and(|flags| flags.no_writes)
            || source().is_some_and(|flags| flags.no_writes)
    }

    /// The script of this SHA-1, in any case of its digits, if it is known: mostly this worker's machine knows it.
    pub fn find_script(&self, sha: &[u8]) -> Option<Rc<Known>> {
        let now_ms = self.now().mono_ms;
        let compiled = self.stage.as_ref().and_then(|stage| stage.eval.as_ref()?.compiled(sha));
        if let Some(known) = compiled {
            known.source.note_use(now_ms);
            return Some(known.clone());
        }
        self.shared.scripts.get(sha, now_ms).map(|source| Rc::new(Known { source }))
    }

    /// Compiles a script, for its errors and for the runs that follow.
    pub fn compile_script(&mut self, source: &Arc<Source>) -> Result<(), CommandError> {
        if let Some(stage) = &mut self.stage {
            return compile(stage.eval, self.shared, self.settings, source);
        }
        let Some(station) = self.station else { return Err(no_worker()) };
        let mut kit = station.take_kit()?;
        let compiled = compile(&mut kit.eval, self.shared, self.settings, source);
        station.put_back(kit);
        compiled
    }

    /// Runs a script under its locks and writes its reply. `is_read_only`: it was called by EVAL_RO or its kin.
    pub fn run_script(
        &mut self,
        source: &Arc<Source>,
        call: Call<'_>,
        is_read_only: bool,
    ) -> Result<(), CommandError> {
        let is_read_only = is_read_only || source.flags.no_writes;
        let lacks_memory = self.lacks_memory && !source.flags.allow_oom;
        if lacks_memory && source.flags.is_said && !is_read_only {
            return Err(CommandError::text(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        self.on_stage(|ctx, stage| {
            let vm = usable(stage.eval, ctx.shared, ctx.settings)?;
            let under = Under {
                pause: stage.pause,
                called: stage.called,
                busy: Busy::new(stage.refuses_at_ms, false),
                state: vm.state().clone(),
                proved: &source.proved,
                is_read_only,
                lacks_memory,
            };
            ctx.run_under(under, stage.returned, call.keys, |host, reply| vm.run(source, call, host, reply))
        })
    }

    /// Runs something on the stage that this request has.
    pub(super) fn on_stage(
        &mut self,
        run: impl FnOnce(&mut Self, &mut Stage<'_>) -> Result<Run, CommandError>,
    ) -> Result<(), CommandError> {
        let Some(mut stage) = self.stage.take() else { return Err(no_worker()) };
        let ended = run(self, &mut stage);
        self.stage = Some(stage);
        match ended? {
            Run::Failed(line) => Err(CommandError::text(line)),
            Run::Counted(line) => Err(CommandError::Counted(Box::new(line))),
            Run::Returned => Ok(()),
        }
    }

    /// Runs something under the locks that it needs with these keys: `run` is given who answers its calls, and its reply.
    pub(super) fn run_under(
        &mut self,
        under: Under<'_>,
        returned: &mut Output,
        keys: &[&[u8]],
        run: impl FnOnce(&mut dyn Host, &mut Reply<'_>) -> Run,
    ) -> Result<Run, CommandError> {
        let is_narrow = under.proved.is_narrow();
        if !self.in_transaction {
            self.hold_for(keys, is_narrow)?;
        }
        self.counters().add(if is_narrow { Counter::ScriptsNarrow } else { Counter::ScriptsWide }, 1);
        let (was_in_transaction, db) = (self.in_transaction, self.keys.db);
        (self.in_transaction, self.in_script) = (true, Some(ScriptClock::default()));
        let mut reply = Reply::new(returned, self.reply.proto);
        let mut host = ScriptHost { ctx: self, under, flat: Vec::new() };
        let ended = run(&mut host, &mut reply);
        self.reply.out.append(returned);
        (self.in_transaction, self.in_script) = (was_in_transaction, None);
        self.select(db);
        if !self.in_transaction {
            self.keys.release();
        }
        Ok(ended)
    }

    /// Locks the shards of these keys; for a script that may touch others, it passes the gate first.
    fn hold_for(&mut self, keys: &[&[u8]], is_narrow: bool) -> Result<(), Busy> {
        let keyspace = self.keys.keyspace;
        if !is_narrow {
            self.keys.pass_gate()?;
        }
        let held = self.keys.hold(keys.iter().map(|key| keyspace.hash(key)));
        if held.is_err() {
            self.keys.release();
        }
        held
    }
}

fn compile(
    machine: &mut Option<Vm>,
    shared: &Shared,
    settings: &Settings,
    source: &Arc<Source>,
) -> Result<(), CommandError> {
    usable(machine, shared, settings)?.compile(source).map_err(CommandError::text)
}

/// Where something runs scripts that is no worker.
fn no_worker() -> CommandError {
    CommandError::err("scripts run on workers alone")
}

/// Where a command's keys stand, for the proof.
pub(super) fn places(table: &Table, name: &[u8]) -> KeyPlaces {
    let Some(row) = table.find_called(name) else { return KeyPlaces::Anywhere };
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
            FindKeys::Counted { .. } | FindKeys::Stored => KeyPlaces::Anywhere,
        },
        [first, rest @ ..] => side_by_side(first, rest).unwrap_or(KeyPlaces::Anywhere),
    }
}

/// Of a command that names each of its keys by itself, as RENAME does, one behind the other.
fn side_by_side(first: &KeySpec, rest: &[KeySpec]) -> Option<KeyPlaces> {
    let is_one = |spec: &KeySpec| matches!(spec.find, FindKeys::Range { last: 0, .. });
    let begin = first.begin as usize;
    let follows = |(at, spec): (usize, &KeySpec)| is_one(spec) && spec.begin as usize == begin + 1 + at;
    let are_beside = is_one(first) && rest.iter().enumerate().all(follows);
    are_beside.then_some(KeyPlaces::Range { first: begin, last: Last::At(begin + rest.len()), step: 1 })
}

/// What a script runs under, beside its locks.
pub(super) struct Under<'u> {
    pub pause: &'u Pause,
    /// The reply of the call that ended last.
    pub called: &'u mut Output,
    /// What others are told while the script lets them run.
    pub busy: Busy,
    pub state: Arc<VmState>,
    pub proved: &'u Proved,
    pub is_read_only: bool,
    /// There was no room when the script began; no matter any more once it has written.
    pub lacks_memory: bool,
}

/// The caller of a script, as the script's calls see it.
struct ScriptHost<'h, 'a> {
    ctx: &'h mut Ctx<'a>,
    under: Under<'h>,
    /// The bytes of that reply where they do not lie in one piece.
    flat: Vec<u8>,
}

impl Host for ScriptHost<'_, '_> {
    fn call(&mut self, buffer: &[u8], words: &[ArgRange], proto: Proto) -> &[u8] {
        self.under.called.clear(REPLY_KEPT_BYTES_MAX);
        // A longer reply would be copied only to find no room in the machine.
        self.under.called.set_limit(SCRIPT_TEXT_BYTES_MAX);
        let mut args = Args::new(buffer, words);
        // The reply goes to the script, not to the caller.
        std::mem::swap(self.ctx.reply.out, self.under.called);
        let callers = std::mem::replace(&mut self.ctx.reply.proto, proto);
        match self.admit(&args) {
            Err(error) => {
                let row = self.ctx.shared.table.find_called(args.word(0));
                self.ctx.note_rejected(row, &args);
                self.ctx.write_error(&error);
            }
            Ok(row) => {
                let begin = self.ctx.reply.out.mark();
                if let Err(error) = self.ctx.call(row, &mut args) {
                    self.ctx.reply.out.truncate(begin);
                    self.ctx.write_error(&error);
                }
            }
        }
        self.ctx.reply.proto = callers;
        std::mem::swap(self.ctx.reply.out, self.under.called);
        if self.under.called.is_over() {
            return b"-ERR not enough memory for the reply\r\n";
        }
        if self.under.called.as_plain().is_none() {
            self.flat = bytes_of(self.under.called);
            return &self.flat;
        }
        self.under.called.as_plain().unwrap_or_default()
    }

    fn log(&mut self, level: i64, text: &[u8]) {
        log(level, text);
    }

    fn may_call(&mut self, buffer: &[u8], words: &[ArgRange]) -> Result<bool, &'static str> {
        let args = Args::new(buffer, words);
        match self.resolve(&args) {
            Ok(row) => Ok(self.ctx.judge(row, &args).is_ok()),
            Err(_) => Err("Invalid command passed to redis.acl_check_cmd()"),
        }
    }

    fn pause(&mut self) -> bool {
        let busy = self.under.busy;
        let kept = self.ctx.keys.keep_aside(busy);
        let may_go_on = self.under.pause.suspend(busy);
        // Rights may have been taken meanwhile.
        self.ctx.session.refresh_user(&self.ctx.shared.users);
        self.ctx.keys.take_back(kept);
        may_go_on
    }
}

impl ScriptHost<'_, '_> {
    fn resolve(&self, args: &Args<'_>) -> Result<&'static Row, &'static str> {
        let row = self.ctx.shared.table.find_called(args.word(0));
        let mut row = row.ok_or("ERR Unknown Redis command called from script")?;
        if !row.subcommands.is_empty() && args.words() > 1 {
            row = row.subcommand(args.word(1)).ok_or("ERR Unknown Redis command called from script")?;
        }
        match row.admits_words(args.words()) {
            true => Ok(row),
            false => Err("ERR Wrong number of args calling Redis command from script"),
        }
    }

    /// The row of a call that may run, once its shards are held.
    fn admit(&mut self, args: &Args<'_>) -> Result<&'static Row, CommandError> {
        let row = self.resolve(args).map_err(CommandError::text)?;
        if row.spec.has(Flag::NoScript) && !self.ctx.shared.operator.scripts_may_all.load(Relaxed) {
            return Err(CommandError::text("ERR This Redis command is not allowed from script"));
        }
        self.ctx.check_called(row, args)?;
        if self.under.is_read_only && (row.spec.has(Flag::Write) || row.spec.has(Flag::MayReplicate)) {
            return Err(CommandError::text("ERR Write commands are not allowed from read-only scripts."));
        }
        if row.spec.has(Flag::Write) {
            let has_written = self.under.state.has_written.load(Relaxed);
            if self.under.lacks_memory && !has_written && row.spec.has(Flag::DenyOom) {
                return Err(CommandError::OutOfMemory);
            }
        }
        self.take_shards(row, args).map_err(CommandError::text)?;
        if row.spec.has(Flag::Write) {
            self.under.state.has_written.store(true, Relaxed);
        }
        Ok(row)
    }

    /// The proof was wrong: this call is refused, and the next run is wide.
    #[cold]
    fn demote(&self) -> &'static str {
        self.ctx.counters().add(Counter::ScriptDemotions, 1);
        self.under.proved.demote();
        BEYOND_KEYS
    }

    fn take_shards(&mut self, row: &Row, args: &Args<'_>) -> Result<(), &'static str> {
        let keyspace = self.ctx.keys.keyspace;
        let is_wide = self.ctx.keys.has_passed_gate();
        match row.spec.locking {
            Locking::None => return Ok(()),
            Locking::All if is_wide => self.wait_for(|keys| keys.take_all())?,
            Locking::All if !self.ctx.keys.holds_all() => return Err(self.demote()),
            _ => {}
        }
        for (at, _) in row.keys(args.words(), |at| args.word(at)) {
            let hash = keyspace.hash(args.word(at));
            if is_wide {
                self.wait_for(|keys| keys.take(hash))?;
            } else if !self.ctx.keys.holds(hash) {
                return Err(self.demote());
            }
        }
        Ok(())
    }

    /// Takes shards; others have their turn for as long as another script keeps one of them.
    fn wait_for(&mut self, take: impl Fn(&mut Keys<'_>) -> Result<(), Busy>) -> Result<(), &'static str> {
        while take(&mut self.ctx.keys).is_err() {
            if self.under.state.is_killed.load(Relaxed) || !self.pause() {
                return Err(KILLED);
            }
        }
        Ok(())
    }
}

/// Writes what a script says to the server's log; the level as in `redis.LOG_…`.
pub(super) fn log(level: i64, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match level {
        0 => tracing::debug!(script = %text),
        1 | 2 => tracing::info!(script = %text),
        _ => tracing::warn!(script = %text),
    }
}

/// The bytes of a reply in one piece.
fn bytes_of(reply: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(reply.len());
    while !reply.is_empty() {
        reply.make(usize::MAX);
        let mut slices = [IoSlice::new(&[]); 64];
        let used = reply.slices(usize::MAX, &mut slices);
        let before = bytes.len();
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
        reply.consume(bytes.len() - before);
    }
    bytes
}
