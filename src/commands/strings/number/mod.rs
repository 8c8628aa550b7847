//! Values that count: INCR, DECR and their kin, and INCRBYFLOAT.
//!
//! Every change is made in place under one hold of the key's lock, so deadlines stay and no increment is
//! lost. `extended` is the arithmetic of INCRBYFLOAT.

pub mod extended;

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::KeyFlag::{Access, RW, Update};
use crate::table::arg::{double, integer, key};
use crate::table::{Category, Flag, Group, Spec};
use extended::Number;

pub static COMMANDS: &[Command] = &[
    Command::new(
        decr,
        Spec {
            name: "decr",
            group: Group::String,
            since: "1.0.0",
            summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update])],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the value after the decrement",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        decrby,
        Spec {
            name: "decrby",
            group: Group::String,
            since: "1.0.0",
            summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), integer("decrement")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the value after the decrement",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        incr,
        Spec {
            name: "incr",
            group: Group::String,
            since: "1.0.0",
            summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update])],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the value after the increment",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        incrby,
        Spec {
            name: "incrby",
            group: Group::String,
            since: "1.0.0",
            summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), integer("increment")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the value after the increment",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        incrbyfloat,
        Spec {
            name: "incrbyfloat",
            group: Group::String,
            since: "2.6.0",
            summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), double("increment")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the value after the increment, as text",
            ..Spec::EMPTY
        },
    ),
];

fn incr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    add(ctx, &key, 1)
}

fn decr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    add(ctx, &key, -1)
}

fn incrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let increment = args.integer()?;
    add(ctx, &key, increment)
}

fn decrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let increment = args.integer()?.checked_neg();
    add(ctx, &key, increment.ok_or_else(|| CommandError::err("decrement would overflow"))?)
}

/// Adds to the integer at a key and answers with the sum.
fn add(ctx: &mut Ctx<'_>, key: &Key<'_>, increment: i64) -> Result<(), CommandError> {
    let mut sum = 0;
    let mut buffer = itoa::Buffer::new();
    let mut view = ctx.keys.view(key);
    view.recompute(key, |before| {
        let before = before.map_or(Some(0), parse_i64).ok_or(CommandError::NotAnInteger)?;
        sum = before.checked_add(increment).ok_or(CommandError::Overflow)?;
        Ok::<_, CommandError>(buffer.format(sum))
    })?;
    view.notify(Classes::STRING, "incrby", key.bytes);
    drop(view);
    ctx.reply.int(sum);
    Ok(())
}

fn incrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let increment = Number::parse(args.take()?);
    let mut text = String::new();
    let mut view = ctx.keys.view(&key);
    view.recompute(&key, |before| {
        let before = before.map_or(Some(Number::ZERO), Number::parse);
        let (Some(before), Some(increment)) = (before, increment) else {
            return Err(CommandError::NotAFloat);
        };
        let sum = before.add(increment);
        text = sum.ok_or_else(|| CommandError::err("increment would produce NaN or Infinity"))?.to_text();
        Ok(text.as_bytes())
    })?;
    view.notify(Classes::STRING, "incrbyfloat", key.bytes);
    drop(view);
    ctx.reply.bulk(text.as_bytes());
    Ok(())
}
