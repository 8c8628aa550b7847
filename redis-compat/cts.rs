//! The cases of the compatibility test suite (cts.json), run against Onefill.
//!
//! Owns: the suite's file format and which of its cases apply. Does not know: the suite's other servers.
//! Invariant: a case is skipped only for a reason that is counted and printed.

use crate::peer::Peer;
use crate::report;
use crate::script;
use crate::wire::{Connection, Reply};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

const NEWEST: (u32, u32) = (7, 2);

/// One case of the suite.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    command: Vec<String>,
    result: Vec<Value>,
    since: String,
    tags: Option<String>,
    #[serde(default)]
    sort_result: bool,
    #[serde(default)]
    command_binary: bool,
    #[serde(default)]
    skipped: bool,
}

#[derive(Debug, Default)]
struct Tally {
    run: usize,
    command_missing: usize,
    newer: usize,
    cluster: usize,
    marked_skipped: usize,
    failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, command_missing, newer, cluster, marked_skipped, failures } = self;
        write!(
            f,
            "{run} cases run, {} failed; skipped: {command_missing} with commands not here, {newer} newer than 7.2, \
             {cluster} for clusters, {marked_skipped} marked so by the suite",
            failures.len()
        )
    }
}

#[test]
fn cts_cases_of_our_commands_pass() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/cts/cts.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        report::line(&format!("redis-compat cts: SKIPPED, there is no {}", path.display()));
        return;
    };
    let cases: Vec<Case> = serde_json::from_str(&text).expect("cts.json in its format");
    let peer = Peer::onefill();
    let commands = commands_of(&mut peer.connect());
    let mut tally = Tally::default();
    for case in &cases {
        if applies(case, &commands, &mut tally) {
            tally.run += 1;
            tally.failures.extend(run(case, &mut peer.connect()).err());
        }
    }
    report::line(&format!("redis-compat cts: {tally}"));
    assert!(tally.failures.is_empty(), "{}\n{tally}", tally.failures.join("\n"));
    assert!(tally.run > 0, "no case of the suite applies");
}

fn commands_of(connection: &mut Connection) -> BTreeSet<String> {
    let reply = connection.call(&["COMMAND", "LIST"]).expect("COMMAND LIST");
    reply
        .elements()
        .into_iter()
        .filter_map(Reply::text)
        .map(|name| String::from_utf8_lossy(name).to_lowercase())
        .collect()
}

fn applies(case: &Case, commands: &BTreeSet<String>, tally: &mut Tally) -> bool {
    let reason = if case.skipped {
        &mut tally.marked_skipped
    } else if case.tags.as_deref() == Some("cluster") {
        &mut tally.cluster
    } else if version(&case.since) > NEWEST {
        &mut tally.newer
    } else if !case.command.iter().all(|command| exists(command, commands)) {
        &mut tally.command_missing
    } else {
        return true;
    };
    *reason += 1;
    false
}

fn exists(command: &str, commands: &BTreeSet<String>) -> bool {
    let lower = command.to_lowercase();
    let mut words = lower.split_whitespace();
    let (name, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_container = commands.iter().any(|known| known.starts_with(&format!("{name}|")));
    commands.contains(name)
        && (!is_container || second.is_empty() || commands.contains(&format!("{name}|{second}")))
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn run(case: &Case, connection: &mut Connection) -> Result<(), String> {
    let fail = |what: String| format!("cts / {}: {what}", case.name);
    connection.call(&["FLUSHALL"]).map_err(|error| fail(error.to_string()))?;
    for (command, expected) in case.command.iter().zip(&case.result) {
        let words = words_of(command, case.command_binary).map_err(&fail)?;
        let reply = connection.call(&words).map_err(|error| fail(format!("`{command}`: {error}")))?;
        if !agrees(expected, &reply, case.sort_result) {
            return Err(fail(format!("`{command}`\n    expected: {expected}\n    onefill:  {reply}")));
        }
    }
    Ok(())
}

/// The suite quotes with `"`. Only its binary cases mean their backslashes, and these outside quotes too.
fn words_of(command: &str, binary: bool) -> Result<Vec<Vec<u8>>, String> {
    let escaped = if binary { command.to_owned() } else { command.replace('\\', "\\\\") };
    let words = escaped.split_whitespace().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ");
    script::split_words(if escaped.contains('"') { &escaped } else { &words })
}

fn agrees(expected: &Value, reply: &Reply, sorted: bool) -> bool {
    match (expected, reply) {
        (Value::Null, reply) => reply.is_null(),
        (Value::Number(number), Reply::Int(value)) => number.as_i64() == Some(*value),
        (Value::String(text), Reply::Simple(bytes) | Reply::Bulk(bytes)) => text.as_bytes() == bytes,
        (Value::Array(list), Reply::Array(replies)) if list.len() == replies.len() => {
            let each = |one: &Value| replies.iter().any(|reply| agrees(one, reply, sorted));
            let in_order = list.iter().zip(replies).all(|(one, reply)| agrees(one, reply, sorted));
            in_order || (sorted && list.iter().all(each))
        }
        _ => false,
    }
}
