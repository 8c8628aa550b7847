//! LATENCY: what took longer than `latency-monitor-threshold`, second by second, and how the times of each
//! command are spread.
//!
//! Events are noted by commands (`Ctx::note_slow`) and by background work (`Shared::note_latency`), behind one
//! lock that nothing quick ever takes. `report` draws and explains; the histograms are those of `calls`.

mod report;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::args::Args;
use super::calls::Figures;
use super::ctx::Ctx;
use super::error::CommandError;
use super::help;
use super::shared::Shared;
use super::spec::{Flag, Group, Handler, Locking, Spec, string};
use super::table::{self, Row};
use crate::config::Settings;

pub static ROWS: &[Spec] = &[Spec {
    name: "latency",
    group: Group::Server,
    since: "2.8.13",
    summary: "A container for latency diagnostics commands.",
    complexity: "Depends on subcommand.",
    reply: "depends on the subcommand",
    subcommands: &[
        Spec {
            name: "doctor",
            group: Group::Server,
            since: "2.8.13",
            summary: "Return a human readable latency analysis report.",
            complexity: "O(1)",
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            reply: "a report for people",
            locking: Locking::None,
            handler: Handler::Run(doctor),
            ..Spec::EMPTY
        },
        Spec {
            name: "graph",
            group: Group::Server,
            since: "2.8.13",
            summary: "Return a latency graph for the event.",
            complexity: "O(1)",
            args: &[string("event")],
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            reply: "a graph in ASCII",
            locking: Locking::None,
            handler: Handler::Run(graph),
            ..Spec::EMPTY
        },
        Spec {
            name: "help",
            group: Group::Server,
            since: "2.8.13",
            summary: "Show helpful text about the different subcommands.",
            complexity: "O(1)",
            flags: &[Flag::Loading, Flag::Stale],
            reply: "lines of help",
            locking: Locking::None,
            handler: Handler::Run(latency_help),
            ..Spec::EMPTY
        },
        Spec {
            name: "histogram",
            group: Group::Server,
            since: "7.0.0",
            summary: "Return the cumulative distribution of latencies of a subset of commands or all.",
            complexity: "O(N) where N is the number of commands with latency information being retrieved.",
            args: &[string("command").optional().multiple()],
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            reply: "a map of commands and their distributions",
            locking: Locking::None,
            handler: Handler::Run(histogram),
            ..Spec::EMPTY
        },
        Spec {
            name: "history",
            group: Group::Server,
            since: "2.8.13",
            summary: "Return timestamp-latency samples for the event.",
            complexity: "O(1)",
            args: &[string("event")],
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            reply: "an array of pairs of time and milliseconds",
            locking: Locking::None,
            handler: Handler::Run(history),
            ..Spec::EMPTY
        },
        Spec {
            name: "latest",
            group: Group::Server,
            since: "2.8.13",
            summary: "Return the latest latency samples for all events.",
            complexity: "O(1)",
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            reply: "an array of name, time, latest and highest milliseconds",
            locking: Locking::None,
            handler: Handler::Run(latest),
            ..Spec::EMPTY
        },
        Spec {
            name: "reset",
            group: Group::Server,
            since: "2.8.13",
            summary: "Reset latency data for one or more events.",
            complexity: "O(1)",
            args: &[string("event").optional().multiple()],
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            reply: "the number of events forgotten",
            locking: Locking::None,
            handler: Handler::Run(reset),
            ..Spec::EMPTY
        },
    ],
    handler: Handler::Subcommands,
    ..Spec::EMPTY
}];

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

/// Seconds with an event that are remembered for each kind of event.
const SAMPLES_MAX: usize = 160;
/// The first step of a distribution, nanoseconds; each next one is twice as long.
const STEP_NS: u64 = 1024;

/// Everything that took long, by kind of event.
#[derive(Debug, Default)]
pub struct Events(Mutex<BTreeMap<&'static str, Series>>);

/// The seconds in which a kind of event happened, and its longest time in each.
#[derive(Clone, Debug, Default)]
struct Series {
    samples: VecDeque<Sample>,
    /// The longest ever, milliseconds.
    max_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    wall_s: i64,
    ms: u64,
}

impl Series {
    fn note(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        match self.samples.back_mut() {
            Some(last) if last.wall_s == sample.wall_s => last.ms = last.ms.max(sample.ms),
            _ => self.samples.push_back(sample),
        }
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
}

impl Events {
    /// Notes that something took `ms`, if that is as long as the settings ask for.
    pub fn note(&self, event: &'static str, ms: u64, wall_s: i64, settings: &Settings) {
        let threshold_ms = settings.latency_monitor_threshold_ms;
        if threshold_ms > 0 && ms >= threshold_ms {
            self.0.lock().entry(event).or_default().note(Sample { wall_s, ms });
        }
    }

    fn series(&self, event: &[u8]) -> Option<Series> {
        let events = self.0.lock();
        events.iter().find(|(name, _)| name.as_bytes() == event).map(|(_, series)| series.clone())
    }
}

impl Shared {
    /// Notes how long a piece of background work took. Cost: a load of the settings.
    pub fn note_latency(&self, event: &'static str, took: Duration) {
        let wall_s = self.clock.now().wall_ms / 1000;
        self.latency.note(event, took.as_millis() as u64, wall_s, &self.settings.load());
    }
}

fn history(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let series = ctx.shared.latency.series(args.take()?).unwrap_or_default();
    ctx.reply.array(series.samples.len());
    for Sample { wall_s, ms } in series.samples {
        ctx.reply.array(2);
        ctx.reply.int(wall_s);
        ctx.reply.int(ms as i64);
    }
    Ok(())
}

fn latest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let events = ctx.shared.latency.0.lock();
    ctx.reply.array(events.len());
    for (name, series) in events.iter() {
        let last = series.samples.back().copied().unwrap_or(Sample { wall_s: 0, ms: 0 });
        ctx.reply.array(4);
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(last.wall_s);
        ctx.reply.int(last.ms as i64);
        ctx.reply.int(series.max_ms as i64);
    }
    Ok(())
}

fn reset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut events = ctx.shared.latency.0.lock();
    let before = events.len();
    if args.is_done() {
        events.clear();
    }
    while let Some(event) = args.try_take() {
        events.retain(|name, _| !name.as_bytes().eq_ignore_ascii_case(event));
    }
    ctx.reply.int((before - events.len()) as i64);
    Ok(())
}

fn graph(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let event = args.take()?;
    let series = ctx.shared.latency.series(event).ok_or_else(|| {
        CommandError::Bytes([b"ERR No samples available for event '", event, b"'"].concat())
    })?;
    let event = String::from_utf8_lossy(event);
    ctx.reply.verbatim(&report::graph(&event, &series, ctx.now.wall_ms / 1000));
    Ok(())
}

fn doctor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let events = ctx.shared.latency.0.lock().clone();
    ctx.reply.verbatim(&report::doctor(&events, ctx.settings, ctx.now.wall_ms / 1000));
    Ok(())
}

fn histogram(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.meter.hand_over();
    let figures = ctx.shared.call_figures();
    let rows: Vec<&Row> = if args.is_done() {
        table::all().collect()
    } else {
        let mut named = Vec::new();
        while let Some(name) = args.try_take() {
            named.extend(rows_of(name));
        }
        named
    };
    let timed: Vec<_> = rows.into_iter().filter_map(|row| with_times(row, &figures)).collect();
    ctx.reply.map(timed.len());
    for (row, times) in timed {
        let steps = distribution(times);
        ctx.reply.bulk(row.full_name.as_bytes());
        ctx.reply.map(2);
        ctx.reply.bulk(b"calls");
        ctx.reply.int(times.len() as i64);
        ctx.reply.bulk(b"histogram_usec");
        ctx.reply.map(steps.len());
        for (us, calls) in steps {
            ctx.reply.int(us as i64);
            ctx.reply.int(calls as i64);
        }
    }
    Ok(())
}

fn with_times<'f>(row: &'static Row, figures: &'f [Figures]) -> Option<(&'static Row, &'f Histogram<u64>)> {
    Some((row, figures.get(row.number)?.times.as_deref()?))
}

/// The row of a name (`config|set` for a subcommand) with its subcommands; empty for an unknown name.
fn rows_of(name: &[u8]) -> Vec<&'static Row> {
    let (name, sub) = match memchr::memchr(b'|', name) {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    };
    match (table::find(name), sub) {
        (Some(row), None) => std::iter::once(row).chain(&row.subcommands).collect(),
        (Some(row), Some(sub)) => row.subcommand(sub).into_iter().collect(),
        (None, _) => Vec::new(),
    }
}

/// Pairs of microseconds and how many calls took at most that; steps in which nothing fell are left out.
fn distribution(times: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut steps = Vec::new();
    let (mut step_ns, mut below) = (STEP_NS, 0);
    while below < times.len() {
        let end = times.highest_equivalent(step_ns);
        let calls = times.count_between(0, end);
        if calls > below {
            steps.push((end / 1000, calls));
        }
        below = calls;
        step_ns = step_ns.saturating_mul(2);
    }
    steps
}

fn latency_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "LATENCY", HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_keeps_its_longest_time_and_old_seconds_make_room() {
        let mut series = Series::default();
        for (wall_s, ms) in [(1, 30), (1, 50), (1, 40), (2, 20)] {
            series.note(Sample { wall_s, ms });
        }
        assert_eq!(series.samples, [Sample { wall_s: 1, ms: 50 }, Sample { wall_s: 2, ms: 20 }]);
        (3..500).for_each(|wall_s| series.note(Sample { wall_s, ms: 1 }));
        assert_eq!((series.samples.len(), series.max_ms), (SAMPLES_MAX, 50));
    }

    #[test]
    fn threshold_decides_what_is_an_event() {
        let events = Events::default();
        let settings = Settings { latency_monitor_threshold_ms: 10, ..Settings::default() };
        events.note("command", 9, 1, &settings);
        events.note("command", 1_000, 1, &Settings::default());
        assert!(events.series(b"command").is_none());
        events.note("command", 10, 1, &settings);
        assert_eq!(events.series(b"command").unwrap().max_ms, 10);
    }

    #[test]
    fn distribution_is_cumulative_and_skips_empty_steps() {
        let mut times = Histogram::new_with_bounds(1, 1_000_000_000, 2).unwrap();
        for ns in [100, 900, 5_000, 1_000_000_000] {
            times.record(ns).unwrap();
        }
        assert_eq!(distribution(&times), [(1, 2), (8, 3), (1_082_130, 4)]);
    }
}
