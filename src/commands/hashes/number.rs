//! Fields that count: HINCRBY, HINCRBYFLOAT. Their deadlines stay.

use crate::base::int::parse_i64;
use crate::commands::strings::number::extended::Number;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::Expiry;
use crate::storage::NewValue;
use crate::table::KeyFlag::{Access, RW, Update};
use crate::table::arg::{double, integer, key, string};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        hincrby,
        Spec {
            name: "hincrby",
            group: Group::Hash,
            since: "2.0.0",
            summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), string("field"), integer("increment")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            reply: "the value after the increment",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hincrbyfloat,
        Spec {
            name: "hincrbyfloat",
            group: Group::Hash,
            since: "2.6.0",
            summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), string("field"), double("increment")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            reply: "the value after the increment, as text",
            ..Spec::EMPTY
        },
    ),
];

fn hincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let field = args.take()?;
    let increment = args.integer()?;
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hincrby")?;
    let before = hash.get(field).map_or(Some(0), |value| value.with(parse_i64));
    let before = before.ok_or_else(|| CommandError::err("hash value is not an integer"))?;
    let sum = before.checked_add(increment).ok_or(CommandError::Overflow)?;
    hash.set_until(field, &NewValue::Small(itoa::Buffer::new().format(sum).as_bytes()), Expiry::Keep)?;
    ctx.reply.int(sum);
    Ok(())
}

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let field = args.take()?;
    let increment = Number::parse(args.take()?).ok_or(CommandError::NotAFloat)?;
    if increment == Number::Infinite {
        return Err(CommandError::err("value is NaN or Infinity"));
    }
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hincrbyfloat")?;
    let before = hash.get(field).map_or(Some(Number::ZERO), |value| value.with(Number::parse));
    let before = before.ok_or_else(|| CommandError::err("hash value is not a float"))?;
    let sum = before.add(increment);
    let sum = sum.ok_or_else(|| CommandError::err("increment would produce NaN or Infinity"))?.to_text();
    hash.set_until(field, &NewValue::Small(sum.as_bytes()), Expiry::Keep)?;
    ctx.reply.bulk(sum.as_bytes());
    Ok(())
}
