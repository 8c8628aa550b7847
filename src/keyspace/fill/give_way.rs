//! What is kept as a favour gives way, oldest first.

use crate::base::hash::Key;
use crate::base::limits::GIVE_WAY_MAX;
use crate::base::metrics::Counter;
use crate::keyspace::fills::Place;
use crate::keyspace::keys::Keys;
use crate::keyspace::view::View;

impl Keys<'_> {
    /// Lets what is kept give way until fills may hold `bytes` more, or nothing is kept, or `GIVE_WAY_MAX` went. With
    /// shards held nothing goes, as theirs may be another one's: then somebody else does it later.
    pub fn give_way(&mut self, bytes: usize) {
        let (fills, rules) = (&self.keyspace.fills, self.scope.rules);
        for _ in 0..GIVE_WAY_MAX {
            if self.holds_any() || !fills.is_crowded(bytes, rules) {
                return;
            }
            let Some((number, Place { db, hash, id })) = fills.kept.take_oldest() else { return };
            self.view_at(db, hash).drop_kept(hash, id, number);
        }
    }
}

impl View<'_> {
    fn drop_kept(&mut self, hash: u64, id: u64, number: u64) {
        let record = self.db().flights.find(hash, |record| record.id == id && record.kept == Some(number));
        if let Some(key) = record.map(|record| record.key.clone()) {
            let key = Key { bytes: &key, hash };
            self.scope.counters.add(Counter::FillKeptDropped, 1);
            self.settled(&key);
            self.drop_flight(&key);
        }
    }
}
