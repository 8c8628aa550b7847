//! redis-cli's modes that take longer or never end: loading a million commands, looking at sizes, watching latency.
//!
//! Owns: these calls. Does not know: how redis-cli is started (tools.rs).
//! Invariant: an endless mode is ended when it has printed what it should.

use super::{CLI_LIMIT, cli, cli_command, fill_with_keys};
use crate::peer::Peer;
use crate::{report, run};
use std::fmt::Write;
use std::time::{Duration, Instant};

const LOADED: usize = 1_000_000;
const LOAD_LIMIT: Duration = Duration::from_secs(120);

#[test]
fn redis_cli_pipe_loads_a_million_commands() {
    let onefill = Peer::onefill();
    let mut frames = String::with_capacity(LOADED * 44);
    for n in 0..LOADED {
        let _ = write!(frames, "*3\r\n$3\r\nSET\r\n$11\r\nkey:{n:07}\r\n$7\r\n{n:07}\r\n");
    }
    let started = Instant::now();
    let piped = run::to_end(&mut cli_command(&onefill, &["--pipe"]), frames.as_bytes(), LOAD_LIMIT);
    let piped = piped.unwrap_or_else(|error| panic!("{error}"));
    assert!(piped.stdout.contains("errors: 0, replies: 1000000"), "{piped:?}");
    assert_eq!(cli(&onefill, &["DBSIZE"], "").stdout, "1000000\n");
    assert_eq!(cli(&onefill, &["GET", "key:0999999"], "").stdout, "0999999\n");
    report::line(&format!("redis-compat redis-cli --pipe: {LOADED} commands in {:.1?}", started.elapsed()));
}

#[test]
fn redis_cli_memkeys_names_the_key_that_takes_most() {
    let onefill = Peer::onefill();
    fill_with_keys(&onefill, 100);
    cli(&onefill, &["SET", "big", &"x".repeat(5_000)], "");
    let report = cli(&onefill, &["--memkeys", "-i", "0.01"], "");
    assert!(report.status.success() && report.stdout.contains("Sampled 101 keys"), "{report:?}");
    let (_, after) = report.stdout.split_once("Biggest string found '\"big\"' has ").expect("the biggest");
    let bytes: usize = after.split(' ').next().and_then(|word| word.parse().ok()).expect("its size");
    assert!((5_000..10_000).contains(&bytes), "{bytes} bytes for a value of 5,000");
}

#[test]
fn redis_cli_latency_history_keeps_on_measuring() {
    let onefill = Peer::onefill();
    // Without a terminal each sample is a row: minimum, maximum, average, number of samples. A range begins anew.
    let mut command = cli_command(&onefill, &["--latency-history", "-i", "1"]);
    let printed = run::until_lines(&mut command, 150, CLI_LIMIT).unwrap_or_else(|error| panic!("{error}"));
    let rows: Vec<&str> = printed.lines().collect();
    // The last row may be cut.
    let (ranges, samples): (Vec<&str>, Vec<&str>) =
        rows[..rows.len() - 1].iter().partition(|row| row.ends_with(" seconds range"));
    let is_sample = |row: &&str| row.split(' ').filter(|word| word.parse::<f64>().is_ok()).count() == 4;
    assert!(!ranges.is_empty() && samples.iter().all(is_sample), "{printed}");
}

#[test]
fn redis_cli_measures_the_machine_itself() {
    let onefill = Peer::onefill();
    let measured = cli(&onefill, &["--intrinsic-latency", "1"], "");
    assert!(measured.status.success() && measured.stdout.contains("total runs"), "{measured:?}");
}
