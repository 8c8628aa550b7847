//! Histograms. Those of FILL: how long callers waited, how long fills took, how many waited for each.
//!
//! Shared by all workers behind one short lock each; touched only when a fill ends, never on a hit.

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// One histogram with a resolution of two significant digits.
#[derive(Debug)]
pub struct Times(Mutex<Histogram<u64>>);

/// The figures INFO shows of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub count: u64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

impl Times {
    /// A histogram for values up to `max`; larger ones count as `max`.
    #[must_use]
    pub fn new(max: u64) -> Times {
        let histogram = Histogram::new_with_bounds(1, max, 2);
        Times(Mutex::new(
            histogram.unwrap_or_else(|_| unreachable!("1 <= max and two digits are valid bounds")),
        ))
    }

    pub fn record(&self, value: u64) {
        self.0.lock().saturating_record(value);
    }

    /// Records many under one hold of the lock.
    pub fn record_all(&self, values: impl Iterator<Item = u64>) {
        let mut histogram = self.0.lock();
        values.for_each(|value| histogram.saturating_record(value));
    }

    #[must_use]
    pub fn summary(&self) -> Summary {
        let histogram = self.0.lock();
        Summary {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            max: histogram.max(),
        }
    }

    /// All that was recorded. Cost: a copy of some kilobytes.
    #[must_use]
    pub fn copy(&self) -> Histogram<u64> {
        self.0.lock().clone()
    }

    pub fn reset(&self) {
        self.0.lock().reset();
    }
}

/// The three histograms of section 6 of docs/fill.md.
#[derive(Debug)]
pub struct FillTimes {
    /// Milliseconds parked callers waited for their answer.
    pub wait_ms: Times,
    /// Milliseconds from lease to accepted answer.
    pub fill_ms: Times,
    /// Callers parked when a flight ended.
    pub waiters: Times,
}

impl FillTimes {
    /// Begins all three anew.
    pub fn reset(&self) {
        [&self.wait_ms, &self.fill_ms, &self.waiters].into_iter().for_each(Times::reset);
    }
}

impl Default for FillTimes {
    fn default() -> FillTimes {
        FillTimes {
            wait_ms: Times::new(120_000),
            fill_ms: Times::new(3_600_000),
            waiters: Times::new(1_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_tells_count_and_extremes() {
        let times = FillTimes::default().wait_ms;
        times.record_all([1, 2, 100].into_iter());
        let summary = times.summary();
        assert_eq!((summary.count, summary.p50, summary.max), (3, 2, 100));
        times.reset();
        assert_eq!(times.summary().count, 0);
    }
}
