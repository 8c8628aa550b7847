//! The text of an ACL file: a line `user <name> <rules>` for each user, and empty lines.

use super::rule::{RuleError, Rulebook, has_spaces, joined};
use super::user::User;
use super::users::{DEFAULT, Users};
use crate::base::limits::ACL_FILE_ERRORS_MAX;

/// Why a file was not taken: Redis's texts, one for each fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileErrors(Vec<Vec<u8>>);

impl FileErrors {
    fn add(&mut self, text: Vec<u8>) {
        if self.0.len() < ACL_FILE_ERRORS_MAX {
            self.0.push(text);
        }
    }

    /// All of them in one line.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = self.0.concat();
        text.extend(
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        text
    }
}

/// The users that a file holds; the default one as it is at first where the file does not name it. `name` stands for the
/// file in the texts of errors, of which there is one for each fault.
pub fn read(book: Rulebook<'_>, name: &str, text: &[u8]) -> Result<Users, FileErrors> {
    let mut users = Users::new(book);
    let mut errors = FileErrors::default();
    let mut is_default_known = false;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let place = format!("{name}:{}", at + 1);
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let (user, rules) = match words.as_slice() {
            [] => continue,
            [b"user", user, rules @ ..] => (*user, rules),
            _ => {
                let text = format!("{place} should start with user keyword followed by the username. ");
                errors.add(text.into_bytes());
                continue;
            }
        };
        let is_default = user == DEFAULT;
        let is_double = if is_default { is_default_known } else { users.get(user).is_some() };
        if is_double {
            let line = format!("' found on line {}. ", at + 1);
            errors.add([b"WARNING: Duplicate user '", user, line.as_bytes()].concat());
            continue;
        }
        is_default_known |= is_default;
        if let Some(user) = read_user(book, &place, user, rules, &mut errors)
            && let Err(error) = users.put(user)
        {
            errors.add([place.as_bytes(), b": ", &error.text(), b". "].concat());
        }
    }
    if errors.0.is_empty() { Ok(users) } else { Err(errors) }
}

/// One line. As in Redis, names that are unknown are all told, of other faults the first.
fn read_user(
    book: Rulebook<'_>,
    place: &str,
    name: &[u8],
    words: &[&[u8]],
    errors: &mut FileErrors,
) -> Option<User> {
    if has_spaces(name) {
        errors.add(
            [b"'", place.as_bytes(), b": username '", name, b"' contains invalid characters. "].concat(),
        );
        return None;
    }
    let Ok(rules) = joined(words) else {
        errors.add(format!("{place}: Unmatched parenthesis in selector definition.").into_bytes());
        return None;
    };
    let mut user = User::new(book, name);
    let mut has_other_fault = false;
    for rule in rules {
        match user.apply(book, &rule) {
            Ok(()) => {}
            Err(error @ RuleError::Unknown) => {
                let text = format!("': {error}. ");
                let begin = format!("{place}: Error in applying operation '");
                errors.add([begin.as_bytes(), &rule, text.as_bytes()].concat());
            }
            Err(error) if !std::mem::replace(&mut has_other_fault, true) => {
                errors.add(format!("{place}: {error}. ").into_bytes());
            }
            Err(_) => {}
        }
    }
    Some(user)
}

/// The text of a file that holds these users; with these lines a configuration file holds them as well.
#[must_use]
pub fn write(users: &Users) -> Vec<u8> {
    let mut text = Vec::new();
    for user in users.iter() {
        text.extend(line(user));
        text.push(b'\n');
    }
    text
}

/// One user as a line: what ACL LIST shows.
#[must_use]
pub fn line(user: &User) -> Vec<u8> {
    [b"user ", user.name(), b" ", &user.describe()].concat()
}
