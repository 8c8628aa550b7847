//! Deadlines of fields: HEXPIRE and HTTL in all their units, HPERSIST.
//!
//! As Redis 7.4 and 8 have them. A deadline that is past takes the field out at once.

use smallvec::SmallVec;

use super::terms::{NOT_POSITIVE, begin_fields, deadline, must_be_hash};
use crate::commands::keys::expiry::Conditions;
use crate::commands::strings::lifetime::Unit;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::KeyFlag::{Access, RO, RW, Update};
use crate::table::arg::{block, integer, key, one_of, string, token, unix_time};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        hexpire,
        Spec {
            name: "hexpire",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Set expiry for hash field using relative time to expire (seconds)",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Update]),
                integer("seconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional(),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field 1 if the deadline was set, 0 if not, 2 if it was past and the field is gone, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hexpireat,
        Spec {
            name: "hexpireat",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Set expiry for hash field using an absolute Unix timestamp (seconds)",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Update]),
                unix_time("unix-time-seconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional(),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field 1 if the deadline was set, 0 if not, 2 if it was past and the field is gone, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hexpiretime,
        Spec {
            name: "hexpiretime",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RO, Access]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field seconds since the epoch, -1 without deadline, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hpersist,
        Spec {
            name: "hpersist",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Removes the expiration time for each specified field",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Update]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field 1 if its deadline was removed, -1 without deadline, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hpexpire,
        Spec {
            name: "hpexpire",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Set expiry for hash field using relative time to expire (milliseconds)",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Update]),
                integer("milliseconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional(),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field 1 if the deadline was set, 0 if not, 2 if it was past and the field is gone, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hpexpireat,
        Spec {
            name: "hpexpireat",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Update]),
                unix_time("unix-time-milliseconds"),
                one_of(
                    "condition",
                    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
                )
                .optional(),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field 1 if the deadline was set, 0 if not, 2 if it was past and the field is gone, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hpexpiretime,
        Spec {
            name: "hpexpiretime",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RO, Access]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            reply: "for each field milliseconds since the epoch, -1 without deadline, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hpttl,
        Spec {
            name: "hpttl",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Returns the TTL in milliseconds of a hash field.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RO, Access]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output"],
            reply: "for each field milliseconds left, -1 without deadline, -2 without field",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        httl,
        Spec {
            name: "httl",
            group: Group::Hash,
            since: "7.4.0",
            summary: "Returns the TTL in seconds of a hash field.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RO, Access]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Hash],
            tips: &["nondeterministic_output"],
            reply: "for each field seconds left, -1 without deadline, -2 without field",
            ..Spec::EMPTY
        },
    ),
];

/// What a field is told that is not there.
const NO_FIELD: i64 = -2;
/// What one is told that has no deadline.
const NO_DEADLINE: i64 = -1;

/// A number for each field of a request.
type Told = SmallVec<[i64; 8]>;

fn hexpire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadlines(ctx, args, "hexpire", Unit::Seconds)
}

fn hpexpire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadlines(ctx, args, "hpexpire", Unit::Milliseconds)
}

fn hexpireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadlines(ctx, args, "hexpireat", Unit::UnixSeconds)
}

fn hpexpireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_deadlines(ctx, args, "hpexpireat", Unit::UnixMilliseconds)
}

fn set_deadlines(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    command: &'static str,
    unit: Unit,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    must_be_hash(ctx, &key)?;
    let now_ms = ctx.now().wall_ms;
    let expire_at = deadline(unit, args.take()?, now_ms, command)?;
    let conditions = Conditions::read_one(args);
    begin_fields(args, command, "Parameter `numFields` should be greater than 0")?;
    let is_past = expire_at <= now_ms;
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, if is_past { "hdel" } else { "hexpire" })?;
    let mut told = Told::new();
    while let Some(field) = args.try_take() {
        told.push(match hash.expire_at(field) {
            None => NO_FIELD,
            Some(before) if !conditions.admit(before, expire_at) => 0,
            Some(_) if is_past => {
                hash.remove(field);
                2
            }
            Some(_) => {
                hash.set_deadline(field, Some(expire_at))?;
                1
            }
        });
    }
    drop(hash);
    drop(view);
    tell(ctx, &told);
    Ok(())
}

fn hpersist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    must_be_hash(ctx, &key)?;
    begin_fields(args, "hpersist", NOT_POSITIVE)?;
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hpersist")?;
    let mut told = Told::new();
    while let Some(field) = args.try_take() {
        told.push(match hash.expire_at(field) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                hash.set_deadline(field, None)?;
                1
            }
        });
    }
    drop(hash);
    drop(view);
    tell(ctx, &told);
    Ok(())
}

fn httl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.now().wall_ms;
    tell_deadlines(ctx, args, |at_ms| whole_s(at_ms - now_ms))
}

fn hpttl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.now().wall_ms;
    tell_deadlines(ctx, args, |at_ms| at_ms - now_ms)
}

fn hexpiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    tell_deadlines(ctx, args, whole_s)
}

fn hpexpiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    tell_deadlines(ctx, args, |at_ms| at_ms)
}

/// Milliseconds as whole seconds: rounded up, unlike those of keys.
fn whole_s(ms: i64) -> i64 {
    ms.saturating_add(999) / 1000
}

fn tell_deadlines(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    figure: impl Fn(i64) -> i64,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    must_be_hash(ctx, &key)?;
    begin_fields(args, "httl", NOT_POSITIVE)?;
    let mut view = ctx.keys.view(&key);
    let hash = view.hash(&key)?;
    let mut told = Told::new();
    while let Some(field) = args.try_take() {
        told.push(match hash.and_then(|hash| hash.expire_at(field)) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(at_ms)) => figure(at_ms),
        });
    }
    drop(view);
    tell(ctx, &told);
    Ok(())
}

fn tell(ctx: &mut Ctx<'_>, told: &[i64]) {
    ctx.reply.array(told.len());
    told.iter().for_each(|number| ctx.reply.int(*number));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::hashes::terms::EXPIRE_AT_MAX;

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!([1, 999, 1_000, 1_001].map(whole_s), [1, 1, 1, 2]);
    }

    #[test]
    fn deadline_may_be_past_but_neither_negative_nor_beyond_what_redis_takes() {
        let at = |unit, number: &str| deadline(unit, number.as_bytes(), 1_000, "hexpire");
        assert_eq!(at(Unit::Seconds, "0"), Ok(1_000));
        assert_eq!(at(Unit::UnixSeconds, "0"), Ok(0));
        assert_eq!(at(Unit::Milliseconds, "7"), Ok(1_007));
        let latest = EXPIRE_AT_MAX.to_string();
        assert_eq!(at(Unit::UnixMilliseconds, &latest), Ok(EXPIRE_AT_MAX));
        for (unit, number) in [
            (Unit::Milliseconds, &latest[..]),
            (Unit::Seconds, "70368744178"),
            (Unit::Seconds, "9223372036854775807"),
            (Unit::UnixMilliseconds, "9223372036854775807"),
        ] {
            assert_eq!(at(unit, number), Err(CommandError::invalid_expire("hexpire")), "{number}");
        }
        assert_eq!(at(Unit::Seconds, "x"), Err(CommandError::NotAnInteger));
        assert_eq!(at(Unit::Seconds, "-1"), Err(CommandError::err("invalid expire time, must be >= 0")));
    }
}
