//! Changes become invalidation messages for the connections that may hold the keys.
//!
//! Changes are worked off in their order, and before the next request of the batch notes what it reads: a
//! reading after a change must not be taken for one before it.

use super::args::Args;
use crate::table::{Flag, Role, Row};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::bench::Bench;
use super::ctx::Ctx;
use super::session::Session;
use super::shared::Shared;
use crate::base::limits::TRACKING_TRIM_KEYS;
use crate::base::push::Push;
use crate::clients::Seen;
use crate::config::ClientClass;
use crate::keyspace::Change;
use crate::parking::{Answer, Outcome};
use crate::pubsub::{Delivery, Subscriber};
use crate::tracking::{Broadcast, Changed, Forgotten, Tracker};

impl Bench<'_> {
    /// Tells of the changes noted so far.
    pub fn tell_changes(&mut self) {
        tell(self.shared, &mut self.effects.changes, &mut self.deliveries);
    }

    /// A parked caller was answered with something it might cache. What answered it may have changed since, and
    /// that message may have come first: another one follows the answer.
    pub fn answered_tracker(&mut self, session: &Session, keys: &[Box<[u8]>], answer: &Answer) {
        let Some(tracked) = session.tracking.as_ref().filter(|_| !keys.is_empty()) else { return };
        let is_known = |outcome: &Outcome<_>| {
            matches!(
                outcome,
                Outcome::Hit { .. } | Outcome::Stale { .. } | Outcome::None { .. } | Outcome::Pass { .. }
            )
        };
        let caches = match answer {
            Answer::One(outcome) => is_known(outcome),
            Answer::Many(outcomes) => outcomes.iter().any(is_known),
            _ => false,
        };
        if caches {
            send(self.shared, Some(keys.to_vec()), vec![tracked.tracker.clone()], &mut self.deliveries);
        }
    }
}

impl Ctx<'_> {
    /// Before a command of a tracking connection runs: notes the keys that it will read.
    pub fn note_reads(&mut self, row: &Row, args: &Args<'_>) {
        let Some(tracked) = self.session.tracking.as_ref().filter(|tracked| tracked.notes_reads()) else {
            return;
        };
        if !row.spec.has(Flag::Readonly) {
            return;
        }
        let tracker = tracked.tracker.clone();
        // Of what this batch has changed already it must be told no more than once.
        self.tell_changes();
        for (at, _) in row.keys(args.words(), |at| args.word(at)) {
            self.remember(args.word(at), &tracker);
        }
    }

    /// After a command: CLIENT CACHING holds for one command other than CLIENT, or for one transaction.
    pub fn forget_caching(&mut self, row: &Row) {
        if let Some(tracked) = &mut self.session.tracking
            && self.session.transaction.is_none()
            && row.role != Role::Client
        {
            tracked.is_caching_said = false;
        }
    }

    /// Tells of the changes noted so far: before this connection notes what it is about to read.
    pub fn tell_changes(&mut self) {
        tell(self.shared, &mut self.keys.effects.changes, self.deliveries);
    }

    /// Notes that this connection is about to read a key.
    pub fn remember(&mut self, key: &[u8], tracker: &Arc<Tracker>) {
        let tracking = &self.shared.tracking;
        let forgotten = tracking.remember(key, tracker, self.settings.tracking_keys_max);
        tell_forgotten(self.shared, forgotten, self.deliveries);
    }

    /// CONFIG SET may have lowered the limit of the table: a first portion goes before it is answered, the
    /// housekeeping sees to the rest.
    pub fn trim_tracked(&mut self) {
        tell_forgotten(self.shared, beyond_limit(self.shared), self.deliveries);
    }
}

/// Brings the table of tracked keys back to its limit after that was lowered, a portion at a time, and sends the
/// readers of what is forgotten their messages. Cost: up to `TRACKING_TRIM_KEYS` messages per reader.
pub fn trim_tracked(shared: &Shared) {
    let mut deliveries = Vec::new();
    tell_forgotten(shared, beyond_limit(shared), &mut deliveries);
    let settings = shared.settings.load();
    let bytes_max = settings.output_limits[ClientClass::Pubsub as usize].hard_bytes as usize;
    for mut delivery in deliveries {
        delivery.send(usize::MAX, bytes_max);
    }
}

fn beyond_limit(shared: &Shared) -> Vec<Forgotten> {
    shared.tracking.trim_portion(shared.settings.load().tracking_keys_max, TRACKING_TRIM_KEYS)
}

fn tell_forgotten(shared: &Shared, forgotten: Vec<Forgotten>, into: &mut Vec<Delivery>) {
    for (key, mut trackers) in forgotten {
        trackers.retain(|tracker| tracker.hears(0));
        send(shared, Some(vec![key]), trackers, into);
    }
}

fn tell(shared: &Shared, changes: &mut Vec<Change>, into: &mut Vec<Delivery>) {
    if changes.is_empty() {
        return;
    }
    let tracking = &shared.tracking;
    let changes = std::mem::take(changes);
    let mut broadcast: Vec<Changed<'_>> = Vec::new();
    for change in &changes {
        match change {
            Change::Key { key, by, is_write } => {
                let mut trackers = tracking.take(key);
                trackers.retain(|tracker| tracker.hears(*by));
                send(shared, Some(vec![key.clone()]), trackers, into);
                // To a broadcasting connection an expiry is never its own, even if its request came upon it; so Redis.
                broadcast.push(Changed { key, by: if *is_write { *by } else { 0 } });
            }
            Change::All => {
                tracking.clear();
                send(shared, None, tracking.all(), into);
            }
        }
    }
    if !tracking.prefixes.is_empty() {
        for Broadcast { keys, trackers } in tracking.prefixes.broadcasts(&broadcast) {
            send(shared, Some(keys), trackers, into);
        }
    }
}

/// Sends one message to all of these, each to itself or to the client it redirects to. `None`: all keys.
fn send(
    shared: &Shared,
    keys: Option<Vec<Box<[u8]>>>,
    trackers: Vec<Arc<Tracker>>,
    into: &mut Vec<Delivery>,
) {
    if trackers.is_empty() {
        return;
    }
    let keys: Option<Arc<[Box<[u8]>]>> = keys.map(Arc::from);
    let (mut direct, mut redirected) = (Vec::new(), Vec::new());
    for tracker in trackers {
        let own = Subscriber { client: tracker.client, post_box: tracker.post_box.clone() };
        match tracker.redirect().map(|id| (id, shared.clients.get(id))) {
            None => direct.push(own),
            Some((id, Some(client))) => {
                redirected.push(Subscriber { client: id, post_box: client.post_box.clone() });
            }
            Some((id, None)) => {
                if let Some(client) = shared.clients.get(tracker.client) {
                    client.seen.tracking.fetch_or(Seen::TRACKING_BROKEN, Relaxed);
                }
                into.push(Delivery::new(Push::RedirectBroken(id), vec![own]));
            }
        }
    }
    for (crowd, is_redirected) in [(direct, false), (redirected, true)] {
        if !crowd.is_empty() {
            into.push(Delivery::new(Push::Invalidate { keys: keys.clone(), is_redirected }, crowd));
        }
    }
}
