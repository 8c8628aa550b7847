//! What a connection subscribes to, and how the messages to it are written.
//!
//! Part of the session, so that a message which comes after its UNSUBSCRIBE is recognised and dropped.
//! Knows nothing of who else subscribes: that is `crate::pubsub`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hashbrown::HashSet;

use crate::base::memory::class_bytes;
use crate::base::sparse::shrink_set;
use crate::clients::Seen;
use crate::protocol::output::Output;

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    ShardChannel,
}

/// The subscriptions of one connection.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: HashSet<Arc<[u8]>>,
    patterns: HashSet<Arc<[u8]>>,
    shard_channels: HashSet<Arc<[u8]>>,
    /// What is sent even where CLIENT REPLY silences the command.
    loud: Output,
}

impl Subscriptions {
    /// The names of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &HashSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::ShardChannel => &self.shard_channels,
        }
    }

    /// The names of one kind, to change.
    pub fn of_mut(&mut self, kind: Kind) -> &mut HashSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::ShardChannel => &mut self.shard_channels,
        }
    }

    /// The count that a confirmation shows: shard channels are counted for themselves.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::ShardChannel => self.shard_channels.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }

    /// Bytes that it takes; names are shared with everybody who subscribes to them, and not among it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let sets = [&self.channels, &self.patterns, &self.shard_channels];
        sets.iter().map(|set| class_bytes(set.allocation_size())).sum::<usize>() + self.loud.held_bytes()
    }

    /// A name is gone.
    pub fn remove(&mut self, kind: Kind, name: &[u8]) {
        let names = self.of_mut(kind);
        names.remove(name);
        shrink_set(names);
    }

    /// Publishes the counts for CLIENT LIST.
    pub fn publish(&self, seen: &Seen) {
        seen.channels.store(self.channels.len(), Relaxed);
        seen.patterns.store(self.patterns.len(), Relaxed);
        seen.shard_channels.store(self.shard_channels.len(), Relaxed);
    }

    /// Where something is written that CLIENT REPLY OFF and SKIP do not silence.
    pub fn loud(&mut self) -> &mut Output {
        &mut self.loud
    }

    /// Moves what is not to be silenced behind the replies.
    #[inline]
    pub fn speak(&mut self, out: &mut Output) {
        if !self.loud.is_empty() {
            out.append(&mut self.loud);
        }
    }
}
