//! EVAL and its kin: which script, which keys.

use std::sync::Arc;

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::script::{Call, Source};
use crate::table::arg::{Arg, KeyFlag, key, key_count, string};
use crate::table::{Category, Flag, Group, Locking, Role, Spec};

const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
/// We cannot know what a script does with them.
const ANY: &[KeyFlag] = &[KeyFlag::RW, KeyFlag::Access, KeyFlag::Update];
const READ: &[KeyFlag] = &[KeyFlag::RO, KeyFlag::Access];
pub(super) const ANY_NOTES: &str =
    "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
pub(super) const READ_NOTES: &str =
    "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";
pub(super) const FLAGS: &[Flag] =
    &[Flag::NoScript, Flag::Stale, Flag::SkipMonitor, Flag::NoMandatoryKeys, Flag::MovableKeys];
pub(super) const RO_FLAGS: &[Flag] = &[
    Flag::Readonly,
    Flag::NoScript,
    Flag::Stale,
    Flag::SkipMonitor,
    Flag::NoMandatoryKeys,
    Flag::MovableKeys,
];

pub(super) const KEYS: Arg = key("key", ANY).optional().multiple();
pub(super) const READ_KEYS: Arg = key("key", READ).optional().multiple();
pub(super) const ARGS: Arg = string("arg").optional().multiple();

/// What all have in common that run something, FCALL too.
pub(super) const RUNS: Spec = Spec {
    group: Group::Scripting,
    acl: &[Category::Scripting],
    locking: Locking::Itself,
    role: Role::Script,
    ..Spec::EMPTY
};
const EVAL: Spec =
    Spec { complexity: "Depends on the script that is executed.", reply: "what the script returns", ..RUNS };

pub static COMMANDS: &[Command] = &[
    Command::new(
        eval,
        Spec {
            name: "eval",
            since: "2.6.0",
            summary: "Executes a server-side Lua script.",
            args: &[string("script"), key_count(), KEYS, ARGS],
            flags: FLAGS,
            key_notes: ANY_NOTES,
            ..EVAL
        },
    ),
    Command::new(
        eval_ro,
        Spec {
            name: "eval_ro",
            since: "7.0.0",
            summary: "Executes a read-only server-side Lua script.",
            args: &[string("script"), key_count(), READ_KEYS, ARGS],
            flags: RO_FLAGS,
            key_notes: READ_NOTES,
            ..EVAL
        },
    ),
    Command::new(
        evalsha,
        Spec {
            name: "evalsha",
            since: "2.6.0",
            summary: "Executes a server-side Lua script by SHA1 digest.",
            args: &[string("sha1"), key_count(), KEYS, ARGS],
            flags: FLAGS,
            ..EVAL
        },
    ),
    Command::new(
        evalsha_ro,
        Spec {
            name: "evalsha_ro",
            since: "7.0.0",
            summary: "Executes a read-only server-side Lua script by SHA1 digest.",
            args: &[string("sha1"), key_count(), READ_KEYS, ARGS],
            flags: RO_FLAGS,
            ..EVAL
        },
    ),
];

fn eval(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let text = args.take()?;
    let split = Split::read(args)?;
    let source = ctx.add_script(text, false)?;
    split.run(ctx, &source, false)
}

fn eval_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let text = args.take()?;
    let split = Split::read(args)?;
    let source = ctx.add_script(text, false)?;
    split.run(ctx, &source, true)
}

fn evalsha(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    by_sha(ctx, args, false)
}

fn evalsha_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    by_sha(ctx, args, true)
}

fn by_sha(ctx: &mut Ctx<'_>, args: &mut Args<'_>, is_read_only: bool) -> Result<(), CommandError> {
    let sha = args.take()?;
    let split = Split::read(args)?;
    let known = ctx.find_script(sha).ok_or_else(|| CommandError::text(NO_SCRIPT))?;
    split.run(ctx, &known.source, is_read_only)
}

/// The words behind a script: its keys and its arguments.
pub(super) struct Split<'a> {
    words: Vec<&'a [u8]>,
    keys: usize,
}

impl<'a> Split<'a> {
    pub fn read(args: &mut Args<'a>) -> Result<Split<'a>, CommandError> {
        let count = args.integer()?;
        let Ok(count) = usize::try_from(count) else {
            return Err(CommandError::err("Number of keys can't be negative"));
        };
        if count > args.left() {
            return Err(CommandError::err("Number of keys can't be greater than number of args"));
        }
        let mut words = Vec::with_capacity(args.left());
        words.extend(std::iter::from_fn(|| args.try_take()));
        Ok(Split { words, keys: count })
    }

    pub fn call(&self) -> Call<'_> {
        let (keys, argv) = self.words.split_at(self.keys);
        Call { keys, argv }
    }

    fn run(&self, ctx: &mut Ctx<'_>, source: &Arc<Source>, is_read_only: bool) -> Result<(), CommandError> {
        ctx.run_script(source, self.call(), is_read_only)
    }
}
