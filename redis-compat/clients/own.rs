//! The packages of clients/, each by tests in its own idiom: unittest, node:test.
//!
//! Owns: starting them with this crate's server as `ONEFILL_BIN`, which they start themselves. Does not know: what they
//! test. Invariant: a suite that ran no test has failed.

use super::{CLIENT_LIMIT, Outcome, prepared};
use crate::run;
use std::fs;
use std::path::Path;
use std::process::Command;

/// That of the server and of its packages.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn package_for_python_keeps_its_promises() {
    run_unittest("onefill-python", &[]);
}

/// The oldest version that it says it works with.
#[test]
fn package_for_python_keeps_its_promises_over_redis_py_5() {
    run_unittest("onefill-python-redis5", &[prepared("target/compat/redis5").display().to_string()]);
}

#[test]
fn package_for_node_keeps_its_promises() {
    let tests = prepared("clients/node/node_modules").with_file_name("test");
    let files = fs::read_dir(tests).into_iter().flatten().flatten().map(|entry| entry.path());
    // Given a folder, Node.js takes the tests' helpers for tests.
    let files = files.filter(|path| path.to_string_lossy().ends_with(".test.js"));
    let mut command = Command::new("node");
    run_suite("onefill-node", command.args(["--test", "--test-reporter=tap"]).args(files), "# pass ");
}

#[test]
fn packages_have_the_version_of_the_server() {
    assert!(
        include_str!("../../clients/python/pyproject.toml").contains(&format!("version = \"{VERSION}\""))
    );
    assert!(include_str!("../../clients/node/package.json").contains(&format!("\"version\": \"{VERSION}\"")));
}

fn run_unittest(name: &str, modules: &[String]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python");
    let sources = folder.join("src").display().to_string();
    let mut command = Command::new(prepared("target/compat/venv/bin/python"));
    command.args(["-B", "-m", "unittest", "discover", "--start-directory"]).arg(folder.join("tests"));
    command.env("PYTHONPATH", [modules, &[sources]].concat().join(":"));
    run_suite(name, &mut command, "Ran ");
}

/// Runs a suite to its end; `count` stands before the number of its tests, at the beginning of a line.
fn run_suite(name: &str, command: &mut Command, count: &str) {
    let server = std::env::var("ONEFILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_onefill").to_owned());
    let ran = run::to_end(command.env("ONEFILL_BIN", server), b"", CLIENT_LIMIT);
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    let printed = format!("{}\n{}", ran.stdout, ran.stderr);
    let failures = if ran.status.success() { Vec::new() } else { vec![printed.clone()] };
    let passed = number_after(count, &printed).unwrap_or(0);
    Outcome { client: name.to_owned(), version: VERSION.to_owned(), passed, failures }.close();
}

fn number_after(words: &str, printed: &str) -> Option<usize> {
    let line = printed.lines().find_map(|line| line.strip_prefix(words))?;
    line.split(' ').next()?.parse().ok()
}
