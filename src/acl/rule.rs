//! What rules are read with, why one is not taken, and how the words of a selector become one rule.

use std::fmt;

use crate::base::limits::{ACL_PASSWORDS_MAX, ACL_RULE_BYTES_MAX, ACL_RULES_MAX, ACL_SELECTORS_MAX};
use crate::table::Table;

/// What the rules of a server are read with.
#[derive(Clone, Copy, Debug)]
pub struct Rulebook<'t> {
    pub table: &'t Table,
    /// New users may use all channels (`acl-pubsub-default`).
    pub allows_channels: bool,
}

/// Why a rule is not taken. `Display` is Redis's text where Redis has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    Syntax,
    /// No command or category has this name.
    Unknown,
    /// No digest of a password.
    BadDigest,
    NoSuchPassword,
    FirstArgOfSubcommand,
    /// A pattern that could match nothing more.
    AfterAllKeys,
    AfterAllChannels,
    TooLong,
    TooManyRules,
    TooManySelectors,
    TooManyPasswords,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::Syntax => f.write_str("Syntax error"),
            RuleError::Unknown => f.write_str("Unknown command or category name in ACL"),
            RuleError::BadDigest => f.write_str(
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
            ),
            RuleError::NoSuchPassword => {
                f.write_str("The password you are trying to remove from the user does not exist")
            }
            RuleError::FirstArgOfSubcommand => f.write_str("Allowing first-arg of a subcommand is not supported"),
            RuleError::AfterAllKeys => f.write_str(
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns",
            ),
            RuleError::AfterAllChannels => f.write_str(
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have \
                 any effect. Try 'resetchannels' to start with an empty list of channels",
            ),
            RuleError::TooLong => write!(f, "A rule takes at most {ACL_RULE_BYTES_MAX} bytes"),
            RuleError::TooManyRules => {
                write!(f, "A user has at most {ACL_RULES_MAX} patterns and rules of commands")
            }
            RuleError::TooManySelectors => write!(f, "A user has at most {ACL_SELECTORS_MAX} selectors"),
            RuleError::TooManyPasswords => write!(f, "A user has at most {ACL_PASSWORDS_MAX} passwords"),
        }
    }
}

impl std::error::Error for RuleError {}

/// Whether a name or pattern could not be written into a file.
#[must_use]
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| *byte == 0 || byte.is_ascii_whitespace() || *byte == 0x0b)
}

/// The rules that these words are, those of a selector joined into one.
///
/// # Errors
/// The word with the parenthesis that is not closed.
pub fn joined(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut rules: Vec<Vec<u8>> = Vec::with_capacity(words.len());
    let mut open: Option<&[u8]> = None;
    for word in words {
        match rules.last_mut().filter(|_| open.is_some()) {
            Some(selector) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
            }
            None => {
                rules.push(word.to_vec());
                open = word.starts_with(b"(").then_some(*word);
            }
        }
        if word.ends_with(b")") {
            open = None;
        }
    }
    match open {
        Some(word) => Err(word.to_vec()),
        None => Ok(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined_text(text: &str) -> Result<Vec<String>, String> {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let shown = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        joined(&words).map(|rules| rules.into_iter().map(shown).collect()).map_err(shown)
    }

    #[test]
    fn words_of_a_selector_are_one_rule() {
        assert_eq!(joined_text("on (+get ~a) +set").unwrap(), ["on", "(+get ~a)", "+set"]);
        assert_eq!(joined_text("(+get) (+set").unwrap_err(), "(+set");
        assert_eq!(joined_text("(+get (+set) )").unwrap(), ["(+get (+set)", ")"]);
        assert_eq!(joined_text("~a)b ~)").unwrap(), ["~a)b", "~)"]);
        assert_eq!(joined_text("( )").unwrap(), ["( )"]);
        assert_eq!(joined_text("(").unwrap_err(), "(");
    }

    #[test]
    fn names_with_blanks_and_nulls_are_told() {
        assert!([&b"a b"[..], b"a\tb", b"a\n", b"\0", b"\x0b", b"\x0c"].into_iter().all(has_spaces));
        assert!(!has_spaces(b"a-b:\xff"));
    }
}
