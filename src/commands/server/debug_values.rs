//! The words of DEBUG that are about values: OBJECT, LISTPACK, HTSTATS-KEY, DIGEST, DIGEST-VALUE, RELOAD.

use super::digest::Digest;
use crate::commands::keys::object::encoding_of;
use crate::commands::keys::plain::{body_of, value_of};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::Items;
use crate::storage::{Collection, WrongType};

pub fn object(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let entry = view.entry(&key).ok_or(CommandError::NoSuchKey)?;
    let at = match entry.value() {
        Ok(value) => value.as_slice().as_ptr(),
        Err(WrongType) => entry.key().as_ptr(),
    };
    let text = format!(
        "Value at:{at:p} refcount:1 encoding:{} serializedlength:{} lru:0 lru_seconds_idle:0",
        encoding_of(&entry),
        // Without the mark of its type.
        body_of(&entry).len() - 1,
    );
    drop(view);
    ctx.reply.simple(&text);
    Ok(())
}

pub fn listpack(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let encoding = ctx.keys.view(&key).entry(&key).map(|entry| encoding_of(&entry));
    if !matches!(encoding.ok_or(CommandError::NoSuchKey)?, "listpack" | "listpackex") {
        return Err(CommandError::err("Not a listpack encoded object."));
    }
    ctx.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

pub fn table_stats(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut view = ctx.keys.view(&key);
    let entry = view.entry(&key).ok_or(CommandError::NoSuchKey)?;
    let has_table = matches!(encoding_of(&entry), "hashtable" | "skiplist");
    let items = Collection::of(&entry).filter(|_| has_table).map(Items::of);
    let len = items.map(|items| items.len()).ok_or(CommandError::err(
        "The value stored at the specified key is not represented using an hash table",
    ))?;
    ctx.reply.verbatim(&format!("Hash table 0 stats (main hash table):\n number of elements: {len}\n"));
    Ok(())
}

pub fn digest_values(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(args.left());
    while !args.is_done() {
        let key = ctx.key(args)?;
        let digest = ctx.keys.view(&key).entry(&key).map(|entry| Digest::of_value(&entry));
        ctx.reply.simple(&digest.unwrap_or_default().text());
    }
    Ok(())
}

/// The digest of all there is. Cost: some hashes for each item, with all shards held.
pub fn digest(ctx: &mut Ctx<'_>) -> Result<(), CommandError> {
    ctx.keys.hold_all()?;
    let mut digest = Digest::default();
    for db in 0..ctx.keys.keyspace.databases() {
        let mut has_begun = false;
        ctx.keys.each_entry(db, |entry| {
            if !std::mem::replace(&mut has_begun, true) {
                digest.begin_database(db);
            }
            digest.add_entry(entry);
        })?;
    }
    ctx.reply.simple(&digest.text());
    Ok(())
}

/// Writes every value as DUMP does, reads it back, and puts that in its place: where the two ways don't agree, a digest
/// before and behind tells. Cost: all of that, with all shards held.
pub fn reload(ctx: &mut Ctx<'_>) -> Result<(), CommandError> {
    ctx.keys.hold_all()?;
    for db in 0..ctx.keys.keyspace.databases() {
        let mut bodies = Vec::new();
        ctx.keys.each_entry(db, |entry| bodies.push((entry.key().to_vec(), body_of(entry))))?;
        for (name, body) in bodies {
            let (value, _) = value_of(ctx, &body)?;
            let key = ctx.keys.key(&name);
            ctx.keys.view_in(db, &key).renew(&key, value);
        }
    }
    ctx.reply.ok();
    Ok(())
}
