//! A command as its family writes it: what is known of it, and the function that runs it, side by side.

use super::ctx::{Handlers, Run};
use crate::table::{Spec, Table};

/// A command or a subcommand.
#[derive(Debug)]
pub struct Command {
    pub spec: Spec,
    /// `None` for one that only its subcommands run.
    pub run: Option<Run>,
    pub subcommands: &'static [Command],
}

impl Command {
    #[must_use]
    pub const fn new(run: Run, spec: Spec) -> Command {
        Command { spec, run: Some(run), subcommands: &[] }
    }

    /// A command that names a family of subcommands.
    #[must_use]
    pub const fn family(spec: Spec, subcommands: &'static [Command]) -> Command {
        Command { spec, run: None, subcommands }
    }

    /// A family that is also a command by itself.
    #[must_use]
    pub const fn with_subcommands(run: Run, spec: Spec, subcommands: &'static [Command]) -> Command {
        Command { spec, run: Some(run), subcommands }
    }
}

/// The table of these commands, and their handlers by the rows' numbers.
pub fn tabulate(commands: impl Iterator<Item = &'static Command> + Clone) -> (Table, Handlers) {
    let specs = |command: &'static Command| {
        (&command.spec, command.subcommands.iter().map(|sub| &sub.spec).collect())
    };
    let with_subcommands = |command: &'static Command| std::iter::once(command).chain(command.subcommands);
    let handlers = Handlers::new(commands.clone().flat_map(with_subcommands).map(|command| command.run));
    (Table::new(commands.map(specs)), handlers)
}
