//! What Redis has no name for: every row of the tables of figures, times in buckets, and the workers.

use std::cmp::Reverse;

use hdrhistogram::Histogram;
use prometheus::proto::MetricType::{COUNTER, GAUGE};

use super::families::{CROWDS, Families, LONG_S, Label, QUICK_S, Single};
use crate::base::metrics::Counter;
use crate::ops::health;
use crate::ops::seen::Seen;

/// Commands with a histogram: those that ran most. More would be more series than a scraper likes.
const HISTOGRAMS_MAX: usize = 24;

const fn gauge(name: &'static str, help: &'static str, read: fn(&Seen<'_>) -> f64) -> Single {
    Single { name, kind: GAUGE, help, read }
}

static GAUGES: &[Single] = &[
    gauge("onefill_flights", "Open flights: somebody fills, waits, or shares a failure.", |seen| {
        seen.flights.len() as f64
    }),
    gauge("onefill_waiters", "Parked callers, one for each key that they wait for.", |seen| {
        seen.waiters() as f64
    }),
    gauge("onefill_oldest_flight_seconds", "Age of the oldest open flight.", |seen| {
        seen.flights.first().map_or(0.0, |flight| flight.age_ms as f64 / 1000.0)
    }),
    gauge("onefill_fill_kept", "Ended leases and failures that are remembered.", |seen| {
        seen.shared.keyspace.fills.kept.len() as f64
    }),
    gauge("onefill_fill_memory_bytes", "What fills hold.", |seen| {
        seen.shared.keyspace.fills.held_bytes() as f64
    }),
    gauge(
        "onefill_entries_bytes",
        "What the stores of all entries hold, room for the next ones included.",
        |seen| seen.entries_bytes as f64,
    ),
    gauge("onefill_uncounted_bytes", "What does not count against maxmemory: clients and fills.", |seen| {
        seen.shared.uncounted_bytes() as f64
    }),
    gauge("onefill_to_free_bytes", "What was removed and is not freed yet.", |seen| {
        (seen.shared.keyspace.bytes_to_free() + seen.shared.keyspace.lent_bytes()) as f64
    }),
    gauge("onefill_shards_in_use", "Shards that keys are spread over.", |seen| {
        seen.shared.keyspace.shards_in_use() as f64
    }),
    gauge(
        "onefill_stuck_workers",
        "Workers that have not come back from a command for five seconds.",
        |seen| health::stuck(seen.shared).len() as f64,
    ),
    gauge("onefill_ready", "Whether it takes requests: /readyz.", |seen| {
        f64::from(u8::from(health::unready(seen.shared).is_none()))
    }),
];

/// Adds them all.
pub fn add(seen: &Seen<'_>, families: &mut Families) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    families.add("onefill_build_info", GAUGE, "Which build this is.", [(version, 1.0)]);
    families.add_singles(GAUGES, seen);
    for counter in Counter::ALL {
        let value = seen.counted(*counter) as f64;
        families.add(&name_of(*counter), COUNTER, counter.metric().help, [(&[][..], value)]);
    }
    add_workers(seen, families);
    add_times(seen, families);
}

/// A counter's name: as in INFO, with Prometheus's ending.
fn name_of(counter: Counter) -> String {
    let name = counter.name();
    format!("onefill_{}_total", name.strip_prefix("total_").unwrap_or(name))
}

fn add_workers(seen: &Seen<'_>, families: &mut Families) {
    let pulses = &seen.shared.figures.pulses;
    let names: Vec<String> = (0..pulses.len()).map(|number| number.to_string()).collect();
    let named = || names.iter().zip(pulses).map(|(name, pulse)| ([("worker", &**name)], pulse));
    let busy = named().map(|(label, pulse)| (label, pulse.busy_ns() as f64 / 1e9));
    families.add("onefill_worker_busy_seconds_total", COUNTER, "Processor time of a worker.", busy);
    let connections = named().map(|(label, pulse)| (label, pulse.connections() as f64));
    families.add("onefill_worker_connections", GAUGE, "Connections of a worker.", connections);
}

fn add_times(seen: &Seen<'_>, families: &mut Families) {
    let mut timed: Vec<_> =
        seen.commands().filter_map(|(cmd, figures)| Some((cmd, figures, figures.times.as_ref()?))).collect();
    timed.sort_by_key(|(_, figures, _)| Reverse(figures.calls));
    timed.truncate(HISTOGRAMS_MAX);
    let commands = timed.iter().map(|(cmd, _, times)| (vec![("cmd", *cmd)], &***times));
    families.add_histogram(
        "onefill_command_duration_seconds",
        "How long a command took.",
        (QUICK_S, 1e9),
        commands,
    );
    let fills = &seen.shared.keyspace.fill_times;
    let mut add = |name, help, buckets, values: Histogram<u64>| {
        families.add_histogram(name, help, buckets, [(Vec::<Label<'_>>::new(), &values)]);
    };
    add("onefill_fill_wait_seconds", "How long parked callers waited.", (LONG_S, 1e3), fills.wait_ms.copy());
    add("onefill_fill_duration_seconds", "From a lease to its answer.", (LONG_S, 1e3), fills.fill_ms.copy());
    add(
        "onefill_fill_waiters",
        "Callers that waited when a flight was answered.",
        (CROWDS, 1.0),
        fills.waiters.copy(),
    );
    let slices = seen.shared.figures.sweep_us.copy();
    add(
        "onefill_sweep_slice_seconds",
        "How long slices of the background sweep took.",
        (QUICK_S, 1e6),
        slices,
    );
}
