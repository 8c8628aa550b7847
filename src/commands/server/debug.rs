//! DEBUG: what tests need and operators rarely do. Refused unless `enable-debug-command` allows it.
//!
//! Like Redis's it is one command with words, not a container. Knows only what makes sense here; the
//! rest is answered as unknown. What it tells of values is in `debug_values`.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::debug_values;
use crate::base::glob;
use crate::base::int::parse_i64;
use crate::clients::Client;
use crate::commands::help;
use crate::config::{DebugAccess, Extent};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::gate::as_c_string;
use crate::keyspace::Expiry;
use crate::protocol::reply::{Proto, Reply};
use crate::storage::NewValue;
use crate::table::{Flag, Group, Locking, Spec, Touch};

pub static COMMANDS: &[Command] = &[Command::new(
    debug,
    Spec {
        name: "debug",
        group: Group::Server,
        since: "1.0.0",
        summary: "A container for debugging commands.",
        complexity: "Depends on subcommand.",
        arity_fixed: Some(-2),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        reply: "depends on the subcommand",
        locking: Locking::All,
        touch: Touch::Never,
        ..Spec::EMPTY
    },
)];

const HELP: &[&str] = &[
    "CONFIG-REWRITE-FORCE-ALL",
    "    Like CONFIG REWRITE but writes all configuration options, including",
    "    keywords not listed in original configuration file or default values.",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate Redis errors.",
    "HTSTATS-KEY <key>",
    "    Like DEBUG HTSTATS but for the hash table stored at <key>'s value.",
    "LISTPACK <key>",
    "    Tell whether the value of <key> is a listpack by name.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "PANIC",
    "    Panic in this connection's handler: it alone is closed.",
    "PAUSE-CRON <0|1>",
    "    Stop housekeeping and the expiring of keys in background.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted without effect: how lists lie in memory is not set.",
    "RECOUNT",
    "    Count entries, memory and flights anew and report them with what differs",
    "    from the figures that are kept.",
    "RELOAD",
    "    Write every value as DUMP does, read it back and keep that.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Setting it to 1 lets scripts call what is not meant for them, for tests.",
    "SLEEP <seconds>",
    "    Stop the worker of this connection for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Tell whether the glob-style <pattern> matches <string>.",
];

/// Longest DEBUG SLEEP, seconds.
const SLEEP_S_MAX: f64 = 3600.0;

fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if !is_allowed(ctx.settings.enable_debug_command, &ctx.session.client) {
        return Err(not_allowed());
    }
    let name = args.take()?.to_ascii_lowercase();
    match (name.as_slice(), args.left()) {
        (b"config-rewrite-force-all", 0) => return super::config::rewrite_file(ctx, Extent::All),
        (b"help", 0) => help::write(ctx, "DEBUG", HELP),
        (b"sleep", 1) => sleep(ctx, args.take()?),
        (b"set-active-expire", 1) => {
            ctx.shared.operator.sweeps.store(parse_i64(args.take()?).unwrap_or(0) != 0, Relaxed);
            ctx.reply.ok();
        }
        (b"set-disable-deny-scripts", 1) => {
            let may_all = parse_i64(args.take()?).unwrap_or(0) != 0;
            ctx.shared.operator.scripts_may_all.store(may_all, Relaxed);
            ctx.reply.ok();
        }
        (b"pause-cron", 1) => {
            ctx.shared.operator.rests.store(parse_i64(args.take()?).unwrap_or(0) != 0, Relaxed);
            ctx.reply.ok();
        }
        (b"recount", 0) => recount(ctx),
        (b"panic", _) => panic!("DEBUG PANIC called by client {}", ctx.session.client.id),
        (b"object", 1) => debug_values::object(ctx, args)?,
        (b"listpack", 1) => debug_values::listpack(ctx, args)?,
        (b"htstats-key", 1..=2) => debug_values::table_stats(ctx, args)?,
        (b"digest", 0) => debug_values::digest(ctx)?,
        (b"digest-value", _) => debug_values::digest_values(ctx, args)?,
        (b"reload", 0) => debug_values::reload(ctx)?,
        // For Redis's own suite: the answers of lists must not depend on it.
        (b"quicklist-packed-threshold", 1) => ctx.reply.ok(),
        (b"stringmatch-len", 2) => {
            let matched = glob::matches(args.take()?, args.take()?, false);
            ctx.reply.int(matched.into());
        }
        (b"log", 1) => {
            tracing::warn!("DEBUG LOG: {}", args.take()?.escape_ascii());
            ctx.reply.ok();
        }
        (b"error", 1) => return Err(CommandError::text(args.take()?.to_vec())),
        (b"populate", 1..=3) => populate(ctx, args)?,
        (b"protocol", 1) => write_sample(&mut ctx.reply, args.take()?)?,
        (b"reload" | b"loadaof" | b"jmap", _) => {
            let name = String::from_utf8_lossy(&name).to_ascii_uppercase();
            return Err(CommandError::err(format!("DEBUG {name} is not supported: nothing is persisted")));
        }
        _ => return Err(unknown_subcommand(args.word(1))),
    }
    Ok(())
}

fn is_allowed(access: DebugAccess, client: &Client) -> bool {
    match access {
        DebugAccess::No => false,
        DebugAccess::Yes => true,
        DebugAccess::Local => client.is_unix || is_loopback(&client.addr),
    }
}

/// Whether `ip:port` is of this machine.
fn is_loopback(addr: &str) -> bool {
    addr.parse::<SocketAddr>().is_ok_and(|addr| addr.ip().to_canonical().is_loopback())
}

fn not_allowed() -> CommandError {
    CommandError::err(
        "DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from \
         a local connection, otherwise you need to set this option in the configuration file, and then restart \
         the server.",
    )
}

/// Redis's text for a command that reads its subcommands itself.
fn unknown_subcommand(name: &[u8]) -> CommandError {
    let name = as_c_string(name, 128);
    let text = [b"ERR unknown subcommand or wrong number of arguments for '", name, b"'. Try DEBUG HELP."];
    CommandError::text(text.concat())
}

/// Blocks this worker on purpose: the tests that ask for it want a server that does not answer.
fn sleep(ctx: &mut Ctx<'_>, seconds: &[u8]) {
    let seconds: f64 = std::str::from_utf8(seconds).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    if seconds > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(SLEEP_S_MAX)));
    }
    ctx.reply.ok();
}

fn populate(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = args.amount()?;
    let prefix = args.try_take().unwrap_or(b"key");
    let value_bytes = if args.is_done() { 0 } else { args.amount()? };
    ctx.check_string_len(value_bytes)?;
    for number in 0..count {
        let name = [prefix, b":", number.to_string().as_bytes()].concat();
        let mut value = format!("value:{number}").into_bytes();
        if value_bytes > 0 {
            value.resize(value_bytes, 0);
        }
        let key = ctx.keys.key(&name);
        let mut view = ctx.keys.view(&key);
        if !view.has(&key) {
            view.set(&key, &NewValue::copied(&value), Expiry::None);
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn recount(ctx: &mut Ctx<'_>) {
    let census = ctx.keys.recount();
    let figures = [
        ("entries", census.stores.entries),
        ("expiring", census.stores.expiring),
        ("hidden", census.stores.hidden),
        ("bytes", census.stores.bytes),
        ("flights", census.flights),
        ("kept", census.kept),
        ("waiters", census.waiters),
        ("answered", census.answered),
        ("shards", census.shards),
    ];
    ctx.reply.map(figures.len() + 1);
    for (name, figure) in figures {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(figure as i64);
    }
    ctx.reply.bulk(b"faults");
    ctx.reply.array(census.stores.faults.len());
    census.stores.faults.iter().for_each(|fault| ctx.reply.bulk(fault.as_bytes()));
}

/// One reply of each type, for tests of clients.
fn write_sample(reply: &mut Reply<'_>, kind: &[u8]) -> Result<(), CommandError> {
    let resp3 = reply.proto == Proto::Resp3;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" if resp3 => reply.out.extend(b"(1234567999999999999999999999999999999\r\n"),
        b"bignum" => reply.bulk(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                write_bool(reply, number == 1);
            }
        }
        b"attrib" => write_attribute(reply),
        b"push" if !resp3 => return Err(CommandError::err("RESP2 is not supported by this command")),
        b"push" => {
            reply.out.extend(b">2\r\n");
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"true" => write_bool(reply, true),
        b"false" => write_bool(reply, false),
        b"verbatim" => reply.verbatim("This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::err(
                "Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|\
                 array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn write_attribute(reply: &mut Reply<'_>) {
    if reply.proto == Proto::Resp3 {
        reply.out.extend(b"|1\r\n");
        reply.bulk(b"key-popularity");
        reply.array(2);
        reply.bulk(b"key:123");
        reply.int(90);
    }
    reply.bulk(b"Some real reply following the attribute");
}

fn write_bool(reply: &mut Reply<'_>, value: bool) {
    match (reply.proto, value) {
        (Proto::Resp2, _) => reply.int(value.into()),
        (Proto::Resp3, true) => reply.out.extend(b"#t\r\n"),
        (Proto::Resp3, false) => reply.out.extend(b"#f\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_other_addresses() {
        for addr in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(is_loopback(addr), "{addr}");
        }
        for addr in ["10.0.0.1:1", "[2001:db8::1]:1", "", "/tmp/socket:0"] {
            assert!(!is_loopback(addr), "{addr}");
        }
    }
}
