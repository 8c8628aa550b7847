//! L1: the state machine of one fill: events in, answers out (docs/fill.md is its contract).
//!
//! A *flight* is one fill in progress, its *leader* holds the *lease*, *waiters* are parked behind it.
//! Knows no socket, no clock and no stored value; `keyspace` puts flights beside entries under one lock.

pub mod flight;
pub mod lease;
pub mod outcome;
pub mod queue;
pub mod slot;
pub mod times;
pub mod token;
pub mod top;

pub use flight::{Elected, Flight};
pub use lease::{Ask, Lease, LeaseCount, Nonce};
pub use outcome::{Answer, Grant, Outcome};
pub use queue::{Waiter, Waiting};
pub use slot::{Home, Letter, PostBox, ReplySlot};
pub use times::{FillTimes, Times};
pub use token::Token;
pub use top::{Saved, Top};
