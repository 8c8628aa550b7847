//! Both ends of a list: LPUSH, RPUSH and their X forms, LPOP, RPOP, LMPOP.

use smallvec::SmallVec;

use super::end::{ENDS, end};
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_element;
use crate::keyspace::{End, ListMut};
use crate::protocol::reply::Reply;
use crate::storage::NewValue;
use crate::storage::list::New;
use crate::table::KeyFlag::{Access, Delete, Insert, RW};
use crate::table::arg::{integer, key, key_count, one_of, string};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        lmpop,
        Spec {
            name: "lmpop",
            group: Group::List,
            since: "7.0.0",
            summary: "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
            complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
            args: &[
                key_count(),
                key("key", &[RW, Access, Delete]).multiple(),
                one_of("where", ENDS),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Write],
            acl: &[Category::List],
            reply: "an array of the key and an array of elements; nil without any",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lpop,
        Spec {
            name: "lpop",
            group: Group::List,
            since: "1.0.0",
            summary: "Returns the first elements in a list after removing it. Deletes the list if the last element was popped.",
            complexity: "O(N) where N is the number of elements returned",
            args: &[key("key", &[RW, Access, Delete]), integer("count").optional().since("6.2.0")],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::List],
            history: &[("6.2.0", "Added the `count` argument.")],
            reply: "an element, nil without key; with a count an array of elements",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lpush,
        Spec {
            name: "lpush",
            group: Group::List,
            since: "1.0.0",
            summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
            complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
            args: &[key("key", &[RW, Insert]), string("element").multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::List],
            history: &[("2.4.0", "Accepts multiple `element` arguments.")],
            reply: "the length of the list",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lpushx,
        Spec {
            name: "lpushx",
            group: Group::List,
            since: "2.2.0",
            summary: "Prepends one or more elements to a list only when the list exists.",
            complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
            args: &[key("key", &[RW, Insert]), string("element").multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::List],
            history: &[("4.0.0", "Accepts multiple `element` arguments.")],
            reply: "the length of the list, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        rpop,
        Spec {
            name: "rpop",
            group: Group::List,
            since: "1.0.0",
            summary: "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
            complexity: "O(N) where N is the number of elements returned",
            args: &[key("key", &[RW, Access, Delete]), integer("count").optional().since("6.2.0")],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::List],
            history: &[("6.2.0", "Added the `count` argument.")],
            reply: "an element, nil without key; with a count an array of elements",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        rpush,
        Spec {
            name: "rpush",
            group: Group::List,
            since: "1.0.0",
            summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
            complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
            args: &[key("key", &[RW, Insert]), string("element").multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::List],
            history: &[("2.4.0", "Accepts multiple `element` arguments.")],
            reply: "the length of the list",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        rpushx,
        Spec {
            name: "rpushx",
            group: Group::List,
            since: "2.2.0",
            summary: "Appends an element to a list only when the list exists.",
            complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
            args: &[key("key", &[RW, Insert]), string("element").multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::List],
            history: &[("4.0.0", "Accepts multiple `element` arguments.")],
            reply: "the length of the list, 0 without key",
            ..Spec::EMPTY
        },
    ),
];

fn lpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Front, false)
}

fn rpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Back, false)
}

fn lpushx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Front, true)
}

fn rpushx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Back, true)
}

fn push(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End, if_there: bool) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut values: SmallVec<[NewValue<'_>; 2]> = SmallVec::new();
    while !args.is_done() {
        values.push(args.value()?);
    }
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, end.pushed())?;
    if if_there && list.is_empty() {
        ctx.reply.int(0);
        return Ok(());
    }
    list.brings(values.len(), values.iter().map(|value| value.as_slice().len()).sum());
    for value in &values {
        list.push(end, &New::of(value));
    }
    ctx.reply.int(list.len() as i64);
    Ok(())
}

fn lpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Front, "lpop")
}

fn rpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Back, "rpop")
}

fn pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End, name: &'static str) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let count = match args.left() {
        0 => None,
        1 => Some(args.amount()?),
        _ => return Err(CommandError::wrong_arity(name)),
    };
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, end.popped())?;
    match (list.len(), count) {
        (0, Some(_)) => ctx.reply.null_array(),
        (0, None) => ctx.reply.null(),
        (len, Some(count)) => {
            ctx.reply.array(count.min(len));
            pop_some(&mut list, &mut ctx.reply, end, count);
        }
        (_, None) => pop_some(&mut list, &mut ctx.reply, end, 1),
    }
    Ok(())
}

/// Writes elements from one end on, and takes them out; all of them, if there are no more.
pub(super) fn pop_some(list: &mut ListMut<'_, '_>, reply: &mut Reply<'_>, end: End, count: usize) {
    let Some(elements) = list.as_ref() else { return };
    let len = elements.len();
    let count = count.min(len);
    match end {
        End::Front => elements.iter_from(0).take(count).for_each(|element| write_element(reply, element)),
        End::Back => elements.back_from(len).take(count).for_each(|element| write_element(reply, element)),
    }
    list.remove_from(end, count);
}

fn lmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let popped = PopFirst::read(ctx, args)?;
    if !popped.run(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// LMPOP: elements of the first list that there is.
pub(super) struct PopFirst<'a> {
    pub keys: Vec<Key<'a>>,
    pub end: End,
    pub count: usize,
}

impl<'a> PopFirst<'a> {
    /// Reads keys, end and count.
    pub fn read(ctx: &Ctx<'_>, args: &mut Args<'a>) -> Result<PopFirst<'a>, CommandError> {
        let keys = args.count("numkeys should be greater than 0")?;
        if keys >= args.left() {
            return Err(CommandError::Syntax);
        }
        let keys = (0..keys).map(|_| ctx.key(args)).collect::<Result<Vec<_>, _>>()?;
        let end = end(args)?;
        let count = if args.skip("COUNT") { args.count("count should be greater than 0")? } else { 1 };
        args.finish()?;
        Ok(PopFirst { keys, end, count })
    }

    /// Writes the elements and takes them out; false without any.
    pub fn run(&self, ctx: &mut Ctx<'_>) -> Result<bool, CommandError> {
        let PopFirst { keys, end, count } = self;
        for key in keys {
            let mut view = ctx.keys.view(key);
            let mut list = view.list_mut(key, end.popped())?;
            let len = list.len();
            if len > 0 {
                ctx.reply.array(2);
                ctx.reply.bulk(key.bytes);
                ctx.reply.array((*count).min(len));
                pop_some(&mut list, &mut ctx.reply, *end, *count);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
