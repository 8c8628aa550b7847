//! All users of a server, as they are between two changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rule::{RuleError, Rulebook, has_spaces, joined};
use super::secret::Digest;
use super::user::User;
use crate::base::limits::{ACL_RULE_BYTES_MAX, ACL_USERS_MAX};

/// The user of connections that have not said who they are.
pub const DEFAULT: &[u8] = b"default";

/// The users by name. It never changes: a change makes another one, which shares those that it leaves as they are.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
    /// The one named `default`, which there always is.
    default: Arc<User>,
}

/// Why ACL SETUSER changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUserError {
    /// A name that a file could not hold.
    Name,
    TooManyUsers,
    /// The parenthesis of a selector that this word begins is not closed.
    Parenthesis(Vec<u8>),
    Rule {
        rule: Vec<u8>,
        error: RuleError,
    },
}

impl SetUserError {
    /// Redis's text, without a code.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            SetUserError::Name => b"Usernames can't contain spaces or null characters".to_vec(),
            SetUserError::TooManyUsers => format!("A server has at most {ACL_USERS_MAX} users").into_bytes(),
            SetUserError::Parenthesis(word) => {
                [b"Unmatched parenthesis in acl selector starting at '", word.as_slice(), b"'."].concat()
            }
            SetUserError::Rule { rule, error } => {
                let error = format!("': {error}");
                [b"Error in ACL SETUSER modifier '", rule.as_slice(), error.as_bytes()].concat()
            }
        }
    }
}

impl Users {
    /// The default user alone, who needs no password and may do everything.
    #[must_use]
    pub fn new(book: Rulebook<'_>) -> Users {
        let mut default = User::new(book, DEFAULT);
        for rule in ["on", "nopass", "~*", "&*", "+@all"] {
            let applied = default.apply(book, rule.as_bytes());
            debug_assert_eq!(applied, Ok(()), "{rule}");
        }
        let default = Arc::new(default);
        Users { by_name: BTreeMap::from([(DEFAULT.into(), default.clone())]), default }
    }

    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user of connections that have not said who they are.
    #[must_use]
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Never: there is always the default user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Who comes in by this name and password. The same work is done for a name that is not known.
    #[must_use]
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<&Arc<User>> {
        let digest = Digest::of(password);
        self.get(name).filter(|user| user.comes_in_by(digest))
    }

    /// These users with one of them made, or changed by these words. Nothing is changed by an error.
    pub fn with(&self, book: Rulebook<'_>, name: &[u8], words: &[&[u8]]) -> Result<Users, SetUserError> {
        let known = self.get(name).map(|user| User::clone(user));
        self.with_user(made(book, known, name, words)?)
    }

    /// These users with this one in the place of what had its name.
    pub fn with_user(&self, user: User) -> Result<Users, SetUserError> {
        let mut users = self.clone();
        users.put(user)?;
        Ok(users)
    }

    /// Puts a user into a set in the making.
    pub(super) fn put(&mut self, user: User) -> Result<(), SetUserError> {
        if self.by_name.len() == ACL_USERS_MAX && !self.by_name.contains_key(user.name()) {
            return Err(SetUserError::TooManyUsers);
        }
        let user = Arc::new(user);
        if user.name() == DEFAULT {
            self.default = user.clone();
        }
        self.by_name.insert(user.name().into(), user);
        Ok(())
    }

    /// These users without some of them, and how many those were. The default user stays.
    #[must_use]
    pub fn without(&self, names: &[&[u8]]) -> (Users, usize) {
        let mut users = self.clone();
        let is_gone = |name: &&&[u8]| **name != DEFAULT && users.by_name.remove(**name).is_some();
        let gone = names.iter().filter(is_gone).count();
        (users, gone)
    }
}

/// A user by this name and these words, or what they make of one that there is.
pub fn made(
    book: Rulebook<'_>,
    known: Option<User>,
    name: &[u8],
    words: &[&[u8]],
) -> Result<User, SetUserError> {
    if name.is_empty() || has_spaces(name) || name.len() > ACL_RULE_BYTES_MAX {
        return Err(SetUserError::Name);
    }
    let mut user = known.unwrap_or_else(|| User::new(book, name));
    for rule in joined(words).map_err(SetUserError::Parenthesis)? {
        user.apply(book, &rule).map_err(|error| SetUserError::Rule { rule, error })?;
    }
    Ok(user)
}
