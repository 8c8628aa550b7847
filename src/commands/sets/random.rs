//! Members drawn at random: SRANDMEMBER, and SPOP, which takes them out.

use super::algebra::write_fresh;
use crate::base::hash::Key;
use crate::base::limits::{HELPED_LOOK_STEPS, HELPED_REBUILD_MAX, HELPED_STEPS_MIN};
use crate::commands::hashes::random::Picks;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::helped::Plan;
use crate::dispatch::value::write_part;
use crate::dispatch::whole::{Show, write_lent};
use crate::keyspace::Fresh;
use crate::storage::packed::Type;
use crate::storage::{Members, NewValue};
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
    match count {
        None => pop_one(ctx, &key),
        Some(count) => pop(ctx, &key, count),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: &Key<'_>) -> Result<(), CommandError> {
    let mut view = ctx.keys.view(key);
    let mut set = view.set_mut(key, "spop")?;
    let mut drawn = None;
    if let Some(set) = set.as_ref() {
        set.draw(&mut |member, _| drawn = Some(member.to_vec()));
    }
    match drawn {
        Some(member) => {
            set.remove(&member);
            ctx.reply.bulk(&member);
        }
        None => ctx.reply.null(),
    }
    Ok(())
}

fn pop(ctx: &mut Ctx<'_>, key: &Key<'_>, count: usize) -> Result<(), CommandError> {
    if let Some(Popped { taken, rest }) = ctx.made_aside(&[*key], |ctx| pop_later(ctx, key, count))? {
        ctx.keys.view(key).set_mut(key, "spop")?.leave(rest, taken.len());
        write_fresh(ctx, taken);
        return Ok(());
    }
    let mut view = ctx.keys.view(key);
    if view.members_len(key).is_some_and(|len| (1..=count).contains(&len)) {
        let all = view.lend_items(key);
        view.set_mut(key, "spop")?.clear();
        drop(view);
        if let Some((all, _)) = all {
            ctx.reply.set(all.len());
            write_lent(&mut ctx.reply, all, Show::Names);
        }
        return Ok(());
    }
    let mut set = view.set_mut(key, "spop")?;
    let mut drawn = Vec::new();
    if let Some(set) = set.as_ref() {
        set.draw_distinct(count, |member, _| drawn.push(member.to_vec()));
    }
    for member in &drawn {
        set.remove(member);
    }
    ctx.reply.set(drawn.len());
    drawn.iter().for_each(|member| ctx.reply.bulk(member));
    Ok(())
}

/// A large set of which a helper has made two.
struct Popped {
    taken: Fresh,
    rest: Members,
}

/// Where it is much of a large set that is to be taken out, what is left is built anew.
fn pop_later(ctx: &mut Ctx<'_>, key: &Key<'_>, count: usize) -> Option<Plan<Popped>> {
    let len = ctx.keys.view(key).members_len(key)?;
    if count <= HELPED_STEPS_MIN || count >= len || len / HELPED_REBUILD_MAX > count {
        return None;
    }
    let all = ctx.keys.view(key).lend_to_select(key)?;
    let (forms, mut taken) = (ctx.keys.scope.rules.forms, ctx.keys.keyspace.fresh(Type::Set));
    Some(Plan::new(len, move |task| {
        let (mut left, mut wanted) = (len, count);
        let rest = all.select(|member, bytes| {
            if left.is_multiple_of(HELPED_LOOK_STEPS) && !task.goes_on(bytes + taken.held_bytes()) {
                return None;
            }
            // Each member is taken with the probability that the rest of the choice needs.
            let is_taken = fastrand::usize(..left) < wanted;
            left -= 1;
            if is_taken {
                wanted -= 1;
                taken.put(member, &NewValue::Small(b""), &forms).ok()?;
            }
            Some(!is_taken)
        })?;
        Some(Popped { taken, rest })
    }))
}
