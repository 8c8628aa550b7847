//! TLS as clients meet it: who gets in, by which versions, what comes of certificates that change, of slow and of
//! foreign peers, and that a stream reads the same as a plain one however it is cut.

mod certificates;
mod client;
mod handshakes;
mod pki;
mod programs;
mod reload;
mod server;
mod streams;
#[path = "../support/mod.rs"]
mod support;
