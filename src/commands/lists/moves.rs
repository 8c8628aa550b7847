//! Elements moved from one list to another: LMOVE, RPOPLPUSH.

use super::end::{ENDS, end};
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_value;
use crate::keyspace::End;
use crate::storage::ValueRef;
use crate::storage::list::Moved;
use crate::table::KeyFlag::{Access, Delete, Insert, RW};
use crate::table::arg::{key, one_of};
use crate::table::{Category, Deprecated, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        lmove,
        Spec {
            name: "lmove",
            group: Group::List,
            since: "6.2.0",
            summary: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.",
            complexity: "O(1)",
            args: &[
                key("source", &[RW, Access, Delete]),
                key("destination", &[RW, Insert]),
                one_of("wherefrom", ENDS),
                one_of("whereto", ENDS),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::List],
            reply: "the element; nil without key",
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        rpoplpush,
        Spec {
            name: "rpoplpush",
            group: Group::List,
            since: "1.2.0",
            summary: "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.",
            complexity: "O(1)",
            args: &[key("source", &[RW, Access, Delete]), key("destination", &[RW, Insert])],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::List],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
            }),
            reply: "the element; nil without key",
            quick: true,
            ..Spec::EMPTY
        },
    ),
];

fn lmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    let (from, to) = (end(args)?, end(args)?);
    if !move_one(ctx, (&source, from), (&target, to))? {
        ctx.reply.null();
    }
    Ok(())
}

fn rpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    if !move_one(ctx, (&source, End::Back), (&target, End::Front))? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves an element and writes it; false without any.
pub(super) fn move_one(
    ctx: &mut Ctx<'_>,
    source: (&Key<'_>, End),
    target: (&Key<'_>, End),
) -> Result<bool, CommandError> {
    let moved = ctx.keys.move_element(ctx.keys.db, source, target)?;
    match &moved {
        Some(Moved::Small(text)) => ctx.reply.bulk(text),
        Some(Moved::Large(stored)) => write_value(&mut ctx.reply, ValueRef::Shared(stored)),
        None => {}
    }
    Ok(moved.is_some())
}
