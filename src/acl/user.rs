//! A user: whether and by which passwords it may come in, and what its selectors admit.

use super::rule::{RuleError, Rulebook};
use super::secret::Digest;
use super::selector::{Denied, Selector};
use crate::base::limits::{ACL_PASSWORDS_MAX, ACL_RULES_MAX, ACL_SELECTORS_MAX};
use crate::table::{Flag, Row};

/// A user of the server. It never changes: a change makes another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<[u8]>,
    is_on: bool,
    /// Any password will do.
    needs_no_password: bool,
    /// What was said of RESTORE's payloads, which are always checked here.
    sanitizing: Option<Sanitizing>,
    passwords: Vec<Digest>,
    root: Selector,
    selectors: Vec<Selector>,
    /// One of its selectors admits every request.
    is_unrestricted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sanitizing {
    On,
    Skipped,
}

impl User {
    /// A user who may not come in and may do nothing.
    #[must_use]
    pub fn new(book: Rulebook<'_>, name: &[u8]) -> User {
        User {
            name: name.into(),
            is_on: false,
            needs_no_password: false,
            sanitizing: None,
            passwords: Vec::new(),
            root: Selector::new(book),
            selectors: Vec::new(),
            is_unrestricted: false,
        }
    }

    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether it comes in by any password.
    #[must_use]
    pub fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// Whether a connection may be this user without a word.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_on && self.needs_no_password
    }

    /// Whether every request of it is admitted.
    #[inline]
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// Whether this password, by its digest, lets it in.
    #[must_use]
    pub fn comes_in_by(&self, given: Digest) -> bool {
        let is_known = Digest::is_among(given, &self.passwords);
        self.is_on && (self.needs_no_password || is_known)
    }

    /// Whether a request of `words` words may be run; `word` gives one of them. See `Selector::check`.
    pub fn check<'w>(
        &self,
        row: &Row,
        words: usize,
        word: impl Fn(usize) -> &'w [u8] + Copy,
    ) -> Result<(), Denied> {
        if self.is_unrestricted || row.spec.has(Flag::NoAuth) {
            return Ok(());
        }
        self.any_admits(|selector| selector.check(row, words, word))
    }

    /// Whether a command may be run on this key. See `Selector::check_key`.
    pub fn check_key(&self, row: &Row, key: &[u8]) -> Result<(), Denied> {
        if self.is_unrestricted {
            return Ok(());
        }
        self.any_admits(|selector| selector.check_key(row, key))
    }

    /// Whether a request may be run that reads keys which it does not name: one selector must admit it, and reading all keys.
    pub fn may_read_all<'w>(&self, row: &Row, words: usize, word: impl Fn(usize) -> &'w [u8] + Copy) -> bool {
        let admits =
            |selector: &Selector| selector.reads_all_keys() && selector.check(row, words, word).is_ok();
        self.is_unrestricted || self.all_selectors().any(admits)
    }

    /// What one of its selectors says, or what is told where none admits it.
    fn any_admits(&self, check: impl Fn(&Selector) -> Result<(), Denied>) -> Result<(), Denied> {
        let Err(mut denied) = check(&self.root) else { return Ok(()) };
        for selector in &self.selectors {
            match check(selector) {
                Ok(()) => return Ok(()),
                Err(other) => denied = denied.max(other),
            }
        }
        Err(denied)
    }

    /// Whether it may subscribe to a channel, or to a pattern of channels.
    #[must_use]
    pub fn admits_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|selector| selector.admits_channel(name, is_pattern))
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Takes a rule. After an error it may have been taken in part: the caller drops the user then.
    pub fn apply(&mut self, book: Rulebook<'_>, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("nopass") => {
                self.needs_no_password = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => self.reset_passwords(),
            _ if is("sanitize-payload") => self.sanitizing = Some(Sanitizing::On),
            _ if is("skip-sanitize-payload") => self.sanitizing = Some(Sanitizing::Skipped),
            _ if is("clearselectors") => self.selectors.clear(),
            _ if is("reset") => {
                let name = std::mem::take(&mut self.name);
                *self = User { sanitizing: Some(Sanitizing::On), ..User::new(book, &name) };
            }
            [b'>', password @ ..] => self.add_password(Digest::of(password))?,
            [b'<', password @ ..] => self.remove_password(Digest::of(password))?,
            [b'#', digits @ ..] => self.add_password(Digest::parse(digits).ok_or(RuleError::BadDigest)?)?,
            [b'!', digits @ ..] => {
                self.remove_password(Digest::parse(digits).ok_or(RuleError::BadDigest)?)?
            }
            [b'(', rules @ .., b')'] => self.add_selector(book, rules)?,
            _ => self.root.apply(book, rule)?,
        }
        if self.all_selectors().map(Selector::rules).sum::<usize>() > ACL_RULES_MAX {
            return Err(RuleError::TooManyRules);
        }
        let is_unrestricted = self.all_selectors().any(|selector| selector.is_unrestricted(book.table));
        self.is_unrestricted = is_unrestricted;
        Ok(())
    }

    fn reset_passwords(&mut self) {
        self.needs_no_password = false;
        self.passwords.clear();
    }

    fn add_password(&mut self, digest: Digest) -> Result<(), RuleError> {
        self.needs_no_password = false;
        if self.passwords.contains(&digest) {
            return Ok(());
        }
        if self.passwords.len() == ACL_PASSWORDS_MAX {
            return Err(RuleError::TooManyPasswords);
        }
        self.passwords.push(digest);
        Ok(())
    }

    fn remove_password(&mut self, digest: Digest) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == digest);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// Rules between parentheses make a selector of their own, in which no other can stand.
    fn add_selector(&mut self, book: Rulebook<'_>, rules: &[u8]) -> Result<(), RuleError> {
        if self.selectors.len() == ACL_SELECTORS_MAX {
            return Err(RuleError::TooManySelectors);
        }
        let mut selector = Selector::new(book);
        for rule in rules.split(|byte| *byte == b' ').filter(|rule| !rule.is_empty()) {
            selector.apply(book, rule)?;
        }
        self.selectors.push(selector);
        Ok(())
    }

    /// What ACL GETUSER calls its flags.
    #[must_use]
    pub fn flags(&self) -> Vec<&'static str> {
        let all = [
            (self.is_on, "on"),
            (!self.is_on, "off"),
            (self.needs_no_password, "nopass"),
            (self.sanitizing == Some(Sanitizing::Skipped), "skip-sanitize-payload"),
            (self.sanitizing == Some(Sanitizing::On), "sanitize-payload"),
        ];
        all.into_iter().filter_map(|(holds, flag)| holds.then_some(flag)).collect()
    }

    #[must_use]
    pub fn passwords(&self) -> &[Digest] {
        &self.passwords
    }

    /// The selector that rules outside of parentheses make.
    #[must_use]
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// Those between parentheses.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// All of it as rules, as a file has them: they make a fresh user this one.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        let flags = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec());
        let passwords = self.passwords.iter().map(|digest| format!("#{digest}").into_bytes());
        let more =
            self.selectors.iter().map(|selector| [b"(", selector.describe().as_slice(), b")"].concat());
        let all = flags.chain(passwords).chain(std::iter::once(self.root.describe())).chain(more);
        all.collect::<Vec<_>>().join(&b' ')
    }
}
