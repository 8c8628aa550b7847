//! L1: the wire. `request` cuts requests out of bytes, `reply` writes replies into an `output`; all pure.
//!
//! Knows nothing of commands, sockets or keys. Limits come from `base::limits`.

pub mod inline;
pub mod output;
pub mod range;
pub mod reply;
pub mod request;
