//! OBJECT: what Redis tells of a value's inside, as far as there is a true answer here.
//!
//! Encodings are what Redis would choose for the value; access times and frequencies are those
//! that the policy of eviction keeps, while there is a limit on memory.

use crate::base::int::parse_i64;
use crate::commands::help;
use crate::config::EvictionPolicy;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::rules::lfu_rule;
use crate::keyspace;
use crate::storage::eviction::{frequency, idle_s};
use crate::storage::{Entry, Order};
use crate::table::KeyFlag::RO;
use crate::table::arg::key;
use crate::table::{Category, Flag, Group, Locking, Spec, Touch};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "object",
        group: Group::Generic,
        since: "2.2.3",
        summary: "A container for object introspection commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            object_encoding,
            Spec {
                name: "encoding",
                group: Group::Generic,
                since: "2.2.3",
                summary: "Returns the internal encoding of a value.",
                complexity: "O(1)",
                args: &[key("key", &[RO])],
                flags: &[Flag::Readonly],
                acl: &[Category::Keyspace],
                tips: &["nondeterministic_output"],
                reply: "int, embstr or raw; null without key",
                touch: Touch::Never,
                quick: true,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            object_freq,
            Spec {
                name: "freq",
                group: Group::Generic,
                since: "4.0.0",
                summary: "Returns the logarithmic access frequency counter of a value.",
                complexity: "O(1)",
                args: &[key("key", &[RO])],
                flags: &[Flag::Readonly],
                acl: &[Category::Keyspace],
                tips: &["nondeterministic_output"],
                reply: "the counter; null without key",
                touch: Touch::Never,
                quick: true,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            object_help,
            Spec {
                name: "help",
                group: Group::Generic,
                since: "6.2.0",
                summary: "Returns helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Keyspace],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            object_idletime,
            Spec {
                name: "idletime",
                group: Group::Generic,
                since: "2.2.3",
                summary: "Returns the time since the last access to a value.",
                complexity: "O(1)",
                args: &[key("key", &[RO])],
                flags: &[Flag::Readonly],
                acl: &[Category::Keyspace],
                tips: &["nondeterministic_output"],
                reply: "seconds; null without key",
                touch: Touch::Never,
                quick: true,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            object_idlettl,
            Spec {
                name: "idlettl",
                group: Group::Generic,
                since: "0.1.0",
                summary: "Returns how long a value may lie without an access before it ends.",
                complexity: "O(1)",
                args: &[key("key", &[RO])],
                flags: &[Flag::Readonly],
                acl: &[Category::Keyspace],
                reply: "milliseconds, -1 without such a limit; null without key",
                touch: Touch::Never,
                quick: true,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            object_refcount,
            Spec {
                name: "refcount",
                group: Group::Generic,
                since: "2.2.3",
                summary: "Returns the reference count of a value.",
                complexity: "O(1)",
                args: &[key("key", &[RO])],
                flags: &[Flag::Readonly],
                acl: &[Category::Keyspace],
                tips: &["nondeterministic_output"],
                reply: "the count; null without key",
                touch: Touch::Never,
                quick: true,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "IDLETTL <key>",
    "    Return the milliseconds without an access after which the <key> expires,",
    "    -1 if there is no such limit.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

/// The longest string that Redis keeps in one allocation with its header, bytes.
const EMBSTR_BYTES_MAX: usize = 44;

/// The encoding that Redis gives to this value when it is set.
pub fn encoding(value: &[u8]) -> &'static str {
    match value.len() {
        ..=20 if parse_i64(value).is_some() => "int",
        ..=EMBSTR_BYTES_MAX => "embstr",
        _ => "raw",
    }
}

/// The encoding that Redis gives to what an entry holds.
pub fn encoding_of(entry: &Entry<'_>) -> &'static str {
    keyspace::encoding(entry)
        .unwrap_or_else(|| entry.value().map_or("raw", |value| encoding(value.as_slice())))
}

/// The count that Redis tells: it shares the integers below 10,000 and counts those no further.
fn refcount(value: &[u8]) -> i64 {
    match parse_i64(value) {
        Some(0..10_000) => i32::MAX.into(),
        _ => 1,
    }
}

fn object_encoding(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    match view.inspect(&key) {
        Some(entry) if entry.is_edited() => ctx.reply.bulk(b"raw"),
        Some(entry) => ctx.reply.bulk(encoding_of(&entry).as_bytes()),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn object_refcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    match view.inspect(&key).map(|entry| entry.value().map_or(1, |value| refcount(value.as_slice()))) {
        Some(count) => ctx.reply.int(count),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn object_idletime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (wall_ms, is_kept) =
        (ctx.now().wall_ms, ctx.keys.scope.rules.eviction.is_some_and(|rule| rule.order == Order::Lru));
    answer_if_present(ctx, args, |policy, stamp| match is_lfu(policy) {
        false if is_kept => Ok(idle_s(stamp, wall_ms) as i64),
        // What is not kept is not known.
        false => Ok(0),
        true => Err(CommandError::err(
            "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    })
}

fn object_idlettl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let ends = ctx.keys.view(&key).ends(&key);
    match ends {
        Some(ends) => ctx.reply.int(ends.idle_ms.map_or(-1, |ms| ms.get() as i64)),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn object_freq(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (wall_ms, is_kept) = (ctx.now().wall_ms, ctx.keys.scope.rules.eviction.is_some());
    let rule = lfu_rule(ctx.settings);
    answer_if_present(ctx, args, |policy, stamp| match is_lfu(policy) {
        true if is_kept => Ok(i64::from(frequency(stamp, wall_ms, rule))),
        true => Ok(0),
        false => Err(CommandError::err(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    })
}

fn answer_if_present(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    figure: impl Fn(EvictionPolicy, u32) -> Result<i64, CommandError>,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let stamp = ctx.keys.view(&key).use_stamp(&key);
    match stamp {
        Some(stamp) => ctx.reply.int(figure(ctx.settings.maxmemory_policy, stamp)?),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn is_lfu(policy: EvictionPolicy) -> bool {
    matches!(policy, EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu)
}

fn object_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "OBJECT", HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_follows_length_and_digits() {
        assert_eq!(encoding(b"123"), "int");
        assert_eq!(encoding(b"-9223372036854775808"), "int");
        assert_eq!(encoding(b"9223372036854775808"), "embstr");
        assert_eq!(encoding(b"0123"), "embstr");
        assert_eq!(encoding(&[b'x'; 44]), "embstr");
        assert_eq!(encoding(&[b'x'; 45]), "raw");
    }

    #[test]
    fn small_integers_are_shared() {
        assert_eq!(
            [&b"0"[..], b"9999", b"10000", b"-1", b"x"].map(refcount),
            [0x7fff_ffff, 0x7fff_ffff, 1, 1, 1]
        );
    }
}
