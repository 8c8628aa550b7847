//! Scripts: which shards they hold, what they meet, and what they must not be able to do.

mod attacks;
mod functions;
mod meetings;
#[path = "../support/program.rs"]
mod program;
mod sandbox;
mod shards;
mod slow;
#[path = "../support/mod.rs"]
mod support;

use support::Conn;

/// A number that INFO shows.
fn info_number(conn: &mut Conn, name: &str) -> u64 {
    let info = conn.say("INFO everything");
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("INFO has no number {name}"))
}
