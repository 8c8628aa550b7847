//! Running requests: those that arrived together are cut and looked up first, then run in order.
//!
//! Checks what is common to all commands (name, arity, authentication, MULTI) and locks what a row
//! asks for. Knows no sockets; `net` gives it bytes and an output and takes parked slots from the session.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::clock::Now;
use crate::base::limits::BATCH_REQUESTS_MAX;
use crate::base::metrics::{Counter, Counters};
use crate::config::Settings;
use bytes::Bytes;

use crate::keyspace::{Ahead, Effects, Rules, Keys, Keyspace, Scope};
use crate::protocol::reply::{Output, Reply};
use crate::protocol::request::{ArgRange, Next, Parser, ProtocolError, RequestLimits};
use crate::pubsub::Delivery;

use super::args::Args;
use super::calls::Meter;
use super::ctx::Ctx;
use super::error::CommandError;
use super::session::{Queued, ReplyMode, Session, Transaction};
use super::shared::{Shared, rules_of};
use super::spec::{Flag, Handler, Locking, Run, Touch};
use super::table::{self, Row};

/// Requests from which on fetching ahead pays for its extra look at the shards.
const PREFETCH_REQUESTS_MIN: usize = 4;

/// What a worker lends to each batch.
pub struct Bench<'a> {
    pub shared: &'a Shared,
    pub settings: Arc<Settings>,
    pub settings_version: u64,
    /// The part of the settings that the keyspace needs.
    pub rules: Rules,
    pub counters: &'a Counters,
    pub now: Now,
    pub effects: &'a mut Effects,
    /// Messages to send once the locks are released, in order.
    pub deliveries: Vec<Delivery>,
    pub meter: &'a mut Meter,
}

impl Bench<'_> {
    /// Takes over settings that were changed since, by whichever connection.
    #[inline]
    pub fn refresh_settings(&mut self) {
        let version = self.shared.settings_version();
        if version != self.settings_version {
            self.settings = self.shared.settings.load_full();
            self.rules = rules_of(&self.settings);
            self.settings_version = version;
            self.meter.apply(&self.settings, version);
        }
    }
}

/// Requests cut out of one read buffer; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Batch {
    words: Vec<ArgRange>,
    requests: Vec<Request>,
    /// The buffer of the requests, where there is one that can be kept.
    kept: Option<Bytes>,
    ahead: Ahead,
}

/// One request: its words, and its row if its name is known.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// Where it begins in the buffer.
    begin: usize,
    first_word: usize,
    words: usize,
    row: Option<&'static Row>,
    /// Of the first key, once prefetched.
    hash: Option<u64>,
}

impl Batch {
    /// Cuts requests out of `buffer[start..]` until it is used up, the batch is full, or an error ends it.
    /// Returns where the next request begins; requests before an error are in the batch and run first.
    pub fn cut(
        &mut self,
        parser: &mut Parser,
        buffer: &mut [u8],
        start: usize,
        limits: RequestLimits,
    ) -> (usize, Cut) {
        // AUTH lifts the limits, so before it each request is cut when the one before has run.
        let most = if limits.authenticated { BATCH_REQUESTS_MAX } else { 1 };
        self.cut_most(most, parser, buffer, start, limits)
    }

    /// As `cut`, but no more than one request: it can be kept with `keep`.
    pub fn cut_one(&mut self, parser: &mut Parser, buffer: &mut [u8], limits: RequestLimits) -> (usize, Cut) {
        self.cut_most(1, parser, buffer, 0, limits)
    }

    /// Says that the buffer of the requests is this one, so that a large value need not be copied out of it.
    pub fn keep(&mut self, buffer: Bytes) {
        self.kept = Some(buffer);
    }

    /// Lets go of the buffer given to `keep`.
    pub fn release(&mut self) {
        self.kept = None;
    }

    fn cut_most(
        &mut self,
        most: usize,
        parser: &mut Parser,
        buffer: &mut [u8],
        mut start: usize,
        limits: RequestLimits,
    ) -> (usize, Cut) {
        self.words.clear();
        self.requests.clear();
        // A panic may have kept `release` from being called.
        self.kept = None;
        while self.requests.len() < most {
            let first_word = self.words.len();
            let begin = start;
            match parser.next(buffer, start, limits, &mut self.words) {
                Ok(Next::Request { end }) => {
                    start = end;
                    let words = self.words.len() - first_word;
                    if words > 0 {
                        let row = self.find_row(buffer, first_word);
                        self.requests.push(Request { begin, first_word, words, row, hash: None });
                    }
                }
                Ok(Next::Incomplete) => return (start, Cut::UsedUp),
                Err(error) => return (start, Cut::Malformed(error)),
            }
        }
        (start, Cut::Full)
    }

    /// The row of the request whose words begin at `first_word`. A pipeline mostly repeats a command: if the
    /// name is spelt as the last one was, the table need not be asked.
    #[inline]
    fn find_row(&self, buffer: &[u8], first_word: usize) -> Option<&'static Row> {
        let name = self.words[first_word].of(buffer);
        match self.requests.last() {
            Some(last) if self.words[last.first_word].of(buffer) == name => last.row,
            _ => table::find(name),
        }
    }

    /// Fetches ahead what the requests will look up: first the table's buckets for all of them, then the
    /// entries, so that the waits for memory overlap. Not worth it for a few requests.
    pub fn prefetch(&mut self, buffer: &[u8], keyspace: &Keyspace, db: usize) {
        if self.requests.len() < PREFETCH_REQUESTS_MIN {
            return;
        }
        for request in &mut self.requests {
            if let Some(row) = request.row.filter(|row| row.first_key > 0 && row.first_key < request.words) {
                let hash = keyspace.hash(self.words[request.first_word + row.first_key].of(buffer));
                request.hash = Some(hash);
            }
        }
        keyspace.prefetch(db, self.requests.iter().filter_map(|request| request.hash), &mut self.ahead);
    }

    /// Where a request begins in the buffer it was cut out of.
    #[must_use]
    pub fn begin_of(&self, index: usize) -> usize {
        self.requests[index].begin
    }

    /// Requests in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether the request behind this one is of the same, quick command.
    #[inline]
    fn alike_follows(&self, index: usize) -> bool {
        let (Some(row), Some(next)) = (self.requests[index].row, self.requests.get(index + 1)) else {
            return false;
        };
        row.is_quick && next.row.is_some_and(|next| std::ptr::eq(next, row))
    }

    /// Runs the request at `index` and writes its reply, unless it parked (see `session.slots.parked`) or was
    /// put off (`session.is_paused`).
    pub fn run(
        &self,
        index: usize,
        buffer: &[u8],
        bench: &mut Bench<'_>,
        session: &mut Session,
        out: &mut Output,
    ) {
        bench.refresh_settings();
        let request = self.requests[index];
        let words = &self.words[request.first_word..][..request.words];
        let mut args = Args::new(buffer, words).with_kept(self.kept.as_ref());
        if let (Some(hash), Some(row)) = (request.hash, request.row) {
            args = args.with_hash(row.first_key, hash);
        }
        let is_skipped = session.reply_mode == ReplyMode::SkipNext;
        if is_skipped {
            session.reply_mode = ReplyMode::Skipping;
        }
        let mark = out.mark();
        let by = session.client.id;
        let scope =
            Scope { now: bench.now, rules: &bench.rules, counters: bench.counters, by, touches: false };
        let keys = Keys::new(&bench.shared.keyspace, session.db, scope, bench.effects);
        let mut ctx = Ctx {
            shared: bench.shared,
            settings: &bench.settings,
            counters: bench.counters,
            now: bench.now,
            keys,
            deliveries: &mut bench.deliveries,
            reply: Reply::new(out, session.proto),
            session,
            in_transaction: false,
            meter: bench.meter,
            alike_follows: self.alike_follows(index),
            lacks_room: false,
        };
        if request.row.is_none() && is_foreign_protocol(args.word(0)) {
            ctx.shared.note_foreign(&ctx.session.client, ctx.now.mono_ms);
            ctx.session.closes = true;
            return;
        }
        if let Err(error) = ctx.begin(request.row, &mut args) {
            ctx.reply.out.truncate(mark);
            ctx.write_error(&error);
        }
        drop(ctx);
        if session.is_paused && is_skipped {
            session.reply_mode = ReplyMode::SkipNext;
            return;
        }
        match session.reply_mode {
            ReplyMode::On | ReplyMode::SkipNext => {}
            ReplyMode::Off => out.truncate(mark),
            ReplyMode::Skipping => {
                out.truncate(mark);
                session.reply_mode = ReplyMode::On;
            }
        }
        if session.hears_messages {
            session.subscriptions.speak(out);
        }
    }
}

/// Why cutting ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// The batch is full; more may lie in the buffer.
    Full,
    /// What is left is no whole request.
    UsedUp,
    Malformed(ProtocolError),
}

impl Ctx<'_> {
    /// The checks that every request goes through, in Redis's order, then the command itself.
    fn begin(&mut self, row: Option<&'static Row>, args: &mut Args<'_>) -> Result<(), CommandError> {
        let admitted = match resolve(row, args) {
            Ok(row) if !self.is_authenticated() && !row.spec.has(Flag::NoAuth) => Err(CommandError::NoAuth),
            Ok(row) if self.session.transaction.is_some() && row.spec.has(Flag::NoMulti) => {
                Err(CommandError::err("Command not allowed inside a transaction"))
            }
            other => {
                other.and_then(|row| self.check_memory(row, args).and_then(|()| self.check_listening(row)))
            }
        };
        let row = match admitted {
            Ok(row) => {
                self.session.last_command = Some(row);
                row
            }
            Err(error) if row.is_some_and(|row| row.spec.name == "exec") => {
                self.note_rejected(row, args);
                return Err(self.abort_exec(&error));
            }
            Err(error) => {
                self.note_rejected(row, args);
                if let Some(transaction) = &mut self.session.transaction {
                    transaction.is_broken = true;
                }
                return Err(error);
            }
        };
        if self.lacks_room || self.is_paused(row) {
            self.session.is_paused = true;
            self.session.lacks_room = self.lacks_room;
            return Ok(());
        }
        match &mut self.session.transaction {
            Some(transaction) if !row.spec.runs_inside_multi() => {
                transaction.queue(row, args);
                self.reply.simple("QUEUED");
                Ok(())
            }
            _ => {
                let result = self.call(row, args);
                if self.session.hears_messages {
                    self.forget_caching(row);
                }
                result
            }
        }
    }

    /// Refuses what a connection may not run while it listens for messages.
    fn check_listening(&self, row: &'static Row) -> Result<&'static Row, CommandError> {
        let session = &self.session;
        if session.hears_messages && session.is_listening() && !row.spec.runs_while_listening() {
            return Err(super::subscriptions::refuse(row));
        }
        Ok(row)
    }

    /// Whether a command's look at a key counts as an access.
    fn touches(&self, row: &Row) -> bool {
        match row.spec.touch {
            Touch::Yes => !self.session.client.seen.no_touch.load(Relaxed),
            Touch::Always => true,
            Touch::Never => false,
        }
    }

    /// Authenticated, or in no need of it since the password was removed.
    fn is_authenticated(&self) -> bool {
        self.session.is_authenticated || self.settings.requirepass.is_none()
    }

    /// Runs a command with the locks its row asks for.
    pub fn call(&mut self, row: &Row, args: &mut Args<'_>) -> Result<(), CommandError> {
        self.counters.add(Counter::Commands, 1);
        let Handler::Run(run) = row.spec.handler else { return Err(CommandError::Syntax) };
        if self.session.hears_messages {
            self.note_reads(row, args);
        }
        args.seek(row.name_words);
        self.keys.scope.touches = self.touches(row);
        let begun = self.meter.begun();
        let result = if self.in_transaction { run(self, args) } else { self.run_locked(row, run, args) };
        if let Some(ns) = self.meter.ran(row, begun, result.is_err(), self.alike_follows) {
            self.note_slow(row, args, ns);
        }
        if self.shared.monitors.is_any() {
            self.feed_monitors(row, args);
        }
        result
    }

    fn run_locked(&mut self, row: &Row, run: Run, args: &mut Args<'_>) -> Result<(), CommandError> {
        // One argument is one key at most: its view locks it, and the batch has fetched it ahead.
        if row.names_several_keys && args.words() > 2 && row.spec.locking == Locking::Keys {
            let keyspace = self.keys.keyspace;
            let positions = row.key_positions(args.words(), |at| args.word(at));
            let hash = |at| args.known_hash(at).unwrap_or_else(|| keyspace.hash(args.word(at)));
            let hashes: Vec<(usize, u64)> = positions.into_iter().map(|at| (at, hash(at))).collect();
            self.keys.hold(hashes.iter().map(|(_, hash)| *hash));
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
        self.counters.add(Counter::ErrorReplies, 1);
        self.meter.calls().note_error(&line);
        self.reply.error(&line);
    }

    /// Counts a request that was refused before it ran, if its command is known.
    fn note_rejected(&mut self, row: Option<&'static Row>, args: &Args<'_>) {
        let row = row.and_then(|row| match row.subcommands.is_empty() || args.words() == 1 {
            true => Some(row),
            false => row.subcommand(args.word(1)),
        });
        if let Some(row) = row {
            self.meter.calls().note_rejected(row);
        }
    }
}

/// The row of a request, subcommand included, with its arity checked.
pub fn resolve(row: Option<&'static Row>, args: &Args<'_>) -> Result<&'static Row, CommandError> {
    let mut row = row.ok_or_else(|| unknown_command(args))?;
    if !row.subcommands.is_empty() && args.words() > 1 {
        row = row.subcommand(args.word(1)).ok_or_else(|| unknown_subcommand(row, args.word(1)))?;
    }
    let runs = matches!(row.spec.handler, Handler::Run(_));
    let fits = if row.subcommands.is_empty() { row.admits_words(args.words()) } else { runs };
    if fits { Ok(row) } else { Err(CommandError::WrongArity(row.full_name.clone())) }
}

/// Words of HTTP: a page in a browser may be made to talk to this port. Redis closes without a reply.
fn is_foreign_protocol(name: &[u8]) -> bool {
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
    CommandError::Bytes([b"ERR unknown command '", name, b"', with args beginning with: ", &quoted].concat())
}

fn unknown_subcommand(row: &Row, name: &[u8]) -> CommandError {
    let parent = row.spec.name.to_ascii_uppercase();
    let tail = format!("'. Try {parent} HELP.");
    CommandError::Bytes([b"ERR unknown subcommand '", as_c_string(name, 128), tail.as_bytes()].concat())
}

/// At most `len` bytes, and none from the first NUL on: as C's `%.*s` prints them.
fn as_c_string(bytes: &[u8], len: usize) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    &bytes[..end.min(len)]
}

impl super::spec::Spec {
    /// Commands that run at once while a transaction is collected.
    fn runs_inside_multi(&self) -> bool {
        matches!(self.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
    }
}

impl Transaction {
    fn queue(&mut self, row: &'static Row, args: &Args<'_>) {
        let mut buffer = Vec::new();
        let mut words = Vec::with_capacity(args.words());
        for at in 0..args.words() {
            let word = args.word(at);
            words.push(ArgRange { start: buffer.len(), len: word.len() });
            buffer.extend_from_slice(word);
        }
        self.bytes += buffer.len() + words.len() * size_of::<ArgRange>();
        self.queued.push(Queued { row, buffer, words });
    }
}
