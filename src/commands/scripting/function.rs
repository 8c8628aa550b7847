//! FUNCTION: this server has no functions yet, so there is only the flush that clients and test suites
//! send before they begin.

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{one_of, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "function",
        group: Group::Scripting,
        since: "7.0.0",
        summary: "A container for function commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[Command::new(
        flush,
        Spec {
            name: "flush",
            group: Group::Scripting,
            since: "7.0.0",
            summary: "Deletes all libraries and functions: there are none.",
            args: &[one_of("async", &[token("async", "ASYNC"), token("sync", "SYNC")]).optional()],
            flags: &[Flag::Write, Flag::NoScript],
            acl: &[Category::Scripting],
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            reply: "OK",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    )],
)];

fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() > 1 {
        let text = [
            b"ERR unknown subcommand or wrong number of arguments for '",
            args.word(1),
            b"'. Try FUNCTION HELP.",
        ];
        return Err(CommandError::text(text.concat()));
    }
    if !args.skip("ASYNC") {
        args.skip("SYNC");
    }
    if !args.is_done() {
        return Err(CommandError::err("FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    ctx.reply.ok();
    Ok(())
}
