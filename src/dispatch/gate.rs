//! What every request passes, in Redis's order: name and arity, its user's rights, MULTI, memory, subscriptions, pause.
//! Then it is run under the locks its row asks for, queued, put off, or refused.
//!
//! No command is known by its name here: what is special about one stands in its row (`role`).

use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::ctx::{Ctx, Run};
use super::error::CommandError;
use super::leave::{forget_helped, forget_watched};
use super::session::PutOff;
use crate::base::metrics::Counter;
use crate::config::BusyScope;
use crate::keyspace::Busy;
use crate::table::{Flag, Locking, Role, Row, Touch};

/// What becomes of a request that nothing speaks against.
enum Admitted {
    Run,
    /// Into MULTI's queue.
    Queue,
    PutOff(PutOff),
}

impl Ctx<'_> {
    /// Passes a request through all checks, and runs it if it may run now.
    #[inline]
    pub(super) fn begin(
        &mut self,
        row: Option<&'static Row>,
        args: &mut Args<'_>,
    ) -> Result<(), CommandError> {
        let resolved = resolve(row, args);
        let admitted = resolved.and_then(|row| Ok((row, self.admit(row, args)?)));
        if self.session.room_wait.is_some() && !matches!(admitted, Ok((_, Admitted::PutOff(PutOff::Room)))) {
            self.session.room_wait = None;
        }
        let (row, admitted) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Err(self.refuse(row, args, error)),
        };
        self.session.last_command = Some(row);
        match admitted {
            Admitted::Run => self.run(row, args).or_else(|error| match error {
                CommandError::Busy(busy) => self.put_off_for(busy, row, args),
                CommandError::Helped => {
                    self.session.put_off = Some(PutOff::Helper);
                    Ok(())
                }
                CommandError::Waits => Ok(()),
                error => Err(error),
            }),
            Admitted::Queue => {
                if let Some(transaction) = &mut self.session.transaction {
                    transaction.queue(row, args);
                }
                self.reply.simple("QUEUED");
                Ok(())
            }
            Admitted::PutOff(why) => {
                self.session.put_off = Some(why);
                Ok(())
            }
        }
    }

    #[inline]
    fn run(&mut self, row: &'static Row, args: &mut Args<'_>) -> Result<(), CommandError> {
        if row.may_run_scripts && self.runs_scripts(row) {
            return self.run_aside(row, args);
        }
        if self.keys.keyspace.may_reserve() && self.must_reserve(row) {
            self.reserve(row, args)?;
        }
        self.call_admitted(row, args)
    }

    /// Whether a command must lock what it needs before it begins: a script may keep it, or it may have something for those who
    /// wait.
    fn must_reserve(&self, row: &Row) -> bool {
        row.may_feed || self.keys.keyspace.runs_scripts()
    }

    /// Runs a command that may run now.
    pub(super) fn call_admitted(&mut self, row: &Row, args: &mut Args<'_>) -> Result<(), CommandError> {
        let result = self.call(row, args);
        if self.session.hears_messages {
            self.forget_caching(row);
        }
        result
    }

    /// Refuses all but what may always run, if that is asked for, while a script runs for longer than it should.
    #[cold]
    fn check_alone(&self, row: &Row) -> Result<(), CommandError> {
        let is_alone = self.settings.busy_reply_scope == BusyScope::Server && !row.spec.has(Flag::AllowBusy);
        let busy = self.keys.keyspace.any_busy().filter(|_| is_alone);
        match busy.filter(|busy| busy.refuses_at_ms() <= self.now().mono_ms) {
            Some(busy) => Err(refusal(busy)),
            None => Ok(()),
        }
    }

    /// Locks what a command will need, as scripts may keep it: where one does, nothing has been done yet.
    #[inline(never)]
    fn reserve(&mut self, row: &Row, args: &mut Args<'_>) -> Result<(), CommandError> {
        let keyspace = self.keys.keyspace;
        let is_plain = row.spec.locking == Locking::Keys && !row.names_several_keys;
        if is_plain && (1..args.words()).contains(&row.first_key) && !keyspace.is_any_slow() {
            // The common case: no script is slow now, though one may become so before the lock is ours.
            let hash =
                args.known_hash(row.first_key).unwrap_or_else(|| keyspace.hash(args.word(row.first_key)));
            args.set_hash(row.first_key, hash);
            return Ok(self.keys.hold_one(hash)?);
        }
        match row.spec.locking {
            // Those that walk see to it themselves.
            Locking::None | Locking::All => Ok(()),
            Locking::Keys | Locking::Itself => {
                let hash = |at| args.known_hash(at).unwrap_or_else(|| keyspace.hash(args.word(at)));
                let keys = row.keys(args.words(), |at| args.word(at));
                let hashes: Vec<(usize, u64)> = keys.map(|(at, _)| (at, hash(at))).collect();
                self.keys.hold(hashes.iter().map(|(_, hash)| *hash))?;
                args.set_hashes(hashes);
                Ok(())
            }
        }
    }

    /// A request needs what a script keeps: it waits, or is refused once the script has had its time.
    #[cold]
    fn put_off_for(&mut self, busy: Busy, row: &'static Row, args: &Args<'_>) -> Result<(), CommandError> {
        if busy.refuses_at_ms() <= self.now().mono_ms {
            return Err(self.refuse(Some(row), args, refusal(busy)));
        }
        self.session.refused_at_ms = busy.refuses_at_ms();
        self.session.put_off = Some(PutOff::Script);
        Ok(())
    }

    fn admit(&mut self, row: &Row, args: &Args<'_>) -> Result<Admitted, CommandError> {
        if self.session.identity.is_free() {
            self.check_transaction(row)?;
        } else {
            self.check_user(row, args)?;
        }
        let is_queueing = self.session.transaction.is_some();
        if self.keys.keyspace.is_any_slow() {
            self.check_alone(row)?;
        }
        let lacks = self.check_memory(row, args)?;
        self.check_listening(row)?;
        let put_off = lacks.or_else(|| self.is_paused(row, args).then_some(PutOff::Pause));
        Ok(match put_off {
            Some(why) => Admitted::PutOff(why),
            None if is_queueing && !row.role.runs_while_queueing() => Admitted::Queue,
            None => Admitted::Run,
        })
    }

    /// What a request that failed a check is answered, and what that does to a transaction.
    fn refuse(&mut self, row: Option<&'static Row>, args: &Args<'_>, error: CommandError) -> CommandError {
        self.note_rejected(row, args);
        forget_helped(&mut self.keys, self.session);
        if row.is_some_and(|row| row.role == Role::Exec) {
            return self.abort_exec(&error);
        }
        if let Some(transaction) = &mut self.session.transaction {
            transaction.is_broken = true;
        }
        error
    }

    /// Refuses what a connection may not run while it listens for messages.
    fn check_listening(&self, row: &Row) -> Result<(), CommandError> {
        let session = &self.session;
        if session.hears_messages && session.is_listening() && !row.role.runs_while_listening() {
            return Err(CommandError::err(format!(
                "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context",
                row.full_name
            )));
        }
        Ok(())
    }

    /// Whether a request must be put off because of CLIENT PAUSE.
    #[inline]
    fn is_paused(&self, row: &Row, args: &Args<'_>) -> bool {
        self.shared.operator.pause.is_set() && self.is_paused_now(row, args)
    }

    #[cold]
    fn is_paused_now(&self, row: &Row, args: &Args<'_>) -> bool {
        let pause = &self.shared.operator.pause;
        pause.until(self.now().mono_ms).is_some() && (!pause.spares_reads() || self.may_write(row, args))
    }

    /// Whether it may change the keyspace, or is an EXEC of something that may.
    fn may_write(&self, row: &Row, args: &Args<'_>) -> bool {
        let writes = |row: &Row, args: &Args<'_>| {
            let runs_writes = row.role == Role::Script && !row.spec.has(Flag::Readonly);
            row.spec.has(Flag::Write)
                || row.spec.has(Flag::MayReplicate)
                || (runs_writes && !self.says_no_writes(args))
        };
        let queued = self.session.transaction.as_ref().filter(|_| row.role == Role::Exec);
        writes(row, args)
            || queued.is_some_and(|queue| queue.queued.iter().any(|one| writes(one.row, &one.args())))
    }

    /// An EXEC that is itself refused ends the transaction.
    fn abort_exec(&mut self, why: &CommandError) -> CommandError {
        if self.session.transaction.take().is_some() {
            forget_watched(&mut self.keys, self.session);
        }
        let why = why.wire();
        // Redis names the reason without its generic code.
        let why = why.strip_prefix(b"ERR ").unwrap_or(why);
        CommandError::text([b"EXECABORT Transaction discarded because of: ", why].concat())
    }

    /// Whether a command's look at a key counts as an access.
    fn touches(&self, row: &Row) -> bool {
        match row.spec.touch {
            Touch::Yes => !self.session.client.seen.no_touch.load(Relaxed),
            Touch::Always => true,
            Touch::Never => false,
        }
    }

    /// Runs a command with the locks its row asks for.
    pub fn call(&mut self, row: &Row, args: &mut Args<'_>) -> Result<(), CommandError> {
        let run = self.handlers.of(row);
        if self.session.hears_messages {
            self.note_reads(row, args);
        }
        if row.role == Role::Script && self.shared.clients.monitors.is_any() {
            // What it calls is shown behind it.
            self.feed_monitors(row, args);
        }
        args.seek(row.name_words);
        self.keys.scope.touches = self.touches(row);
        let begun = self.meter.begun();
        if !row.is_quick {
            self.meter.note_long(row);
        }
        let result = if self.in_transaction { run(self, args) } else { self.run_locked(row, run, args) };
        if let Err(CommandError::Busy(_) | CommandError::Helped | CommandError::Waits) = result {
            // It has not run: it comes again, or ends later.
            if result == Err(CommandError::Waits) {
                self.note_waits(row, args, begun);
            }
            return result;
        }
        self.counters().add(Counter::Commands, 1);
        if let Some(ns) = self.meter.ran(row, begun, result.is_err(), self.alike_follows) {
            self.note_slow(row, args, ns);
        }
        if self.shared.clients.monitors.is_any() && row.role != Role::Script {
            self.feed_monitors(row, args);
        }
        result
    }

    fn run_locked(&mut self, row: &Row, run: Run, args: &mut Args<'_>) -> Result<(), CommandError> {
        // One argument is one key at most: its view locks it, and the batch has fetched it ahead.
        if row.names_several_keys && args.words() > 2 && row.spec.locking == Locking::Keys {
            let keyspace = self.keys.keyspace;
            let hash = |at| args.known_hash(at).unwrap_or_else(|| keyspace.hash(args.word(at)));
            let keys = row.keys(args.words(), |at| args.word(at));
            let hashes: Vec<(usize, u64)> = keys.map(|(at, _)| (at, hash(at))).collect();
            self.keys.hold(hashes.iter().map(|(_, hash)| *hash))?;
            self.keys.prefetch(hashes.iter().map(|(_, hash)| *hash));
            args.set_hashes(hashes);
        }
        let result = run(self, args);
        self.keys.release();
        result
    }

    /// Writes an error reply and counts it.
    pub fn write_error(&mut self, error: &CommandError) {
        let line = error.wire();
        if !matches!(error, CommandError::Counted(_)) {
            self.counters().add(Counter::ErrorReplies, 1);
            self.meter.calls().note_error(line);
        }
        self.reply.error(line);
    }

    /// Counts a request that was refused before it ran, if its command is known.
    pub(super) fn note_rejected(&mut self, row: Option<&'static Row>, args: &Args<'_>) {
        let row = row.and_then(|row| match row.subcommands.is_empty() || args.words() == 1 {
            true => Some(row),
            false => row.subcommand(args.word(1)),
        });
        if let Some(row) = row {
            self.meter.calls().note_rejected(row);
        }
    }
}

/// What is told while a script keeps something for longer than it should.
fn refusal(busy: Busy) -> CommandError {
    let kill = if busy.is_function() { "FUNCTION" } else { "SCRIPT" };
    CommandError::text(format!(
        "BUSY Redis is busy running a script. You can only call {kill} KILL or SHUTDOWN NOSAVE."
    ))
}

/// The row of a request, subcommand included, with its arity checked.
pub fn resolve(row: Option<&'static Row>, args: &Args<'_>) -> Result<&'static Row, CommandError> {
    let mut row = row.ok_or_else(|| unknown_command(args))?;
    if !row.subcommands.is_empty() && args.words() > 1 {
        row = row.subcommand(args.word(1)).ok_or_else(|| unknown_subcommand(row, args.word(1)))?;
    }
    if row.admits_words(args.words()) { Ok(row) } else { Err(CommandError::wrong_arity(&row.full_name)) }
}

/// Words of HTTP: a page in a browser may be made to talk to this port. Redis closes without a reply.
pub fn is_foreign_protocol(name: &[u8]) -> bool {
    let name = as_c_string(name, usize::MAX);
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

fn unknown_command(args: &Args<'_>) -> CommandError {
    let mut quoted = Vec::new();
    for at in 1..args.words() {
        if quoted.len() >= 128 {
            break;
        }
        let room = 128 - quoted.len();
        quoted.push(b'\'');
        quoted.extend_from_slice(as_c_string(args.word(at), room));
        quoted.extend_from_slice(b"' ");
    }
    let name = as_c_string(args.word(0), 128);
    CommandError::text([b"ERR unknown command '", name, b"', with args beginning with: ", &quoted].concat())
}

fn unknown_subcommand(row: &Row, name: &[u8]) -> CommandError {
    let parent = row.spec.name.to_ascii_uppercase();
    let tail = format!("'. Try {parent} HELP.");
    CommandError::text([b"ERR unknown subcommand '", as_c_string(name, 128), tail.as_bytes()].concat())
}

/// At most `len` bytes, and none from the first NUL on: as C's `%.*s` prints them.
pub fn as_c_string(bytes: &[u8], len: usize) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    &bytes[..end.min(len)]
}
