//! The state of one connection that commands read and change. Owned by the connection, seen by no other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::helpers::Helped;
use super::identity::Identity;
use super::limit::RoomWait;
use super::subscribed::{Kind, Subscriptions};
use super::tracked::Tracked;
use super::users::LiveUsers;
use crate::acl::{DEFAULT, User};
use crate::base::hash::Key;
use crate::base::memory::vec_bytes;
use crate::base::push::Push;
use crate::clients::Client;
use crate::fill::LeaseCount;
use crate::keyspace::Watch;
use crate::parking::{Grant, PostBox, ReplySlot};
use crate::protocol::output::{Mark, Output};
use crate::protocol::range::{ArgRange, join};
use crate::protocol::reply::Proto;
use crate::table::{Role, Row};

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    pub client: Arc<Client>,
    pub proto: Proto,
    pub db: usize,
    /// Who it is, and what it may do.
    pub identity: Identity,
    /// MULTI's queue, while a transaction is being collected.
    pub transaction: Option<Transaction>,
    pub watch: Watch,
    pub subscriptions: Subscriptions,
    /// It subscribed or tracked at some time: one look spares all others the looks at both.
    pub hears_messages: bool,
    /// Client-side caching, while it is on.
    pub tracking: Option<Box<Tracked>>,
    pub reply_mode: ReplyMode,
    /// Set by QUIT and errors after which Redis closes: close once the replies are written.
    pub closes: bool,
    /// The last command that was admitted, for CLIENT LIST.
    pub last_command: Option<&'static Row>,
    /// A request was put off: it and what follows it are run when the reason is gone.
    pub put_off: Option<PutOff>,
    /// The request that comes next waits for room.
    pub room_wait: Option<RoomWait>,
    /// What a helper makes for the request that comes next.
    pub helped: Option<Box<Helped>>,
    /// It waits for a script, and is refused from then on, monotonic ms.
    pub refused_at_ms: u64,
    pub slots: Slots,
    pub leases: Leases,
}

/// Why a request is put off instead of run. It stays in its connection's buffer, and begins again with the first check
/// when the connection is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOff {
    /// CLIENT PAUSE: until the pause is over.
    Pause,
    /// There is no room below `maxmemory`: until the background has made some, or found that it can't.
    Room,
    /// A script keeps what it needs: until that ends, or runs for so long that callers are refused. Or it is a script itself that
    /// goes on (`Station::take_unfinished`).
    Script,
    /// A helper makes something for it (`helpers`): until that is over.
    Helper,
}

impl PutOff {
    /// How many reasons there are.
    pub const COUNT: usize = 4;
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    On,
    Off,
    /// The reply of the next command is not sent.
    SkipNext,
    /// The reply of the command now running is not sent.
    Skipping,
}

/// Commands collected by MULTI.
#[derive(Debug, Default)]
pub struct Transaction {
    pub queued: Vec<Queued>,
    /// A command was refused while queueing: EXEC answers EXECABORT.
    pub is_broken: bool,
    /// Bytes that the queued commands take, without the list of them.
    queued_bytes: usize,
}

impl Transaction {
    /// Adds a command with a copy of its words.
    pub fn queue(&mut self, row: &'static Row, args: &Args<'_>) {
        let (buffer, words) = join((0..args.words()).map(|at| args.word(at)));
        self.queued_bytes += vec_bytes(&buffer) + vec_bytes(&words);
        self.queued.push(Queued { row, buffer, words });
    }

    /// Whether scripts are among them.
    #[must_use]
    pub fn has_scripts(&self) -> bool {
        self.queued.iter().any(|queued| queued.row.role == Role::Script)
    }

    /// Bytes that all of it takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.queued_bytes + vec_bytes(&self.queued)
    }
}

/// One queued command with its own copy of its words.
#[derive(Debug)]
pub struct Queued {
    pub row: &'static Row,
    pub buffer: Vec<u8>,
    pub words: Vec<ArgRange>,
}

impl Queued {
    /// Its words, as those of a request.
    #[must_use]
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.words)
    }
}

/// The reply slots of a connection, as the commands see them.
#[derive(Debug, Default)]
pub struct Slots {
    pub last_seq: u64,
    /// The slot that the command just run parked in; the connection takes it.
    pub parked: Option<Parked>,
    /// Slots on this connection that are not answered yet, as far as the connection has heard.
    pub open: usize,
    /// The request that keeps those behind it from being run, until it is answered.
    pub blocked: Option<Blocked>,
}

/// A request that its connection waits for.
#[derive(Clone, Copy, Debug)]
pub struct Blocked {
    /// Its slot's number.
    pub seq: u64,
    /// How long it ran until it had to wait, nanoseconds.
    pub ns: u64,
}

/// A parked request's slot and how its answer is to be written.
#[derive(Debug)]
pub struct Parked {
    pub slot: Arc<ReplySlot>,
    /// Its command, by which it is judged again when rights change.
    pub row: Option<&'static Row>,
    /// FILL.MGET: for each key of the request its place in the answer; `None` for FILL.GET.
    pub order: Option<Box<[u32]>>,
    /// The request's keys, where its connection keeps a cache.
    pub tracked: Box<[Box<[u8]>]>,
    /// CLIENT REPLY OFF or SKIP: its answer is not to be sent.
    pub is_silent: bool,
}

impl Slots {
    pub fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }
}

/// A lease that was granted to this connection.
#[derive(Clone, Copy, Debug)]
pub struct LeaseHeld {
    pub db: usize,
    /// Its key's: with the serial number enough to find it, and the key is its flight's alone.
    pub hash: u64,
    pub serial: u64,
}

impl LeaseHeld {
    #[must_use]
    pub fn of(key: &Key<'_>, db: usize, grant: Grant) -> LeaseHeld {
        LeaseHeld { db, hash: key.hash, serial: grant.token.serial }
    }
}

/// The leases granted to this connection, for the day it closes.
#[derive(Debug, Default)]
pub struct Leases {
    /// How many are in force.
    pub count: LeaseCount,
    pub held: Vec<LeaseHeld>,
    /// Those whose reply is not handed to the socket yet.
    pub unsent: Vec<LeaseHeld>,
    /// Live ones at the last pruning.
    live: usize,
}

/// What a request or a connection leaves in flights: it is taken out in portions, as it may be much.
#[derive(Debug)]
pub enum Leaving {
    /// A request that was answered elsewhere, from this one of its keys on.
    Waiter(Arc<ReplySlot>, usize),
    /// The leases of a connection that is gone.
    Leases { client: u64, held: Vec<LeaseHeld> },
}

/// A user's name, as its clients show it.
#[must_use]
pub fn shown_user(name: &[u8]) -> &[u8] {
    if name == DEFAULT { &[] } else { name }
}

/// Leases remembered before the first look for ended ones.
const LEASES_UNPRUNED_MAX: usize = 64;

impl Leases {
    pub fn add(&mut self, lease: LeaseHeld) {
        self.unsent.push(lease);
        self.held.push(lease);
    }

    /// Whether enough were added for `prune` to be worth its cost: constant per lease in the long run.
    #[must_use]
    pub fn want_pruning(&self) -> bool {
        self.held.len() >= LEASES_UNPRUNED_MAX.max(self.live * 2)
    }

    /// Bytes that the lists take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        vec_bytes(&self.held) + vec_bytes(&self.unsent)
    }

    /// Drops the leases that have ended.
    pub fn prune(&mut self, is_live: impl FnMut(&LeaseHeld) -> bool) {
        self.held.retain(is_live);
        self.live = self.held.len();
        self.held.shrink_to(self.live * 2);
    }
}

impl Session {
    #[must_use]
    pub fn new(client: Arc<Client>, identity: Identity) -> Session {
        Session {
            client,
            proto: Proto::Resp2,
            db: 0,
            identity,
            transaction: None,
            watch: Watch::default(),
            subscriptions: Subscriptions::default(),
            hears_messages: false,
            tracking: None,
            reply_mode: ReplyMode::On,
            closes: false,
            last_command: None,
            put_off: None,
            room_wait: None,
            helped: None,
            refused_at_ms: u64::MAX,
            slots: Slots::default(),
            leases: Leases::default(),
        }
    }

    /// Leaves a session in its place that stands for it while a request runs aside.
    #[must_use]
    pub fn leave_stand_in(&mut self) -> Session {
        let stand_in = Session {
            proto: self.proto,
            db: self.db,
            ..Session::new(self.client.clone(), self.identity.clone())
        };
        std::mem::replace(self, stand_in)
    }

    /// A command has written its reply, behind `mark`: what the connection wants of it stays.
    #[inline]
    pub fn has_replied(&mut self, out: &mut Output, mark: Mark) {
        match self.reply_mode {
            ReplyMode::On | ReplyMode::SkipNext => {}
            ReplyMode::Off => out.truncate(mark),
            ReplyMode::Skipping => {
                out.truncate(mark);
                self.reply_mode = ReplyMode::On;
            }
        }
        if self.hears_messages {
            self.subscriptions.speak(out);
        }
    }

    /// Publishes what other connections may see of this one.
    pub fn publish(&self) {
        let seen = &self.client.seen;
        seen.db.store(self.db, Relaxed);
        seen.is_resp3.store(self.proto == Proto::Resp3, Relaxed);
        seen.multi.store(self.transaction.as_ref().map_or(0, |tx| tx.queued.len() + 1), Relaxed);
        seen.multi_bytes.store(self.transaction.as_ref().map_or(0, Transaction::held_bytes), Relaxed);
        seen.kept_bytes.store(self.kept_bytes(), Relaxed);
        seen.last_command.store(self.last_command.map_or(usize::MAX, |row| row.number), Relaxed);
        seen.is_paused.store(self.put_off.is_some(), Relaxed);
        seen.watched.store(self.watch.keys().len(), Relaxed);
    }

    /// Bytes that what it watches, subscribes to and caches takes on its own side.
    fn kept_bytes(&self) -> usize {
        let sources = self.helped.as_ref().map_or(0, |helped| helped.watch.held_bytes());
        let watched = self.watch.held_bytes() + self.leases.held_bytes() + sources;
        if !self.hears_messages {
            return watched;
        }
        let tracked = self.tracking.as_ref().map_or(0, |tracked| tracked.held_bytes());
        watched + self.subscriptions.held_bytes() + tracked
    }

    /// The connection is this user from now on: it said so, or its certificate does.
    pub fn become_user(&mut self, user: Arc<User>) {
        self.show_user(user.name());
        self.identity.become_user(user);
    }

    /// Takes over users that were changed, and ends if its own is gone. Cost: a comparison.
    #[inline]
    pub fn refresh_user(&mut self, users: &LiveUsers) {
        if self.identity.refresh(users) {
            self.client.kill();
        }
    }

    /// The connection has not said who it is (RESET).
    pub fn become_stranger(&mut self, identity: Identity) {
        self.show_user(identity.user().name());
        self.identity = identity;
    }

    fn show_user(&self, name: &[u8]) {
        self.client.rename(|names| names.user = shown_user(name).to_vec());
    }

    /// Whether a message is still wanted: it may have been on its way when its subscription ended.
    #[must_use]
    pub fn wants(&self, push: &Push) -> bool {
        let subscriptions = &self.subscriptions;
        let is_resp3 = self.proto == Proto::Resp3;
        match push {
            Push::Message(message) => subscriptions.of(Kind::Channel).contains(&message.channel),
            Push::ShardMessage(message) => subscriptions.of(Kind::ShardChannel).contains(&message.channel),
            Push::PatternMessage { pattern, .. } => subscriptions.of(Kind::Pattern).contains(pattern),
            Push::Invalidate { is_redirected: false, .. } => is_resp3 && self.tracking.is_some(),
            Push::Invalidate { is_redirected: true, .. } => is_resp3 || !subscriptions.is_empty(),
            Push::RedirectBroken(_) => is_resp3,
        }
    }

    /// Whether the connection is in RESP2's subscribed state, in which it may run a few commands only.
    #[inline]
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.proto == Proto::Resp2 && !self.subscriptions.is_empty()
    }

    #[must_use]
    pub fn post_box(&self) -> &Arc<PostBox> {
        &self.client.post_box
    }
}
