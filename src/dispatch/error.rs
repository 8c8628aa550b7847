//! The one type that knows error texts of the wire. They are Redis's own wherever Redis has one.

use crate::base::hll::Invalid;
use crate::keyspace::Busy;
use crate::storage::{Full, WrongType};

/// A key holds another type.
pub const WRONG_TYPE: &[u8] = b"WRONGTYPE Operation against a key holding the wrong kind of value";

/// Why a command was refused.
/// Two words long, so that a handler's result travels in registers: most requests have none to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    Syntax,
    NotAnInteger,
    NotAFloat,
    NoSuchKey,
    WrongType,
    StringTooLong,
    Overflow,
    NoAuth,
    OutOfMemory,
    /// A script keeps what it needs: it is put off, or refused.
    Busy(Busy),
    /// A helper works on it: it is put off.
    Helped,
    /// It waits for a key: no error, and nothing is written yet (`Ctx::wait_for`).
    Waits,
    /// A finished line with its code; it may contain a client's bytes.
    Text(Box<Vec<u8>>),
    /// As `Text`, of a script's call, where it was counted.
    Counted(Box<Vec<u8>>),
}

const _: () = assert!(size_of::<Result<(), CommandError>>() == 16);

impl CommandError {
    /// A finished line with its code.
    #[must_use]
    pub fn text(line: impl Into<Vec<u8>>) -> CommandError {
        CommandError::Text(Box::new(line.into()))
    }

    /// An error with code `ERR`.
    #[must_use]
    pub fn err(text: impl AsRef<str>) -> CommandError {
        CommandError::text(format!("ERR {}", text.as_ref()))
    }

    /// A command with too few or too many words, by its full name.
    #[must_use]
    pub fn wrong_arity(name: &str) -> CommandError {
        CommandError::text(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// A deadline that cannot be, with the command's name as Redis prints it.
    #[must_use]
    pub fn invalid_expire(name: &str) -> CommandError {
        CommandError::text(format!("ERR invalid expire time in '{name}' command"))
    }

    /// The line on the wire, without the leading `-` and the line end.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        match self {
            CommandError::Syntax => b"ERR syntax error",
            CommandError::NotAnInteger => b"ERR value is not an integer or out of range",
            CommandError::NotAFloat => b"ERR value is not a valid float",
            CommandError::NoSuchKey => b"ERR no such key",
            CommandError::WrongType => WRONG_TYPE,
            CommandError::StringTooLong => b"ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            CommandError::Overflow => b"ERR increment or decrement would overflow",
            CommandError::NoAuth => b"NOAUTH Authentication required.",
            CommandError::OutOfMemory => b"OOM command not allowed when used memory > 'maxmemory'.",
            CommandError::Waits => b"ERR it waits for a key",
            CommandError::Busy(_) => b"BUSY Redis is busy running a script.",
            CommandError::Helped => b"ERR it is being worked on",
            CommandError::Text(line) | CommandError::Counted(line) => line,
        }
    }
}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> CommandError {
        CommandError::WrongType
    }
}

impl From<Invalid> for CommandError {
    fn from(why: Invalid) -> CommandError {
        CommandError::text(match why {
            Invalid::Foreign => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Invalid::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        })
    }
}

impl From<Full> for CommandError {
    fn from(_: Full) -> CommandError {
        CommandError::err("the collection holds as many items as it may")
    }
}

impl From<Busy> for CommandError {
    fn from(busy: Busy) -> CommandError {
        CommandError::Busy(busy)
    }
}
