//! LOLWUT: a drawing and the version, for whoever wonders what this port speaks.

use super::args::Args;
use super::connection::REDIS_VERSION;
use super::ctx::Ctx;
use super::error::CommandError;
use super::spec::{Flag, Group, Handler, Locking, Spec, integer};

pub static ROWS: &[Spec] = &[Spec {
    name: "lolwut",
    group: Group::Server,
    since: "5.0.0",
    summary: "Displays computer art and the Redis version",
    complexity: "O(1)",
    args: &[integer("version").token("VERSION").optional()],
    flags: &[Flag::Readonly, Flag::Fast],
    reply: "a drawing and the version",
    locking: Locking::None,
    handler: Handler::Run(lolwut),
    ..Spec::EMPTY
}];

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
