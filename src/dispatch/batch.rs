//! Requests that arrived together: cut and looked up first, fetched ahead, then run in order.
//!
//! Knows no sockets; `net` gives it bytes and an output and takes parked slots from the session. What each request
//! must pass before it runs is `gate`.

use bytes::Bytes;

use super::args::Args;
use super::bench::Bench;
use super::ctx::Ctx;
use super::gate::is_foreign_protocol;
use super::operator::Note;
use super::session::{ReplyMode, Session};
use crate::base::limits::BATCH_REQUESTS_MAX;
use crate::keyspace::{Ahead, Keys, Keyspace, Scope};
use crate::protocol::output::Output;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::Reply;
use crate::protocol::request::{Next, Parser, ProtocolError, RequestLimits};
use crate::table::{Row, Table};

/// Requests from which on fetching ahead pays for its extra look at the shards.
const PREFETCH_REQUESTS_MIN: usize = 4;

/// Requests cut out of one read buffer; reused from batch to batch.
#[derive(Debug)]
pub struct Batch {
    table: &'static Table,
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
    /// An empty batch of commands of this table.
    #[must_use]
    pub fn new(table: &'static Table) -> Batch {
        Batch { table, words: Vec::new(), requests: Vec::new(), kept: None, ahead: Ahead::default() }
    }

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
            _ => self.table.find_called(name),
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
    /// put off (`session.put_off`).
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
        // A block: `drop(ctx)` would move all of it first.
        {
            let by = session.client.id;
            let rules = &bench.current.rules;
            let scope = Scope { now: bench.now, rules, counters: bench.counters, by, touches: false };
            let keys = Keys::new(&bench.shared.keyspace, session.db, scope, bench.effects);
            let mut ctx = Ctx {
                shared: bench.shared,
                handlers: bench.handlers,
                station: bench.station,
                stage: None,
                settings: &bench.current.settings,
                keys,
                deliveries: &mut bench.deliveries,
                reply: Reply::new(out, session.proto),
                session,
                in_transaction: false,
                in_script: None,
                lacks_memory: false,
                meter: bench.meter,
                alike_follows: self.alike_follows(index),
            };
            if request.row.is_none() && is_foreign_protocol(args.word(0)) {
                note_foreign(&ctx);
                ctx.session.closes = true;
                return;
            }
            if let Err(error) = ctx.begin(request.row, &mut args) {
                ctx.reply.out.truncate(mark);
                ctx.write_error(&error);
            }
        }
        if session.put_off.is_none() {
            session.has_replied(out, mark);
        } else if is_skipped {
            session.reply_mode = ReplyMode::SkipNext;
        }
    }
}

/// Why cutting ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// The batch is full; more may lie in the buffer.
    Full,
    /// What is left is not a whole request.
    UsedUp,
    Malformed(ProtocolError),
}

/// A page in a browser may be made to talk to this port.
#[cold]
fn note_foreign(ctx: &Ctx<'_>) {
    if let Some(left_out) = ctx.shared.operator.may_note(Note::Foreign, ctx.now().mono_ms) {
        let client = &ctx.session.client;
        tracing::warn!(
            client = client.id, addr = %client.addr, left_out,
            "closed: it speaks HTTP, perhaps a page in a browser"
        );
    }
}
