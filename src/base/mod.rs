//! L0: the ground everything stands on: time, hashing, limits, metrics and small pure functions.
//!
//! Knows nothing of keys, requests or sockets. Imports only itself.

pub mod clock;
pub mod events;
pub mod files;
pub mod gauge;
pub mod geohash;
pub mod glob;
pub mod hash;
pub mod hll;
pub mod int;
pub mod lent;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod process;
pub mod push;
pub mod score;
pub mod seldom;
pub mod sparse;
pub mod sync;
