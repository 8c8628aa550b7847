//! Clients from Debian's packages: hiredis (C), phpredis, redis-rb, Perl's Redis, and a browser.
//!
//! Owns: finding out whether a package is there. Does not know: what the scripts check.
//! Invariant: a package that is not there is a row that says so, no failure: not every system has it.

use super::{CLIENT_LIMIT, python, run_on, run_script, script, table};
use crate::peer::{Peer, free_port};
use crate::run;
use std::path::Path;
use std::process::Command;

#[test]
fn phpredis_does_its_daily_work() {
    if is_there("phpredis", "php-cli php-redis", &["php", "-r", "exit(extension_loaded('redis') ? 0 : 1);"]) {
        run_script(Command::new("php").arg(script("phpredis.php")), &[]);
    }
}

#[test]
fn redis_rb_does_its_daily_work() {
    if is_there("redis-rb", "ruby ruby-redis", &["ruby", "-e", "require 'redis'"]) {
        run_script(Command::new("ruby").arg(script("redis_rb.rb")), &[]);
    }
}

#[test]
fn perl_redis_does_its_daily_work() {
    if is_there("perl-Redis", "libredis-perl", &["perl", "-MRedis", "-e", "1"]) {
        run_script(Command::new("perl").arg(script("redis_perl.pl")), &[]);
    }
}

#[test]
fn hiredis_does_its_daily_work() {
    let header = ["sh", "-c", "echo '#include <hiredis/hiredis.h>' | cc -E - >/dev/null"];
    if is_there("hiredis", "libhiredis-dev", &header) {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hiredis");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(script("hiredis.c"));
        let compiled = run::to_end(compiler.arg("-lhiredis"), b"", CLIENT_LIMIT);
        let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
        assert!(compiled.status.success(), "{}", compiled.stderr);
        run_script(&mut Command::new(program), &[]);
    }
}

/// The operator's page, which a browser itself judges.
#[test]
fn page_is_seen_by_a_browser() {
    let probe = ["sh", "-c", "test -x /usr/bin/chromium && test -x /usr/bin/chromedriver"];
    if is_there("chromium", "chromium chromium-driver", &probe) {
        let (port, token) = (free_port().to_string(), "a-token");
        let server = Peer::onefill_with(&["--metrics-port", &port, "--metrics-token", token]);
        let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.png").display().to_string();
        run_on(&server, &mut python("page_browser.py"), &[&port, token, &screenshot]).close();
    }
}

/// Whether `probe` succeeds; else the client's row names the packages to install.
pub fn is_there(client: &str, packages: &str, probe: &[&str]) -> bool {
    let probed = run::to_end(Command::new(probe[0]).args(&probe[1..]), b"", CLIENT_LIMIT);
    let there = probed.is_ok_and(|finished| finished.status.success());
    if !there {
        table::skipped(client, &format!("not installed (apt-get install {packages})"));
    }
    there
}
