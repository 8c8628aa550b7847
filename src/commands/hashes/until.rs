//! Fields that are set or read together with their deadlines, or read and taken out: HSETEX, HGETEX, HGETDEL.
//!
//! As Redis 8 has them, whose HSETEX looks at its words before the key, and the others at the key before their words.

use super::terms::{NOT_POSITIVE, Pairs, begin_fields, deadline, must_be_hash, pairs};
use crate::base::int::parse_i64;
use crate::commands::strings::lifetime::Unit;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::keyspace::Expiry;
use crate::table::KeyFlag::{Access, Delete, RW, Update};
use crate::table::arg::{block, integer, key, one_of, string, token, unix_time};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        hgetdel,
        Spec {
            name: "hgetdel",
            group: Group::Hash,
            since: "8.0.0",
            summary: "Returns the value of a field and deletes it from the hash.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Access, Delete]),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "an array of values, nil for each field that is not there",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hgetex,
        Spec {
            name: "hgetex",
            group: Group::Hash,
            since: "8.0.0",
            summary: "Get the value of one or more fields of a given hash key, and optionally set their expiration.",
            complexity: "O(N) where N is the number of specified fields",
            args: &[
                key("key", &[RW, Access, Update]),
                one_of(
                    "expiration",
                    &[
                        integer("seconds").token("EX"),
                        integer("milliseconds").token("PX"),
                        unix_time("unix-time-seconds").token("EXAT"),
                        unix_time("unix-time-milliseconds").token("PXAT"),
                        token("persist", "PERSIST"),
                    ],
                )
                .optional(),
                block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::Hash],
            reply: "an array of values, nil for each field that is not there",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hsetex,
        Spec {
            name: "hsetex",
            group: Group::Hash,
            since: "8.0.0",
            summary: "Set the value of one or more fields of a given hash key, and optionally set their expiration.",
            complexity: "O(N) where N is the number of fields being set.",
            args: &[
                key("key", &[RW, Update]),
                one_of("condition", &[token("fnx", "FNX"), token("fxx", "FXX")]).optional(),
                one_of(
                    "expiration",
                    &[
                        integer("seconds").token("EX"),
                        integer("milliseconds").token("PX"),
                        unix_time("unix-time-seconds").token("EXAT"),
                        unix_time("unix-time-milliseconds").token("PXAT"),
                        token("keepttl", "KEEPTTL"),
                    ],
                )
                .optional(),
                block(
                    "fields",
                    &[integer("numfields"), block("data", &[string("field"), string("value")]).multiple()],
                )
                .token("FIELDS"),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::Hash],
            reply: "1 if the fields were set, else 0",
            ..Spec::EMPTY
        },
    ),
];

fn hgetdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    get_and(ctx, args, "hgetdel", |_, _| Ok(Some(Then::Remove)))
}

fn hgetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    get_and(ctx, args, "hgetex", |args, now_ms| {
        if args.skip("PERSIST") {
            return Ok(Some(Then::Persist));
        }
        let expire_at = read_deadline(args, now_ms, "hgetex")?;
        Ok(expire_at.map(|at| if at <= now_ms { Then::Remove } else { Then::Expire(at) }))
    })
}

/// What becomes of fields that were read.
#[derive(Clone, Copy)]
enum Then {
    Remove,
    Persist,
    Expire(i64),
}

/// Answers with the values of fields, and does with each what `read` finds in the words before them.
fn get_and(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    command: &'static str,
    read: impl FnOnce(&mut Args<'_>, i64) -> Result<Option<Then>, CommandError>,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    must_be_hash(ctx, &key)?;
    let then = read(args, ctx.now().wall_ms)?;
    begin_fields(args, command, NOT_POSITIVE)?;
    let event = match then {
        Some(Then::Remove) => "hdel",
        Some(Then::Persist) => "hpersist",
        Some(Then::Expire(_)) | None => "hexpire",
    };
    let (mut view, reply) = (ctx.keys.view(&key), &mut ctx.reply);
    let mut hash = view.hash_mut(&key, event)?;
    reply.array(args.left());
    while let Some(field) = args.try_take() {
        let Some(value) = hash.get(field) else {
            reply.null();
            continue;
        };
        write_part(reply, value);
        match then {
            None => {}
            Some(Then::Remove) => {
                hash.remove(field);
            }
            Some(Then::Persist) if hash.expire_at(field) == Some(None) => {}
            Some(Then::Persist) => {
                hash.set_deadline(field, None)?;
            }
            Some(Then::Expire(at)) => {
                hash.set_deadline(field, Some(at))?;
            }
        }
    }
    Ok(())
}

/// Reads EX, PX, EXAT or PXAT, if one is next.
fn read_deadline(args: &mut Args<'_>, now_ms: i64, command: &str) -> Result<Option<i64>, CommandError> {
    let Some(unit) = Unit::ALL.into_iter().find(|unit| args.skip(unit.option())) else { return Ok(None) };
    let number = args.try_take().ok_or(CommandError::err("missing expire time"))?;
    deadline(unit, number, now_ms, command).map(Some)
}

/// What HSETEX says of its fields.
#[derive(Clone, Copy)]
struct Options {
    /// Only where all are there (true), or none (false).
    only_if: Option<bool>,
    expiry: Option<Expiry>,
}

impl Options {
    /// Reads all words up to the pairs.
    fn read(args: &mut Args<'_>, now_ms: i64) -> Result<Options, CommandError> {
        let mut options = Options { only_if: None, expiry: None };
        while !args.skip("FIELDS") {
            if args.skip("FNX") {
                options.set_condition(false)?;
            } else if args.skip("FXX") {
                options.set_condition(true)?;
            } else if args.skip("KEEPTTL") {
                options.set_expiry(Expiry::Keep)?;
            } else if let Some(at) = options.deadline(args, now_ms)? {
                options.set_expiry(Expiry::At(at))?;
            } else {
                let word = args.try_take().ok_or_else(|| CommandError::wrong_arity("hsetex"))?;
                return Err(CommandError::text([b"ERR unknown argument: ", word].concat()));
            }
        }
        Ok(options)
    }

    fn set_condition(&mut self, is_there: bool) -> Result<(), CommandError> {
        match self.only_if.replace(is_there) {
            None => Ok(()),
            Some(_) => Err(CommandError::err("Only one of FXX or FNX arguments can be specified")),
        }
    }

    fn set_expiry(&mut self, expiry: Expiry) -> Result<(), CommandError> {
        self.must_be_unsaid()?;
        self.expiry = Some(expiry);
        Ok(())
    }

    /// As `read_deadline`; a second one is refused before its number is looked at.
    fn deadline(&self, args: &mut Args<'_>, now_ms: i64) -> Result<Option<i64>, CommandError> {
        let is_next = |unit: &Unit| args.clone().skip(unit.option());
        if Unit::ALL.iter().any(is_next) {
            self.must_be_unsaid()?;
        }
        read_deadline(args, now_ms, "hsetex")
    }

    fn must_be_unsaid(&self) -> Result<(), CommandError> {
        match self.expiry {
            None => Ok(()),
            Some(_) => {
                Err(CommandError::err("Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"))
            }
        }
    }
}

fn hsetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let now_ms = ctx.now().wall_ms;
    let options = Options::read(args, now_ms)?;
    let pairs = counted_pairs(args)?;
    let expiry = options.expiry.unwrap_or(Expiry::None);
    let mut view = ctx.keys.view(&key);
    let mut hash = view.hash_mut(&key, "hset")?;
    let is_as_wanted = match options.only_if {
        None => true,
        Some(wanted) => pairs.iter().all(|(field, _)| hash.get(field).is_some() == wanted),
    };
    if is_as_wanted {
        hash.brings(pairs.len());
        let is_past = matches!(expiry, Expiry::At(at) if at <= now_ms);
        if matches!(expiry, Expiry::At(_)) && !is_past {
            hash.and_then("hexpire");
        }
        for (field, value) in &pairs {
            // What is set with a time that is past was there, for a moment.
            hash.set_until(field, value, if is_past { Expiry::None } else { expiry })?;
        }
        drop(hash);
        if is_past {
            let mut hash = view.hash_mut(&key, "hdel")?;
            for (field, _) in &pairs {
                hash.remove(field);
            }
        }
    }
    ctx.reply.int(is_as_wanted.into());
    Ok(())
}

/// The fields and values of HSETEX, as many as it says, and nothing behind.
fn counted_pairs<'a>(args: &mut Args<'a>) -> Result<Pairs<'a>, CommandError> {
    let wrong_arity = || CommandError::wrong_arity("hsetex");
    if args.left() < 3 {
        return Err(wrong_arity());
    }
    let count = parse_i64(args.take()?).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or(CommandError::err("invalid number of fields"))?;
    let pairs = pairs(args, "hsetex")?;
    if pairs.len() as i64 == count { Ok(pairs) } else { Err(wrong_arity()) }
}
