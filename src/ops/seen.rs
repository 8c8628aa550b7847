//! What the metrics and the page are made from: everything read once, so that figures of one answer belong together.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::recent::Recent;
use crate::base::clock::Now;
use crate::base::memory::Memory;
use crate::base::metrics::{Counter, held};
use crate::base::process::{self, Cpu};
use crate::clients::Client;
use crate::config::Settings;
use crate::dispatch::shared::Shared;
use crate::figures::calls::CallFigures;
use crate::keyspace::{DbSeen, FlightInfo, Glance};

/// What the thread keeps between requests.
pub struct Desk {
    pub shared: Arc<Shared>,
    glance: RefCell<Glance>,
    /// The state shown last.
    pub recent: RefCell<Recent>,
    /// Streams of events that are open.
    pub streams: Cell<usize>,
}

/// The server at one moment.
pub struct Seen<'d> {
    pub shared: &'d Shared,
    pub settings: Arc<Settings>,
    pub now: Now,
    /// By the number of the row.
    pub calls: Vec<CallFigures>,
    pub errors: BTreeMap<Box<[u8]>, u64>,
    pub memory: Memory,
    pub peak_bytes: usize,
    pub resident_bytes: u64,
    /// What the stores of all entries hold.
    pub entries_bytes: u64,
    pub cpu: Cpu,
    pub clients: Vec<Arc<Client>>,
    pub dbs: Vec<DbSeen>,
    /// Open flights, the oldest first.
    pub flights: Vec<FlightInfo>,
}

impl Desk {
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Desk {
        Desk { shared, glance: RefCell::default(), recent: RefCell::default(), streams: Cell::new(0) }
    }

    /// Reads everything. Waits for nobody but those who note a figure; cost: a millisecond at most.
    #[must_use]
    pub fn look(&self) -> Seen<'_> {
        let (shared, now) = (&*self.shared, self.shared.clock.now());
        let mut glance = self.glance.borrow_mut();
        shared.keyspace.glance(now, &mut glance);
        let mut flights: Vec<FlightInfo> = glance.flights().cloned().collect();
        flights.sort_by_key(|flight| std::cmp::Reverse(flight.age_ms));
        let memory = shared.memory();
        Seen {
            shared,
            settings: Arc::clone(&shared.settings.load()),
            now,
            calls: shared.figures.calls_by_row(shared.table.len()),
            errors: shared.figures.errors_by_code(),
            peak_bytes: shared.figures.note_memory(memory.allocated),
            memory,
            resident_bytes: process::resident_bytes(),
            entries_bytes: held(shared.figures.counters.iter().map(Arc::as_ref)).held_bytes,
            cpu: process::cpu(),
            clients: shared.clients.list(),
            dbs: glance.dbs(),
            flights,
        }
    }

    /// The keys that saved the most fills when the keyspace was looked at last: key, and fills saved.
    #[must_use]
    pub fn top_saved(&self, count: usize) -> Vec<(Arc<[u8]>, u64)> {
        let glance = self.glance.borrow();
        let mut saved: Vec<_> = glance.saved().map(|saved| (saved.key.clone(), saved.fills)).collect();
        saved.sort_by_key(|(_, fills)| std::cmp::Reverse(*fills));
        saved.truncate(count);
        saved
    }
}

impl Seen<'_> {
    /// A counter since the start or CONFIG RESETSTAT.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        self.shared.figures.counted(counter)
    }

    /// Commands that were called, with their figures.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &CallFigures)> {
        let named = self.calls.iter().enumerate().filter(|(_, figures)| !figures.is_empty());
        named.filter_map(|(number, figures)| {
            Some((self.shared.table.by_number(number)?.full_name.as_str(), figures))
        })
    }

    /// Databases that have keys, with their numbers.
    pub fn used_dbs(&self) -> impl Iterator<Item = (usize, &DbSeen)> {
        self.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0)
    }

    /// Callers that are parked in open flights.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.flights.iter().map(|flight| flight.waiters).sum()
    }
}
