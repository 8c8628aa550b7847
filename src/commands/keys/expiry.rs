//! Deadlines of keys: EXPIRE and TTL in all their units, PERSIST.
//!
//! A deadline is wall-clock milliseconds since the epoch; one that is past removes the key. Changing a
//! deadline leaves flights alone, removing the key by a past one voids them, also where no key was.

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::gate::as_c_string;
use crate::keyspace::Ends;
use crate::table::KeyFlag::{Access, RO, RW, Update};
use crate::table::arg::{integer, key, one_of, token, unix_time};
use crate::table::{Category, Flag, Group, Spec, Touch};

pub static COMMANDS: &[Command] = &[
    Command::new(
        expire,
        Spec {
            name: "expire",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Sets the expiration time of a key in seconds.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Update]),
                integer("seconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional()
                .since("7.0.0"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
            reply: "1 if the deadline was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        expireat,
        Spec {
            name: "expireat",
            group: Group::Generic,
            since: "1.2.0",
            summary: "Sets the expiration time of a key to a Unix timestamp.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Update]),
                unix_time("unix-time-seconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional()
                .since("7.0.0"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
            reply: "1 if the deadline was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        expiretime,
        Spec {
            name: "expiretime",
            group: Group::Generic,
            since: "7.0.0",
            summary: "Returns the expiration time of a key as a Unix timestamp.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            reply: "seconds since the epoch, -1 without deadline, -2 without key",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        persist,
        Spec {
            name: "persist",
            group: Group::Generic,
            since: "2.2.0",
            summary: "Removes the expiration time of a key.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Update])],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            reply: "1 if a deadline was removed, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pexpire,
        Spec {
            name: "pexpire",
            group: Group::Generic,
            since: "2.6.0",
            summary: "Sets the expiration time of a key in milliseconds.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Update]),
                integer("milliseconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional()
                .since("7.0.0"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
            reply: "1 if the deadline was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pexpireat,
        Spec {
            name: "pexpireat",
            group: Group::Generic,
            since: "2.6.0",
            summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Update]),
                unix_time("unix-time-milliseconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional()
                .since("7.0.0"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Keyspace],
            history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
            reply: "1 if the deadline was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pexpiretime,
        Spec {
            name: "pexpiretime",
            group: Group::Generic,
            since: "7.0.0",
            summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            reply: "milliseconds since the epoch, -1 without deadline, -2 without key",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pttl,
        Spec {
            name: "pttl",
            group: Group::Generic,
            since: "2.6.0",
            summary: "Returns the expiration time in milliseconds of a key.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["nondeterministic_output"],
            history: &[("2.8.0", "Added the -2 reply.")],
            reply: "milliseconds left, -1 without deadline, -2 without key",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        ttl,
        Spec {
            name: "ttl",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Returns the expiration time in seconds of a key.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["nondeterministic_output"],
            history: &[("2.8.0", "Added the -2 reply.")],
            reply: "seconds left, -1 without deadline, -2 without key",
            touch: Touch::Never,
            ..Spec::EMPTY
        },
    ),
];

/// What a time in a request counts, and from when.
#[derive(Clone, Copy)]
struct Terms {
    name: &'static str,
    unit_ms: i64,
    from_now: bool,
}

/// The conditions of EXPIRE and its kin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

fn expire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Terms { name: "expire", unit_ms: 1000, from_now: true })
}

fn pexpire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Terms { name: "pexpire", unit_ms: 1, from_now: true })
}

fn expireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Terms { name: "expireat", unit_ms: 1000, from_now: false })
}

fn pexpireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Terms { name: "pexpireat", unit_ms: 1, from_now: false })
}

fn set_deadline(ctx: &mut Ctx<'_>, args: &mut Args<'_>, terms: Terms) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let time = args.take()?;
    let conditions = Conditions::read(args)?;
    let now_ms = ctx.now().wall_ms;
    let deadline = terms.deadline(time, now_ms)?;
    let mut view = ctx.keys.view(&key);
    let before = view.ends(&key);
    let admitted = conditions.admit(before.and_then(|ends| ends.until), deadline);
    if !admitted {
        // Nothing happens, not even to a flight.
    } else if let Some(ends) = before {
        view.set_ends(&key, Ends { until: Some(deadline), ..ends });
    } else if deadline <= now_ms {
        // The deletion of an absent key: a leader that is filling it works on what is out of date.
        view.remove(&key);
    }
    drop(view);
    ctx.reply.int((admitted && before.is_some()).into());
    Ok(())
}

impl Terms {
    /// The deadline that a request's time means, or why it is none.
    fn deadline(self, time: &[u8], now_ms: i64) -> Result<i64, CommandError> {
        let time = crate::base::int::parse_i64(time).ok_or(CommandError::NotAnInteger)?;
        let start_ms = if self.from_now { now_ms } else { 0 };
        let deadline = time.checked_mul(self.unit_ms).and_then(|time_ms| time_ms.checked_add(start_ms));
        deadline.ok_or_else(|| CommandError::invalid_expire(self.name))
    }
}

impl Conditions {
    fn read(args: &mut Args<'_>) -> Result<Conditions, CommandError> {
        let mut conditions = Conditions::default();
        while let Some(word) = args.try_take() {
            let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
            match () {
                () if is("nx") => conditions.nx = true,
                () if is("xx") => conditions.xx = true,
                () if is("gt") => conditions.gt = true,
                () if is("lt") => conditions.lt = true,
                () => return Err(unsupported(word)),
            }
        }
        let Conditions { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(CommandError::err("NX and XX, GT or LT options at the same time are not compatible"));
        }
        if gt && lt {
            return Err(CommandError::err("GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// The one of HEXPIRE and its kin, if the next word is one.
    pub fn read_one(args: &mut Args<'_>) -> Conditions {
        let none = Conditions::default();
        match () {
            () if args.skip("NX") => Conditions { nx: true, ..none },
            () if args.skip("XX") => Conditions { xx: true, ..none },
            () if args.skip("GT") => Conditions { gt: true, ..none },
            () if args.skip("LT") => Conditions { lt: true, ..none },
            () => none,
        }
    }

    /// Whether what has the deadline `before` may get this one. No deadline counts as the latest of all.
    #[must_use]
    pub fn admit(self, before: Option<i64>, deadline: i64) -> bool {
        let Conditions { nx, xx, gt, lt } = self;
        !(nx && before.is_some()
            || xx && before.is_none()
            || gt && before.is_none_or(|before| deadline <= before)
            || lt && before.is_some_and(|before| deadline >= before))
    }
}

fn unsupported(option: &[u8]) -> CommandError {
    CommandError::text([b"ERR Unsupported option ", as_c_string(option, usize::MAX)].concat())
}

fn persist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let had_deadline = view.expire_at(&key).flatten().is_some();
    if had_deadline {
        view.set_ends(&key, Ends::default());
    }
    drop(view);
    ctx.reply.int(had_deadline.into());
    Ok(())
}

fn ttl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.now().wall_ms;
    tell_deadline(ctx, args, |at_ms| rounded_s((at_ms - now_ms).max(0)))
}

fn pttl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.now().wall_ms;
    tell_deadline(ctx, args, |at_ms| (at_ms - now_ms).max(0))
}

fn expiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    tell_deadline(ctx, args, rounded_s)
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    tell_deadline(ctx, args, |at_ms| at_ms)
}

/// Milliseconds as whole seconds, rounded to the nearest.
fn rounded_s(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

fn tell_deadline(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    figure: impl Fn(i64) -> i64,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let exists = view.exists(&key);
    let deadline = view.expire_at(&key).flatten();
    drop(view);
    ctx.reply.int(match deadline {
        Some(at_ms) => figure(at_ms),
        None if exists => -1,
        None => -2,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Conditions = Conditions { nx: false, xx: false, gt: false, lt: false };

    #[test]
    fn condition_admits_by_the_deadline_that_was() {
        let nx = Conditions { nx: true, ..NONE };
        let xx = Conditions { xx: true, ..NONE };
        let gt = Conditions { gt: true, ..NONE };
        let lt = Conditions { lt: true, ..NONE };
        let admits =
            |conditions: Conditions| [None, Some(9), Some(10), Some(11)].map(|b| conditions.admit(b, 10));
        assert_eq!(admits(NONE), [true, true, true, true]);
        assert_eq!(admits(nx), [true, false, false, false]);
        assert_eq!(admits(xx), [false, true, true, true]);
        assert_eq!(admits(gt), [false, true, false, false]);
        assert_eq!(admits(lt), [true, false, false, true]);
        assert_eq!(admits(Conditions { lt: true, ..xx }), [false, false, false, true]);
    }

    #[test]
    fn deadline_that_overflows_is_an_invalid_expire_time() {
        let at = |name, unit_ms, from_now, time: &str| {
            Terms { name, unit_ms, from_now }.deadline(time.as_bytes(), 1_000)
        };
        assert_eq!(at("expire", 1000, true, "2"), Ok(3_000));
        assert_eq!(at("expire", 1000, true, "-2"), Ok(-1_000));
        assert_eq!(at("expire", 1000, true, "9223372036854776"), Err(CommandError::invalid_expire("expire")));
        assert_eq!(
            at("pexpire", 1, true, "9223372036854775807"),
            Err(CommandError::invalid_expire("pexpire"))
        );
        assert_eq!(at("pexpireat", 1, false, "9223372036854775807"), Ok(i64::MAX));
        assert_eq!(at("expire", 1000, true, "1.5"), Err(CommandError::NotAnInteger));
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!([499, 500, 1_499, 1_500].map(rounded_s), [0, 1, 1, 2]);
    }
}
