//! What waits until a list has something: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. Each does what its plain kin does, if
//! there is anything; else its request waits (`dispatch::blocked`).

use std::sync::Arc;

use super::end::{ENDS, end};
use super::ends::{PopFirst, pop_some};
use super::moves::move_one;
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::blocked::Until;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::{End, How, Target};
use crate::table::KeyFlag::{Access, Delete, Insert, RW};
use crate::table::arg::{double, integer, key, key_count, one_of};
use crate::table::{Category, Deprecated, Flag, Group, Spec};

const SECONDS: (&str, &str) = ("6.0.0", "`timeout` is interpreted as a double instead of an integer.");

pub static COMMANDS: &[Command] = &[
    Command::new(
        blmove,
        Spec {
            name: "blmove",
            group: Group::List,
            since: "6.2.0",
            summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was moved.",
            complexity: "O(1)",
            args: &[
                key("source", &[RW, Access, Delete]),
                key("destination", &[RW, Insert]),
                one_of("wherefrom", ENDS),
                one_of("whereto", ENDS),
                double("timeout"),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Blocking],
            acl: &[Category::List],
            reply: "the element; nil when the time is over",
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        blmpop,
        Spec {
            name: "blmpop",
            group: Group::List,
            since: "7.0.0",
            summary: "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
            complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
            args: &[
                double("timeout"),
                key_count(),
                key("key", &[RW, Access, Delete]).multiple(),
                one_of("where", ENDS),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Write, Flag::Blocking],
            acl: &[Category::List],
            reply: "an array of the key and an array of elements; nil when the time is over",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        blpop,
        Spec {
            name: "blpop",
            group: Group::List,
            since: "2.0.0",
            summary: "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
            complexity: "O(N) where N is the number of provided keys.",
            args: &[key("key", &[RW, Access, Delete]).multiple(), double("timeout")],
            flags: &[Flag::Write, Flag::Blocking],
            acl: &[Category::List],
            history: &[SECONDS],
            reply: "an array of the key and the element; nil when the time is over",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        brpop,
        Spec {
            name: "brpop",
            group: Group::List,
            since: "2.0.0",
            summary: "Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
            complexity: "O(N) where N is the number of provided keys.",
            args: &[key("key", &[RW, Access, Delete]).multiple(), double("timeout")],
            flags: &[Flag::Write, Flag::Blocking],
            acl: &[Category::List],
            history: &[SECONDS],
            reply: "an array of the key and the element; nil when the time is over",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        brpoplpush,
        Spec {
            name: "brpoplpush",
            group: Group::List,
            since: "2.2.0",
            summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
            complexity: "O(1)",
            args: &[
                key("source", &[RW, Access, Delete]),
                key("destination", &[RW, Insert]),
                double("timeout"),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Blocking],
            acl: &[Category::List],
            history: &[SECONDS],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
            }),
            reply: "the element; nil when the time is over",
            quick: true,
            ..Spec::EMPTY
        },
    ),
];

fn blpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, End::Front)
}

fn brpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, End::Back)
}

fn pop_or_wait(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> Result<(), CommandError> {
    let (first, last) = (args.position(), args.words() - 1);
    args.seek(last);
    let until = ctx.timeout(args)?;
    args.seek(first);
    let keys = (first..last).map(|_| ctx.key(args)).collect::<Result<Vec<_>, _>>()?;
    for key in &keys {
        let mut view = ctx.keys.view(key);
        let mut list = view.list_mut(key, end.popped())?;
        if !list.is_empty() {
            ctx.reply.array(2);
            ctx.reply.bulk(key.bytes);
            pop_some(&mut list, &mut ctx.reply, end, 1);
            return Ok(());
        }
    }
    if ctx.may_wait() {
        return Err(ctx.wait_for(&keys, How::Pop { end, count: None }, until));
    }
    ctx.reply.null_array();
    Ok(())
}

fn blmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let until = ctx.timeout(args)?;
    let popped = PopFirst::read(ctx, args)?;
    if popped.run(ctx)? {
        return Ok(());
    }
    let PopFirst { keys, end, count } = popped;
    if ctx.may_wait() {
        return Err(ctx.wait_for(&keys, How::Pop { end, count: Some(count) }, until));
    }
    ctx.reply.null_array();
    Ok(())
}

fn blmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    let (from, to) = (end(args)?, end(args)?);
    let until = ctx.timeout(args)?;
    move_or_wait(ctx, (&source, from), (&target, to), until)
}

fn brpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.key(args)?, ctx.key(args)?);
    let until = ctx.timeout(args)?;
    move_or_wait(ctx, (&source, End::Back), (&target, End::Front), until)
}

fn move_or_wait(
    ctx: &mut Ctx<'_>,
    (source, from): (&Key<'_>, End),
    (target, to): (&Key<'_>, End),
    until: Until,
) -> Result<(), CommandError> {
    if move_one(ctx, (source, from), (target, to))? {
        return Ok(());
    }
    if ctx.may_wait() {
        let target = Target { key: Arc::from(target.bytes), hash: target.hash, from, to };
        return Err(ctx.wait_for(&[*source], How::Move(Arc::new(target)), until));
    }
    ctx.reply.null();
    Ok(())
}
