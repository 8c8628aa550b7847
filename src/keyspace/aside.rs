//! Shards that a script keeps to itself while others have their turn.
//!
//! A script that runs for long lets go of its locks now and then, so that no thread waits for them, and leaves a *mark* in
//! each of its shards until its end. Whoever locks shards for a request looks at the marks under the locks, and is told that they
//! are busy before it has done anything. What happens beside requests (deadlines of flights, leases of connections that end)
//! goes on: a script's calls see none of it.
//!
//! Nobody waits for a lock while a mark of its own stands, nor for a mark while it holds a lock, so no circle can come of it:
//! a script that goes on takes its locks again from those who hold theirs for a command alone.

use super::busy::Busy;
use super::keys::Keys;
use super::marks::Marks;

/// What a script goes on with.
#[derive(Debug)]
pub struct KeptAside {
    shards: Vec<usize>,
    has_gate: bool,
}

impl<'a> Keys<'a> {
    /// Lets go of all locks, and keeps what they stood for: nobody else's request gets at it before `release`.
    pub fn keep_aside(&mut self, busy: Busy) -> KeptAside {
        let marks = self.marks.get_or_insert_with(|| Box::new(Marks::begin(self.keyspace, busy)));
        let shards: Vec<usize> = self.held.iter().map(|(shard, _)| *shard).collect();
        marks.tell(busy);
        marks.cover(&shards, self.gate.is_some());
        self.held.clear();
        KeptAside { shards, has_gate: self.gate.take().is_some() }
    }

    /// Locks again what was kept aside.
    pub fn take_back(&mut self, kept: KeptAside) {
        let keyspace = self.keyspace;
        if kept.has_gate {
            self.gate = Some(keyspace.gate.take_back());
        }
        self.held.extend(kept.shards.into_iter().map(|shard| (shard, keyspace.lock(shard))));
    }
}
