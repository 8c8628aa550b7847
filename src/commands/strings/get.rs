//! Reading whole values: GET, MGET, and the commands that read a value and change its key.
//!
//! A large value goes into the reply by reference, so no lock is held while it is copied or sent.

use super::lifetime::{Lifetime, idle_ms};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_found;
use crate::keyspace::Ends;

pub(super) fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    write_found(&mut ctx.reply, ctx.keys.view(&key).read(&key)?);
    Ok(())
}

pub(super) fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(args.left());
    while !args.is_done() {
        let key = ctx.key(args)?;
        // What is no string counts as absent here, and not as an error.
        write_found(&mut ctx.reply, ctx.keys.view(&key).read(&key).unwrap_or_default());
    }
    Ok(())
}

pub(super) fn getdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    write_found(&mut ctx.reply, view.read(&key)?);
    // Also where no key is: its fill may be under way, and must not bring back what was deleted.
    view.remove(&key);
    Ok(())
}

pub(super) fn getex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (mut lifetime, mut idle) = (Lifetime::Unsaid, None);
    while !args.is_done() {
        if args.skip("IDLE") {
            idle = Some(args.take()?);
        } else if !lifetime.read(args, "PERSIST")? {
            return Err(CommandError::Syntax);
        }
    }
    let wall_ms = ctx.now().wall_ms;
    let mut view = ctx.keys.view(&key);
    view.peek(&key)?;
    let before = view.ends(&key);
    // A wrong number is an error only where there is a key, as in Redis.
    let ends = match new_ends(lifetime, idle, before.unwrap_or_default(), wall_ms) {
        Err(error) if before.is_some() => return Err(error),
        ends => ends.ok().flatten(),
    };
    write_found(&mut ctx.reply, view.read(&key)?);
    if let Some(ends) = ends.filter(|ends| *ends != Ends::default() || before.is_some_and(|old| old != *ends))
    {
        // A past deadline deletes, so it voids a fill also where no key is.
        view.set_ends(&key, ends);
    }
    Ok(())
}

/// When the key ends by GETEX's options; `None` where they say nothing.
fn new_ends(
    lifetime: Lifetime<'_>,
    idle: Option<&[u8]>,
    before: Ends,
    now_ms: i64,
) -> Result<Option<Ends>, CommandError> {
    let idle_ms = idle.map(|number| idle_ms(number, now_ms, "getex")).transpose()?;
    Ok(match lifetime {
        Lifetime::Until(unit, number) => {
            let until = Some(unit.deadline(number, now_ms, "getex")?);
            Some(Ends { until, idle_ms: idle_ms.or(before.idle_ms) })
        }
        Lifetime::Alone => Some(Ends { until: None, idle_ms }),
        Lifetime::Unsaid => idle_ms.map(|ms| Ends { idle_ms: Some(ms), ..before }),
    })
}
