//! The set commands. Members by name here; `algebra` joins sets, `joined` large ones, `random` draws members; SSCAN is `keys::member_scan`.
//!
//! A handler sees a set through `SetRef` and `SetMut` and never how it lies.

pub mod algebra;
mod joined;
mod random;

use crate::commands::keys::member_scan::{self, Of};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::whole::{Show, write_whole};
use crate::keyspace::Whole;
use crate::storage::packed::Type;
use crate::table::KeyFlag::{Access, Delete, Insert, RO, RW};
use crate::table::arg::{integer, key, pattern, string};
use crate::table::{Category, Flag, Group, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS, algebra::COMMANDS, random::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        sadd,
        Spec {
            name: "sadd",
            group: Group::Set,
            since: "1.0.0",
            summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
            complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
            args: &[key("key", &[RW, Insert]), string("member").multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Set],
            history: &[("2.4.0", "Accepts multiple `member` arguments.")],
            reply: "the number of new members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        scard,
        Spec {
            name: "scard",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns the number of members in a set.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Set],
            reply: "the number of members, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sismember,
        Spec {
            name: "sismember",
            group: Group::Set,
            since: "1.0.0",
            summary: "Determines whether a member belongs to a set.",
            complexity: "O(1)",
            args: &[key("key", &[RO]), string("member")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Set],
            reply: "1 or 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        smembers,
        Spec {
            name: "smembers",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns all members of a set.",
            complexity: "O(N) where N is the set cardinality.",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output_order"],
            reply: "a set of members (RESP2: an array)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        smismember,
        Spec {
            name: "smismember",
            group: Group::Set,
            since: "6.2.0",
            summary: "Determines whether multiple members belong to a set.",
            complexity: "O(N) where N is the number of elements being checked for membership",
            args: &[key("key", &[RO, Access]), string("member").multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Set],
            reply: "an array of 1 or 0 for each member",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        smove,
        Spec {
            name: "smove",
            group: Group::Set,
            since: "1.0.0",
            summary: "Moves a member from one set to another.",
            complexity: "O(1)",
            args: &[
                key("source", &[RW, Access, Delete]),
                key("destination", &[RW, Insert]),
                string("member"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Set],
            reply: "1 if the member was moved, 0 if it was not there",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        srem,
        Spec {
            name: "srem",
            group: Group::Set,
            since: "1.0.0",
            summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
            complexity: "O(N) where N is the number of members to be removed.",
            args: &[key("key", &[RW, Delete]), string("member").multiple()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Set],
            history: &[("2.4.0", "Accepts multiple `member` arguments.")],
            reply: "the number of members that were removed",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sscan,
        Spec {
            name: "sscan",
            group: Group::Set,
            since: "2.8.0",
            summary: "Iterates over members of a set.",
            complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
            args: &[
                key("key", &[RO, Access]),
                integer("cursor"),
                pattern("pattern").token("MATCH").optional(),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output"],
            reply: "an array of the next cursor (0: complete) and an array of members",
            ..Spec::EMPTY
        },
    ),
];

fn sadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let mut set = view.set_mut(&key, "sadd")?;
    set.brings(args.left());
    let mut added = 0;
    while let Some(member) = args.try_take() {
        added += i64::from(set.add(member)?);
    }
    ctx.reply.int(added);
    Ok(())
}

fn srem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let mut set = view.set_mut(&key, "srem")?;
    let mut removed = 0;
    while let Some(member) = args.try_take() {
        removed += i64::from(set.remove(member));
    }
    ctx.reply.int(removed);
    Ok(())
}

fn smembers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let members = view.whole(&key, Type::Set)?;
    ctx.reply.set(members.as_ref().map_or(0, Whole::len));
    members.into_iter().for_each(|members| write_whole(&mut ctx.reply, members, Show::Names));
    Ok(())
}

fn scard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let len = ctx.keys.view(&key).set_of(&key)?.map_or(0, |set| set.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn sismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let member = args.take()?;
    let has = ctx.keys.view(&key).set_of(&key)?.is_some_and(|set| set.contains(member));
    ctx.reply.int(has.into());
    Ok(())
}

fn smismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let set = view.set_of(&key)?;
    ctx.reply.array(args.left());
    while let Some(member) = args.try_take() {
        ctx.reply.int(set.is_some_and(|set| set.contains(member)).into());
    }
    Ok(())
}

fn smove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    let member = args.take()?;
    if !ctx.keys.view(&source).has(&source) {
        ctx.reply.int(0);
        return Ok(());
    }
    // Of both the type is looked at before anything changes.
    let is_there =
        ctx.keys.view(&source).set_mut(&source, "srem")?.as_ref().is_some_and(|set| set.contains(member));
    ctx.keys.view(&target).set_mut(&target, "sadd")?;
    if is_there && source.bytes != target.bytes {
        ctx.keys.view(&source).set_mut(&source, "srem")?.remove(member);
        let added = ctx.keys.view(&target).set_mut(&target, "sadd")?.add(member);
        if let Err(full) = added {
            ctx.keys.view(&source).set_mut(&source, "sadd")?.add(member)?;
            return Err(full.into());
        }
    }
    ctx.reply.int(is_there.into());
    Ok(())
}

fn sscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    member_scan::scan(ctx, args, Of::Set)
}
