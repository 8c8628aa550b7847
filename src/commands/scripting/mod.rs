//! Scripts: EVAL and its kin, SCRIPT, FUNCTION.

mod eval;
mod function;
mod script;

use crate::dispatch::command::Command;

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[eval::COMMANDS, function::COMMANDS, script::COMMANDS];
