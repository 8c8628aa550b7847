//! What a run came to.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::options::Options;
use crate::replies::Tally;

/// Longer waits count as this long: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Of one thread, or summed over several.
pub struct Figures {
    pub tally: Tally,
    pub touched_bytes: u64,
    /// From the moment a burst was due until its last reply, nanoseconds.
    latency: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Figures {
        // Three digits and bounds of this kind are what it is made for, so it is never refused.
        let latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3);
        let latency = latency.unwrap_or_else(|error| unreachable!("a histogram up to an hour: {error}"));
        Figures { tally: Tally::default(), touched_bytes: 0, latency }
    }
}

impl Figures {
    pub fn note_latency(&mut self, latency: Duration) {
        self.latency.saturating_record(latency.as_nanos() as u64);
    }

    pub fn add(&mut self, other: &Figures) {
        let Tally { replies, nulls, zeros, no_hits, errors, first_error } = &other.tally;
        self.tally.replies += replies;
        self.tally.nulls += nulls;
        self.tally.zeros += zeros;
        self.tally.no_hits += no_hits;
        self.tally.errors += errors;
        if self.tally.first_error.is_none() {
            self.tally.first_error.clone_from(first_error);
        }
        self.touched_bytes += other.touched_bytes;
        // Both have the same precision and resize themselves.
        self.latency += &other.latency;
    }

    pub fn json(&self, options: &Options, took: Duration) -> Value {
        let us = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        json!({
            "requests": self.tally.replies,
            "seconds": took.as_secs_f64(),
            "misses": self.tally.misses(options.command),
            "errors": self.tally.errors,
            "first_error": self.tally.first_error,
            "touched_bytes": self.touched_bytes,
            "bursts": self.latency.len(),
            "latency_us": {
                "p50": us(0.5),
                "p99": us(0.99),
                "p99.9": us(0.999),
                "p99.99": us(0.9999),
                "max": self.latency.max() as f64 / 1000.0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_threads_are_summed_and_latencies_keep_their_size() {
        let options = Options::default();
        let (mut sum, mut other) = (Figures::default(), Figures::default());
        sum.note_latency(Duration::from_micros(10));
        other.note_latency(Duration::from_secs(2));
        other.tally = Tally { replies: 7, nulls: 3, ..Tally::default() };
        sum.add(&other);
        let json = sum.json(&options, Duration::from_secs(1));
        assert_eq!(
            (json["requests"].as_u64(), json["misses"].as_u64(), json["bursts"].as_u64()),
            (Some(7), Some(3), Some(2))
        );
        let of = |name: &str| json["latency_us"][name].as_f64().unwrap();
        assert!((of("p50") - 10.0).abs() < 0.1 && (of("max") - 2e6).abs() < 4e3, "{json}");
    }
}
