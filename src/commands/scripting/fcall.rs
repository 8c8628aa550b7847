//! FCALL and FCALL_RO: calls a function of a library.

use super::eval::{ANY_NOTES, ARGS, FLAGS, KEYS, READ_KEYS, READ_NOTES, RO_FLAGS, RUNS, Split};
use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::Spec;
use crate::table::arg::{key_count, string};

/// What both have in common.
const FCALL: Spec = Spec {
    since: "7.0.0",
    complexity: "Depends on the function that is executed.",
    reply: "what the function returns",
    ..RUNS
};

pub static COMMANDS: &[Command] = &[
    Command::new(
        fcall,
        Spec {
            name: "fcall",
            summary: "Invokes a function.",
            args: &[string("function"), key_count(), KEYS, ARGS],
            flags: FLAGS,
            key_notes: ANY_NOTES,
            ..FCALL
        },
    ),
    Command::new(
        fcall_ro,
        Spec {
            name: "fcall_ro",
            summary: "Invokes a read-only function.",
            args: &[string("function"), key_count(), READ_KEYS, ARGS],
            flags: RO_FLAGS,
            key_notes: READ_NOTES,
            ..FCALL
        },
    ),
];

fn fcall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    call(ctx, args, false)
}

fn fcall_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    call(ctx, args, true)
}

fn call(ctx: &mut Ctx<'_>, args: &mut Args<'_>, is_read_only: bool) -> Result<(), CommandError> {
    let found = ctx.find_function(args.take()?)?;
    if args.peek().and_then(parse_i64).is_none() {
        return Err(CommandError::err("Bad number of keys provided"));
    }
    let split = Split::read(args)?;
    ctx.run_function(&found, split.call(), is_read_only, args)
}
