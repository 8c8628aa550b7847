//! The table of all clients: which, in what version, and what its checks came to.
//!
//! Owns: the rows of this run, in target/compat/clients.md and on standard error. Does not know: what was checked.
//! Invariant: the file holds rows of this run only, each client once.

use crate::report;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const NAME_WIDTH: usize = 24;
const VERSION_WIDTH: usize = 10;
const HEAD: &str = "| client | version | passed | failed |\n|---|---|---:|---:|\n";

static ROWS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Adds a client's row and prints it.
pub fn ran(client: &str, version: &str, passed: usize, failed: usize) {
    report::line(&format!(
        "redis-compat client {client:NAME_WIDTH$} {version:VERSION_WIDTH$} {passed:3} passed {failed:3} failed"
    ));
    add(client, format!("| {client} | {version} | {passed} | {failed} |\n"));
}

/// Adds the row of a client that is not here, and prints why.
pub fn skipped(client: &str, why: &str) {
    report::line(&format!("redis-compat client {client:NAME_WIDTH$} skipped: {why}"));
    add(client, format!("| {client} | skipped: {why} | | |\n"));
}

fn add(client: &str, row: String) {
    // A poisoned table is still a table: whoever panicked had not begun to change it.
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.insert(client.to_owned(), row);
    let page: String = std::iter::once(HEAD).chain(rows.values().map(String::as_str)).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compat/clients.md");
    // The rows are printed anyway; without the folder there is no file of them.
    let _ = std::fs::write(file, page);
}
