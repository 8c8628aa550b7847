//! Sets joined: SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD.
//!
//! All sets of a command are locked together, so a result is of one moment. An intersection walks the smallest set and asks
//! the others; a difference walks the first one.

use super::joined::{Join, joined_aside};
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::whole::{Show, write_lent};
use crate::keyspace::{Fresh, SetRef};
use crate::storage::NewValue;
use crate::storage::packed::Type;
use crate::table::KeyFlag::{Access, OW, RO, RW, Update};
use crate::table::arg::{integer, key, key_count};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        sdiff,
        Spec {
            name: "sdiff",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns the difference of multiple sets.",
            complexity: "O(N) where N is the total number of elements in all given sets.",
            args: &[key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output_order"],
            reply: "a set of members (RESP2: an array)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sdiffstore,
        Spec {
            name: "sdiffstore",
            group: Group::Set,
            since: "1.0.0",
            summary: "Stores the difference of multiple sets in a key.",
            complexity: "O(N) where N is the total number of elements in all given sets.",
            args: &[key("destination", &[OW, Update]), key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Set],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sinter,
        Spec {
            name: "sinter",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns the intersect of multiple sets.",
            complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
            args: &[key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output_order"],
            reply: "a set of members (RESP2: an array)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sintercard,
        Spec {
            name: "sintercard",
            group: Group::Set,
            since: "7.0.0",
            summary: "Returns the number of members of the intersect of multiple sets.",
            complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
            args: &[
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("limit").token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            reply: "the number of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sinterstore,
        Spec {
            name: "sinterstore",
            group: Group::Set,
            since: "1.0.0",
            summary: "Stores the intersect of multiple sets in a key.",
            complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
            args: &[key("destination", &[RW, Update]), key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Set],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sunion,
        Spec {
            name: "sunion",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns the union of multiple sets.",
            complexity: "O(N) where N is the total number of elements in all given sets.",
            args: &[key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output_order"],
            reply: "a set of members (RESP2: an array)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sunionstore,
        Spec {
            name: "sunionstore",
            group: Group::Set,
            since: "1.0.0",
            summary: "Stores the union of multiple sets in a key.",
            complexity: "O(N) where N is the total number of elements in all given sets.",
            args: &[key("destination", &[OW, Update]), key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Set],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
];

fn sinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Intersection)
}

fn sinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Intersection, "sinterstore")
}

fn sunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Union)
}

fn sunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Union, "sunionstore")
}

fn sdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Difference)
}

fn sdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Difference, "sdiffstore")
}

fn sintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = args.count("numkeys should be greater than 0")?;
    if count > args.left() {
        return Err(CommandError::err("Number of keys can't be greater than number of args"));
    }
    let keys = (0..count).map(|_| ctx.key(args)).collect::<Result<Vec<_>, _>>()?;
    let mut limit = usize::MAX;
    while !args.is_done() {
        if args.left() < 2 || !args.skip("LIMIT") {
            return Err(CommandError::Syntax);
        }
        limit = read_limit(args)?;
    }
    let len = match joined_aside(ctx, &keys, Join::Intersection)? {
        Some(joined) => joined.len(),
        None => intersection(ctx, &keys)?.len(),
    };
    ctx.reply.int(len.min(limit) as i64);
    Ok(())
}

/// A limit of a count, where 0 is none.
///
/// # Errors
/// Where it is no number, or negative.
pub fn read_limit(args: &mut Args<'_>) -> Result<usize, CommandError> {
    let number = args.integer().ok().and_then(|number| usize::try_from(number).ok());
    let number = number.ok_or_else(|| CommandError::err("LIMIT can't be negative"))?;
    Ok(if number == 0 { usize::MAX } else { number })
}

fn answer(ctx: &mut Ctx<'_>, args: &mut Args<'_>, how: Join) -> Result<(), CommandError> {
    let keys = args.keys(ctx.keys.keyspace);
    let joined = match joined_aside(ctx, &keys, how)? {
        Some(joined) => joined,
        None if how == Join::Union => union(ctx, &keys)?,
        None => {
            let members = members_of(ctx, &keys, how)?;
            ctx.reply.set(members.len());
            members.iter().for_each(|member| ctx.reply.bulk(member));
            return Ok(());
        }
    };
    write_fresh(ctx, joined);
    Ok(())
}

/// Writes a set that no key has.
pub(super) fn write_fresh(ctx: &mut Ctx<'_>, set: Fresh) {
    ctx.reply.set(set.len());
    let lent = set.into_lent(ctx.keys.keyspace.lending());
    lent.into_iter().for_each(|members| write_lent(&mut ctx.reply, members, Show::Names));
}

fn store(ctx: &mut Ctx<'_>, args: &mut Args<'_>, how: Join, event: &'static str) -> Result<(), CommandError> {
    let target = ctx.key(args)?;
    let keys = args.keys(ctx.keys.keyspace);
    let joined = match joined_aside(ctx, &keys, how)? {
        Some(joined) => joined,
        None if how == Join::Union => union(ctx, &keys)?,
        None => {
            let (mut set, forms) = (ctx.keys.keyspace.fresh(Type::Set), ctx.keys.scope.rules.forms);
            for member in members_of(ctx, &keys, how)? {
                set.put(&member, &NewValue::Small(b""), &forms)?;
            }
            set
        }
    };
    let len = joined.len();
    ctx.keys.view(&target).store_set(&target, joined, event);
    ctx.reply.int(len as i64);
    Ok(())
}

/// An intersection or a difference, made here.
fn members_of(ctx: &mut Ctx<'_>, keys: &[Key<'_>], how: Join) -> Result<Vec<Vec<u8>>, CommandError> {
    if how == Join::Intersection { intersection(ctx, keys) } else { difference(ctx, keys) }
}

/// Shows a set, if the key has one.
fn look<R>(
    ctx: &mut Ctx<'_>,
    key: &Key<'_>,
    see: impl FnOnce(SetRef<'_>) -> R,
) -> Result<Option<R>, CommandError> {
    Ok(ctx.keys.view(key).set_of(key)?.map(see))
}

/// As `look`, for a set that was looked at before: no second hit is counted.
fn look_again<R>(ctx: &mut Ctx<'_>, key: &Key<'_>, see: impl FnOnce(SetRef<'_>) -> R) -> Option<R> {
    ctx.keys.view(key).peek_set(key).map(see)
}

fn intersection(ctx: &mut Ctx<'_>, keys: &[Key<'_>]) -> Result<Vec<Vec<u8>>, CommandError> {
    let mut sized = Vec::with_capacity(keys.len());
    for key in keys {
        // Of all of them the type is looked at, also where one is absent.
        sized.push((look(ctx, key, |set| set.len())?.unwrap_or(0), key));
    }
    sized.sort_by_key(|(len, _)| *len);
    let mut sized = sized.into_iter();
    let Some((1.., smallest)) = sized.next() else { return Ok(Vec::new()) };
    let mut members = look_again(ctx, smallest, |set| set.members()).unwrap_or_default();
    for (_, key) in sized {
        look_again(ctx, key, |set| members.retain(|member| set.contains(member)));
    }
    Ok(members)
}

fn difference(ctx: &mut Ctx<'_>, keys: &[Key<'_>]) -> Result<Vec<Vec<u8>>, CommandError> {
    let Some((first, others)) = keys.split_first() else { return Ok(Vec::new()) };
    let mut members = look(ctx, first, |set| set.members())?.unwrap_or_default();
    for key in others {
        look(ctx, key, |set| members.retain(|member| !set.contains(member)))?;
    }
    Ok(members)
}

fn union(ctx: &mut Ctx<'_>, keys: &[Key<'_>]) -> Result<Fresh, CommandError> {
    let forms = ctx.keys.scope.rules.forms;
    let mut all = ctx.keys.keyspace.fresh(Type::Set);
    for key in keys {
        let added = look(ctx, key, |set| {
            let mut added = Ok(());
            set.each(|member, _| {
                if added.is_ok() {
                    added = member.with(|member| all.put(member, &NewValue::Small(b""), &forms)).map(drop);
                }
            });
            added
        })?;
        added.unwrap_or(Ok(()))?;
    }
    Ok(all)
}
