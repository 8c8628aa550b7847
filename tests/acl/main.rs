//! Users from outside: what they may do on every way to a command, and what becomes of it when that changes.

mod changes;
mod files;
mod fills;
mod matrix;
mod paths;
mod renames;
#[path = "../support/requests.rs"]
mod requests;
#[path = "../support/mod.rs"]
mod support;

use support::{Conn, TestServer};

/// A user of these rules, and a connection that is it.
#[track_caller]
fn log_in(server: &TestServer, name: &str, rules: &str) -> Conn {
    assert_eq!(server.control().say(&format!("ACL SETUSER {name} on >pw {rules}")), "OK");
    let mut conn = server.connect();
    assert_eq!(conn.say(&format!("AUTH {name} pw")), "OK");
    conn
}

/// What a user is told that may not run a command.
fn no_command(user: &str, command: &str) -> String {
    format!("NOPERM User {user} has no permissions to run the '{command}' command")
}

const NO_KEY: &str = "NOPERM No permissions to access a key";
const NO_CHANNEL: &str = "NOPERM No permissions to access a channel";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
