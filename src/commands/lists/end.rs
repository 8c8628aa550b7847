//! An end of a list: the words for it in requests and rows, and in events.

use crate::dispatch::args::Args;
use crate::dispatch::error::CommandError;
use crate::keyspace::End;
use crate::table::Arg;
use crate::table::arg::token;

/// Both ends, as rows name them.
pub const ENDS: &[Arg] = &[token("left", "LEFT"), token("right", "RIGHT")];

/// Reads an end.
///
/// # Errors
/// For any other word.
pub fn end(args: &mut Args<'_>) -> Result<End, CommandError> {
    match () {
        () if args.skip("LEFT") => Ok(End::Front),
        () if args.skip("RIGHT") => Ok(End::Back),
        () => Err(CommandError::Syntax),
    }
}
