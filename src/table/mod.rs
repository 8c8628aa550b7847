//! L1: the command table: what is known of each command but how it runs.
//!
//! Pure data that COMMAND, ACL rules, routing by keys and the docs all stand on. Knows no handler, no connection, no
//! key's value. The rows come from the families of `commands`; `dispatch` finds the handler by the row's number.

pub mod arg;
pub mod index;
pub mod key_specs;
pub mod page;
pub mod row;
pub mod spec;

pub use arg::{Arg, ArgKind, KeyFlag};
pub use index::{RenameError, Table};
pub use key_specs::{FindKeys, KeyRange, KeySpec, KeySpecs};
pub use row::Row;
pub use spec::{Category, Channels, Deprecated, Flag, Group, Locking, Role, Secrets, Spec, Touch, Varying};

/// The version of Redis whose commands these are, as clients and scripts are told.
pub const REDIS_VERSION: &str = "7.2.4";
