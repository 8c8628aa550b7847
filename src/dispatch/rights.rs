//! What follows when rights change under connections: whose user is gone ends, and so does who subscribes to a channel that it
//! may not hear any more; what waits for a key that it may not read any more is told so.

use super::admit::{Scene, refusal};
use super::bench::Bench;
use super::ctx::Ctx;
use super::error::CommandError;
use super::session::{LeaseHeld, Parked, Session};
use super::subscribed::Kind;
use crate::acl::log::Context;
use crate::acl::{DEFAULT, Users};
use crate::base::hash::Key;
use crate::parking::outcome::ASK_AGAIN_MS;
use crate::parking::{Answer, Home, Letter};

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
            } else if user.is_some() && user != before.get(name) {
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
    /// A connection was told that its user has changed. `parked`: its requests that wait for an answer.
    pub fn meet_rights<'p>(&mut self, session: &mut Session, parked: impl Iterator<Item = &'p Parked>) {
        session.refresh_user(&self.shared.users);
        // Who changed its own rights ends when it has its reply.
        if hears_too_much(session) && !session.closes {
            session.client.kill();
        }
        if !session.identity.is_free() {
            parked.for_each(|parked| self.review_parked(session, parked));
            self.review_leases(session);
        }
    }

    /// Refuses a parked request whose user may not make it any more. One that may only not lead any more asks again, and is
    /// parked as one that does not.
    fn review_parked(&mut self, session: &Session, parked: &Parked) {
        let Parked { slot, row: Some(row), .. } = parked else { return };
        let user = session.identity.user();
        let denied = |home: &Home| Some((user.check_key(row, &home.key).err()?, home.key.clone()));
        let answer = if let Some((denied, key)) = slot.homes().iter().find_map(denied) {
            if !slot.claim() {
                return;
            }
            let Bench { shared, counters, now, .. } = *self;
            Scene { shared, session, counters, now }.note_denied(denied, row, |_| &key, Context::TopLevel);
            Answer::Denied(refusal(user, denied, row).into())
        } else {
            let Some(command) = row.spec.answered_by else { return };
            let may_lead = |home: &Home| session.identity.may_use(self.shared.table, command, &home.key);
            if slot.homes().iter().all(may_lead) || !slot.claim() {
                return;
            }
            slot.expire(ASK_AGAIN_MS)
        };
        self.keys().answer(slot.clone(), answer);
    }

    /// Hands on the leases that a connection's user has no command for any more.
    fn review_leases(&mut self, session: &mut Session) {
        let (table, client, identity) = (self.shared.table, session.client.id, &session.identity);
        let mut commands: Vec<&str> = table.all().filter_map(|row| row.spec.answered_by).collect();
        commands.dedup();
        let mut keys = self.keys();
        session.leases.held.retain(|LeaseHeld { db, hash, serial }| {
            let Some(key) = keys.view_at(*db, *hash).led_by(*hash, *serial, client) else { return false };
            let may_answer = commands.iter().any(|command| identity.may_use(table, command, &key));
            if !may_answer {
                keys.view_at(*db, *hash).lease_undelivered(&Key { bytes: &key, hash: *hash }, *serial);
            }
            may_answer
        });
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
