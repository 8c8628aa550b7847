//! LOLWUT: a drawing and the version, for people who wonder what this port speaks.

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::REDIS_VERSION;
use crate::table::arg::integer;
use crate::table::{Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    lolwut,
    Spec {
        name: "lolwut",
        group: Group::Server,
        since: "5.0.0",
        summary: "Displays computer art and the Redis version",
        complexity: "O(1)",
        args: &[integer("version").token("VERSION").optional()],
        flags: &[Flag::Readonly, Flag::Fast],
        reply: "a drawing and the version",
        locking: Locking::None,
        ..Spec::EMPTY
    },
)];

/// Callers on their way through one fill.
const DRAWING: &str = "\
  o   o o  o  o o   o
   \\  \\|  | /  / /  /
    \\__\\__|_/__/_/__/
            |
            O
";

fn lolwut(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() >= 2 && args.skip("VERSION") {
        args.integer()?;
    }
    // Other words are for drawings of other versions, and no error in Redis either.
    ctx.reply
        .verbatim(&format!("{DRAWING}\nRedis ver. {REDIS_VERSION}, onefill {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}
