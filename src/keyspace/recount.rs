//! The keyspace counted anew: every store, and the flights beside them.
//!
//! Cost: a look at everything, one shard at a time; for tests, and for operators who doubt a figure.

use super::flights::Record;
use super::keys::Keys;
use crate::base::limits::SHARDS;
use crate::storage::Recount;

/// What was counted.
#[derive(Debug, Default)]
pub struct Census {
    /// All stores together.
    pub stores: Recount,
    /// Flights remembered, also those that are no longer open.
    pub flights: usize,
    /// Of them: those that are kept as a favour.
    pub kept: usize,
    /// Callers that wait in them.
    pub waiters: usize,
    /// Keys that somebody waits for, once for each type.
    pub waited_keys: usize,
    /// Tokens kept so that a resend is recognised.
    pub answered: usize,
    /// Shards that keys are spread over.
    pub shards: usize,
}

impl Keys<'_> {
    /// Counts everything. A figure that others change meanwhile is right for some moment of the counting.
    pub fn recount(&mut self) -> Census {
        let mut census = Census { shards: self.keyspace.routes.count(), ..Census::default() };
        for index in 0..SHARDS {
            let view = self.view_shard(index, 0);
            census.answered += view.shard.answered.len();
            for (number, db) in view.shard.dbs.iter().enumerate() {
                let mut stores = db.store.recount();
                if db.counted != db.store.size() {
                    let (counted, now) = (db.counted, db.store.size());
                    stores.faults.push(format!("size: {counted:?} counted, {now:?} now"));
                }
                stores.faults.extend(db.flights.iter().filter_map(Record::fault));
                stores.faults.extend(db.waits.fault());
                for fault in &mut stores.faults {
                    *fault = format!("shard {index}, database {number}: {fault}");
                }
                census.stores.add(stores);
                census.kept += db.flights.iter().filter(|record| record.kept.is_some()).count();
                census.flights += db.flights.len();
                census.waited_keys += db.waits.len();
                census.waiters += db.flights.iter().map(|record| record.flight.waiters()).sum::<usize>();
            }
        }
        census
    }
}
