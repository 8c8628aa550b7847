//! Members drawn at random: SRANDMEMBER, and SPOP, which takes them out.

use crate::commands::hashes::random::Picks;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::table::KeyFlag::{Access, Delete, RO, RW};
use crate::table::arg::{integer, key};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        spop,
        Spec {
            name: "spop",
            group: Group::Set,
            since: "1.0.0",
            summary: "Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.",
            complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
            args: &[key("key", &[RW, Access, Delete]), integer("count").optional().since("3.2.0")],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Set],
            tips: &["nondeterministic_output"],
            history: &[("3.2.0", "Added the `count` argument.")],
            reply: "a member, nil without key; with a count a set of members (RESP2: an array)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        srandmember,
        Spec {
            name: "srandmember",
            group: Group::Set,
            since: "1.0.0",
            summary: "Get one or multiple random members from a set",
            complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
            args: &[key("key", &[RO, Access]), integer("count").optional().since("2.6.0")],
            flags: &[Flag::Readonly],
            acl: &[Category::Set],
            tips: &["nondeterministic_output"],
            history: &[("2.6.0", "Added the optional `count` argument.")],
            reply: "a member, nil without key; with a count an array of members",
            ..Spec::EMPTY
        },
    ),
];

fn srandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let word = args.try_take();
    args.finish()?;
    let count = word.map(Picks::read).transpose()?;
    let mut view = ctx.keys.view(&key);
    let (set, reply) = (view.set_of(&key)?, &mut ctx.reply);
    match (count, set) {
        (None, Some(set)) => set.draw(&mut |member, _| write_part(reply, member)),
        (None, None) => reply.null(),
        (Some(_), None) => reply.array(0),
        (Some(picks), Some(set)) => {
            reply.array(picks.of(set.len()));
            picks.each(*set, |member, _| write_part(reply, member));
        }
    }
    Ok(())
}

fn spop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let count = if args.left() == 1 { Some(args.amount()?) } else { None };
    args.finish()?;
    let mut view = ctx.keys.view(&key);
    let mut set = view.set_mut(&key, "spop")?;
    let mut drawn = Vec::new();
    let mut len = 0;
    if let Some(set) = set.as_ref() {
        len = set.len();
        match count {
            None => set.draw(&mut |member, _| drawn.push(member.to_vec())),
            Some(count) => set.draw_distinct(count, |member, _| drawn.push(member.to_vec())),
        }
    }
    if len > 0 && drawn.len() == len {
        set.clear();
    } else {
        for member in &drawn {
            set.remove(member);
        }
    }
    let reply = &mut ctx.reply;
    match (count, drawn.first()) {
        (None, Some(member)) => reply.bulk(member),
        (None, None) => reply.null(),
        (Some(_), _) => {
            reply.set(drawn.len());
            drawn.iter().for_each(|member| reply.bulk(member));
        }
    }
    Ok(())
}
