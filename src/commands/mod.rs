//! L3: the commands. `spec` is the shape of a row, `table` gathers the rows, `batch` runs requests, and
//! each group's file holds its handlers and its rows.
//!
//! To add a command: write its handler and its row in its group's file. Nothing else needs to know.
//! No async function, no socket: a handler writes its reply and returns, or parks.

pub mod answer;
pub mod args;
pub mod batch;
mod bitfield;
mod bits;
pub mod calls;
mod client;
mod client_kill;
mod client_line;
mod config;
pub mod connection;
pub mod ctx;
mod debug;
mod describe;
pub mod docs;
pub mod error;
mod events;
mod expiry;
pub mod fill;
mod function;
mod generic;
mod help;
mod info;
pub mod invalidate;
mod key_specs;
pub mod latency;
mod lcs;
mod lifecycle;
pub mod limit;
mod lolwut;
mod memory;
mod module;
pub mod monitor;
mod number;
mod object;
pub mod pause;
pub mod pubsub;
mod replication;
mod scan;
mod secrets;
mod server;
pub mod session;
pub mod shared;
pub mod slowlog;
mod span;
pub mod spec;
mod string;
pub mod subscriptions;
pub mod table;
mod tracking;
mod transaction;
mod value;
