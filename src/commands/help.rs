//! The replies of the HELP subcommands, in Redis's shape.

use crate::dispatch::ctx::Ctx;

/// Writes the lines of `command`'s help: what to call, one line or more per subcommand, and HELP itself.
pub fn write(ctx: &mut Ctx<'_>, command: &str, lines: &[&str]) {
    ctx.reply.array(lines.len() + 3);
    ctx.reply.simple(&format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| ctx.reply.simple(line));
    ctx.reply.simple("HELP");
    ctx.reply.simple("    Prints this help.");
}
