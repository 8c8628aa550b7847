//! What an onlooker sees of the keyspace without waiting for anybody: counts, open flights, the keys that saved fills.
//!
//! A monitor must answer while commands run for long. So a shard that somebody holds is passed over, and shown as it was
//! when it was last seen.

use std::sync::atomic::Ordering::Relaxed;

use super::Keyspace;
use super::fill::{FlightInfo, info};
use super::shard::Shard;
use super::verbs::{expiring_count, sample_ttl, visible_count};
use crate::base::clock::Now;
use crate::base::limits::SHARDS;
use crate::fill::Saved;

/// Draws per shard and database for the mean TTL.
const TTL_DRAWS: usize = 4;

/// What was last seen of each shard.
#[derive(Debug)]
pub struct Glance {
    shards: Box<[Seen]>,
    /// Shards that were passed over the last time.
    pub passed_over: usize,
}

/// What was seen of one shard.
#[derive(Clone, Debug, Default)]
struct Seen {
    dbs: Vec<DbSeen>,
    flights: Vec<FlightInfo>,
    saved: Vec<Saved>,
}

/// What was seen of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbSeen {
    /// Keys that commands see.
    pub keys: usize,
    /// Those of them with a deadline.
    pub expiring: usize,
    ttl_sum_ms: i64,
    ttls: i64,
}

impl DbSeen {
    /// The mean of some TTLs, ms; 0 without any.
    #[must_use]
    pub fn ttl_ms(&self) -> i64 {
        self.ttl_sum_ms / self.ttls.max(1)
    }

    fn add(&mut self, more: DbSeen) {
        self.keys += more.keys;
        self.expiring += more.expiring;
        self.ttl_sum_ms += more.ttl_sum_ms;
        self.ttls += more.ttls;
    }
}

impl Default for Glance {
    fn default() -> Glance {
        Glance { shards: vec![Seen::default(); SHARDS].into(), passed_over: 0 }
    }
}

impl Glance {
    /// Every database, by its number; as many as were ever used.
    #[must_use]
    pub fn dbs(&self) -> Vec<DbSeen> {
        let mut sums = Vec::new();
        for seen in &self.shards {
            if sums.len() < seen.dbs.len() {
                sums.resize(seen.dbs.len(), DbSeen::default());
            }
            sums.iter_mut().zip(&seen.dbs).for_each(|(sum, db)| sum.add(*db));
        }
        sums
    }

    /// Open flights.
    pub fn flights(&self) -> impl Iterator<Item = &FlightInfo> {
        self.shards.iter().flat_map(|seen| &seen.flights)
    }

    /// Keys that saved fills, in no order.
    pub fn saved(&self) -> impl Iterator<Item = &Saved> {
        self.shards.iter().flat_map(|seen| &seen.saved)
    }
}

impl Keyspace {
    /// Looks at every shard that nobody holds. Cost: a try at each lock, and a copy of what is there.
    pub fn glance(&self, now: Now, glance: &mut Glance) {
        let _visit = self.routes.visit();
        glance.passed_over = 0;
        for (index, seen) in glance.shards.iter_mut().enumerate() {
            match self.try_lock(index) {
                Some(shard) => *seen = self.look_at(&shard, now),
                None => glance.passed_over += 1,
            }
        }
    }

    fn look_at(&self, shard: &Shard, now: Now) -> Seen {
        let mut seen = Seen::default();
        for (number, db) in shard.dbs.iter().enumerate() {
            let store = &db.store;
            let expiring = expiring_count(store);
            let mut figures = DbSeen { keys: visible_count(store), expiring, ..DbSeen::default() };
            let draws = if expiring > 0 { TTL_DRAWS } else { 0 };
            for ttl_ms in (0..draws).filter_map(|_| sample_ttl(store, now.wall_ms)) {
                figures.ttl_sum_ms += ttl_ms;
                figures.ttls += 1;
            }
            seen.dbs.push(figures);
            let open = db.flights.iter().filter(|record| record.flight.is_open(now.mono_ms));
            seen.flights.extend(open.map(|record| info(number, record, now.mono_ms)));
        }
        seen.saved.extend_from_slice(shard.top.saved(self.top_epoch.load(Relaxed)));
        seen
    }
}
