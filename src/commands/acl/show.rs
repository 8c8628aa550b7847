//! The subcommands of ACL that change no user.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::acl::log::Entry;
use crate::acl::{Denied, Selector, User, file, password_of};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::gate::as_c_string;
use crate::table::{Category, Row};

/// Entries of ACL LOG without a count.
const LOG_COUNT: usize = 10;

pub(super) fn cat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    check_count(args, 1)?;
    let names: Vec<&str> = match args.try_take() {
        None => Category::ALL.iter().map(|category| &category.name()[1..]).collect(),
        Some(word) => {
            let unknown =
                || CommandError::text([b"ERR Unknown category '", as_c_string(word, 128), b"'"].concat());
            let category = Category::named(word).ok_or_else(unknown)?;
            let rows = ctx.shared.table.all().filter(|row| row.spec.categories().contains(&category));
            rows.map(|row| row.full_name.as_str()).collect()
        }
    };
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
    Ok(())
}

/// An error where more than `most` words are left.
fn check_count(args: &Args<'_>, most: usize) -> Result<(), CommandError> {
    if args.left() <= most {
        return Ok(());
    }
    let name = as_c_string(args.word(1), 128);
    let begin: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
    Err(CommandError::text([begin, name, b"'. Try ACL HELP."].concat()))
}

pub(super) fn dry_run(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let name = args.take()?;
    let begin = args.position();
    let unknown = |kind: &str, name: &[u8]| {
        CommandError::text([b"ERR ", kind.as_bytes(), b" '", name, b"' not found"].concat())
    };
    let user = ctx.shared.users.load().get(name).cloned().ok_or_else(|| unknown("User", name))?;
    let words = args.left();
    let word = |at: usize| args.word(begin + at);
    let row =
        ctx.shared.table.find_called(word(0)).and_then(|row| match row.subcommands.is_empty() || words < 2 {
            true => Some(row),
            false => row.subcommand(word(1)),
        });
    let row = row.ok_or_else(|| unknown("Command", word(0)))?;
    if !row.admits_words(words) {
        return Err(CommandError::wrong_arity(&row.full_name));
    }
    match user.check(row, words, word) {
        Ok(()) => ctx.reply.ok(),
        Err(denied) => ctx.reply.bulk(&denial(&user, row, denied, word)),
    }
    Ok(())
}

/// What a user may not do, with all names.
fn denial<'w>(user: &User, row: &Row, denied: Denied, word: impl Fn(usize) -> &'w [u8]) -> Vec<u8> {
    let (verb, name, kind): (&str, &[u8], &str) = match denied {
        Denied::Command => ("run", row.full_name.as_bytes(), "command"),
        Denied::Key(at) => ("access", word(at), "key"),
        Denied::Channel(at) => ("access", word(at), "channel"),
    };
    let verb = format!(" has no permissions to {verb} the '");
    [b"User ", user.name(), verb.as_bytes(), name, b"' ", kind.as_bytes()].concat()
}

pub(super) fn generate_password(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    check_count(args, 1)?;
    let bits = if args.is_done() { None } else { Some(args.integer()?) };
    let mut drawn = Ok(());
    let password = password_of(bits, |bytes| drawn = fill_randomly(bytes));
    drawn?;
    let password = password.ok_or_else(|| {
        CommandError::err(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        )
    })?;
    ctx.reply.bulk(password.as_bytes());
    Ok(())
}

/// From the system: nobody may guess it.
fn fill_randomly(mut bytes: &mut [u8]) -> Result<(), CommandError> {
    while !bytes.is_empty() {
        let failed = |error| CommandError::err(format!("the system gives no random numbers: {error}"));
        let filled = getrandom(&mut *bytes, GetRandomFlags::empty()).map_err(failed)?;
        bytes = bytes.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

pub(super) fn get_user(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let user = ctx.shared.users.load().get(args.take()?).cloned();
    let Some(user) = user else {
        ctx.reply.null();
        return Ok(());
    };
    let reply = &mut ctx.reply;
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|digest| reply.bulk(digest.to_string().as_bytes()));
    write_selector(ctx, user.root());
    ctx.reply.bulk(b"selectors");
    ctx.reply.array(user.selectors().len());
    for selector in user.selectors() {
        ctx.reply.map(3);
        write_selector(ctx, selector);
    }
    Ok(())
}

fn write_selector(ctx: &mut Ctx<'_>, selector: &Selector) {
    let parts =
        [("commands", selector.commands()), ("keys", selector.keys()), ("channels", selector.channels())];
    for (name, rules) in parts {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.bulk(&rules);
    }
}

pub(super) fn list(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    write_users(ctx, file::line);
    Ok(())
}

pub(super) fn users(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    write_users(ctx, |user| user.name().to_vec());
    Ok(())
}

fn write_users(ctx: &mut Ctx<'_>, text: impl Fn(&User) -> Vec<u8>) {
    let users = ctx.shared.users.load();
    ctx.reply.array(users.len());
    users.iter().for_each(|user| ctx.reply.bulk(&text(user)));
}

pub(super) fn who_am_i(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let user = ctx.session.identity.user().clone();
    ctx.reply.bulk(user.name());
    Ok(())
}

pub(super) fn log(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    check_count(args, 1)?;
    if args.skip("RESET") {
        ctx.shared.users.log.lock().reset();
        ctx.reply.ok();
        return Ok(());
    }
    let count = if args.is_done() { LOG_COUNT } else { usize::try_from(args.integer()?).unwrap_or(0) };
    let entries: Vec<Entry> = ctx.shared.users.log.lock().entries().take(count).cloned().collect();
    let now_ms = ctx.now().wall_ms;
    ctx.reply.array(entries.len());
    entries.iter().for_each(|entry| write_entry(ctx, entry, now_ms));
    Ok(())
}

fn write_entry(ctx: &mut Ctx<'_>, entry: &Entry, now_ms: i64) {
    let (reply, refusal) = (&mut ctx.reply, &entry.refusal);
    reply.map(10);
    reply.bulk(b"count");
    reply.int(entry.count as i64);
    let texts: [(&str, &[u8]); 4] = [
        ("reason", refusal.reason.name().as_bytes()),
        ("context", refusal.context.name().as_bytes()),
        ("object", &refusal.object),
        ("username", &refusal.user),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double((now_ms - entry.updated_ms).max(0) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(refusal.client.as_bytes());
    for (name, value) in [
        ("entry-id", entry.id as i64),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
}
