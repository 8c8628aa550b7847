//! The string commands' rows. Their handlers: whole values are written in `set`, read in `get`, parts of
//! them in `range`; `lifetime` reads the options that say how long a value lives.

mod get;
pub(super) mod lifetime;
mod range;
mod set;

use super::spec::{
    Arg, Category, Deprecated, Flag, Group, Handler, Locking, Spec, block, integer, key, one_of, string,
    token, unix_time,
};

/// An extension: the value ends when nobody has asked for it so long.
const IDLE: Arg = integer("idle-milliseconds").token("IDLE").optional();

pub static ROWS: &[Spec] = &[
    Spec {
        name: "append",
        group: Group::String,
        since: "2.0.0",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.",
        args: &[key("key", &["RW", "insert"]), string("value")],
        flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
        acl: &[Category::String],
        reply: "the length of the value after the append",
        handler: Handler::Run(range::append),
        ..Spec::EMPTY
    },
    Spec {
        name: "get",
        group: Group::String,
        since: "1.0.0",
        summary: "Returns the string value of a key.",
        complexity: "O(1)",
        args: &[key("key", &["RO", "access"])],
        flags: &[Flag::Readonly, Flag::Fast],
        acl: &[Category::String],
        reply: "the value, nil without key",
        handler: Handler::Run(get::get),
        ..Spec::EMPTY
    },
    Spec {
        name: "getdel",
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key after deleting the key.",
        complexity: "O(1)",
        args: &[key("key", &["RW", "access", "delete"])],
        flags: &[Flag::Write, Flag::Fast],
        acl: &[Category::String],
        reply: "the value before, nil without key",
        handler: Handler::Run(get::getdel),
        ..Spec::EMPTY
    },
    Spec {
        name: "getex",
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key after setting its expiration time.",
        complexity: "O(1)",
        args: &[
            key("key", &["RW", "access", "update"]),
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
        handler: Handler::Run(get::getex),
        ..Spec::EMPTY
    },
    Spec {
        name: "getrange",
        group: Group::String,
        since: "2.4.0",
        summary: "Returns a substring of the string stored at a key.",
        complexity: "O(N) where N is the length of the returned string",
        args: &[key("key", &["RO", "access"]), integer("start"), integer("end")],
        flags: &[Flag::Readonly],
        acl: &[Category::String],
        reply: "the part between both ends, inclusive; empty where nothing is left",
        handler: Handler::Run(range::getrange),
        ..Spec::EMPTY
    },
    Spec {
        name: "getset",
        group: Group::String,
        since: "1.0.0",
        summary: "Returns the previous string value of a key after setting it to a new value.",
        complexity: "O(1)",
        args: &[key("key", &["RW", "access", "update"]), string("value")],
        flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
        acl: &[Category::String],
        deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`SET` with the `!GET` argument" }),
        reply: "the value before, nil without key",
        handler: Handler::Run(set::getset),
        ..Spec::EMPTY
    },
    Spec {
        name: "mget",
        group: Group::String,
        since: "1.0.0",
        summary: "Atomically returns the string values of one or more keys.",
        complexity: "O(N) where N is the number of keys to retrieve.",
        args: &[key("key", &["RO", "access"]).multiple()],
        flags: &[Flag::Readonly, Flag::Fast],
        acl: &[Category::String],
        tips: &["request_policy:multi_shard"],
        reply: "for each key its value, nil without key",
        handler: Handler::Run(get::mget),
        ..Spec::EMPTY
    },
    Spec {
        name: "mset",
        group: Group::String,
        since: "1.0.1",
        summary: "Atomically creates or modifies the string values of one or more keys.",
        complexity: "O(N) where N is the number of keys to set.",
        args: &[block("key_value", &[key("key", &["OW", "update"]), string("value")]).multiple()],
        flags: &[Flag::Write, Flag::DenyOom],
        acl: &[Category::String],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        reply: "OK",
        locking: Locking::Itself,
        handler: Handler::Run(set::mset),
        ..Spec::EMPTY
    },
    Spec {
        name: "msetnx",
        group: Group::String,
        since: "1.0.1",
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        complexity: "O(N) where N is the number of keys to set.",
        args: &[block("key_value", &[key("key", &["OW", "insert"]), string("value")]).multiple()],
        flags: &[Flag::Write, Flag::DenyOom],
        acl: &[Category::String],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        reply: "1 if all keys were set, 0 if none was",
        locking: Locking::Itself,
        handler: Handler::Run(set::msetnx),
        ..Spec::EMPTY
    },
    Spec {
        name: "psetex",
        group: Group::String,
        since: "2.6.0",
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
        complexity: "O(1)",
        args: &[key("key", &["OW", "update"]), integer("milliseconds"), string("value")],
        flags: &[Flag::Write, Flag::DenyOom],
        acl: &[Category::String],
        reply: "OK",
        handler: Handler::Run(set::psetex),
        ..Spec::EMPTY
    },
    Spec {
        name: "set",
        group: Group::String,
        since: "1.0.0",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        complexity: "O(1)",
        args: &[
            key("key", &["RW", "access", "update", "variable_flags"]),
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
        handler: Handler::Run(set::set),
        ..Spec::EMPTY
    },
    Spec {
        name: "setex",
        group: Group::String,
        since: "2.0.0",
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        complexity: "O(1)",
        args: &[key("key", &["OW", "update"]), integer("seconds"), string("value")],
        flags: &[Flag::Write, Flag::DenyOom],
        acl: &[Category::String],
        reply: "OK",
        handler: Handler::Run(set::setex),
        ..Spec::EMPTY
    },
    Spec {
        name: "setnx",
        group: Group::String,
        since: "1.0.0",
        summary: "Set the string value of a key only when the key doesn't exist.",
        complexity: "O(1)",
        args: &[key("key", &["OW", "insert"]), string("value")],
        flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
        acl: &[Category::String],
        reply: "1 if the key was set, else 0",
        handler: Handler::Run(set::setnx),
        ..Spec::EMPTY
    },
    Spec {
        name: "setrange",
        group: Group::String,
        since: "2.2.0",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        args: &[key("key", &["RW", "update"]), integer("offset"), string("value")],
        flags: &[Flag::Write, Flag::DenyOom],
        acl: &[Category::String],
        reply: "the length of the value after the change",
        handler: Handler::Run(range::setrange),
        ..Spec::EMPTY
    },
    Spec {
        name: "strlen",
        group: Group::String,
        since: "2.2.0",
        summary: "Returns the length of a string value.",
        complexity: "O(1)",
        args: &[key("key", &["RO"])],
        flags: &[Flag::Readonly, Flag::Fast],
        acl: &[Category::String],
        reply: "the length in bytes, 0 without key",
        handler: Handler::Run(range::strlen),
        ..Spec::EMPTY
    },
    Spec {
        name: "substr",
        group: Group::String,
        since: "1.0.0",
        summary: "Returns a substring from a string value.",
        complexity: "O(N) where N is the length of the returned string",
        args: &[key("key", &["RO", "access"]), integer("start"), integer("end")],
        flags: &[Flag::Readonly],
        acl: &[Category::String],
        deprecated: Some(Deprecated { since: "2.0.0", replaced_by: "`GETRANGE`" }),
        reply: "as GETRANGE",
        handler: Handler::Run(range::getrange),
        ..Spec::EMPTY
    },
];
