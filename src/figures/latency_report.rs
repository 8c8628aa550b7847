//! The latency monitor for people: a graph in ASCII, and a doctor that says what to do.
//!
//! Pure text. The graph is drawn as Redis draws it, sample by sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::read_to_string;

use super::latency::{Sample, Series};
use crate::config::Settings;

/// Columns of the graph.
const COLUMNS: usize = 80;
/// Lines of the graph above its labels.
const ROWS: usize = 4;
/// What the top of a column looks like, from low to high within its line.
const TOPS: [char; 3] = ['_', 'o', '#'];

/// The series as a graph whose labels say how long ago each sample was.
pub fn graph(event: &str, series: &Series, now_s: i64) -> String {
    let times = || series.samples.iter().map(|sample| sample.ms);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        series.max_ms,
        "-".repeat(COLUMNS)
    );
    let samples: Vec<Sample> = series.samples.iter().copied().collect();
    for (index, part) in samples.chunks(COLUMNS).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        draw(&mut text, part, low, high, now_s);
    }
    text
}

fn draw(text: &mut String, samples: &[Sample], low: u64, high: u64, now_s: i64) {
    let steps = TOPS.len() * ROWS;
    let range = (high - low).max(1) as f64;
    let heights: Vec<usize> = samples
        .iter()
        .map(|sample| (((sample.ms - low) * steps as u64) as f64 / range) as usize)
        .map(|height| height.min(steps - 1))
        .collect();
    for row in 0..ROWS {
        let floor = (ROWS - row - 1) * TOPS.len();
        let column = |height: &usize| match height.checked_sub(floor) {
            None => ' ',
            Some(top) => TOPS.get(top).copied().unwrap_or('|'),
        };
        text.extend(heights.iter().map(column));
        text.push('\n');
    }
    let labels: Vec<Vec<char>> =
        samples.iter().map(|sample| age(now_s - sample.wall_s).chars().collect()).collect();
    // Redis leaves one line between the graph and its labels, which are written downwards.
    text.extend(labels.iter().map(|_| ' '));
    text.push('\n');
    for line in 0..labels.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(labels.iter().map(|label| label.get(line).copied().unwrap_or(' ')));
        text.push('\n');
    }
}

fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// What was slow, and what may help against it.
pub fn doctor(events: &BTreeMap<&'static str, Series>, settings: &Settings, now_s: i64) -> String {
    let threshold_ms = settings.latency_monitor_threshold_ms;
    if events.is_empty() && threshold_ms == 0 {
        return "Latency monitoring is disabled. Enable it with CONFIG SET latency-monitor-threshold <milliseconds>.\n"
            .to_owned();
    }
    if events.is_empty() {
        return format!("Nothing took {threshold_ms} ms or longer since the monitor was enabled or reset.\n");
    }
    let mut text = "These took longer than the threshold of the latency monitor:\n\n".to_owned();
    for (number, (event, series)) in events.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}. {event}: {}", number + 1, summary(series, now_s));
    }
    text.push_str("\nWhat may help:\n\n");
    for advice in advices(events, settings) {
        let _ = writeln!(text, "- {advice}");
    }
    text
}

fn summary(series: &Series, now_s: i64) -> String {
    let count = series.samples.len().max(1) as u64;
    let mean = series.samples.iter().map(|sample| sample.ms).sum::<u64>() / count;
    let deviation = series.samples.iter().map(|sample| sample.ms.abs_diff(mean)).sum::<u64>() / count;
    let oldest = series.samples.front().map_or(now_s, |sample| sample.wall_s);
    let period = (now_s - oldest).max(1) as f64 / count as f64;
    format!(
        "{count} latency spikes (average {mean}ms, mean deviation {deviation}ms, period {period:.2} sec). \
         Worst all time event {}ms.",
        series.max_ms
    )
}

fn advices(events: &BTreeMap<&'static str, Series>, settings: &Settings) -> Vec<String> {
    let mut advices = Vec::new();
    let threshold_ms = settings.latency_monitor_threshold_ms;
    if events.contains_key("command") {
        let slower_than_us = settings.slowlog_log_slower_than_us;
        if slower_than_us < 0 || slower_than_us as u64 / 1000 > threshold_ms {
            advices.push(format!(
                "The slow log does not note all of these commands: CONFIG SET slowlog-log-slower-than {}.",
                threshold_ms.saturating_mul(1000)
            ));
        }
        advices.push("SLOWLOG GET names the commands. Walk the keyspace with SCAN instead of KEYS, and split large values and long commands.".to_owned());
    }
    if events.contains_key("fast-command") {
        advices.push(
            "Commands that are never slow by themselves were: the machine gave this process no processor time, \
             or another connection held a lock for long. Look for other load on the machine, and compare with \
             'redis-cli --intrinsic-latency 100'."
                .to_owned(),
        );
    }
    if events.contains_key("expire-cycle") {
        advices
            .push("Many keys expired at once: spread their TTLs (FILL.PUT … JITTER does that).".to_owned());
    }
    if uses_huge_pages() {
        advices.push(
            "This process lies in anonymous huge pages, whose handling may stall it: \
             echo never > /sys/kernel/mm/transparent_hugepage/enabled, then restart."
                .to_owned(),
        );
    }
    if advices.is_empty() {
        advices.push("Nothing is known of these events beyond their times.".to_owned());
    }
    advices
}

fn uses_huge_pages() -> bool {
    let rollup = read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
    line.is_some_and(|rest| !rest.trim().starts_with("0 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: &[(i64, u64)]) -> Series {
        let mut series = Series::default();
        times.iter().for_each(|(wall_s, ms)| series.note(Sample { wall_s: *wall_s, ms: *ms }));
        series
    }

    #[test]
    fn graph_is_drawn_as_redis_draws_it() {
        let text = graph("command", &series(&[(100, 10), (130, 22), (195, 16)]), 200);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 22 ms, low 10 ms (all time high 22 ms)");
        assert_eq!(lines[1], "-".repeat(80));
        assert_eq!(lines[2..], [" # ", " |_", " ||", "_||", "   ", "115", "mms"].map(str::to_owned));
    }

    #[test]
    fn doctor_names_each_event_and_what_helps() {
        assert!(doctor(&BTreeMap::new(), &Settings::default(), 0).contains("disabled"));
        let events = BTreeMap::from([("command", series(&[(100, 10), (102, 30)]))]);
        let report = doctor(&events, &Settings::default(), 104);
        assert!(report.contains(
            "1. command: 2 latency spikes (average 20ms, mean deviation 10ms, period 2.00 sec). Worst all time event 30ms."
        ));
        assert!(report.contains("SLOWLOG GET"), "{report}");
    }
}
