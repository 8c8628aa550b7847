//! Walking over keys: KEYS, SCAN, RANDOMKEY, DBSIZE.
//!
//! The walks themselves are `keyspace::scan`; here are patterns, options and replies. Outside a
//! transaction each shard is locked in turn, so a walk sees every key that stays, and no single moment.

use crate::base::glob;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::type_name;
use crate::storage::Entry;
use crate::table::arg::{integer, pattern, string};
use crate::table::{Category, Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        dbsize,
        Spec {
            name: "dbsize",
            group: Group::Server,
            since: "1.0.0",
            summary: "Returns the number of keys in the database.",
            complexity: "O(1)",
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Keyspace],
            tips: &["request_policy:all_shards", "response_policy:agg_sum"],
            reply: "the number of keys",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        keys,
        Spec {
            name: "keys",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Returns all key names that match a pattern.",
            complexity: "O(N) where N is the number of keys in the database",
            args: &[pattern("pattern")],
            flags: &[Flag::Readonly],
            acl: &[Category::Keyspace, Category::Dangerous],
            tips: &["request_policy:all_shards", "nondeterministic_output_order"],
            reply: "an array of keys",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        randomkey,
        Spec {
            name: "randomkey",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Returns a random key name from the database.",
            complexity: "O(1)",
            flags: &[Flag::Readonly],
            acl: &[Category::Keyspace],
            tips: &["request_policy:all_shards", "nondeterministic_output"],
            reply: "a key, or null in an empty database",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        scan,
        Spec {
            name: "scan",
            group: Group::Generic,
            since: "2.8.0",
            summary: "Iterates over the key names in the database.",
            complexity: "O(1) for every call, O(N) for a complete iteration over N keys",
            args: &[
                integer("cursor"),
                pattern("pattern").token("MATCH").optional(),
                integer("count").token("COUNT").optional(),
                string("type").token("TYPE").optional().since("6.0.0"),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Keyspace],
            tips: &["nondeterministic_output", "request_policy:special"],
            history: &[("6.0.0", "Added the `TYPE` subcommand.")],
            reply: "an array of the next cursor (0: complete) and an array of keys",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
];

fn dbsize(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let sweeps = ctx.shared.operator.is_sweeping();
    let mut count = 0;
    ctx.keys.walk(ctx.keys.db, |view| {
        // An operator who turned the sweep off wants to see what is not reclaimed.
        count += if sweeps { view.len() } else { view.stored() };
    })?;
    ctx.reply.int(count as i64);
    Ok(())
}

fn randomkey(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    match ctx.keys.random_key()? {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let pattern = args.take()?;
    let found = ctx.keys.list(|key| selects(pattern, key))?;
    write_keys(ctx, &found);
    Ok(())
}

fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.take()?).ok_or(CommandError::err("invalid cursor"))?;
    let options = ScanOptions::read(args, true)?;
    let is_of_type = |entry: &Entry<'_>| {
        options.of_type.is_none_or(|wanted| wanted.eq_ignore_ascii_case(type_name(entry).as_bytes()))
    };
    let page = ctx
        .keys
        .scan(cursor, options.count, |entry| is_of_type(entry) && selects(options.pattern, entry.key()))?;
    ctx.reply.array(2);
    ctx.reply.bulk(page.cursor.to_string().as_bytes());
    write_keys(ctx, &page.keys);
    Ok(())
}

fn write_keys(ctx: &mut Ctx<'_>, keys: &[Vec<u8>]) {
    ctx.reply.array(keys.len());
    keys.iter().for_each(|key| ctx.reply.bulk(key));
}

/// The options of SCAN and its kin.
pub struct ScanOptions<'a> {
    pub pattern: &'a [u8],
    /// How many are to be seen, about.
    pub count: usize,
    /// SCAN's alone.
    pub of_type: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads what is left of a request; TYPE where the command `takes_type`.
    ///
    /// # Errors
    /// For wrong words.
    pub fn read(args: &mut Args<'a>, takes_type: bool) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions { pattern: b"*", count: 10, of_type: None };
        while !args.is_done() {
            if args.left() < 2 {
                return Err(CommandError::Syntax);
            } else if args.skip("COUNT") {
                let count = args.integer()?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args.skip("MATCH") {
                options.pattern = args.take()?;
            } else if takes_type && args.skip("TYPE") {
                options.of_type = Some(args.take()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// Whether a pattern selects a key; `*` selects also the empty one.
pub fn selects(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob::matches(pattern, key, false)
}

/// A cursor as Redis reads it, with C's `strtoul`: nothing at all is 0, a sign may stand before the digits and
/// counts modulo 2^64, and a NUL ends the text.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let text = &text[..end];
    if text.is_empty() {
        return Some(0);
    }
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // `parse` would take a second sign.
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_is_read_as_strtoul_reads_it() {
        let cases: [(&[u8], Option<u64>); 13] = [
            (b"0", Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"-1", Some(u64::MAX)),
            (b"+7", Some(7)),
            (b"007", Some(7)),
            (b"", Some(0)),
            (b"\x00x", Some(0)),
            (b"5\x00x", Some(5)),
            (b" 5", None),
            (b"5 ", None),
            (b"0x1", None),
            (b"-+1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_cursor(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn star_alone_selects_the_empty_key() {
        assert!(selects(b"*", b"") && selects(b"*", b"k") && selects(b"k?", b"kk") && !selects(b"k?", b"k"));
    }
}
