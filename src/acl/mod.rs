//! L2: who may do what: users and their rules, the file that they stand in, the log of what was refused.
//!
//! Pure: events in, answers out; no lock, no clock, no file. Names, parents, categories and numbers of commands are the
//! table's; what a request does with its keys follows from its row (`Row::keys`), as it does for locking. Invariant: a
//! change of users makes a new `Users`, or nothing. Read next: `selector`, then `user`.

mod command_set;
pub mod file;
pub mod log;
mod names;
mod pattern;
mod rule;
mod secret;
mod selector;
#[cfg(test)]
mod tests;
mod user;
mod users;

pub use names::is_redis_name;
pub use pattern::Access;
pub use rule::{RuleError, Rulebook};
pub use secret::password_of;
pub use selector::{Denied, Selector};
pub use user::User;
pub use users::{DEFAULT, SetUserError, Users, made};
