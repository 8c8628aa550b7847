//! Stretches of a list: LRANGE, LTRIM.

use std::ops::Range;

use crate::commands::strings::span::Span;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::whole::write_range;
use crate::keyspace::ListRange;
use crate::table::KeyFlag::{Access, Delete, RO, RW};
use crate::table::arg::{integer, key};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        lrange,
        Spec {
            name: "lrange",
            group: Group::List,
            since: "1.0.0",
            summary: "Returns a range of elements from a list.",
            complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
            args: &[key("key", &[RO, Access]), integer("start"), integer("stop")],
            flags: &[Flag::Readonly],
            acl: &[Category::List],
            reply: "an array of elements",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        ltrim,
        Spec {
            name: "ltrim",
            group: Group::List,
            since: "1.0.0",
            summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
            complexity: "O(N) where N is the number of elements to be removed by the operation.",
            args: &[key("key", &[RW, Delete]), integer("start"), integer("stop")],
            flags: &[Flag::Write],
            acl: &[Category::List],
            reply: "OK",
            ..Spec::EMPTY
        },
    ),
];

/// The numbers of the elements that two inclusive ends name, negative ones counted from the end of the list.
fn range_of(start: i64, end: i64, len: usize) -> Range<usize> {
    // Other than with strings, an end before the list is not pulled to its first element.
    let is_before = end < 0 && end.unsigned_abs() > len as u64;
    let within = Span { start, end }.within(len as u64).filter(|_| !is_before);
    within.map_or(0..0, |(first, last)| first as usize..last as usize + 1)
}

fn lrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (start, end) = (args.integer()?, args.integer()?);
    let mut view = ctx.keys.view(&key);
    let range = view.list_range(&key, |len| range_of(start, end, len))?;
    ctx.reply.array(range.as_ref().map_or(0, ListRange::len));
    range.into_iter().for_each(|range| write_range(&mut ctx.reply, range));
    Ok(())
}

fn ltrim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (start, end) = (args.integer()?, args.integer()?);
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, "ltrim")?;
    let len = list.len();
    if len > 0 {
        let stays = range_of(start, end, len);
        // Told also where all stays, as in Redis.
        list.tell();
        if stays.is_empty() {
            list.remove(0..len);
        } else {
            list.remove(stays.end..len);
            list.remove(0..stays.start);
        }
    }
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_pulled_into_the_list_or_name_nothing() {
        let cases = [
            (0, -1, 5, 0..5),
            (1, 1, 5, 1..2),
            (-100, 100, 5, 0..5),
            (-2, -1, 5, 3..5),
            (0, -5, 5, 0..1),
            (0, -6, 5, 0..0),
            (-10, -20, 5, 0..0),
            (5, 9, 5, 0..0),
            (3, 2, 5, 0..0),
            (0, -1, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MIN, i64::MIN, 5, 0..0),
        ];
        for (start, end, len, range) in cases {
            assert_eq!(range_of(start, end, len), range, "{start} to {end} of {len}");
        }
    }
}
