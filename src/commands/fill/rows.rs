//! The rows of the FILL commands.

use super::answer::PUT;
use super::{answer, ask, inspect};
use crate::dispatch::command::Command;
use crate::table::KeyFlag;
use crate::table::KeyFlag::{Access, RO, RW, Update};
use crate::table::arg::key_count;
use crate::table::arg::{block, double, integer, key, one_of, string, token, unix_time};
use crate::table::{Arg, Category, Flag, Group, Locking, Role, Spec};

const READ_KEY: &[KeyFlag] = &[RO, Access];
const WRITE_KEY: &[KeyFlag] = &[RW, Update];
const SINCE: &str = "0.1.0";

const WAIT: Arg = one_of("wait", &[integer("wait-ms").token("WAIT"), token("nowait", "NOWAIT")]).optional();
const LEASE: Arg = integer("lease-ms").token("LEASE").optional();
const STALE: Arg = integer("stale-ms").token("STALE").optional();
const BETA: Arg = double("beta").token("BETA").optional();
const NONCE: Arg = string("nonce").token("AS").optional();
const DETACHED: Arg = token("detached", "DETACHED").optional();
const IDLE: Arg = integer("idle-ms").token("IDLE").optional();
const GRACE: Arg = integer("grace-ms").token("GRACE").optional();
const JITTER: Arg = integer("percent").token("JITTER").optional();
const TTL: Arg =
    one_of("expiration", &[integer("seconds").token("EX"), integer("milliseconds").token("PX")]).optional();
const EXPIRATION: Arg = one_of(
    "expiration",
    &[
        integer("seconds").token("EX"),
        integer("milliseconds").token("PX"),
        unix_time("unix-time-seconds").token("EXAT"),
        unix_time("unix-time-milliseconds").token("PXAT"),
    ],
)
.optional();

const PUT_REPLY: &str = "OK stored; DUP this token was answered this way already; VOID not stored";
const GET_REPLY: &str =
    "[status, value, token, ms], status one of HIT LEAD REFRESH STALE NONE FAIL PASS WAIT SELF";

/// What a leader's answer has in common.
const ANSWER: Spec = Spec {
    group: Group::Fill,
    since: SINCE,
    complexity: "O(1), plus O(W) to answer W waiting callers",
    flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
    acl: &[Category::Fill, Category::String],
    reply: PUT_REPLY,
    ..Spec::EMPTY
};

pub static COMMANDS: &[Command] = &[
    Command::new(
        answer::fail,
        Spec {
            name: "fill.fail",
            summary: "Says that a fill failed: hands the lease on, or shares the failure with RETRY.",
            args: &[
                key("key", WRITE_KEY),
                string("token"),
                string("message").optional(),
                integer("retry-ms").token("RETRY").optional(),
            ],
            // Not refused when memory is used up: a leader that cannot store must be able to say so.
            flags: &[Flag::Write, Flag::Fast],
            ..ANSWER
        },
    ),
    Command::new(
        ask::get,
        Spec {
            name: "fill.get",
            group: Group::Fill,
            since: SINCE,
            summary: "Gets a value; on a miss elects one caller to compute it and lets the others wait.",
            args: &[key("key", READ_KEY), WAIT, LEASE, STALE, BETA, NONCE, DETACHED],
            flags: &[Flag::Readonly, Flag::Blocking, Flag::Fast],
            acl: &[Category::Fill, Category::String],
            answered_by: Some(PUT),
            reply: GET_REPLY,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        inspect::info,
        Spec {
            name: "fill.info",
            group: Group::Fill,
            since: SINCE,
            summary: "Shows the open flight of a key.",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::Fill, Category::String],
            reply: "a map of key, database, age-ms, lease-left-ms, waiters, leader-id, leader-addr, leader-name; or null",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        inspect::list,
        Spec {
            name: "fill.list",
            group: Group::Fill,
            since: SINCE,
            summary: "Lists the open flights of all databases, oldest first.",
            complexity: "O(F log F) for F open flights",
            args: &[integer("count").token("COUNT").optional()],
            flags: &[Flag::Readonly],
            acl: &[Category::Fill, Category::Dangerous],
            reply: "an array of maps as of FILL.INFO; 100 without COUNT",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        ask::mget,
        Spec {
            name: "fill.mget",
            group: Group::Fill,
            since: SINCE,
            summary: "As FILL.GET for several keys; waits only if it leads none of them.",
            complexity: "O(N) for N keys",
            args: &[key_count(), key("key", READ_KEY).multiple(), WAIT, LEASE, STALE, BETA, NONCE, DETACHED],
            flags: &[Flag::Readonly, Flag::Blocking, Flag::MovableKeys],
            acl: &[Category::Fill, Category::String],
            answered_by: Some(PUT),
            reply: "an array with [status, value, token, ms] for each key, in order",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        answer::mput,
        Spec {
            name: "fill.mput",
            summary: "As FILL.PUT for several keys, seen by others whole or not at all.",
            complexity: "O(N) for N keys",
            args: &[
                key_count(),
                block("data", &[key("key", WRITE_KEY), string("token"), string("value")]).multiple(),
                EXPIRATION,
                IDLE,
                GRACE,
                JITTER,
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
            reply: "an array with OK, DUP or VOID for each triple",
            locking: Locking::Itself,
            role: Role::AnswersLeases,
            ..ANSWER
        },
    ),
    Command::new(
        answer::none,
        Spec {
            name: "fill.none",
            summary: "Answers a lease: the thing does not exist, and that is remembered.",
            args: &[key("key", WRITE_KEY), string("token"), TTL],
            role: Role::AnswersLeases,
            ..ANSWER
        },
    ),
    Command::new(
        answer::pass,
        Spec {
            name: "fill.pass",
            summary: "Answers a lease: the value must not be cached; for that long every caller computes for itself.",
            args: &[key("key", WRITE_KEY), string("token"), TTL],
            role: Role::AnswersLeases,
            ..ANSWER
        },
    ),
    Command::new(
        answer::put,
        Spec {
            name: PUT,
            summary: "Answers a lease: stores the value and answers everybody who waits.",
            args: &[key("key", WRITE_KEY), string("token"), string("value"), EXPIRATION, IDLE, GRACE, JITTER],
            role: Role::AnswersLeases,
            ..ANSWER
        },
    ),
    Command::new(
        answer::renew,
        Spec {
            name: "fill.renew",
            summary: "Prolongs a lease.",
            complexity: "O(1)",
            args: &[key("key", WRITE_KEY), string("token"), LEASE],
            flags: &[Flag::Write, Flag::Fast],
            reply: "milliseconds left; 0 if the token is void: stop computing",
            ..ANSWER
        },
    ),
    Command::new(
        answer::stale,
        Spec {
            name: "fill.stale",
            summary: "Makes a fresh value stale now and voids its flight: a soft invalidation.",
            complexity: "O(1)",
            args: &[key("key", WRITE_KEY), GRACE],
            flags: &[Flag::Write, Flag::Fast],
            reply: "1 if a value was kept as stale, else 0",
            ..ANSWER
        },
    ),
    Command::new(
        inspect::top,
        Spec {
            name: "fill.top",
            group: Group::Fill,
            since: SINCE,
            summary: "Lists the keys of all databases whose crowds saved the most fills since CONFIG RESETSTAT.",
            complexity: "O(K log K) for K remembered keys, at most 4,096",
            args: &[integer("count").token("COUNT").optional()],
            flags: &[Flag::Readonly],
            acl: &[Category::Fill, Category::Dangerous],
            reply: "an array of maps of key, database, saved, overcount, crowds, largest-crowd; 10 without COUNT",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
];
