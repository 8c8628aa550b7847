//! What follows a batch or the end of a connection: answers to send, waiters to forget, leases to pass on.

use super::shared::Shared;
use super::subscribed::Kind;
use crate::keyspace::WatchedKey;
use crate::pubsub::Channels;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::bench::Bench;
use super::session::{LeaseHeld, Session};
use crate::base::hash::Key;
use crate::fill::{Answer, Grant, Home, Letter, ReplySlot};
use crate::keyspace::Keys;

impl Bench<'_> {
    /// Takes waiters that were answered elsewhere out of their flights. No lock may be held.
    pub fn forget_waiters(&mut self) {
        let forget = std::mem::take(&mut self.effects.forget);
        for slot in forget {
            self.forget_slot(&slot);
        }
    }

    fn forget_slot(&mut self, slot: &Arc<ReplySlot>) {
        let mut keys = self.keys();
        for home in slot.homes() {
            let key = key_of(home);
            keys.view_in(home.db(), &key).forget_waiter(&key, slot, home.index);
        }
    }

    /// An answer came back: its connection closed first. A lease in it goes to the next waiter.
    pub fn undelivered(&mut self, slot: &ReplySlot, answer: &Answer) {
        for grant in grants(answer) {
            let mut keys = self.keys();
            for home in slot.homes() {
                let key = key_of(home);
                keys.view_in(home.db(), &key).lease_undelivered(&key, grant.token.serial);
            }
        }
    }

    /// An answer joins its connection's replies: the connection leads with the lease in it, whose clock
    /// begins now, and again if the socket turns out to take no more (`start_leases`).
    pub fn handed(&mut self, session: &mut Session, slot: &ReplySlot, answer: &Answer) {
        for grant in grants(answer) {
            let serial = grant.token.serial;
            for home in slot.homes() {
                let key = key_of(home);
                let mut keys = self.keys();
                let mut view = keys.view_in(home.db(), &key);
                if view.is_leading(&key, serial) {
                    view.lease_handed(&key, serial, session.client.id);
                    session.leases.add(LeaseHeld { home: home.clone(), serial });
                }
            }
        }
    }

    /// Replies were handed to the socket of `client` only now: the clocks of the leases in them begin.
    pub fn start_leases(&mut self, client: u64, leases: &[LeaseHeld]) {
        for LeaseHeld { home, serial } in leases {
            let key = key_of(home);
            self.keys().view_in(home.db(), &key).lease_handed(&key, *serial, client);
        }
    }

    /// Drops ended leases from the session's list once it has grown.
    pub fn prune_leases(&mut self, session: &mut Session) {
        if session.leases.want_pruning() {
            let mut keys = self.keys();
            session.leases.prune(|LeaseHeld { home, serial }| {
                let key = key_of(home);
                keys.view_in(home.db(), &key).is_leading(&key, *serial)
            });
        }
    }

    /// Everything a closing connection leaves behind: watches, parked requests, unread answers, leases.
    pub fn leave(&mut self, session: &mut Session, slots: &[Arc<ReplySlot>]) {
        forget_watched(&mut self.keys(), session);
        unsubscribe_all(self.shared, session);
        switch_off(self.shared, session);
        self.shared.clients.monitors.remove(&session.client);
        let (letters, unanswered) = session.post_box().abandon();
        for slot in unanswered {
            self.forget_slot(&slot);
        }
        for letter in letters {
            if let Letter::Answer { seq, answer } = letter
                && let Some(slot) = slots.iter().find(|slot| slot.seq == seq)
            {
                self.undelivered(slot, &answer);
            }
        }
        let client = session.client.id;
        for LeaseHeld { home, serial } in std::mem::take(&mut session.leases.held) {
            let key = key_of(&home);
            self.keys().view_in(home.db(), &key).leader_gone(&key, serial, client);
        }
    }

    /// Sweeps one shard; see `Keys::sweep_shard`.
    pub fn sweep(&mut self, shard: usize) -> u64 {
        let entries = self.shared.operator.is_sweeping();
        self.keys().sweep_shard(shard, entries)
    }

    /// Answers slots that were claimed because their replies cannot wait any longer.
    pub fn answer_wait(&mut self, slots: Vec<Arc<ReplySlot>>) {
        let retry_ms = self.current.settings.fill_wait_ms.max(1) as i64;
        for slot in slots {
            let answer = slot.expire(retry_ms);
            self.keys().answer(slot, answer);
        }
    }
}

/// Ends every subscription of a connection, without a word (RESET, its end).
pub fn unsubscribe_all(shared: &Shared, session: &mut Session) {
    for kind in [Kind::Channel, Kind::Pattern, Kind::ShardChannel] {
        for name in std::mem::take(session.subscriptions.of_mut(kind)) {
            withdraw(shared, session, kind, &name);
        }
    }
    session.subscriptions.publish(&session.client.seen);
}

pub fn withdraw(shared: &Shared, session: &Session, kind: Kind, name: &[u8]) {
    let client = session.client.id;
    match channels(shared, kind) {
        Some(channels) => channels.remove(name, client),
        None => shared.pubsub.remove_pattern(name, client),
    }
}

/// The channels of a kind; `None` for patterns.
pub fn channels(shared: &Shared, kind: Kind) -> Option<&Channels> {
    match kind {
        Kind::Channel => Some(&shared.pubsub.channels),
        Kind::ShardChannel => Some(&shared.pubsub.shard_channels),
        Kind::Pattern => None,
    }
}

/// Ends a connection's tracking (CLIENT TRACKING OFF, RESET, its end).
pub fn switch_off(shared: &Shared, session: &mut Session) {
    if let Some(tracked) = session.tracking.take() {
        shared.tracking.remove(&tracked.tracker);
        shared.keyspace.remove_tracker();
        session.client.seen.tracking.store(0, Relaxed);
        session.client.seen.prefixes.store(0, Relaxed);
    }
}

/// Ends all watching of a connection, under the locks that are held or one by one.
pub fn forget_watched(keys: &mut Keys<'_>, session: &mut Session) {
    let watch = std::mem::take(&mut session.watch);
    for WatchedKey { db, key, hash } in watch.keys() {
        let key = Key { bytes: key, hash: *hash };
        keys.view_in(*db, &key).unwatch(&key, &watch);
    }
}

fn key_of(home: &Home) -> Key<'_> {
    Key { bytes: &home.key, hash: home.hash }
}

fn grants(answer: &Answer) -> Vec<Grant> {
    match answer {
        Answer::One(outcome) => outcome.grant().into_iter().collect(),
        Answer::Many(outcomes) => outcomes.iter().filter_map(|outcome| outcome.grant()).collect(),
        Answer::Unblocked => Vec::new(),
    }
}
