//! The sorted set commands. Members by name here; `add` gives scores, `range` answers with stretches of the order, `span` says what
//! such a stretch is, counts it and takes it out, `pop` and `random` take and draw, `algebra` joins; ZSCAN is `keys::member_scan`.
//!
//! A handler sees a sorted set through `SortedRef` and `SortedMut` and never how it lies.

pub mod add;
mod algebra;
mod pop;
mod random;
mod range;
mod shape;
mod span;

use crate::commands::keys::member_scan::{self, Of};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::protocol::reply::Reply;
use crate::table::KeyFlag::{Access, Delete, RO, RW};
use crate::table::arg::{integer, key, pattern, string, token};
use crate::table::{Category, Flag, Group, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[
    COMMANDS,
    add::COMMANDS,
    algebra::COMMANDS,
    pop::COMMANDS,
    random::COMMANDS,
    range::COMMANDS,
    span::COMMANDS,
];

pub static COMMANDS: &[Command] = &[
    Command::new(
        zcard,
        Spec {
            name: "zcard",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Returns the number of members in a sorted set.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "the number of members, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zmscore,
        Spec {
            name: "zmscore",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Returns the score of one or more members in a sorted set.",
            complexity: "O(N) where N is the number of members being requested.",
            args: &[key("key", &[RO, Access]), string("member").multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "an array of scores, nil for each that is not there",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrank,
        Spec {
            name: "zrank",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
            complexity: "O(log(N))",
            args: &[key("key", &[RO, Access]), string("member"), token("withscore", "WITHSCORE").optional()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
            reply: "the rank, WITHSCORE an array of rank and score; nil without key or member",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrem,
        Spec {
            name: "zrem",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
            complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
            args: &[key("key", &[RW, Delete]), string("member").multiple()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::SortedSet],
            history: &[("2.4.0", "Accepts multiple elements.")],
            reply: "the number of members that were removed",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zrevrank,
        Spec {
            name: "zrevrank",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Returns the index of a member in a sorted set ordered by descending scores.",
            complexity: "O(log(N))",
            args: &[key("key", &[RO, Access]), string("member"), token("withscore", "WITHSCORE").optional()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
            reply: "the rank, WITHSCORE an array of rank and score; nil without key or member",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zscan,
        Spec {
            name: "zscan",
            group: Group::SortedSet,
            since: "2.8.0",
            summary: "Iterates over members and scores of a sorted set.",
            complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
            args: &[
                key("key", &[RO, Access]),
                integer("cursor"),
                pattern("pattern").token("MATCH").optional(),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            tips: &["nondeterministic_output"],
            reply: "an array of the next cursor (0: complete) and an array of members and scores",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zscore,
        Spec {
            name: "zscore",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Returns the score of a member in a sorted set.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access]), string("member")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "the score, nil without key or member",
            ..Spec::EMPTY
        },
    ),
];

fn zcard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let len = ctx.keys.view(&key).sorted(&key)?.map_or(0, |set| set.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn zscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let member = args.take()?;
    let score = ctx.keys.view(&key).sorted(&key)?.and_then(|set| set.score(member));
    write_score(&mut ctx.reply, score);
    Ok(())
}

fn zmscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let (set, reply) = (view.sorted(&key)?, &mut ctx.reply);
    reply.array(args.left());
    while let Some(member) = args.try_take() {
        write_score(reply, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

/// Writes a score, or the null of a missing one.
fn write_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn zrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, |rank, _| rank)
}

fn zrevrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, |rank, len| len - 1 - rank)
}

/// Answers with what `shown` makes of a member's rank and the number of members.
fn rank(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    shown: fn(usize, usize) -> usize,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let member = args.take()?;
    if args.left() > 1 {
        return Err(CommandError::wrong_arity(if shown(0, 2) == 0 { "zrank" } else { "zrevrank" }));
    }
    let with_score = args.skip("WITHSCORE");
    args.finish()?;
    let mut view = ctx.keys.view(&key);
    let set = view.sorted(&key)?;
    let found = set.and_then(|set| set.rank(member).map(|(rank, score)| (shown(rank, set.len()), score)));
    match found {
        Some((rank, score)) => {
            if with_score {
                ctx.reply.array(2);
            }
            ctx.reply.int(rank as i64);
            if with_score {
                ctx.reply.double(score);
            }
        }
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn zrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let mut set = view.sorted_mut(&key, "zrem")?;
    let mut removed = 0;
    while let Some(member) = args.try_take() {
        removed += i64::from(set.remove(member));
    }
    ctx.reply.int(removed);
    Ok(())
}

fn zscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    member_scan::scan(ctx, args, Of::SortedSet)
}
