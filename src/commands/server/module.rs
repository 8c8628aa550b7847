//! MODULE: there are none, and none can be loaded. Tools ask for the list to learn what a server can do.

use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::{Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "module",
        group: Group::Server,
        since: "4.0.0",
        summary: "A container for module commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            module_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            list,
            Spec {
                name: "list",
                group: Group::Server,
                since: "4.0.0",
                summary: "Returns all loaded modules: there are none.",
                complexity: "O(1)",
                flags: &[Flag::Admin, Flag::NoScript],
                tips: &["nondeterministic_output_order"],
                reply: "an empty array",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &["LIST", "    Return a list of loaded modules."];

fn list(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(0);
    Ok(())
}

fn module_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "MODULE", HELP);
    Ok(())
}
