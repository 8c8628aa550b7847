//! Scripts: EVAL and its kin, SCRIPT; functions: FCALL and its kin, FUNCTION.

mod eval;
mod fcall;
mod function;
mod function_rows;
mod kill;
mod script;

use crate::dispatch::command::Command;

/// The files of the family.
pub static FAMILY: &[&[Command]] =
    &[eval::COMMANDS, fcall::COMMANDS, function_rows::COMMANDS, script::COMMANDS];
