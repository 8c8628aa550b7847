//! Publish/subscribe: (P|S)SUBSCRIBE, (P|S)UNSUBSCRIBE, (S)PUBLISH and PUBSUB.
//!
//! A subscription is in two places: with the server (`crate::pubsub`), so that messages come, and with the
//! session, so that late ones are dropped. What was delivered before an UNSUBSCRIBE is written before its
//! confirmation.

use crate::dispatch::leave::{channels, withdraw};
use std::sync::Arc;

use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::messages::write_push;
use crate::dispatch::session::ReplyMode;
use crate::dispatch::subscribed::Kind;
use crate::protocol::reply::Reply;
use crate::pubsub::Subscriber;
use crate::table::arg::{block, pattern, shard_channel, string};
use crate::table::{Channels, Flag, Group, Locking, Role, Spec};

const SUBSCRIBING: &[Flag] = &[Flag::PubSub, Flag::NoScript, Flag::Loading, Flag::Stale];
const PUBLISHING: &[Flag] = &[Flag::PubSub, Flag::Loading, Flag::Stale, Flag::Fast, Flag::MayReplicate];
const ASKING: &[Flag] = &[Flag::PubSub, Flag::Loading, Flag::Stale];

const CONFIRMED: &str = "for each, one message: the command's name, the name, how many are subscribed to now";

const BASE: Spec = Spec { group: Group::PubSub, locking: Locking::None, ..Spec::EMPTY };

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        |ctx, args| subscribe(ctx, args, Kind::Pattern),
        Spec {
            name: "psubscribe",
            since: "2.0.0",
            summary: "Listens for messages published to channels that match one or more patterns.",
            complexity: "O(N) where N is the number of patterns to subscribe to.",
            args: &[block("pattern", &[pattern("pattern")]).multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            channels: Channels::Patterns,
            ..BASE
        },
    ),
    Command::new(
        publish,
        Spec {
            name: "publish",
            since: "2.0.0",
            summary: "Posts a message to a channel.",
            complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the \
                     total number of subscribed patterns (by any client).",
            args: &[string("channel"), string("message")],
            flags: PUBLISHING,
            reply: "how many connections get the message",
            channels: Channels::First,
            ..BASE
        },
    ),
    Command::family(
        Spec {
            name: "pubsub",
            since: "2.8.0",
            summary: "A container for Pub/Sub commands.",
            complexity: "Depends on subcommand.",
            reply: "that of the subcommand",
            ..BASE
        },
        PUBSUB,
    ),
    Command::new(
        |ctx, args| unsubscribe(ctx, args, Kind::Pattern),
        Spec {
            name: "punsubscribe",
            since: "2.0.0",
            summary: "Stops listening to messages published to channels that match one or more patterns.",
            complexity: "O(N) where N is the number of patterns to unsubscribe.",
            args: &[pattern("pattern").optional().multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            ..BASE
        },
    ),
    Command::new(
        spublish,
        Spec {
            name: "spublish",
            since: "7.0.0",
            summary: "Post a message to a shard channel",
            complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
            args: &[shard_channel("shardchannel"), string("message")],
            flags: PUBLISHING,
            reply: "how many connections get the message",
            channels: Channels::First,
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| subscribe(ctx, args, Kind::ShardChannel),
        Spec {
            name: "ssubscribe",
            since: "7.0.0",
            summary: "Listens for messages published to shard channels.",
            complexity: "O(N) where N is the number of shard channels to subscribe to.",
            args: &[shard_channel("shardchannel").multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            channels: Channels::All,
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| subscribe(ctx, args, Kind::Channel),
        Spec {
            name: "subscribe",
            since: "2.0.0",
            summary: "Listens for messages published to channels.",
            complexity: "O(N) where N is the number of channels to subscribe to.",
            args: &[string("channel").multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            channels: Channels::All,
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| unsubscribe(ctx, args, Kind::ShardChannel),
        Spec {
            name: "sunsubscribe",
            since: "7.0.0",
            summary: "Stops listening to messages posted to shard channels.",
            complexity: "O(N) where N is the number of shard channels to unsubscribe.",
            args: &[shard_channel("shardchannel").optional().multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| unsubscribe(ctx, args, Kind::Channel),
        Spec {
            name: "unsubscribe",
            since: "2.0.0",
            summary: "Stops listening to messages posted to channels.",
            complexity: "O(N) where N is the number of channels to unsubscribe.",
            args: &[string("channel").optional().multiple()],
            flags: SUBSCRIBING,
            reply: CONFIRMED,
            role: Role::WhileListening,
            ..BASE
        },
    ),
];

static PUBSUB: &[Command] = &[
    Command::new(
        |ctx, args| list(ctx, args, Kind::Channel),
        Spec {
            name: "channels",
            since: "2.8.0",
            summary: "Returns the active channels.",
            complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching \
                     (relatively short channels and patterns)",
            args: &[pattern("pattern").optional()],
            flags: ASKING,
            reply: "the names",
            ..BASE
        },
    ),
    Command::new(
        pubsub_help,
        Spec {
            name: "help",
            since: "6.2.0",
            summary: "Returns helpful text about the different subcommands.",
            flags: &[Flag::Loading, Flag::Stale],
            reply: "lines of text",
            ..BASE
        },
    ),
    Command::new(
        numpat,
        Spec {
            name: "numpat",
            since: "2.8.0",
            summary: "Returns a count of unique pattern subscriptions.",
            flags: ASKING,
            reply: "the number of patterns that somebody subscribes to",
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| numsub(ctx, args, Kind::Channel),
        Spec {
            name: "numsub",
            since: "2.8.0",
            summary: "Returns a count of subscribers to channels.",
            complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
            args: &[string("channel").optional().multiple()],
            flags: ASKING,
            reply: "each name and how many subscribe to it",
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| list(ctx, args, Kind::ShardChannel),
        Spec {
            name: "shardchannels",
            since: "7.0.0",
            summary: "Returns the active shard channels.",
            complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern \
                     matching (relatively short shard channels).",
            args: &[pattern("pattern").optional()],
            flags: ASKING,
            reply: "the names",
            ..BASE
        },
    ),
    Command::new(
        |ctx, args| numsub(ctx, args, Kind::ShardChannel),
        Spec {
            name: "shardnumsub",
            since: "7.0.0",
            summary: "Returns the count of subscribers of shard channels.",
            complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
            args: &[string("shardchannel").optional().multiple()],
            flags: ASKING,
            reply: "each name and how many subscribe to it",
            ..BASE
        },
    ),
];

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

fn pubsub_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "PUBSUB", HELP);
    Ok(())
}

fn publish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (channel, message) = (args.take()?, args.take()?);
    ctx.publish_events();
    let receivers = ctx.shared.pubsub.publish(channel, message, ctx.deliveries);
    ctx.reply.int(receivers as i64);
    Ok(())
}

fn spublish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (channel, message) = (args.take()?, args.take()?);
    let receivers = ctx.shared.pubsub.publish_to_shard(channel, message, ctx.deliveries);
    ctx.reply.int(receivers as i64);
    Ok(())
}

fn subscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> Result<(), CommandError> {
    let word = match kind {
        Kind::Channel => "subscribe",
        Kind::Pattern => "psubscribe",
        Kind::ShardChannel => "ssubscribe",
    };
    // SUBSCRIBE and PSUBSCRIBE may, because they always could; so Redis.
    if kind == Kind::ShardChannel && ctx.in_transaction {
        return Err(CommandError::err("SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    ctx.session.hears_messages = true;
    // What happened before is not for a new subscriber.
    ctx.publish_events();
    while let Some(name) = args.try_take() {
        if !ctx.session.subscriptions.of(kind).contains(name) {
            let client = &ctx.session.client;
            let subscriber = Subscriber { client: client.id, post_box: client.post_box.clone() };
            let shared = match channels(ctx.shared, kind) {
                Some(channels) => channels.add(name, subscriber),
                None => ctx.shared.pubsub.add_pattern(name, subscriber),
            };
            ctx.session.subscriptions.of_mut(kind).insert(shared);
        }
        confirm(ctx, word, kind, Some(name));
    }
    ctx.session.subscriptions.publish(&ctx.session.client.seen);
    Ok(())
}

fn unsubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> Result<(), CommandError> {
    // Its confirmation may have to pass CLIENT REPLY OFF.
    ctx.session.hears_messages = true;
    let mut names: Vec<Arc<[u8]>> = Vec::with_capacity(args.left());
    while let Some(name) = args.try_take() {
        names.push(Arc::from(name));
    }
    if names.is_empty() {
        names.extend(ctx.session.subscriptions.of(kind).iter().cloned());
    }
    let word = match kind {
        Kind::Channel => "unsubscribe",
        Kind::Pattern => "punsubscribe",
        Kind::ShardChannel => "sunsubscribe",
    };
    names.iter().for_each(|name| withdraw(ctx.shared, ctx.session, kind, name));
    write_delivered(ctx);
    for name in &names {
        ctx.session.subscriptions.remove(kind, name);
        confirm(ctx, word, kind, Some(name));
    }
    if names.is_empty() {
        confirm(ctx, word, kind, None);
    }
    ctx.session.subscriptions.publish(&ctx.session.client.seen);
    Ok(())
}

/// Writes what has been delivered to this connection so far.
fn write_delivered(ctx: &mut Ctx<'_>) {
    for push in ctx.session.post_box().take_pushes() {
        if ctx.session.wants(&push) {
            speak(ctx, |reply| write_push(reply, &push));
        }
    }
}

fn confirm(ctx: &mut Ctx<'_>, word: &str, kind: Kind, name: Option<&[u8]>) {
    let count = ctx.session.subscriptions.count(kind);
    speak(ctx, |reply| {
        reply.push(3);
        reply.bulk(word.as_bytes());
        match name {
            Some(name) => reply.bulk(name),
            None => reply.null(),
        }
        reply.int(count as i64);
    });
}

/// Writes something that CLIENT REPLY does not silence.
fn speak(ctx: &mut Ctx<'_>, write: impl FnOnce(&mut Reply<'_>)) {
    let proto = ctx.session.proto;
    match ctx.session.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => write(&mut ctx.reply),
        ReplyMode::Off | ReplyMode::Skipping => {
            write(&mut Reply::new(ctx.session.subscriptions.loud(), proto));
        }
    }
}

fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> Result<(), CommandError> {
    let pattern = args.try_take();
    if !args.is_done() {
        let why = b"ERR unknown subcommand or wrong number of arguments for '";
        return Err(CommandError::text([why, args.word(1), b"'. Try PUBSUB HELP."].concat()));
    }
    let names = channels(ctx.shared, kind).map_or_else(Vec::new, |channels| channels.names(pattern));
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(())
}

fn numsub(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> Result<(), CommandError> {
    ctx.reply.array(args.left() * 2);
    while let Some(name) = args.try_take() {
        let crowd = channels(ctx.shared, kind).and_then(|channels| channels.crowd(name));
        ctx.reply.bulk(name);
        ctx.reply.int(crowd.map_or(0, |(_, crowd)| crowd.len()) as i64);
    }
    Ok(())
}

fn numpat(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.int(ctx.shared.pubsub.pattern_count() as i64);
    Ok(())
}
