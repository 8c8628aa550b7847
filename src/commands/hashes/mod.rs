//! The hash commands. Fields by name here; `number` counts in them, `random` draws them, `deadline` ends them, `until` sets and
//! reads them with their ends; HSCAN is `keys::member_scan`.
//!
//! A handler sees a hash through `HashRef` and `HashMut` and never how it lies. Large values are copied out of the request
//! before any lock is taken.

mod deadline;
mod number;
pub mod random;
mod terms;
mod until;

use terms::pairs;

use crate::commands::keys::member_scan::{self, Of};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::dispatch::whole::{Show, write_whole};
use crate::keyspace::Whole;
use crate::protocol::reply::Reply;
use crate::storage::packed::Type;
use crate::table::KeyFlag::{Access, Delete, Insert, RO, RW, Update};
use crate::table::arg::{block, integer, key, pattern, string};
use crate::table::{Category, Deprecated, Flag, Group, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] =
    &[COMMANDS, deadline::COMMANDS, number::COMMANDS, random::COMMANDS, until::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        hdel,
        Spec {
            name: "hdel",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
            complexity: "O(N) where N is the number of fields to be removed.",
            args: &[key("key", &[RW, Delete]), string("field").multiple()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            history: &[("2.4.0", "Accepts multiple `field` arguments.")],
            reply: "the number of fields that were deleted",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hexists,
        Spec {
            name: "hexists",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Determines whether a field exists in a hash.",
            complexity: "O(1)",
            args: &[key("key", &[RO]), string("field")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "1 or 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hget,
        Spec {
            name: "hget",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns the value of a field in a hash.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access]), string("field")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "the value, nil without key or field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hgetall,
        Spec {
            name: "hgetall",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns all fields and values in a hash.",
            complexity: "O(N) where N is the size of the hash.",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output_order"],
            reply: "a map of fields and values (RESP2: an array in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hkeys,
        Spec {
            name: "hkeys",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns all fields in a hash.",
            complexity: "O(N) where N is the size of the hash.",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output_order"],
            reply: "an array of fields",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hlen,
        Spec {
            name: "hlen",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns the number of fields in a hash.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "the number of fields, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hmget,
        Spec {
            name: "hmget",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns the values of all fields in a hash.",
            complexity: "O(N) where N is the number of fields being requested.",
            args: &[key("key", &[RO, Access]), string("field").multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "an array of values, nil for each that is not there",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hmset,
        Spec {
            name: "hmset",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Sets the values of multiple fields.",
            complexity: "O(N) where N is the number of fields being set.",
            args: &[
                key("key", &[RW, Update]),
                block("field_value", &[string("field"), string("value")]).multiple(),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            deprecated: Some(Deprecated {
                since: "4.0.0",
                replaced_by: "`HSET` with multiple field-value pairs",
            }),
            reply: "OK",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hscan,
        Spec {
            name: "hscan",
            group: Group::Hash,
            since: "2.8.0",
            summary: "Iterates over fields and values of a hash.",
            complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
            args: &[
                key("key", &[RO, Access]),
                integer("cursor"),
                pattern("pattern").token("MATCH").optional(),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output"],
            reply: "an array of the next cursor (0: complete) and an array of fields and values",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hset,
        Spec {
            name: "hset",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Creates or modifies the value of a field in a hash.",
            complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
            args: &[
                key("key", &[RW, Update]),
                block("field_value", &[string("field"), string("value")]).multiple(),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
            reply: "the number of new fields",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hsetnx,
        Spec {
            name: "hsetnx",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Sets the value of a field in a hash only when the field doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Insert]), string("field"), string("value")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            reply: "1 if the field was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hstrlen,
        Spec {
            name: "hstrlen",
            group: Group::Hash,
            since: "3.2.0",
            summary: "Returns the length of the value of a field.",
            complexity: "O(1)",
            args: &[key("key", &[RO]), string("field")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "the length in bytes, 0 without key or field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hvals,
        Spec {
            name: "hvals",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Returns all values in a hash.",
            complexity: "O(N) where N is the size of the hash.",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output_order"],
            reply: "an array of values",
            ..Spec::EMPTY
        },
    ),
];

fn hset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let added = set_all(ctx, args, "hset")?;
    ctx.reply.int(added);
    Ok(())
}

fn hmset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_all(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets the fields of a request; how many are new.
fn set_all(ctx: &mut Ctx<'_>, args: &mut Args<'_>, command: &str) -> Result<i64, CommandError> {
    let key = ctx.key(args)?;
    let pairs = pairs(args, command)?;
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hset")?;
    hash.brings(pairs.len());
    let mut added = 0;
    for (field, value) in &pairs {
        added += i64::from(hash.set(field, value)?);
    }
    Ok(added)
}

fn hsetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (field, value) = (args.take()?, args.value()?);
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hset")?;
    let is_free = hash.get(field).is_none();
    if is_free {
        hash.set(field, &value)?;
    }
    ctx.reply.int(is_free.into());
    Ok(())
}

fn hget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let field = args.take()?;
    let mut view = ctx.keys.view(&key);
    match view.hash(&key)?.and_then(|hash| hash.get(field)) {
        Some(value) => write_part(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn hmget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let hash = view.hash(&key)?;
    ctx.reply.array(args.left());
    while let Some(field) = args.try_take() {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => write_part(&mut ctx.reply, value),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn hgetall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    show_all(ctx, args, |reply, len| reply.map(len), Show::Both)
}

fn hkeys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    show_all(ctx, args, |reply, len| reply.array(len), Show::Names)
}

fn hvals(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    show_all(ctx, args, |reply, len| reply.array(len), Show::Values)
}

/// Answers with all fields: `header` begins the reply, told how many there are.
fn show_all(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    header: fn(&mut Reply<'_>, usize),
    show: Show,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let fields = view.whole(&key, Type::Hash)?;
    header(&mut ctx.reply, fields.as_ref().map_or(0, Whole::len));
    fields.into_iter().for_each(|fields| write_whole(&mut ctx.reply, fields, show));
    Ok(())
}

fn hdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hdel")?;
    let mut removed = 0;
    while let Some(field) = args.try_take() {
        removed += i64::from(hash.remove(field));
    }
    ctx.reply.int(removed);
    Ok(())
}

fn hlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let len = ctx.keys.view(&key).hash(&key)?.map_or(0, |hash| hash.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn hexists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let field = args.take()?;
    let has = ctx.keys.view(&key).hash(&key)?.is_some_and(|hash| hash.get(field).is_some());
    ctx.reply.int(has.into());
    Ok(())
}

fn hstrlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let field = args.take()?;
    let mut view = ctx.keys.view(&key);
    let value = view.hash(&key)?.and_then(|hash| hash.get(field));
    ctx.reply.int(value.map_or(0, |value| value.with(<[u8]>::len)) as i64);
    Ok(())
}

fn hscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    member_scan::scan(ctx, args, Of::Hash)
}
