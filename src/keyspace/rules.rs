//! The settings that the keyspace itself needs: what makes room, which events are published, how long a fill may take.
//!
//! Copied out of the settings when those change, so that nothing here knows a setting by its name.

use super::collection::Forms;
use crate::base::events::Classes;
use crate::storage::Eviction;

/// The settings that the keyspace itself needs; copied out of the settings once per batch.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub wait_ms: u64,
    pub lease_ms: u64,
    pub beta: f64,
    pub grace_ms: u64,
    pub orphan_grace_ms: u64,
    pub late_ms: u64,
    pub waiters_per_key: usize,
    /// Flights at work, and as many kept ones, at most.
    pub flights: usize,
    /// Bytes that fills may hold.
    pub fill_bytes: usize,
    /// Leases that one connection may hold.
    pub leases_per_connection: usize,
    /// Which entries make room, while there is a limit on memory and they may.
    pub eviction: Option<Eviction>,
    /// The classes of keyspace events that are published.
    pub events: Classes,
    /// When collections are packed, and what they are called.
    pub forms: Forms,
}
