//! The command line: one table of numbers feeds parsing and `--help`.
//!
//! Worker processes get the parent's command line behind their hidden one, so both read the same options.

use std::time::Duration;

/// Callers in all: each holds a connection to the server, which takes 10,000, and one to the origin.
const MOST_CALLERS: u64 = 5_000;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    pub processes: u64,
    pub tasks: u64,
    pub keys: u64,
    pub zipf: f64,
    pub seconds: f64,
    pub pause_ms: f64,
    pub latency_ms: f64,
    pub capacity: u64,
    pub errors_pct: f64,
    pub ttl_ms: u64,
    pub grace_ms: u64,
    pub beta: f64,
    pub seed: u64,
    /// Address of a running server; `None` starts one.
    pub server: Option<String>,
    /// One connection per process instead of one per task.
    pub share_connection: bool,
    /// Fail unless FILL did what it promises.
    pub check: bool,
}

/// A number on the command line: `--name`, its default and bounds, what it means, where it goes.
struct Row {
    name: &'static str,
    default: f64,
    least: f64,
    most: f64,
    whole: bool,
    help: &'static str,
    set: fn(&mut Options, f64),
}

macro_rules! row {
    ($name:literal, $default:literal, $least:literal..=$most:literal, $field:ident: u64, $help:literal) => {
        Row {
            name: $name,
            default: $default,
            least: $least,
            most: $most,
            whole: true,
            help: $help,
            // Whole and in bounds by then, so nothing is lost.
            set: |options, number| options.$field = number as u64,
        }
    };
    ($name:literal, $default:literal, $least:literal..=$most:literal, $field:ident: f64, $help:literal) => {
        Row {
            name: $name,
            default: $default,
            least: $least,
            most: $most,
            whole: false,
            help: $help,
            set: |options, number| options.$field = number,
        }
    };
}

const ROWS: &[Row] = &[
    row!("processes", 4.0, 1.0..=64.0, processes: u64, "worker processes"),
    row!(
        "tasks", 50.0, 1.0..=1000.0, tasks: u64,
        "callers in each process, each asking for one key after another"
    ),
    row!("keys", 50.0, 1.0..=1_000_000.0, keys: u64, "different keys"),
    row!("zipf", 1.0, 0.0..=5.0, zipf: f64, "skew of the keys' popularity; 0 asks for all alike"),
    row!("seconds", 6.0, 0.5..=600.0, seconds: f64, "length of each of the two runs"),
    row!("pause-ms", 20.0, 0.0..=60_000.0, pause_ms: f64, "mean pause of a caller between two requests"),
    row!("latency-ms", 100.0, 1.0..=10_000.0, latency_ms: f64, "time the origin needs for one value"),
    row!(
        "capacity", 16.0, 1.0..=10_000.0, capacity: u64,
        "values the origin computes at a time; further calls queue"
    ),
    row!("errors", 1.0, 0.0..=100.0, errors_pct: f64, "percentage of the origin's calls that fail"),
    row!("ttl-ms", 1000.0, 50.0..=3_600_000.0, ttl_ms: u64, "how long a value lives"),
    row!(
        "grace-ms", 0.0, 0.0..=3_600_000.0, grace_ms: u64,
        "FILL only: how long past its TTL a value is served stale"
    ),
    row!(
        "beta", 0.0, 0.0..=100.0, beta: f64,
        "FILL only: early refresh (these calls come before any expiry)"
    ),
    row!("seed", 1.0, 0.0..=4_294_967_295.0, seed: u64, "seed of keys, pauses and errors"),
];

/// What the command line asks for.
pub enum Asked {
    Help(String),
    Run(Options),
}

impl Options {
    /// The options in `args`. Errors name the argument.
    pub fn parse(args: &[String]) -> Result<Asked, String> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(Asked::Help(help())),
                "--check" => options.check = true,
                "--share-connection" => options.share_connection = true,
                "--server" => options.server = Some(args.next().ok_or("--server needs HOST:PORT")?.clone()),
                other => {
                    let row = ROWS.iter().find(|row| other.strip_prefix("--") == Some(row.name));
                    let row = row.ok_or_else(|| format!("unknown option {other}; see --help"))?;
                    (row.set)(&mut options, row.read(args.next())?);
                }
            }
        }
        if options.processes * options.tasks > MOST_CALLERS {
            return Err(format!("--processes times --tasks may be at most {MOST_CALLERS}"));
        }
        Ok(Asked::Run(options))
    }

    /// Length of one way's run.
    pub fn run_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Time the origin needs for one value.
    pub fn latency(&self) -> Duration {
        Duration::from_secs_f64(self.latency_ms / 1000.0)
    }
}

impl Default for Options {
    fn default() -> Options {
        let mut options = Options {
            processes: 0,
            tasks: 0,
            keys: 0,
            zipf: 0.0,
            seconds: 0.0,
            pause_ms: 0.0,
            latency_ms: 0.0,
            capacity: 0,
            errors_pct: 0.0,
            ttl_ms: 0,
            grace_ms: 0,
            beta: 0.0,
            seed: 0,
            server: None,
            share_connection: false,
            check: false,
        };
        ROWS.iter().for_each(|row| (row.set)(&mut options, row.default));
        options
    }
}

impl Row {
    fn read(&self, text: Option<&String>) -> Result<f64, String> {
        let number = text.and_then(|text| text.parse().ok()).filter(|number: &f64| {
            (self.least..=self.most).contains(number) && (!self.whole || number.fract() == 0.0)
        });
        let kind = if self.whole { "a whole number" } else { "a number" };
        number.ok_or_else(|| format!("--{} needs {kind} from {} to {}", self.name, self.least, self.most))
    }
}

fn help() -> String {
    let mut text = String::from(
        "A stampede to watch: many callers in many processes ask for the values of a slow origin, whose keys
keep expiring; first with plain cache-aside (GET, SET PX), then with FILL.GET and FILL.PUT.

Usage: cargo run --release --example stampede -- [OPTIONS]

",
    );
    let mut line = |name: &str, help: &str, default: &str| {
        text.push_str(&format!("  {:<22} {help}{default}\n", format!("--{name}")));
    };
    for row in ROWS {
        line(&format!("{} N", row.name), row.help, &format!(" [{}]", row.default));
    }
    line("server HOST:PORT", "a running Onefill server", " [one is started on a free port]");
    line("share-connection", "one connection per process instead of one per task", "");
    line("check", "exit code 1 unless FILL called the origin little enough", "");
    line("help", "this text", "");
    text.push_str(
        "
An expiry is counted by the origin: a call for a key of which no value younger than its TTL was
handed out. Ideally each is met by one call. A failed call leaves its expiry open: the next call
belongs to it. --check demands of FILL at most 1.2 calls per expiry, and fewer than the plain way
makes; --beta and high --errors add calls by design.
",
    );
    text
}
