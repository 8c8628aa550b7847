//! L1: the state machine of one fill: events in, answers out (docs/fill.md is its contract).
//!
//! A *flight* is one fill in progress, its *leader* holds the *lease*, *waiters* are parked behind it.
//! Knows no socket, no clock and no stored value; `keyspace` puts flights beside entries under one lock.
//! How waiters are parked and answered is `parking`.

pub mod flight;
pub mod lease;
pub mod times;
pub mod top;

pub use flight::{Elected, Flight};
pub use lease::{Ask, Lease, LeaseCount, Nonce, WAITER_BYTES, Waiter, parked_bytes};
pub use times::{FillTimes, Times};
pub use top::{Saved, Top};
