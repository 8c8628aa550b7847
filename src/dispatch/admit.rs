//! Whether a request's user may run it: at the gate, at EXEC for each queued command, for each call of a script.
//!
//! Who may do everything is never looked at here (`Identity::is_free`). What is refused is counted and logged.

use std::convert::Infallible;

use super::args::Args;
use super::client_line::describe;
use super::ctx::Ctx;
use super::error::CommandError;
use super::session::Session;
use super::shared::Shared;
use super::users::{rulebook, with_password};
use crate::acl::log::{Context, Reason, Refusal};
use crate::acl::{Denied, User};
use crate::base::clock::Now;
use crate::base::metrics::{Counter, Counters};
use crate::table::{Flag, Row};

/// Adds a refusal to ACL LOG, with the line of its client.
pub(super) fn log_refusal(refusal: Refusal, session: &Session, shared: &Shared, now: Now) {
    session.publish();
    let client = describe(&session.client, shared.table, now.mono_ms).trim_end().to_owned();
    let most = shared.settings.load().acllog_max_len;
    shared.users.log.lock().note(Refusal { client, ..refusal }, now.wall_ms, most);
}

impl Ctx<'_> {
    /// The checks of a request whose connection may not do everything, in Redis's order.
    #[cold]
    #[inline(never)]
    pub(super) fn check_user(&mut self, row: &Row, args: &Args<'_>) -> Result<(), CommandError> {
        if !self.session.identity.is_admitted() && !row.spec.has(Flag::NoAuth) {
            return Err(CommandError::NoAuth);
        }
        self.check_transaction(row)?;
        let context = if self.session.transaction.is_some() { Context::Multi } else { Context::TopLevel };
        self.judge(row, args).map_err(|denied| {
            self.note_denied(denied, row, args, context);
            CommandError::text(refusal(self.session.identity.user(), denied, row))
        })
    }

    /// What may not be part of a transaction.
    #[inline]
    pub(super) fn check_transaction(&self, row: &Row) -> Result<(), CommandError> {
        if self.session.transaction.is_some() && row.spec.has(Flag::NoMulti) {
            return Err(CommandError::err("Command not allowed inside a transaction"));
        }
        Ok(())
    }

    /// Checks a queued command once more: rights may have been taken since.
    pub fn check_queued(&mut self, row: &Row, args: &Args<'_>) -> Result<(), CommandError> {
        self.judge(row, args).map_err(|denied| {
            self.note_denied(denied, row, args, Context::Multi);
            let reason = match denied {
                Denied::Command => "no permission to execute the command or subcommand",
                Denied::Key(_) => "no permission to touch the specified keys",
                Denied::Channel(_) => {
                    "no permission to access one of the channels used as arguments to the command"
                }
            };
            CommandError::text(format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                 This command is no longer allowed for the following reason: {reason}"
            ))
        })
    }

    /// Checks what a script calls; the line that it is told.
    pub(super) fn check_called(&mut self, row: &Row, args: &Args<'_>) -> Result<(), CommandError> {
        self.judge(row, args).map_err(|denied| {
            self.note_denied(denied, row, args, Context::Script);
            let text = text_of(self.session.identity.user(), denied, row);
            CommandError::text([b"ERR ACL failure in script: ", text.as_slice()].concat())
        })
    }

    /// Whether the connection's user may run a request. Nothing is noted of it.
    pub(super) fn judge(&self, row: &Row, args: &Args<'_>) -> Result<(), Denied> {
        match self.session.identity.is_free() {
            true => Ok(()),
            false => self.session.identity.user().check(row, args.words(), |at| args.word(at)),
        }
    }

    /// Whether the connection's user may have this request of a command read keys that it does not name.
    #[must_use]
    pub fn may_read_all(&self, command: &str, args: &Args<'_>) -> bool {
        let user = self.session.identity.user();
        let may = |row: &Row| user.may_read_all(row, args.words(), |at| args.word(at));
        self.session.identity.is_free() || self.shared.table.find(command.as_bytes()).is_some_and(may)
    }

    fn note_denied(&self, denied: Denied, row: &Row, args: &Args<'_>, context: Context) {
        self.scene().note_denied(denied, row, |at| args.word(at), context);
    }

    fn scene(&self) -> Scene<'_> {
        Scene { shared: self.shared, session: self.session, counters: self.counters(), now: self.now() }
    }

    /// CONFIG SET may have changed `requirepass`: the default user's password is that, and no other.
    pub fn take_password_over(&mut self, before: Option<&[u8]>) {
        let settings = self.shared.settings.load();
        let password = settings.requirepass.as_deref();
        if password != before {
            let book = rulebook(&settings, self.shared.table);
            let changed =
                self.shared.users.change(|users| Ok::<_, Infallible>(with_password(users, book, password)));
            changed.unwrap_or_else(|never| match never {});
            self.session.refresh_user(&self.shared.users);
        }
    }

    /// AUTH and HELLO: the connection is this user from now on, if the password says so. `asked`: the word that asks.
    pub fn authenticate(&mut self, name: &[u8], password: &[u8], asked: &[u8]) -> Result<(), CommandError> {
        let user = self.shared.users.load().authenticate(name, password).cloned();
        match user {
            Some(user) => {
                self.session.become_user(user);
                // It may have been changed before this connection was known to be it.
                self.session.refresh_user(&self.shared.users);
                Ok(())
            }
            None => {
                let context =
                    if self.session.transaction.is_some() { Context::Multi } else { Context::TopLevel };
                self.scene().note(Reason::Auth, Counter::DeniedLogins, asked, context, name);
                Err(CommandError::text("WRONGPASS invalid username-password pair or user is disabled."))
            }
        }
    }
}

/// Where something is refused: what is counted and logged of it.
pub(super) struct Scene<'a> {
    pub shared: &'a Shared,
    pub session: &'a Session,
    pub counters: &'a Counters,
    pub now: Now,
}

impl Scene<'_> {
    /// The connection's user may not run a request; `word` gives one of its words.
    pub fn note_denied<'w>(
        &self,
        denied: Denied,
        row: &'w Row,
        word: impl FnOnce(usize) -> &'w [u8],
        context: Context,
    ) {
        let (reason, counter, object) = match denied {
            Denied::Command => (Reason::Command, Counter::DeniedCommands, row.full_name.as_bytes()),
            Denied::Key(at) => (Reason::Key, Counter::DeniedKeys, word(at)),
            Denied::Channel(at) => (Reason::Channel, Counter::DeniedChannels, word(at)),
        };
        self.note(reason, counter, object, context, self.session.identity.user().name());
    }

    fn note(&self, reason: Reason, counter: Counter, object: &[u8], context: Context, user: &[u8]) {
        self.counters.add(counter, 1);
        let (object, user) = (object.to_vec(), user.to_vec());
        let refusal = Refusal { reason, context, object, user, client: String::new() };
        log_refusal(refusal, self.session, self.shared, self.now);
    }
}

/// The error of a user that may not do something, with its code.
pub(super) fn refusal(user: &User, denied: Denied, row: &Row) -> Vec<u8> {
    [b"NOPERM ", text_of(user, denied, row).as_slice()].concat()
}

fn text_of(user: &User, denied: Denied, row: &Row) -> Vec<u8> {
    match denied {
        Denied::Command => {
            let command = format!(" has no permissions to run the '{}' command", row.full_name);
            [b"User ", user.name(), command.as_bytes()].concat()
        }
        Denied::Key(_) => b"No permissions to access a key".to_vec(),
        Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
    }
}
