//! SCRIPT: the sources that are kept, and the scripts that run.

use super::kill::kill;
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{one_of, string, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

/// What the subcommands have in common.
const SCRIPT: Spec = Spec {
    group: Group::Scripting,
    since: "2.6.0",
    flags: &[Flag::NoScript],
    acl: &[Category::Scripting],
    locking: Locking::None,
    ..Spec::EMPTY
};

const HELP: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode for subsequent scripts executed.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "SHOW <sha1>",
    "    Show a script from the scripts cache.",
];

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "script",
        group: Group::Scripting,
        since: "2.6.0",
        summary: "A container for Lua scripts management commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            debug,
            Spec {
                name: "debug",
                since: "3.2.0",
                summary: "Sets the debug mode of server-side Lua scripts.",
                complexity: "O(1)",
                args: &[one_of("mode", &[token("yes", "YES"), token("sync", "SYNC"), token("no", "NO")])],
                reply: "OK",
                ..SCRIPT
            },
        ),
        Command::new(
            exists,
            Spec {
                name: "exists",
                summary: "Determines whether server-side Lua scripts exist in the script cache.",
                complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
                args: &[string("sha1").multiple()],
                tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
                reply: "an array with 1 or 0 for each",
                ..SCRIPT
            },
        ),
        Command::new(
            flush,
            Spec {
                name: "flush",
                summary: "Removes all server-side Lua scripts from the script cache.",
                complexity: "O(N) with N being the number of scripts in cache",
                args: &[one_of("async", &[token("async", "ASYNC"), token("sync", "SYNC")])
                    .optional()
                    .since("6.2.0")],
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
                reply: "OK",
                ..SCRIPT
            },
        ),
        Command::new(
            script_help,
            Spec {
                name: "help",
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                ..SCRIPT
            },
        ),
        Command::new(
            script_kill,
            Spec {
                name: "kill",
                summary: "Terminates a server-side Lua script during execution.",
                complexity: "O(1)",
                flags: &[Flag::NoScript, Flag::AllowBusy],
                tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
                reply: "OK",
                ..SCRIPT
            },
        ),
        Command::new(
            load,
            Spec {
                name: "load",
                summary: "Loads a server-side Lua script to the script cache.",
                complexity: "O(N) with N being the length in bytes of the script body.",
                args: &[string("script")],
                flags: &[Flag::NoScript, Flag::Stale],
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                reply: "the SHA-1 of the script, 40 hexadecimal digits",
                ..SCRIPT
            },
        ),
        Command::new(
            show,
            Spec {
                name: "show",
                since: "8.0.0",
                summary: "Shows a server-side Lua script of the script cache.",
                complexity: "O(1)",
                args: &[string("sha1")],
                flags: &[Flag::NoScript, Flag::Stale],
                reply: "the text of the script, or an error where it is not known (as in Valkey 8)",
                ..SCRIPT
            },
        ),
    ],
)];

fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    match args.take()? {
        mode if mode.eq_ignore_ascii_case(b"no") => {
            ctx.reply.ok();
            Ok(())
        }
        mode if mode.eq_ignore_ascii_case(b"yes") || mode.eq_ignore_ascii_case(b"sync") => {
            Err(CommandError::err("SCRIPT DEBUG is not available"))
        }
        _ => Err(CommandError::err("Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

fn exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.now().mono_ms;
    ctx.reply.array(args.left());
    while let Some(sha) = args.try_take() {
        ctx.reply.int(i64::from(ctx.shared.scripts.get(sha, now_ms).is_some()));
    }
    Ok(())
}

fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() > 1 || !(args.is_done() || args.skip("ASYNC") || args.skip("SYNC")) {
        return Err(CommandError::err("SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    ctx.shared.scripts.flush();
    ctx.reply.ok();
    Ok(())
}

fn script_kill(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let shared = ctx.shared;
    kill(ctx, &shared.scripts.machines, &shared.functions.machines, "FUNCTION KILL")
}

fn load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let source = ctx.add_script(args.take()?, true)?;
    ctx.compile_script(&source)?;
    ctx.reply.bulk(source.sha.as_bytes());
    Ok(())
}

fn show(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let source = ctx.shared.scripts.get(args.take()?, ctx.now().mono_ms);
    let source = source.ok_or(CommandError::text("NOSCRIPT No matching script."))?;
    ctx.reply.bulk(&source.text);
    Ok(())
}

fn script_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "SCRIPT", HELP);
    Ok(())
}
