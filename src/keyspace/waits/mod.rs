//! Those who wait until a key holds something: BLPOP and kin.
//!
//! A waiter stands in the line of each of its keys (`lines`), put there under the locks under which it found them all without
//! anything for it (`park`). Whatever leaves a collection notes its key as *ready*, where there is a line; after the whole command,
//! transaction or script, before its locks go, the oldest waiters take what there is (`serve`). What goes on to other keys
//! has their shards locked beforehand (`targets`). Invariant: where no lock is held, no key that somebody waits for has
//! anything for them; two exceptions end by themselves (`serve` tells them).

mod lines;
mod park;
mod ready;
mod serve;
mod sleeper;
mod targets;
#[cfg(test)]
mod tests;

pub use lines::{How, Target, WAITER_BYTES, Waits, Wish};
pub use ready::{ReadyKey, ReadyKeys};
pub use sleeper::Sleeper;
