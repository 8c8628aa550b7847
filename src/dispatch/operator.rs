//! What operators do to a running server other than by settings: its limit on memory, its pause, its sweeps.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::limit::MemoryLimit;
use super::pause::Pause;
use crate::clients::Client;

/// Clients that speak HTTP are named in the log this often at most.
const FOREIGN_NOTED_PERIOD_MS: u64 = 60_000;

/// The operator's part of a running server.
#[derive(Debug)]
pub struct Operator {
    pub limit: MemoryLimit,
    pub pause: Pause,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub sweeps: AtomicBool,
    /// DEBUG PAUSE-CRON: nothing is done that nobody asked for.
    pub rests: AtomicBool,
    /// When a client that speaks HTTP was last named in the log, monotonic ms; 0 = never.
    foreign_noted_ms: AtomicU64,
}

impl Default for Operator {
    fn default() -> Operator {
        Operator {
            limit: MemoryLimit::default(),
            pause: Pause::default(),
            sweeps: AtomicBool::new(true),
            rests: AtomicBool::new(false),
            foreign_noted_ms: AtomicU64::new(0),
        }
    }
}

impl Operator {
    /// Whether the background sweep is on.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweeps.load(Relaxed) && !self.rests.load(Relaxed)
    }

    /// Names a client that speaks HTTP in the log, once a minute at most: else a stranger could fill the disk.
    pub fn note_foreign(&self, client: &Client, now_ms: u64) {
        let noted_ms = self.foreign_noted_ms.load(Relaxed);
        let is_time = noted_ms == 0 || now_ms.saturating_sub(noted_ms) > FOREIGN_NOTED_PERIOD_MS;
        if is_time && self.foreign_noted_ms.compare_exchange(noted_ms, now_ms, Relaxed, Relaxed).is_ok() {
            tracing::warn!(client = client.id, addr = %client.addr, "closed: it speaks HTTP, perhaps a page in a browser");
        }
    }
}
