//! Walking over the items of one collection: HSCAN, SSCAN, ZSCAN.
//!
//! The rows stand in their families; the options are those of SCAN.

use super::scan::{ScanOptions, parse_cursor, selects};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;

/// What is walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Hash,
    Set,
    SortedSet,
}

/// Answers one page of a scan.
///
/// # Errors
/// Where the key holds something else, and for wrong words; those behind the cursor, as in Redis, only where the key is.
pub fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>, of: Of) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let cursor = parse_cursor(args.take()?).ok_or(CommandError::err("invalid cursor"))?;
    let mut view = ctx.keys.view(&key);
    let items = match of {
        Of::Hash => view.hash(&key)?.map(|hash| *hash),
        Of::Set => view.set_of(&key)?.map(|set| *set),
        Of::SortedSet => view.sorted(&key)?.map(|set| *set),
    };
    let (mut next, mut found) = (0, Vec::new());
    if let Some(items) = items {
        let options = ScanOptions::read(args, false)?;
        next = items.scan(cursor, options.count, |name, value| {
            if name.with(|name| selects(options.pattern, name)) {
                found.push(name.to_vec());
                if of != Of::Set {
                    found.push(value.to_vec());
                }
            }
        });
    }
    drop(view);
    ctx.reply.array(2);
    ctx.reply.bulk(next.to_string().as_bytes());
    ctx.reply.array(found.len());
    found.iter().for_each(|text| ctx.reply.bulk(text));
    Ok(())
}
