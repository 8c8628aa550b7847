//! Redis's own test-suite, run against Onefill in the place of redis-server.
//!
//! Owns: running its units and judging their outcome by `redis-suite/units.toml`. Does not know: what a test does.
//! Invariant: the list of skipped tests may only shrink: a test that fails must be on it, and one that is on it
//! and passes must come off.

use crate::report;
use crate::run;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Units that run at a time.
const UNITS_AT_A_TIME: usize = 3;
/// Longest time for a unit.
const UNIT_LIMIT: Duration = Duration::from_secs(90);
/// Longest time for the download.
const FETCH_LIMIT: Duration = Duration::from_secs(120);
/// `fetch.sh` ends with it where the source package cannot be had.
const CANNOT_FETCH: i32 = 3;
/// Where the suite looks for free ports; each run of a unit has its own range.
const PORT_FIRST: usize = 21_500;
const PORTS_PER_RUN: usize = 60;
/// Tests with these tags are for something that this server is not.
const TAGS: &str = "-needs:repl -cluster -large-memory -tls";

/// `units.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    unit: Vec<Unit>,
    left_out: Vec<LeftOut>,
}

/// A file of the suite that is run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    name: String,
    /// Blocks of its file that are left out, by how they begin, each up to the next line that is a closing brace alone: what
    /// fails there ends the run.
    #[serde(default)]
    cut: Vec<String>,
    #[serde(default)]
    skip: Vec<Skip>,
}

/// Tests that cannot pass, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    reason: String,
    tests: Vec<String>,
    /// They hang, take long or harm what follows, so they are not even tried.
    #[serde(default)]
    never: bool,
    /// Errors outside of any test, such as a server that does not start: they cannot be skipped.
    #[serde(default)]
    outside: bool,
}

/// Files of the suite that are not run, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    reason: String,
    units: Vec<String>,
}

impl Unit {
    /// The tests whose list is one that `wanted` chooses.
    fn listed(&self, wanted: impl Fn(&Skip) -> bool) -> Vec<&str> {
        self.skip
            .iter()
            .filter(|skip| wanted(skip))
            .flat_map(|skip| skip.tests.iter().map(String::as_str))
            .collect()
    }
}

#[test]
fn redis_suite_passes_but_for_the_listed_tests() {
    let source = match fetch() {
        Ok(source) => source,
        Err(why) => return report::line(&format!("redis-suite: skipped: {why}")),
    };
    let plan = load();
    let started = Instant::now();
    let mut wrong = unplanned(&plan, &source);
    let work: Mutex<VecDeque<(usize, &Unit)>> = Mutex::new(plan.unit.iter().enumerate().collect());
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..UNITS_AT_A_TIME {
            scope.spawn(|| {
                while let Some((number, unit)) = next(&work) {
                    let verdict = judge(unit, number, &source);
                    lock(&verdicts).push(verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    let passed: usize = verdicts.iter().map(|verdict| verdict.passed).sum();
    let skipped: usize = plan.unit.iter().map(|unit| unit.listed(|_| true).len()).sum();
    report::line(&format!(
        "redis-suite: {} units, {passed} tests passed, {skipped} on the list, {} s",
        plan.unit.len(),
        started.elapsed().as_secs()
    ));
    wrong.extend(verdicts.into_iter().flat_map(|verdict| verdict.wrong));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn redis_suite_list_gives_a_reason_for_each_test_once() {
    let plan = load();
    for unit in &plan.unit {
        let names = unit.listed(|_| true);
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len(), "{}: a test is listed twice", unit.name);
        assert!(
            unit.skip.iter().all(|skip| !skip.reason.is_empty() && !skip.tests.is_empty()),
            "{}",
            unit.name
        );
    }
    assert!(plan.left_out.iter().all(|left_out| !left_out.reason.is_empty()));
}

/// What came of a unit.
struct Verdict {
    passed: usize,
    wrong: Vec<String>,
}

/// Runs a unit without the tests that are listed, then these alone.
fn judge(unit: &Unit, number: usize, source: &Path) -> Verdict {
    let mut wrong = Vec::new();
    let all_others = Selection::AllBut(unit.listed(|skip| !skip.outside));
    let first = run_unit(unit, number * 2, source, &all_others);
    let outside = unit.listed(|skip| skip.outside);
    for error in outside.iter().filter(|error| !first.failed.contains_key(**error)) {
        wrong.push(format!("{}: {error:?} happens no more: take it off the list", unit.name));
    }
    let mut failed = first.failed;
    failed.retain(|test, _| !outside.contains(&test.as_str()));
    if !failed.is_empty() {
        // Many of these tests wait for fixed times: one that a busy machine spoiled passes by itself.
        let again = failed.keys().map(String::as_str).collect();
        let again = run_unit(unit, number * 2, source, &Selection::Only(again));
        for test in failed.keys().filter(|test| again.passed.contains(*test)) {
            report::line(&format!("redis-suite: {}: {test:?} passed at the second try", unit.name));
        }
        failed.retain(|test, _| !again.passed.contains(test));
    }
    for (test, text) in &failed {
        wrong.push(format!("{}: {test:?} fails and is not on the list: {text}", unit.name));
    }
    if !first.is_complete {
        wrong.push(format!("{}: did not come to its end: {}", unit.name, first.end));
    }
    let listed = unit.listed(|skip| !skip.never && !skip.outside);
    if !listed.is_empty() {
        let second = run_unit(unit, number * 2 + 1, source, &Selection::Only(listed.clone()));
        for test in &second.passed {
            wrong.push(format!("{}: {test:?} passes now: take it off the list", unit.name));
        }
        let unseen = |test: &&&str| !second.passed.contains(**test) && !second.failed.contains_key(**test);
        for test in listed.iter().filter(unseen).filter(|_| second.is_complete) {
            wrong.push(format!("{}: {test:?} is on the list, but there is no such test", unit.name));
        }
    }
    Verdict { passed: first.passed.len(), wrong }
}

/// Which tests of a unit run.
enum Selection<'a> {
    AllBut(Vec<&'a str>),
    Only(Vec<&'a str>),
}

/// The tests of one run by their outcome.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    passed: BTreeSet<String>,
    /// With what the suite says of it.
    failed: BTreeMap<String, String>,
    is_complete: bool,
    /// The last of its output.
    end: String,
}

fn run_unit(unit: &Unit, number: usize, source: &Path, selection: &Selection<'_>) -> Outcome {
    let folder = prepare(unit, number, source).unwrap_or_else(|error| panic!("{}: {error}", unit.name));
    let pids = folder.join("pids");
    let mut command = Command::new("tclsh");
    command.current_dir(&folder).env("SUITE_BINARY", binary()).env("SUITE_PIDS", &pids);
    command.args([
        "tests/test_helper.tcl",
        "--single",
        &unit.name,
        "--durable",
        "--clients",
        "1",
        "--tags",
        TAGS,
    ]);
    // Figures that a busy machine spoils are not judged.
    command.arg("--no-latency").args(["--baseport", &(PORT_FIRST + number * PORTS_PER_RUN).to_string()]);
    command.args(["--portcount", &(PORTS_PER_RUN - 10).to_string()]);
    match selection {
        Selection::AllBut(tests) => {
            fs::write(folder.join("skip"), tests.join("\n")).expect("a file in target");
            command.args(["--skipfile", "skip"]);
        }
        Selection::Only(tests) => {
            command.args(tests.iter().flat_map(|test| ["--only", test]));
        }
    }
    let finished = run::to_end(&mut command, b"", UNIT_LIMIT);
    end_servers(&pids);
    match finished {
        Ok(finished) => read_outcome(&finished.stdout),
        Err(why) => Outcome { end: why, ..Outcome::default() },
    }
}

/// A folder as the suite expects it: its tests, and the programs it calls.
fn prepare(unit: &Unit, number: usize, source: &Path) -> std::io::Result<PathBuf> {
    let folder = target().join(format!("redis-suite/run-{number}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("tests/tmp"))?;
    fs::create_dir_all(folder.join("src"))?;
    for entry in fs::read_dir(source.join("tests"))? {
        let entry = entry?;
        if entry.file_name() != "tmp" && (entry.file_name() != "unit" || unit.cut.is_empty()) {
            symlink(entry.path(), folder.join("tests").join(entry.file_name()))?;
        }
    }
    if !unit.cut.is_empty() {
        let file = folder.join(format!("tests/{}.tcl", unit.name));
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        let text = fs::read_to_string(source.join(format!("tests/{}.tcl", unit.name)))?;
        fs::write(file, unit.cut.iter().fold(text, |text, begin| without_block(&text, begin)))?;
    }
    symlink(suite().join("redis-server"), folder.join("src/redis-server"))?;
    for tool in ["redis-cli", "redis-benchmark"] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.exists());
        symlink(found.unwrap_or_else(|| PathBuf::from(tool)), folder.join("src").join(tool))?;
    }
    Ok(folder)
}

/// A file of the suite without the block that begins like this.
fn without_block(text: &str, begin: &str) -> String {
    let from = text.find(begin).unwrap_or_else(|| panic!("no block begins with {begin:?}"));
    let end = text[from..].find("\n}\n").map_or(text.len(), |end| from + end + 3);
    format!("{}{}", &text[..from], &text[end..])
}

/// Ends the servers of a run that are still there, by the ids they noted.
fn end_servers(pids: &Path) {
    let noted = fs::read_to_string(pids).unwrap_or_default();
    for pid in noted.split_whitespace() {
        let command = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        // The number may belong to another process by now: only one of this run carries the file's name.
        let name = pids.as_os_str().as_encoded_bytes();
        if command.windows(name.len()).any(|part| part == name) {
            // It may have ended in between, which is what is wanted.
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
    }
}

/// Reads the suite's report: `[ok]: name (3 ms)`, `[err]: name in tests/unit/x.tcl` and lines of explanation.
fn read_outcome(output: &str) -> Outcome {
    let plain = without_colors(output);
    let (body, tail) =
        plain.split_once("The End").map_or((plain.as_str(), None), |(body, tail)| (body, Some(tail)));
    let mut outcome = Outcome { is_complete: tail.is_some(), ..Outcome::default() };
    let mut failing: Option<String> = None;
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("[ok]: ") {
            failing = None;
            outcome.passed.insert(rest.rsplit_once(" (").map_or(rest, |(name, _)| name).to_owned());
        } else if let Some(rest) = line.strip_prefix("[err]: ") {
            let name = rest.rsplit_once(" in tests/").map_or(rest, |(name, _)| name).to_owned();
            outcome.failed.insert(name.clone(), String::new());
            failing = Some(name);
        } else if line.starts_with('[') {
            failing = None;
            outcome.is_complete &= !line.starts_with("[exception]");
        } else if let Some(text) = failing.as_ref().and_then(|name| outcome.failed.get_mut(name)) {
            // The first lines say what is wrong, the rest is Tcl's stack.
            if text.len() < 300 {
                let _ = write!(text, "{line} ");
            }
        }
    }
    outcome.passed.retain(|name| !outcome.failed.contains_key(name));
    outcome.end = body.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
    outcome
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or(part, |(_, text)| text)));
    plain
}

/// Files of the suite that the plan does not mention, and what it mentions that is no file of the suite.
fn unplanned(plan: &Plan, source: &Path) -> Vec<String> {
    let mut files = BTreeSet::new();
    for folder in ["unit", "unit/type"] {
        let entries = fs::read_dir(source.join("tests").join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        files.extend(names.filter_map(|name| Some(format!("{folder}/{}", name.strip_suffix(".tcl")?))));
    }
    let left_out = plan.left_out.iter().flat_map(|left_out| left_out.units.iter().cloned());
    let planned: BTreeSet<String> = plan.unit.iter().map(|unit| unit.name.clone()).chain(left_out).collect();
    let missing = files.difference(&planned).map(|file| format!("{file} is not in units.toml"));
    missing.chain(planned.difference(&files).map(|name| format!("{name} is no file of the suite"))).collect()
}

fn next<'p>(work: &Mutex<VecDeque<(usize, &'p Unit)>>) -> Option<(usize, &'p Unit)> {
    lock(work).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn fetch() -> Result<PathBuf, String> {
    let finished = run::to_end(&mut Command::new(suite().join("fetch.sh")), b"", FETCH_LIMIT)?;
    match finished.status.code() {
        Some(0) => Ok(target().join("redis-suite/source")),
        Some(CANNOT_FETCH) => Err(finished.stdout.trim().to_owned()),
        _ => panic!("fetch.sh: {}\n{}", finished.stdout, finished.stderr),
    }
}

fn load() -> Plan {
    let text = fs::read_to_string(suite().join("units.toml")).expect("units.toml");
    toml::from_str(&text).unwrap_or_else(|error| panic!("units.toml: {error}"))
}

fn suite() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("redis-compat/redis-suite")
}

fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")
}

fn binary() -> String {
    std::env::var("ONEFILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_onefill").to_owned())
}

#[test]
fn redis_suite_report_is_read_by_name() {
    let report = "[\x1b[0;32;49mok\x1b[0m]: a (b) (3 ms)\n[err]: c in tests/unit/x.tcl\nExpected 1\n[ok]: d (0 ms)\nThe End\n*** [err]: c";
    let outcome = read_outcome(report);
    assert_eq!(outcome.passed, BTreeSet::from(["a (b)".to_owned(), "d".to_owned()]));
    assert_eq!(outcome.failed, BTreeMap::from([("c".to_owned(), "Expected 1 ".to_owned())]));
    assert!(outcome.is_complete);
    assert!(!read_outcome("[ok]: a (0 ms)\n[exception]: x\nThe End").is_complete);
    assert!(!read_outcome("[ok]: a (0 ms)").is_complete);
}
