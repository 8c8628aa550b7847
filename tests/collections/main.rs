//! Hashes and sets and what else there is: fills, caches, events, scripts, expiry, eviction, what they take of the memory.

mod meetings;
mod memory;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;
