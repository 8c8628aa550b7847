//! Shards that a script keeps to itself while others have their turn.
//!
//! A script that runs for long lets go of its locks now and then, so that no thread waits for them, and leaves a *mark* in
//! each of its shards instead. Whoever locks shards for a request looks at the marks under the locks, and is told that they
//! are busy before it has done anything. What happens beside requests (deadlines of flights, leases of connections that end)
//! goes on: a script's calls see none of it.
//!
//! Nobody waits for a lock while a mark of its own stands, nor for a mark while it holds a lock, so no circle can come of it:
//! a script that goes on takes its locks again from those who hold theirs for a command alone.

use std::sync::atomic::Ordering::Relaxed;

use super::Keyspace;
use super::busy::Busy;
use super::keys::Keys;

/// What a script keeps without its locks.
#[derive(Debug)]
pub struct KeptAside {
    shards: Vec<usize>,
    has_gate: bool,
}

/// In `Keyspace::long_holders`: a script has run at some time.
const SCRIPTS_RUN: usize = 1;
/// And for each that keeps shards aside now.
const KEEPS: usize = 2;

impl Keyspace {
    /// Who runs scripts says so before the first.
    pub fn note_scripts(&self) {
        if !self.runs_scripts() {
            self.long_holders.fetch_or(SCRIPTS_RUN, Relaxed);
        }
    }

    /// Whether scripts have run: then a request must lock what it needs before it does anything, as a shard may be busy.
    /// Cost: a load of a line that is written when a script keeps shards aside.
    #[inline]
    #[must_use]
    pub fn runs_scripts(&self) -> bool {
        self.long_holders.load(Relaxed) != 0
    }

    /// Who keeps any shard, or the gate, if anybody does.
    #[must_use]
    pub fn any_busy(&self) -> Option<Busy> {
        if self.long_holders.load(Relaxed) < KEEPS {
            return None;
        }
        let marks = self.stripes.iter().map(|stripe| &stripe.mark).chain([&self.gate.mark]);
        marks.filter_map(|mark| Busy::read(mark.load(Relaxed))).min_by_key(|busy| busy.refuses_at_ms())
    }

    /// Who keeps a shard. Stays true only while that is locked.
    pub(super) fn busy(&self, shard: usize) -> Option<Busy> {
        Busy::read(self.stripes[shard].mark.load(Relaxed))
    }

    pub(super) fn check(&self, shard: usize) -> Result<(), Busy> {
        self.busy(shard).map_or(Ok(()), Err)
    }
}

impl Keys<'_> {
    /// Lets go of all locks, and keeps what they stood for: nobody else's request gets at it before `take_back`.
    pub fn keep_aside(&mut self, busy: Busy) -> KeptAside {
        let keyspace = self.keyspace;
        keyspace.long_holders.fetch_add(KEEPS, Relaxed);
        let has_gate = self.gate.is_some();
        if has_gate {
            keyspace.gate.mark.store(busy.mark(), Relaxed);
        }
        let mark = |shard: usize| {
            keyspace.stripes[shard].mark.store(busy.mark(), Relaxed);
            shard
        };
        let shards = self.held.drain(..).map(|(shard, _)| mark(shard)).collect();
        self.gate = None;
        KeptAside { shards, has_gate }
    }

    /// Locks again what was kept aside.
    pub fn take_back(&mut self, kept: KeptAside) {
        let keyspace = self.keyspace;
        if kept.has_gate {
            self.gate = Some(keyspace.gate.take_back());
        }
        for shard in kept.shards {
            let locked = keyspace.lock(shard);
            keyspace.stripes[shard].mark.store(0, Relaxed);
            self.held.push((shard, locked));
        }
        keyspace.long_holders.fetch_sub(KEEPS, Relaxed);
    }
}
