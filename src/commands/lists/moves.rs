//! Elements moved from one list to another: LMOVE, RPOPLPUSH.

use super::end::{ENDS, end, popped, pushed};
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_value;
use crate::keyspace::{End, ListMut};
use crate::storage::ValueRef;
use crate::storage::list::{Moved, Value};
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
            ..Spec::EMPTY
        },
    ),
];

fn lmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    let (from, to) = (end(args)?, end(args)?);
    move_one(ctx, &source, &target, from, to)
}

fn rpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    move_one(ctx, &source, &target, End::Back, End::Front)
}

/// Moves an element: as in Redis, it is in the other list first and told of there, and then leaves its own.
fn move_one(
    ctx: &mut Ctx<'_>,
    source: &Key<'_>,
    target: &Key<'_>,
    from: End,
    to: End,
) -> Result<(), CommandError> {
    let moved = last_of(&mut ctx.keys.view(source).list_mut(source, popped(from))?, from);
    let Some(moved) = moved else {
        ctx.reply.null();
        return Ok(());
    };
    let mut view = ctx.keys.view(target);
    let mut list = view.list_mut(target, pushed(to))?;
    let element = moved.to_new();
    // Within a list there is none more than before.
    if source.bytes != target.bytes {
        list.brings(1, element.as_slice().len());
    }
    list.push(to, &element);
    drop(list);
    drop(view);
    let mut view = ctx.keys.view(source);
    let mut list = view.list_mut(source, popped(from))?;
    let len = list.len();
    list.remove(match from {
        End::Front => 0..1,
        End::Back => len.saturating_sub(1)..len,
    });
    match &moved {
        Moved::Small(text) => ctx.reply.bulk(text),
        Moved::Large(stored) => write_value(&mut ctx.reply, ValueRef::Shared(stored)),
    }
    Ok(())
}

/// The element at an end, for another list.
fn last_of(list: &mut ListMut<'_, '_>, end: End) -> Option<Moved> {
    let list = list.as_ref()?;
    let element = match end {
        End::Front => list.get(0),
        End::Back => list.get(list.len() - 1),
    };
    element.map(Value::to_moved)
}
