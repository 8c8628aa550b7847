//! L2: scripts: their sources, and the machines (Luau) that run them.
//!
//! Alone imports mlua. Knows no key and no command: what a script calls is run by its `Host`.

mod bridge;
pub mod functions;
mod host;
mod library;
mod machine;
mod natives;
pub mod proof;
mod sources;
mod state;
mod values;
mod vm;
mod watch;

pub use host::Host;
pub use machine::{Call, Run};
pub use sources::{ScriptFlags, Scripts, Source, sha1_hex};
pub use state::{Called, Killed, Machines, VmState};
pub use vm::{Known, Vm};

#[cfg(test)]
mod tests;
