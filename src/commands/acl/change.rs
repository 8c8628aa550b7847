//! ACL SETUSER, DELUSER, LOAD, SAVE: what changes the users, or their file.

use std::path::PathBuf;

use crate::acl::{DEFAULT, Users, file};
use crate::config;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::users::{rulebook, users_of_file};

pub(super) fn set_user(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let name = args.take()?;
    let words = rest(args);
    let (table, settings) = (ctx.shared.table, ctx.shared.settings.load());
    let book = rulebook(&settings, table);
    ctx.change_users(|users| users.with(book, name, &words).map_err(|error| error_of(&error.text())))?;
    ctx.reply.ok();
    Ok(())
}

pub(super) fn delete_users(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let names = rest(args);
    if names.contains(&DEFAULT) {
        return Err(CommandError::err("The 'default' user cannot be removed"));
    }
    let mut gone = 0;
    ctx.change_users(|users| {
        let left: Users;
        (left, gone) = users.without(&names);
        Ok(left)
    })?;
    ctx.reply.int(gone as i64);
    Ok(())
}

pub(super) fn load(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    path(ctx)?;
    let users =
        users_of_file(&ctx.shared.settings.load(), ctx.shared.table).map_err(|text| error_of(&text))?;
    ctx.change_users(|_| Ok(users))?;
    ctx.reply.ok();
    Ok(())
}

pub(super) fn save(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let path = path(ctx)?;
    let text = file::write(&ctx.shared.users.load());
    config::replace_file(&path, &text).map_err(|error| {
        tracing::warn!("the users could not be written to {}: {error}", path.display());
        CommandError::err(
            "There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    ctx.reply.ok();
    Ok(())
}

fn path(ctx: &Ctx<'_>) -> Result<PathBuf, CommandError> {
    ctx.settings.aclfile.clone().ok_or_else(|| {
        CommandError::err(
            "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
             SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
             order to store users in the Redis configuration.",
        )
    })
}

fn rest<'a>(args: &mut Args<'a>) -> Vec<&'a [u8]> {
    std::iter::from_fn(|| args.try_take()).collect()
}

fn error_of(text: &[u8]) -> CommandError {
    CommandError::text([b"ERR ", text].concat())
}
