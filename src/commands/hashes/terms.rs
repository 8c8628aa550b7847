//! The grammar that several commands share: fields with values; and of those on deadlines times, and `FIELDS numfields field …`,
//! whose place is fixed.

use smallvec::SmallVec;

use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::commands::strings::lifetime::Unit;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::storage::{NewValue, WrongType};

/// The latest deadline that a field may have, wall-clock ms: that of Redis.
pub const EXPIRE_AT_MAX: i64 = (1 << 46) - 1;

/// What a count of fields that is none is told.
pub const NOT_POSITIVE: &str = "Number of fields must be a positive integer";

/// Fields and values of one request.
pub type Pairs<'a> = SmallVec<[(&'a [u8], NewValue<'a>); 2]>;

/// Reads fields and values to the end.
///
/// # Errors
/// For a field without a value.
pub fn pairs<'a>(args: &mut Args<'a>, command: &str) -> Result<Pairs<'a>, CommandError> {
    if !args.left().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(command));
    }
    let mut pairs = Pairs::new();
    while !args.is_done() {
        pairs.push((args.take()?, args.value()?));
    }
    Ok(pairs)
}

/// The deadline that a number means, wall-clock ms. One that is past is a deadline too.
///
/// # Errors
/// Where it is no number, negative, or later than a field may end.
pub fn deadline(unit: Unit, number: &[u8], now_ms: i64, command: &str) -> Result<i64, CommandError> {
    let number = parse_i64(number).ok_or(CommandError::NotAnInteger)?;
    if number < 0 {
        return Err(CommandError::err("invalid expire time, must be >= 0"));
    }
    let start_ms = if unit.is_relative() { now_ms } else { 0 };
    let expire_at = number.checked_mul(unit.ms()).and_then(|ms| ms.checked_add(start_ms));
    expire_at.filter(|at| *at <= EXPIRE_AT_MAX).ok_or_else(|| CommandError::invalid_expire(command))
}

/// Reads the words in front of the fields, which are all that is left then. `not_positive` is what a count that is none
/// is told.
///
/// # Errors
/// Where they stand elsewhere, or are not as many as they say.
pub fn begin_fields(
    args: &mut Args<'_>,
    command: &str,
    not_positive: &'static str,
) -> Result<(), CommandError> {
    if !args.skip("FIELDS") {
        return Err(CommandError::err("Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = args.try_take().ok_or_else(|| CommandError::wrong_arity(command))?;
    let count = parse_i64(count).filter(|count| *count > 0).ok_or(CommandError::err(not_positive))?;
    if count != args.left() as i64 {
        return Err(CommandError::err("The `numfields` parameter must match the number of arguments"));
    }
    Ok(())
}

/// Refuses a key that is no hash: before other words are looked at, as in Redis.
///
/// # Errors
/// Where it is none.
pub fn must_be_hash(ctx: &mut Ctx<'_>, key: &Key<'_>) -> Result<(), WrongType> {
    ctx.keys.view(key).hash_mut(key, "").map(drop)
}
