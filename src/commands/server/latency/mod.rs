//! LATENCY: what took longer than `latency-monitor-threshold`, second by second, and how the times of each
//! command are spread.
//!
//! What is shown is kept in `crate::figures`: events in `latency`, histograms in `calls`; `latency_report`
//! draws and explains.

use hdrhistogram::Histogram;

use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::figures::calls::CallFigures;
use crate::figures::latency::Sample;
use crate::figures::latency_report;
use crate::table::arg::string;
use crate::table::{Flag, Group, Locking, Row, Spec, Table};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "latency",
        group: Group::Server,
        since: "2.8.13",
        summary: "A container for latency diagnostics commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            doctor,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            graph,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            latency_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "2.8.13",
                summary: "Show helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            histogram,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            history,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            latest,
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
                ..Spec::EMPTY
            },
        ),
        Command::new(
            reset,
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
                ..Spec::EMPTY
            },
        ),
    ],
)];

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

/// The first step of a distribution, nanoseconds; each next one is twice as long.
const STEP_NS: u64 = 1024;

fn history(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let series = ctx.shared.figures.latency.series(args.take()?).unwrap_or_default();
    ctx.reply.array(series.samples.len());
    for Sample { wall_s, ms } in series.samples {
        ctx.reply.array(2);
        ctx.reply.int(wall_s);
        ctx.reply.int(ms as i64);
    }
    Ok(())
}

fn latest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let events = ctx.shared.figures.latency.all();
    ctx.reply.array(events.len());
    for (name, series) in events {
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
    let mut named = Vec::with_capacity(args.left());
    while let Some(event) = args.try_take() {
        named.push(event);
    }
    let is_meant = |name: &str| {
        named.is_empty() || named.iter().any(|event| name.as_bytes().eq_ignore_ascii_case(event))
    };
    ctx.reply.int(ctx.shared.figures.latency.forget(is_meant) as i64);
    Ok(())
}

fn graph(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let event = args.take()?;
    let series =
        ctx.shared.figures.latency.series(event).ok_or_else(|| {
            CommandError::text([b"ERR No samples available for event '", event, b"'"].concat())
        })?;
    let event = String::from_utf8_lossy(event);
    ctx.reply.verbatim(&latency_report::graph(&event, &series, ctx.now().wall_ms / 1000));
    Ok(())
}

fn doctor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let events = ctx.shared.figures.latency.all();
    ctx.reply.verbatim(&latency_report::doctor(&events, ctx.settings, ctx.now().wall_ms / 1000));
    Ok(())
}

fn histogram(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.meter.hand_over();
    let figures = ctx.shared.figures.calls_by_row(ctx.shared.table.len());
    let rows: Vec<&Row> = if args.is_done() {
        ctx.shared.table.all().collect()
    } else {
        let mut named = Vec::new();
        while let Some(name) = args.try_take() {
            named.extend(rows_of(ctx.shared.table, name));
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

fn with_times<'f>(
    row: &'static Row,
    figures: &'f [CallFigures],
) -> Option<(&'static Row, &'f Histogram<u64>)> {
    Some((row, figures.get(row.number)?.times.as_deref()?))
}

/// The row of a name (`config|set` for a subcommand) with its subcommands; empty for an unknown name.
fn rows_of(table: &'static Table, name: &[u8]) -> Vec<&'static Row> {
    let (name, sub) = match memchr::memchr(b'|', name) {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    };
    match (table.find(name), sub) {
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
    fn distribution_is_cumulative_and_skips_empty_steps() {
        let mut times = Histogram::new_with_bounds(1, 1_000_000_000, 2).unwrap();
        for ns in [100, 900, 5_000, 1_000_000_000] {
            times.record(ns).unwrap();
        }
        assert_eq!(distribution(&times), [(1, 2), (8, 3), (1_082_130, 4)]);
    }
}
