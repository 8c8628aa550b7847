//! Time: the wall clock (expiry, TIME) and a clock that never jumps (leases, waits, idle times).
//!
//! Everything below `net` takes `Now` as an argument; nobody else reads a clock. Tests hold the
//! clock with `Clock::manual` and move it with `advance_ms`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const NS_PER_MS: u64 = 1_000_000;

/// One reading of both clocks, taken once per batch of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch; may jump.
    pub wall_ms: i64,
    /// Milliseconds since an arbitrary start; never jumps.
    pub mono_ms: u64,
}

/// A source of time; clones share it.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System { start: Instant, counter: quanta::Clock },
    Manual(Manual),
}

struct Manual {
    mono_ms: AtomicU64,
    wall_ms: AtomicI64,
    listeners: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Clock {
        Clock(Arc::new(Source::System { start: Instant::now(), counter: quanta::Clock::new() }))
    }

    /// A clock that stands still until `advance_ms`, starting at `wall_ms` since the epoch.
    #[must_use]
    pub fn manual(wall_ms: i64) -> Clock {
        Clock(Arc::new(Source::Manual(Manual {
            mono_ms: AtomicU64::new(1_000_000),
            wall_ms: AtomicI64::new(wall_ms),
            listeners: Mutex::new(Vec::new()),
        })))
    }

    /// Reads both clocks. Cost: two vDSO calls, about 40 ns.
    #[must_use]
    pub fn now(&self) -> Now {
        match &*self.0 {
            Source::System { start, .. } => Now {
                wall_ms: system_wall_us() / 1000,
                mono_ms: 1_000_000 + start.elapsed().as_millis() as u64,
            },
            Source::Manual(manual) => {
                Now { wall_ms: manual.wall_ms.load(Relaxed), mono_ms: manual.mono_ms.load(Relaxed) }
            }
        }
    }

    /// A reading for durations (`ns_between`), in units of its own. Cost: about 10 ns where the processor's
    /// counter can be trusted, else a vDSO call. A manual clock stands still here as well.
    #[inline]
    #[must_use]
    pub fn reading(&self) -> u64 {
        match &*self.0 {
            Source::System { counter, .. } => counter.raw(),
            Source::Manual(manual) => manual.mono_ms.load(Relaxed) * NS_PER_MS,
        }
    }

    /// Nanoseconds from one reading to a later one.
    #[inline]
    #[must_use]
    pub fn ns_between(&self, earlier: u64, later: u64) -> u64 {
        match &*self.0 {
            Source::System { counter, .. } => counter.delta_as_nanos(earlier, later),
            Source::Manual(_) => later.saturating_sub(earlier),
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn wall_us(&self) -> i64 {
        match &*self.0 {
            Source::System { .. } => system_wall_us(),
            Source::Manual(manual) => manual.wall_ms.load(Relaxed) * 1000,
        }
    }

    /// Moves a manual clock forward and tells everybody who listens; a system clock does not move.
    pub fn advance_ms(&self, ms: u64) {
        if let Source::Manual(manual) = &*self.0 {
            manual.mono_ms.fetch_add(ms, Relaxed);
            manual.wall_ms.fetch_add(ms as i64, Relaxed);
            for listener in manual.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                listener();
            }
        }
    }

    /// Sets a manual clock's wall time alone, as an operator or NTP does; leases do not notice.
    pub fn jump_wall_to_ms(&self, wall_ms: i64) {
        if let Source::Manual(manual) = &*self.0 {
            manual.wall_ms.store(wall_ms, Relaxed);
        }
    }

    /// Calls `listener` after each `advance_ms`; a system clock never calls it.
    pub fn on_advance(&self, listener: impl Fn() + Send + Sync + 'static) {
        if let Source::Manual(manual) = &*self.0 {
            manual.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
        }
    }
}

fn system_wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told_and_tells_listeners() {
        let clock = Clock::manual(5_000);
        let heard = Arc::new(AtomicU64::new(0));
        let ear = heard.clone();
        clock.on_advance(move || {
            ear.fetch_add(1, Relaxed);
        });
        let before = clock.now();
        assert_eq!(clock.now(), before);
        let reading = clock.reading();
        clock.advance_ms(7);
        assert_eq!(clock.ns_between(reading, clock.reading()), 7_000_000);
        assert_eq!(clock.now(), Now { wall_ms: 5_007, mono_ms: before.mono_ms + 7 });
        assert_eq!(heard.load(Relaxed), 1);
    }

    #[test]
    fn wall_jump_leaves_the_monotonic_clock_alone() {
        let clock = Clock::manual(5_000);
        let before = clock.now();
        clock.jump_wall_to_ms(1);
        assert_eq!(clock.now(), Now { wall_ms: 1, mono_ms: before.mono_ms });
    }
}
