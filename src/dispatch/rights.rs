//! What follows when rights change under connections: whose user is gone ends, and so does who subscribes to a channel that it
//! may not hear any more; what waits for a key that it may not read any more is told so.

use super::bench::Bench;
use super::ctx::Ctx;
use super::error::CommandError;
use super::session::Session;
use super::subscribed::Kind;
use crate::acl::{DEFAULT, Users};
use crate::parking::Letter;

impl Ctx<'_> {
    /// Replaces the users by what `change` makes of them, and tells the connections that this is about.
    pub fn change_users(
        &mut self,
        change: impl FnOnce(&Users) -> Result<Users, CommandError>,
    ) -> Result<(), CommandError> {
        let users = &self.shared.users;
        let before = users.load().clone();
        users.change(change)?;
        let now = users.load();
        let own = self.session.client.id;
        for client in self.shared.clients.list() {
            let shown = client.names().user;
            let name = if shown.is_empty() { DEFAULT } else { &shown };
            let user = now.get(name);
            if user.is_none() && client.id != own {
                client.kill();
            } else if user != before.get(name) && client.id != own {
                // A connection that is gone needs no telling.
                drop(client.post_box.send(Letter::Rights));
            }
        }
        // Its own end comes after the reply.
        let is_gone = self.session.identity.refresh(users);
        self.session.closes |= is_gone || hears_too_much(self.session);
        Ok(())
    }
}

impl Bench<'_> {
    /// A connection was told that its user has changed.
    pub fn meet_rights(&mut self, session: &mut Session) {
        session.refresh_user(&self.shared.users);
        if hears_too_much(session) {
            session.client.kill();
        }
    }
}

/// Whether a connection subscribes to what its user may not hear.
fn hears_too_much(session: &Session) -> bool {
    let user = session.identity.user();
    let is_denied = |kind: Kind| {
        let mut names = session.subscriptions.of(kind).iter();
        names.any(|name| !user.admits_channel(name, kind == Kind::Pattern))
    };
    !session.identity.is_free()
        && [Kind::Channel, Kind::Pattern, Kind::ShardChannel].into_iter().any(is_denied)
}
