//! A row of the command table: a spec with what follows from it, worked out once.
//!
//! Plain data: a session, a queued transaction and the figures may all hold on to one, or to its number.

use super::arg::KeyFlag;
use super::key_specs::{KeySpec, KeySpecs};
use super::spec::{Flag, Role, Spec};

/// A command or subcommand of the table.
#[derive(Debug)]
pub struct Row {
    pub spec: &'static Spec,
    /// `parent|name` for a subcommand.
    pub full_name: String,
    /// Words that make up the name: 1, or 2 for a subcommand.
    pub name_words: usize,
    pub arity: i64,
    /// Where its first key stands, 0 without one or where that depends on the request.
    pub first_key: usize,
    /// It can name more than one key, so its shards are locked together.
    pub names_several_keys: bool,
    /// Its number among all rows, subcommands included: what statistics are kept by and handlers found.
    pub number: usize,
    /// Quick enough for several in a row to share one reading of the clock.
    pub is_quick: bool,
    pub role: Role,
    /// It runs scripts, or transactions in which some may be.
    pub may_run_scripts: bool,
    /// It may leave a collection that somebody waits for.
    pub may_feed: bool,
    pub key_specs: KeySpecs,
    pub subcommands: Vec<Row>,
}

impl Row {
    /// The row of `spec` and those of its subcommands, numbered from `next` on.
    #[must_use]
    pub fn new(spec: &'static Spec, subcommands: &[&'static Spec], next: &mut usize) -> Row {
        let mut row = Row::single(spec, None, next);
        row.subcommands = subcommands.iter().map(|sub| Row::single(sub, Some(&row), next)).collect();
        if !subcommands.is_empty() {
            row.is_quick = false;
            row.arity = spec.arity_fixed.unwrap_or(-2);
        }
        row
    }

    fn single(spec: &'static Spec, parent: Option<&Row>, next: &mut usize) -> Row {
        let name_words = 1 + usize::from(parent.is_some());
        let key_specs = KeySpecs::of(spec.args, name_words);
        let number = *next;
        *next += 1;
        let role = match parent {
            Some(parent) if spec.role == Role::Plain => parent.role,
            _ => spec.role,
        };
        Row {
            spec,
            full_name: parent.map_or(spec.name.to_owned(), |of| format!("{}|{}", of.spec.name, spec.name)),
            name_words,
            arity: spec.arity(name_words),
            first_key: key_specs.range.first as usize,
            names_several_keys: key_specs.may_be_several(),
            number,
            is_quick: spec.quick || spec.has(Flag::Fast),
            may_run_scripts: matches!(role, Role::Script | Role::Exec),
            role,
            may_feed: spec.has(Flag::Write) && spec.group.may_feed(),
            key_specs,
            subcommands: Vec::new(),
        }
    }

    /// Whether a request of `words` words can be this command.
    #[inline]
    #[must_use]
    pub fn admits_words(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// The positions of the keys in a request of `words` words, each with its spec; `word` gives one of the words.
    pub fn keys<'s, 'w>(
        &'s self,
        words: usize,
        word: impl Fn(usize) -> &'w [u8] + Copy,
    ) -> impl Iterator<Item = (usize, &'s KeySpec)> {
        let specs = self.key_specs.specs.iter().filter(|spec| spec.is_of_keys());
        specs.flat_map(move |spec| spec.positions(words, word).map(move |at| (at, spec)))
    }

    /// What a request of `words` words does with the keys of one of its specs.
    pub fn key_flags<'w>(
        &self,
        spec: &KeySpec,
        words: usize,
        word: impl Fn(usize) -> &'w [u8] + Copy,
    ) -> &'static [KeyFlag] {
        self.spec.varying.map_or(spec.flags, |varying| varying.flags(words, word))
    }

    /// The row of a subcommand by name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&Row> {
        self.subcommands.iter().find(|row| row.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }
}
