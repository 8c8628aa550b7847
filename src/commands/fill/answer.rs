//! FILL.PUT, MPUT, NONE, PASS, FAIL, RENEW: the leaders' side, and FILL.STALE.

use super::options::{grace, keep_options, key_count, lease_ms, ms_between, short_text};
use crate::base::hash::Key;
use crate::base::limits::FILL_MS_MAX;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::{Put, PutKind};
use crate::parking::Token;
use crate::protocol::reply::Reply;

/// By what a leader answers: who may not run it on a key does not lead there.
pub(super) const PUT: &str = "fill.put";

pub(super) fn put(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (token, value) = (args.take()?, args.value()?);
    let keep = keep_options(ctx, args, "fill.put", true)?;
    let kind = PutKind::Value { value, grace_ms: keep.grace_ms, idle_ms: keep.idle_ms };
    let done = answer(ctx, &key, token, kind, keep.expire_at);
    write_put(&mut ctx.reply, done);
    Ok(())
}

pub(super) fn mput(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = key_count(args, 3)?;
    let mut triples = Vec::with_capacity(count);
    for _ in 0..count {
        let key = ctx.key(args)?;
        triples.push((key, args.take()?, args.value()?));
    }
    let options = args.position();
    // Each value draws its own JITTER; the options are read once before anything is stored.
    keep_options(ctx, args, "fill.mput", true)?;
    ctx.keys.hold(triples.iter().map(|(key, ..)| key.hash))?;
    ctx.reply.array(count);
    for (key, token, value) in triples {
        args.seek(options);
        let keep = keep_options(ctx, args, "fill.mput", true)?;
        let kind = PutKind::Value { value, grace_ms: keep.grace_ms, idle_ms: keep.idle_ms };
        let done = answer(ctx, &key, token, kind, keep.expire_at);
        write_put(&mut ctx.reply, done);
    }
    Ok(())
}

pub(super) fn none(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    put_mark(ctx, args, "fill.none", PutKind::None)
}

pub(super) fn pass(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    put_mark(ctx, args, "fill.pass", PutKind::Pass)
}

fn put_mark(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    command: &'static str,
    kind: PutKind<'_>,
) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let token = args.take()?;
    let keep = keep_options(ctx, args, command, false)?;
    let done = answer(ctx, &key, token, kind, keep.expire_at);
    write_put(&mut ctx.reply, done);
    Ok(())
}

fn answer(ctx: &mut Ctx<'_>, key: &Key<'_>, token: &[u8], kind: PutKind<'_>, expire_at: Option<i64>) -> Put {
    match Token::parse(token) {
        Some(token) => ctx.keys.view(key).fill_put(key, token, kind, expire_at),
        None => {
            ctx.counters().add(crate::base::metrics::Counter::FillPutsVoid, 1);
            Put::Void
        }
    }
}

pub(super) fn fail(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let token = args.take()?;
    let message = match args.left() {
        1 | 3 => Some(short_text(args.take()?, "message")?),
        _ => None,
    };
    let retry_ms = if args.is_done() {
        None
    } else if args.skip("RETRY") {
        Some(ms_between(args, "RETRY", 0, FILL_MS_MAX)?)
    } else {
        return Err(CommandError::Syntax);
    };
    args.finish()?;
    let done = match Token::parse(token) {
        Some(token) => ctx.keys.view(&key).fill_fail(&key, token, message, retry_ms),
        None => {
            ctx.counters().add(crate::base::metrics::Counter::FillPutsVoid, 1);
            Put::Void
        }
    };
    write_put(&mut ctx.reply, done);
    Ok(())
}

pub(super) fn renew(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let token = args.take()?;
    let lease = if args.skip("LEASE") { Some(lease_ms(args)?) } else { None };
    args.finish()?;
    let left_ms = Token::parse(token).map_or(0, |token| ctx.keys.view(&key).fill_renew(&key, token, lease));
    ctx.reply.int(left_ms as i64);
    Ok(())
}

pub(super) fn stale(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let grace_ms = if args.skip("GRACE") { Some(grace(args)?) } else { None };
    args.finish()?;
    let kept = ctx.keys.view(&key).fill_stale(&key, grace_ms)?;
    ctx.reply.int(i64::from(kept));
    Ok(())
}

fn write_put(reply: &mut Reply<'_>, done: Put) {
    reply.simple(match done {
        Put::Stored => "OK",
        Put::Dup => "DUP",
        Put::Void => "VOID",
    });
}
