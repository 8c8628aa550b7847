//! Requests that wait until a key has something for them: BLPOP and kin, over sockets.

mod ends;
mod order;
#[path = "../support/mod.rs"]
mod support;

use support::{Conn, TestServer, wait_until};

/// A number that INFO shows.
#[track_caller]
fn figure(server: &TestServer, name: &str) -> u64 {
    let info = server.control().say("INFO everything");
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("INFO has no number {name}"))
}

/// Waits until so many clients are blocked.
#[track_caller]
fn until_blocked(server: &TestServer, count: u64) {
    wait_until(&format!("{count} clients are blocked"), || figure(server, "blocked_clients") == count);
}

/// Sends a request that is to block, and returns once it does.
#[track_caller]
fn block(server: &TestServer, conn: &mut Conn, line: &str) {
    let before = figure(server, "blocked_clients");
    conn.pipeline(&[line]);
    until_blocked(server, before + 1);
}

/// Nobody waits any more, and every figure kept is what a recount finds.
#[track_caller]
fn expect_sound(server: &TestServer) {
    until_blocked(server, 0);
    wait_until("nobody waits for a key", || figure(server, "total_blocking_keys") == 0);
    let census = server.control().run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}

fn start() -> TestServer {
    TestServer::start_with(|settings| {
        settings.enable_debug_command = onefill::config::DebugAccess::Yes;
    })
}
