//! Why the value of a setting was not taken.

use std::fmt;

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not one argument where one is wanted.
    ArgumentCount,
    /// Malformed or out of range; Redis's text where Redis has one.
    Invalid(String),
    /// Redis would take it, this server has no such thing.
    Unavailable(&'static str),
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::ArgumentCount => f.write_str("wrong number of arguments"),
            ValueError::Invalid(text) => f.write_str(text),
            ValueError::Unavailable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ValueError {}
