//! Who a connection is, and whether its requests need a look.
//!
//! A connection begins as the default user; AUTH, HELLO, or whoever accepts it with a name says who it is. Changed users are
//! met at its next batch (`refresh`).

use std::sync::Arc;

use super::users::LiveUsers;
use crate::acl::{User, Users};
use crate::table::{Row, Table};

/// The user of a connection, as it last saw it.
#[derive(Clone, Debug)]
pub struct Identity {
    user: Arc<User>,
    /// It has said who it is, or did not need to when it came.
    is_authenticated: bool,
    standing: Standing,
    /// Of which change of the users that is.
    version: u64,
}

/// What a connection's requests are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It may do everything.
    Free,
    /// It may do what its user may.
    Bound,
    /// It has to say who it is.
    Stranger,
}

impl Identity {
    /// A connection that has not said anything.
    #[must_use]
    pub fn new(users: &LiveUsers) -> Identity {
        // The version first: a change in between is met again.
        let version = users.version();
        let users = users.load();
        let user = users.default_user().clone();
        let is_authenticated = user.is_open();
        let standing = standing(&user, is_authenticated);
        Identity { user, is_authenticated, standing, version }
    }

    /// It is this user from now on.
    pub fn become_user(&mut self, user: Arc<User>) {
        (self.user, self.is_authenticated) = (user, true);
        self.standing = standing(&self.user, true);
        // It may be known from before a change.
        self.version = u64::MAX;
    }

    /// Takes over users that were changed. True if its own user is gone: then it may do nothing any more.
    #[cold]
    fn take_over(&mut self, users: &LiveUsers) -> bool {
        self.version = users.version();
        let users: &Users = &users.load();
        let Some(user) = users.get(self.user.name()) else {
            (self.is_authenticated, self.standing) = (false, Standing::Stranger);
            return true;
        };
        self.user = user.clone();
        self.standing = standing(user, self.is_authenticated || users.default_user().is_open());
        false
    }

    /// Takes over users that were changed since, by whichever connection. True if its own user is gone. Cost: a comparison.
    #[inline]
    pub fn refresh(&mut self, users: &LiveUsers) -> bool {
        users.version() != self.version && self.take_over(users)
    }

    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Whether it may run this command on this key.
    #[inline]
    #[must_use]
    pub fn may_use(&self, table: &Table, command: &str, key: &[u8]) -> bool {
        let admits = |row: &Row| self.user.check_key(row, key).is_ok();
        self.is_free() || table.find(command.as_bytes()).is_some_and(admits)
    }

    /// Whether its requests need no look.
    #[inline]
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.standing == Standing::Free
    }

    /// Whether it may run commands: it has said who it is, or need not.
    #[inline]
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.standing != Standing::Stranger
    }
}

fn standing(user: &User, is_admitted: bool) -> Standing {
    match is_admitted {
        false => Standing::Stranger,
        true if user.is_unrestricted() => Standing::Free,
        true => Standing::Bound,
    }
}
