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
use crate::acl::Denied;
use crate::acl::log::{Context, Reason, Refusal};
use crate::base::clock::Now;
use crate::base::metrics::Counter;
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
            CommandError::text([b"NOPERM ", self.text_of(denied, row).as_slice()].concat())
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
            CommandError::text(
                [b"ERR ACL failure in script: ", self.text_of(denied, row).as_slice()].concat(),
            )
        })
    }

    /// Whether the connection's user may run a request. Nothing is noted of it.
    pub(super) fn judge(&self, row: &Row, args: &Args<'_>) -> Result<(), Denied> {
        match self.session.identity.is_free() {
            true => Ok(()),
            false => self.session.identity.user().check(row, args.words(), |at| args.word(at)),
        }
    }

    fn text_of(&self, denied: Denied, row: &Row) -> Vec<u8> {
        match denied {
            Denied::Command => {
                let command = format!(" has no permissions to run the '{}' command", row.full_name);
                [b"User ", self.session.identity.user().name(), command.as_bytes()].concat()
            }
            Denied::Key(_) => b"No permissions to access a key".to_vec(),
            Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
        }
    }

    fn note_denied(&mut self, denied: Denied, row: &Row, args: &Args<'_>, context: Context) {
        let (reason, counter, object) = match denied {
            Denied::Command => (Reason::Command, Counter::DeniedCommands, row.full_name.as_bytes()),
            Denied::Key(at) => (Reason::Key, Counter::DeniedKeys, args.word(at)),
            Denied::Channel(at) => (Reason::Channel, Counter::DeniedChannels, args.word(at)),
        };
        self.counters().add(counter, 1);
        let user = self.session.identity.user().name().to_vec();
        self.log_refusal(reason, context, object, user);
    }

    fn log_refusal(&mut self, reason: Reason, context: Context, object: &[u8], user: Vec<u8>) {
        let object = object.to_vec();
        let refusal = Refusal { reason, context, object, user, client: String::new() };
        log_refusal(refusal, self.session, self.shared, self.now());
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
                Ok(())
            }
            None => {
                self.counters().add(Counter::DeniedLogins, 1);
                let context =
                    if self.session.transaction.is_some() { Context::Multi } else { Context::TopLevel };
                self.log_refusal(Reason::Auth, context, asked, name.to_vec());
                Err(CommandError::text("WRONGPASS invalid username-password pair or user is disabled."))
            }
        }
    }
}
