//! L4: the commands, a folder or file for each family: rows first, handlers beside them.
//!
//! To add a command: write its handler and its row in its family's file. A new family is one line in `groups`. A family
//! may name another one's helper, never `net`, never `groups`. No async function, no socket: a handler writes its reply
//! and returns, or parks.

mod acl;
mod cluster;
mod connection;
mod fill;
pub mod groups;
mod hashes;
mod help;
mod keys;
mod lists;
mod pubsub;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod strings;
mod transactions;
