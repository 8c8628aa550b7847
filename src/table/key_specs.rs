//! Key specs: where a command's keys stand and what it does with them, derived from its arguments.
//!
//! Pure. The shape is Redis's (COMMAND INFO, "key specs"): where to begin to search, how to find the keys
//! from there. Keys side by side with the same flags are one spec.

use std::iter::StepBy;
use std::ops::Range;

use super::arg::{Arg, ArgKind, KeyFlag};
use super::spec::Varying;
use crate::base::int::parse_i64;

/// One group of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// What is done with the keys.
    pub flags: &'static [KeyFlag],
    /// The position at which to begin, the command's name being 0.
    pub begin: i64,
    pub find: FindKeys,
}

/// How to find the keys from the position at which a spec begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Every `step` words up to `last`, counted from the beginning, or from the end if negative.
    Range { last: i64, step: i64 },
    /// The first word says how many keys follow it, `step` words apart.
    Counted { step: i64 },
    /// The word behind STORE, wherever that stands among SORT's options; the last one counts.
    Stored,
}

/// Where the keys of a command stand in the eyes of old clients: `first`, `last` (negative: from the end), `step`;
/// zeros without keys, and where only the specs can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyRange {
    pub first: i64,
    pub last: i64,
    pub step: i64,
}

impl KeySpec {
    /// False for words that are not keys, only routed like them: shard channels.
    #[must_use]
    pub fn is_of_keys(&self) -> bool {
        !self.flags.contains(&KeyFlag::NotKey)
    }

    /// The positions of these keys in a request of `words` words; `word` gives one of them.
    /// Empty where the count of keys is not a number or says more than there are.
    pub fn positions<'w>(&self, words: usize, word: impl Fn(usize) -> &'w [u8]) -> StepBy<Range<usize>> {
        let begin = self.begin as usize;
        let (first, end, step) = match self.find {
            FindKeys::Range { last, step } => {
                let last = if last < 0 { words as i64 + last } else { self.begin + last };
                (begin, words.min(last.max(-1) as usize + 1), step.max(1) as usize)
            }
            FindKeys::Counted { step } => {
                let count = if begin < words { parse_i64(word(begin)) } else { None };
                let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                let step = step.max(1) as usize;
                let needed = count.checked_mul(step).filter(|needed| begin + needed < words);
                (begin + 1, begin + 1 + needed.unwrap_or(0), step)
            }
            FindKeys::Stored => {
                let at = stored_at(begin, words, word);
                (at.unwrap_or(words), at.map_or(words, |at| at + 1), 1)
            }
        };
        (first..end.max(first)).step_by(step)
    }

    fn may_be_several(&self) -> bool {
        !matches!(self.find, FindKeys::Range { last: 0, .. })
    }
}

/// The key specs of a command.
#[derive(Debug, Default)]
pub struct KeySpecs {
    pub specs: Vec<KeySpec>,
    /// For each key argument, in the order in which they stand, its spec's place in `specs`.
    pub of_arguments: Vec<usize>,
    /// For clients that know no specs.
    pub range: KeyRange,
    /// That range is not the whole truth.
    pub are_movable: bool,
}

impl KeySpecs {
    /// Derives the specs of a command whose name takes `name_words` words.
    #[must_use]
    pub fn of(args: &[Arg], name_words: usize) -> KeySpecs {
        let mut found = KeySpecs::default();
        let mut at = name_words as i64;
        let mut count_at = None;
        for (place, arg) in args.iter().enumerate() {
            let width = arg.width_min() as i64;
            if let Some(flags) = leading_key(arg) {
                if arg.token.is_some() {
                    let required = args.iter().filter(|arg| !arg.optional).map(Arg::width_min).sum::<usize>();
                    let begin = (name_words + required) as i64;
                    found.add(KeySpec { flags, begin, find: FindKeys::Stored });
                    continue;
                }
                match count_at.take().filter(|_| arg.multiple) {
                    Some(begin) => {
                        found.add(KeySpec { flags, begin, find: FindKeys::Counted { step: width.max(1) } });
                    }
                    None if arg.multiple => {
                        // What must stand behind them is none of them.
                        let behind = args[place + 1..].iter().filter(|arg| !arg.optional).map(Arg::width_min);
                        let find = FindKeys::Range { last: -1 - behind.sum::<usize>() as i64, step: width };
                        found.add(KeySpec { flags, begin: at, find });
                    }
                    None => found.add_single(flags, at),
                }
            }
            if matches!(arg.kind, ArgKind::KeyCount) {
                count_at = Some(at);
            }
            at += width;
        }
        found.derive_range();
        found
    }

    /// Whether a request can name more than one key.
    #[must_use]
    pub fn may_be_several(&self) -> bool {
        let mut keys = self.specs.iter().filter(|spec| spec.is_of_keys());
        keys.next().is_some_and(|first| first.may_be_several() || keys.next().is_some())
    }

    fn add(&mut self, spec: KeySpec) {
        self.of_arguments.push(self.specs.len());
        self.specs.push(spec);
    }

    fn add_single(&mut self, flags: &'static [KeyFlag], at: i64) {
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

    /// As Redis works out its old triple: ranges with step 1 that follow each other count as one, a single range
    /// may have any step, and what does not fit makes the keys movable.
    fn derive_range(&mut self) {
        let KeySpecs { specs, range, are_movable, .. } = self;
        for spec in specs.iter() {
            match spec.find {
                FindKeys::Range { last, step } if specs.len() == 1 => {
                    let last = if last < 0 { last } else { spec.begin + last };
                    *range = KeyRange { first: spec.begin, last, step };
                }
                FindKeys::Range { last, step: 1 } if range.last == 0 || range.last == spec.begin - 1 => {
                    let first = if range.first == 0 { spec.begin } else { range.first };
                    *range =
                        KeyRange { first, last: if last < 0 { last } else { spec.begin + last }, step: 1 };
                }
                _ => *are_movable = true,
            }
        }
    }
}

/// Where SORT's target stands, among options of which some take words of their own.
fn stored_at<'w>(begin: usize, words: usize, word: impl Fn(usize) -> &'w [u8]) -> Option<usize> {
    let (mut at, mut stored) = (begin, None);
    while at < words {
        let is = |name: &[u8]| word(at).eq_ignore_ascii_case(name);
        if is(b"store") && at + 1 < words {
            stored = Some(at + 1);
        }
        at += match () {
            () if is(b"limit") => 3,
            () if is(b"get") || is(b"by") || is(b"store") => 2,
            () => 1,
        };
    }
    stored
}

/// The flags of the key that this argument is or begins with.
fn leading_key(arg: &Arg) -> Option<&'static [KeyFlag]> {
    match arg.kind {
        ArgKind::Key(flags) => Some(flags),
        ArgKind::ShardChannel => Some(&[KeyFlag::NotKey]),
        ArgKind::Block(parts) => parts.first().and_then(leading_key),
        _ => None,
    }
}

impl Varying {
    const READ: &'static [KeyFlag] = &[KeyFlag::RO, KeyFlag::Access];
    const WRITE: &'static [KeyFlag] = &[KeyFlag::OW, KeyFlag::Update];
    const BOTH: &'static [KeyFlag] = &[KeyFlag::RW, KeyFlag::Access, KeyFlag::Update];

    /// The flags of the key in a request of `words` words; `word` gives one of them.
    pub fn flags<'w>(self, words: usize, word: impl Fn(usize) -> &'w [u8] + Copy) -> &'static [KeyFlag] {
        match self {
            Varying::SetWithGet => {
                let reads = (3..words).any(|at| word(at).eq_ignore_ascii_case(b"get"));
                if reads { Varying::BOTH } else { Varying::WRITE }
            }
            Varying::BitfieldOnlyGets => {
                if only_reads_bits(words, word) {
                    Varying::READ
                } else {
                    Varying::BOTH
                }
            }
        }
    }
}

/// Whether the operations of BITFIELD are all GET; what cannot be understood counts as a write.
fn only_reads_bits<'w>(words: usize, word: impl Fn(usize) -> &'w [u8]) -> bool {
    let mut at = 2;
    while at < words {
        let is = |name: &[u8]| word(at).eq_ignore_ascii_case(name);
        at += match () {
            () if is(b"get") => 3,
            () if is(b"overflow") => 2,
            () => return false,
        };
    }
    at == words
}

#[cfg(test)]
mod tests {
    use super::super::arg::{block, key, key_count, string};
    use super::KeyFlag::{OW, RO};
    use super::*;

    fn of(args: &'static [Arg]) -> KeySpecs {
        KeySpecs::of(args, 1)
    }

    fn range(flags: &'static [KeyFlag], begin: i64, last: i64, step: i64) -> KeySpec {
        KeySpec { flags, begin, find: FindKeys::Range { last, step } }
    }

    #[test]
    fn keys_side_by_side_with_the_same_flags_are_one_spec() {
        let specs = of(const { &[key("key1", &[RO]), key("key2", &[RO])] });
        assert_eq!(specs.specs, [range(&[RO], 1, 1, 1)]);
        assert_eq!(specs.of_arguments, [0, 0]);
    }

    #[test]
    fn keys_with_different_flags_are_specs_of_their_own() {
        let specs = of(const { &[string("op"), key("to", &[OW]), key("from", &[RO]).multiple()] });
        assert_eq!(specs.specs, [range(&[OW], 2, 0, 1), range(&[RO], 3, -1, 1)]);
        assert_eq!(specs.of_arguments, [0, 1]);
    }

    #[test]
    fn keys_in_blocks_are_found_by_the_step_of_the_block() {
        const PAIR: &[Arg] = &[key("key", &[OW]), string("value")];
        assert_eq!(of(const { &[block("pair", PAIR).multiple()] }).specs, [range(&[OW], 1, -1, 2)]);
        let counted = of(const { &[key_count(), block("pair", PAIR).multiple()] });
        assert_eq!(counted.specs, [KeySpec { flags: &[OW], begin: 1, find: FindKeys::Counted { step: 2 } }]);
    }

    #[test]
    fn positions_are_those_of_the_request() {
        let words: [&[u8]; 6] = [b"fill.mget", b"2", b"a", b"b", b"wait", b"5"];
        let word = |at: usize| words[at];
        let counted = KeySpec { flags: &[], begin: 1, find: FindKeys::Counted { step: 1 } };
        let positions = |spec: KeySpec, words| spec.positions(words, word).collect::<Vec<_>>();
        assert_eq!(positions(counted.clone(), 6), [2, 3]);
        assert!(positions(counted, 3).is_empty(), "more keys are announced than there are words");
        assert_eq!(positions(range(&[], 1, -1, 2), 5), [1, 3]);
        assert_eq!(positions(range(&[], 1, 1, 1), 6), [1, 2]);
        assert!(positions(range(&[], 3, -1, 1), 2).is_empty());
    }

    #[test]
    fn target_of_sort_is_behind_the_last_store_that_is_no_word_of_another_option() {
        const TARGET: Arg = key("destination", &[OW]).token("STORE").optional();
        let specs = of(const { &[key("key", &[RO]), string("pattern").token("BY").optional(), TARGET] });
        assert_eq!(specs.range, KeyRange { first: 1, last: 1, step: 1 });
        assert!(specs.are_movable && specs.may_be_several());
        let stored = |request: &str| {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            specs.specs[1].positions(words.len(), |at| words[at]).collect::<Vec<_>>()
        };
        assert_eq!(stored("SORT k STORE a"), [3]);
        assert_eq!(stored("SORT k BY store GET store LIMIT store store store b"), [10]);
        assert_eq!(stored("SORT k store a ALPHA STORE b"), [6]);
        for none in ["SORT k", "SORT k STORE", "SORT k GET STORE", "SORT store x"] {
            assert!(stored(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn key_before_a_count_is_a_key_and_the_old_range_is_that_key_alone() {
        let specs = of(const { &[key("destination", &[OW]), key_count(), key("key", &[RO]).multiple()] });
        let counted = KeySpec { flags: &[RO], begin: 2, find: FindKeys::Counted { step: 1 } };
        assert_eq!(specs.specs, [range(&[OW], 1, 0, 1), counted]);
        assert_eq!(specs.range, KeyRange { first: 1, last: 1, step: 1 });
        assert!(specs.are_movable && specs.may_be_several());
    }

    #[test]
    fn flags_follow_the_words_where_they_vary() {
        let flags = |varying: Varying, request: &str| {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            varying.flags(words.len(), |at| words[at])
        };
        assert_eq!(flags(Varying::SetWithGet, "SET k GET"), Varying::WRITE);
        assert_eq!(flags(Varying::SetWithGet, "SET k v EX 1 get"), Varying::BOTH);
        assert_eq!(flags(Varying::BitfieldOnlyGets, "BITFIELD k"), Varying::READ);
        assert_eq!(flags(Varying::BitfieldOnlyGets, "BITFIELD k OVERFLOW FAIL GET u8 0"), Varying::READ);
        assert_eq!(flags(Varying::BitfieldOnlyGets, "BITFIELD k GET u8 0 SET u8 0 1"), Varying::BOTH);
        assert_eq!(flags(Varying::BitfieldOnlyGets, "BITFIELD k GET u8"), Varying::BOTH);
    }
}
