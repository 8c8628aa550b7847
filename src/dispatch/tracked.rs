//! Client-side caching as a connection asked for it: which of its reads are noted.

use std::sync::Arc;

use crate::base::memory::{arc_bytes, class_bytes, vec_bytes};
use crate::tracking::Tracker;

/// Which reads of a connection are noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All.
    Default,
    /// Those after CLIENT CACHING YES.
    OptIn,
    /// All but those after CLIENT CACHING NO.
    OptOut,
    /// None: it hears of every change to keys with its prefixes.
    Broadcast,
}

/// A connection's tracking, while it is on.
#[derive(Debug)]
pub struct Tracked {
    pub tracker: Arc<Tracker>,
    pub mode: Mode,
    /// CLIENT CACHING was said for the next command or transaction.
    pub is_caching_said: bool,
    /// Of a broadcasting connection, sorted.
    pub prefixes: Vec<Box<[u8]>>,
}

impl Tracked {
    /// Bytes that it takes; what is known of its keys is not among it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let prefixes = self.prefixes.iter().map(|prefix| class_bytes(prefix.len())).sum::<usize>();
        class_bytes(size_of::<Tracked>())
            + arc_bytes(size_of::<Tracker>())
            + vec_bytes(&self.prefixes)
            + prefixes
    }

    /// Whether the command that runs next is one whose reads are noted.
    #[must_use]
    pub fn notes_reads(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.is_caching_said,
            Mode::OptOut => !self.is_caching_said,
            Mode::Broadcast => false,
        }
    }
}
