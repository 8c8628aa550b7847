//! CLIENT PAUSE and UNPAUSE: for a while, requests are put off instead of run.
//!
//! A request that is put off stays in its connection's buffer and runs when the pause ends; what was parked
//! before keeps its deadlines and is answered. Replies still flow. Keys expire meanwhile: there is no replica
//! that could come to see it otherwise.

use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;

/// CLIENT PAUSE.
pub fn client_pause(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let word = args.take()?;
    let spares_reads = match args.try_take() {
        None => false,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => false,
        Some(_) => return Err(CommandError::err("CLIENT PAUSE mode must be WRITE or ALL")),
    };
    if !args.is_done() {
        let name = args.word(1);
        let text =
            [b"ERR unknown subcommand or wrong number of arguments for '", name, b"'. Try CLIENT HELP."];
        return Err(CommandError::text(text.concat()));
    }
    let ms = parse_i64(word).ok_or_else(|| CommandError::err("timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::err("timeout is negative"))?;
    let now = ctx.now().mono_ms;
    let until = now.checked_add(ms).filter(|until| i64::try_from(*until).is_ok());
    let until = until.ok_or_else(|| CommandError::err("timeout is out of range"))?;
    ctx.shared.operator.pause.begin(until, spares_reads, now);
    ctx.reply.ok();
    Ok(())
}

/// CLIENT UNPAUSE.
pub fn client_unpause(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.shared.operator.pause.end();
    // Every worker's sweeper looks at once, and wakes the connections that wait for the end.
    ctx.keys.effects.alarms.extend((0..ctx.shared.figures.identity.workers).map(|worker| (worker, 0)));
    ctx.reply.ok();
    Ok(())
}
