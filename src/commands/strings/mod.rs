//! The string commands' rows. Their handlers: whole values are written in `set`, read in `get`, parts of
//! them in `range`; `lifetime` reads the options that say how long a value lives. HyperLogLogs are strings too: `hll`.

mod bitfield;
mod bits;
mod get;
mod hll;
mod lcs;
pub mod lifetime;
pub mod number;
mod range;
mod set;
pub mod span;

use crate::dispatch::command::Command;
use crate::table::KeyFlag::{Access, Delete, Insert, OW, RO, RW, Update, VariableFlags};
use crate::table::arg::{block, integer, key, one_of, string, token, unix_time};
use crate::table::{Arg, Category, Deprecated, Flag, Group, Locking, Spec, Varying};

/// An extension: the value ends when nobody has asked for it so long.
const IDLE: Arg = integer("idle-milliseconds").token("IDLE").optional();

/// The files of the family.
pub static FAMILY: &[&[Command]] =
    &[COMMANDS, bitfield::COMMANDS, bits::COMMANDS, hll::COMMANDS, lcs::COMMANDS, number::COMMANDS];

pub static COMMANDS: &[Command] = &[
    Command::new(
        range::append,
        Spec {
            name: "append",
            group: Group::String,
            since: "2.0.0",
            summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
            complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.",
            args: &[key("key", &[RW, Insert]), string("value")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "the length of the value after the append",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        get::get,
        Spec {
            name: "get",
            group: Group::String,
            since: "1.0.0",
            summary: "Returns the string value of a key.",
            complexity: "O(1)",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::String],
            reply: "the value, nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        get::getdel,
        Spec {
            name: "getdel",
            group: Group::String,
            since: "6.2.0",
            summary: "Returns the string value of a key after deleting the key.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Delete])],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::String],
            reply: "the value before, nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        get::getex,
        Spec {
            name: "getex",
            group: Group::String,
            since: "6.2.0",
            summary: "Returns the string value of a key after setting its expiration time.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Access, Update]),
                one_of(
                    "expiration",
                    &[
                        integer("seconds").token("EX"),
                        integer("milliseconds").token("PX"),
                        unix_time("unix-time-seconds").token("EXAT"),
                        unix_time("unix-time-milliseconds").token("PXAT"),
                        token("persist", "PERSIST"),
                    ],
                )
                .optional(),
                IDLE,
            ],
            flags: &[Flag::Write, Flag::Fast],
            acl: &[Category::String],
            key_notes: "RW and UPDATE because it changes the TTL",
            reply: "the value, nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        range::getrange,
        Spec {
            name: "getrange",
            group: Group::String,
            since: "2.4.0",
            summary: "Returns a substring of the string stored at a key.",
            complexity: "O(N) where N is the length of the returned string",
            args: &[key("key", &[RO, Access]), integer("start"), integer("end")],
            flags: &[Flag::Readonly],
            acl: &[Category::String],
            reply: "the part between both ends, inclusive; empty where nothing is left",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::getset,
        Spec {
            name: "getset",
            group: Group::String,
            since: "1.0.0",
            summary: "Returns the previous string value of a key after setting it to a new value.",
            complexity: "O(1)",
            args: &[key("key", &[RW, Access, Update]), string("value")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`SET` with the `!GET` argument" }),
            reply: "the value before, nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        get::mget,
        Spec {
            name: "mget",
            group: Group::String,
            since: "1.0.0",
            summary: "Atomically returns the string values of one or more keys.",
            complexity: "O(N) where N is the number of keys to retrieve.",
            args: &[key("key", &[RO, Access]).multiple()],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::String],
            tips: &["request_policy:multi_shard"],
            reply: "for each key its value, nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::mset,
        Spec {
            name: "mset",
            group: Group::String,
            since: "1.0.1",
            summary: "Atomically creates or modifies the string values of one or more keys.",
            complexity: "O(N) where N is the number of keys to set.",
            args: &[block("key_value", &[key("key", &[OW, Update]), string("value")]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
            reply: "OK",
            locking: Locking::Itself,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::msetnx,
        Spec {
            name: "msetnx",
            group: Group::String,
            since: "1.0.1",
            summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
            complexity: "O(N) where N is the number of keys to set.",
            args: &[block("key_value", &[key("key", &[OW, Insert]), string("value")]).multiple()],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            tips: &["request_policy:multi_shard", "response_policy:agg_min"],
            reply: "1 if all keys were set, 0 if none was",
            locking: Locking::Itself,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::psetex,
        Spec {
            name: "psetex",
            group: Group::String,
            since: "2.6.0",
            summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[OW, Update]), integer("milliseconds"), string("value")],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            reply: "OK",
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::set,
        Spec {
            name: "set",
            group: Group::String,
            since: "1.0.0",
            summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
            complexity: "O(1)",
            args: &[
                key("key", &[RW, Access, Update, VariableFlags]),
                string("value"),
                one_of(
                    "condition",
                    &[
                        token("nx", "NX"),
                        token("xx", "XX"),
                        string("comparison-value").token("IFEQ").since("8.1.0"),
                    ],
                )
                .optional()
                .since("2.6.12"),
                token("get", "GET").optional().since("6.2.0"),
                one_of(
                    "expiration",
                    &[
                        integer("seconds").token("EX").since("2.6.12"),
                        integer("milliseconds").token("PX").since("2.6.12"),
                        unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                        unix_time("unix-time-milliseconds").token("PXAT").since("6.2.0"),
                        token("keepttl", "KEEPTTL").since("6.0.0"),
                    ],
                )
                .optional(),
                IDLE,
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            history: &[
                ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
                ("6.0.0", "Added the `KEEPTTL` option."),
                ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
                ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
                ("8.1.0", "Added the `IFEQ` option."),
            ],
            key_notes: "RW and ACCESS due to the optional `GET` argument",
            reply: "OK, nil if the condition did not hold; with GET the value before, nil without key",
            varying: Some(Varying::SetWithGet),
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::setex,
        Spec {
            name: "setex",
            group: Group::String,
            since: "2.0.0",
            summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[OW, Update]), integer("seconds"), string("value")],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            reply: "OK",
            quick: true,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        set::setnx,
        Spec {
            name: "setnx",
            group: Group::String,
            since: "1.0.0",
            summary: "Set the string value of a key only when the key doesn't exist.",
            complexity: "O(1)",
            args: &[key("key", &[OW, Insert]), string("value")],
            flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
            acl: &[Category::String],
            reply: "1 if the key was set, else 0",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        range::setrange,
        Spec {
            name: "setrange",
            group: Group::String,
            since: "2.2.0",
            summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
            complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
            args: &[key("key", &[RW, Update]), integer("offset"), string("value")],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::String],
            reply: "the length of the value after the change",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        range::strlen,
        Spec {
            name: "strlen",
            group: Group::String,
            since: "2.2.0",
            summary: "Returns the length of a string value.",
            complexity: "O(1)",
            args: &[key("key", &[RO])],
            flags: &[Flag::Readonly, Flag::Fast],
            acl: &[Category::String],
            reply: "the length in bytes, 0 without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        range::getrange,
        Spec {
            name: "substr",
            group: Group::String,
            since: "1.0.0",
            summary: "Returns a substring from a string value.",
            complexity: "O(N) where N is the length of the returned string",
            args: &[key("key", &[RO, Access]), integer("start"), integer("end")],
            flags: &[Flag::Readonly],
            acl: &[Category::String],
            deprecated: Some(Deprecated { since: "2.0.0", replaced_by: "`GETRANGE`" }),
            reply: "as GETRANGE",
            ..Spec::EMPTY
        },
    ),
];
