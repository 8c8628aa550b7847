//! CLIENT: what a connection says of itself, and what it may do to others.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::client_kill::client_kill;
use super::client_kill::client_type;
use super::pause::{client_pause, client_unpause};
use super::tracking;
use crate::base::int::parse_i64;
use crate::clients::{Client, Names};
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::client_line::describe;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::session::{ReplyMode, Session};
use crate::table::arg::{block, integer, one_of, string, token};
use crate::table::{Category, Flag, Group, Locking, Role, Spec};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "client",
        group: Group::Connection,
        since: "2.4.0",
        summary: "A container for client connection commands",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        role: Role::Client,
        ..Spec::EMPTY
    },
    &[
        tracking::CACHING,
        Command::new(
            client_getname,
            Spec {
                name: "getname",
                group: Group::Connection,
                since: "2.6.9",
                summary: "Get the current connection name",
                complexity: "O(1)",
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "the name, or null",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        tracking::GETREDIR,
        Command::new(
            client_help,
            Spec {
                name: "help",
                group: Group::Connection,
                since: "5.0.0",
                summary: "Show helpful text about the different subcommands",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_id,
            Spec {
                name: "id",
                group: Group::Connection,
                since: "5.0.0",
                summary: "Returns the client ID for the current connection",
                complexity: "O(1)",
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "the id",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_info,
            Spec {
                name: "info",
                group: Group::Connection,
                since: "6.2.0",
                summary: "Returns information about the current client connection.",
                complexity: "O(1)",
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["nondeterministic_output"],
                reply: "one line of fields",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_kill,
            Spec {
                name: "kill",
                group: Group::Connection,
                since: "2.4.0",
                summary: "Kill the connection of a client",
                complexity: "O(N) where N is the number of client connections",
                args: &[one_of(
                    "filter",
                    &[
                        string("ip:port"),
                        one_of(
                            "new-format",
                            &[
                                integer("client-id").token("ID").optional().since("2.8.12"),
                                one_of(
                                    "normal_master_slave_pubsub",
                                    &[
                                        token("normal", "NORMAL"),
                                        token("master", "MASTER").since("3.2.0"),
                                        token("slave", "SLAVE"),
                                        token("replica", "REPLICA").since("5.0.0"),
                                        token("pubsub", "PUBSUB"),
                                    ],
                                )
                                .token("TYPE")
                                .optional()
                                .since("2.8.12"),
                                string("username").token("USER").optional(),
                                string("ip:port").token("ADDR").optional(),
                                string("ip:port").token("LADDR").optional().since("6.2.0"),
                                string("yes/no").token("SKIPME").optional(),
                                integer("maxage").token("MAXAGE").optional().since("7.4.0"),
                            ],
                        )
                        .multiple(),
                    ],
                )],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                history: &[
                    ("2.8.12", "Added new filter format."),
                    ("2.8.12", "`ID` option."),
                    ("3.2.0", "Added `master` type in for `TYPE` option."),
                    (
                        "5.0.0",
                        "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
                    ),
                    ("6.2.0", "`LADDR` option."),
                    ("7.4.0", "`MAXAGE` option."),
                ],
                reply: "OK in the old form, else the number of clients closed",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_list,
            Spec {
                name: "list",
                group: Group::Connection,
                since: "2.4.0",
                summary: "Get the list of client connections",
                complexity: "O(N) where N is the number of client connections",
                args: &[
                    one_of(
                        "normal_master_replica_pubsub",
                        &[
                            token("normal", "NORMAL"),
                            token("master", "MASTER"),
                            token("replica", "REPLICA"),
                            token("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .optional()
                    .since("5.0.0"),
                    block("id", &[integer("client-id").multiple()]).token("ID").optional().since("6.2.0"),
                ],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["nondeterministic_output"],
                history: &[
                    ("2.8.12", "Added unique client `id` field."),
                    ("5.0.0", "Added optional `TYPE` filter."),
                    ("6.0.0", "Added `user` field."),
                    (
                        "6.2.0",
                        "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.",
                    ),
                    ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
                    ("7.0.3", "Added `ssub` field."),
                ],
                reply: "one line for each client",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_no_evict,
            Spec {
                name: "no-evict",
                group: Group::Connection,
                since: "7.0.0",
                summary: "Set client eviction mode for the current connection",
                complexity: "O(1)",
                args: &[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_no_touch,
            Spec {
                name: "no-touch",
                group: Group::Connection,
                since: "7.2.0",
                summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
                complexity: "O(1)",
                args: &[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])],
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_pause,
            Spec {
                name: "pause",
                group: Group::Connection,
                since: "2.9.50",
                summary: "Suspends commands processing.",
                complexity: "O(1)",
                args: &[
                    integer("timeout"),
                    one_of("mode", &[token("write", "WRITE"), token("all", "ALL")]).optional().since("6.2.0"),
                ],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_reply,
            Spec {
                name: "reply",
                group: Group::Connection,
                since: "3.2.0",
                summary: "Instruct the server whether to reply to commands",
                complexity: "O(1)",
                args: &[one_of(
                    "on_off_skip",
                    &[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")],
                )],
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "OK for ON, else nothing",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_setinfo,
            Spec {
                name: "setinfo",
                group: Group::Connection,
                since: "7.2.0",
                summary: "Sets information specific to the client or connection.",
                complexity: "O(1)",
                args: &[one_of(
                    "attr",
                    &[string("libname").token("LIB-NAME"), string("libver").token("LIB-VER")],
                )],
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_setname,
            Spec {
                name: "setname",
                group: Group::Connection,
                since: "2.6.9",
                summary: "Set the current connection name",
                complexity: "O(1)",
                args: &[string("connection-name")],
                flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        tracking::TRACKING,
        tracking::TRACKINGINFO,
        Command::new(
            client_unblock,
            Spec {
                name: "unblock",
                group: Group::Connection,
                since: "5.0.0",
                summary: "Unblock a client blocked in a blocking command from a different connection",
                complexity: "O(log N) where N is the number of client connections",
                args: &[
                    integer("client-id"),
                    one_of("timeout_error", &[token("timeout", "TIMEOUT"), token("error", "ERROR")])
                        .optional(),
                ],
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "1 if the client was parked, else 0",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            client_unpause,
            Spec {
                name: "unpause",
                group: Group::Connection,
                since: "6.2.0",
                summary: "Resumes processing commands from paused clients.",
                complexity: "O(N) Where N is the number of paused clients",
                flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * MAXAGE <maxage>",
    "      Kill connections that are as old or older, in seconds.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];

fn client_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "CLIENT", HELP);
    Ok(())
}

fn client_id(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.int(ctx.session.client.id as i64);
    Ok(())
}

fn client_getname(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let names = ctx.session.client.names();
    if names.name.is_empty() {
        ctx.reply.null()
    } else {
        ctx.reply.bulk(&names.name)
    }
    Ok(())
}

fn client_setname(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    set_name(ctx.session, args.take()?)?;
    ctx.reply.ok();
    Ok(())
}

/// CLIENT SETNAME, also for HELLO.
pub fn set_name(session: &Session, name: &[u8]) -> Result<(), CommandError> {
    if !is_plain(name) {
        return Err(CommandError::err("Client names cannot contain spaces, newlines or special characters."));
    }
    session.client.rename(|names| names.name = name.to_vec());
    Ok(())
}

fn client_setinfo(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (option, value) = (args.take()?, args.take()?);
    let (field, name): (fn(&mut Names) -> &mut Vec<u8>, _) = if option.eq_ignore_ascii_case(b"LIB-NAME") {
        (|names| &mut names.lib_name, "lib-name")
    } else if option.eq_ignore_ascii_case(b"LIB-VER") {
        (|names| &mut names.lib_ver, "lib-ver")
    } else {
        return Err(CommandError::text([b"ERR Unrecognized option '", option, b"'"].concat()));
    };
    if !is_plain(value) {
        return Err(CommandError::err(format!(
            "{name} cannot contain spaces, newlines or special characters."
        )));
    }
    ctx.session.client.rename(|names| *field(names) = value.to_vec());
    ctx.reply.ok();
    Ok(())
}

/// Printable ASCII without spaces, so that CLIENT LIST stays parseable.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'!'..=b'~'))
}

fn client_reply(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.skip("ON") {
        ctx.session.reply_mode = ReplyMode::On;
        ctx.reply.ok();
    } else if args.skip("OFF") {
        ctx.session.reply_mode = ReplyMode::Off;
    } else if args.skip("SKIP") {
        if ctx.session.reply_mode != ReplyMode::Off {
            ctx.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

fn client_no_evict(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    switch(ctx, args, |client| &client.seen.no_evict)
}

fn client_no_touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    switch(ctx, args, |client| &client.seen.no_touch)
}

fn switch(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    which: fn(&Client) -> &AtomicBool,
) -> Result<(), CommandError> {
    let on = args.skip("ON");
    if !on && !args.skip("OFF") {
        return Err(CommandError::Syntax);
    }
    which(&ctx.session.client).store(on, Relaxed);
    ctx.reply.ok();
    Ok(())
}

fn client_info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    publish_asking(ctx, args);
    let line = describe(&ctx.session.client, ctx.shared.table, ctx.now().mono_ms);
    ctx.reply.verbatim(&line);
    Ok(())
}

/// Publishes what is to be seen of the client that asks: its request still lies in its buffer.
fn publish_asking(ctx: &mut Ctx<'_>, args: &Args<'_>) {
    ctx.session.publish();
    let digits = |number: usize| number.to_string().len();
    let word = |at: usize| args.word(at).len() + digits(args.word(at).len()) + b"$\r\n\r\n".len();
    let bytes = b"*\r\n".len() + digits(args.words()) + (0..args.words()).map(word).sum::<usize>();
    ctx.session.client.seen.query_bytes.store(bytes, Relaxed);
}

fn client_list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    publish_asking(ctx, args);
    let mut clients = ctx.shared.clients.list();
    if args.left() == 2 && args.skip("TYPE") {
        let kind = client_type(args.take()?)?;
        clients.retain(|client| kind == Some(client.is_subscriber()));
    } else if args.left() > 1 && args.skip("ID") {
        let mut ids = Vec::new();
        while let Some(word) = args.try_take() {
            ids.push(parse_i64(word).ok_or_else(|| CommandError::err("Invalid client ID"))?);
        }
        clients = ids.into_iter().filter_map(|id| ctx.shared.clients.get(u64::try_from(id).ok()?)).collect();
    }
    args.finish()?;
    let lines: String =
        clients.iter().map(|client| describe(client, ctx.shared.table, ctx.now().mono_ms)).collect();
    ctx.reply.verbatim(&lines);
    Ok(())
}

fn client_unblock(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() > 2 {
        let name = args.word(1);
        let text =
            [b"ERR unknown subcommand or wrong number of arguments for '", name, b"'. Try CLIENT HELP."];
        return Err(CommandError::text(text.concat()));
    }
    let word = args.take()?;
    let with_error = match args.try_take() {
        None => false,
        Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => false,
        Some(reason) if reason.eq_ignore_ascii_case(b"error") => true,
        Some(_) => return Err(CommandError::err("CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = parse_i64(word).ok_or(CommandError::NotAnInteger)?;
    let client = u64::try_from(id).ok().and_then(|id| ctx.shared.clients.get(id));
    let released = client.map(|client| client.unblock(with_error)).unwrap_or_default();
    ctx.reply.int(i64::from(!released.is_empty()));
    for (slot, answer) in released {
        ctx.keys.answer(slot, answer);
    }
    Ok(())
}
