//! MODULE: there are none, and none can be loaded. Tools ask for the list to learn what a server can do.

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::help;
use super::spec::{Flag, Group, Handler, Locking, Spec};

pub static ROWS: &[Spec] = &[Spec {
    name: "module",
    group: Group::Server,
    since: "4.0.0",
    summary: "A container for module commands.",
    complexity: "Depends on subcommand.",
    reply: "depends on the subcommand",
    subcommands: &[
        Spec {
            name: "help",
            group: Group::Server,
            since: "5.0.0",
            summary: "Returns helpful text about the different subcommands.",
            flags: &[Flag::Loading, Flag::Stale],
            reply: "lines of help",
            locking: Locking::None,
            handler: Handler::Run(module_help),
            ..Spec::EMPTY
        },
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
            handler: Handler::Run(list),
            ..Spec::EMPTY
        },
    ],
    handler: Handler::Subcommands,
    ..Spec::EMPTY
}];

const HELP: &[&str] = &["LIST", "    Return a list of loaded modules."];

fn list(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(0);
    Ok(())
}

fn module_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "MODULE", HELP);
    Ok(())
}
