//! Members get scores: ZADD, ZINCRBY, and GEOADD's own part of it.

use smallvec::SmallVec;

use crate::base::hash::Key;
use crate::base::score;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::KeyFlag::{Access, RW, Update};
use crate::table::arg::{block, double, integer, key, one_of, string, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        zadd,
        Spec {
            name: "zadd",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
            complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
            args: &[
                key("key", &[RW, Update]),
                one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).optional().since("3.0.2"),
                one_of("comparison", &[token("gt", "GT"), token("lt", "LT")]).optional().since("6.2.0"),
                token("change", "CH").optional().since("3.0.2"),
                token("increment", "INCR").optional().since("3.0.2"),
                block("score_member", &[double("score"), string("member")]).multiple(),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::SortedSet],
            history: &[
                ("2.4.0", "Accepts multiple elements."),
                ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
                ("6.2.0", "Added the `GT` and `LT` options."),
            ],
            reply: "the number of new members, with CH also of changed ones; INCR: the new score, nil where it was left alone",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        zincrby,
        Spec {
            name: "zincrby",
            group: Group::SortedSet,
            since: "1.2.0",
            summary: "Increments the score of a member in a sorted set.",
            complexity: "O(log(N)) where N is the number of elements in the sorted set.",
            args: &[key("key", &[RW, Access, Update]), integer("increment"), string("member")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::SortedSet],
            reply: "the new score",
            ..Spec::EMPTY
        },
    ),
];

/// Scores and members of one request.
pub type Scored<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

/// Which members get which scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// NX: only those that are not there.
    pub only_new: bool,
    /// XX: only those that are there.
    pub only_present: bool,
    /// GT, LT: of those that are there, only in place of a lower or a higher score.
    only_higher: bool,
    only_lower: bool,
    /// CH: those whose score changed count as well.
    pub counts_changed: bool,
    /// INCR: the score is added to the one that is there.
    increments: bool,
}

/// A score that is no number: infinities of both signs were added.
struct NoNumber;

impl Rules {
    /// Reads the words in front of the first score.
    fn read(args: &mut Args<'_>, mut rules: Rules) -> Rules {
        loop {
            let flag = match () {
                () if args.skip("NX") => &mut rules.only_new,
                () if args.skip("XX") => &mut rules.only_present,
                () if args.skip("GT") => &mut rules.only_higher,
                () if args.skip("LT") => &mut rules.only_lower,
                () if args.skip("CH") => &mut rules.counts_changed,
                () if args.skip("INCR") => &mut rules.increments,
                () => return rules,
            };
            *flag = true;
        }
    }

    fn check(&self, members: usize) -> Result<(), CommandError> {
        let Rules { only_new, only_present, only_higher, only_lower, .. } = *self;
        if only_new && only_present {
            return Err(CommandError::err("XX and NX options at the same time are not compatible"));
        }
        if (only_new && (only_higher || only_lower)) || (only_higher && only_lower) {
            return Err(CommandError::err("GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increments && members > 1 {
            return Err(CommandError::err("INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member gets; `None` leaves it alone.
    fn decide(&self, before: Option<f64>, score: f64) -> Result<Option<f64>, NoNumber> {
        let Some(before) = before else { return Ok((!self.only_present).then_some(score)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increments { before + score } else { score };
        if score.is_nan() {
            return Err(NoNumber);
        }
        let is_refused = (self.only_lower && score >= before) || (self.only_higher && score <= before);
        Ok((!is_refused).then_some(score))
    }
}

fn zadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    add_as(ctx, args, Rules::default())
}

fn zincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    add_as(ctx, args, Rules { increments: true, ..Rules::default() })
}

fn add_as(ctx: &mut Ctx<'_>, args: &mut Args<'_>, rules: Rules) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let rules = Rules::read(args, rules);
    if args.is_done() || !args.left().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    rules.check(args.left() / 2)?;
    let mut scored = Scored::new();
    while !args.is_done() {
        scored.push((score::parse(args.take()?).ok_or(CommandError::NotAFloat)?, args.take()?));
    }
    add(ctx, &key, &rules, &scored)
}

/// Gives members scores, and answers as ZADD does.
///
/// # Errors
/// Where the key holds something else, or a score would be no number; what came before stays then.
pub fn add(
    ctx: &mut Ctx<'_>,
    key: &Key<'_>,
    rules: &Rules,
    scored: &[(f64, &[u8])],
) -> Result<(), CommandError> {
    let mut view = ctx.keys.view(key);
    let mut set = view.sorted_mut(key, if rules.increments { "zincr" } else { "zadd" })?;
    set.brings(scored.len());
    let (mut added, mut changed, mut last) = (0, 0, None);
    for (score, member) in scored {
        let mut is_number = true;
        let updated = set.update(member, |before| {
            rules.decide(before, *score).unwrap_or_else(|NoNumber| {
                is_number = false;
                None
            })
        })?;
        if !is_number {
            return Err(CommandError::err("resulting score is not a number (NaN)"));
        }
        added += i64::from(updated.is_new());
        changed += i64::from(updated.to_write().is_some());
        last = updated.after;
    }
    match (rules.increments, last) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.null(),
        (false, _) => ctx.reply.int(if rules.counts_changed { changed } else { added }),
    }
    Ok(())
}
