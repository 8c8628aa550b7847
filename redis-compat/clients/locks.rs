//! Locks, limiters and caches of other libraries that stand on Lua scripts, on both servers.
//!
//! Owns: which they are. Does not know: what the scripts beside this file check.
//! Not here: pyrate-limiter, which keeps its hits in a sorted set; what else of a library needs such types is said in its
//! script, and in docs/scripts.md.
//! Invariant: each also does its work on redis-server, so that a check which fails on Onefill alone is a difference.

use super::{node, python, run_on};
use crate::peer::Peer;
use std::process::Command;

#[test]
fn redis_py_locks_are_held_once() {
    python_on_both("redis_py_lock.py", &[]);
}

/// Onefill with more workers than this machine may have cores: callers of one lock are then on different ones.
#[test]
fn crowd_of_processes_holds_each_lock_once_and_loses_no_count() {
    python_on_both("redis_py_crowd.py", &["--io-threads", "4"]);
}

#[test]
fn django_redis_locks_and_counts() {
    python_on_both("django_redis_cache.py", &[]);
}

#[test]
fn python_redis_lock_locks_as_far_as_strings_go() {
    python_on_both("python_redis_lock.py", &[]);
}

#[test]
fn pottery_locks() {
    python_on_both("pottery_redlock.py", &[]);
}

#[test]
fn aiocache_locks() {
    python_on_both("aiocache_locks.py", &[]);
}

#[test]
fn dogpile_computes_once() {
    python_on_both("dogpile_region.py", &[]);
}

#[test]
fn cashews_locks_and_limits() {
    python_on_both("cashews_cache.py", &[]);
}

#[test]
fn fastapi_cache_caches_and_clears() {
    python_on_both("fastapi_cached.py", &[]);
}

#[test]
fn limits_counts_fixed_and_sliding_windows() {
    python_on_both("limits_strategies.py", &[]);
}

#[test]
fn flask_limiter_guards_an_application() {
    python_on_both("flask_limiter_app.py", &[]);
}

#[test]
fn redlock_locks_in_both_of_its_versions() {
    for package in ["redlock", "redlock5"] {
        node_on_both("redlock.mjs", &[package]);
    }
}

#[test]
fn rate_limiter_flexible_limits() {
    node_on_both("rate_limiter_flexible.mjs", &[]);
}

#[test]
fn express_rate_limit_guards_an_application() {
    node_on_both("rate_limit_redis.mjs", &[]);
}

fn python_on_both(name: &str, settings: &[&str]) {
    on_both(|| (python(name), vec![]), settings);
}

fn node_on_both(name: &str, more: &[&str]) {
    let with_modules = || {
        let (command, folder) = node(name);
        (command, std::iter::once(folder).chain(more.iter().map(ToString::to_string)).collect())
    };
    on_both(with_modules, &[]);
}

/// Runs a script on redis-server, then on Onefill with `settings`, whose outcome is the client's row.
fn on_both(client: impl Fn() -> (Command, Vec<String>), settings: &[&str]) {
    let run = |server: &Peer| {
        let (mut command, more) = client();
        run_on(server, &mut command, &more.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let reference = run(&Peer::redis());
    let failures = reference.failures.join("\n");
    assert!(failures.is_empty(), "a check is wrong, redis-server fails it:\n{failures}");
    run(&Peer::onefill_with(settings)).close();
}
