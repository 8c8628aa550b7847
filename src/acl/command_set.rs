//! Which commands a selector allows: a bit for each row of the table, and the rules it came about by, to be shown again.

use crate::table::{Category, Row, Table};

/// The commands of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSet {
    /// By the rows' numbers.
    bits: Box<[u64]>,
    /// It began with all commands rather than with none.
    is_from_all: bool,
    /// What came behind that, without what a later rule made needless: as Redis shows it.
    rules: Vec<CommandRule>,
    /// Commands without a bit, by number, that are allowed with one first argument (`+select|0`).
    first_args: Vec<(usize, Box<[u8]>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandRule {
    allows: bool,
    /// In lower case.
    name: Box<[u8]>,
}

impl CommandSet {
    /// No command of this table.
    #[must_use]
    pub fn none(table: &Table) -> CommandSet {
        let bits = vec![0; table.len().div_ceil(64)].into();
        CommandSet { bits, is_from_all: false, rules: Vec::new(), first_args: Vec::new() }
    }

    /// All commands or none.
    pub fn set_all(&mut self, allows: bool) {
        self.bits.fill(if allows { u64::MAX } else { 0 });
        self.is_from_all = allows;
        self.rules.clear();
        self.first_args.clear();
    }

    /// A command with its subcommands, or one of these.
    pub fn set(&mut self, row: &Row, allows: bool) {
        self.set_row(row, allows);
        self.note(row.full_name.as_bytes(), allows);
    }

    /// All of a category, of commands and of subcommands.
    pub fn set_category(&mut self, table: &Table, category: Category, allows: bool) {
        for row in table.all().filter(|row| row.spec.categories().contains(&category)) {
            self.set_row(row, allows);
        }
        self.note(category.name().as_bytes(), allows);
    }

    /// One that is not here: nothing but the rule is kept.
    pub fn set_foreign(&mut self, name: &[u8], allows: bool) {
        self.note(name, allows);
    }

    /// A command with this first argument alone.
    pub fn allow_first_arg(&mut self, row: &Row, first_arg: &[u8]) {
        let is_known =
            |(of, arg): &(usize, Box<[u8]>)| *of == row.number && arg.eq_ignore_ascii_case(first_arg);
        if !self.first_args.iter().any(is_known) {
            self.first_args.push((row.number, first_arg.into()));
        }
        self.note(&[row.full_name.as_bytes(), b"|", first_arg].concat(), true);
    }

    fn set_row(&mut self, row: &Row, allows: bool) {
        for row in std::iter::once(row).chain(&row.subcommands) {
            let (word, bit) = (row.number / 64, 1 << (row.number % 64));
            if let Some(word) = self.bits.get_mut(word) {
                *word = if allows { *word | bit } else { *word & !bit };
            }
        }
        self.first_args.retain(|(number, _)| *number != row.number);
    }

    /// Notes a rule behind the others, and forgets those that it makes needless: the same name, or one below it.
    fn note(&mut self, name: &[u8], allows: bool) {
        let name = name.to_ascii_lowercase();
        let is_below =
            |known: &[u8]| known.strip_prefix(&*name).is_some_and(|rest| rest.is_empty() || rest[0] == b'|');
        self.rules.retain(|rule| !is_below(&rule.name));
        self.rules.push(CommandRule { allows, name: name.into() });
    }

    /// Whether a request of this row may be run; `first_arg` is the word behind its name.
    #[inline]
    #[must_use]
    pub fn allows(&self, row: &Row, first_arg: Option<&[u8]>) -> bool {
        let word = self.bits.get(row.number / 64).copied().unwrap_or(0);
        word & 1 << (row.number % 64) != 0
            || (!self.first_args.is_empty() && self.allows_first_arg(row, first_arg))
    }

    #[cold]
    fn allows_first_arg(&self, row: &Row, first_arg: Option<&[u8]>) -> bool {
        let Some(given) = first_arg else { return false };
        self.first_args.iter().any(|(number, arg)| *number == row.number && arg.eq_ignore_ascii_case(given))
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self, table: &Table) -> bool {
        (0..table.len()).all(|number| self.bits[number / 64] & 1 << (number % 64) != 0)
    }

    /// How many rules it consists of.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// The rules in Redis's words: `-@all +get`.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        let mut text = if self.is_from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.extend(if rule.allows { b" +" } else { b" -" });
            text.extend(&rule.name);
        }
        text
    }
}
