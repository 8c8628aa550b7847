//! The connection itself: PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET.

mod client;
mod client_kill;
mod pause;
mod tracking;

use crate::acl::DEFAULT;
use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::identity::Identity;
use crate::dispatch::leave::{forget_watched, switch_off, unsubscribe_all};
use crate::dispatch::session::ReplyMode;
use crate::protocol::reply::Proto;
use crate::table::arg::{block, integer, string};
use crate::table::{Category, Flag, Group, Locking, REDIS_VERSION, Role, Secrets, Spec};
use client::set_name;

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS, client::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        auth,
        Spec {
            name: "auth",
            group: Group::Connection,
            since: "1.0.0",
            summary: "Authenticate to the server",
            complexity: "O(N) where N is the number of passwords defined for the user",
            args: &[string("username").optional().since("6.0.0"), string("password")],
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
            acl: &[Category::Connection],
            history: &[("6.0.0", "Added ACL style (username and password).")],
            reply: "OK, or WRONGPASS",
            locking: Locking::None,
            secrets: Secrets::From(1),
            ..Spec::EMPTY
        },
    ),
    Command::new(
        echo,
        Spec {
            name: "echo",
            group: Group::Connection,
            since: "1.0.0",
            summary: "Echo the given string",
            complexity: "O(1)",
            args: &[string("message")],
            flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
            acl: &[Category::Connection],
            reply: "the message",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        hello,
        Spec {
            name: "hello",
            group: Group::Connection,
            since: "6.0.0",
            summary: "Handshake with Redis",
            complexity: "O(1)",
            args: &[block(
                "arguments",
                &[
                    integer("protover"),
                    block("username_password", &[string("username"), string("password")])
                        .token("AUTH")
                        .optional(),
                    string("clientname").token("SETNAME").optional(),
                ],
            )
            .optional()],
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
            acl: &[Category::Connection],
            history: &[(
                "6.2.0",
                "`protover` made optional; when called without arguments the command reports the current connection's context.",
            )],
            reply: "a map describing the server and the connection",
            locking: Locking::None,
            secrets: Secrets::BehindAuth,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        ping,
        Spec {
            name: "ping",
            group: Group::Connection,
            since: "1.0.0",
            summary: "Ping the server",
            complexity: "O(1)",
            args: &[string("message").optional()],
            flags: &[Flag::Fast],
            acl: &[Category::Connection],
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            reply: "PONG, or the message",
            locking: Locking::None,
            role: Role::WhileListening,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        quit,
        Spec {
            name: "quit",
            group: Group::Connection,
            since: "1.0.0",
            summary: "Close the connection",
            complexity: "O(1)",
            arity_fixed: Some(-1),
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
            acl: &[Category::Connection],
            reply: "OK",
            locking: Locking::None,
            role: Role::Leaves,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        reset,
        Spec {
            name: "reset",
            group: Group::Connection,
            since: "6.2.0",
            summary: "Reset the connection",
            complexity: "O(1)",
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
            acl: &[Category::Connection],
            reply: "RESET",
            locking: Locking::None,
            role: Role::Leaves,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        select,
        Spec {
            name: "select",
            group: Group::Connection,
            since: "1.0.0",
            summary: "Change the selected database for the current connection",
            complexity: "O(1)",
            args: &[integer("index")],
            flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
            acl: &[Category::Connection],
            reply: "OK",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
];

fn ping(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let listens = ctx.session.is_listening();
    match args.try_take() {
        message if listens && args.is_done() => {
            ctx.reply.array(2);
            ctx.reply.bulk(b"pong");
            ctx.reply.bulk(message.unwrap_or_default());
        }
        None => ctx.reply.pong(),
        Some(message) if args.is_done() => ctx.reply.bulk(message),
        Some(_) => return Err(CommandError::wrong_arity("ping")),
    }
    Ok(())
}

fn echo(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.bulk(args.take()?);
    Ok(())
}

fn auth(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (user, password) = match (args.take()?, args.try_take()) {
        (user, Some(password)) => (user, password),
        (password, None) if !ctx.shared.users.load().default_user().needs_no_password() => {
            (DEFAULT, password)
        }
        (_, None) => {
            return Err(CommandError::err(
                "AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
    };
    args.finish()?;
    ctx.authenticate(user, password, args.word(0))?;
    ctx.reply.ok();
    Ok(())
}

fn hello(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let proto = match args.try_take() {
        None => None,
        Some(word) => Some(match parse_i64(word) {
            Some(2) => Proto::Resp2,
            Some(3) => Proto::Resp3,
            Some(_) => return Err(CommandError::text("NOPROTO unsupported protocol version")),
            None => return Err(CommandError::err("Protocol version is not an integer or out of range")),
        }),
    };
    let mut name = None;
    while let Some(option) = args.try_take() {
        if option.eq_ignore_ascii_case(b"AUTH") && args.left() >= 2 {
            let (user, password) = (args.take()?, args.take()?);
            ctx.authenticate(user, password, args.word(0))?;
        } else if option.eq_ignore_ascii_case(b"SETNAME") && !args.is_done() {
            name = Some(args.take()?);
        } else {
            let text = [b"ERR Syntax error in HELLO option '", option, b"'"].concat();
            return Err(CommandError::text(text));
        }
    }
    if !ctx.session.identity.is_admitted() {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
             at the same time",
        ));
    }
    if let Some(name) = name {
        set_name(ctx.session, name)?;
    }
    if let Some(proto) = proto {
        ctx.speak(proto);
    }
    introduce(ctx);
    Ok(())
}

fn introduce(ctx: &mut Ctx<'_>) {
    let reply = &mut ctx.reply;
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.int(if ctx.session.proto == Proto::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(ctx.session.client.id as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

fn select(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let word = args.take()?;
    let db = ctx.database(word)?;
    ctx.select(db);
    ctx.reply.ok();
    Ok(())
}

fn quit(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.session.closes = true;
    ctx.reply.ok();
    Ok(())
}

fn reset(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    forget_watched(&mut ctx.keys, ctx.session);
    unsubscribe_all(ctx.shared, ctx.session);
    switch_off(ctx.shared, ctx.session);
    ctx.shared.clients.monitors.remove(&ctx.session.client);
    let session = &mut *ctx.session;
    session.transaction = None;
    session.reply_mode = ReplyMode::On;
    session.become_stranger(Identity::new(&ctx.shared.users));
    session.client.rename(|names| names.name = Vec::new());
    let seen = &session.client.seen;
    for flag in [&seen.no_evict, &seen.no_touch] {
        flag.store(false, std::sync::atomic::Ordering::Relaxed);
    }
    ctx.select(0);
    ctx.speak(Proto::Resp2);
    ctx.reply.simple("RESET");
    Ok(())
}
