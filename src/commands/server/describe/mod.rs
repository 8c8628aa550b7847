//! COMMAND: the command table as clients read it. Everything is derived from the rows.
//!
//! Replies have Redis's shapes: sets and maps in RESP3, flat arrays in RESP2.

mod shape;

use crate::base::glob;
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{one_of, pattern, string};
use crate::table::{Category, Flag, Group, KeySpec, Locking, Row, Spec};
use crate::table::{KeyFlag, Table};
use shape::{write_docs, write_info, write_words};

pub static COMMANDS: &[Command] = &[Command::with_subcommands(
    command,
    Spec {
        name: "command",
        group: Group::Server,
        since: "2.8.13",
        summary: "Returns detailed information about all commands.",
        complexity: "O(N) where N is the number of commands",
        arity_fixed: Some(-1),
        flags: &[Flag::Loading, Flag::Stale],
        acl: &[Category::Connection],
        tips: &["nondeterministic_output_order"],
        reply: "an array as of COMMAND INFO for every command",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            command_count,
            Spec {
                name: "count",
                group: Group::Server,
                since: "2.8.13",
                summary: "Returns a count of commands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "the number of commands",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_docs,
            Spec {
                name: "docs",
                group: Group::Server,
                since: "7.0.0",
                summary: "Returns documentary information about one, multiple or all commands.",
                complexity: "O(N) where N is the number of commands to look up",
                args: &[string("command-name").multiple().optional()],
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["nondeterministic_output_order"],
                reply: "a map of names and their documentation",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_getkeys,
            Spec {
                name: "getkeys",
                group: Group::Server,
                since: "2.8.13",
                summary: "Extracts the key names from an arbitrary command.",
                complexity: "O(N) where N is the number of arguments to the command",
                args: &[string("command"), string("arg").multiple().optional()],
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "an array of keys",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_getkeysandflags,
            Spec {
                name: "getkeysandflags",
                group: Group::Server,
                since: "7.0.0",
                summary: "Extracts the key names and access flags for an arbitrary command.",
                complexity: "O(N) where N is the number of arguments to the command",
                args: &[string("command"), string("arg").multiple().optional()],
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "an array of keys with their flags",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_info,
            Spec {
                name: "info",
                group: Group::Server,
                since: "2.8.13",
                summary: "Returns information about one, multiple or all commands.",
                complexity: "O(N) where N is the number of commands to look up",
                args: &[string("command-name").multiple().optional()],
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["nondeterministic_output_order"],
                history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
                reply: "for each command an array of its properties, or null",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            command_list,
            Spec {
                name: "list",
                group: Group::Server,
                since: "7.0.0",
                summary: "Returns a list of command names.",
                complexity: "O(N) where N is the total number of Redis commands",
                args: &[one_of(
                    "filterby",
                    &[
                        string("module-name").token("MODULE"),
                        string("category").token("ACLCAT"),
                        pattern("pattern").token("PATTERN"),
                    ],
                )
                .token("FILTERBY")
                .optional()],
                flags: &[Flag::Loading, Flag::Stale],
                acl: &[Category::Connection],
                tips: &["nondeterministic_output_order"],
                reply: "an array of names",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
];

fn command(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(ctx.shared.table.rows().len());
    ctx.shared.table.rows().iter().for_each(|row| write_info(&mut ctx.reply, row));
    Ok(())
}

fn command_count(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.int(ctx.shared.table.rows().len() as i64);
    Ok(())
}

fn command_info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.is_done() {
        return command(ctx, args);
    }
    ctx.reply.array(args.left());
    while let Some(name) = args.try_take() {
        match ctx.shared.table.find_full(name) {
            Some(row) => write_info(&mut ctx.reply, row),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn command_docs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut rows: Vec<&Row> = Vec::new();
    if args.is_done() {
        rows.extend(ctx.shared.table.rows());
    }
    while let Some(name) = args.try_take() {
        rows.extend(ctx.shared.table.find_full(name));
    }
    ctx.reply.map(rows.len());
    for row in rows {
        ctx.reply.bulk(row.full_name.as_bytes());
        write_docs(&mut ctx.reply, row);
    }
    Ok(())
}

fn command_list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let filter = Filter::read(args)?;
    let all = ctx.shared.table.all();
    let names: Vec<&str> = all.filter(|row| filter.accepts(row)).map(|row| row.full_name.as_str()).collect();
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
    Ok(())
}

fn command_getkeys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let keys = keys_of_request(ctx.shared.table, args)?;
    ctx.reply.array(keys.len());
    keys.iter().for_each(|key| ctx.reply.bulk(args.word(key.word)));
    Ok(())
}

fn command_getkeysandflags(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let keys = keys_of_request(ctx.shared.table, args)?;
    ctx.reply.array(keys.len());
    for KeyAt { word, flags } in keys {
        ctx.reply.array(2);
        ctx.reply.bulk(args.word(word));
        write_words(&mut ctx.reply, flags.iter().map(|flag| flag.name()));
    }
    Ok(())
}

fn command_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "COMMAND", HELP);
    Ok(())
}

/// The words of COMMAND LIST FILTERBY.
enum Filter<'a> {
    None,
    /// There are no modules, so no command is of one.
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn read(args: &mut Args<'a>) -> Result<Filter<'a>, CommandError> {
        if args.is_done() {
            return Ok(Filter::None);
        }
        if args.left() != 3 || !args.skip("FILTERBY") {
            return Err(CommandError::Syntax);
        }
        let kind = args.take()?.to_ascii_lowercase();
        let word = args.take()?;
        match kind.as_slice() {
            b"module" => Ok(Filter::Module),
            b"aclcat" => Ok(Filter::Category(word)),
            b"pattern" => Ok(Filter::Pattern(word)),
            _ => Err(CommandError::Syntax),
        }
    }

    fn accepts(&self, row: &Row) -> bool {
        match self {
            Filter::None => true,
            Filter::Module => false,
            Filter::Pattern(pattern) => glob::matches(pattern, row.full_name.as_bytes(), true),
            Filter::Category(name) => {
                let is_named =
                    |category: &Category| category.name().as_bytes()[1..].eq_ignore_ascii_case(name);
                row.spec.categories().iter().any(is_named)
            }
        }
    }
}

/// A key in the request that follows `COMMAND GETKEYS`: its word, and what is done with it.
struct KeyAt {
    word: usize,
    flags: &'static [KeyFlag],
}

/// Where the keys stand in that request.
fn keys_of_request(table: &Table, args: &Args<'_>) -> Result<Vec<KeyAt>, CommandError> {
    let first = args.position();
    let words = args.left();
    let row =
        table.find_called(args.word(first)).and_then(|row| match row.subcommands.is_empty() || words == 1 {
            true => Some(row),
            false => row.subcommand(args.word(first + 1)),
        });
    let row = row.ok_or(CommandError::err("Invalid command specified"))?;
    if !row.key_specs.specs.iter().any(KeySpec::is_of_keys) {
        return Err(CommandError::err("The command has no key arguments"));
    }
    if !row.admits_words(words) {
        return Err(CommandError::err("Invalid number of arguments specified for command"));
    }
    let word = |at: usize| args.word(first + at);
    let key = |(at, spec)| KeyAt { word: first + at, flags: row.key_flags(spec, words, word) };
    let found: Vec<KeyAt> = row.keys(words, word).map(key).collect();
    if found.is_empty() && !row.spec.has(Flag::NoMandatoryKeys) {
        return Err(CommandError::err("Invalid arguments specified for command"));
    }
    Ok(found)
}
