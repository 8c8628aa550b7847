//! FILL and what it meets, over real sockets, with a clock that each test holds.

mod answers;
mod fail;
mod figures;
mod get;
mod handover;
mod hidden;
mod limits;
mod many;
mod misuse;
mod races;
mod slots;
mod stale;
mod stories;
#[path = "../support/mod.rs"]
mod support;
mod top;
mod voids;
mod yields;
