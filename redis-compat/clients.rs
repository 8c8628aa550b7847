//! Client libraries doing their daily work against Onefill.
//!
//! Owns: starting each client's script, reading its lines. Does not know: what the scripts check; see clients/.
//! Invariant: a client that setup.sh has not prepared fails its test and says how to prepare it; one from the system's
//! packages is skipped where it is not installed (packaged.rs).

mod locks;
mod own;
mod packaged;
mod redis_rs;
mod table;

use crate::peer::Peer;
use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CLIENT_LIMIT: Duration = Duration::from_secs(180);

/// What one client's checks came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    client: String,
    version: String,
    passed: usize,
    failures: Vec<String>,
}

impl Outcome {
    /// Prints the client's row and fails with its failed checks.
    fn close(self) {
        let Self { client, version, passed, failures } = self;
        table::ran(&client, &version, passed, failures.len());
        assert!(failures.is_empty(), "{client} {version}:\n{}", failures.join("\n"));
        assert!(passed > 0, "{client} {version} checked nothing");
    }
}

#[test]
fn redis_py_sync_does_its_daily_work() {
    run_script(&mut python("redis_py_sync.py"), &[]);
}

#[test]
fn redis_py_with_the_parser_of_hiredis_does_its_daily_work() {
    let parser = prepared("target/compat/hiredis");
    run_script(python("redis_py_sync.py").env("PYTHONPATH", parser), &[]);
}

#[test]
fn redis_py_asyncio_does_its_daily_work() {
    run_script(&mut python("redis_py_asyncio.py"), &[]);
}

#[test]
fn django_caches_in_it() {
    run_script(&mut python("django_cache.py"), &[]);
}

#[test]
fn flask_caching_caches_in_it() {
    run_script(&mut python("flask_cache.py"), &[]);
}

#[test]
fn ioredis_does_its_daily_work() {
    run_node("ioredis.mjs");
}

#[test]
fn node_redis_does_its_daily_work() {
    run_node("node_redis.mjs");
}

#[test]
fn keyv_caches_in_it() {
    run_node("keyv.mjs");
}

#[test]
fn cache_manager_caches_in_it() {
    run_node("cache_manager.mjs");
}

#[test]
fn redis_cli_at_a_terminal_hints_and_completes() {
    run_script(&mut python("redis_cli_terminal.py"), &[]);
}

fn python(name: &str) -> Command {
    let mut command = Command::new(prepared("target/compat/venv/bin/python"));
    command.arg("-B").arg(script(name));
    command
}

fn run_node(name: &str) {
    let (mut command, folder) = node(name);
    run_script(&mut command, &[&folder]);
}

/// A script for Node.js, and the folder of modules that is its third argument.
fn node(name: &str) -> (Command, String) {
    let modules = prepared("target/compat/node/node_modules");
    let folder = modules.parent().unwrap_or(Path::new(".")).display().to_string();
    let mut command = Command::new("node");
    command.arg(script(name));
    (command, folder)
}

fn run_script(command: &mut Command, more: &[&str]) {
    run_on(&Peer::onefill(), command, more).close();
}

/// Runs a script to its end with a server's address and `more` as its arguments.
fn run_on(server: &Peer, command: &mut Command, more: &[&str]) -> Outcome {
    command.args(["127.0.0.1", &server.address.port().to_string()]).args(more);
    let finished = run::to_end(command, b"", CLIENT_LIMIT).unwrap_or_else(|error| panic!("{error}"));
    let outcome = read_lines(&finished.stdout).unwrap_or_else(|| {
        panic!("no report line; it ended with {}:\n{}\n{}", finished.status, finished.stdout, finished.stderr)
    });
    let agrees = finished.status.success() == outcome.failures.is_empty();
    assert!(agrees, "it ended with {}:\n{}", finished.status, finished.stderr);
    outcome
}

/// Reads a script's lines; `None` without its last line, `report <client> <version> <passed> <failed>`.
fn read_lines(printed: &str) -> Option<Outcome> {
    let failures: Vec<_> =
        printed.lines().filter(|line| line.starts_with("FAIL ")).map(str::to_owned).collect();
    let passed = printed.lines().filter(|line| line.starts_with("ok ")).count();
    let mut words = printed.lines().last()?.strip_prefix("report ")?.split(' ');
    let (client, version) = (words.next()?.to_owned(), words.next()?.to_owned());
    let counts: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    (counts == [passed, failures.len()]).then_some(Outcome { client, version, passed, failures })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("redis-compat/clients").join(name)
}

fn prepared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run redis-compat/clients/setup.sh first", path.display());
    path
}

#[cfg(test)]
mod tests {
    use super::read_lines;

    #[test]
    fn script_that_stops_early_has_no_outcome() {
        assert_eq!(read_lines("ok a\nok b\n"), None);
        assert_eq!(read_lines("ok a\nreport client 1.0 2 0\n"), None);
        assert_eq!(
            read_lines("ok a\nFAIL b: why\nreport client 1.0 1 1\n").map(|outcome| outcome.failures.len()),
            Some(1)
        );
    }
}
