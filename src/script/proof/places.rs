//! What the proof is told of commands, and what it answers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::base::limits::SCRIPT_PROVED_BYTES_MAX;

/// Where a command's keys stand among its words (the name is word 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlaces {
    /// The command has no keys.
    None,
    /// Every `step`-th word from `first` to `last` is a key.
    Range {
        /// The first word that is a key.
        first: usize,
        /// The last word that may be a key.
        last: Last,
        /// The distance from one key to the next.
        step: usize,
    },
    /// A word says how many keys follow it. There must be no key anywhere else.
    Counted {
        /// The word that holds the number of keys.
        at: usize,
    },
    /// The command walks the keyspace, or nobody can say where its keys are.
    Anywhere,
}

/// The last word that may be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// This word, counted from the command's name, which is word 0.
    At(usize),
    /// This many words before the last one: 0 is the last word, 1 the one before it.
    FromEnd(usize),
}

/// What could be proved about a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Every key that the script touches is an element of `KEYS`.
    Narrow,
    /// The script may touch any key.
    Wide,
}

/// Whether something is proved to touch no keys but those it is called with; by default it is not.
#[derive(Debug, Default)]
pub struct Proved(AtomicBool);

impl Proved {
    /// What `prove` or `prove_library` says of a source that is not too long for it.
    pub fn by(
        prove: impl FnOnce(&[u8], &dyn Fn(&[u8]) -> KeyPlaces) -> Shape,
        source: &[u8],
        places: &dyn Fn(&[u8]) -> KeyPlaces,
    ) -> Proved {
        let is_short = source.len() <= SCRIPT_PROVED_BYTES_MAX;
        Proved(AtomicBool::new(is_short && prove(source, places) == Shape::Narrow))
    }

    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// The proof was wrong: from now on it is not relied upon.
    pub fn demote(&self) {
        self.0.store(false, Relaxed);
    }
}
