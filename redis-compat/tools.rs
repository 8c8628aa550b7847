//! Redis's own tools doing their daily work: redis-cli and redis-benchmark.
//!
//! Owns: the calls people make. Does not know: what each command answers; redis-cli's output against a real
//! redis-server is the reference.
//! Invariant: every call ends within a bound, also when a server does not answer.

mod modes;

use crate::peer::Peer;
use crate::report;
use crate::run::{self, Finished};
use std::process::Command;
use std::time::Duration;

const CLI_LIMIT: Duration = Duration::from_secs(30);
const BENCHMARK_LIMIT: Duration = Duration::from_secs(120);

/// One call of redis-cli: its arguments, and its standard input.
type Call<'a> = (&'a [&'a str], &'a str);

const DAILY_CALLS: &[Call] = &[
    (&["PING"], ""),
    (&["SET", "k", "a b"], ""),
    (&["GET", "k"], ""),
    (&["GET", "none"], ""),
    (&["-3", "GET", "none"], ""),
    (&["-3", "MGET", "k", "none"], ""),
    (&["-n", "3", "SET", "k", "three"], ""),
    (&["-n", "3", "GET", "k"], ""),
    (&["-r", "5", "INCR", "n"], ""),
    (&["--csv", "MGET", "k", "none", "n"], ""),
    (&["--json", "MGET", "k", "none", "n"], ""),
    (&["-2", "--json", "MGET", "k", "none"], ""),
    (&["--no-raw", "MGET", "k", "none", "n"], ""),
    (&["--no-raw", "GET", "none"], ""),
    (&["--no-raw", "-3", "GET", "none"], ""),
    (&["-d", ";", "MGET", "k", "n"], ""),
    (&["-x", "SET", "fromstdin"], "line one\nline two"),
    (&["GET", "fromstdin"], ""),
    (&["-X", "tag", "MSET", "x", "tag", "y", "1"], "value"),
    (&["--quoted-input", "SET", "\"bin\\x00\\xff\"", "v"], ""),
    (&["--no-raw", "KEYS", "bin*"], ""),
    (&["nonsense", "a", "b"], ""),
    (&["-e", "nonsense"], ""),
    (&["-e", "GET"], ""),
    (&["SET", "k", "v", "EX", "0"], ""),
    (&["--no-raw", "LCS", "k", "n", "IDX"], ""),
    (&["--no-raw", "CONFIG", "GET", "save"], ""),
    (&["--no-raw", "-3", "CONFIG", "GET", "databases"], ""),
    (&["--json", "CONFIG", "GET", "appendonly"], ""),
    (&["CLIENT", "GETNAME"], ""),
    (&["--verbose", "GET", "k"], ""),
];

const SESSIONS: &[&str] = &[
    "SET greeting \"hello \\\"world\\\"\\n\\x41\"\nGET greeting\nSTRLEN greeting\n",
    "SET 'single quoted' 'it\\'s'\nGET 'single quoted'\n",
    "MULTI\nSET a 1\nINCR a\nGET a\nEXEC\nGET a\n",
    "MULTI\nINCR a\nDISCARD\nEXEC\n",
    "SELECT 4\nSET here v\nDBSIZE\nSELECT 0\nEXISTS here\n",
    "HELLO 3 AUTH\nGET none\nWATCH a\nMULTI\nGET\nEXEC\n",
    "SET k v\nEXPIRE k 100\nPERSIST k\nTTL k\nOBJECT ENCODING k\nTYPE k\n",
    "3 INCR counted\nGET counted\n",
    "SET broken \"unbalanced\nPING\n",
];

#[test]
fn redis_cli_prints_what_it_prints_with_redis() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let mut different = Vec::new();
    let sessions: Vec<Call> = SESSIONS.iter().map(|input| (&[] as &[&str], *input)).collect();
    for (args, input) in DAILY_CALLS.iter().chain(&sessions) {
        let (theirs, ours) = (cli(&redis, args, input), cli(&onefill, args, input));
        let same =
            (theirs.status, &theirs.stdout, &theirs.stderr) == (ours.status, &ours.stdout, &ours.stderr);
        if !same {
            different.push(format!(
                "redis-cli {args:?} <<< {input:?}\n    redis:   {theirs:?}\n    onefill: {ours:?}"
            ));
        }
    }
    report::line(&format!(
        "redis-compat redis-cli: {} calls, {} differ",
        DAILY_CALLS.len() + SESSIONS.len(),
        different.len()
    ));
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn redis_cli_scan_finds_every_key_once() {
    let onefill = Peer::onefill();
    fill_with_keys(&onefill, 1_000);
    assert_eq!(sorted_lines(&cli(&onefill, &["--scan"], "").stdout).len(), 1_000);
    assert_eq!(sorted_lines(&cli(&onefill, &["--scan", "--pattern", "key:99?"], "").stdout).len(), 10);
}

#[test]
fn redis_cli_pipe_loads_a_file_of_commands() {
    let onefill = Peer::onefill();
    let frames: String =
        (0..10_000).map(|n| format!("*3\r\n$3\r\nSET\r\n$8\r\nkey:{n:04}\r\n$2\r\nvv\r\n")).collect();
    let piped = cli(&onefill, &["--pipe"], &frames);
    assert!(piped.stdout.contains("errors: 0, replies: 10000"), "{piped:?}");
    assert_eq!(cli(&onefill, &["DBSIZE"], "").stdout, "10000\n");
}

#[test]
fn redis_cli_bigkeys_names_the_biggest_string() {
    let onefill = Peer::onefill();
    fill_with_keys(&onefill, 100);
    cli(&onefill, &["SET", "big", &"x".repeat(5_000)], "");
    let report = cli(&onefill, &["--bigkeys"], "");
    assert!(report.status.success() && report.stdout.contains("Sampled 101 keys"), "{report:?}");
    assert!(report.stdout.contains("Biggest string found '\"big\"' has 5000 bytes"), "{report:?}");
}

#[test]
fn redis_cli_stat_prints_true_key_counts() {
    let onefill = Peer::onefill();
    fill_with_keys(&onefill, 321);
    // Into a pipe it writes whole blocks, so a short interval makes the first block come soon.
    let mut command = cli_command(&onefill, &["--stat", "-i", "0.02"]);
    let printed =
        run::until_lines(&mut command, 20, CLI_LIMIT).unwrap_or_else(|error| panic!("--stat: {error}"));
    // A row is: keys, memory, clients, blocked, requests, connections. The block's last row may be cut.
    let rows: Vec<_> = printed.lines().filter(|row| row.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(rows.len() > 10 && rows[..rows.len() - 1].iter().all(|row| row.starts_with("321 ")), "{printed}");
}

#[test]
fn redis_cli_with_a_password_and_a_url_connects() {
    let onefill = Peer::onefill();
    cli(&onefill, &["CONFIG", "SET", "requirepass", "secret"], "");
    assert!(cli(&onefill, &["PING"], "").stdout.contains("NOAUTH"));
    assert_eq!(cli(&onefill, &["--no-auth-warning", "-a", "secret", "PING"], "").stdout, "PONG\n");
    assert_eq!(
        cli(&onefill, &["--no-auth-warning", "-3", "--user", "default", "--pass", "secret", "PING"], "")
            .stdout,
        "PONG\n"
    );
    let url = format!("redis://default:secret@127.0.0.1:{}/5", onefill.address.port());
    assert_eq!(cli(&onefill, &["--no-auth-warning", "-u", &url, "SET", "k", "v"], "").stdout, "OK\n");
    assert!(cli(&onefill, &["--no-auth-warning", "-a", "wrong", "PING"], "").stderr.contains("AUTH failed"));
}

#[test]
fn redis_cli_latency_measures() {
    let onefill = Peer::onefill();
    let measured = cli(&onefill, &["--latency", "-i", "1"], "");
    // Without a terminal it prints once: min, max, average, samples.
    let numbers = measured.stdout.split_whitespace().filter(|word| word.parse::<f64>().is_ok()).count();
    assert!(measured.status.success() && numbers >= 4, "{measured:?}");
}

#[test]
fn redis_benchmark_runs_at_each_depth() {
    let onefill = Peer::onefill();
    for depth in ["1", "16", "64"] {
        let result = benchmark(&onefill, &["-t", "ping,set,get,incr,mset", "-n", "20000", "-P", depth, "-q"]);
        check_benchmark(&result, &["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]);
    }
}

#[test]
fn redis_benchmark_with_threads_runs() {
    let onefill = Peer::onefill();
    let result =
        benchmark(&onefill, &["-t", "ping,set,get,incr,mset", "-n", "20000", "--threads", "2", "-q"]);
    check_benchmark(&result, &["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]);
    let random = benchmark(
        &onefill,
        &["-t", "set,get", "-n", "20000", "-r", "10000", "-d", "1000", "-P", "16", "-q", "-3"],
    );
    check_benchmark(&random, &["SET", "GET"]);
}

#[test]
fn redis_benchmark_csv_has_a_rate_in_every_row() {
    let onefill = Peer::onefill();
    let result = benchmark(&onefill, &["-t", "ping,set,get,incr,mset", "-n", "20000", "--csv"]);
    check_benchmark(
        &result,
        &["\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"", "\"GET\"", "\"INCR\"", "\"MSET (10 keys)\""],
    );
    for row in result.stdout.lines().skip(1) {
        let rate = row.split("\",\"").nth(1).and_then(|field| field.parse::<f64>().ok());
        assert!(rate.is_some_and(|rate| rate > 0.0), "{row}");
    }
}

fn cli_command(peer: &Peer, args: &[&str]) -> Command {
    let mut command = Command::new("redis-cli");
    // A person's own settings must not decide what is printed.
    command
        .env_remove("REDISCLI_AUTH")
        .env("REDISCLI_RCFILE", "/dev/null")
        .env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command.args(["-h", "127.0.0.1", "-p", &peer.address.port().to_string()]).args(args);
    command
}

fn cli(peer: &Peer, args: &[&str], input: &str) -> Finished {
    run::to_end(&mut cli_command(peer, args), input.as_bytes(), CLI_LIMIT)
        .unwrap_or_else(|error| panic!("redis-cli {args:?} with {}: {error}", peer.name))
}

fn benchmark(peer: &Peer, args: &[&str]) -> Finished {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", "127.0.0.1", "-p", &peer.address.port().to_string()]).args(args);
    run::to_end(&mut command, b"", BENCHMARK_LIMIT)
        .unwrap_or_else(|error| panic!("redis-benchmark {args:?}: {error}"))
}

fn check_benchmark(result: &Finished, names: &[&str]) {
    assert!(result.status.success(), "{result:?}");
    let complaints = ["ERR", "Error", "WARNING", "WARN"];
    let complains = |text: &str| complaints.iter().any(|word| text.contains(word));
    assert!(!complains(&result.stdout) && !complains(&result.stderr), "{result:?}");
    // `-q` rewrites its line with \r, so a name begins a line or follows one.
    let rows: Vec<&str> = result.stdout.split(['\n', '\r']).collect();
    for name in names {
        let finished = rows.iter().any(|row| {
            row.starts_with(name) && (row.contains("requests per second") || row.contains("\",\""))
        });
        assert!(finished, "no result for {name}: {result:?}");
    }
}

fn fill_with_keys(peer: &Peer, count: usize) {
    let mut connection = peer.connect();
    let pairs = (0..count).flat_map(|n| [format!("key:{n}"), "v".to_owned()]);
    let command: Vec<String> = std::iter::once("MSET".to_owned()).chain(pairs).collect();
    connection.call(&command).expect("MSET");
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}
