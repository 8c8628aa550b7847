//! One connection, as the others may see it: who it is, and figures that it publishes after each batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::base::memory::{arc_bytes, class_bytes, vec_bytes};
use crate::parking::outcome::ASK_AGAIN_MS;
use crate::parking::{Answer, Letter, PostBox, ReplySlot};
use crate::protocol::reply::Proto;

/// Bytes of its place in the list of clients, about.
const LISTED_BYTES: usize = 32;

/// What others may know of a connection.
#[derive(Debug)]
pub struct Client {
    pub id: u64,
    /// `ip:port`, or the socket's path with `:0`.
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub is_unix: bool,
    /// Monotonic ms at which it connected.
    pub connected_at: u64,
    pub post_box: Arc<PostBox>,
    names: Mutex<Names>,
    pub seen: Seen,
    /// Bytes that this takes while nothing happens.
    base_bytes: usize,
}

/// What a client told of itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    /// The user that it is; empty for the default one.
    pub user: Vec<u8>,
}

/// Figures a connection publishes after each batch.
#[derive(Debug, Default)]
pub struct Seen {
    /// Monotonic ms of the last request.
    pub active_at: AtomicU64,
    pub db: AtomicUsize,
    pub is_resp3: AtomicBool,
    /// Commands queued by MULTI plus one; 0 outside a transaction.
    pub multi: AtomicUsize,
    pub watched: AtomicUsize,
    /// Channels, patterns and shard channels it subscribes to.
    pub channels: AtomicUsize,
    pub patterns: AtomicUsize,
    pub shard_channels: AtomicUsize,
    /// Bytes that the commands queued by MULTI take.
    pub multi_bytes: AtomicUsize,
    /// Bytes that its connection takes while nothing happens.
    pub connection_bytes: AtomicUsize,
    /// Bytes that what it watches, subscribes to and caches takes on its own side.
    pub kept_bytes: AtomicUsize,
    /// Bytes that a helper has taken so far for what it makes for it.
    pub made_bytes: AtomicUsize,
    /// Bytes of what it told of itself.
    names_bytes: AtomicUsize,
    /// Number of the last command's row; `usize::MAX` before the first.
    pub last_command: AtomicUsize,
    /// Client-side caching, as `TRACKING_*`.
    pub tracking: AtomicUsize,
    /// The client that its invalidations go to; 0 for none.
    pub redirect: AtomicU64,
    /// Bytes of requests that are not run yet, and of what is allocated beside them.
    pub query_bytes: AtomicUsize,
    pub query_free_bytes: AtomicUsize,
    /// Bytes of replies that wait to be written, what is allocated for them, and bytes of shared values among them,
    /// which others may hold as well.
    pub reply_bytes: AtomicUsize,
    pub reply_held_bytes: Arc<AtomicUsize>,
    pub reply_shared_bytes: AtomicUsize,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    pub close_asap: AtomicBool,
    /// It sees what others run (MONITOR).
    pub is_monitor: AtomicBool,
    /// Bytes of lines in its post box.
    pub posted_bytes: AtomicUsize,
    /// A request of it is put off by CLIENT PAUSE.
    pub is_paused: AtomicBool,
    /// Prefixes whose changes it hears of (CLIENT TRACKING BCAST).
    pub prefixes: AtomicUsize,
    /// What it held when that was last counted, bytes; 0 where it does not count.
    pub noted_bytes: AtomicUsize,
    /// What it shared with others when it was taken out, bytes, until it has let go of that.
    pub(super) leaving_bytes: AtomicUsize,
    /// Monotonic ms since which the waiting replies exceed the soft limit; 0 while they do not.
    pub soft_limit_since: AtomicU64,
}

impl Seen {
    /// It keeps a cache.
    pub const TRACKING_ON: usize = 1;
    /// It hears of every change to keys with its prefixes.
    pub const TRACKING_BCAST: usize = 2;
    /// The client that its invalidations were to go to is gone.
    pub const TRACKING_BROKEN: usize = 4;
}

/// The two ends of a connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub is_unix: bool,
}

impl Client {
    /// A connection that begins at `mono_ms` and has said nothing yet.
    #[must_use]
    pub fn new(id: u64, peer: Peer, mono_ms: u64) -> Client {
        let Peer { addr, laddr, fd, is_unix } = peer;
        let own = arc_bytes(size_of::<Client>())
            + arc_bytes(size_of::<PostBox>())
            + arc_bytes(size_of::<AtomicUsize>());
        let base_bytes = own + LISTED_BYTES + class_bytes(addr.capacity()) + class_bytes(laddr.capacity());
        Client {
            id,
            addr,
            laddr,
            fd,
            is_unix,
            connected_at: mono_ms,
            post_box: Arc::default(),
            names: Mutex::default(),
            base_bytes,
            seen: Seen { active_at: mono_ms.into(), last_command: usize::MAX.into(), ..Seen::default() },
        }
    }

    /// Bytes that it takes while nothing happens.
    #[must_use]
    pub fn base_bytes(&self) -> usize {
        let seen = &self.seen;
        self.base_bytes + seen.connection_bytes.load(Relaxed) + seen.names_bytes.load(Relaxed)
    }

    /// What it told of itself.
    #[must_use]
    pub fn names(&self) -> Names {
        self.names.lock().clone()
    }

    /// It tells something of itself.
    pub fn rename(&self, change: impl FnOnce(&mut Names)) {
        let mut names = self.names.lock();
        change(&mut names);
        let bytes = [&names.name, &names.lib_name, &names.lib_ver, &names.user].map(vec_bytes);
        self.seen.names_bytes.store(bytes.iter().sum(), Relaxed);
    }

    /// Whether it is this user, as `Names` shows it.
    #[must_use]
    pub fn is_user(&self, shown: &[u8]) -> bool {
        self.names.lock().user == shown
    }

    /// Milliseconds since the last request.
    #[must_use]
    pub fn idle_ms(&self, mono_ms: u64) -> u64 {
        mono_ms.saturating_sub(self.seen.active_at.load(Relaxed))
    }

    #[must_use]
    pub fn proto(&self) -> Proto {
        if self.seen.is_resp3.load(Relaxed) { Proto::Resp3 } else { Proto::Resp2 }
    }

    /// Whether it subscribes to anything: Redis's client type `pubsub`.
    #[must_use]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions().iter().any(|count| *count > 0)
    }

    /// How many channels, patterns and shard channels it subscribes to.
    #[must_use]
    pub fn subscriptions(&self) -> [usize; 3] {
        let seen = &self.seen;
        [&seen.channels, &seen.patterns, &seen.shard_channels].map(|count| count.load(Relaxed))
    }

    /// A request of it waits: parked for a fill or for keys, or put off by CLIENT PAUSE.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.seen.is_paused.load(Relaxed) || self.parked() > 0
    }

    /// Requests of this client that are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.post_box.open_slots()
    }

    /// Tells the connection to close.
    pub fn kill(&self) {
        self.seen.close_asap.store(true, Relaxed);
        // A connection that is gone needs no telling.
        drop(self.post_box.send(Letter::Close));
    }

    /// CLIENT UNBLOCK: answers everything parked; the slots claimed are returned for their queues to forget.
    #[must_use]
    pub fn unblock(&self, with_error: bool) -> Vec<(Arc<ReplySlot>, Answer)> {
        let answer =
            |slot: &ReplySlot| if with_error { Answer::Unblocked } else { slot.expire(ASK_AGAIN_MS) };
        self.post_box.claim_open().into_iter().map(|slot| (slot.clone(), answer(&slot))).collect()
    }
}
