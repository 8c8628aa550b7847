//! The probes: whether the server lives (`/healthz`: else it should be restarted), and whether it should be sent requests
//! (`/readyz`).

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::dispatch::shared::Shared;

/// A worker that has not come back from a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub worker: usize,
    pub ms: u64,
    /// What it runs: the last command that may take long.
    pub command: Option<&'static str>,
}

/// The workers that are stuck.
#[must_use]
pub fn stuck(shared: &Shared) -> Vec<Stuck> {
    let now_ms = shared.clock.now().mono_ms;
    let stuck = shared.figures.pulses.iter().enumerate().filter_map(|(worker, pulse)| {
        let ms = pulse.stuck_ms(now_ms)?;
        let row =
            shared.figures.calls[worker].long_command().and_then(|number| shared.table.by_number(number));
        Some(Stuck { worker, ms, command: row.map(|row| row.full_name.as_str()) })
    });
    stuck.collect()
}

/// Why it must be taken to be dead, in lines; `None` while it lives.
#[must_use]
pub fn sickness(shared: &Shared) -> Option<String> {
    let stuck = stuck(shared);
    let mut text = String::new();
    for Stuck { worker, ms, command } in &stuck {
        let seconds = *ms as f64 / 1000.0;
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "worker {worker} has been stuck for {seconds:.1} s in {}", command.unwrap_or("?"));
    }
    (!stuck.is_empty()).then_some(text)
}

/// Why it should be sent no requests; `None` while it takes them.
#[must_use]
pub fn unready(shared: &Shared) -> Option<&'static str> {
    shared
        .operator
        .is_stopping
        .load(Relaxed)
        .then_some("stopping: what was received is answered, nothing else")
}
