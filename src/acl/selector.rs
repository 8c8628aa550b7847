//! What one selector of a user admits: commands, keys and channels, all of them in one request.

use std::ops::Range;

use super::command_set::CommandSet;
use super::names;
use super::pattern::{Access, Pattern};
use super::rule::{RuleError, Rulebook, has_spaces};
use crate::base::limits::ACL_RULE_BYTES_MAX;
use crate::table::{Category, Channels, Row, Table};

/// A set of permissions. A request passes if one selector of its user admits all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    commands: CommandSet,
    keys: Patterns,
    channels: Patterns,
}

/// What of a request is not admitted: the position of a word, in the order of what is told where several selectors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

/// Names that may be used, of keys or of channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Patterns {
    is_all: bool,
    list: Vec<(Pattern, Access)>,
}

impl Patterns {
    fn set_all(&mut self, is_all: bool) {
        *self = Patterns { is_all, list: Vec::new() };
    }

    /// A further pattern, or more of what may be done with the names of one that is there.
    fn add(&mut self, text: &[u8], access: Access) -> Result<(), RuleError> {
        if has_spaces(text) {
            return Err(RuleError::Syntax);
        }
        match self.list.iter_mut().find(|(pattern, _)| pattern.text() == text) {
            Some((_, given)) => *given = given.and(access),
            None => self.list.push((Pattern::new(text), access)),
        }
        Ok(())
    }

    fn admits(&self, name: &[u8], needed: Access) -> bool {
        self.is_all || self.list.iter().any(|(pattern, given)| given.covers(needed) && pattern.matches(name))
    }

    /// Whether whichever name may be used in this way.
    fn admits_all(&self, needed: Access) -> bool {
        self.is_all || self.list.iter().any(|(pattern, given)| given.covers(needed) && pattern.text() == b"*")
    }

    fn has(&self, text: &[u8]) -> bool {
        self.is_all || self.list.iter().any(|(pattern, _)| pattern.text() == text)
    }

    /// The rules that lead here, with a blank between them.
    fn describe(&self, all: &str, prefix: impl Fn(Access) -> &'static str) -> Vec<u8> {
        let one =
            |(pattern, access): &(Pattern, Access)| [prefix(*access).as_bytes(), pattern.text()].concat();
        match self.is_all {
            true => all.as_bytes().to_vec(),
            false => self.list.iter().map(one).collect::<Vec<_>>().join(&b' '),
        }
    }
}

fn key_prefix(access: Access) -> &'static str {
    match (access.reads, access.writes) {
        (true, false) => "%R~",
        (false, true) => "%W~",
        _ => "~",
    }
}

impl Selector {
    /// Admits nothing, but for channels where that is the server's rule.
    #[must_use]
    pub fn new(book: Rulebook<'_>) -> Selector {
        let channels = Patterns { is_all: book.allows_channels, list: Vec::new() };
        Selector { commands: CommandSet::none(book.table), keys: Patterns::default(), channels }
    }

    /// How many patterns and rules of commands it has.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.commands.rules() + self.keys.list.len() + self.channels.list.len()
    }

    /// Whether it admits every request of this table.
    #[must_use]
    pub fn is_unrestricted(&self, table: &Table) -> bool {
        self.keys.is_all && self.channels.is_all && self.commands.is_all(table)
    }

    /// Whether a request of `words` words may be run; `word` gives one of them. Cost: a bit, and for each key or channel the
    /// patterns up to one that matches.
    pub fn check<'w>(
        &self,
        row: &Row,
        words: usize,
        word: impl Fn(usize) -> &'w [u8] + Copy,
    ) -> Result<(), Denied> {
        let first_arg = (words > row.name_words).then(|| word(row.name_words));
        if !self.commands.allows(row, first_arg) {
            return Err(Denied::Command);
        }
        if !self.keys.is_all {
            let needed = |spec| Access::of(row.key_flags(spec, words, word));
            let mut keys = row.keys(words, word);
            if let Some((at, _)) = keys.find(|(at, spec)| !self.keys.admits(word(*at), needed(spec))) {
                return Err(Denied::Key(at));
            }
        }
        match row.spec.channels {
            Channels::None => Ok(()),
            Channels::First => {
                self.check_channels(row.name_words..words.min(row.name_words + 1), word, false)
            }
            Channels::All => self.check_channels(row.name_words..words, word, false),
            Channels::Patterns => self.check_channels(row.name_words..words, word, true),
        }
    }

    /// Whether a command may be run on this key, which is one of its first kind of keys; nothing else of the request is known.
    pub fn check_key(&self, row: &Row, key: &[u8]) -> Result<(), Denied> {
        if !self.commands.allows(row, None) {
            return Err(Denied::Command);
        }
        let (at, flags) =
            row.key_specs.specs.first().map_or((0, &[][..]), |spec| (row.first_key, spec.flags));
        match self.keys.admits(key, Access::of(flags)) {
            true => Ok(()),
            false => Err(Denied::Key(at)),
        }
    }

    /// Whether whichever key may be read.
    #[must_use]
    pub fn reads_all_keys(&self) -> bool {
        self.keys.admits_all(Access::READ)
    }

    fn check_channels<'w>(
        &self,
        mut at: Range<usize>,
        word: impl Fn(usize) -> &'w [u8],
        are_patterns: bool,
    ) -> Result<(), Denied> {
        match at.find(|at| !self.admits_channel(word(*at), are_patterns)) {
            Some(at) => Err(Denied::Channel(at)),
            None => Ok(()),
        }
    }

    /// Whether a channel may be used. A pattern of channels must be one that was given.
    #[must_use]
    pub fn admits_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        match is_pattern {
            true => self.channels.has(name),
            false => self.channels.admits(name, Access::BOTH),
        }
    }

    /// Takes a rule about commands, keys or channels. After an error all is as it was.
    pub fn apply(&mut self, book: Rulebook<'_>, rule: &[u8]) -> Result<(), RuleError> {
        // What a selector's own rules add up to has its bound in their number.
        if rule.len() > ACL_RULE_BYTES_MAX {
            return Err(RuleError::TooLong);
        }
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.keys.set_all(true),
            _ if is("resetkeys") => self.keys.set_all(false),
            _ if is("allchannels") || is("&*") => self.channels.set_all(true),
            _ if is("resetchannels") => self.channels.set_all(false),
            _ if is("allcommands") || is("+@all") => self.commands.set_all(true),
            _ if is("nocommands") || is("-@all") => self.commands.set_all(false),
            [b'~', text @ ..] => self.allow_keys(text, Access::BOTH)?,
            [b'%', rest @ ..] => {
                let (access, text) = access_of(rest).ok_or(RuleError::Syntax)?;
                self.allow_keys(text, access)?;
            }
            [b'&', text @ ..] => self.allow_channels(text)?,
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                let category = Category::named(category).ok_or(RuleError::Unknown)?;
                self.commands.set_category(book.table, category, *sign == b'+');
            }
            [sign @ (b'+' | b'-'), name @ ..] => self.set_command(book.table, name, *sign == b'+')?,
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn allow_keys(&mut self, text: &[u8], access: Access) -> Result<(), RuleError> {
        if self.keys.is_all {
            return Err(RuleError::AfterAllKeys);
        }
        self.keys.add(text, access)
    }

    fn allow_channels(&mut self, text: &[u8]) -> Result<(), RuleError> {
        if self.channels.is_all {
            return Err(RuleError::AfterAllChannels);
        }
        self.channels.add(text, Access::BOTH)
    }

    fn set_command(&mut self, table: &Table, name: &[u8], allows: bool) -> Result<(), RuleError> {
        let name = name.to_ascii_lowercase();
        if let Some(row) = table.find_full(&name) {
            self.commands.set(row, allows);
        } else if names::is_redis_name(&name) {
            self.commands.set_foreign(&name, allows);
        } else if allows {
            self.allow_first_arg(table, &name)?;
        } else {
            return Err(RuleError::Unknown);
        }
        Ok(())
    }

    /// `command|word` where that is no subcommand.
    fn allow_first_arg(&mut self, table: &Table, name: &[u8]) -> Result<(), RuleError> {
        let bar = memchr::memrchr(b'|', name).ok_or(RuleError::Unknown)?;
        let (command, first_arg) = (&name[..bar], &name[bar + 1..]);
        let row = table.find_full(command);
        let is_known = row.is_some() || names::is_redis_name(command);
        if !is_known || names::is_redis_family(command) {
            return Err(RuleError::Unknown);
        }
        if command.contains(&b'|') {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first_arg.is_empty() || has_spaces(first_arg) {
            return Err(RuleError::Syntax);
        }
        match row {
            Some(row) => self.commands.allow_first_arg(row, first_arg),
            None => self.commands.set_foreign(name, true),
        }
        Ok(())
    }

    /// Its commands as rules: `-@all +get`.
    #[must_use]
    pub fn commands(&self) -> Vec<u8> {
        self.commands.describe()
    }

    /// Its keys as rules.
    #[must_use]
    pub fn keys(&self) -> Vec<u8> {
        self.keys.describe("~*", key_prefix)
    }

    /// Its channels as rules.
    #[must_use]
    pub fn channels(&self) -> Vec<u8> {
        self.channels.describe("&*", |_| "&")
    }

    /// All of it as rules that make a fresh selector this one.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        let reset = if self.channels.is_all { Vec::new() } else { b"resetchannels".to_vec() };
        let parts = [self.keys(), reset, self.channels(), self.commands()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
    }
}

/// What `R~…`, `W~…` or `RW~…` allows, and the pattern.
fn access_of(rule: &[u8]) -> Option<(Access, &[u8])> {
    let tilde = memchr::memchr(b'~', rule)?;
    let access = match rule[..tilde].to_ascii_uppercase().as_slice() {
        b"R" => Access::READ,
        b"W" => Access::WRITE,
        b"RW" | b"WR" => Access::BOTH,
        _ => return None,
    };
    Some((access, &rule[tilde + 1..]))
}
