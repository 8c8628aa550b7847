//! The operator's door over real sockets: probes, metrics, the page's state, and who may see what.

mod http;
mod metrics;
mod page;
mod probes;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;
