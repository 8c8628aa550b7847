//! The one type that knows error texts of the wire. They are Redis's own wherever Redis has one.

use std::borrow::Cow;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    Syntax,
    NotAnInteger,
    NotAFloat,
    /// `index out of range` and its kin keep Redis's own words.
    OutOfRange(&'static str),
    /// With the command's full name.
    WrongArity(String),
    /// With the command's name, as Redis prints it.
    InvalidExpire(&'static str),
    NoSuchKey,
    WrongType,
    StringTooLong,
    Overflow,
    NoAuth,
    OutOfMemory,
    /// A finished text with its code.
    Text(Cow<'static, str>),
    /// A finished text that may contain a client's bytes.
    Bytes(Vec<u8>),
}

impl CommandError {
    /// An error with code `ERR`.
    #[must_use]
    pub fn err(text: impl AsRef<str>) -> CommandError {
        CommandError::Text(Cow::Owned(format!("ERR {}", text.as_ref())))
    }

    /// The line on the wire, without the leading `-` and the line end.
    #[must_use]
    pub fn wire(&self) -> Cow<'_, [u8]> {
        let text: Cow<'_, str> = match self {
            CommandError::Syntax => "ERR syntax error".into(),
            CommandError::NotAnInteger => "ERR value is not an integer or out of range".into(),
            CommandError::NotAFloat => "ERR value is not a valid float".into(),
            CommandError::OutOfRange(what) => format!("ERR {what}").into(),
            CommandError::WrongArity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into()
            }
            CommandError::InvalidExpire(name) => {
                format!("ERR invalid expire time in '{name}' command").into()
            }
            CommandError::NoSuchKey => "ERR no such key".into(),
            CommandError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value".into()
            }
            CommandError::StringTooLong => {
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)".into()
            }
            CommandError::Overflow => "ERR increment or decrement would overflow".into(),
            CommandError::NoAuth => "NOAUTH Authentication required.".into(),
            CommandError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.".into(),
            CommandError::Text(text) => Cow::Borrowed(text),
            CommandError::Bytes(bytes) => return Cow::Borrowed(bytes),
        };
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}
