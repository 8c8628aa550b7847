//! Members at the ends, taken out: ZPOPMIN, ZPOPMAX, ZMPOP.

use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::protocol::reply::{Proto, Reply};
use crate::table::KeyFlag::{Access, Delete, RW};
use crate::table::arg::{integer, key, key_count, one_of, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        zmpop,
        Spec {
            name: "zmpop",
            group: Group::SortedSet,
            since: "7.0.0",
            summary: "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.",
            complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
            args: &[
                key_count(),
                key("key", &[RW, Access, Delete]).multiple(),
                one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
                integer("count").token("COUNT").optional(),
            ],
            flags: &[Flag::Write],
            acl: &[Category::SortedSet],
            reply: "an array of a key and pairs of members and scores, nil where all keys are absent",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zpopmax,
        Spec {
            name: "zpopmax",
            group: Group::SortedSet,
            since: "5.0.0",
            summary: "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
            complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
            args: &[key("key", &[RW, Access, Delete]), integer("count").optional()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "an array of members and their scores (RESP3, with a count: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zpopmin,
        Spec {
            name: "zpopmin",
            group: Group::SortedSet,
            since: "5.0.0",
            summary: "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
            complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
            args: &[key("key", &[RW, Access, Delete]), integer("count").optional()],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "an array of members and their scores (RESP3, with a count: in pairs)",
            ..Spec::EMPTY
        },
    ),
];

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }
}

fn zpopmin(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop_some(ctx, args, End::Min)
}

fn zpopmax(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    pop_some(ctx, args, End::Max)
}

fn pop_some(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    if args.left() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = if args.is_done() { None } else { Some(args.amount()?) };
    // In RESP3 a count, be it 1, makes pairs of what is else a member and a score.
    let are_pairs = count.is_some() && ctx.reply.proto == Proto::Resp3;
    let begin = |reply: &mut Reply<'_>, len: usize| reply.array(if are_pairs { len } else { len * 2 });
    if !pop(ctx, &key, end, count.unwrap_or(1), begin, are_pairs)? {
        ctx.reply.array(0);
    }
    Ok(())
}

fn zmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let keys = args.count("numkeys should be greater than 0")?;
    if keys >= args.left() {
        return Err(CommandError::Syntax);
    }
    let keys = (0..keys).map(|_| ctx.key(args)).collect::<Result<Vec<_>, _>>()?;
    let end = match () {
        () if args.skip("MIN") => End::Min,
        () if args.skip("MAX") => End::Max,
        () => return Err(CommandError::Syntax),
    };
    let count = if args.skip("COUNT") { args.count("count should be greater than 0")? } else { 1 };
    args.finish()?;
    for key in &keys {
        let begin = |reply: &mut Reply<'_>, len: usize| {
            reply.array(2);
            reply.bulk(key.bytes);
            reply.array(len);
        };
        if pop(ctx, key, end, count, begin, true)? {
            return Ok(());
        }
    }
    ctx.reply.null_array();
    Ok(())
}

/// Takes members out at an end and writes them with their scores, as pairs perhaps, and before them what `begin` writes for
/// so many. False, and nothing written, without key.
fn pop(
    ctx: &mut Ctx<'_>,
    key: &Key<'_>,
    end: End,
    count: usize,
    begin: impl FnOnce(&mut Reply<'_>, usize),
    are_pairs: bool,
) -> Result<bool, CommandError> {
    let mut view = ctx.keys.view(key);
    let mut sorted = view.sorted_mut(key, end.event())?;
    let Some(set) = sorted.as_ref() else { return Ok(false) };
    let (len, count) = (set.len(), count.min(set.len()));
    let ranks = match end {
        End::Min => 0..count,
        End::Max => len - count..len,
    };
    let reply = &mut ctx.reply;
    begin(reply, count);
    set.each_of(ranks.clone(), end == End::Max, |member, score| {
        if are_pairs {
            reply.array(2);
        }
        write_part(reply, member);
        reply.double(score);
    });
    sorted.remove_ranks(ranks);
    Ok(true)
}
