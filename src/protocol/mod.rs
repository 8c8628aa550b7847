//! L1: the wire. `request` cuts requests out of bytes, `reply` writes replies; both are pure.
//!
//! Knows nothing of commands, sockets or keys. Limits come from `base::limits`.

pub mod inline;
pub mod range;
pub mod reply;
pub mod request;
