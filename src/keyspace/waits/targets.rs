//! What waits for an element may send it on to another key, where somebody may wait as well: all shards that are reached so
//! are locked before anything is done.

use hashbrown::HashSet;

use crate::base::limits::SHARDS;
use crate::keyspace::busy::Busy;
use crate::keyspace::keys::Keys;

/// Rounds of looking where elements may go before all shards are locked.
const ROUNDS_MAX: usize = 8;
/// Of one key they may go to so many others before that.
const TARGETS_MAX: usize = SHARDS;

/// What the shards that are held say of where elements may go.
enum Reached {
    /// Nowhere else.
    Held,
    /// Into shards that are not held.
    Beyond,
    /// Almost anywhere.
    All,
}

impl Keys<'_> {
    /// Where the shards of these hashes are held and elements of their keys may go to other keys, theirs are locked too:
    /// holds what there is, looks, and lets go to hold more until nothing new is found. Who has passed the gate takes what it needs
    /// when it serves.
    ///
    /// # Errors
    /// As `hold`.
    #[inline]
    pub(in crate::keyspace) fn hold_targets(
        &mut self,
        hashes: impl Iterator<Item = u64> + Clone,
    ) -> Result<(), Busy> {
        if !self.keyspace.has_waited() || self.gate.is_some() {
            return Ok(());
        }
        match self.held.iter().any(|(_, shard)| shard.has_waiters()) {
            true => self.hold_closure(hashes),
            false => Ok(()),
        }
    }

    #[cold]
    fn hold_closure(&mut self, hashes: impl Iterator<Item = u64> + Clone) -> Result<(), Busy> {
        let mut known: HashSet<u64> = hashes.collect();
        for _ in 0..ROUNDS_MAX {
            match self.reach(&mut known) {
                Reached::Held => return Ok(()),
                Reached::Beyond => {
                    self.held.clear();
                    self.hold_hashes(known.iter().copied())?;
                }
                Reached::All => break,
            }
        }
        self.held.clear();
        self.hold_all()
    }

    /// Adds what can be reached from these hashes, as far as the shards that are held show it.
    fn reach(&self, known: &mut HashSet<u64>) -> Reached {
        let mut left: Vec<u64> = known.iter().copied().collect();
        let mut is_held = true;
        while let Some(hash) = left.pop() {
            let shard = self.keyspace.shard_of(hash);
            let Ok(at) = self.held.binary_search_by_key(&shard, |(held, _)| *held) else {
                is_held = false;
                continue;
            };
            for targets in self.held[at].1.dbs.iter().flat_map(|db| db.waits.targets(hash)) {
                if targets.len() > TARGETS_MAX {
                    return Reached::All;
                }
                left.extend(targets.iter().filter(|target| known.insert(**target)));
            }
        }
        if is_held { Reached::Held } else { Reached::Beyond }
    }
}
