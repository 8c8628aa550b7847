//! The state of one connection that commands read and change. Owned by the connection, seen by no other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::subscriptions::Subscriptions;
use super::table::Row;
use super::tracking::Tracked;
use crate::clients::Client;
use crate::fill::{Home, PostBox, ReplySlot};
use crate::keyspace::Watch;
use crate::protocol::reply::Proto;
use crate::protocol::request::ArgRange;

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    pub client: Arc<Client>,
    pub proto: Proto,
    pub db: usize,
    pub is_authenticated: bool,
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
    /// A request was put off by CLIENT PAUSE or for want of memory: it and what follows is run when that is over.
    pub is_paused: bool,
    /// What put it off is that it has to wait for room below `maxmemory`.
    pub lacks_room: bool,
    pub slots: Slots,
    pub leases: Leases,
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
    /// Bytes of all queued words.
    pub bytes: usize,
}

/// One queued command with its own copy of its words.
#[derive(Debug)]
pub struct Queued {
    pub row: &'static Row,
    pub buffer: Vec<u8>,
    pub words: Vec<ArgRange>,
}

/// The reply slots of a connection, as the commands see them.
#[derive(Debug, Default)]
pub struct Slots {
    pub last_seq: u64,
    /// The slot that the command just run parked in; the connection takes it.
    pub parked: Option<Parked>,
    /// Slots on this connection that are not answered yet, as far as the connection has heard.
    pub open: usize,
}

/// A parked request's slot and how its answer is to be written.
#[derive(Debug)]
pub struct Parked {
    pub slot: Arc<ReplySlot>,
    /// FILL.MGET: for each key of the request its place in the answer; `None` for FILL.GET.
    pub order: Option<Box<[u32]>>,
    /// The request's keys, where its connection keeps a cache.
    pub tracked: Box<[Box<[u8]>]>,
}

impl Slots {
    pub fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }
}

/// A lease that was granted to this connection.
#[derive(Clone, Debug)]
pub struct LeaseHeld {
    pub home: Home,
    pub serial: u64,
}

/// The leases granted to this connection, for the day it closes.
#[derive(Debug, Default)]
pub struct Leases {
    pub held: Vec<LeaseHeld>,
    /// Those whose reply is not handed to the socket yet.
    pub unsent: Vec<LeaseHeld>,
    /// Live ones at the last pruning.
    live: usize,
}

/// Leases remembered before the first look for ended ones.
const LEASES_UNPRUNED_MAX: usize = 64;

impl Leases {
    pub fn add(&mut self, lease: LeaseHeld) {
        self.unsent.push(lease.clone());
        self.held.push(lease);
    }

    /// Whether so many were added that `prune` is worth its cost: constant per lease in the long run.
    #[must_use]
    pub fn want_pruning(&self) -> bool {
        self.held.len() >= LEASES_UNPRUNED_MAX.max(self.live * 2)
    }

    /// Drops the leases that have ended.
    pub fn prune(&mut self, is_live: impl FnMut(&LeaseHeld) -> bool) {
        self.held.retain(is_live);
        self.live = self.held.len();
    }
}

impl Session {
    #[must_use]
    pub fn new(client: Arc<Client>, is_authenticated: bool) -> Session {
        Session {
            client,
            proto: Proto::Resp2,
            db: 0,
            is_authenticated,
            transaction: None,
            watch: Watch::default(),
            subscriptions: Subscriptions::default(),
            hears_messages: false,
            tracking: None,
            reply_mode: ReplyMode::On,
            closes: false,
            last_command: None,
            is_paused: false,
            lacks_room: false,
            slots: Slots::default(),
            leases: Leases::default(),
        }
    }

    /// Publishes what other connections may see of this one.
    pub fn publish(&self) {
        let seen = &self.client.seen;
        seen.db.store(self.db, Relaxed);
        seen.is_resp3.store(self.proto == Proto::Resp3, Relaxed);
        seen.multi.store(self.transaction.as_ref().map_or(0, |tx| tx.queued.len() + 1), Relaxed);
        seen.multi_bytes.store(self.transaction.as_ref().map_or(0, |tx| tx.bytes), Relaxed);
        seen.last_command.store(self.last_command.map_or(usize::MAX, |row| row.number), Relaxed);
        seen.is_paused.store(self.is_paused, Relaxed);
        seen.watched.store(self.watch.keys.len(), Relaxed);
    }

    #[must_use]
    pub fn post_box(&self) -> &Arc<PostBox> {
        &self.client.post_box
    }
}
