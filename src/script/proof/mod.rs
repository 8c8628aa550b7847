//! Decides whether a script can be proved to touch only keys that are elements of `KEYS`.
//!
//! The proof reads the tokens of the source and nothing else. It never runs the script and it does not
//! build a syntax tree. It works in four steps, each linear in the length of the source and none
//! recursive:
//!
//! 1. the lexer turns the source into tokens and gives every distinct name a number;
//! 2. the walk pairs brackets and blocks, and notes where each name is bound or assigned;
//! 3. the locals that hold an element of `KEYS`, or `redis.call` itself, get their role;
//! 4. the check looks at every use of `redis`, `server`, `KEYS` and of those locals.
//!
//! In a library of functions the first parameter of each callback stands for `KEYS` (`library`).
//!
//! A source is read as Lua 5.1 that may turn out to be Luau. Only what both read the same way is
//! understood; anything else ends the proof. A source that neither of them compiles may get either
//! answer, because it never runs.
//!
//! Inside this module `Option` carries the answer: `None` means that the proof has failed.

mod check;
mod lexer;
mod library;
mod places;
mod token;
mod walk;

use check::Check;
use lexer::Lexer;
use library::Callbacks;
pub use places::{KeyPlaces, Last, Proved, Shape};
use walk::{Walk, give_roles};

/// Tells whether `source` can be proved to touch only elements of `KEYS`.
///
/// `places` says where the keys of a command stand; it gets the name as the script spells it, in any case.
/// It is asked for whole commands only, so it must answer [`KeyPlaces::Anywhere`] for a command whose keys
/// it cannot describe with one row, and for names it does not know unless these are sure to fail.
pub fn prove(source: &[u8], places: &dyn Fn(&[u8]) -> KeyPlaces) -> Shape {
    shape(narrow(source, false, places))
}

/// As `prove`, for a library: whether each of its functions touches only elements of the keys that it is called with.
pub fn prove_library(source: &[u8], places: &dyn Fn(&[u8]) -> KeyPlaces) -> Shape {
    shape(narrow(source, true, places))
}

fn shape(proved: Option<()>) -> Shape {
    match proved {
        Some(()) => Shape::Narrow,
        None => Shape::Wide,
    }
}

fn narrow(source: &[u8], is_library: bool, places: &dyn Fn(&[u8]) -> KeyPlaces) -> Option<()> {
    let mut script = Lexer::new(source)?.run()?;
    let callbacks = if is_library { Callbacks::find(&mut script)? } else { Callbacks::default() };
    let notes = Walk::new(&mut script, &callbacks.params).run()?;
    let aliases = give_roles(&mut script, &notes)?;
    let closures = callbacks.closures(&script)?;
    Check { script: &script, aliases: &aliases, params: &callbacks.params, closures: &closures, places }.run()
}

#[cfg(test)]
mod tests;
