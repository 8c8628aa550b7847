//! The FILL family proved: docs/fill.md as a model, searched through every order of events within bounds; the
//! model with each rule broken, to show that the search would notice; the real code against the model, sequence
//! by sequence; and early refresh against its formula.
//!
//! | module | what it is |
//! |---|---|
//! | `world`, `step`, `ask`, `answer`, `outside` | the state machine of section 4, on ticks instead of milliseconds |
//! | `laws` | the nineteen statements of section 7, judged at every step |
//! | `alphabet`, `scenarios`, `search` | which events, within which bounds, and the search through them |
//! | `mutants` | each law is broken by a model with one rule missing |
//! | `real`, `compare` | keyspace, commands and reply queue without sockets, against the model |
//! | `xfetch` | when values are refreshed, against the distribution of the formula |
//!
//! The search is our own hundred lines rather than the crate stateright: most laws speak of steps (what a step
//! answered, granted, stored), where stateright's properties see states; worlds are told apart up to the names of
//! connections, keys and tokens; and each mutant looks for the shortest way to one law. The model is one and the
//! same for the search and for the comparison with the real code, so what is proved is what is compared.
//!
//!     cargo test --test fill_proof -- --nocapture     # prints states, mutants, seeds
//!     FILL_PROOF_DEPTH=2 cargo test …                 # two steps further; `all`: to the end
//!     FILL_SEQUENCES=100000 FILL_SEED=7 cargo test …  # more random sequences, from this seed

mod alphabet;
mod answer;
mod ask;
mod compare;
#[path = "../support/desk.rs"]
mod desk;
mod laws;
mod mutants;
mod outside;
mod real;
#[path = "../support/resp.rs"]
#[allow(dead_code, reason = "this target uses a part of it")]
mod resp;
mod scenarios;
mod search;
mod step;
mod world;
mod xfetch;
