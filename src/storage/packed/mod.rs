//! Small collections as bytes of their entry: hashes, sets, lists and sorted sets of up to 16 KiB.
//!
//! ```text
//! form 1 | count 1, 2 or none | [earliest deadline 5] | items | [directory]
//! ```
//! Up to 64 items are a *run*, searched from the front; more are a *page*, with a directory behind them; sets of
//! integers are sorted arrays. A view (`Hash`, `Set`, `List`, `Zset`) reads a value and plans its changes; an `Edit`
//! makes one, where the bytes lie or on their way to a longer block (`edit` says why so). What a form can't hold it
//! says as `Misfit`: the caller has the value rebuilt in another layout and asks again, or makes it a large one.
//! Knows no keys, no store, no clock. Reads any bytes without a fault; `faults` tells what is wrong with them.

mod check;
mod deadline;
pub mod edit;
pub mod element;
pub mod form;
pub mod frame;
pub mod hash;
pub mod ints;
pub mod item;
pub mod list;
pub mod listpack;
mod page;
mod rebuild;
mod run;
pub mod set;
#[cfg(test)]
mod tests;
pub mod twoway;
pub mod zset;

pub use check::faults;
pub use edit::Edit;
pub use element::Element;
pub use form::{Form, Layout, Limits, Misfit, Type};
pub use frame::Place;
pub use hash::{Field, Hash, earliest};
pub use list::List;
pub use rebuild::{lesser_layout, rebuilt, retain};
pub use set::Set;
pub use zset::{Scored, Zset, put_score};
