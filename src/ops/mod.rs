//! L4: the operator's door: a page, metrics and probes over HTTP, on a port and a thread of its own.
//!
//! Never on a worker or the thread that accepts: it must answer, and say so, while all of them are stuck. It takes no lock
//! that a command holds for long (`Keyspace::glance`). Nothing can be changed through it, and no value of a key is shown.
//! Where to read next: `door` (listening), `answer` (paths and who may see what), `seen` (what all of it is read from).

mod answer;
mod body;
mod check;
mod door;
mod guard;
mod health;
mod metrics;
mod page;
mod recent;
mod seen;
mod service;
mod state;
mod stream;
mod warnings;

pub use check::check;
pub use door::{Door, Ops};
pub use service::tell_manager;
