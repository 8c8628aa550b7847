//! What clients see of each other: connections, transactions, messages, invalidations, figures.

mod atomic;
mod connections;
mod introspection;
mod large_writes;
mod notify;
mod pubsub;
#[path = "../support/mod.rs"]
mod support;
mod tracking;
