//! Key specs: where a command's keys stand and what it does with them, derived from its arguments.
//!
//! Pure. The shape is Redis's (COMMAND INFO, "key specs"): where to begin to search, how to find the keys
//! from there. Keys side by side with the same flags are one spec.

use super::spec::{Arg, ArgKind, Spec};
use crate::base::int::parse_i64;

/// One group of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// What is done with the keys, in Redis's words.
    pub flags: &'static [&'static str],
    /// The position at which to begin, the command's name being 0.
    pub begin: i64,
    pub find: FindKeys,
}

impl KeySpec {
    /// False for words that are no keys, only routed like them: shard channels.
    #[must_use]
    pub fn is_of_keys(&self) -> bool {
        !self.flags.contains(&"not_key")
    }

    /// The positions of these keys in a request of `words` words; `word` gives one of them.
    /// Empty where the count of keys is no number or says more than there are.
    #[must_use]
    pub fn positions<'w>(&self, words: usize, word: impl Fn(usize) -> &'w [u8]) -> Vec<usize> {
        let begin = self.begin as usize;
        match self.find {
            FindKeys::Range { last, step } => {
                let last = if last < 0 { words as i64 + last } else { self.begin + last };
                (begin..=last.max(0) as usize)
                    .step_by(step.max(1) as usize)
                    .filter(|at| *at < words)
                    .collect()
            }
            FindKeys::Counted { step } => {
                let count = if begin < words { parse_i64(word(begin)) } else { None };
                let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                let step = step.max(1) as usize;
                let fits = count.checked_mul(step).is_some_and(|need| begin + need < words);
                (0..if fits { count } else { 0 }).map(|at| begin + 1 + at * step).collect()
            }
        }
    }
}

/// How to find the keys from the position at which a spec begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Every `step` words up to `last`, counted from the beginning, or from the end if negative.
    Range { last: i64, step: i64 },
    /// The first word says how many keys follow it, `step` words apart.
    Counted { step: i64 },
}

/// The key specs of a command.
#[derive(Debug, Default)]
pub struct KeySpecs {
    pub specs: Vec<KeySpec>,
    /// For each key argument, in the order in which they stand, its spec's place in `specs`.
    pub of_arguments: Vec<usize>,
}

impl KeySpecs {
    /// Derives the specs of a command whose name takes `name_words` words.
    #[must_use]
    pub fn of(spec: &Spec, name_words: usize) -> KeySpecs {
        let mut found = KeySpecs::default();
        let mut at = name_words as i64;
        for arg in spec.args {
            let width = arg.width_min() as i64;
            if let Some(flags) = leading_key(arg) {
                if spec.counts_keys() {
                    // `numkeys` stands right before the keys.
                    found.add(KeySpec { flags, begin: at - 1, find: FindKeys::Counted { step: width } });
                } else if arg.multiple {
                    found.add(KeySpec { flags, begin: at, find: FindKeys::Range { last: -1, step: width } });
                } else {
                    found.add_single(flags, at);
                }
            }
            at += width;
        }
        found
    }

    fn add(&mut self, spec: KeySpec) {
        self.of_arguments.push(self.specs.len());
        self.specs.push(spec);
    }

    fn add_single(&mut self, flags: &'static [&'static str], at: i64) {
        if let Some(spec) = self.specs.last_mut()
            && spec.flags == flags
            && let FindKeys::Range { last, step: 1 } = &mut spec.find
            && spec.begin + *last + 1 == at
        {
            *last += 1;
            self.of_arguments.push(self.specs.len() - 1);
        } else {
            self.add(KeySpec { flags, begin: at, find: FindKeys::Range { last: 0, step: 1 } });
        }
    }
}

/// The flags of the key that this argument is or begins with.
fn leading_key(arg: &Arg) -> Option<&'static [&'static str]> {
    match arg.kind {
        ArgKind::Key(flags) => Some(flags),
        ArgKind::ShardChannel => Some(&["not_key"]),
        ArgKind::Block(parts) => parts.first().and_then(leading_key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{block, integer, key, string};
    use super::*;

    fn of(args: &'static [Arg]) -> KeySpecs {
        KeySpecs::of(&Spec { args, ..Spec::EMPTY }, 1)
    }

    fn range(flags: &'static [&'static str], begin: i64, last: i64, step: i64) -> KeySpec {
        KeySpec { flags, begin, find: FindKeys::Range { last, step } }
    }

    #[test]
    fn keys_side_by_side_with_the_same_flags_are_one_spec() {
        let specs = of(const { &[key("key1", &["RO"]), key("key2", &["RO"])] });
        assert_eq!(specs.specs, [range(&["RO"], 1, 1, 1)]);
        assert_eq!(specs.of_arguments, [0, 0]);
    }

    #[test]
    fn keys_with_different_flags_are_specs_of_their_own() {
        let specs = of(const { &[string("op"), key("to", &["OW"]), key("from", &["RO"]).multiple()] });
        assert_eq!(specs.specs, [range(&["OW"], 2, 0, 1), range(&["RO"], 3, -1, 1)]);
        assert_eq!(specs.of_arguments, [0, 1]);
    }

    #[test]
    fn keys_in_blocks_are_found_by_the_step_of_the_block() {
        const PAIR: &[Arg] = &[key("key", &["OW"]), string("value")];
        assert_eq!(of(const { &[block("pair", PAIR).multiple()] }).specs, [range(&["OW"], 1, -1, 2)]);
        let counted = of(const { &[integer("numkeys"), block("pair", PAIR).multiple()] });
        assert_eq!(
            counted.specs,
            [KeySpec { flags: &["OW"], begin: 1, find: FindKeys::Counted { step: 2 } }]
        );
    }

    #[test]
    fn positions_are_those_of_the_request() {
        let words: [&[u8]; 6] = [b"fill.mget", b"2", b"a", b"b", b"wait", b"5"];
        let word = |at: usize| words[at];
        let counted = KeySpec { flags: &[], begin: 1, find: FindKeys::Counted { step: 1 } };
        assert_eq!(counted.positions(6, word), [2, 3]);
        assert!(counted.positions(3, word).is_empty(), "more keys are announced than there are words");
        assert_eq!(range(&[], 1, -1, 2).positions(5, word), [1, 3]);
        assert_eq!(range(&[], 1, 1, 1).positions(6, word), [1, 2]);
    }
}
