//! redis-rs doing a day's work: synchronous, on one multiplexed connection, and through its connection manager.
//!
//! Owns: the checks. Does not know: how results are shown.
//! Invariant: every check starts with empty databases, and runs in RESP2 and in RESP3.

mod asynchronous;
mod synchronous;

use super::Outcome;
use crate::peer::Peer;
use crate::wire::Reply;
use std::error::Error;
use std::fmt::Debug;

/// What a check returns: a sentence about the first thing that was not as it should be.
type Checked = Result<(), Box<dyn Error>>;

/// The four parts of FILL.GET's reply: status, value, token, ms.
type Filled = (String, Option<String>, Option<String>, i64);

const LARGE_BYTES: usize = 20 * 1024 * 1024;

fn equal<A: PartialEq<B> + Debug, B: Debug>(actual: A, expected: B, what: &str) -> Checked {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?} instead of {expected:?}").into())
    }
}

fn holds(condition: bool, what: &str) -> Checked {
    if condition { Ok(()) } else { Err(what.to_owned().into()) }
}

/// Every byte value, and what looks like a reply.
fn binary_key() -> Vec<u8> {
    let mut key: Vec<u8> = (0..=255).collect();
    key.extend_from_slice(b"\r\n$-1\r\n");
    key
}

fn large_value() -> Vec<u8> {
    (0..=255_u8).cycle().take(LARGE_BYTES).collect()
}

fn url(peer: &Peer, protocol: u8) -> String {
    format!("redis://{}/?protocol=resp{protocol}", peer.address)
}

/// The locked version of the library under test.
fn library_version() -> String {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let entry =
        lock.split("[[package]]").find(|entry| entry.contains("name = \"redis\"\n")).unwrap_or_default();
    entry.split('"').nth(3).unwrap_or("unknown").to_owned()
}

/// Collects the results of one way to connect.
struct Results {
    outcome: Outcome,
}

impl Results {
    fn of(client: &str) -> Self {
        Self {
            outcome: Outcome { client: client.to_owned(), version: library_version(), ..Outcome::default() },
        }
    }

    fn add(&mut self, protocol: u8, name: &str, result: Checked) {
        match result {
            Ok(()) => self.outcome.passed += 1,
            Err(error) => self.outcome.failures.push(format!("FAIL RESP{protocol} {name}: {error}")),
        }
    }
}

/// The number of waiters of a key's flight.
fn waiters(peer: &Peer, key: &str) -> i64 {
    let info = peer.call(&["FILL.INFO", key]);
    let parts = info.elements();
    let place = parts.iter().position(|part| part.text() == Some(b"waiters"));
    match place.and_then(|index| parts.get(index + 1)) {
        Some(Reply::Int(count)) => *count,
        _ => 0,
    }
}
