//! The list commands. Elements by their number here; `ends` pushes and pops, `moves` from one list to another, `range` reads and
//! trims, `position` finds elements by their text.
//!
//! A handler sees a list through `ListRef` and `ListMut` and never how it lies.

mod blocking;
mod end;
mod ends;
mod moves;
mod position;
mod range;

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_element;
use crate::storage::list::New;
use crate::table::KeyFlag::{Access, RO, RW, Update};
use crate::table::arg::{integer, key, string};
use crate::table::{Category, Flag, Group, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] =
    &[COMMANDS, blocking::COMMANDS, ends::COMMANDS, moves::COMMANDS, position::COMMANDS, range::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        lindex,
        Spec {
            name: "lindex",
            group: Group::List,
            since: "1.0.0",
            summary: "Returns an element from a list by its index.",
            complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
            args: &[key("key", &[RO, Access]), integer("index")],
            flags: &[Flag::Readonly],
            acl: &[Category::List],
            reply: "the element; nil without one of that index",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        llen,
        Spec {
            name: "llen",
            group: Group::List,
            since: "1.0.0",
            summary: "Returns the length of a list.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::List],
            reply: "the number of elements, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lset,
        Spec {
            name: "lset",
            group: Group::List,
            since: "1.0.0",
            summary: "Sets the value of an element in a list by its index.",
            complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
            args: &[key("key", &[RW, Update]), integer("index"), string("element")],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::List],
            reply: "OK",
            ..Spec::EMPTY
        },
    ),
];

/// The number of the element that an index names, negative ones counted from the end; `None` where there is none.
fn place_of(index: i64, len: usize) -> Option<usize> {
    let place = if index < 0 { index + len as i64 } else { index };
    usize::try_from(place).ok().filter(|place| *place < len)
}

fn llen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let len = ctx.keys.view(&key).list(&key)?.map_or(0, |list| list.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn lindex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let element = match view.list(&key)? {
        // As in Redis, the index is looked at only where there is a list.
        Some(list) => place_of(args.integer()?, list.len()).and_then(|place| list.get(place)),
        None => None,
    };
    match element {
        Some(element) => write_element(&mut ctx.reply, element),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn lset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let index = args.integer();
    let value = args.value()?;
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, "lset")?;
    let len = list.len();
    if len == 0 {
        return Err(CommandError::NoSuchKey);
    }
    let place = place_of(index?, len).ok_or_else(|| CommandError::err("index out of range"))?;
    let element = New::of(&value);
    list.brings(1, element.as_slice().len());
    list.set(place, &element);
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_names_an_element_from_either_end_or_none() {
        let places = [0, 2, 3, -1, -3, -4, i64::MAX, i64::MIN].map(|index| place_of(index, 3));
        assert_eq!(places, [Some(0), Some(2), None, Some(2), Some(0), None, None, None]);
        assert_eq!([0, -1].map(|index| place_of(index, 0)), [None; 2]);
    }
}
