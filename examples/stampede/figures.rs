//! What callers measure, how a worker process tells it to its parent, and the table at the end.
//!
//! Knows nothing of Redis or of the origin's inner life.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::origin::Calls;

/// Longest latency told apart, in µs; longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// The callers' side of one run. Latencies in µs.
pub struct Figures {
    /// Answered with a usable value, fresh or stale.
    pub answered: u64,
    /// Of those, past its TTL.
    pub stale: u64,
    /// Not answered: the origin's error, or no value in time.
    pub failed: u64,
    /// FILL only: replies that asked the caller to come back.
    pub again: u64,
    pub latency_us: Histogram<u64>,
}

impl Figures {
    pub fn new() -> Figures {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds in order");
        Figures { answered: 0, stale: 0, failed: 0, again: 0, latency_us }
    }

    pub fn requests(&self) -> u64 {
        self.answered + self.failed
    }

    pub fn record_latency(&mut self, latency: Duration) {
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).max(1));
    }

    /// Writes itself as one line of numbers: the counts, then pairs of latency and count.
    pub fn write_line(&self, mut out: impl Write) -> io::Result<()> {
        write!(out, "{} {} {} {}", self.answered, self.stale, self.failed, self.again)?;
        for bucket in self.latency_us.iter_recorded() {
            write!(out, " {} {}", bucket.value_iterated_to(), bucket.count_at_value())?;
        }
        writeln!(out)
    }

    /// Adds what another process wrote with `write_line`. `None` if it is no such line.
    pub fn add_line(&mut self, line: &str) -> Option<()> {
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [answered, stale, failed, again, latencies @ ..] = numbers.as_slice() else { return None };
        self.answered += answered;
        self.stale += stale;
        self.failed += failed;
        self.again += again;
        for pair in latencies.chunks_exact(2) {
            self.latency_us.saturating_record_n(pair[0], pair[1]);
        }
        Some(())
    }
}

/// One way's run as both sides saw it.
pub struct Outcome {
    pub figures: Figures,
    pub calls: Calls,
}

impl Outcome {
    pub fn calls_per_expiry(&self) -> f64 {
        self.calls.calls as f64 / self.calls.expiries.max(1) as f64
    }
}

/// The two runs side by side.
pub fn table(plain: &Outcome, fill: &Outcome) -> String {
    let count = |of: fn(&Outcome) -> u64| [of(plain).to_string(), of(fill).to_string()];
    let latency = |of: fn(&Histogram<u64>) -> u64| {
        [plain, fill].map(|outcome| format!("{:.1} ms", of(&outcome.figures.latency_us) as f64 / 1000.0))
    };
    let rows = [
        ("", ["GET, SET PX".to_owned(), "FILL.GET, FILL.PUT".to_owned()]),
        ("requests", count(|outcome| outcome.figures.requests())),
        ("expiries that callers noticed", count(|outcome| outcome.calls.expiries)),
        ("origin calls", count(|outcome| outcome.calls.calls)),
        ("  of them failed", count(|outcome| outcome.calls.errors)),
        (
            "origin calls per expiry",
            [plain, fill].map(|outcome| format!("{:.2}", outcome.calls_per_expiry())),
        ),
        ("latency p50", latency(|latencies| latencies.value_at_quantile(0.5))),
        ("latency p99", latency(|latencies| latencies.value_at_quantile(0.99))),
        ("latency max", latency(Histogram::max)),
        ("stale answers", count(|outcome| outcome.figures.stale)),
        ("failed requests", count(|outcome| outcome.figures.failed)),
        ("told to ask again", count(|outcome| outcome.figures.again)),
    ];
    rows.iter().map(|(name, [plain, fill])| format!("{name:<30} {plain:>15} {fill:>20}\n")).collect()
}
