//! The FILL commands: a miss is filled once (contract: docs/fill.md).
//!
//! `rows` has the table's rows, `options` the grammar, `ask` the callers' side, `answer` the leaders'
//! side, `inspect` the operators'. The state machine is `crate::fill`, its place beside the entries
//! `crate::keyspace`.

mod answer;
mod ask;
mod inspect;
mod options;
mod rows;

use crate::dispatch::command::Command;

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[rows::COMMANDS];
