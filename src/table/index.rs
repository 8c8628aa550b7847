//! The whole table: rows in order, by name and by number, and by what clients call them.

use std::fmt;

use hashbrown::HashTable;

use super::row::Row;
use super::spec::Spec;

/// Longest command name that is looked up, bytes.
const NAME_BYTES_MAX: usize = 32;
/// Longest name that a command can be given, bytes.
const CALLED_BYTES_MAX: usize = 256;

/// The commands of a server.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    /// Rows by the hash of their names.
    by_name: HashTable<usize>,
    /// Rows by the hash of what clients call them, where that is not their names.
    called: Option<HashTable<(Box<[u8]>, usize)>>,
    /// For each number the row and, for a subcommand, its place there.
    by_number: Vec<(usize, Option<usize>)>,
}

impl Table {
    /// A table of these commands, each with its subcommands. Numbers are given in this order, a command's before
    /// those of its subcommands.
    #[must_use]
    pub fn new(commands: impl IntoIterator<Item = (&'static Spec, Vec<&'static Spec>)>) -> Table {
        let mut next = 0;
        let rows: Vec<Row> =
            commands.into_iter().map(|(spec, subs)| Row::new(spec, &subs, &mut next)).collect();
        let mut by_name = HashTable::with_capacity(rows.len() * 2);
        let mut by_number = Vec::with_capacity(next);
        let hash_of = |at: &usize| hash(rows[*at].spec.name.as_bytes());
        for (at, row) in rows.iter().enumerate() {
            by_name.insert_unique(hash_of(&at), at, hash_of);
            by_number.push((at, None));
            by_number.extend((0..row.subcommands.len()).map(|sub| (at, Some(sub))));
        }
        Table { rows, by_name, called: None, by_number }
    }

    /// Lets clients call a command by another name, or by none where that is empty (`rename-command`). It keeps its own
    /// for all else. `name` is what it is called so far.
    pub fn rename(&mut self, name: &[u8], new: &[u8]) -> Result<(), RenameError> {
        if new.len() > CALLED_BYTES_MAX {
            return Err(RenameError::TooLong);
        }
        let rows = &self.rows;
        let called = self.called.get_or_insert_with(|| {
            let mut called = HashTable::with_capacity(rows.len() * 2);
            for (at, row) in rows.iter().enumerate() {
                let name = row.spec.name.as_bytes();
                called.insert_unique(hash(name), (Box::from(name), at), |(name, _)| hash(name));
            }
            called
        });
        if find_called(called, name).is_some() && find_called(called, new).is_some() {
            return Err(RenameError::Taken);
        }
        let entry = called.find_entry(hash(name), |(known, _)| known.eq_ignore_ascii_case(name));
        let ((_, at), _) = entry.map_err(|_| RenameError::Unknown)?.remove();
        if !new.is_empty() {
            called.insert_unique(hash(new), (Box::from(new), at), |(name, _)| hash(name));
        }
        Ok(())
    }

    /// All commands, in the order of their families.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All commands and, behind each, its subcommands: in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flat_map(|row| std::iter::once(row).chain(&row.subcommands))
    }

    /// How many rows `all` has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// A row by its number.
    #[must_use]
    pub fn by_number(&self, number: usize) -> Option<&Row> {
        let (row, sub) = *self.by_number.get(number)?;
        let row = &self.rows[row];
        Some(sub.map_or(row, |sub| &row.subcommands[sub]))
    }

    /// A command by name, in any case. Cost: about 10 ns.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Row> {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let is_named = |at: &usize| self.rows[*at].spec.name.as_bytes().eq_ignore_ascii_case(name);
        self.by_name.find(hash(name), is_named).map(|at| &self.rows[*at])
    }

    /// A command by what clients call it, in any case. Cost: as `find`.
    #[inline]
    #[must_use]
    pub fn find_called(&self, name: &[u8]) -> Option<&Row> {
        match &self.called {
            None => self.find(name),
            Some(called) => find_called(called, name).map(|at| &self.rows[at]),
        }
    }

    /// A command or subcommand by the name that COMMAND LIST gives it, `parent|name` for a subcommand.
    #[must_use]
    pub fn find_full(&self, name: &[u8]) -> Option<&Row> {
        let mut parts = name.split(|&byte| byte == b'|');
        let row = self.find(parts.next()?)?;
        match (parts.next(), parts.next()) {
            (None, _) => Some(row),
            (Some(sub), None) => row.subcommand(sub),
            (Some(_), Some(_)) => None,
        }
    }
}

/// Why a command is not called otherwise. `Display` is Redis's text where Redis has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameError {
    Unknown,
    Taken,
    TooLong,
}

impl fmt::Display for RenameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenameError::Unknown => f.write_str("No such command in rename-command"),
            RenameError::Taken => f.write_str("Target command name already exists"),
            RenameError::TooLong => write!(f, "A command's name has at most {CALLED_BYTES_MAX} bytes"),
        }
    }
}

fn find_called(called: &HashTable<(Box<[u8]>, usize)>, name: &[u8]) -> Option<usize> {
    if name.len() > CALLED_BYTES_MAX {
        return None;
    }
    called.find(hash(name), |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, at)| *at)
}

/// FNV-1a over the lower-cased name: names are ours, so no keyed hash is needed.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(byte | 0x20)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    // hashbrown takes its tag from the top bits, which FNV mixes least.
    hash ^ hash << 57
}

#[cfg(test)]
mod tests {
    use super::*;

    static CONFIG: Spec = Spec { name: "config", ..Spec::EMPTY };
    static GET: Spec = Spec { name: "get", ..Spec::EMPTY };

    #[test]
    fn rows_are_found_by_name_and_by_number() {
        let table = Table::new([(&GET, vec![]), (&CONFIG, vec![&GET])]);
        let names: Vec<&str> = table.all().map(|row| row.full_name.as_str()).collect();
        assert_eq!(names, ["get", "config", "config|get"]);
        assert!((0..3).all(|number| table.by_number(number).unwrap().number == number));
        assert!(table.by_number(3).is_none() && table.len() == 3);
        assert_eq!(table.find(b"GeT").unwrap().number, 0);
        assert_eq!(table.find_full(b"CONFIG|get").unwrap().number, 2);
        assert!(table.find_full(b"config|get|x").is_none() && table.find(&[b'x'; 33]).is_none());
    }

    #[test]
    fn commands_are_called_by_the_names_they_were_given_last() {
        let mut table = Table::new([(&GET, vec![]), (&CONFIG, vec![&GET])]);
        let called = |table: &Table, name: &[u8]| table.find_called(name).map(|row| row.number);
        assert_eq!(called(&table, b"Config"), Some(1));
        assert_eq!(table.rename(b"CONFIG", b"Secret"), Ok(()));
        assert_eq!((called(&table, b"config"), called(&table, b"SECRET")), (None, Some(1)));
        assert_eq!(table.rename(b"config", b"x"), Err(RenameError::Unknown));
        assert_eq!(table.rename(b"secret", b"get"), Err(RenameError::Taken));
        assert_eq!(table.rename(b"secret", &[b'x'; CALLED_BYTES_MAX + 1]), Err(RenameError::TooLong));
        assert_eq!(called(&table, b"secret"), Some(1));
        assert_eq!(table.rename(b"get", b""), Ok(()));
        assert_eq!(table.rename(b"secret", b"get"), Ok(()));
        assert_eq!((called(&table, b"get"), called(&table, b"")), (Some(1), None));
        // All else goes by its own name.
        assert_eq!(table.find_full(b"config|get").unwrap().number, 2);
    }
}
