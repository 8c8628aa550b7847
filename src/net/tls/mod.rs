//! TLS: from settings to certificates in use, handshakes on threads of their own, what a connection reads and writes.
//!
//! `engine` alone knows rustls, and is another one in a build without TLS. Invariant: no worker's thread ever computes a
//! handshake, and what is in use is whole: a certificate with its own key.

#[cfg(feature = "rustls-any")]
#[path = "engine/mod.rs"]
mod engine;
#[cfg(not(feature = "rustls-any"))]
#[path = "without.rs"]
mod engine;
mod failure;
mod files;
mod handshakes;
mod live;
mod port;
mod room;

pub use engine::{Shaken, TlsStream};
pub use handshakes::Handshakes;
pub use live::Tls;
pub use port::{TlsPort, accept_tls};
