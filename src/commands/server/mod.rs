//! Commands on the whole server: FLUSHALL, FLUSHDB, SWAPDB, TIME, SHUTDOWN, WAIT.
//!
//! What changes more than one shard holds them all, so every other connection sees it whole or not at
//! all. Memory is given back in the background, asked for or not.

mod config;
mod debug;
mod debug_values;
mod describe;
mod digest;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod replication;
mod slowlog;

use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{integer, one_of, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[
    COMMANDS,
    config::COMMANDS,
    debug::COMMANDS,
    describe::COMMANDS,
    info::COMMANDS,
    latency::COMMANDS,
    lolwut::COMMANDS,
    memory::COMMANDS,
    module::COMMANDS,
    monitor::COMMANDS,
    replication::COMMANDS,
    slowlog::COMMANDS,
];

pub static COMMANDS: &[Command] = &[
    Command::new(
        flushall,
        Spec {
            name: "flushall",
            group: Group::Server,
            since: "1.0.0",
            summary: "Removes all keys from all databases.",
            complexity: "O(D) where D is the number of databases; memory is freed in the background",
            args: &[one_of(
                "async",
                &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
            )
            .optional()],
            flags: &[Flag::Write],
            acl: &[Category::Keyspace, Category::Dangerous],
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            history: &[
                ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
                ("6.2.0", "Added the `SYNC` flushing mode modifier."),
            ],
            reply: "OK",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        flushdb,
        Spec {
            name: "flushdb",
            group: Group::Server,
            since: "1.0.0",
            summary: "Removes all keys from the current database.",
            complexity: "O(1); memory is freed in the background",
            args: &[one_of(
                "async",
                &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
            )
            .optional()],
            flags: &[Flag::Write],
            acl: &[Category::Keyspace, Category::Dangerous],
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            history: &[
                ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
                ("6.2.0", "Added the `SYNC` flushing mode modifier."),
            ],
            reply: "OK",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        shutdown,
        Spec {
            name: "shutdown",
            group: Group::Server,
            since: "1.0.0",
            summary: "Shuts the server down.",
            complexity: "O(1)",
            args: &[
                one_of("nosave_save", &[token("nosave", "NOSAVE"), token("save", "SAVE")]).optional(),
                token("now", "NOW").optional().since("7.0.0"),
                token("force", "FORCE").optional().since("7.0.0"),
                token("abort", "ABORT").optional().since("7.0.0"),
            ],
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::NoMulti, Flag::AllowBusy],
            history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
            reply: "none: the connection closes; an error if the server goes on",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        swapdb,
        Spec {
            name: "swapdb",
            group: Group::Server,
            since: "4.0.0",
            summary: "Swaps two databases.",
            complexity: "O(N) where N is the number of watched keys and flights of both databases",
            args: &[integer("index1"), integer("index2")],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace, Category::Dangerous],
            reply: "OK",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        time,
        Spec {
            name: "time",
            group: Group::Server,
            since: "2.6.0",
            summary: "Returns the server time.",
            complexity: "O(1)",
            flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
            tips: &["nondeterministic_output"],
            reply: "an array of seconds since the epoch and microseconds of this second",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        wait,
        Spec {
            name: "wait",
            group: Group::Generic,
            since: "3.0.0",
            summary: "Waits for replicas to acknowledge the writes of this connection; there are none.",
            complexity: "O(1)",
            args: &[integer("numreplicas"), integer("timeout")],
            flags: &[Flag::NoScript],
            acl: &[Category::Connection],
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            reply: "0, the number of replicas",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
];

fn flushall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    read_flush_mode(args)?;
    ctx.keys.hold_all()?;
    for db in 0..ctx.keys.keyspace.databases() {
        ctx.keys.each_shard(db, |view| view.flush());
    }
    ctx.keys.note_flushed();
    ctx.reply.ok();
    Ok(())
}

fn flushdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    read_flush_mode(args)?;
    ctx.keys.hold_all()?;
    ctx.keys.each_shard(ctx.keys.db, |view| view.flush());
    ctx.keys.note_flushed();
    ctx.reply.ok();
    Ok(())
}

/// SYNC and ASYNC say when memory is freed; here it is always freed behind the scenes.
fn read_flush_mode(args: &mut Args<'_>) -> Result<(), CommandError> {
    if !args.skip("SYNC") {
        args.skip("ASYNC");
    }
    args.finish()
}

fn swapdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let one = index(args.take()?, "invalid first DB index")?;
    let two = index(args.take()?, "invalid second DB index")?;
    let known = |number: i32| usize::try_from(number).ok().filter(|db| *db < ctx.keys.keyspace.databases());
    let (Some(one), Some(two)) = (known(one), known(two)) else {
        return Err(CommandError::err("DB index is out of range"));
    };
    if one != two {
        ctx.keys.hold_all()?;
        ctx.keys.each_shard(one, |view| view.swap(one, two));
        ctx.keys.note_flushed();
    }
    ctx.reply.ok();
    Ok(())
}

fn index(word: &[u8], invalid: &'static str) -> Result<i32, CommandError> {
    let number = parse_i64(word).and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| CommandError::err(invalid))
}

fn time(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let now_us = ctx.wall_us();
    ctx.reply.array(2);
    ctx.reply.bulk_int(now_us / 1_000_000);
    ctx.reply.bulk_int(now_us % 1_000_000);
    Ok(())
}

/// The words of SHUTDOWN.
#[derive(Debug, Default, PartialEq, Eq)]
struct ShutdownTerms {
    save: bool,
    nosave: bool,
    now: bool,
    force: bool,
    abort: bool,
}

impl ShutdownTerms {
    fn read(args: &mut Args<'_>) -> Result<ShutdownTerms, CommandError> {
        let mut terms = ShutdownTerms::default();
        while !args.is_done() {
            if args.skip("NOSAVE") {
                terms.nosave = true;
            } else if args.skip("SAVE") {
                terms.save = true;
            } else if args.skip("NOW") {
                terms.now = true;
            } else if args.skip("FORCE") {
                terms.force = true;
            } else if args.skip("ABORT") {
                terms.abort = true;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let ShutdownTerms { save, nosave, now, force, abort } = terms;
        if abort && (save || nosave || now || force) || save && nosave {
            return Err(CommandError::Syntax);
        }
        Ok(terms)
    }
}

fn shutdown(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let terms = ShutdownTerms::read(args)?;
    if terms.abort {
        // A stop that has begun closes this connection too, so there is none to take back.
        return Err(CommandError::err("No shutdown in progress."));
    }
    if terms.save && !terms.force {
        return Err(CommandError::err("SHUTDOWN SAVE is not supported: nothing is persisted; use NOSAVE"));
    }
    tracing::warn!("User requested shutdown...");
    (ctx.shared.stop)();
    ctx.session.closes = true;
    Ok(())
}

fn wait(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    args.integer()?;
    let timeout = parse_i64(args.take()?)
        .ok_or_else(|| CommandError::err("timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(CommandError::err("timeout is negative"));
    }
    // There are no replicas, and none will come: waiting would change nothing.
    ctx.reply.int(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::range::ArgRange;

    fn shutdown_terms(words: &str) -> Result<ShutdownTerms, CommandError> {
        let mut at = 0;
        let ranges: Vec<ArgRange> = words
            .split(' ')
            .map(|word| {
                let range = ArgRange { start: at, len: word.len() };
                at += word.len() + 1;
                range
            })
            .collect();
        ShutdownTerms::read(&mut Args::new(words.as_bytes(), &ranges))
    }

    #[test]
    fn shutdown_words_that_contradict_each_other_are_a_syntax_error() {
        for words in
            ["shutdown nosave save", "shutdown abort nosave", "shutdown abort now", "shutdown now then"]
        {
            assert_eq!(shutdown_terms(words), Err(CommandError::Syntax), "{words}");
        }
        assert_eq!(shutdown_terms("shutdown"), Ok(ShutdownTerms::default()));
        assert!(shutdown_terms("shutdown nosave now force").is_ok_and(|terms| terms.nosave && terms.force));
        assert!(shutdown_terms("shutdown abort").is_ok_and(|terms| terms.abort));
    }
}
