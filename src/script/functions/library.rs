//! One library: its text, and the functions that it registered when it was loaded.

use super::flags::FunctionFlags;
use crate::script::proof::Proved;

/// A library as it was loaded; never changed, only replaced.
#[derive(Debug)]
pub struct Library {
    pub name: String,
    /// The whole text, its first line included.
    pub text: Box<[u8]>,
    /// In the order in which they were registered.
    pub functions: Vec<Function>,
    /// Of all its functions together.
    pub proved: Proved,
}

/// What a library said of a function when it registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub description: Option<Box<[u8]>>,
    pub flags: FunctionFlags,
}

impl Library {
    /// What it takes, bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let of_function = |function: &Function| {
            // Its name stands in the set once more.
            size_of::<Function>()
                + 2 * function.name.len()
                + function.description.as_ref().map_or(0, |text| text.len())
        };
        let functions: usize = self.functions.iter().map(of_function).sum();
        size_of::<Library>() + self.name.len() + self.text.len() + functions
    }
}

/// The text of a library behind its first line; the line itself stays empty, so that numbers fit.
pub fn code_of(text: &[u8]) -> &[u8] {
    &text[memchr::memchr(b'\n', text).unwrap_or(text.len())..]
}
