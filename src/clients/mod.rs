//! L2: the connected clients, as other connections see them (CLIENT LIST, KILL, UNBLOCK, INFO).
//!
//! A connection's own state is its session; here is only what others may read, in atomics written once
//! per batch. Knows no sockets: a connection is told to close through its post box.

mod budget;
mod client;
mod monitors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::base::gauge::Gauge;

pub use client::{Client, Names, Peer, Seen};
pub use monitors::Monitors;

/// All connected clients, by id.
#[derive(Debug, Default)]
pub struct Clients {
    /// Those that see what all others run.
    pub monitors: Monitors,
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    /// What they held when that was last counted, all together.
    bytes: AtomicU64,
    /// What those that were taken out share with others and have not let go yet.
    leaving: Gauge,
}

impl Clients {
    /// An id for a new connection; they only grow.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }

    pub fn add(&self, client: Arc<Client>) {
        self.by_id.lock().insert(client.id, client);
    }

    /// Its connection ends: it counts no more, whatever is still noted of it.
    pub fn remove(&self, client: &Client) {
        self.by_id.lock().remove(&client.id);
        client.seen.close_asap.store(true, Relaxed);
        self.forget_bytes(client);
    }

    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.lock().get(&id).cloned()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.by_id.lock().values().cloned().collect()
    }
}
