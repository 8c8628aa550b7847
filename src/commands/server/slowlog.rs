//! SLOWLOG: the commands that took long, newest first, with their words trimmed and secrets hidden.
//!
//! Shared by all workers behind one lock, which is taken only for a slow command. Time in the log is the
//! handler's: what a parked request waits does not count.

use crate::figures::slowlog::Entry;

use crate::base::int::parse_i64;
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::integer;
use crate::table::{Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "slowlog",
        group: Group::Server,
        since: "2.2.12",
        summary: "A container for slow log commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            slowlog_get,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            slowlog_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "6.2.0",
                summary: "Show helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            slowlog_len,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            slowlog_reset,
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
                ..Spec::EMPTY
            },
        ),
    ],
)];

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

/// Entries of SLOWLOG GET without a count.
const GET_COUNT: usize = 10;

fn slowlog_get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = match args.try_take() {
        None => GET_COUNT,
        Some(word) => match parse_i64(word) {
            Some(-1) => usize::MAX,
            count => count
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| CommandError::err("count should be greater than or equal to -1"))?,
        },
    };
    if !args.is_done() {
        return Err(CommandError::err(
            "unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ));
    }
    let entries: Vec<Entry> = ctx.shared.figures.slowlog.newest(count);
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
    let len = ctx.shared.figures.slowlog.len();
    ctx.reply.int(len as i64);
    Ok(())
}

fn slowlog_reset(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.shared.figures.slowlog.clear();
    ctx.reply.ok();
    Ok(())
}

fn slowlog_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "SLOWLOG", HELP);
    Ok(())
}
