//! Values as packed integers: BITFIELD, BITFIELD_RO.
//!
//! Owns the operations' grammar; `field` is their arithmetic. All operations of a command are read, and
//! refused if wrong, before the first one runs; then they run under one hold of the key's lock.

mod field;

use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::commands::strings::bits::{bit_offset, checked_offset};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::storage::ValueRef;
use crate::table::KeyFlag::{Access, RO, RW, Update, VariableFlags};
use crate::table::arg::{block, integer, key, one_of, string, token};
use crate::table::{Category, Flag, Group, Spec, Varying};
use field::{Field, Overflow};

pub static COMMANDS: &[Command] = &[
    Command::new(
        bitfield,
        Spec {
            name: "bitfield",
            group: Group::Bitmap,
            since: "3.2.0",
            summary: "Performs arbitrary bitfield integer operations on strings.",
            complexity: "O(1) for each subcommand specified",
            args: &[
                key("key", &[RW, Access, Update, VariableFlags]),
                one_of(
                    "operation",
                    &[
                        block("encoding_offset", &[string("encoding"), integer("offset")]).token("GET"),
                        block(
                            "write",
                            &[
                                one_of(
                                    "wrap_sat_fail",
                                    &[token("wrap", "WRAP"), token("sat", "SAT"), token("fail", "FAIL")],
                                )
                                .token("OVERFLOW")
                                .optional(),
                                one_of(
                                    "write_operation",
                                    &[
                                        block(
                                            "encoding_offset_value",
                                            &[string("encoding"), integer("offset"), integer("value")],
                                        )
                                        .token("SET"),
                                        block(
                                            "encoding_offset_increment",
                                            &[string("encoding"), integer("offset"), integer("increment")],
                                        )
                                        .token("INCRBY"),
                                    ],
                                ),
                            ],
                        ),
                    ],
                )
                .multiple()
                .optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Bitmap],
            key_notes: "This command allows both access and modification of the key",
            reply: "for each GET, SET and INCRBY the field's value: after INCRBY the new, after SET the old one; nil where it would overflow under FAIL",
            varying: Some(Varying::BitfieldOnlyGets),
            ..Spec::EMPTY
        },
    ),
    Command::new(
        bitfield_ro,
        Spec {
            name: "bitfield_ro",
            group: Group::Bitmap,
            since: "6.0.0",
            summary: "Performs arbitrary read-only bitfield integer operations on strings.",
            complexity: "O(1) for each subcommand specified",
            args: &[
                key("key", &[RO, Access]),
                block("encoding_offset", &[string("encoding"), integer("offset")])
                    .token("GET")
                    .multiple_token()
                    .optional(),
            ],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Bitmap],
            reply: "for each GET the field's value",
            ..Spec::EMPTY
        },
    ),
];

const UNKNOWN_TYPE: &str =
    "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

/// One operation on one field.
#[derive(Clone, Copy, Debug)]
struct Step {
    field: Field,
    /// In bits.
    offset: u64,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

impl Step {
    /// Works on the field: its reply, and whether the bytes changed. `None` is an overflow that fails.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let before = self.field.read(bytes, self.offset);
        let (after, reply) = match self.action {
            Action::Get => return (Some(before), false),
            Action::Set(value, overflow) => {
                let after = self.field.set(value, overflow);
                (after, after.map(|_| before))
            }
            Action::Increment(increment, overflow) => {
                let after = self.field.increment(before, increment, overflow);
                (after, after)
            }
        };
        if let Some(after) = after {
            self.field.write(bytes, self.offset, after);
        }
        (reply, after.is_some_and(|after| after != before))
    }

    /// Bytes the value must have for this step to write.
    fn reach(&self) -> Option<usize> {
        let last_bit = self.offset + u64::from(self.field.bits()) - 1;
        (self.action != Action::Get).then_some((last_bit / 8) as usize + 1)
    }
}

/// Reads all operations; `OVERFLOW` holds for those behind it.
fn read_steps(ctx: &Ctx<'_>, args: &mut Args<'_>) -> Result<Vec<Step>, CommandError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    while let Some(word) = args.try_take() {
        let is =
            |name: &str, words: usize| word.eq_ignore_ascii_case(name.as_bytes()) && args.left() >= words;
        if is("OVERFLOW", 1) {
            overflow = read_overflow(args)?;
        } else if is("GET", 2) {
            let (field, offset) = read_place(ctx, args)?;
            steps.push(Step { field, offset, action: Action::Get });
        } else if is("SET", 3) {
            let (field, offset) = read_place(ctx, args)?;
            steps.push(Step { field, offset, action: Action::Set(args.integer()?, overflow) });
        } else if is("INCRBY", 3) {
            let (field, offset) = read_place(ctx, args)?;
            steps.push(Step { field, offset, action: Action::Increment(args.integer()?, overflow) });
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(steps)
}

fn read_overflow(args: &mut Args<'_>) -> Result<Overflow, CommandError> {
    let known = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
    let found = known.into_iter().find(|(name, _)| args.skip(name));
    found.map(|(_, overflow)| overflow).ok_or_else(|| CommandError::err("Invalid OVERFLOW type specified"))
}

/// A type and an offset; `#n` is the n-th field of that type.
fn read_place(ctx: &Ctx<'_>, args: &mut Args<'_>) -> Result<(Field, u64), CommandError> {
    let field = Field::parse(args.take()?).ok_or_else(|| CommandError::err(UNKNOWN_TYPE))?;
    let word = args.take()?;
    let Some(number) = word.strip_prefix(b"#") else { return Ok((field, bit_offset(ctx, word)?)) };
    parse_i64(number)
        .and_then(|number| number.checked_mul(i64::from(field.bits())))
        .and_then(|offset| checked_offset(ctx, offset))
        .map(|offset| (field, offset))
        .ok_or_else(|| CommandError::err("bit offset is not an integer or out of range"))
}

fn bitfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let steps = read_steps(ctx, args)?;
    match steps.iter().filter_map(Step::reach).max() {
        Some(reach) => write_fields(ctx, &key, &steps, reach),
        None => read_fields(ctx, &key, &steps),
    }
}

fn bitfield_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let steps = read_steps(ctx, args)?;
    if steps.iter().any(|step| step.action != Action::Get) {
        return Err(CommandError::err("BITFIELD_RO only supports the GET subcommand"));
    }
    read_fields(ctx, &key, &steps)
}

fn read_fields(ctx: &mut Ctx<'_>, key: &Key<'_>, steps: &[Step]) -> Result<(), CommandError> {
    let mut view = ctx.keys.view(key);
    let bytes = view.read(key)?.map_or(&[][..], ValueRef::as_slice);
    ctx.reply.array(steps.len());
    for step in steps {
        ctx.reply.int(step.field.read(bytes, step.offset));
    }
    Ok(())
}

/// Runs steps of which at least one writes. As in Redis the value grows to `reach` first, so also where
/// every write then fails.
fn write_fields(ctx: &mut Ctx<'_>, key: &Key<'_>, steps: &[Step], reach: usize) -> Result<(), CommandError> {
    let reply = &mut ctx.reply;
    let mut view = ctx.keys.view(key);
    let len = view.peek(key)?.map_or(0, ValueRef::len).max(reach);
    reply.array(steps.len());
    let tells = view.edit_if(key, len, |bytes| {
        let mut is_changed = false;
        for step in steps {
            let (answer, changes) = step.run(bytes);
            is_changed |= changes;
            match answer {
                Some(value) => reply.int(value),
                None => reply.null(),
            }
        }
        is_changed
    })?;
    if tells {
        view.notify(Classes::STRING, "setbit", key.bytes);
    }
    Ok(())
}
