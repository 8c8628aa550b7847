//! ZRANDMEMBER: members drawn at random.

use super::shape::write_member;
use crate::commands::hashes::random::{Picks, begin};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::keyspace::Part;
use crate::table::KeyFlag::{Access, RO};
use crate::table::arg::{block, integer, key, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    zrandmember,
    Spec {
        name: "zrandmember",
        group: Group::SortedSet,
        since: "6.2.0",
        summary: "Returns one or more random members from a sorted set.",
        complexity: "O(N) where N is the number of members returned",
        args: &[
            key("key", &[RO, Access]),
            block("options", &[integer("count"), token("withscores", "WITHSCORES").optional()]).optional(),
        ],
        flags: &[Flag::Readonly],
        acl: &[Category::SortedSet],
        tips: &["nondeterministic_output"],
        reply: "a member, nil without key; with a count an array of members, WITHSCORES with their scores (RESP3: in pairs)",
        ..Spec::EMPTY
    },
)];

fn zrandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let picks = args.try_take().map(Picks::read).transpose()?;
    let with_scores = args.skip("WITHSCORES");
    args.finish()?;
    if with_scores {
        picks.map_or(Ok(()), Picks::check_pairs)?;
    }
    let mut view = ctx.keys.view(&key);
    let (set, reply) = (view.sorted(&key)?, &mut ctx.reply);
    match (picks, set) {
        (None, None) => reply.null(),
        (None, Some(set)) => set.draw(&mut |member, _| write_part(reply, member)),
        (Some(_), None) => reply.array(0),
        (Some(picks), Some(set)) => {
            begin(reply, picks.of(set.len()), with_scores);
            match picks {
                // All of them come from the highest score down, as in Redis.
                Picks::Distinct(count) if count >= set.len() => {
                    set.each_of(0..set.len(), true, |member, score| {
                        write_member(reply, member, score, with_scores);
                    });
                }
                picks => picks.each(*set, |member, score| {
                    if let Part::Score(score) = score {
                        write_member(reply, member, score, with_scores);
                    }
                }),
            }
        }
    }
    Ok(())
}
