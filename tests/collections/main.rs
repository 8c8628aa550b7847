//! Hashes, lists and sets and what else there is: fills, caches, events, scripts, expiry, eviction, what they take of the memory.

mod deadlines;
#[path = "../support/desk.rs"]
mod desk;
mod helped;
mod lent;
mod meetings;
mod memory;
#[path = "../support/program.rs"]
mod program;
mod restore;
#[path = "../support/mod.rs"]
mod support;
