//! L2: the keyspace: shards, each one lock over its entries and its flights, and the verbs on them.
//!
//! "Is it a hit?" and "is somebody filling it?" are one question under one lock. Knows no request, no
//! reply format, no socket. Invariant: answers and alarms are collected in `Effects` while a lock is
//! held and sent after it is released.

mod aside;
mod busy;
mod changed;
mod collection;
mod effects;
mod evict;
mod fill;
mod fills;
mod flights;
mod freed;
mod gate;
mod glance;
mod idle;
mod keys;
mod marks;
mod memory;
mod notify;
mod recount;
mod restore;
mod routes;
mod rules;
mod scan;
mod shard;
mod spread;
mod sweep;
mod verbs;
mod view;
mod waits;
mod watch;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use bytes::Bytes;

pub use aside::KeptAside;
pub use busy::Busy;
pub use collection::{
    End, Forms, Fresh, FreshList, HashMut, HashRef, Items, LentItems, ListMut, ListName, ListRange, ListRef,
    Part, Scores, SetMut, SetRef, SortedMut, SortedRef, Whole, encoding, type_name,
};
pub use effects::{Change, Effects};
pub use evict::{Evicted, MadeRoom, Room, Used};
pub use fill::{Asked, FillAsk, FlightInfo, Looked, Put, PutKind, WaitTerms, count_hit, count_outcome};
pub use flights::record_bytes;
pub use glance::{DbSeen, Glance};
pub use idle::{Ends, Expiry};
pub use keys::Keys;
pub use memory::{SizeCounts, Sizes};
pub use recount::Census;
pub use routes::shards_most;
pub use rules::Rules;
pub use scan::ScanPage;

pub use verbs::SetWhen;
pub use view::{Scope, View};
pub use waits::{How, Target, WAITER_BYTES, Wish};
pub use watch::{Watch, WatchedKey};

use crate::base::gauge::Gauge;
use crate::base::hash::HashSeed;
use crate::base::lent::{Lending, Lent};
use crate::base::limits::{REAPED_VALUE_BYTES_MIN, SHARDS};
use crate::base::sync::{AtomicU64, Mutex, MutexGuard};
use crate::fill::FillTimes;
pub use crate::storage::Ahead;
use crate::storage::{Large, Store};
use fills::Fills;
use gate::Gate;
use routes::Routes;
use shard::Shard;

/// All databases of the server.
#[derive(Debug)]
pub struct Keyspace {
    stripes: Box<[Stripe]>,
    gate: Gate,
    /// Scripts that keep shards without their locks, and whether any script ran: see `aside`.
    long_holders: AtomicUsize,
    /// Those that keep shards now.
    asides: Mutex<Vec<Busy>>,
    routes: Routes,
    /// Shards in use where no small limit asks for fewer.
    shards_most: usize,
    seed: HashSeed,
    /// The random number of this start, part of every token.
    boot: u64,
    databases: usize,
    /// What all fills together hold.
    pub fills: Fills,
    /// Connections that keep a cache; while there are none, changes need not be noted for them.
    trackers: AtomicUsize,
    pub fill_times: FillTimes,
    /// How often the keys that saved the most fills were forgotten; each shard heeds it when it next counts.
    top_epoch: AtomicU64,
    /// Values that were removed and are still in memory: on their way to be freed, or read by somebody.
    lending: Lending,
    /// What the watchers of all shards take.
    watchers_held: Gauge,
    /// What those who wait for keys take.
    pub waits_held: Gauge,
    reaper: Sender<CastOff>,
    reaping: Arc<AtomicUsize>,
    reaping_bytes: Arc<AtomicUsize>,
}

/// What the reaper frees.
#[derive(Debug)]
enum CastOff {
    Store(Box<Store>),
    Large(Box<dyn Large>),
    Value(Lent),
    /// Whatever else takes time to be freed.
    Rest(Box<dyn Any + Send>, usize),
}

/// How often values that are still read are looked at.
const REAP_PERIOD: Duration = Duration::from_millis(20);

/// Frees what is cast off, values when their last reader is done.
fn reap(cast_off: &Receiver<CastOff>, lending: &Lending, entries: &AtomicUsize, bytes: &AtomicUsize) {
    let mut still_read: Vec<Lent> = Vec::new();
    loop {
        let next = if still_read.is_empty() {
            cast_off.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            cast_off.recv_timeout(REAP_PERIOD)
        };
        match next {
            Ok(CastOff::Store(mut store)) => {
                let (len, held) = (store.len(), store.size().held_bytes);
                store.drain_large(&mut |value| keep_read(value, &mut still_read, lending));
                drop(store);
                entries.fetch_sub(len, Relaxed);
                bytes.fetch_sub(held, Relaxed);
            }
            Ok(CastOff::Large(mut large)) => {
                let held = large.held_bytes();
                large.drain(&mut |value| keep_read(value, &mut still_read, lending));
                drop(large);
                entries.fetch_sub(1, Relaxed);
                bytes.fetch_sub(held, Relaxed);
            }
            Ok(CastOff::Rest(rest, held)) => {
                drop(rest);
                bytes.fetch_sub(held, Relaxed);
            }
            Ok(CastOff::Value(value)) if value.is_unread() => drop(value),
            Ok(CastOff::Value(value)) => still_read.push(value),
            Err(RecvTimeoutError::Timeout) => still_read.retain(|value| !value.is_unread()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What somebody reads stays, and counts on as what it is now.
fn keep_read(value: Bytes, still_read: &mut Vec<Lent>, lending: &Lending) {
    if !value.is_unique() {
        still_read.push(lending.let_go(value));
    }
}

/// A shard behind its lock, on its own cache lines, with the time at which it next wants the sweeper.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    shard: Mutex<Shard>,
    /// A script keeps it without the lock: see `aside`. Written under the lock.
    mark: AtomicU64,
    due_at: AtomicU64,
    /// What its stores hold, bytes. Written under the lock.
    held_bytes: AtomicUsize,
}

impl Keyspace {
    /// An empty keyspace over at most this number of shards (see `shards_most`), fewer under a small limit on memory (bytes,
    /// 0 for none); starts the thread that frees what FLUSHALL and deletions of large values cast off.
    #[must_use]
    pub fn new(databases: usize, shards_most: usize, limit_bytes: u64, seed: HashSeed) -> Keyspace {
        let (watchers_held, waits_held) = (Gauge::default(), Gauge::default());
        let stripe = |index| Stripe {
            shard: Mutex::new(Shard::new(index, seed, watchers_held.clone(), waits_held.clone())),
            mark: AtomicU64::new(0),
            due_at: AtomicU64::new(u64::MAX),
            held_bytes: AtomicUsize::new(0),
        };
        let (reaper, cast_off) = mpsc::channel::<CastOff>();
        let reaping = Arc::new(AtomicUsize::new(0));
        let reaping_bytes = Arc::new(AtomicUsize::new(0));
        let (left, left_bytes) = (reaping.clone(), reaping_bytes.clone());
        // The thread ends with the keyspace: its channel closes.
        let lending = Lending::default();
        let lent = lending.clone();
        std::thread::spawn(move || reap(&cast_off, &lent, &left, &left_bytes));
        Keyspace {
            stripes: (0..SHARDS).map(stripe).collect(),
            gate: Gate::default(),
            long_holders: AtomicUsize::new(0),
            asides: Mutex::default(),
            routes: Routes::over(routes::shards_for(limit_bytes, shards_most)),
            shards_most,
            seed,
            boot: fastrand::u64(..),
            databases,
            fills: Fills::default(),
            trackers: AtomicUsize::new(0),
            fill_times: FillTimes::default(),
            top_epoch: AtomicU64::new(0),
            lending,
            watchers_held,
            waits_held,
            reaper,
            reaping,
            reaping_bytes,
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

    /// Entries cast off by FLUSHALL and FLUSHDB, and large collections, that are not freed yet.
    #[must_use]
    pub fn entries_to_free(&self) -> usize {
        self.reaping.load(Relaxed)
    }

    /// What those entries hold, bytes.
    #[must_use]
    pub fn bytes_to_free(&self) -> usize {
        self.reaping_bytes.load(Relaxed)
    }

    /// When a shard next wants to be swept, monotonic ms.
    #[must_use]
    pub fn due_at(&self, shard: usize) -> u64 {
        self.stripes[shard].due_at.load(Relaxed)
    }

    /// Asks the processor to fetch what look-ups of these keys will touch: all their buckets, then all the
    /// entries that the buckets name. A shard that is busy is left out.
    pub fn prefetch(&self, db: usize, hashes: impl Iterator<Item = u64>, ahead: &mut Ahead) {
        ahead.fetch(hashes, |hash, line, lines| {
            let shard = self.stripes[self.shard_of(hash)].shard.try_lock();
            shard.is_some_and(|shard| shard.dbs.get(db).is_some_and(|db| db.store.lines(hash, line, lines)))
        });
    }

    /// Begins the times of fills anew, and empties what FILL.TOP shows. Takes no shard's lock.
    pub fn reset_figures(&self) {
        self.fill_times.reset();
        self.top_epoch.fetch_add(1, Relaxed);
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.stripes[shard].shard.lock()
    }

    #[inline]
    fn try_lock(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        self.stripes[shard].shard.try_lock()
    }

    /// As `lock`, but gives up after this time.
    fn try_lock_for(&self, shard: usize, ms: u64) -> Option<MutexGuard<'_, Shard>> {
        self.stripes[shard].shard.try_lock_for(Duration::from_millis(ms))
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

    fn cast_off(&self, store: Store) {
        self.reaping.fetch_add(store.len(), Relaxed);
        self.reaping_bytes.fetch_add(store.size().held_bytes, Relaxed);
        // The receiver lives as long as the keyspace; should its thread be gone, dropping here is right.
        drop(self.reaper.send(CastOff::Store(Box::new(store))));
    }

    /// As `cast_off`, for one large collection.
    fn cast_off_large(&self, large: Box<dyn Large>) {
        self.reaping.fetch_add(1, Relaxed);
        self.reaping_bytes.fetch_add(large.held_bytes(), Relaxed);
        drop(self.reaper.send(CastOff::Large(large)));
    }

    /// As `cast_off`, for what no key has, of so many bytes that nobody counts any more.
    pub fn cast_off_rest(&self, rest: Box<dyn Any + Send>, bytes: usize) {
        self.reaping_bytes.fetch_add(bytes, Relaxed);
        drop(self.reaper.send(CastOff::Rest(rest, bytes)));
    }

    /// What counts the bytes that readers keep of values that were removed.
    #[must_use]
    pub fn lending(&self) -> &Lending {
        &self.lending
    }

    /// Bytes of values that were removed and are still in memory.
    #[must_use]
    pub fn lent_bytes(&self) -> usize {
        self.lending.bytes()
    }

    /// Bytes that the shards take for watched keys.
    #[must_use]
    pub fn watchers_bytes(&self) -> usize {
        self.watchers_held.bytes()
    }

    /// Frees values that were removed; what is very large, or read by somebody, on a thread of its own. No lock may be
    /// held.
    pub fn free(&self, values: impl Iterator<Item = Lent>) {
        for value in values.filter(|value| value.len() >= REAPED_VALUE_BYTES_MIN || !value.is_unread()) {
            drop(self.reaper.send(CastOff::Value(value)));
        }
    }
}

/// The slice of a hash: its top bits, which neither the table's place nor its tags use.
#[inline]
fn slice_of(hash: u64) -> usize {
    (hash >> (64 - SHARDS.ilog2())) as usize
}
