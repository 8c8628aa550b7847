//! Commands on keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE and their kin.
//!
//! Expiry is in `expiry`, walking over keys in `scan`. Knows nothing of value types.
//! A source is for FILL as if deleted, a target as if written, but only where something changed.

mod dump;
pub mod expiry;
pub mod member_scan;
pub mod object;
pub mod plain;
mod scan;
mod sort;

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::limits::HELPED_STEPS_MIN;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::helped::Plan;
use crate::storage::Taken;
use crate::table::KeyFlag::{Access, Delete, Insert, OW, RM, RO, RW, Update};
use crate::table::arg::{integer, key, token};
use crate::table::{Category, Flag, Group, Locking, Spec, Touch};

/// The files of the family.
pub static FAMILY: &[&[Command]] =
    &[COMMANDS, dump::COMMANDS, expiry::COMMANDS, object::COMMANDS, scan::COMMANDS, sort::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        copy,
        Spec {
            name: "copy",
            group: Group::Generic,
            since: "6.2.0",
            summary: "Copies the value of a key to a new key.",
            complexity: "O(N) for a collection, where N is the number of its items; O(1) for a string: large ones are shared",
            args: &[
                key("source", &[RO, Access]),
                key("destination", &[OW, Update]),
                integer("destination-db").token("DB").optional(),
                token("replace", "REPLACE").optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Keyspace],
            reply: "1 if the key was copied, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        del,
        Spec {
            name: "del",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Deletes one or more keys.",
            complexity: "O(N) where N is the number of keys",
            args: &[key("key", &[RM, Delete]).multiple()],
            flags: &[Flag::Write],
            acl: &[Category::Keyspace],
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            reply: "the number of keys removed",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        exists,
        Spec {
            name: "exists",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Determines whether one or more keys exist.",
            complexity: "O(N) where N is the number of keys",
            args: &[key("key", &[RO]).multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            history: &[("3.0.3", "Accepts multiple `key` arguments.")],
            reply: "the number of keys that exist, counted as often as they are named",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        move_key,
        Spec {
            name: "move",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Moves a key to another database.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), integer("db")],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            reply: "1 if the key was moved, else 0",
            locking: Locking::Itself,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        rename,
        Spec {
            name: "rename",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Renames a key and overwrites the destination.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Delete]), key("newkey", &[OW, Update])],
            flags: &[Flag::Write],
            acl: &[Category::Keyspace],
            reply: "OK",
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        renamenx,
        Spec {
            name: "renamenx",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Renames a key only when the target key name doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Delete]), key("newkey", &[OW, Insert])],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            history: &[(
                "3.2.0",
                "The command no longer returns an error when source and destination names are the same.",
            )],
            reply: "1 if the key was renamed, 0 if the new name exists",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        touch,
        Spec {
            name: "touch",
            group: Group::Generic,
            since: "3.2.1",
            summary: "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
            complexity: "O(N) where N is the number of keys",
            args: &[key("key", &[RO]).multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            reply: "the number of keys that exist",
            touch: Touch::Always,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        type_of,
        Spec {
            name: "type",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Determines the type of value stored at a key.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            reply: "the type, or none",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        unlink,
        Spec {
            name: "unlink",
            group: Group::Generic,
            since: "4.0.0",
            summary: "Asynchronously deletes one or more keys.",
            complexity: "O(N) where N is the number of keys",
            args: &[key("key", &[RM, Delete]).multiple()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            reply: "the number of keys removed",
            ..Spec::EMPTY
        },
    ),
];

fn del(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut removed = 0;
    while let Ok(key) = ctx.key(args) {
        // Absent keys too: the deletion voids a fill that is under way.
        removed += i64::from(ctx.keys.view(&key).remove(&key));
    }
    ctx.reply.int(removed);
    Ok(())
}

fn unlink(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    del(ctx, args)
}

fn exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut found = 0;
    while let Ok(key) = ctx.key(args) {
        found += i64::from(ctx.keys.view(&key).exists(&key));
    }
    ctx.reply.int(found);
    Ok(())
}

fn touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    exists(ctx, args)
}

fn type_of(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let of_type = ctx.keys.view(&key).type_of(&key);
    ctx.reply.simple(of_type.unwrap_or("none"));
    Ok(())
}

fn rename(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = source_and_target(ctx, args)?;
    if source.bytes != target.bytes {
        rename_entry(ctx, &source, &target);
    }
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = source_and_target(ctx, args)?;
    let is_free = !ctx.keys.view(&target).has(&target);
    if is_free {
        rename_entry(ctx, &source, &target);
    }
    ctx.reply.int(is_free.into());
    Ok(())
}

fn rename_entry(ctx: &mut Ctx<'_>, source: &Key<'_>, target: &Key<'_>) {
    let db = ctx.keys.db;
    move_entry(ctx, db, source, db, target);
    ctx.keys.notify(db, Classes::GENERIC, "rename_from", source.bytes);
    ctx.keys.notify(db, Classes::GENERIC, "rename_to", target.bytes);
}

/// The two keys of RENAME; an error if there is nothing to rename.
fn source_and_target<'a>(ctx: &mut Ctx<'_>, args: &mut Args<'a>) -> Result<(Key<'a>, Key<'a>), CommandError> {
    let source = ctx.key(args)?;
    let target = ctx.key(args)?;
    let exists = ctx.keys.view(&source).has(&source);
    if exists { Ok((source, target)) } else { Err(CommandError::NoSuchKey) }
}

/// Takes the entry away from the source and puts it under the target, with its deadline. The shards of both
/// must be held.
fn move_entry(ctx: &mut Ctx<'_>, from_db: usize, source: &Key<'_>, to_db: usize, target: &Key<'_>) {
    let taken = ctx.keys.view_in(from_db, source).take(source);
    if let Some((value, meta)) = taken {
        ctx.keys.view_in(to_db, target).put_back(target, value, meta);
    }
}

fn copy(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let source = ctx.key(args)?;
    let target = ctx.key(args)?;
    let (mut to_db, mut replace) = (ctx.keys.db, false);
    while !args.is_done() {
        if args.skip("REPLACE") {
            replace = true;
        } else if args.left() >= 2 && args.skip("DB") {
            to_db = ctx.database(args.take()?)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if to_db == ctx.keys.db && source.bytes == target.bytes {
        return Err(same_object());
    }
    let made = ctx.made_aside(&[source], |ctx| {
        if !replace && ctx.keys.view_in(to_db, &target).has(&target) {
            return None;
        }
        let (copy, steps) = ctx.keys.view(&source).copy_later(&source, HELPED_STEPS_MIN)?;
        Some(Plan::new(steps, |task| copy(&mut |bytes| task.goes_on(bytes)).map(Taken::collection)))
    })?;
    let copied = copy_entry(ctx, &source, to_db, &target, replace, made);
    ctx.reply.int(copied.into());
    Ok(())
}

/// False if the source is absent, or the target is there and not to be replaced. A large collection may have been copied
/// already.
fn copy_entry(
    ctx: &mut Ctx<'_>,
    source: &Key<'_>,
    to_db: usize,
    target: &Key<'_>,
    replace: bool,
    made: Option<Taken>,
) -> bool {
    let mut view = ctx.keys.view(source);
    if !view.exists(source) {
        return false;
    }
    let found = match made {
        Some(copy) => view.entry(source).map(|entry| (copy, entry.meta())),
        None => view.copy_out(source),
    };
    drop(view);
    let Some((value, meta)) = found else { return false };
    let mut view = ctx.keys.view_in(to_db, target);
    if !replace && view.has(target) {
        return false;
    }
    view.put_back(target, value, meta);
    view.notify(Classes::GENERIC, "copy_to", target.bytes);
    drop(view);
    ctx.keys.view(source).void_lease(source);
    true
}

fn move_key(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let to_db = ctx.database(args.take()?)?;
    let from_db = ctx.keys.db;
    if to_db == from_db {
        return Err(same_object());
    }
    // One key, but two looks at it: the shard must stay locked in between.
    ctx.keys.hold(std::iter::once(key.hash))?;
    let exists = ctx.keys.view(&key).has(&key);
    let moves = exists && !ctx.keys.view_in(to_db, &key).has(&key);
    if moves {
        move_entry(ctx, from_db, &key, to_db, &key);
        ctx.keys.notify(from_db, Classes::GENERIC, "move_from", key.bytes);
        ctx.keys.notify(to_db, Classes::GENERIC, "move_to", key.bytes);
    }
    ctx.reply.int(moves.into());
    Ok(())
}

fn same_object() -> CommandError {
    CommandError::err("source and destination objects are the same")
}
