//! The data under one lock: for each database its entries, flights and watchers.
//!
//! Entries swap places in SWAPDB and are cast off whole in FLUSHALL; flights and watchers belong to the
//! database's number and stay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::flights::Flights;
use super::waits::{ReadyKey, Sleeper, Waits};
use super::watch::Watchers;
use crate::base::gauge::Gauge;
use crate::base::hash::HashSeed;
use crate::base::limits::SHARDS;
use crate::base::memory::class_bytes;
use crate::fill::Top;
use crate::storage::{Size, Store};

/// One lock stripe of all databases.
#[derive(Debug)]
pub struct Shard {
    /// Grown on first use of a database.
    pub dbs: Vec<Db>,
    /// Deadlines of flights, remembered answers and waiters, monotonic ms.
    pub deadlines: BinaryHeap<Reverse<Deadline>>,
    /// Tokens answered a short while ago, so that a resend is recognised.
    pub answered: HashMap<u64, Answered>,
    /// The keys that saved the most fills.
    pub top: Top,
    /// Entries are not moved together again before this time, monotonic ms.
    pub compact_at: u64,
    /// Bytes of deadlines and answered tokens that were counted.
    pub counted_bytes: usize,
    /// The last serial number given; steps of `SHARDS` keep them unique across shards.
    serial: u64,
    seed: HashSeed,
    /// What the watchers of all shards take.
    watchers_held: Gauge,
    /// What those who wait for keys of all shards take.
    waits_held: Gauge,
}

/// One database's part in a shard.
#[derive(Debug)]
pub struct Db {
    pub store: Store,
    /// The store's size as the counters know it.
    pub counted: Size,
    pub flights: Flights,
    pub watchers: Watchers,
    /// Those who wait for keys.
    pub waits: Waits,
}

/// A moment at which something wants attention.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    pub at: u64,
    pub what: Due,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    Flight {
        db: usize,
        hash: u64,
        id: u64,
    },
    Answered {
        serial: u64,
    },
    /// The time of one who waits for keys is over.
    Wait(Sleeper),
    /// The waiters of a key could not be served before.
    Ready(ReadyKey),
}

/// The ways to answer a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    Put,
    None,
    Pass,
    Fail,
}

/// How a token was answered, kept for at most twice its lease.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub kind: AnswerKind,
    pub key_hash: u64,
    pub db: usize,
    pub until: u64,
}

impl Shard {
    pub fn new(index: usize, seed: HashSeed, watchers_held: Gauge, waits_held: Gauge) -> Shard {
        Shard {
            dbs: Vec::new(),
            deadlines: BinaryHeap::new(),
            answered: HashMap::new(),
            top: Top::default(),
            compact_at: 0,
            counted_bytes: 0,
            serial: index as u64,
            seed,
            watchers_held,
            waits_held,
        }
    }

    /// The database, made on first use.
    #[inline]
    pub fn db(&mut self, db: usize) -> &mut Db {
        if db >= self.dbs.len() {
            self.make(db);
        }
        &mut self.dbs[db]
    }

    #[cold]
    fn make(&mut self, db: usize) {
        let (seed, watchers_held, waits_held) = (self.seed, &self.watchers_held, &self.waits_held);
        self.dbs.resize_with(db + 1, || Db {
            store: Store::new(seed),
            counted: Size::default(),
            flights: Flights::default(),
            watchers: Watchers::new(watchers_held),
            waits: Waits::new(waits_held),
        });
    }

    /// The next serial number for a token of this shard.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += SHARDS as u64;
        self.serial
    }

    /// Whether nothing is in it: no entry, no flight, no watcher, nobody who waits, nothing remembered.
    pub fn is_idle(&self) -> bool {
        let is_idle = |db: &Db| {
            db.store.is_empty() && db.flights.is_empty() && db.watchers.is_empty() && db.waits.is_empty()
        };
        self.answered.is_empty() && self.dbs.iter().all(is_idle)
    }

    /// Whether anybody waits for a key of it.
    pub fn has_waiters(&self) -> bool {
        self.dbs.iter().any(|db| !db.waits.is_empty())
    }

    /// Bytes that deadlines and answered tokens take.
    pub fn beside_bytes(&self) -> usize {
        let deadlines = class_bytes(self.deadlines.capacity() * size_of::<Reverse<Deadline>>());
        class_bytes(self.answered.allocation_size()) + deadlines
    }

    pub fn file(&mut self, at: u64, what: Due) {
        self.deadlines.push(Reverse(Deadline { at, what }));
    }

    /// Drops records of flights, answers and waiters that are gone, once they outnumber the rest.
    pub fn trim_deadlines(&mut self) {
        let live = self.dbs.iter().map(|db| db.flights.len() + db.waits.waiting()).sum::<usize>();
        let live = self.answered.len() + live;
        if self.deadlines.len() <= live * 2 + 64 {
            return;
        }
        let Shard { dbs, deadlines, answered, .. } = self;
        deadlines.retain(|Reverse(Deadline { at, what })| match what {
            Due::Flight { db, hash, id } => {
                let record = dbs[*db].flights.find(*hash, |record| record.id == *id);
                record.is_some_and(|record| record.flight.filed_at == *at)
            }
            Due::Answered { serial } => answered.contains_key(serial),
            Due::Wait(sleeper) => sleeper.is_open(),
            Due::Ready(_) => true,
        });
        if deadlines.len() <= deadlines.capacity() / 4 {
            deadlines.shrink_to(deadlines.len() * 2);
        }
    }
}
