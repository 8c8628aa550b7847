//! Instructions per request of the hottest paths, counted by valgrind and held against a committed baseline.
//!
//! A count says what wall-clock time cannot on a busy machine: the same code gives the same figure. Builds
//! benches/instructions as it is shipped (release), runs each of its paths under callgrind and fails where one is
//! further from benches/instructions/baseline.toml than `TOLERANCE`, in either direction: what became cheaper is to
//! be recorded, or it may be lost again unseen. After a change that is meant:
//! `UPDATE_BASELINE=1 cargo test --test instructions`.
//!
//! Without valgrind, or on an architecture without a baseline, the test says so and passes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// How far a count may be from its baseline, as a share of it.
const TOLERANCE: f64 = 0.03;
/// The same, where the compiler is another than the baseline's: it moves counts by itself.
const TOLERANCE_OTHER_COMPILER: f64 = 0.20;
/// What this program's counts belong to.
const ARCH: &str = std::env::consts::ARCH;
/// The C library chooses its memcpy by what the processor can do; without these all choose alike. Names that it
/// does not know are ignored.
const LIBC_CHOICES: &str =
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM";

/// Instructions per request by path.
type Counts = BTreeMap<String, f64>;

/// The committed figures.
#[derive(Debug, Deserialize)]
struct Baseline {
    /// What `rustc --version` said.
    rustc: String,
    /// By architecture.
    instructions: BTreeMap<String, Counts>,
}

impl Baseline {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/baseline.toml")
    }

    fn read() -> Baseline {
        toml::from_str(&std::fs::read_to_string(Baseline::path()).unwrap()).unwrap()
    }

    fn write(rustc: &str, counts: &Counts) {
        let mut text = String::from("# Instructions per request, release build, 16 requests per batch.\n");
        text.push_str("# Made by: UPDATE_BASELINE=1 cargo test --test instructions\n");
        writeln!(text, "rustc = \"{rustc}\"\n\n[instructions.{ARCH}]").unwrap();
        for (path, count) in counts {
            writeln!(text, "{path} = {count:.1}").unwrap();
        }
        std::fs::write(Baseline::path(), text).unwrap();
    }
}

/// One line per path that is too far from its baseline, or on one side only.
fn deviations(baseline: &Counts, now: &Counts, tolerance: f64) -> Vec<String> {
    let mut found = Vec::new();
    for (path, count) in now {
        let Some(before) = baseline.get(path) else {
            found.push(format!("{path}: {count:.1}, and no baseline"));
            continue;
        };
        let change = count / before - 1.0;
        if change.abs() > tolerance {
            let word = if change > 0.0 { "more" } else { "fewer" };
            found.push(format!(
                "{path}: {count:.1} instructions, {:.1} % {word} than {before:.1}",
                change.abs() * 100.0
            ));
        }
    }
    let gone = baseline.keys().filter(|path| !now.contains_key(*path));
    found.extend(gone.map(|path| format!("{path}: has a baseline and is no path any more")));
    found
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Builds the program as it is shipped; returns where it lies.
fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(["build", "--release", "--locked", "--example", "instructions", "--message-format", "json"]);
    let messages = output_of(&mut cargo);
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "instructions")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.expect("cargo says where the program is")
}

/// Instructions per request of one path.
fn count(program: &Path, path: &str) -> f64 {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{path}"));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .env("GLIBC_TUNABLES", LIBC_CHOICES)
        .args(["--tool=callgrind", "--toggle-collect=*instructions*measured*"]);
    valgrind.arg(format!("--callgrind-out-file={}", profile.display())).arg(program).arg(path);
    let requests: f64 = output_of(&mut valgrind).trim().parse().expect("the number of requests");
    let text = std::fs::read_to_string(&profile).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a line with the total");
    let total: f64 = total.trim().parse().unwrap();
    assert!(total > 0.0, "{path}: callgrind did not find the function that is to be counted");
    total / requests
}

fn count_all(program: &Path) -> Counts {
    let paths = output_of(Command::new(program).arg("--list"));
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            paths.lines().map(|path| (path.to_owned(), scope.spawn(move || count(program, path)))).collect();
        runs.into_iter().map(|(path, run)| (path, run.join().unwrap())).collect()
    })
}

fn say(text: &str) {
    // Past the capture of the test harness: a test that did not look must not look passed.
    io::stderr().write_all(format!("instructions: {text}\n").as_bytes()).unwrap();
}

#[test]
fn hot_paths_cost_what_the_baseline_says() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return say("NOT CHECKED: valgrind is not installed (apt install valgrind; ./run-tests does)");
    }
    let updates = std::env::var_os("UPDATE_BASELINE").is_some();
    if !updates && !Baseline::read().instructions.contains_key(ARCH) {
        return say(&format!("NOT CHECKED: no baseline for {ARCH}"));
    }
    let counts = count_all(&build());
    let rustc = output_of(Command::new("rustc").arg("--version")).trim().to_owned();
    if updates {
        return Baseline::write(&rustc, &counts);
    }
    let baseline = Baseline::read();
    let tolerance = if baseline.rustc == rustc { TOLERANCE } else { TOLERANCE_OTHER_COMPILER };
    let found = deviations(&baseline.instructions[ARCH], &counts, tolerance);
    assert!(
        found.is_empty(),
        "further than {:.0} % from benches/instructions/baseline.toml (made with {}; this is {rustc}):\n{}\n\
         if that is meant: UPDATE_BASELINE=1 cargo test --test instructions",
        tolerance * 100.0,
        baseline.rustc,
        found.join("\n")
    );
}

#[test]
fn deviations_are_found_in_both_directions_and_on_both_sides() {
    let counts = |pairs: &[(&str, f64)]| -> Counts {
        pairs.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    };
    let baseline = counts(&[("get", 1000.0), ("set", 1000.0), ("gone", 1.0)]);
    let within = counts(&[("get", 1029.0), ("set", 971.0), ("gone", 1.0)]);
    assert!(deviations(&baseline, &within, 0.03).is_empty());
    let found = deviations(&baseline, &counts(&[("get", 1031.0), ("set", 969.0), ("new", 1.0)]), 0.03);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("get: 1031.0 instructions, 3.1 % more than 1000.0"), "{found:?}");
}
