//! Parts of values: APPEND, STRLEN, GETRANGE, SUBSTR, SETRANGE.
//!
//! Growing is bounded by `proto-max-bulk-len`. A part of a large value is read by reference.

use super::span::Span;
use crate::base::events::Classes;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::Expiry;
use crate::storage::{NewValue, ValueRef};

/// Parts of a shared value from this size on are not copied into the reply, bytes.
const SHARED_PART_BYTES_MIN: usize = 4 * 1024;

pub(super) fn append(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let tail = args.take()?;
    let len_max = ctx.settings.bulk_bytes_max as u64;
    let mut view = ctx.keys.view(&key);
    let before = view.peek(&key)?.map(ValueRef::len);
    let at = before.unwrap_or(0);
    let len = at + tail.len();
    // As in Redis, what a single request can carry may be stored at once, but not grow further.
    if before.is_some() && len as u64 > len_max {
        return Err(CommandError::StringTooLong);
    }
    match before {
        Some(_) => view.edit(&key, len, |bytes| bytes[at..].copy_from_slice(tail))?,
        None => view.set_quietly(&key, &NewValue::copied(tail), Expiry::None),
    }
    view.notify(Classes::STRING, "append", key.bytes);
    ctx.reply.int(len as i64);
    Ok(())
}

pub(super) fn strlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let len = ctx.keys.view(&key).read(&key)?.map_or(0, ValueRef::len);
    ctx.reply.int(len as i64);
    Ok(())
}

/// GETRANGE, and SUBSTR, its older name.
pub(super) fn getrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let span = Span { start: args.integer()?, end: args.integer()? };
    let mut view = ctx.keys.view(&key);
    let found = view.read(&key)?;
    let within = |value: ValueRef<'_>| {
        let (first, last) = span.within(value.len() as u64).filter(|_| !span.is_reversed())?;
        Some(first as usize..last as usize + 1)
    };
    match found.and_then(|value| Some((value, within(value)?))) {
        None => ctx.reply.bulk(b""),
        Some((ValueRef::Shared(bytes), part)) if part.len() >= SHARED_PART_BYTES_MIN => {
            ctx.reply.bulk_shared(bytes.slice(part));
        }
        Some((value, part)) => ctx.reply.bulk(&value.as_slice()[part]),
    }
    Ok(())
}

pub(super) fn setrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let offset = args.integer()?;
    let part = args.take()?;
    let offset = u64::try_from(offset).map_err(|_| CommandError::err("offset is out of range"))?;
    let end = offset.saturating_add(part.len() as u64);
    let len_max = ctx.settings.bulk_bytes_max as u64;
    let mut view = ctx.keys.view(&key);
    let before = view.peek(&key)?.map_or(0, ValueRef::len);
    if part.is_empty() {
        ctx.reply.int(before as i64);
        return Ok(());
    }
    if end > len_max {
        return Err(CommandError::StringTooLong);
    }
    let (offset, end) = (offset as usize, end as usize);
    let len = before.max(end);
    view.edit(&key, len, |bytes| bytes[offset..end].copy_from_slice(part))?;
    view.notify(Classes::STRING, "setrange", key.bytes);
    ctx.reply.int(len as i64);
    Ok(())
}
