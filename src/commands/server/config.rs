//! CONFIG: the settings as commands. What they are called, take and mean stands in `crate::config`.
//!
//! Invariant: a change is applied and stored as a whole, or refused as a whole; two changes at once
//! follow each other.

use crate::commands::help;
use crate::config::{self, Extent};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::live::Unapplied;
use crate::dispatch::users::user_lines;
use crate::table::arg::{block, string};
use crate::table::{Flag, Group, Locking, Secrets, Spec};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "config",
        group: Group::Server,
        since: "2.0.0",
        summary: "A container for server configuration commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            config_get,
            Spec {
                name: "get",
                group: Group::Server,
                since: "2.0.0",
                summary: "Returns the effective values of configuration parameters.",
                complexity: "O(N) when N is the number of configuration parameters provided",
                args: &[block("parameter", &[string("parameter")]).multiple()],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
                reply: "a map of names and values",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            config_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            config_resetstat,
            Spec {
                name: "resetstat",
                group: Group::Server,
                since: "2.0.0",
                summary: "Resets the server's statistics.",
                complexity: "O(1)",
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            config_rewrite,
            Spec {
                name: "rewrite",
                group: Group::Server,
                since: "2.8.0",
                summary: "Persists the effective configuration to file.",
                complexity: "O(1)",
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            config_set,
            Spec {
                name: "set",
                group: Group::Server,
                since: "2.0.0",
                summary: "Sets configuration parameters in-flight.",
                complexity: "O(N) when N is the number of configuration parameters provided",
                args: &[block("parameter_value", &[string("parameter"), string("value")]).multiple()],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
                reply: "OK",
                locking: Locking::None,
                secrets: Secrets::Settings,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

fn config_get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut patterns = Vec::with_capacity(args.left());
    while let Some(pattern) = args.try_take() {
        patterns.push(pattern);
    }
    let found = config::get(ctx.settings, &patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name);
        ctx.reply.bulk(&value);
    }
    Ok(())
}

fn config_set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if !args.left().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let mut pairs = Vec::with_capacity(args.left() / 2);
    while !args.is_done() {
        pairs.push((args.take()?, args.take()?));
    }
    let mut before = None;
    ctx.shared.settings.change(
        |settings| {
            before.clone_from(&settings.requirepass);
            config::set_many(settings, &pairs).map_err(|error| CommandError::err(error.to_string()))
        },
        |Unapplied { setting, reason }| {
            let related = format!("(possibly related to argument '{setting}')");
            CommandError::err(format!("CONFIG SET failed {related} - {reason}"))
        },
    )?;
    ctx.take_password_over(before.as_deref());
    // This very command may be one that the slow log wants now.
    ctx.meter.apply(&ctx.shared.settings.load());
    ctx.keys.spread(ctx.shared.settings.load().maxmemory_bytes);
    ctx.trim_tracked();
    for client in ctx.shared.evict_clients(&ctx.shared.settings.load(), ctx.keys.scope.counters) {
        if client.id == ctx.session.client.id {
            // After the reply.
            ctx.session.closes = true;
        } else {
            client.kill();
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn config_resetstat(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.meter.hand_over();
    ctx.shared.reset_figures();
    ctx.reply.ok();
    Ok(())
}

fn config_rewrite(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    rewrite_file(ctx, Extent::Needed)
}

/// CONFIG REWRITE, and DEBUG CONFIG-REWRITE-FORCE-ALL.
pub fn rewrite_file(ctx: &mut Ctx<'_>, extent: Extent) -> Result<(), CommandError> {
    let users = user_lines(&ctx.shared.settings.load(), ctx.shared.table, &ctx.shared.users.load());
    let written = ctx.shared.settings.rewrite(&users, extent);
    let written = written.ok_or_else(|| CommandError::err("The server is running without a config file"))?;
    written.map_err(|error| CommandError::err(format!("Rewriting config file: {error}")))?;
    ctx.reply.ok();
    Ok(())
}

fn config_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "CONFIG", HELP);
    Ok(())
}
