//! Reading whole values: GET, MGET, and the commands that read a value and change its key.
//!
//! A large value goes into the reply by reference, so no lock is held while it is copied or sent.

use super::lifetime::Lifetime;
use crate::commands::args::Args;
use crate::commands::ctx::Ctx;
use crate::commands::error::CommandError;
use crate::commands::value::write_found;

pub(super) fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = args.key(ctx.keys.keyspace)?;
    write_found(&mut ctx.reply, ctx.keys.view(&key).read(&key));
    Ok(())
}

pub(super) fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(args.left());
    while !args.is_done() {
        get(ctx, args)?;
    }
    Ok(())
}

pub(super) fn getdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = args.key(ctx.keys.keyspace)?;
    let mut view = ctx.keys.view(&key);
    write_found(&mut ctx.reply, view.read(&key));
    // Also where no key is: its fill may be under way, and must not bring back what was deleted.
    view.remove(&key);
    Ok(())
}

pub(super) fn getex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = args.key(ctx.keys.keyspace)?;
    let mut lifetime = Lifetime::Unsaid;
    while !args.is_done() {
        if !lifetime.read(args, "PERSIST")? {
            return Err(CommandError::Syntax);
        }
    }
    let mut view = ctx.keys.view(&key);
    // A wrong number is an error only where there is a key, as in Redis.
    let deadline = match lifetime {
        Lifetime::Until(unit, number) => match unit.deadline(number, ctx.now.wall_ms, "getex") {
            Err(error) if view.peek(&key).is_some() => return Err(error),
            deadline => deadline.ok(),
        },
        Lifetime::Unsaid | Lifetime::Alone => None,
    };
    write_found(&mut ctx.reply, view.read(&key));
    if let Some(at) = deadline {
        // A past deadline deletes, so it voids a fill also where no key is.
        view.set_expire_at(&key, Some(at));
    } else if lifetime == Lifetime::Alone && view.expire_at(&key).flatten().is_some() {
        view.set_expire_at(&key, None);
    }
    Ok(())
}
