//! SLOWLOG: the commands that took long, newest first, with their words trimmed and secrets hidden.
//!
//! Shared by all workers behind one lock, which is taken only for a slow command. Time in the log is the
//! handler's: what a parked request waits does not count.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::help;
use super::secrets;
use super::spec::{Flag, Group, Handler, Locking, Spec, integer};
use super::table::Row;
use crate::base::int::parse_i64;

pub static ROWS: &[Spec] = &[Spec {
    name: "slowlog",
    group: Group::Server,
    since: "2.2.12",
    summary: "A container for slow log commands.",
    complexity: "Depends on subcommand.",
    reply: "depends on the subcommand",
    subcommands: &[
        Spec {
            name: "get",
            group: Group::Server,
            since: "2.2.12",
            summary: "Get the slow log's entries.",
            complexity: "O(N) where N is the number of entries returned",
            args: &[integer("count").optional()],
            flags: &[Flag::Admin, Flag::Loading, Flag::Stale],
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
            reply: "an array of entries, the newest first",
            locking: Locking::None,
            handler: Handler::Run(slowlog_get),
            ..Spec::EMPTY
        },
        Spec {
            name: "help",
            group: Group::Server,
            since: "6.2.0",
            summary: "Show helpful text about the different subcommands.",
            complexity: "O(1)",
            flags: &[Flag::Loading, Flag::Stale],
            reply: "lines of help",
            locking: Locking::None,
            handler: Handler::Run(slowlog_help),
            ..Spec::EMPTY
        },
        Spec {
            name: "len",
            group: Group::Server,
            since: "2.2.12",
            summary: "Get the slow log's length.",
            complexity: "O(1)",
            flags: &[Flag::Admin, Flag::Loading, Flag::Stale],
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            reply: "the number of entries",
            locking: Locking::None,
            handler: Handler::Run(slowlog_len),
            ..Spec::EMPTY
        },
        Spec {
            name: "reset",
            group: Group::Server,
            since: "2.2.12",
            summary: "Clear all entries from the slow log.",
            complexity: "O(N) where N is the number of entries in the slowlog",
            flags: &[Flag::Admin, Flag::Loading, Flag::Stale],
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            reply: "OK",
            locking: Locking::None,
            handler: Handler::Run(slowlog_reset),
            ..Spec::EMPTY
        },
    ],
    handler: Handler::Subcommands,
    ..Spec::EMPTY
}];

const HELP: &[&str] = &[
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
];

/// Words of a command that an entry keeps.
const WORDS_MAX: usize = 32;
/// Bytes of a word that an entry keeps.
const WORD_BYTES_MAX: usize = 128;
/// Entries of SLOWLOG GET without a count.
const GET_COUNT: usize = 10;

/// The slow log of a server.
#[derive(Debug, Default)]
pub struct Slowlog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    next_id: i64,
    /// The newest first.
    entries: VecDeque<Entry>,
}

/// One slow command.
#[derive(Clone, Debug)]
struct Entry {
    id: i64,
    wall_s: i64,
    us: u64,
    words: Vec<Vec<u8>>,
    addr: String,
    name: Vec<u8>,
}

impl Slowlog {
    fn push(&self, entry: Entry, len_max: usize) {
        let mut log = self.0.lock();
        let id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(Entry { id, ..entry });
        log.entries.truncate(len_max);
    }
}

impl Ctx<'_> {
    /// A command took long enough for the slow log or the latency monitor to hear of it.
    #[cold]
    pub fn note_slow(&mut self, row: &Row, args: &Args<'_>, ns: u64) {
        let event = if row.spec.has(Flag::Fast) { "fast-command" } else { "command" };
        // Those of now: the command may have been the one that changed them.
        let settings = self.shared.settings.load();
        self.shared.latency.note(event, ns / 1_000_000, self.now.wall_ms / 1000, &settings);
        let wanted = u64::try_from(settings.slowlog_log_slower_than_us).ok();
        let us = ns / 1000;
        if wanted.is_none_or(|least| us < least) || row.spec.has(Flag::SkipSlowlog) {
            return;
        }
        let client = &self.session.client;
        let entry = Entry {
            id: 0,
            wall_s: self.now.wall_ms / 1000,
            us,
            words: trimmed(&(0..args.words()).map(|at| args.word(at)).collect::<Vec<_>>()),
            addr: client.addr.clone(),
            name: client.names.lock().name.clone(),
        };
        self.shared.slowlog.push(entry, settings.slowlog_max_len);
    }
}

/// The words as an entry keeps them: few and short, secrets hidden.
fn trimmed(words: &[&[u8]]) -> Vec<Vec<u8>> {
    let mask = secrets::mask(words);
    let kept = if words.len() > WORDS_MAX { WORDS_MAX - 1 } else { words.len() };
    let shown = |(word, secret): (&&[u8], &bool)| match word.len().checked_sub(WORD_BYTES_MAX) {
        _ if *secret => secrets::REDACTED.to_vec(),
        Some(more @ 1..) => [&word[..WORD_BYTES_MAX], format!("... ({more} more bytes)").as_bytes()].concat(),
        _ => word.to_vec(),
    };
    let mut trimmed: Vec<Vec<u8>> = words.iter().zip(&mask).take(kept).map(shown).collect();
    if kept < words.len() {
        trimmed.push(format!("... ({} more arguments)", words.len() - kept).into_bytes());
    }
    trimmed
}

fn slowlog_get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = match args.try_take() {
        None => GET_COUNT,
        Some(word) => match parse_i64(word) {
            Some(-1) => usize::MAX,
            count => count
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::OutOfRange("count should be greater than or equal to -1"))?,
        },
    };
    if !args.is_done() {
        return Err(CommandError::err(
            "unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ));
    }
    let entries: Vec<Entry> = ctx.shared.slowlog.0.lock().entries.iter().take(count).cloned().collect();
    ctx.reply.array(entries.len());
    for entry in entries {
        ctx.reply.array(6);
        ctx.reply.int(entry.id);
        ctx.reply.int(entry.wall_s);
        ctx.reply.int(entry.us as i64);
        ctx.reply.array(entry.words.len());
        entry.words.iter().for_each(|word| ctx.reply.bulk(word));
        ctx.reply.bulk(entry.addr.as_bytes());
        ctx.reply.bulk(&entry.name);
    }
    Ok(())
}

fn slowlog_len(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let len = ctx.shared.slowlog.0.lock().entries.len();
    ctx.reply.int(len as i64);
    Ok(())
}

fn slowlog_reset(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.shared.slowlog.0.lock().entries.clear();
    ctx.reply.ok();
    Ok(())
}

fn slowlog_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "SLOWLOG", HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_few_and_short_words() {
        let long = [b'A'; 129];
        let mut words: Vec<&[u8]> = vec![b"sadd", b"set", &long];
        assert!(trimmed(&words)[2].ends_with(b"A... (1 more bytes)"));
        assert_eq!(trimmed(&words)[2].len(), 128 + "... (1 more bytes)".len());
        words.resize(32, b"x");
        assert_eq!(trimmed(&words)[31], b"x");
        words.resize(33, b"x");
        assert_eq!((trimmed(&words).len(), &trimmed(&words)[31][..]), (32, &b"... (2 more arguments)"[..]));
    }

    #[test]
    fn log_holds_the_newest() {
        let log = Slowlog::default();
        let entry = || Entry { id: 0, wall_s: 0, us: 0, words: vec![], addr: String::new(), name: vec![] };
        (0..5).for_each(|_| log.push(entry(), 2));
        let ids: Vec<i64> = log.0.lock().entries.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [4, 3]);
        log.push(entry(), 0);
        assert!(log.0.lock().entries.is_empty());
    }
}
