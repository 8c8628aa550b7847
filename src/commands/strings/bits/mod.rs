//! Values as rows of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.
//!
//! `scan` counts and finds bits, `combine` is BITOP; both are pure. Errors come in Redis's order: for an
//! absent key, BITCOUNT and BITPOS do not look at the words that say where.

mod combine;
mod scan;

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::commands::strings::span::Span;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::Expiry;
use crate::storage::{NewValue, ValueRef};
use crate::table::KeyFlag::{Access, OW, RO, RW, Update};
use crate::table::arg::{block, integer, key, one_of, token};
use crate::table::{Category, Flag, Group, Spec};
use combine::{Operation, combine};

pub static COMMANDS: &[Command] = &[
    Command::new(
        bitcount,
        Spec {
            name: "bitcount",
            group: Group::Bitmap,
            since: "2.6.0",
            summary: "Counts the number of set bits (population counting) in a string.",
            complexity: "O(N)",
            args: &[
                key("key", &[RO, Access]),
                block(
                    "index",
                    &[
                        integer("start"),
                        integer("end"),
                        one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                            .optional()
                            .since("7.0.0"),
                    ],
                )
                .optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Bitmap],
            history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
            reply: "the number of set bits",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        bitop,
        Spec {
            name: "bitop",
            group: Group::Bitmap,
            since: "2.6.0",
            summary: "Performs bitwise operations on multiple strings, and stores the result.",
            complexity: "O(N)",
            args: &[
                one_of(
                    "operation",
                    &[token("and", "AND"), token("or", "OR"), token("xor", "XOR"), token("not", "NOT")],
                ),
                key("destkey", &[OW, Update]),
                key("key", &[RO, Access]).multiple(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Bitmap],
            reply: "the length of the stored value, that of the longest source",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        bitpos,
        Spec {
            name: "bitpos",
            group: Group::Bitmap,
            since: "2.8.7",
            summary: "Finds the first set (1) or clear (0) bit in a string.",
            complexity: "O(N)",
            args: &[
                key("key", &[RO, Access]),
                integer("bit"),
                block(
                    "index",
                    &[
                        integer("start"),
                        block(
                            "end_index",
                            &[
                                integer("end"),
                                one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                                    .optional()
                                    .since("7.0.0"),
                            ],
                        )
                        .optional(),
                    ],
                )
                .optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::Bitmap],
            history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
            reply: "the bit's position, -1 if there is none",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        getbit,
        Spec {
            name: "getbit",
            group: Group::Bitmap,
            since: "2.2.0",
            summary: "Returns a bit value by offset.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access]), integer("offset")],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Bitmap],
            reply: "the bit, 0 beyond the end of the value",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        setbit,
        Spec {
            name: "setbit",
            group: Group::Bitmap,
            since: "2.2.0",
            summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), integer("offset"), integer("value")],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Bitmap],
            reply: "the bit before",
            quick: true,
            ..Spec::EMPTY
        },
    ),
];

/// The span of commands that were given none.
const WHOLE: Span = Span { start: 0, end: -1 };

/// Whether a span counts bytes or bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpanUnit {
    Byte,
    Bit,
}

impl SpanUnit {
    /// Reads BYTE or BIT; nothing means bytes.
    fn read(args: &mut Args<'_>) -> Result<SpanUnit, CommandError> {
        if args.skip("BIT") {
            return Ok(SpanUnit::Bit);
        }
        if args.is_done() || args.skip("BYTE") { Ok(SpanUnit::Byte) } else { Err(CommandError::Syntax) }
    }

    /// First and last bit of a span inside a value of this length in bytes.
    fn bits_within(self, span: Span, value_bytes: usize) -> Option<(u64, u64)> {
        match self {
            SpanUnit::Bit => span.within(value_bytes as u64 * 8),
            SpanUnit::Byte => span.within(value_bytes as u64).map(|(first, last)| (first * 8, last * 8 + 7)),
        }
    }
}

/// A bit offset of a request. It may not lie beyond the longest string.
pub(super) fn bit_offset(ctx: &Ctx<'_>, word: &[u8]) -> Result<u64, CommandError> {
    parse_i64(word)
        .and_then(|offset| checked_offset(ctx, offset))
        .ok_or_else(|| CommandError::err("bit offset is not an integer or out of range"))
}

/// The offset, if it is not negative and not beyond the longest string.
pub(super) fn checked_offset(ctx: &Ctx<'_>, offset: i64) -> Option<u64> {
    u64::try_from(offset).ok().filter(|offset| offset / 8 < ctx.settings.bulk_bytes_max as u64)
}

fn setbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let offset = bit_offset(ctx, args.take()?)?;
    let on = match args.integer() {
        Ok(bit @ (0 | 1)) => bit == 1,
        _ => return Err(CommandError::err("bit is not an integer or out of range")),
    };
    let (at, mask) = place(offset);
    let mut view = ctx.keys.view(&key);
    let len = view.peek(&key)?.map_or(0, ValueRef::len).max(at + 1);
    let mut before = false;
    let is_changed = view.edit_if(&key, len, |bytes| {
        before = bytes[at] & mask != 0;
        bytes[at] = if on { bytes[at] | mask } else { bytes[at] & !mask };
        before != on
    })?;
    if is_changed {
        view.notify(Classes::STRING, "setbit", key.bytes);
    }
    ctx.reply.int(i64::from(before));
    Ok(())
}

fn getbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let offset = bit_offset(ctx, args.take()?)?;
    let (at, mask) = place(offset);
    let mut view = ctx.keys.view(&key);
    let byte = view.read(&key)?.and_then(|value| value.as_slice().get(at).copied());
    ctx.reply.int(i64::from(byte.unwrap_or(0) & mask != 0));
    Ok(())
}

/// The byte of a bit, and the bit in it.
fn place(offset: u64) -> (usize, u8) {
    ((offset / 8) as usize, 0x80 >> (offset % 8))
}

fn bitcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let counted = read_count_span(args);
    let count = look(ctx, &key, |bytes| {
        let within = counted?.and_then(|(span, unit)| unit.bits_within(span, bytes.len()));
        Ok(within.map_or(0, |(first, last)| scan::count_between(bytes, first, last)))
    });
    ctx.reply.int(count?.unwrap_or(0) as i64);
    Ok(())
}

/// What BITCOUNT is to count; `None` is nothing, whatever the value and the unit.
fn read_count_span(args: &mut Args<'_>) -> Result<Option<(Span, SpanUnit)>, CommandError> {
    if args.is_done() {
        return Ok(Some((WHOLE, SpanUnit::Byte)));
    }
    check_words(args, 2..=3)?;
    let span = Span { start: args.integer()?, end: args.integer()? };
    // Redis does not look at the unit then.
    if span.is_reversed() {
        return Ok(None);
    }
    Ok(Some((span, SpanUnit::read(args)?)))
}

fn bitpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let wanted = match args.integer()? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::err("The bit argument must be 1 or 0.")),
    };
    let is_open_ended = args.left() < 2;
    let searched = read_position_span(args);
    let found = look(ctx, &key, |bytes| {
        let (span, unit) = searched?;
        let Some((first, last)) = unit.bits_within(span, bytes.len()) else {
            return Ok(-1);
        };
        Ok(match scan::position(bytes, wanted, first, last) {
            Some(at) => at as i64,
            // Without an end, zeros are thought to follow the value.
            None if !wanted && is_open_ended => last as i64 + 1,
            None => -1,
        })
    });
    // An absent key is nothing but clear bits.
    ctx.reply.int(found?.unwrap_or(if wanted { -1 } else { 0 }));
    Ok(())
}

/// Where BITPOS is to look.
fn read_position_span(args: &mut Args<'_>) -> Result<(Span, SpanUnit), CommandError> {
    check_words(args, 0..=3)?;
    let mut span = WHOLE;
    if !args.is_done() {
        span.start = args.integer()?;
    }
    // Redis looks at the unit before the end.
    let mut behind_end = args.clone();
    behind_end.try_take();
    let unit = SpanUnit::read(&mut behind_end)?;
    if !args.is_done() {
        span.end = args.integer()?;
    }
    Ok((span, unit))
}

/// A syntax error unless this number of words is left.
fn check_words(args: &Args<'_>, words: RangeInclusive<usize>) -> Result<(), CommandError> {
    if words.contains(&args.left()) { Ok(()) } else { Err(CommandError::Syntax) }
}

/// Reads a value; a large one after its lock is released.
fn look<R>(
    ctx: &mut Ctx<'_>,
    key: &Key<'_>,
    read: impl FnOnce(&[u8]) -> Result<R, CommandError>,
) -> Result<Option<R>, CommandError> {
    let mut view = ctx.keys.view(key);
    let large = match view.read(key)? {
        None => return Ok(None),
        Some(ValueRef::Inline(bytes)) => return read(bytes).map(Some),
        Some(ValueRef::Shared(value)) => Bytes::clone(value),
    };
    drop(view);
    read(&large).map(Some)
}

fn bitop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let operation = read_operation(args)?;
    let target = ctx.key(args)?;
    if operation == Operation::Not && args.left() != 1 {
        return Err(CommandError::err("BITOP NOT must be called with a single source key."));
    }
    // The shards stay locked, so that the target is written from sources of one moment; large sources
    // are read where they lie.
    let mut sources = Vec::with_capacity(args.left());
    for key in args.keys(ctx.keys.keyspace) {
        sources.push(ctx.keys.view(&key).read(&key)?.map(ValueRef::to_bytes).unwrap_or_default());
    }
    let slices: Vec<&[u8]> = sources.iter().map(|bytes| &bytes[..]).collect();
    let result = Bytes::from(combine(operation, &slices));
    let mut view = ctx.keys.view(&target);
    if result.is_empty() {
        view.remove(&target);
    } else {
        view.set(&target, &NewValue::from_shared(&result), Expiry::None);
    }
    ctx.reply.int(result.len() as i64);
    Ok(())
}

fn read_operation(args: &mut Args<'_>) -> Result<Operation, CommandError> {
    let known =
        [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)];
    let found = known.into_iter().find(|(name, _)| args.skip(name));
    found.map(|(_, operation)| operation).ok_or(CommandError::Syntax)
}
