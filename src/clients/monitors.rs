//! The connections that see what all others run (MONITOR).
//!
//! Costs one look at a counter per command while nobody monitors. A line is made once and shared; it is posted to each
//! monitor's post box.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::client::Client;
use crate::base::lent::Lending;
use crate::base::limits::MONITOR_POST_BYTES_MAX;
use crate::parking::Letter;

/// The connections that monitor.
#[derive(Debug, Default)]
pub struct Monitors {
    count: AtomicUsize,
    clients: Mutex<Vec<Arc<Client>>>,
    /// Lines on their way.
    lines: Lending,
}

impl Monitors {
    /// Whether anybody monitors. Cost: a load of a cache line that is written when that changes.
    #[inline]
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// A connection begins to monitor.
    pub fn add(&self, client: Arc<Client>) {
        client.seen.is_monitor.store(true, Relaxed);
        let mut clients = self.clients.lock();
        clients.push(client);
        self.count.store(clients.len(), Relaxed);
    }

    /// Ends a connection's monitoring, if it does (RESET, the end of the connection).
    pub fn remove(&self, client: &Client) {
        if client.seen.is_monitor.swap(false, Relaxed) {
            let mut clients = self.clients.lock();
            clients.retain(|other| other.id != client.id);
            self.count.store(clients.len(), Relaxed);
        }
    }

    /// Bytes of lines on their way.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.lines.bytes()
    }

    /// Shows all of them a line.
    pub fn feed(&self, line: &[u8]) {
        let line = self.lines.copy(line, 0);
        for client in self.clients.lock().iter() {
            let waiting = client.seen.posted_bytes.fetch_add(line.len(), Relaxed);
            if waiting > MONITOR_POST_BYTES_MAX {
                // Its worker does not come to reading its post; nothing may grow without a bound.
                client.seen.close_asap.store(true, Relaxed);
            } else {
                // A connection that is gone wants no line.
                drop(client.post_box.send(Letter::Line(line.clone())));
            }
        }
    }
}
