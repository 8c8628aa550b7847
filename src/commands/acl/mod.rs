//! ACL: the users of the server as commands. What rules mean stands in `crate::acl`, what a change leads to in
//! `dispatch::rights`.

mod change;
mod show;

use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{integer, one_of, string, token};
use crate::table::{Flag, Group, Locking, Secrets, Spec};

const ADMIN: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale];
const PLAIN: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale];
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const BASE: Spec =
    Spec { group: Group::Server, since: "6.0.0", flags: ADMIN, locking: Locking::None, ..Spec::EMPTY };
const PER_USER: &str = "O(N). Where N is the number of configured users.";

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS];

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "acl",
        group: Group::Server,
        since: "6.0.0",
        summary: "A container for Access List Control commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            show::cat,
            Spec {
                name: "cat",
                summary: "Lists the ACL categories, or the commands inside a category.",
                complexity: "O(1) since the categories and commands are a fixed set.",
                args: &[string("category").optional()],
                flags: PLAIN,
                reply: "an array of categories, or of the full names of commands",
                ..BASE
            },
        ),
        Command::new(
            change::delete_users,
            Spec {
                name: "deluser",
                summary: "Deletes ACL users, and terminates their connections.",
                complexity: "O(1) amortized time considering the typical user.",
                args: &[string("username").multiple()],
                tips: EVERYWHERE,
                reply: "the number of users that were deleted",
                ..BASE
            },
        ),
        Command::new(
            show::dry_run,
            Spec {
                name: "dryrun",
                since: "7.0.0",
                summary: "Simulates the execution of a command by a user, without executing the command.",
                complexity: "O(1).",
                args: &[string("username"), string("command"), string("arg").optional().multiple()],
                reply: "OK, or what the user may not do",
                ..BASE
            },
        ),
        Command::new(
            show::generate_password,
            Spec {
                name: "genpass",
                summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
                args: &[integer("bits").optional()],
                flags: PLAIN,
                reply: "hexadecimal digits, 256 bits without a number",
                ..BASE
            },
        ),
        Command::new(
            show::get_user,
            Spec {
                name: "getuser",
                summary: "Lists the ACL rules of a user.",
                complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
                args: &[string("username")],
                history: &[
                    ("6.2.0", "Added Pub/Sub channel patterns."),
                    (
                        "7.0.0",
                        "Added selectors and changed the format of key and channel patterns from a list to their rule representation.",
                    ),
                ],
                reply: "a map of flags, passwords, commands, keys, channels, selectors; null for an unknown user",
                ..BASE
            },
        ),
        Command::new(
            acl_help,
            Spec {
                name: "help",
                summary: "Returns helpful text about the different subcommands.",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                ..BASE
            },
        ),
        Command::new(
            show::list,
            Spec {
                name: "list",
                summary: "Dumps the effective rules in ACL file format.",
                complexity: PER_USER,
                reply: "an array of lines",
                ..BASE
            },
        ),
        Command::new(
            change::load,
            Spec {
                name: "load",
                summary: "Reloads the rules from the configured ACL file.",
                complexity: PER_USER,
                tips: EVERYWHERE,
                reply: "OK, or all faults of the file",
                ..BASE
            },
        ),
        Command::new(
            show::log,
            Spec {
                name: "log",
                summary: "Lists recent security events generated due to ACL rules.",
                complexity: "O(N) with N being the number of entries shown.",
                args: &[one_of("operation", &[integer("count"), token("reset", "RESET")]).optional()],
                history: &[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")],
                reply: "an array of maps, the last refusal first; 10 without a number; OK for RESET",
                ..BASE
            },
        ),
        Command::new(
            change::save,
            Spec {
                name: "save",
                summary: "Saves the effective ACL rules in the configured ACL file.",
                complexity: PER_USER,
                tips: EVERYWHERE,
                reply: "OK",
                ..BASE
            },
        ),
        Command::new(
            change::set_user,
            Spec {
                name: "setuser",
                summary: "Creates and modifies an ACL user and its rules.",
                complexity: "O(N). Where N is the number of rules provided.",
                args: &[string("username"), string("rule").optional().multiple()],
                tips: EVERYWHERE,
                history: &[
                    ("6.2.0", "Added Pub/Sub channel patterns."),
                    ("7.0.0", "Added selectors and key based permissions."),
                ],
                reply: "OK, or why nothing was changed",
                secrets: Secrets::From(2),
                ..BASE
            },
        ),
        Command::new(
            show::users,
            Spec {
                name: "users",
                summary: "Lists all ACL users.",
                complexity: PER_USER,
                reply: "an array of names",
                ..BASE
            },
        ),
        Command::new(
            show::who_am_i,
            Spec {
                name: "whoami",
                summary: "Returns the authenticated username of the current connection.",
                flags: PLAIN,
                reply: "a name",
                ..BASE
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Returns whether the user can execute the given command without executing the command.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show the ACL log entries.",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
];

fn acl_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "ACL", HELP);
    Ok(())
}
