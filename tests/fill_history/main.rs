//! The FILL family on a running server: several workers, real sockets, and a history of what every caller asked
//! and was told, judged by the statements of docs/fill.md, section 7.
//!
//! Where tests/fill_proof goes through every order of events of a model and of the code without threads, this is
//! the whole program under traffic that nobody arranged: callers that hang up, are stopped, are killed or don't
//! read, and values that strain the memory.
//!
//! | module | what it is |
//! |---|---|
//! | `caller`, `request`, `puppet` | random traffic, from threads and from processes that are stopped and killed |
//! | `record` | what is written down of it |
//! | `rules`, `facts`, `spans` | the judgement: what no order of the overlapping calls explains |
//! | `planted` | histories made by hand, good ones and one for each rule that breaks it |
//! | `runs` | the runs: a server, its callers, its history and its figures |
//!
//!     cargo test --test fill_history -- --nocapture     # prints seeds and what was seen
//!     FILL_HISTORY_SEED=7 cargo test …                  # the choices of that run; the interleaving is its own
//!     FILL_HISTORY_SECONDS=60 cargo test …              # each run that long instead of 3 s

mod caller;
mod facts;
mod planted;
#[path = "../support/program.rs"]
mod program;
mod puppet;
mod record;
mod request;
mod rules;
mod runs;
mod spans;
#[path = "../support/mod.rs"]
mod support;
