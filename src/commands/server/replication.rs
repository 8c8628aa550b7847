//! ROLE, REPLICAOF, WAIT and WAITAOF as a server answers them that has no replicas and can be none.

use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{block, integer, one_of, string, token};
use crate::table::{Arg, Category, Deprecated, Flag, Group, Locking, Spec};

/// `host port`, or NO ONE.
const MASTER: &[Arg] = &[one_of(
    "args",
    &[
        block("host-port", &[string("host"), integer("port")]),
        block("no-one", &[token("no", "NO"), token("one", "ONE")]),
    ],
)];

pub static COMMANDS: &[Command] = &[
    Command::new(
        replicaof,
        Spec {
            name: "replicaof",
            group: Group::Server,
            since: "5.0.0",
            summary: "Configures a server as replica of another, or promotes it to a master.",
            complexity: "O(1)",
            args: MASTER,
            flags: &[Flag::NoAsyncLoading, Flag::Admin, Flag::NoScript, Flag::Stale],
            reply: "OK for NO ONE; there is no replication",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        role,
        Spec {
            name: "role",
            group: Group::Server,
            since: "2.8.12",
            summary: "Returns the replication role.",
            complexity: "O(1)",
            flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast],
            acl: &[Category::Admin, Category::Dangerous],
            reply: "an array of the role, the offset and the replicas",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        replicaof,
        Spec {
            name: "slaveof",
            group: Group::Server,
            since: "1.0.0",
            summary: "Sets a server as a replica of another, or promotes it to being a master.",
            complexity: "O(1)",
            args: MASTER,
            flags: &[Flag::NoAsyncLoading, Flag::Admin, Flag::NoScript, Flag::Stale],
            deprecated: Some(Deprecated { since: "5.0.0", replaced_by: "`REPLICAOF`" }),
            reply: "OK for NO ONE; there is no replication",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        waitaof,
        Spec {
            name: "waitaof",
            group: Group::Generic,
            since: "7.2.0",
            summary: "Waits for writes of this connection to be on disk; nothing ever is.",
            complexity: "O(1)",
            args: &[integer("numlocal"), integer("numreplicas"), integer("timeout")],
            flags: &[Flag::NoScript],
            acl: &[Category::Connection],
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            reply: "an array of two zeros: nothing is persisted here or on replicas",
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
];

fn role(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(3);
    ctx.reply.bulk(b"master");
    ctx.reply.int(0);
    ctx.reply.array(0);
    Ok(())
}

fn replicaof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (host, port) = (args.take()?, args.take()?);
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        ctx.reply.ok();
        return Ok(());
    }
    match parse_i64(port) {
        Some(0..=65_535) => Err(CommandError::err("REPLICAOF is not supported: there is no replication")),
        _ => Err(CommandError::err("Invalid master port")),
    }
}

fn waitaof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let in_range = |range: std::ops::RangeInclusive<i64>, word: &[u8]| {
        parse_i64(word).filter(|number| range.contains(number))
    };
    let out_of_range = CommandError::err("value is out of range, must be between 0 and 1");
    let local = in_range(0..=1, args.take()?).ok_or(out_of_range)?;
    in_range(0..=i64::MAX, args.take()?)
        .ok_or_else(|| CommandError::err("value is out of range, must be positive"))?;
    let timeout = parse_i64(args.take()?)
        .ok_or_else(|| CommandError::err("timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(CommandError::err("timeout is negative"));
    }
    if local > 0 {
        return Err(CommandError::err(
            "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    ctx.reply.array(2);
    ctx.reply.int(0);
    ctx.reply.int(0);
    Ok(())
}
