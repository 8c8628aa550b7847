//! Onefill: a cache server that speaks the Redis protocol and fills each miss once.
//!
//! The layers, lowest first: `base`; `storage`, `fill`, `protocol` and `config`; `keyspace`,
//! `clients`, `pubsub` and `tracking`; `commands`; `net`; `server`. See docs/ARCHITECTURE.md.

pub mod base;
pub mod clients;
pub mod commands;
pub mod config;
pub mod fill;
pub mod keyspace;
pub mod log;
pub mod net;
pub mod protocol;
pub mod pubsub;
pub mod server;
pub mod storage;
pub mod tracking;
