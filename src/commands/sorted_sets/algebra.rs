//! Sorted sets joined, and sets, whose members all have the score 1: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD.
//!
//! All keys of a command are locked together, so a result is of one moment. A result is sorted once, when it is whole.

use std::collections::HashMap;

use super::shape::write_member;
use crate::base::hash::Key;
use crate::base::score;
use crate::commands::hashes::random::begin;
use crate::commands::sets::algebra::read_limit;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::{Items, Part};
use crate::storage::packed::Element;
use crate::table::KeyFlag::{Access, OW, RO, Update};
use crate::table::arg::{integer, key, key_count, one_of, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        zdiff,
        Spec {
            name: "zdiff",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Returns the difference between multiple sorted sets.",
            complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
            args: &[
                key_count(),
                key("key", &[RO, Access]).multiple(),
                token("withscores", "WITHSCORES").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zdiffstore,
        Spec {
            name: "zdiffstore",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Stores the difference of multiple sorted sets in a key.",
            complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
            args: &[key("destination", &[OW, Update]), key_count(), key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::SortedSet],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zinter,
        Spec {
            name: "zinter",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Returns the intersect of multiple sorted sets.",
            complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
            args: &[
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("weight").token("WEIGHTS").multiple().optional(),
                one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                    .token("AGGREGATE")
                    .optional(),
                token("withscores", "WITHSCORES").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zintercard,
        Spec {
            name: "zintercard",
            group: Group::SortedSet,
            since: "7.0.0",
            summary: "Returns the number of members of the intersect of multiple sorted sets.",
            complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
            args: &[
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("limit").token("LIMIT").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            reply: "the number of members",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zinterstore,
        Spec {
            name: "zinterstore",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Stores the intersect of multiple sorted sets in a key.",
            complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
            args: &[
                key("destination", &[OW, Update]),
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("weight").token("WEIGHTS").multiple().optional(),
                one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                    .token("AGGREGATE")
                    .optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::SortedSet],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zunion,
        Spec {
            name: "zunion",
            group: Group::SortedSet,
            since: "6.2.0",
            summary: "Returns the union of multiple sorted sets.",
            complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
            args: &[
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("weight").token("WEIGHTS").multiple().optional(),
                one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                    .token("AGGREGATE")
                    .optional(),
                token("withscores", "WITHSCORES").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::SortedSet],
            reply: "an array of members, WITHSCORES with their scores (RESP3: in pairs)",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zunionstore,
        Spec {
            name: "zunionstore",
            group: Group::SortedSet,
            since: "2.0.0",
            summary: "Stores the union of multiple sorted sets in a key.",
            complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
            args: &[
                key("destination", &[OW, Update]),
                key_count(),
                key("key", &[RO, Access]).multiple(),
                integer("weight").token("WEIGHTS").multiple().optional(),
                one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                    .token("AGGREGATE")
                    .optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::SortedSet],
            reply: "the number of members of the result",
            ..Spec::EMPTY
        },
    ),
];

/// What is made of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the scores that a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number(one + other),
            Aggregate::Min => one.min(other),
            Aggregate::Max => one.max(other),
        }
    }
}

/// Zero for what is no number: opposite infinities added, one of them times zero.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What a request may say behind its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Options {
    Answer,
    Store,
    Count,
}

/// A set to be joined.
#[derive(Debug)]
struct Input<'a> {
    key: Key<'a>,
    len: usize,
    weight: f64,
}

#[derive(Debug)]
struct Request<'a> {
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// What ZINTERCARD counts at most.
    limit: usize,
}

impl<'a> Request<'a> {
    /// Reads what is behind the destination. Each key's type is looked at before the words behind the keys are.
    fn read(
        ctx: &mut Ctx<'_>,
        args: &mut Args<'a>,
        join: Join,
        options: Options,
    ) -> Result<Request<'a>, CommandError> {
        let name = String::from_utf8_lossy(args.word(0)).to_lowercase();
        let count = args.integer()?;
        if count < 1 {
            return Err(CommandError::err(format!("at least 1 input key is needed for '{name}' command")));
        }
        let count = usize::try_from(count).ok().filter(|count| *count <= args.left());
        let count = count.ok_or(CommandError::Syntax)?;
        let mut inputs = Vec::with_capacity(count);
        for _ in 0..count {
            let key = ctx.key(args)?;
            let len = ctx.keys.view(&key).scored(&key)?.map_or(0, |items| items.len());
            inputs.push(Input { key, len, weight: 1.0 });
        }
        let mut request =
            Request { inputs, aggregate: Aggregate::Sum, with_scores: false, limit: usize::MAX };
        request.read_options(args, join, options)?;
        Ok(request)
    }

    fn read_options(
        &mut self,
        args: &mut Args<'_>,
        join: Join,
        options: Options,
    ) -> Result<(), CommandError> {
        let is_weighted = join != Join::Difference && options != Options::Count;
        while !args.is_done() {
            match () {
                () if is_weighted && args.left() > self.inputs.len() && args.skip("WEIGHTS") => {
                    for input in &mut self.inputs {
                        let weight = score::parse(args.take()?);
                        input.weight =
                            weight.ok_or_else(|| CommandError::err("weight value is not a float"))?;
                    }
                }
                () if is_weighted && args.left() > 1 && args.skip("AGGREGATE") => {
                    self.aggregate = match () {
                        () if args.skip("SUM") => Aggregate::Sum,
                        () if args.skip("MIN") => Aggregate::Min,
                        () if args.skip("MAX") => Aggregate::Max,
                        () => return Err(CommandError::Syntax),
                    };
                }
                () if options == Options::Answer && args.skip("WITHSCORES") => self.with_scores = true,
                () if options == Options::Count && args.left() > 1 && args.skip("LIMIT") => {
                    self.limit = read_limit(args)?;
                }
                () => return Err(CommandError::Syntax),
            }
        }
        Ok(())
    }
}

/// Members with their scores.
type Scored = Vec<(Vec<u8>, f64)>;

/// The score of a member as it lies; of a set's member 1.
fn score_of(part: Part<'_>) -> f64 {
    match part {
        Part::Score(score) => score,
        Part::Element(_) | Part::Value(_) => 1.0,
    }
}

fn look<R>(ctx: &mut Ctx<'_>, input: &Input<'_>, see: impl FnOnce(Items<'_>) -> R) -> Option<R> {
    ctx.keys.view(&input.key).peek_scored(&input.key).map(see)
}

impl Request<'_> {
    /// The members of the result, in no order.
    fn joined(&mut self, ctx: &mut Ctx<'_>, join: Join) -> Scored {
        match join {
            Join::Union => {
                self.inputs.sort_by_key(|input| input.len);
                self.union(ctx)
            }
            Join::Intersection => {
                self.inputs.sort_by_key(|input| input.len);
                self.intersection(ctx)
            }
            Join::Difference => self.difference(ctx),
        }
    }

    fn union(&self, ctx: &mut Ctx<'_>) -> Scored {
        let mut all: HashMap<Vec<u8>, f64> = HashMap::new();
        for input in &self.inputs {
            look(ctx, input, |items| {
                items.each(|member, part| {
                    let score = number(input.weight * score_of(part));
                    member.with(|member| match all.get_mut(member) {
                        Some(known) => *known = self.aggregate.of(*known, score),
                        None => drop(all.insert(member.to_vec(), score)),
                    });
                });
            });
        }
        all.into_iter().collect()
    }

    fn intersection(&self, ctx: &mut Ctx<'_>) -> Scored {
        let Some((first, others)) = self.inputs.split_first() else { return Scored::new() };
        let mut members = scored_of(ctx, first);
        for input in others {
            if members.is_empty() {
                break;
            }
            look(ctx, input, |items| {
                members.retain_mut(|(member, score)| {
                    let Some(part) = items.get(member) else { return false };
                    *score = self.aggregate.of(*score, number(input.weight * score_of(part)));
                    true
                });
            });
        }
        members
    }

    fn difference(&self, ctx: &mut Ctx<'_>) -> Scored {
        let Some((first, others)) = self.inputs.split_first() else { return Scored::new() };
        let mut members = scored_of(ctx, first);
        for input in others {
            look(ctx, input, |items| members.retain(|(member, _)| items.get(member).is_none()));
        }
        members
    }
}

/// The members of one set, with their weighted scores.
fn scored_of(ctx: &mut Ctx<'_>, input: &Input<'_>) -> Scored {
    let mut members = Scored::with_capacity(input.len);
    look(ctx, input, |items| {
        items.each(|member, part| members.push((member.to_vec(), number(input.weight * score_of(part)))));
    });
    members
}

/// Puts members into the order of a sorted set.
fn sort(members: &mut Scored) {
    members.sort_unstable_by(|(member, score), (other, other_score)| {
        // No score is NaN. Zeros of both signs are the same.
        score.partial_cmp(other_score).unwrap_or(std::cmp::Ordering::Equal).then_with(|| member.cmp(other))
    });
}

fn answer(ctx: &mut Ctx<'_>, args: &mut Args<'_>, join: Join) -> Result<(), CommandError> {
    let mut request = Request::read(ctx, args, join, Options::Answer)?;
    let mut members = request.joined(ctx, join);
    sort(&mut members);
    let reply = &mut ctx.reply;
    begin(reply, members.len(), request.with_scores);
    for (member, score) in &members {
        write_member(reply, Part::Element(Element::Bytes(member)), *score, request.with_scores);
    }
    Ok(())
}

fn store(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    join: Join,
    event: &'static str,
) -> Result<(), CommandError> {
    let target = ctx.key(args)?;
    let mut request = Request::read(ctx, args, join, Options::Store)?;
    let mut members = request.joined(ctx, join);
    sort(&mut members);
    let mut result = ctx.keys.keyspace.fresh_scores();
    for (member, score) in &members {
        result.put(member, *score, &ctx.keys.scope.rules.forms)?;
    }
    ctx.keys.view(&target).store_scores(&target, result, event);
    ctx.reply.int(members.len() as i64);
    Ok(())
}

fn zunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Union)
}

fn zinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Intersection)
}

fn zdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, Join::Difference)
}

fn zunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Union, "zunionstore")
}

fn zinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Intersection, "zinterstore")
}

fn zdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Join::Difference, "zdiffstore")
}

fn zintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut request = Request::read(ctx, args, Join::Intersection, Options::Count)?;
    let count = request.joined(ctx, Join::Intersection).len().min(request.limit);
    ctx.reply.int(count as i64);
    Ok(())
}
