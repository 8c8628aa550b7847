//! FUNCTION: the rows; their handlers are in `function`.

use super::function::{delete, dump, flush, function_help, function_kill, list, load, restore, stats};
use crate::dispatch::command::Command;
use crate::table::arg::{one_of, string, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

const OF_EACH: &str = "O(N) where N is the number of functions";
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// What the subcommands have in common.
const FUNCTION: Spec = Spec {
    group: Group::Scripting,
    since: "7.0.0",
    complexity: "O(1)",
    flags: &[Flag::NoScript],
    acl: &[Category::Scripting],
    locking: Locking::None,
    ..Spec::EMPTY
};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "function",
        group: Group::Scripting,
        since: "7.0.0",
        summary: "A container for function commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            delete,
            Spec {
                name: "delete",
                summary: "Deletes a library and its functions.",
                args: &[string("library-name")],
                flags: &[Flag::Write, Flag::NoScript],
                tips: ALL_SHARDS,
                reply: "OK",
                ..FUNCTION
            },
        ),
        Command::new(
            dump,
            Spec {
                name: "dump",
                summary: "Dumps all libraries into a serialized binary payload.",
                complexity: OF_EACH,
                reply: "the payload",
                ..FUNCTION
            },
        ),
        Command::new(
            flush,
            Spec {
                name: "flush",
                summary: "Deletes all libraries and functions.",
                complexity: "O(N) where N is the number of functions deleted",
                args: &[one_of("async", &[token("async", "ASYNC"), token("sync", "SYNC")]).optional()],
                flags: &[Flag::Write, Flag::NoScript],
                tips: ALL_SHARDS,
                reply: "OK",
                ..FUNCTION
            },
        ),
        Command::new(
            function_help,
            Spec {
                name: "help",
                summary: "Returns helpful text about the different subcommands.",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                ..FUNCTION
            },
        ),
        Command::new(
            function_kill,
            Spec {
                name: "kill",
                summary: "Terminates a function during execution.",
                flags: &[Flag::NoScript, Flag::AllowBusy],
                tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
                reply: "OK",
                ..FUNCTION
            },
        ),
        Command::new(
            list,
            Spec {
                name: "list",
                summary: "Returns information about all libraries.",
                complexity: OF_EACH,
                args: &[
                    string("library-name-pattern").token("LIBRARYNAME").optional(),
                    token("withcode", "WITHCODE").optional(),
                ],
                tips: &["nondeterministic_output_order"],
                reply: "an array with a map for each library",
                ..FUNCTION
            },
        ),
        Command::new(
            load,
            Spec {
                name: "load",
                summary: "Creates a library.",
                complexity: "O(1) (considering compilation time is redundant)",
                args: &[token("replace", "REPLACE").optional(), string("function-code")],
                flags: &[Flag::Write, Flag::DenyOom, Flag::NoScript],
                tips: ALL_SHARDS,
                reply: "the name of the library",
                ..FUNCTION
            },
        ),
        Command::new(
            restore,
            Spec {
                name: "restore",
                summary: "Restores all libraries from a payload.",
                complexity: "O(N) where N is the number of functions on the payload",
                args: &[
                    string("serialized-value"),
                    one_of(
                        "policy",
                        &[token("flush", "FLUSH"), token("append", "APPEND"), token("replace", "REPLACE")],
                    )
                    .optional(),
                ],
                flags: &[Flag::Write, Flag::DenyOom, Flag::NoScript],
                tips: ALL_SHARDS,
                reply: "OK",
                ..FUNCTION
            },
        ),
        Command::new(
            stats,
            Spec {
                name: "stats",
                summary: "Returns information about a function during execution.",
                flags: &[Flag::NoScript, Flag::AllowBusy],
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                reply: "a map with the function that runs, and what there is of each engine",
                ..FUNCTION
            },
        ),
    ],
)];
