//! HyperLogLog: how many different elements were added, about. PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST.
//!
//! What a value's bytes mean is `base::hll`'s; here it is a string under a key. PFCOUNT of one key notes the count in the
//! value, which is a write like any other, as in Redis. Of a value that is wrong half way nothing is changed.

use smallvec::SmallVec;

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::hll::{self, Invalid, Mark, Union};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::View;
use crate::storage::{ValueRef, WrongType};
use crate::table::KeyFlag::{Access, Insert, RO, RW};
use crate::table::arg::{key, string};
use crate::table::{Category, Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        pfadd,
        Spec {
            name: "pfadd",
            group: Group::HyperLogLog,
            since: "2.8.9",
            summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
            complexity: "O(1) to add every element.",
            args: &[key("key", &[RW, Insert]), string("element").optional().multiple()],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::HyperLogLog],
            reply: "1 if the value changed or is new, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pfcount,
        Spec {
            name: "pfcount",
            group: Group::HyperLogLog,
            since: "2.8.9",
            summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
            complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
            args: &[key("key", &[RW, Access]).multiple()],
            flags: &[Flag::Readonly],
            acl: &[Category::HyperLogLog],
            key_notes: "RW because it may change the internal representation of the key, and propagate to replicas",
            reply: "about how many different elements were added to all of them together",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pfdebug,
        Spec {
            name: "pfdebug",
            group: Group::HyperLogLog,
            since: "2.8.9",
            summary: "Internal commands for debugging HyperLogLog values.",
            complexity: "N/A",
            args: &[string("subcommand"), key("key", &[RW, Access])],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Admin],
            acl: &[Category::HyperLogLog],
            reply: "GETREG: all registers, and the value is dense then; DECODE: the runs of a sparse value; ENCODING: dense or sparse; TODENSE: 1 if it was sparse",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pfmerge,
        Spec {
            name: "pfmerge",
            group: Group::HyperLogLog,
            since: "2.8.9",
            summary: "Merges one or more HyperLogLog values into a single key.",
            complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
            args: &[
                key("destkey", &[RW, Access, Insert]),
                key("sourcekey", &[RO, Access]).optional().multiple(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::HyperLogLog],
            reply: "OK",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        pfselftest,
        Spec {
            name: "pfselftest",
            group: Group::HyperLogLog,
            since: "2.8.9",
            summary: "An internal command for testing HyperLogLog values.",
            complexity: "N/A",
            flags: &[Flag::Admin],
            acl: &[Category::HyperLogLog],
            reply: "OK",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
];

/// Elements that PFSELFTEST counts: some milliseconds' worth.
const TESTED_ELEMENTS: u32 = 100_000;
/// How far from the truth it lets a count be: six times the standard error.
const TESTED_ERROR_MAX: f64 = 6.0 * 0.0081;

fn pfadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut marks = SmallVec::<[Mark; 8]>::new();
    while let Some(element) = args.try_take() {
        marks.push(Mark::of(element));
    }
    let sparse_bytes_max = ctx.settings.hll_sparse_bytes_max;
    let mut view = ctx.keys.view(&key);
    let old = view.peek(&key)?.map(ValueRef::as_slice);
    let is_changed = match old {
        Some(value) if hll::is_dense(value)? => view.edit_if(&key, hll::DENSE_BYTES, |bytes| {
            marks.iter().fold(false, |is_changed, mark| hll::raise_dense(bytes, *mark) | is_changed)
        })?,
        Some(value) if !raises_any(value, &marks)? => false,
        _ => {
            let mut value = old.map_or_else(hll::empty, <[u8]>::to_vec);
            for mark in &marks {
                hll::raise(&mut value, *mark, sparse_bytes_max)?;
            }
            put(&mut view, &key, &value)?;
            true
        }
    };
    if is_changed {
        view.notify(Classes::STRING, "pfadd", key.bytes);
    }
    ctx.reply.int(is_changed.into());
    Ok(())
}

fn raises_any(value: &[u8], marks: &[Mark]) -> Result<bool, Invalid> {
    for mark in marks {
        if hll::raises(value, *mark)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts a value under a key, whose deadline stays. Its encoding is `raw` then, as Redis's is.
fn put(view: &mut View<'_>, key: &Key<'_>, value: &[u8]) -> Result<(), WrongType> {
    view.edit(key, value.len(), |bytes| bytes.copy_from_slice(value))
}

fn pfcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = if args.left() == 1 { count_one(ctx, args)? } else { union(ctx, args)?.count() };
    ctx.reply.int(count as i64);
    Ok(())
}

/// The count of one key, noted in its value.
fn count_one(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<u64, CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let Some(value) = view.read(&key)?.map(ValueRef::as_slice) else { return Ok(0) };
    hll::is_dense(value)?;
    if let Some(count) = hll::cached(value) {
        return Ok(count);
    }
    let (count, len) = (hll::count(value)?, value.len());
    view.edit(&key, len, |bytes| hll::set_cached(bytes, count))?;
    Ok(count)
}

/// What all remaining keys hold together. Cost: a look at all registers of each.
fn union(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<Union, CommandError> {
    let mut union = Union::default();
    while !args.is_done() {
        let key = ctx.key(args)?;
        if let Some(value) = ctx.keys.view(&key).read(&key)? {
            union.add(value.as_slice())?;
        }
    }
    Ok(union)
}

fn pfmerge(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let target = ctx.key(&mut args.clone())?;
    // The target is one of the sources.
    let union = union(ctx, args)?;
    let mut view = ctx.keys.view(&target);
    let mut value = view.peek(&target)?.map_or_else(hll::empty, |value| value.as_slice().to_vec());
    union.put_into(&mut value, ctx.settings.hll_sparse_bytes_max)?;
    put(&mut view, &target, &value)?;
    view.notify(Classes::STRING, "pfadd", target.bytes);
    ctx.reply.ok();
    Ok(())
}

fn pfdebug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let name = args.take()?;
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let value = view.peek(&key)?.ok_or(CommandError::err("The specified key does not exist"))?.as_slice();
    let is_dense = hll::is_dense(value)?;
    match name.to_ascii_lowercase().as_slice() {
        b"encoding" => ctx.reply.simple(if is_dense { "dense" } else { "sparse" }),
        b"decode" if is_dense => return Err(CommandError::err("HLL encoding is not sparse")),
        b"decode" => ctx.reply.bulk(hll::written_runs(value)?.as_bytes()),
        b"todense" => {
            make_dense(&mut view, &key)?;
            ctx.reply.int((!is_dense).into());
        }
        b"getreg" => {
            make_dense(&mut view, &key)?;
            ctx.reply.array(hll::REGISTERS);
            if let Some(value) = view.peek(&key)? {
                hll::each_register(value.as_slice(), |register| ctx.reply.int(register.into()))?;
            }
        }
        _ => {
            let text = [b"ERR Unknown PFDEBUG subcommand '", name, b"'"];
            return Err(CommandError::text(text.concat()));
        }
    }
    Ok(())
}

/// Makes a key's value dense, if it is not.
fn make_dense(view: &mut View<'_>, key: &Key<'_>) -> Result<(), CommandError> {
    let old = view.peek(key)?.map(ValueRef::as_slice);
    let Some(old) = old.filter(|value| hll::is_dense(value) == Ok(false)) else { return Ok(()) };
    let mut value = old.to_vec();
    hll::make_dense(&mut value)?;
    Ok(put(view, key, &value)?)
}

/// Counts numbers in both forms: each tenfold of them must be near the truth, and both must agree.
fn pfselftest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let (mut sparse, mut dense, mut checked) = (hll::empty(), hll::empty(), 10);
    hll::make_dense(&mut dense)?;
    for number in 1..=TESTED_ELEMENTS {
        let mark = Mark::of(&number.to_le_bytes());
        hll::raise_dense(&mut dense, mark);
        hll::raise(&mut sparse, mark, ctx.settings.hll_sparse_bytes_max)?;
        if number == checked {
            checked *= 10;
            let (count, other) = (hll::count(&dense)?, hll::count(&sparse)?);
            let error = (count as f64 / f64::from(number) - 1.0).abs();
            if error > TESTED_ERROR_MAX || count != other {
                let text = format!("TESTFAILED {number} elements count as {count} and as {other}");
                return Err(CommandError::text(text));
            }
        }
    }
    ctx.reply.ok();
    Ok(())
}
