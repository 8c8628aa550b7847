//! Onefill: a cache server that speaks the Redis protocol and fills each miss once.
//!
//! The layers, lowest first: `base`; `storage`, `fill`, `protocol`, `config`, `table` and `rdb`; `keyspace`, `clients`,
//! `pubsub`, `tracking` and `figures`; `dispatch`; `commands` and `net`; `server`. See docs/ARCHITECTURE.md.

pub mod acl;
pub mod base;
pub mod clients;
pub mod commands;
pub mod config;
pub mod dispatch;
pub mod figures;
pub mod fill;
pub mod keyspace;
pub mod log;
pub mod net;
pub mod ops;
pub mod parking;
pub mod protocol;
pub mod pubsub;
pub mod rdb;
pub mod script;
pub mod server;
pub mod storage;
pub mod table;
pub mod tracking;
