//! A stretch of a sorted set, by rank, by score or by member; ZCOUNT, ZLEXCOUNT and ZREMRANGEBY... are what is done with one.

use std::ops::Range;

use crate::base::int::parse_i64;
use crate::base::score;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::SortedRef;
use crate::table::KeyFlag::{Access, Delete, RO, RW};
use crate::table::arg::{double, integer, key, string};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        zcount,
        Spec {
            name: "zcount",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Returns the count of members in a sorted set that have scores within a range.",
            complexity: "O(log(N)) with N being the number of elements in the sorted set.",
            args: &[key("key", &[RO, Access]), double("min"), double("max")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "the number of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zlexcount,
        Spec {
            name: "zlexcount",
            group: Group::SortedSet,
            since: "2.8.9",
            summary: "Returns the number of members in a sorted set within a lexicographical range.",
            complexity: "O(log(N)) with N being the number of elements in the sorted set.",
            args: &[key("key", &[RO, Access]), string("min"), string("max")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "the number of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zremrangebylex,
        Spec {
            name: "zremrangebylex",
            group: Group::SortedSet,
            since: "2.8.9",
            summary: "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were removed.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
            args: &[key("key", &[RW, Delete]), string("min"), string("max")],
            flags: &[Flag::Write],
            acl: &[Category::SortedSet],
            reply: "the number of members that were removed",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zremrangebyrank,
        Spec {
            name: "zremrangebyrank",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were removed.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
            args: &[key("key", &[RW, Delete]), integer("start"), integer("stop")],
            flags: &[Flag::Write],
            acl: &[Category::SortedSet],
            reply: "the number of members that were removed",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zremrangebyscore,
        Spec {
            name: "zremrangebyscore",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
            args: &[key("key", &[RW, Delete]), double("min"), double("max")],
            flags: &[Flag::Write],
            acl: &[Category::SortedSet],
            reply: "the number of members that were removed",
            ..Spec::EMPTY
        },
    ),
];

/// A stretch as a request names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span<'a> {
    /// From the lowest score on, the last one among them; negative ones count from the end.
    Ranks(i64, i64),
    Scores(Bound<f64>, Bound<f64>),
    Members(Edge<'a>, Edge<'a>),
}

/// An end of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<T> {
    at: T,
    /// What is there itself does not belong to it.
    is_open: bool,
}

/// An end of a stretch by members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge<'a> {
    BeforeAll,
    BehindAll,
    At(Bound<&'a [u8]>),
}

impl<'a> Span<'a> {
    /// # Errors
    /// Where a word is no integer.
    pub fn ranks(start: &[u8], stop: &[u8]) -> Result<Span<'a>, CommandError> {
        match (parse_i64(start), parse_i64(stop)) {
            (Some(start), Some(stop)) => Ok(Span::Ranks(start, stop)),
            _ => Err(CommandError::NotAnInteger),
        }
    }

    /// # Errors
    /// Where a word is no score.
    pub fn scores(min: &[u8], max: &[u8]) -> Result<Span<'a>, CommandError> {
        match (score_bound(min), score_bound(max)) {
            (Some(min), Some(max)) => Ok(Span::Scores(min, max)),
            _ => Err(CommandError::err("min or max is not a float")),
        }
    }

    /// # Errors
    /// Where a word does not say whether what it names belongs to the stretch.
    pub fn members(min: &'a [u8], max: &'a [u8]) -> Result<Span<'a>, CommandError> {
        match (Edge::read(min), Edge::read(max)) {
            (Some(min), Some(max)) => Ok(Span::Members(min, max)),
            _ => Err(CommandError::err("min or max not valid string range item")),
        }
    }

    /// The ranks of what belongs to it; with `is_reverse` a stretch by rank is counted from the highest score on.
    #[must_use]
    pub fn of(&self, set: SortedRef<'_>, is_reverse: bool) -> Range<usize> {
        let ranks = match self {
            Span::Ranks(start, stop) => {
                let ranks = within(*start, *stop, set.len());
                if is_reverse { set.len() - ranks.end..set.len() - ranks.start } else { ranks }
            }
            Span::Scores(min, max) => {
                set.before_score(min.at, min.is_open)..set.before_score(max.at, !max.is_open)
            }
            Span::Members(min, max) => min.begins(set)..max.ends(set),
        };
        if ranks.is_empty() { 0..0 } else { ranks }
    }
}

/// Ranks as Redis counts them, of so many members.
fn within(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |rank: i64| if rank < 0 { rank.saturating_add(len as i64) } else { rank };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len as i64 - 1));
    // Neither is negative where there is anything between them.
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// A score as the end of a stretch, open behind a parenthesis. As in Redis nothing at all is 0.
fn score_bound(word: &[u8]) -> Option<Bound<f64>> {
    let (is_open, digits) = match word {
        [b'(', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let at = if digits.is_empty() { Some(0.0) } else { score::parse(digits) };
    at.map(|at| Bound { at, is_open })
}

impl<'a> Edge<'a> {
    fn read(word: &'a [u8]) -> Option<Edge<'a>> {
        match word {
            b"-" => Some(Edge::BeforeAll),
            b"+" => Some(Edge::BehindAll),
            [b'(', at @ ..] => Some(Edge::At(Bound { at, is_open: true })),
            [b'[', at @ ..] => Some(Edge::At(Bound { at, is_open: false })),
            _ => None,
        }
    }

    /// How many members are before a stretch that begins here.
    fn begins(self, set: SortedRef<'_>) -> usize {
        match self {
            Edge::BeforeAll => 0,
            Edge::BehindAll => set.len(),
            Edge::At(bound) => set.before_member(bound.at, bound.is_open),
        }
    }

    /// How many members are before the end of a stretch that ends here.
    fn ends(self, set: SortedRef<'_>) -> usize {
        match self {
            Edge::BeforeAll => 0,
            Edge::BehindAll => set.len(),
            Edge::At(bound) => set.before_member(bound.at, !bound.is_open),
        }
    }
}

/// What makes a stretch of two words.
type Read<'w> = fn(&'w [u8], &'w [u8]) -> Result<Span<'w>, CommandError>;

fn zcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, Span::scores)
}

fn zlexcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, Span::members)
}

fn count<'w>(ctx: &mut Ctx<'_>, args: &mut Args<'w>, read: Read<'w>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let span = read(args.take()?, args.take()?)?;
    let count = ctx.keys.view(&key).sorted(&key)?.map_or(0, |set| span.of(set, false).len());
    ctx.reply.int(count as i64);
    Ok(())
}

fn zremrangebyrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, Span::ranks, "zremrangebyrank")
}

fn zremrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, Span::scores, "zremrangebyscore")
}

fn zremrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, Span::members, "zremrangebylex")
}

fn remove<'w>(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'w>,
    read: Read<'w>,
    event: &'static str,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let span = read(args.take()?, args.take()?)?;
    let mut view = ctx.keys.view(&key);
    let mut set = view.sorted_mut(&key, event)?;
    let ranks = set.as_ref().map_or(0..0, |set| span.of(set, false));
    let removed = ranks.len();
    set.remove_ranks(ranks);
    ctx.reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_from_either_end_and_cut_at_both() {
        for ((start, stop, len), ranks) in [
            ((0, -1, 3), 0..3),
            ((-2, -1, 3), 1..3),
            ((-9, 9, 3), 0..3),
            ((1, 1, 3), 1..2),
            ((2, 1, 3), 0..0),
            ((3, 5, 3), 0..0),
            ((0, -4, 3), 0..0),
            ((0, -1, 0), 0..0),
            ((i64::MIN, i64::MAX, 3), 0..3),
            ((i64::MAX, i64::MIN, 3), 0..0),
        ] {
            assert_eq!(within(start, stop, len), ranks, "{start} {stop} {len}");
        }
    }

    #[test]
    fn bounds_say_whether_they_are_open() {
        let bound = |at, is_open| Some(Bound { at, is_open });
        assert_eq!(score_bound(b"1.5"), bound(1.5, false));
        assert_eq!(score_bound(b"(-inf"), bound(f64::NEG_INFINITY, true));
        assert_eq!([score_bound(b""), score_bound(b"(")], [bound(0.0, false), bound(0.0, true)]);
        assert_eq!([score_bound(b"((1"), score_bound(b"nan"), score_bound(b"[1")], [None; 3]);
        let at = |at: &'static [u8], is_open| Some(Edge::At(Bound { at, is_open }));
        assert_eq!([Edge::read(b"-"), Edge::read(b"+")], [Some(Edge::BeforeAll), Some(Edge::BehindAll)]);
        assert_eq!([Edge::read(b"(a"), Edge::read(b"[")], [at(b"a", true), at(b"", false)]);
        assert_eq!([Edge::read(b""), Edge::read(b"a"), Edge::read(b"--")], [None; 3]);
    }
}
