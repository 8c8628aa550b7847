//! Records of when there is something to do about entries' time: filed in the wheel, given out, found again.
//!
//! A record names a part of a hash and no place, so that it stays true wherever its entry moves.

use super::{Found, Store, record_of, sweep_at};
use crate::base::hash::Key;
use crate::storage::entry::Entry;

impl Store {
    /// When the store next has something to sweep, wall-clock ms; in the past if it has now.
    #[must_use]
    pub fn sweep_next_at(&self) -> Option<i64> {
        self.wheel.next_at()
    }

    /// The next record of an entry that may be due, for `find_record`.
    pub fn sweep_pop(&mut self, now_ms: i64) -> Option<u32> {
        if self.wheel.is_ahead_of(now_ms) || self.is_wheel_bloated() {
            self.rebuild_wheel(now_ms);
        }
        self.wheel.pop(now_ms)
    }

    /// The entry of a record for which `which` holds. Records name a part of a hash, so that another entry
    /// may answer to the same one.
    #[must_use]
    pub fn find_record(&self, record: u32, which: impl Fn(&Entry<'_>) -> bool) -> Option<Found> {
        let hash = u64::from(record);
        let is_it = |block| {
            let entry = self.read(block);
            sweep_at(&entry).is_some() && which(&entry) && record_of(self.seed.hash(entry.key())) == record
        };
        let (slot, block) = self.table.find(hash, is_it)?;
        Some(Found { slot, block })
    }

    /// When there is next something to do about the time of the entry found.
    #[must_use]
    pub fn sweep_at(&self, found: Found) -> Option<i64> {
        sweep_at(&self.entry(found))
    }

    /// Files a record for an entry whose items have other deadlines than when the one was filed that lies at `filed_at`.
    pub fn file_items(&mut self, now_ms: i64, key: &Key<'_>, found: Found, filed_at: Option<i64>) {
        let due_at = self.entry(found).items_due_at();
        self.file(now_ms, key.hash, filed_at, due_at);
    }

    /// Files the record of an entry again that was not due, or has just become stale.
    pub fn sweep_later(&mut self, now_ms: i64, record: u32, found: Found) {
        if let Some(at) = sweep_at(&self.entry(found)) {
            self.wheel.push(now_ms, at, record);
        }
    }

    pub(in crate::storage) fn rebuild_wheel(&mut self, now_ms: i64) {
        let mut records = Vec::with_capacity(self.expiring + self.subexpiring);
        self.each(|entry| {
            records.extend(sweep_at(&entry).map(|at| (at, record_of(self.seed.hash(entry.key())))));
        });
        self.wheel.rebuild(now_ms, records.into_iter());
    }

    pub(super) fn is_wheel_bloated(&self) -> bool {
        self.wheel.is_bloated(self.expiring + self.subexpiring)
    }
}
