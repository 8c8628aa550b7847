//! The command table: the rows of all groups, and look-up by name.

use std::sync::OnceLock;

use hashbrown::HashTable;

use super::key_specs::KeySpecs;
use super::spec::{Flag, Spec};

/// The rows of every group, in the order of the groups' files.
pub static GROUPS: &[&[Spec]] = &[
    super::bitfield::ROWS,
    super::bits::ROWS,
    super::client::ROWS,
    super::config::ROWS,
    super::connection::ROWS,
    super::debug::ROWS,
    super::describe::ROWS,
    super::expiry::ROWS,
    super::fill::ROWS,
    super::function::ROWS,
    super::generic::ROWS,
    super::info::ROWS,
    super::latency::ROWS,
    super::lcs::ROWS,
    super::lolwut::ROWS,
    super::memory::ROWS,
    super::module::ROWS,
    super::monitor::ROWS,
    super::number::ROWS,
    super::object::ROWS,
    super::pubsub::ROWS,
    super::replication::ROWS,
    super::scan::ROWS,
    super::server::ROWS,
    super::slowlog::ROWS,
    super::string::ROWS,
    super::transaction::ROWS,
];

/// Longest command name that is looked up, bytes.
const NAME_BYTES_MAX: usize = 32;

/// A row with what follows from it, worked out once.
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
    /// Its number among all rows, subcommands included: what statistics are kept by.
    pub number: usize,
    /// Quick enough for several in a row to share one reading of the clock.
    pub is_quick: bool,
    pub subcommands: Vec<Row>,
    pub key_specs: KeySpecs,
}

impl Row {
    /// `next_number` counts the rows made so far.
    fn new(spec: &'static Spec, parent: Option<&str>, next_number: &mut usize) -> Row {
        let name_words = if parent.is_some() { 2 } else { 1 };
        let range = spec.key_range(name_words);
        let number = *next_number;
        *next_number += 1;
        Row {
            spec,
            full_name: parent
                .map_or_else(|| spec.name.to_owned(), |parent| format!("{parent}|{}", spec.name)),
            name_words,
            arity: spec.arity(name_words),
            first_key: range.first as usize,
            names_several_keys: spec.counts_keys() || (range.first != 0 && range.first != range.last),
            number,
            // SET costs as little as GET, whatever its flags say.
            is_quick: (spec.has(Flag::Fast) || spec.complexity == "O(1)") && spec.subcommands.is_empty(),
            key_specs: KeySpecs::of(spec, name_words),
            subcommands: spec
                .subcommands
                .iter()
                .map(|sub| Row::new(sub, Some(spec.name), next_number))
                .collect(),
        }
    }

    /// Whether a request of so many words can be this command.
    #[inline]
    #[must_use]
    pub fn admits_words(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// The positions of the keys in a request of `words` words; `word` gives one of them.
    pub fn key_positions<'w>(&self, words: usize, word: impl Fn(usize) -> &'w [u8] + Copy) -> Vec<usize> {
        let specs = self.key_specs.specs.iter().filter(|spec| spec.is_of_keys());
        specs.flat_map(|spec| spec.positions(words, word)).collect()
    }

    /// The row of a subcommand by name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&Row> {
        self.subcommands.iter().find(|row| row.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// All rows, in the order of `GROUPS`.
pub fn rows() -> &'static [Row] {
    &index().0
}

/// All rows and, behind each, its subcommands: in the order of their numbers.
pub fn all() -> impl Iterator<Item = &'static Row> {
    rows().iter().flat_map(|row| std::iter::once(row).chain(&row.subcommands))
}

/// A command by name, in any case. Cost: about 10 ns.
#[inline]
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Row> {
    let (rows, index) = index();
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let found = index.find(hash(name), |at| rows[*at].spec.name.as_bytes().eq_ignore_ascii_case(name));
    found.map(|at| &rows[*at])
}

fn index() -> &'static (Vec<Row>, HashTable<usize>) {
    static INDEX: OnceLock<(Vec<Row>, HashTable<usize>)> = OnceLock::new();
    INDEX.get_or_init(|| {
        let specs = GROUPS.iter().flat_map(|rows| rows.iter());
        let mut next = 0;
        let rows: Vec<Row> = specs.map(|spec| Row::new(spec, None, &mut next)).collect();
        let mut index = HashTable::with_capacity(rows.len() * 2);
        let hash_of = |at: &usize| hash(rows[*at].spec.name.as_bytes());
        for at in 0..rows.len() {
            index.insert_unique(hash_of(&at), at, hash_of);
        }
        (rows, index)
    })
}

/// FNV-1a over the lower-cased name: names are ours, so no keyed hash is needed.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(byte | 0x20)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    // hashbrown takes its tag from the top bits, which FNV mixes least.
    hash ^ hash << 57
}
