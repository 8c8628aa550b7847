//! Writing whole values: SET and the older commands that it replaces, MSET and MSETNX.
//!
//! Large values are copied out of the request before any lock is taken.

use super::lifetime::{Lifetime, Unit, idle_ms};
use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_found;
use crate::keyspace::{Expiry, SetWhen};
use crate::storage::NewValue;

/// The options of SET.
struct SetOptions<'a> {
    when: SetWhen<'a>,
    /// GET: answer with the value before.
    returns_old: bool,
    lifetime: Lifetime<'a>,
    idle: Option<&'a [u8]>,
}

impl<'a> SetOptions<'a> {
    fn read(args: &mut Args<'a>) -> Result<SetOptions<'a>, CommandError> {
        let mut options =
            SetOptions { when: SetWhen::Always, returns_old: false, lifetime: Lifetime::Unsaid, idle: None };
        while !args.is_done() {
            if options.lifetime.read(args, "KEEPTTL")? {
                continue;
            }
            if args.skip("NX") {
                options.restrict(SetWhen::Absent)?;
            } else if args.skip("XX") {
                options.restrict(SetWhen::Present)?;
            } else if args.skip("IFEQ") {
                options.restrict(SetWhen::Equals(args.take()?))?;
            } else if args.skip("GET") {
                options.returns_old = true;
            } else if args.skip("IDLE") {
                options.idle = Some(args.take()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// NX and XX may be repeated; otherwise conditions exclude each other.
    fn restrict(&mut self, when: SetWhen<'a>) -> Result<(), CommandError> {
        let is_repeated = self.when == when && !matches!(when, SetWhen::Equals(_));
        if self.when != SetWhen::Always && !is_repeated {
            return Err(CommandError::Syntax);
        }
        self.when = when;
        Ok(())
    }

    fn expiry(&self, now_ms: i64) -> Result<Expiry, CommandError> {
        Ok(match self.lifetime {
            Lifetime::Unsaid => Expiry::None,
            Lifetime::Alone => Expiry::Keep,
            Lifetime::Until(unit, number) => Expiry::At(unit.deadline(number, now_ms, "set")?),
        })
    }
}

pub(super) fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let value = args.value()?;
    let options = SetOptions::read(args)?;
    let now_ms = ctx.now().wall_ms;
    let expiry = options.expiry(now_ms)?;
    let idle_ms = options.idle.map(|number| idle_ms(number, now_ms, "set")).transpose()?;
    let mut view = ctx.keys.view(&key);
    if options.returns_old {
        write_found(&mut ctx.reply, view.read(&key)?);
    }
    let is_admitted = view.admits(&key, &options.when)?;
    if is_admitted {
        view.set_idle(&key, &value, expiry, idle_ms);
    }
    match (options.returns_old, is_admitted) {
        (true, _) => {}
        (false, true) => ctx.reply.ok(),
        (false, false) => ctx.reply.null(),
    }
    Ok(())
}

pub(super) fn setnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let value = args.value()?;
    let mut view = ctx.keys.view(&key);
    let is_admitted = !view.has(&key);
    if is_admitted {
        view.set(&key, &value, Expiry::None);
    }
    ctx.reply.int(i64::from(is_admitted));
    Ok(())
}

pub(super) fn setex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_until(ctx, args, Unit::Seconds, "setex")
}

pub(super) fn psetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_until(ctx, args, Unit::Milliseconds, "psetex")
}

fn set_until(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    unit: Unit,
    command: &'static str,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let expire_at = unit.deadline(args.take()?, ctx.now().wall_ms, command)?;
    let value = args.value()?;
    ctx.keys.view(&key).set(&key, &value, Expiry::At(expire_at));
    ctx.reply.ok();
    Ok(())
}

pub(super) fn getset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let value = args.value()?;
    let mut view = ctx.keys.view(&key);
    write_found(&mut ctx.reply, view.read(&key)?);
    view.set(&key, &value, Expiry::None);
    Ok(())
}

pub(super) fn mset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let pairs = pairs(ctx, args, "mset")?;
    ctx.keys.hold(pairs.iter().map(|(key, _)| key.hash))?;
    set_all(ctx, &pairs);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn msetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let pairs = pairs(ctx, args, "msetnx")?;
    ctx.keys.hold(pairs.iter().map(|(key, _)| key.hash))?;
    let is_admitted = !pairs.iter().any(|(key, _)| ctx.keys.view(key).has(key));
    if is_admitted {
        set_all(ctx, &pairs);
    }
    ctx.reply.int(i64::from(is_admitted));
    Ok(())
}

/// Keys with their values, copied where they are large.
fn pairs<'a>(
    ctx: &Ctx<'_>,
    args: &mut Args<'a>,
    command: &str,
) -> Result<Vec<(Key<'a>, NewValue<'a>)>, CommandError> {
    if !args.left().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(command));
    }
    let mut pairs = Vec::with_capacity(args.left() / 2);
    while !args.is_done() {
        let key = ctx.key(args)?;
        pairs.push((key, args.value()?));
    }
    Ok(pairs)
}

fn set_all(ctx: &mut Ctx<'_>, pairs: &[(Key<'_>, NewValue<'_>)]) {
    for (key, value) in pairs {
        ctx.keys.view(key).set(key, value, Expiry::None);
    }
}
