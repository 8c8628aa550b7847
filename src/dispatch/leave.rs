//! What follows a batch or the end of a connection: answers to send, waiters to forget, leases to pass on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::bench::Bench;
use super::helpers::{Helped, Made};
use super::session::{LeaseHeld, Leaving, Session};
use super::shared::Shared;
use super::subscribed::Kind;
use crate::base::hash::Key;
use crate::base::limits::LEAVE_PORTION;
use crate::keyspace::{Keys, Watch, WatchedKey};
use crate::parking::outcome::stay_away_ms;
use crate::parking::{Answer, Grant, Home, Letter, ReplySlot};
use crate::pubsub::Channels;

impl Bench<'_> {
    /// What is to be taken out of flights since the last call.
    #[must_use]
    pub fn take_leaving(&mut self) -> Vec<Leaving> {
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.extend(self.effects.forget.drain(..).map(|slot| Leaving::Waiter(slot, 0)));
        leaving
    }

    /// Takes a portion out of flights, in order, and leaves the rest in `leaving`. No lock may be held.
    pub fn leave_portion(&mut self, leaving: &mut VecDeque<Leaving>) {
        let mut portion = LEAVE_PORTION;
        while portion > 0
            && let Some(first) = leaving.front_mut()
        {
            if self.take_out(first, &mut portion) {
                leaving.pop_front();
            }
        }
    }

    /// True once nothing is left of it.
    fn take_out(&mut self, leaving: &mut Leaving, portion: &mut usize) -> bool {
        match leaving {
            Leaving::Waiter(slot, next) => {
                let homes = slot.homes();
                let end = homes.len().min(*next + *portion);
                for home in &homes[*next..end] {
                    let key = key_of(home);
                    self.keys().view_in(home.db(), &key).forget_waiter(&key, slot, home.index);
                }
                *portion -= end - *next;
                *next = end;
                end == homes.len()
            }
            Leaving::Leases { client, held } => {
                let end = held.len().min(*portion);
                for LeaseHeld { db, hash, serial } in held.drain(..end) {
                    self.keys().view_at(db, hash).leader_gone(hash, serial, *client);
                }
                *portion -= end;
                held.is_empty()
            }
        }
    }

    /// An answer came back: its connection closed first. A lease in it goes to the next waiter.
    pub fn undelivered(&mut self, slot: &ReplySlot, answer: &Answer) {
        for (home, grant) in grants(slot, answer) {
            let key = key_of(home);
            self.keys().view_in(home.db(), &key).lease_undelivered(&key, grant.token.serial);
        }
    }

    /// An answer joins its connection's replies: the connection leads with the lease in it, whose clock
    /// begins now, and again if the socket turns out to take no more (`start_leases`).
    pub fn handed(&mut self, session: &mut Session, slot: &ReplySlot, answer: &Answer) {
        for (home, grant) in grants(slot, answer) {
            let held = LeaseHeld { db: home.db(), hash: home.hash, serial: grant.token.serial };
            if self.start_lease(session.client.id, held) {
                session.leases.add(held);
            }
        }
    }

    /// Replies were handed to the socket of `client` only now: the clocks of the leases in them begin.
    pub fn start_leases(&mut self, client: u64, leases: &[LeaseHeld]) {
        for held in leases {
            self.start_lease(client, *held);
        }
    }

    fn start_lease(&mut self, client: u64, held: LeaseHeld) -> bool {
        let LeaseHeld { db, hash, serial } = held;
        self.keys().view_at(db, hash).lease_handed(hash, serial, client)
    }

    /// Drops ended leases from the session's list once it has grown.
    pub fn prune_leases(&mut self, session: &mut Session) {
        if session.leases.want_pruning() {
            let mut keys = self.keys();
            session
                .leases
                .prune(|LeaseHeld { db, hash, serial }| keys.view_at(*db, *hash).is_leading(*hash, *serial));
        }
    }

    /// Everything a closing connection leaves behind: watches, parked requests, unread answers, leases.
    pub fn leave(&mut self, session: &mut Session, slots: &[Arc<ReplySlot>]) {
        forget_watched(&mut self.keys(), session);
        forget_helped(&mut self.keys(), session);
        unsubscribe_all(self.shared, session);
        switch_off(self.shared, session);
        self.shared.clients.monitors.remove(&session.client);
        let (letters, unanswered) = session.post_box().abandon();
        self.effects.forget.extend(unanswered);
        for letter in letters {
            if let Letter::Answer { seq, answer } = letter
                && let Some(slot) = slots.iter().find(|slot| slot.seq == seq)
            {
                self.undelivered(slot, &answer);
            }
        }
        let held = std::mem::take(&mut session.leases.held);
        if !held.is_empty() {
            self.leaving.push(Leaving::Leases { client: session.client.id, held });
        }
    }

    /// Sweeps one shard; see `Keys::sweep_shard`.
    pub fn sweep(&mut self, shard: usize) -> u64 {
        let entries = self.shared.operator.is_sweeping();
        self.keys().sweep_shard(shard, entries)
    }

    /// Fills hold too much: what is kept as a favour gives way. No lock may be held.
    pub fn give_way(&mut self) {
        if std::mem::take(&mut self.effects.is_crowded) {
            self.keys().give_way(0);
        }
    }

    /// Serves those who wait for keys and could not be served with the request that made them ready. No lock may be held.
    pub fn serve_late(&mut self) {
        if !self.effects.ready.is_empty() {
            self.keys().serve_late();
        }
    }

    /// Answers everything that is parked on a connection that ends: WAIT to who asked for a fill. Who waited for keys is
    /// told nothing, as in Redis: it asked for no end of its waiting, and may ask the next server again.
    pub fn answer_parked(&mut self, session: &Session) {
        let parked = session.post_box().claim_open();
        let (waiting, filling) = parked.into_iter().partition(|slot| slot.waits_for_keys());
        self.answer_wait(filling);
        Vec::into_iter(waiting).for_each(|slot| self.keys().answer(slot, Answer::Gone));
    }

    /// Answers slots that were claimed because their replies cannot wait any longer.
    pub fn answer_wait(&mut self, slots: Vec<Arc<ReplySlot>>) {
        let wait_ms = self.current.settings.fill_wait_ms;
        let retry_ms = stay_away_ms(wait_ms, wait_ms);
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
    unwatch(keys, &std::mem::take(&mut session.watch));
}

/// Ends what a helper does for a connection, as `forget_watched`.
pub fn forget_helped(keys: &mut Keys<'_>, session: &mut Session) {
    if let Some(helped) = session.helped.take()
        && let Some(made) = end_helped(keys, &helped)
    {
        keys.keyspace.cast_off_rest(made, helped.task.made_bytes());
    }
}

/// Ends what a helper does, and returns what it has made.
pub(super) fn end_helped(keys: &mut Keys<'_>, helped: &Helped) -> Option<Made> {
    helped.task.leave();
    unwatch(keys, &helped.watch);
    helped.task.take()
}

fn unwatch(keys: &mut Keys<'_>, watch: &Watch) {
    for WatchedKey { db, key, hash } in watch.keys() {
        let key = Key { bytes: key, hash: *hash };
        keys.view_in(*db, &key).unwatch(&key, watch);
    }
}

fn key_of(home: &Home) -> Key<'_> {
    Key { bytes: &home.key, hash: home.hash }
}

/// The leases in a slot's answer, and whose they are.
fn grants<'a>(slot: &'a ReplySlot, answer: &Answer) -> Vec<(&'a Home, Grant)> {
    let homes = slot.homes();
    let home = |index: usize| homes.binary_search_by_key(&index, |home| home.index as usize).ok();
    match answer {
        Answer::One(outcome) => outcome.grant().map(|grant| (&homes[0], grant)).into_iter().collect(),
        Answer::Many(outcomes) => {
            let granted =
                outcomes.iter().enumerate().filter_map(|(at, outcome)| Some((at, outcome.grant()?)));
            granted.filter_map(|(at, grant)| Some((&homes[home(at)?], grant))).collect()
        }
        _ => Vec::new(),
    }
}
