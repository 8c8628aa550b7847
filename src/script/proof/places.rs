//! What the proof is told of commands, and what it answers.

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
