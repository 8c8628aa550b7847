//! L2: the keyspace: shards, each one lock over its entries and its flights, and the verbs on them.
//!
//! "Is it a hit?" and "is somebody filling it?" are one question under one lock. Knows no request, no
//! reply format, no socket. Invariant: answers and alarms are collected in `Effects` while a lock is
//! held and sent after it is released.

mod effects;
mod fill;
mod keys;
mod notify;
mod scan;
mod shard;
mod sweep;
mod verbs;
mod view;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};

use parking_lot::{Mutex, MutexGuard};

pub use effects::{Change, Effects};
pub use fill::{AnswerKind, Asked, FillAsk, FlightInfo, Put, PutKind, WaitTerms, count_outcome, home};
pub use keys::Keys;
pub use scan::ScanPage;
pub use verbs::{Expiry, SetWhen};
pub use view::{Scope, View};
pub use watch::{Watch, WatchedKey};

use crate::base::events::Classes;
use crate::base::hash::HashSeed;
use crate::base::limits::SHARDS;
use crate::fill::FillTimes;
pub use crate::storage::Line;
use shard::{Content, Shard};

/// The settings that the keyspace itself needs; copied out of the settings once per batch.
#[derive(Clone, Copy, Debug)]
pub struct FillRules {
    pub wait_ms: u64,
    pub lease_ms: u64,
    pub beta: f64,
    pub grace_ms: u64,
    pub orphan_grace_ms: u64,
    pub late_ms: u64,
    pub waiters_per_key: usize,
    pub flights: usize,
    /// The classes of keyspace events that are published.
    pub events: Classes,
}

/// All databases of the server.
#[derive(Debug)]
pub struct Keyspace {
    stripes: Box<[Stripe]>,
    seed: HashSeed,
    /// The random number of this start, part of every token.
    boot: u64,
    databases: usize,
    /// Flights remembered in all shards; bounds memory, see `FillRules::flights`.
    flights: AtomicUsize,
    /// Connections that keep a cache; while there are none, changes need not be noted for them.
    trackers: AtomicUsize,
    pub fill_times: FillTimes,
    reaper: Sender<Content>,
    reaping: Arc<AtomicUsize>,
}

/// A shard behind its lock, on its own cache lines, with the time at which it next wants the sweeper.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    shard: Mutex<Shard>,
    due_at: AtomicU64,
}

impl Keyspace {
    /// An empty keyspace; starts the thread that frees what FLUSHALL cast off.
    #[must_use]
    pub fn new(databases: usize, seed: HashSeed) -> Keyspace {
        let stripe =
            |index| Stripe { shard: Mutex::new(Shard::new(index)), due_at: AtomicU64::new(u64::MAX) };
        let (reaper, cast_off) = mpsc::channel::<Content>();
        let reaping = Arc::new(AtomicUsize::new(0));
        let left = reaping.clone();
        // The thread ends with the keyspace: its channel closes.
        std::thread::spawn(move || {
            for content in cast_off {
                let entries = content.table.len();
                drop(content);
                left.fetch_sub(entries, Relaxed);
            }
        });
        Keyspace {
            stripes: (0..SHARDS).map(stripe).collect(),
            seed,
            boot: fastrand::u64(..),
            databases,
            flights: AtomicUsize::new(0),
            trackers: AtomicUsize::new(0),
            fill_times: FillTimes::default(),
            reaper,
            reaping,
        }
    }

    /// The keyed hash of a key.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.seed.hash(key)
    }

    /// How many databases there are.
    #[must_use]
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Entries cast off by FLUSHALL and FLUSHDB that are not freed yet.
    #[must_use]
    pub fn entries_to_free(&self) -> usize {
        self.reaping.load(Relaxed)
    }

    /// When a shard next wants to be swept, monotonic ms.
    #[must_use]
    pub fn due_at(&self, shard: usize) -> u64 {
        self.stripes[shard].due_at.load(Relaxed)
    }

    /// Asks the processor to fetch what a look-up of this key will touch: first the bucket, then, in a
    /// second call, the entries that the bucket names. A shard that is busy is left out.
    #[inline]
    pub fn prefetch(&self, db: usize, hash: u64, line: Line) {
        if let Some(shard) = self.stripes[shard_of(hash)].shard.try_lock()
            && let Some(db) = shard.dbs.get(db)
        {
            db.content.table.prefetch(hash, line);
        }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.stripes[shard].shard.lock()
    }

    /// Lowers the time at which a shard wants the sweeper. Called with the shard's lock held.
    fn note_due(&self, shard: usize, at: u64) -> bool {
        let due_at = &self.stripes[shard].due_at;
        let earlier = at < due_at.load(Relaxed);
        if earlier {
            due_at.store(at, Relaxed);
        }
        earlier
    }

    fn cast_off(&self, content: Content) {
        self.reaping.fetch_add(content.table.len(), Relaxed);
        // The receiver lives as long as the keyspace; should its thread be gone, dropping here is right.
        drop(self.reaper.send(content));
    }
}

/// The shard of a hash: its top bits, which neither the table's place nor its tags use.
#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> (64 - SHARDS.ilog2())) as usize
}
