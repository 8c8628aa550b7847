//! CLIENT TRACKING, TRACKINGINFO, CACHING and GETREDIR: client-side caching as a connection asks for it.
//!
//! Which of its reads are noted is decided here; what a change leads to, in `invalidate`.

use crate::dispatch::leave::switch_off;
use crate::dispatch::tracked::{Mode, Tracked};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::int::parse_i64;
use crate::clients::Seen;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::session::Session;
use crate::dispatch::shared::Shared;
use crate::table::arg::{integer, one_of, string, token};
use crate::table::{Category, Flag, Group, Locking, Spec};
use crate::tracking::{Tracker, collide};

const BASE: Spec = Spec {
    group: Group::Connection,
    since: "6.0.0",
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
    acl: &[Category::Connection],
    locking: Locking::None,
    ..Spec::EMPTY
};

pub const CACHING: Command = Command::new(
    caching,
    Spec {
        name: "caching",
        summary: "Instructs the server whether to track the keys in the next request.",
        args: &[one_of("mode", &[token("yes", "YES"), token("no", "NO")])],
        reply: "OK",
        ..BASE
    },
);

pub const GETREDIR: Command = Command::new(
    getredir,
    Spec {
        name: "getredir",
        summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
        reply: "the id; 0 without redirection, -1 without tracking",
        ..BASE
    },
);

pub const TRACKING: Command = Command::new(
    tracking,
    Spec {
        name: "tracking",
        summary: "Controls server-assisted client-side caching for the connection.",
        complexity: "O(1). Some options may introduce additional complexity.",
        args: &[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            integer("client-id").token("REDIRECT").optional(),
            string("prefix").token("PREFIX").optional().multiple_token(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ],
        reply: "OK",
        ..BASE
    },
);

pub const TRACKINGINFO: Command = Command::new(
    trackinginfo,
    Spec {
        name: "trackinginfo",
        since: "6.2.0",
        summary: "Returns information about server-assisted client-side caching for the connection.",
        reply: "a map of flags, redirect and prefixes",
        ..BASE
    },
);

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options<'a> {
    redirect: u64,
    is_broadcast: bool,
    opts_in: bool,
    opts_out: bool,
    noloop: bool,
    prefixes: Vec<&'a [u8]>,
}

fn tracking(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let switch = args.take()?;
    let options = read_options(ctx.shared, args)?;
    if switch.eq_ignore_ascii_case(b"on") {
        let mode = check_options(ctx.session, &options)?;
        switch_on(ctx, mode, &options);
    } else if switch.eq_ignore_ascii_case(b"off") {
        switch_off(ctx.shared, ctx.session);
    } else {
        return Err(CommandError::Syntax);
    }
    ctx.reply.ok();
    Ok(())
}

fn read_options<'a>(shared: &Shared, args: &mut Args<'a>) -> Result<Options<'a>, CommandError> {
    let mut options = Options::default();
    while !args.is_done() {
        if args.left() > 1 && args.skip("REDIRECT") {
            if options.redirect != 0 {
                return Err(CommandError::err("A client can only redirect to a single other client"));
            }
            let id = parse_i64(args.take()?).ok_or(CommandError::NotAnInteger)?;
            let known = u64::try_from(id).ok().filter(|id| shared.clients.get(*id).is_some());
            options.redirect = known
                .ok_or_else(|| CommandError::err("The client ID you want redirect to does not exist"))?;
        } else if args.skip("BCAST") {
            options.is_broadcast = true;
        } else if args.skip("OPTIN") {
            options.opts_in = true;
        } else if args.skip("OPTOUT") {
            options.opts_out = true;
        } else if args.skip("NOLOOP") {
            options.noloop = true;
        } else if args.left() > 1 && args.skip("PREFIX") {
            options.prefixes.push(args.take()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(options)
}

/// The mode that the options mean, if they agree with each other and with what is on already.
fn check_options(session: &Session, options: &Options<'_>) -> Result<Mode, CommandError> {
    let now = session.tracking.as_deref();
    let was = |mode: Mode| now.is_some_and(|tracked| tracked.mode == mode);
    let refuse = |text: &str| Err(CommandError::err(text));
    if !options.is_broadcast && !options.prefixes.is_empty() {
        return refuse("PREFIX option requires BCAST mode to be enabled");
    }
    if now.is_some() && was(Mode::Broadcast) != options.is_broadcast {
        return refuse(
            "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    if options.is_broadcast && (options.opts_in || options.opts_out) {
        return refuse("OPTIN and OPTOUT are not compatible with BCAST");
    }
    if options.opts_in && options.opts_out {
        return refuse("You can't specify both OPTIN mode and OPTOUT mode");
    }
    if (options.opts_in && was(Mode::OptOut)) || (options.opts_out && was(Mode::OptIn)) {
        return refuse(
            "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    check_prefixes(now.map_or(&[], |tracked| &tracked.prefixes), &options.prefixes)?;
    Ok(match (options.is_broadcast, options.opts_in, options.opts_out) {
        (true, ..) => Mode::Broadcast,
        (_, true, _) => Mode::OptIn,
        (.., true) => Mode::OptOut,
        _ => Mode::Default,
    })
}

/// No key may have two prefixes of one connection: it would be told twice.
fn check_prefixes(present: &[Box<[u8]>], wanted: &[&[u8]]) -> Result<(), CommandError> {
    let clash = |one: &[u8], which: &[u8], other: &[u8]| {
        let end = b"'. Prefixes for a single client must not overlap.";
        let parts: [&[u8]; 7] = [b"ERR Prefix '", one, b"' overlaps with ", which, b" prefix '", other, end];
        Err(CommandError::text(parts.concat()))
    };
    for (at, prefix) in wanted.iter().enumerate() {
        if let Some(other) = present.iter().find(|other| collide(other, prefix)) {
            return clash(prefix, b"an existing", other);
        }
        if let Some(other) = wanted[at + 1..].iter().find(|other| collide(other, prefix)) {
            return clash(prefix, b"another provided", other);
        }
    }
    Ok(())
}

fn switch_on(ctx: &mut Ctx<'_>, mode: Mode, options: &Options<'_>) {
    ctx.session.hears_messages = true;
    let client = &ctx.session.client;
    let tracked = ctx.session.tracking.get_or_insert_with(|| {
        let tracker = Arc::new(Tracker::new(client.id, client.post_box.clone()));
        ctx.shared.tracking.add(tracker.clone());
        ctx.shared.keyspace.add_tracker();
        Box::new(Tracked { tracker, mode, is_caching_said: false, prefixes: Vec::new() })
    });
    tracked.mode = mode;
    tracked.tracker.set_terms(options.noloop, options.redirect);
    if mode == Mode::Broadcast {
        let all: &[&[u8]] = if options.prefixes.is_empty() { &[b""] } else { &options.prefixes };
        for prefix in all {
            ctx.shared.tracking.prefixes.add(prefix, &tracked.tracker);
            if let Err(at) = tracked.prefixes.binary_search_by(|other| (**other).cmp(prefix)) {
                tracked.prefixes.insert(at, Box::from(*prefix));
            }
        }
    }
    let flags = Seen::TRACKING_ON | if mode == Mode::Broadcast { Seen::TRACKING_BCAST } else { 0 };
    client.seen.tracking.store(flags, Relaxed);
    client.seen.prefixes.store(tracked.prefixes.len(), Relaxed);
    client.seen.redirect.store(options.redirect, Relaxed);
}

fn caching(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let Some(tracked) = &mut ctx.session.tracking else {
        return Err(CommandError::err(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let (mode, refusal) = if args.skip("YES") {
        (Mode::OptIn, "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if args.skip("NO") {
        (Mode::OptOut, "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return Err(CommandError::Syntax);
    };
    if tracked.mode != mode {
        return Err(CommandError::err(refusal));
    }
    tracked.is_caching_said = true;
    ctx.reply.ok();
    Ok(())
}

/// The id that CLIENT GETREDIR and TRACKINGINFO show.
fn shown_redirect(session: &Session) -> i64 {
    let id = |tracked: &Tracked| tracked.tracker.redirect().unwrap_or(0) as i64;
    session.tracking.as_deref().map_or(-1, id)
}

fn getredir(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.int(shown_redirect(ctx.session));
    Ok(())
}

fn trackinginfo(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let tracked = ctx.session.tracking.as_deref();
    let mut flags: Vec<&str> = vec![if tracked.is_some() { "on" } else { "off" }];
    if let Some(tracked) = tracked {
        let said = |word: &'static str| tracked.is_caching_said.then_some(word);
        match tracked.mode {
            Mode::Default => {}
            Mode::OptIn => flags.extend(["optin"].into_iter().chain(said("caching-yes"))),
            Mode::OptOut => flags.extend(["optout"].into_iter().chain(said("caching-no"))),
            Mode::Broadcast => flags.push("bcast"),
        }
        if tracked.tracker.is_noloop() {
            flags.push("noloop");
        }
    }
    if ctx.session.client.seen.tracking.load(Relaxed) & Seen::TRACKING_BROKEN != 0 {
        flags.push("broken_redirect");
    }
    ctx.reply.map(3);
    ctx.reply.bulk(b"flags");
    ctx.reply.set(flags.len());
    flags.iter().for_each(|flag| ctx.reply.bulk(flag.as_bytes()));
    ctx.reply.bulk(b"redirect");
    ctx.reply.int(shown_redirect(ctx.session));
    ctx.reply.bulk(b"prefixes");
    let prefixes = tracked.map_or(&[][..], |tracked| &tracked.prefixes);
    ctx.reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| ctx.reply.bulk(prefix));
    Ok(())
}
