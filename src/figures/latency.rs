//! What took longer than `latency-monitor-threshold`, second by second, by kind of event.
//!
//! Noted by slow commands and by background work, behind one lock that nothing quick ever takes.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use crate::config::Settings;

/// Seconds with an event that are remembered for each kind of event.
const SAMPLES_MAX: usize = 160;

/// Everything that took long, by kind of event.
#[derive(Debug, Default)]
pub struct Events(Mutex<BTreeMap<&'static str, Series>>);

/// The seconds in which a kind of event happened, and its longest time in each.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub samples: VecDeque<Sample>,
    /// The longest ever, milliseconds.
    pub max_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub wall_s: i64,
    pub ms: u64,
}

impl Series {
    /// Adds one; of a second the longest is kept.
    pub fn note(&mut self, sample: Sample) {
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

    /// What is remembered of one kind of event.
    #[must_use]
    pub fn series(&self, event: &[u8]) -> Option<Series> {
        let events = self.0.lock();
        events.iter().find(|(name, _)| name.as_bytes() == event).map(|(_, series)| series.clone())
    }

    /// Everything that is remembered, by kind of event.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&'static str, Series> {
        self.0.lock().clone()
    }

    /// Forgets the kinds of event that are meant. Returns how many there were.
    pub fn forget(&self, is_meant: impl Fn(&str) -> bool) -> usize {
        let mut events = self.0.lock();
        let before = events.len();
        events.retain(|name, _| !is_meant(name));
        before - events.len()
    }
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
}
