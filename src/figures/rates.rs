//! What happened per second lately, measured by the housekeeping.

use std::sync::atomic::AtomicU64;

/// Means over the last one and a half seconds.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
}
