//! CLIENT PAUSE and UNPAUSE: for a while, requests are put off instead of run.
//!
//! A request that is put off stays in its connection's buffer and runs when the pause ends; what was parked
//! before keeps its deadlines and is answered. Replies still flow. Keys expire meanwhile: there is no replica
//! that could come to see it otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::spec::Flag;
use super::table::Row;
use crate::base::int::parse_i64;

/// The pause of a server.
#[derive(Debug, Default)]
pub struct Pause {
    /// Monotonic ms at which it ends; 0 without one.
    until: AtomicU64,
    /// Only commands that may write are put off.
    spares_reads: AtomicBool,
    /// Held while both are changed.
    change: Mutex<()>,
}

impl Pause {
    /// Whether a pause was begun and not taken back; it may be over. Cost: a load of a cache line that is
    /// written when that changes.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.until.load(Relaxed) > 0
    }

    /// When the pause ends, monotonic ms, if it has not ended yet.
    #[must_use]
    pub fn until(&self, mono_ms: u64) -> Option<u64> {
        Some(self.until.load(Relaxed)).filter(|until| *until > mono_ms)
    }

    /// Begins a pause, or makes the present one longer and stricter.
    fn begin(&self, until: u64, spares_reads: bool, mono_ms: u64) {
        let _change = self.change.lock();
        let present = self.until(mono_ms);
        let spares_reads = spares_reads && (present.is_none() || self.spares_reads.load(Relaxed));
        self.spares_reads.store(spares_reads, Relaxed);
        self.until.store(present.map_or(until, |present| present.max(until)), Relaxed);
    }

    fn end(&self) {
        let _change = self.change.lock();
        self.until.store(0, Relaxed);
    }
}

/// CLIENT PAUSE.
pub fn client_pause(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let word = args.take()?;
    let spares_reads = match args.try_take() {
        None => false,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => false,
        Some(_) => return Err(CommandError::err("CLIENT PAUSE mode must be WRITE or ALL")),
    };
    if !args.is_done() {
        let name = args.word(1);
        let text =
            [b"ERR unknown subcommand or wrong number of arguments for '", name, b"'. Try CLIENT HELP."];
        return Err(CommandError::Bytes(text.concat()));
    }
    let ms = parse_i64(word).ok_or(CommandError::OutOfRange("timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::err("timeout is negative"))?;
    let now = ctx.now.mono_ms;
    let until = now.checked_add(ms).filter(|until| i64::try_from(*until).is_ok());
    let until = until.ok_or_else(|| CommandError::err("timeout is out of range"))?;
    ctx.shared.pause.begin(until, spares_reads, now);
    ctx.reply.ok();
    Ok(())
}

/// CLIENT UNPAUSE.
pub fn client_unpause(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.shared.pause.end();
    // Every worker's sweeper looks at once, and wakes the connections that wait for the end.
    ctx.keys.effects.alarms.extend((0..ctx.shared.workers).map(|worker| (worker, 0)));
    ctx.reply.ok();
    Ok(())
}

impl Ctx<'_> {
    /// Whether a request must be put off because of CLIENT PAUSE.
    #[inline]
    pub fn is_paused(&self, row: &Row) -> bool {
        self.shared.pause.is_set() && self.is_paused_now(row)
    }

    #[cold]
    fn is_paused_now(&self, row: &Row) -> bool {
        let pause = &self.shared.pause;
        pause.until(self.now.mono_ms).is_some() && (!pause.spares_reads.load(Relaxed) || self.may_write(row))
    }

    /// Whether it may change the keyspace, or is an EXEC of something that may.
    fn may_write(&self, row: &Row) -> bool {
        let writes = |row: &Row| row.spec.has(Flag::Write) || row.spec.has(Flag::MayReplicate);
        let queued = self.session.transaction.as_ref().filter(|_| row.spec.name == "exec");
        writes(row) || queued.is_some_and(|queue| queue.queued.iter().any(|queued| writes(queued.row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_pause_makes_the_first_longer_and_stricter_never_less() {
        let pause = Pause::default();
        assert!(!pause.is_set());
        pause.begin(100, true, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(100), true));
        pause.begin(50, false, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(100), false));
        pause.begin(200, true, 10);
        assert_eq!((pause.until(10), pause.spares_reads.load(Relaxed)), (Some(200), false));
        assert_eq!(pause.until(200), None);
        pause.begin(300, true, 200);
        assert!(pause.spares_reads.load(Relaxed), "the first one was over");
        pause.end();
        assert_eq!((pause.is_set(), pause.until(0)), (false, None));
    }
}
