//! L1: parked requests: the place one keeps in its connection's replies, how it is answered, and the queues it waits in.
//!
//! Whoever lets a request wait for something parks it here: a flight of `fill`, or keys. Knows no socket, no clock and
//! nothing of what is waited for. Invariant: a slot is answered exactly once, whoever comes first.

pub mod answer;
pub mod outcome;
pub mod post_box;
pub mod queue;
pub mod slot;
pub mod token;

pub use answer::{Answer, Popped};
pub use outcome::{Grant, Outcome};
pub use post_box::Letter;
pub use queue::{Queue, Waiter, Waiting};
pub use slot::{Home, NewSlot, PostBox, ReplySlot, slot_bytes};
pub use token::Token;
