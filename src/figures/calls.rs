//! How often each command runs, how long it takes and how it ends: per worker, added up when somebody asks.
//!
//! A worker notes its calls in a `Meter` of its own and hands them over once per batch (`Calls`), so a command
//! touches no lock and no cache line of another worker. The clock is read once per command; quick commands of
//! the same kind in a row share one reading, up to `ALIKE_MAX` of them, and count with their mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::base::clock::Clock;
use crate::config::Settings;
use crate::table::Row;

/// Quick commands in a row that share one reading of the clock.
const ALIKE_MAX: u32 = 8;
/// Notes after which a meter hands over within a batch: a transaction may be long.
const NOTES_MAX: usize = 256;
/// From this threshold on a stall of several commands is worth one entry of the slow log; below, and in a slow
/// log of everything, each command is timed by itself. Nanoseconds.
const ALIKE_SLOW_NS_MIN: u64 = 1_000_000;
/// The range of the histograms, nanoseconds; what takes longer counts as this long. Redis's own.
const TIME_NS_MAX: u64 = 1_000_000_000;
/// Different error codes that are counted; what comes after them is not, as a client may make codes up.
const ERROR_CODES_MAX: usize = 128;

/// The figures of one command.
#[derive(Clone, Debug, Default)]
pub struct CallFigures {
    /// Times it ran, also where it failed.
    pub calls: u64,
    /// Nanoseconds spent in it.
    pub ns: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Times it ran and answered with an error.
    pub failed: u64,
    /// How long it took, nanoseconds; `None` until a time was noted.
    pub times: Option<Box<Histogram<u64>>>,
}

impl CallFigures {
    /// Whether there is anything to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls == 0 && self.rejected == 0 && self.failed == 0
    }

    fn note_times(&mut self, ns: u64, count: u64) {
        self.times.get_or_insert_with(new_times).saturating_record_n(ns.max(1), count);
    }

    fn add(&mut self, other: &CallFigures) {
        self.calls += other.calls;
        self.ns += other.ns;
        self.rejected += other.rejected;
        self.failed += other.failed;
        if let Some(times) = &other.times {
            let sum = self.times.get_or_insert_with(new_times);
            sum.add(&**times).unwrap_or_else(|_| unreachable!("all have the same bounds"));
        }
    }
}

fn new_times() -> Box<Histogram<u64>> {
    let times = Histogram::new_with_bounds(1, TIME_NS_MAX, 2);
    Box::new(times.unwrap_or_else(|_| unreachable!("1 < a second and two digits are valid bounds")))
}

/// What one worker counted so far.
#[derive(Debug, Default)]
pub struct Calls {
    sums: Mutex<Sums>,
    /// The command begun last of those that may take long: its number in the table, plus one.
    long: AtomicUsize,
}

#[derive(Debug, Default)]
struct Sums {
    /// By the number of the row; as long as the highest number noted.
    rows: Vec<CallFigures>,
    /// Error replies by code.
    errors: BTreeMap<Box<[u8]>, u64>,
}

impl Sums {
    fn row(&mut self, number: usize) -> &mut CallFigures {
        if self.rows.len() <= number {
            self.rows.resize_with(number + 1, CallFigures::default);
        }
        &mut self.rows[number]
    }
}

impl Calls {
    pub(super) fn reset(&self) {
        *self.sums.lock() = Sums::default();
    }

    /// Counts an error reply by its code: the first word of `line`, which is without the `-`.
    pub fn note_error(&self, line: &[u8]) {
        let end = memchr::memchr(b' ', line).unwrap_or(line.len());
        let errors = &mut self.sums.lock().errors;
        if let Some(count) = errors.get_mut(&line[..end]) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(line[..end].into(), 1);
        }
    }

    /// What its worker is at if it is stuck: the number of the row begun last of those that may take long. A quick command
    /// cannot be what it is stuck in, and is not noted.
    #[must_use]
    pub fn long_command(&self) -> Option<usize> {
        self.long.load(Relaxed).checked_sub(1)
    }

    /// Counts a command that was refused before it ran.
    pub fn note_rejected(&self, row: &Row) {
        self.sums.lock().row(row.number).rejected += 1;
    }
}

/// The figures of every row, over all workers, by the row's number. Cost: rows × workers.
pub(super) fn sums(workers: &[Arc<Calls>], rows: usize) -> Vec<CallFigures> {
    let mut sums = vec![CallFigures::default(); rows];
    for worker in workers {
        // A row at a time: its worker must not wait until all histograms are added up.
        for (number, sum) in sums.iter_mut().enumerate() {
            let noted = worker.sums.lock();
            let Some(figures) = noted.rows.get(number) else { break };
            sum.add(figures);
        }
    }
    sums
}

/// Error replies by code, over all workers.
pub(super) fn errors(workers: &[Arc<Calls>]) -> BTreeMap<Box<[u8]>, u64> {
    let mut sums = BTreeMap::new();
    for worker in workers {
        for (code, count) in &worker.sums.lock().errors {
            *sums.entry(code.clone()).or_default() += count;
        }
    }
    sums
}

/// Calls of one row that share a reading of the clock.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    row: usize,
    calls: u32,
    failed: u32,
    ns: u64,
}

/// A worker's stop watch and the calls it has not handed over yet.
pub struct Meter {
    clock: Clock,
    calls: Arc<Calls>,
    /// The last reading of the clock: where the next command begins.
    begun: u64,
    /// Commands that ran since then.
    alike: Note,
    notes: Vec<Note>,
    /// From how long on a command is looked at more closely, nanoseconds.
    slow_ns: u64,
    alike_max: u32,
    keeps_times: bool,
}

impl Meter {
    /// A meter that hands its notes over to `calls`.
    #[must_use]
    pub fn new(clock: Clock, calls: Arc<Calls>) -> Meter {
        Meter {
            clock,
            calls,
            begun: 0,
            alike: Note::default(),
            notes: Vec::with_capacity(NOTES_MAX),
            slow_ns: u64::MAX,
            alike_max: ALIKE_MAX,
            keeps_times: true,
        }
    }

    /// Takes over settings that have changed.
    pub fn apply(&mut self, settings: &Settings) {
        self.slow_ns = slow_ns(settings);
        self.alike_max = if self.slow_ns < ALIKE_SLOW_NS_MIN { 1 } else { ALIKE_MAX };
        self.keeps_times = settings.latency_tracking;
    }

    /// Where errors and refusals are counted at once.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// A command begins that may take long.
    #[inline]
    pub fn note_long(&self, row: &Row) {
        self.calls.long.store(row.number + 1, Relaxed);
    }

    /// Reads the clock: what runs next begins now.
    #[inline]
    pub fn start(&mut self) {
        self.begun = self.clock.reading();
    }

    /// Where the command that runs next began, for `ran`.
    #[inline]
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// A command ran that began at `begun`. With `alike_follows` the next one is of the same row and quick.
    /// Returns its nanoseconds if it took long enough to be looked at more closely.
    #[inline]
    pub fn ran(&mut self, row: &Row, begun: u64, failed: bool, alike_follows: bool) -> Option<u64> {
        if self.alike.calls > 0 && self.alike.row != row.number {
            // The one announced was refused.
            self.push_alike(0);
        }
        self.alike.row = row.number;
        self.alike.calls += 1;
        self.alike.failed += u32::from(failed);
        if alike_follows && self.alike.calls < self.alike_max {
            return None;
        }
        let now = self.clock.reading();
        let ns = self.clock.ns_between(begun, now);
        self.begun = now;
        self.push_alike(ns);
        (ns >= self.slow_ns).then_some(ns)
    }

    /// The command that began at `begun` waits: it counts when it is answered. Returns its nanoseconds so far.
    pub fn break_off(&mut self, begun: u64) -> u64 {
        self.begun = self.clock.reading();
        self.clock.ns_between(begun, self.begun)
    }

    /// A command that had waited was answered; its own time counts, not what it waited.
    pub fn answered(&mut self, row: &Row, ns: u64, failed: bool) {
        self.notes.push(Note { row: row.number, calls: 1, failed: u32::from(failed), ns });
        self.hand_over();
    }

    fn push_alike(&mut self, ns: u64) {
        let note = std::mem::take(&mut self.alike);
        self.notes.push(Note { ns, ..note });
        if self.notes.len() >= NOTES_MAX {
            self.hand_over();
        }
    }

    /// Hands over what was noted: at the end of a batch, and before somebody reads the figures.
    pub fn hand_over(&mut self) {
        if self.alike.calls > 0 {
            let ns = self.clock.ns_between(self.begun, self.clock.reading());
            self.push_alike(ns);
        }
        if self.notes.is_empty() {
            return;
        }
        let mut sums = self.calls.sums.lock();
        for note in self.notes.drain(..) {
            let figures = sums.row(note.row);
            figures.calls += u64::from(note.calls);
            figures.failed += u64::from(note.failed);
            figures.ns += note.ns;
            if self.keeps_times {
                figures.note_times(note.ns / u64::from(note.calls), note.calls.into());
            }
        }
    }
}

/// From how long on the slow log or the latency monitor wants to hear of a command, nanoseconds.
fn slow_ns(settings: &Settings) -> u64 {
    let slowlog = u64::try_from(settings.slowlog_log_slower_than_us).ok();
    let monitor = Some(settings.latency_monitor_threshold_ms).filter(|threshold| *threshold > 0);
    let slowlog = slowlog.map_or(u64::MAX, |us| us.saturating_mul(1_000));
    slowlog.min(monitor.map_or(u64::MAX, |ms| ms.saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::table::{Spec, Table};

    fn meter(settings: &Settings) -> (Clock, Arc<Calls>, Meter) {
        let clock = Clock::manual(0);
        let calls = Arc::new(Calls::default());
        let mut meter = Meter::new(clock.clone(), calls.clone());
        meter.apply(settings);
        meter.start();
        (clock, calls, meter)
    }

    static GET: Spec = Spec { name: "get", ..Spec::EMPTY };
    static SET: Spec = Spec { name: "set", ..Spec::EMPTY };

    fn row(name: &str) -> &'static Row {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new([(&GET, vec![]), (&SET, vec![])]));
        TABLE.find(name.as_bytes()).unwrap()
    }

    fn figures(calls: &Calls, name: &str) -> (u64, u64, u64) {
        let mut sums = calls.sums.lock();
        let figures = sums.row(row(name).number);
        (figures.calls, figures.failed, figures.ns)
    }

    #[test]
    fn quick_commands_in_a_row_share_one_reading_and_count_with_their_mean() {
        let (clock, calls, mut meter) = meter(&Settings::default());
        for last in [false, false, false, true] {
            clock.advance_ms(1);
            assert_eq!(meter.ran(row("get"), meter.begun(), last, !last), None);
        }
        meter.hand_over();
        assert_eq!(figures(&calls, "get"), (4, 1, 4_000_000));
        let mut sums = calls.sums.lock();
        let times = sums.row(row("get").number).times.as_ref().unwrap().clone();
        assert_eq!(times.len(), 4);
        assert!(times.max().abs_diff(1_000_000) < 10_000, "{}", times.max());
    }

    #[test]
    fn command_that_was_announced_and_refused_leaves_the_others_their_counts() {
        let (clock, calls, mut meter) = meter(&Settings::default());
        meter.ran(row("get"), meter.begun(), false, true);
        clock.advance_ms(2);
        meter.ran(row("set"), meter.begun(), false, false);
        meter.hand_over();
        assert_eq!(figures(&calls, "get").0, 1);
        assert_eq!(figures(&calls, "set"), (1, 0, 2_000_000));
    }

    #[test]
    fn slow_command_is_told_and_a_fine_threshold_times_each_by_itself() {
        let (clock, _, mut meter) = meter(&Settings::default());
        clock.advance_ms(10);
        assert_eq!(meter.ran(row("get"), meter.begun(), false, false), Some(10_000_000));
        let all = Settings { slowlog_log_slower_than_us: 0, ..Settings::default() };
        meter.apply(&all);
        assert_eq!(meter.ran(row("get"), meter.begun(), false, true), Some(0));
        let none = Settings { slowlog_log_slower_than_us: -1, ..Settings::default() };
        meter.apply(&none);
        clock.advance_ms(1_000_000);
        assert_eq!(meter.ran(row("get"), meter.begun(), false, false), None);
    }

    #[test]
    fn errors_count_by_their_first_word_and_codes_are_bounded() {
        let calls = Calls::default();
        calls.note_error(b"ERR one");
        calls.note_error(b"ERR two");
        calls.note_error(b"ALONE");
        (0..ERROR_CODES_MAX).for_each(|code| calls.note_error(format!("E{code} x").as_bytes()));
        let errors = &calls.sums.lock().errors;
        assert_eq!((errors[&b"ERR"[..]], errors[&b"ALONE"[..]]), (2, 1));
        assert_eq!(errors.len(), ERROR_CODES_MAX);
    }
}
