//! Stretches of a sorted set as replies: ZRANGE and its older kin; and as another set: ZRANGESTORE.

use std::ops::Range;

use super::shape::write_member;
use super::span::Span;
use crate::commands::hashes::random::begin;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::SortedRef;
use crate::table::KeyFlag::{Access, OW, RO, Update};
use crate::table::arg::{block, double, integer, key, one_of, string, token};
use crate::table::{Category, Deprecated, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        zrange,
        Spec {
            name: "zrange",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Returns members in a sorted set within a range of indexes.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
            args: &[
                key("key", &[RO, Access]),
                string("start"),
                string("stop"),
                one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")])
                    .optional()
                    .since("6.2.0"),
                token("rev", "REV").optional().since("6.2.0"),
                block("offset_count", &[integer("offset"), integer("count")])
                    .token("LIMIT")
                    .optional()
                    .since("6.2.0"),
                token("withscores", "WITHSCORES").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            history: &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrangebylex,
        Spec {
            name: "zrangebylex",
            group: Group::SortedSet,
            since: "2.8.9",
            summary: "Returns members in a sorted set within a lexicographical range.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
            args: &[
                key("key", &[RO, Access]),
                string("min"),
                string("max"),
                block("offset_count", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `BYLEX` argument",
            }),
            reply: "an array of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrangebyscore,
        Spec {
            name: "zrangebyscore",
            group: Group::SortedSet,
            since: "1.0.5",
            summary: "Returns members in a sorted set within a range of scores.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
            args: &[
                key("key", &[RO, Access]),
                double("min"),
                double("max"),
                token("withscores", "WITHSCORES").optional().since("2.0.0"),
                block("offset_count", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `BYSCORE` argument",
            }),
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrangestore,
        Spec {
            name: "zrangestore",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Stores a range of members from sorted set in a key.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
            args: &[
                key("dst", &[OW, Update]),
                key("src", &[RO, Access]),
                string("min"),
                string("max"),
                one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]).optional(),
                token("rev", "REV").optional(),
                block("offset_count", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::SortedSet],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrevrange,
        Spec {
            name: "zrevrange",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Returns members in a sorted set within a range of indexes in reverse order.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
            args: &[
                key("key", &[RO, Access]),
                integer("start"),
                integer("stop"),
                token("withscores", "WITHSCORES").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`ZRANGE` with the `REV` argument" }),
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrevrangebylex,
        Spec {
            name: "zrevrangebylex",
            group: Group::SortedSet,
            since: "2.8.9",
            summary: "Returns members in a sorted set within a lexicographical range in reverse order.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
            args: &[
                key("key", &[RO, Access]),
                string("max"),
                string("min"),
                block("offset_count", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `REV` and `BYLEX` arguments",
            }),
            reply: "an array of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrevrangebyscore,
        Spec {
            name: "zrevrangebyscore",
            group: Group::SortedSet,
            since: "2.2.0",
            summary: "Returns members in a sorted set within a range of scores in reverse order.",
            complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
            args: &[
                key("key", &[RO, Access]),
                double("max"),
                double("min"),
                token("withscores", "WITHSCORES").optional(),
                block("offset_count", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            history: &[("2.1.6", "`min` and `max` can be exclusive.")],
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
            }),
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
];

/// What a stretch is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What a command says by its name; what it does not, its words may.
#[derive(Clone, Copy, Debug, Default)]
struct Fixed {
    by: Option<By>,
    is_reverse: Option<bool>,
    stores: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    span: Span<'a>,
    is_reverse: bool,
    offset: i64,
    /// Negative: all.
    limit: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads what is behind the keys.
    fn read(args: &mut Args<'a>, fixed: Fixed) -> Result<Query<'a>, CommandError> {
        let (first, second) = (args.take()?, args.take()?);
        let Fixed { mut by, mut is_reverse, stores } = fixed;
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        while !args.is_done() {
            match () {
                () if !stores && args.skip("WITHSCORES") => with_scores = true,
                () if args.left() > 2 && args.skip("LIMIT") => {
                    (offset, limit) = (args.integer()?, args.integer()?);
                }
                () if is_reverse.is_none() && args.skip("REV") => is_reverse = Some(true),
                () if by.is_none() && args.skip("BYLEX") => by = Some(By::Member),
                () if by.is_none() && args.skip("BYSCORE") => by = Some(By::Score),
                () => return Err(CommandError::Syntax),
            }
        }
        let (by, is_reverse) = (by.unwrap_or(By::Rank), is_reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(CommandError::err(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(CommandError::err(
                "syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (low, high) = if is_reverse { (second, first) } else { (first, second) };
        let span = match by {
            By::Rank => Span::ranks(first, second)?,
            By::Score => Span::scores(low, high)?,
            By::Member => Span::members(low, high)?,
        };
        Ok(Query { span, is_reverse, offset, limit, with_scores })
    }

    /// The ranks of what is asked for.
    fn ranks(&self, set: SortedRef<'_>) -> Range<usize> {
        let ranks = self.span.of(set, self.is_reverse);
        match self.span {
            Span::Ranks(..) => ranks,
            Span::Scores(..) | Span::Members(..) => self.limited(ranks),
        }
    }

    /// What LIMIT leaves of it, on the side where the reply begins.
    fn limited(&self, ranks: Range<usize>) -> Range<usize> {
        // A negative offset skips everything.
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.is_reverse {
            let end = ranks.end - offset;
            end - limit..end
        } else {
            let start = ranks.start + offset;
            start..start + limit
        }
    }
}

fn zrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed::default())
}

fn zrevrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed { by: Some(By::Rank), is_reverse: Some(true), stores: false })
}

fn zrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed { by: Some(By::Score), is_reverse: Some(false), stores: false })
}

fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed { by: Some(By::Score), is_reverse: Some(true), stores: false })
}

fn zrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed { by: Some(By::Member), is_reverse: Some(false), stores: false })
}

fn zrevrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Fixed { by: Some(By::Member), is_reverse: Some(true), stores: false })
}

fn answer(ctx: &mut Ctx<'_>, args: &mut Args<'_>, fixed: Fixed) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let query = Query::read(args, fixed)?;
    let mut view = ctx.keys.view(&key);
    let (set, reply) = (view.sorted(&key)?, &mut ctx.reply);
    let Some(set) = set else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    begin(reply, ranks.len(), query.with_scores);
    set.each_of(ranks, query.is_reverse, |member, score| {
        write_member(reply, member, score, query.with_scores);
    });
    Ok(())
}

fn zrangestore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (target, source) = (ctx.key(args)?, ctx.key(args)?);
    let query = Query::read(args, Fixed { stores: true, ..Fixed::default() })?;
    let forms = ctx.keys.scope.rules.forms;
    let mut result = ctx.keys.keyspace.fresh_scores();
    let mut view = ctx.keys.view(&source);
    if let Some(set) = view.sorted(&source)? {
        let mut put = Ok(());
        set.each_of(query.ranks(set), false, |member, score| {
            if put.is_ok() {
                put = member.with(|member| result.put(member, score, &forms));
            }
        });
        put?;
    }
    drop(view);
    let len = result.len();
    ctx.keys.view(&target).store_scores(&target, result, "zrangestore");
    ctx.reply.int(len as i64);
    Ok(())
}
