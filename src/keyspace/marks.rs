//! The marks of scripts that let others run (`aside`), and who looks for them.

use std::sync::atomic::Ordering::Relaxed;

use super::Keyspace;
use super::busy::Busy;

/// What a script keeps while others run: the marks that stand for it, from when it first lets others run to its end.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    keyspace: &'a Keyspace,
    busy: Busy,
    shards: Vec<usize>,
    has_gate: bool,
}

/// In `Keyspace::long_holders`: a script has run at some time.
const SCRIPTS_RUN: usize = 1;
/// And a request has waited for a key.
const HAS_WAITED: usize = 2;
/// And for each script that keeps shards aside now.
const KEEPS: usize = 4;

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
        self.long_holders.load(Relaxed) & !HAS_WAITED != 0
    }

    /// Somebody waits for a key from now on.
    pub(super) fn note_waiting(&self) {
        if !self.has_waited() {
            self.long_holders.fetch_or(HAS_WAITED, Relaxed);
        }
    }

    /// Whether anybody has waited for a key: then a request that may make one ready must lock all it needs before it does
    /// anything, so that who waits can be served before the locks go.
    #[inline]
    #[must_use]
    pub fn has_waited(&self) -> bool {
        self.long_holders.load(Relaxed) & HAS_WAITED != 0
    }

    /// Whether any request must lock what it needs beforehand, for either reason.
    #[inline]
    #[must_use]
    pub fn may_reserve(&self) -> bool {
        self.long_holders.load(Relaxed) != 0
    }

    /// Whether a script has let others run and is not at its end.
    #[inline]
    #[must_use]
    pub fn is_any_slow(&self) -> bool {
        self.long_holders.load(Relaxed) >= KEEPS
    }

    /// The script that has let others run for longest, if any does, whatever it keeps.
    #[must_use]
    pub fn any_busy(&self) -> Option<Busy> {
        if !self.is_any_slow() {
            return None;
        }
        self.asides.lock().iter().min_by_key(|busy| busy.refuses_at_ms()).copied()
    }

    /// Who keeps a shard. Stays true only while that is locked.
    pub(super) fn busy(&self, shard: usize) -> Option<Busy> {
        Busy::read(self.stripes[shard].mark.load(Relaxed))
    }

    pub(super) fn check(&self, shard: usize) -> Result<(), Busy> {
        self.busy(shard).map_or(Ok(()), Err)
    }
}

impl<'a> Marks<'a> {
    pub(super) fn begin(keyspace: &'a Keyspace, busy: Busy) -> Marks<'a> {
        keyspace.asides.lock().push(busy);
        keyspace.long_holders.fetch_add(KEEPS, Relaxed);
        Marks { keyspace, busy, shards: Vec::new(), has_gate: false }
    }

    /// From now on others are told this: what runs in a transaction may be a script, then a function.
    pub(super) fn tell(&mut self, busy: Busy) {
        if self.busy == busy {
            return;
        }
        if let Some(own) = self.keyspace.asides.lock().iter_mut().find(|own| **own == self.busy) {
            *own = busy;
        }
        self.busy = busy;
    }

    /// Marks these shards, which are locked, and the gate.
    pub(super) fn cover(&mut self, shards: &[usize], has_gate: bool) {
        self.shards.clear();
        self.shards.extend_from_slice(shards);
        self.has_gate |= has_gate;
        self.set(self.busy.mark());
    }

    fn set(&self, mark: u64) {
        self.shards.iter().for_each(|shard| self.keyspace.stripes[*shard].mark.store(mark, Relaxed));
        if self.has_gate {
            self.keyspace.gate.mark.store(mark, Relaxed);
        }
    }
}

impl Drop for Marks<'_> {
    /// The script is at its end, or a command of it panicked.
    fn drop(&mut self) {
        self.set(0);
        let mut asides = self.keyspace.asides.lock();
        if let Some(own) = asides.iter().position(|busy| *busy == self.busy) {
            asides.swap_remove(own);
        }
        self.keyspace.long_holders.fetch_sub(KEEPS, Relaxed);
    }
}
