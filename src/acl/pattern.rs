//! Patterns of keys and channels, compiled: most are `*`, a name, or the beginning of names, and a look decides.

use crate::base::glob;
use crate::table::KeyFlag;

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub reads: bool,
    pub writes: bool,
}

impl Access {
    pub const READ: Access = Access { reads: true, writes: false };
    pub const WRITE: Access = Access { reads: false, writes: true };
    pub const BOTH: Access = Access { reads: true, writes: true };

    /// What a command that does this with a key needs. Nothing of the value (EXISTS, TTL): any right will do.
    #[must_use]
    pub fn of(flags: &[KeyFlag]) -> Access {
        let has = |flag| flags.contains(&flag);
        Access {
            reads: has(KeyFlag::Access),
            writes: has(KeyFlag::Insert) || has(KeyFlag::Update) || has(KeyFlag::Delete),
        }
    }

    /// Whether who has this has all of `needed`.
    #[must_use]
    pub fn covers(self, needed: Access) -> bool {
        (self.reads || !needed.reads) && (self.writes || !needed.writes)
    }

    /// This and another right.
    #[must_use]
    pub fn and(self, other: Access) -> Access {
        Access { reads: self.reads || other.reads, writes: self.writes || other.writes }
    }
}

/// A pattern as it was written, and how it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Literal,
    /// The text without its last byte begins what matches.
    Beginning,
    Glob,
}

impl Pattern {
    #[must_use]
    pub fn new(text: &[u8]) -> Pattern {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| b"*?[\\".contains(byte));
        let shape = match text.split_last() {
            _ if is_plain(text) => Shape::Literal,
            // Redis matches an empty name with nothing but an empty pattern, so `*` alone stays a glob.
            Some((b'*', beginning @ [_, ..])) if is_plain(beginning) => Shape::Beginning,
            _ => Shape::Glob,
        };
        Pattern { text: text.into(), shape }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it matches a whole name. Cost: a comparison, or for other than a name and the beginning of names as many
    /// steps as both have bytes, multiplied.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.shape {
            Shape::Literal => *self.text == *name,
            Shape::Beginning => name.starts_with(&self.text[..self.text.len() - 1]),
            Shape::Glob => glob::matches(&self.text, name, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_command_does_with_a_key_says_what_it_needs() {
        assert_eq!(Access::of(&[KeyFlag::RO, KeyFlag::Access]), Access::READ);
        assert_eq!(Access::of(&[KeyFlag::RW, KeyFlag::Insert]), Access::WRITE);
        assert_eq!(Access::of(&[KeyFlag::RM, KeyFlag::Delete]), Access::WRITE);
        assert_eq!(Access::of(&[KeyFlag::RW, KeyFlag::Access, KeyFlag::Update]), Access::BOTH);
        let any = Access::of(&[KeyFlag::RO]);
        assert!(Access::READ.covers(any) && Access::WRITE.covers(any));
        assert!(!Access::READ.covers(Access::BOTH) && !Access::READ.covers(Access::WRITE));
        assert!(Access::BOTH.covers(Access::WRITE));
    }

    proptest! {
        #[test]
        fn pattern_matches_as_the_glob_it_is(
            pattern in prop::collection::vec(prop::sample::select(b"ab*?[]\\".as_slice()), 0..6),
            name in prop::collection::vec(prop::sample::select(b"ab*\\".as_slice()), 0..6),
        ) {
            let expected = glob::matches(&pattern, &name, false);
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), expected);
        }
    }
}
