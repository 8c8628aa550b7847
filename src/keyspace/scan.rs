//! Walking over keys: SCAN, KEYS, RANDOMKEY, DBSIZE.
//!
//! A SCAN cursor is the table's cursor with the shard's number in its lowest bits. Expired and hidden
//! entries are never shown.

use super::busy::Busy;
use super::keys::Keys;
use super::view::View;
use crate::base::limits::SHARDS;
use crate::storage::Entry;

/// One page of a SCAN.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// 0 when the scan is complete.
    pub cursor: u64,
    pub keys: Vec<Vec<u8>>,
}

const SHARD_BITS: u32 = SHARDS.ilog2();

impl Keys<'_> {
    /// One page of the selected database: goes on until `count` entries were seen or `count * 10`
    /// buckets visited, as Redis does.
    pub fn scan(
        &mut self,
        cursor: u64,
        count: usize,
        accept: impl Fn(&Entry<'_>) -> bool,
    ) -> Result<ScanPage, Busy> {
        let db = self.db;
        let mut shard = (cursor & (SHARDS as u64 - 1)) as usize;
        let mut within = cursor >> SHARD_BITS;
        let mut page = ScanPage::default();
        let (mut seen, mut buckets) = (0, 0);
        while shard < SHARDS {
            let mut view = self.visit(shard, db)?;
            if view.store().is_empty() {
                (shard, within) = (shard + 1, 0);
                continue;
            }
            // Only now is it known that something is left: a small database ends with its last entry.
            if seen >= count || buckets >= count.saturating_mul(10) {
                page.cursor = within << SHARD_BITS | shard as u64;
                return Ok(page);
            }
            within = view.scan_step(within, &mut seen, &accept, &mut page.keys);
            buckets += 1;
            shard += usize::from(within == 0);
        }
        Ok(page)
    }

    /// Visits what keys of a database hold.
    ///
    /// # Errors
    /// Where it comes to a shard that a script keeps.
    pub fn each_entry(&mut self, db: usize, mut visit: impl FnMut(&Entry<'_>)) -> Result<(), Busy> {
        self.walk(db, |view| {
            if view.is_untouched() {
                return;
            }
            let wall_ms = view.scope.now.wall_ms;
            view.store().each(|entry| {
                if is_shown(&entry, wall_ms) {
                    visit(&entry);
                }
            });
        })
    }

    /// All keys that `accept` takes.
    pub fn list(&mut self, accept: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, Busy> {
        let mut keys = Vec::new();
        self.each_entry(self.db, |entry| {
            if accept(entry.key()) {
                keys.push(entry.key().to_vec());
            }
        })?;
        Ok(keys)
    }

    /// A key drawn at random, each shard weighed by its entries.
    pub fn random_key(&mut self) -> Result<Option<Vec<u8>>, Busy> {
        let mut sizes = Vec::with_capacity(SHARDS);
        self.walk(self.db, |view| sizes.push(view.len()))?;
        let mut at = fastrand::usize(..sizes.iter().sum::<usize>().max(1));
        let shard = sizes.iter().position(|size| match at.checked_sub(*size) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        let Some(shard) = shard else { return Ok(None) };
        let db = self.db;
        let mut view = self.visit(shard, db)?;
        let wall_ms = view.scope.now.wall_ms;
        let store = view.store();
        for _ in 0..100 {
            let Some(drawn) = store.draw(|n| fastrand::usize(..n)) else { return Ok(None) };
            if is_shown(&drawn, wall_ms) {
                return Ok(Some(drawn.key().to_vec()));
            }
        }
        // Almost everything here is hidden: take the first that is not.
        let mut found = None;
        store.each(|entry| {
            if found.is_none() && is_shown(&entry, wall_ms) {
                found = Some(entry.key().to_vec());
            }
        });
        Ok(found)
    }

    /// Keys of a database that ordinary commands see.
    pub fn count(&mut self, db: usize) -> Result<usize, Busy> {
        let mut count = 0;
        self.walk(db, |view| count += view.len())?;
        Ok(count)
    }
}

impl View<'_> {
    fn scan_step(
        &mut self,
        cursor: u64,
        seen: &mut usize,
        accept: &impl Fn(&Entry<'_>) -> bool,
        into: &mut Vec<Vec<u8>>,
    ) -> u64 {
        let wall_ms = self.scope.now.wall_ms;
        self.store().scan(cursor, |entry| {
            *seen += 1;
            if is_shown(&entry, wall_ms) && accept(&entry) {
                into.push(entry.key().to_vec());
            }
        })
    }
}

fn is_shown(entry: &Entry<'_>, wall_ms: i64) -> bool {
    entry.is_visible() && entry.expire_at().is_none_or(|at| at > wall_ms)
}
