//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! EXEC locks every shard that its commands and its watched keys touch before the first command runs,
//! so other connections see all of it or nothing.

use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::leave::forget_watched;
use crate::dispatch::session::Transaction;
use crate::keyspace::{Busy, WatchedKey};
use crate::table::KeyFlag::RO;
use crate::table::arg::key;
use crate::table::{Category, Flag, Group, Locking, Role, Spec, Touch};

const FLAGS: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy];

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        discard,
        Spec {
            name: "discard",
            group: Group::Transactions,
            since: "2.0.0",
            summary: "Discards a transaction.",
            complexity: "O(N), when N is the number of queued commands",
            flags: FLAGS,
            acl: &[Category::Transaction],
            reply: "OK",
            locking: Locking::None,
            role: Role::Discards,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        exec,
        Spec {
            name: "exec",
            group: Group::Transactions,
            since: "1.2.0",
            summary: "Executes all commands in a transaction.",
            complexity: "Depends on commands in the transaction",
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::SkipSlowlog],
            acl: &[Category::Transaction],
            reply: "an array with the reply of each command; null if a watched key was touched",
            locking: Locking::None,
            touch: Touch::Never,
            role: Role::Exec,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        multi,
        Spec {
            name: "multi",
            group: Group::Transactions,
            since: "1.2.0",
            summary: "Starts a transaction.",
            flags: FLAGS,
            acl: &[Category::Transaction],
            reply: "OK",
            locking: Locking::None,
            role: Role::WhileQueueing,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        unwatch,
        Spec {
            name: "unwatch",
            group: Group::Transactions,
            since: "2.2.0",
            summary: "Forgets about watched keys of a transaction.",
            flags: FLAGS,
            acl: &[Category::Transaction],
            reply: "OK",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        watch,
        Spec {
            name: "watch",
            group: Group::Transactions,
            since: "2.2.0",
            summary: "Monitors changes to keys to determine the execution of a transaction.",
            complexity: "O(1) for every key.",
            args: &[key("key", &[RO]).multiple()],
            flags: FLAGS,
            acl: &[Category::Transaction],
            reply: "OK",
            locking: Locking::None,
            touch: Touch::Never,
            role: Role::WhileQueueing,
            ..Spec::EMPTY
        },
    ),
];

fn multi(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    if ctx.session.transaction.is_some() {
        return Err(CommandError::err("MULTI calls can not be nested"));
    }
    ctx.session.transaction = Some(Transaction::default());
    ctx.reply.ok();
    Ok(())
}

fn discard(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    if ctx.session.transaction.take().is_none() {
        return Err(CommandError::err("DISCARD without MULTI"));
    }
    forget_watched(&mut ctx.keys, ctx.session);
    ctx.reply.ok();
    Ok(())
}

fn watch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if ctx.session.transaction.is_some() {
        return Err(CommandError::err("WATCH inside MULTI is not allowed"));
    }
    let db = ctx.keys.db;
    for key in args.keys(ctx.keys.keyspace) {
        if ctx.session.watch.add(db, &key) {
            ctx.keys.view(&key).watch(&key, &ctx.session.watch);
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    forget_watched(&mut ctx.keys, ctx.session);
    ctx.reply.ok();
    Ok(())
}

fn exec(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let Some(transaction) = ctx.session.transaction.take() else {
        return Err(CommandError::err("EXEC without MULTI"));
    };
    if transaction.is_broken {
        forget_watched(&mut ctx.keys, ctx.session);
        return Err(CommandError::text("EXECABORT Transaction discarded because of previous errors."));
    }
    if let Err(busy) = hold_everything(ctx, &transaction) {
        ctx.keys.release();
        ctx.session.transaction = Some(transaction);
        return Err(busy.into());
    }
    let touched = is_watch_touched(ctx);
    forget_watched(&mut ctx.keys, ctx.session);
    if touched {
        ctx.reply.null_array();
    } else {
        run_queued(ctx, &transaction);
    }
    ctx.keys.release();
    Ok(())
}

fn run_queued(ctx: &mut Ctx<'_>, transaction: &Transaction) {
    ctx.reply.array(transaction.queued.len());
    ctx.in_transaction = true;
    // Waiting for the locks is EXEC's own time.
    ctx.meter.start();
    for queued in &transaction.queued {
        let mark = ctx.reply.out.mark();
        let mut args = queued.args();
        let checked = ctx.check_queued(queued.row, &args);
        if let Err(error) = checked.and_then(|()| ctx.call(queued.row, &mut args)) {
            ctx.reply.out.truncate(mark);
            ctx.write_error(&error);
        }
    }
    ctx.in_transaction = false;
}

/// Locks the shards of every key the transaction names or watches, or all where a command walks the keyspace.
fn hold_everything(ctx: &mut Ctx<'_>, transaction: &Transaction) -> Result<(), Busy> {
    if transaction.has_scripts() {
        ctx.keys.pass_gate()?;
    }
    if transaction.queued.iter().any(|queued| queued.row.spec.locking == Locking::All) {
        return ctx.keys.hold_all();
    }
    let keyspace = ctx.keys.keyspace;
    let mut hashes: Vec<u64> = ctx.session.watch.keys().map(|watched| watched.hash).collect();
    for queued in &transaction.queued {
        let word = |at: usize| queued.words[at].of(&queued.buffer);
        let keys = queued.row.keys(queued.words.len(), word);
        hashes.extend(keys.map(|(at, _)| keyspace.hash(word(at))));
    }
    ctx.keys.hold(hashes.iter().copied())
}

fn is_watch_touched(ctx: &mut Ctx<'_>) -> bool {
    let watch = &ctx.session.watch;
    let mut touched = watch.is_touched();
    for WatchedKey { db, key, hash } in watch.keys() {
        let key = Key { bytes: key, hash: *hash };
        touched |= ctx.keys.view_in(*db, &key).is_touched(&key, watch);
    }
    touched
}
