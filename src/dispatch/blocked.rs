//! Requests that wait until a key has something for them: BLPOP and kin.
//!
//! Such a request keeps its connection from running what stands behind it (`Slots::blocked`), as Redis does. It counts as
//! a call when it is answered.

use std::collections::HashSet;

use super::args::Args;
use super::bench::Bench;
use super::ctx::Ctx;
use super::error::CommandError;
use super::session::{Blocked, Parked, ReplyMode, Session};
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::base::score;
use crate::keyspace::{How, WAITER_BYTES, Wish};
use crate::parking::NewSlot;
use crate::table::Row;

/// Until when a request waits, monotonic ms; `None` for as long as it takes.
pub type Until = Option<u64>;

impl Ctx<'_> {
    /// Reads how long a request waits: seconds, in fractions too, rounded up to the millisecond; 0 for ever.
    ///
    /// # Errors
    /// For a word that is no number, or one that is negative or beyond what a time can be.
    pub fn timeout(&self, args: &mut Args<'_>) -> Result<Until, CommandError> {
        let ms = score::parse(args.take()?).map(|seconds| (seconds * 1000.0).ceil());
        let ms = ms.ok_or_else(|| CommandError::err("timeout is not a float or out of range"))?;
        if ms < 0.0 {
            return Err(CommandError::err("timeout is negative"));
        }
        let now = self.now();
        if ms >= (i64::MAX - now.wall_ms) as f64 {
            return Err(CommandError::err("timeout is out of range"));
        }
        Ok((ms > 0.0).then(|| now.mono_ms + ms as u64))
    }

    /// Whether a request may wait: within a transaction or a script it is answered as if its time were over.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        !self.in_transaction
    }

    /// Parks a request until one of these keys, whose shards are held, has something for it. The first of them counts first.
    /// To be returned by its handler, which has written nothing.
    pub fn wait_for(&mut self, keys: &[Key<'_>], how: How, until: Until) -> CommandError {
        let mut seen = HashSet::new();
        let keys: Vec<Key<'_>> = keys.iter().filter(|key| seen.insert(key.bytes)).copied().collect();
        let wish = Wish { client: self.session.client.id, how };
        let homes = self.keys.wait_homes(&keys);
        let seq = self.session.slots.next_seq();
        let new = NewSlot {
            seq,
            post_box: &self.session.client.post_box,
            held: &self.shared.keyspace.waits_held,
            waiter_bytes: WAITER_BYTES,
            gives_way: false,
        };
        let slot = new.keys(homes, wish.of_type() as u8);
        self.keys.wait(&slot, &wish, until);
        let is_silent = !matches!(self.session.reply_mode, ReplyMode::On | ReplyMode::SkipNext);
        let slots = &mut self.session.slots;
        slots.blocked = Some(Blocked { seq, ns: 0 });
        let row = self.session.last_command;
        slots.parked = Some(Parked { slot, row, order: None, tracked: Box::default(), is_silent });
        CommandError::Waits
    }

    /// A request waits: it is shown to those who monitor, and counts later.
    #[cold]
    pub(super) fn note_waits(&mut self, row: &Row, args: &Args<'_>, begun: u64) {
        let ns = self.meter.break_off(begun);
        if let Some(blocked) = &mut self.session.slots.blocked {
            blocked.ns = ns;
        }
        if self.shared.clients.monitors.is_any() {
            self.feed_monitors(row, args);
        }
    }
}

impl Bench<'_> {
    /// The slot with this number was answered: the connection goes on if it waited for that. Counts the call.
    pub fn unblock(&mut self, session: &mut Session, seq: u64, is_error: bool) {
        if let Some(blocked) = session.slots.blocked.take_if(|blocked| blocked.seq == seq)
            && let Some(row) = session.last_command
        {
            self.counters.add(Counter::Commands, 1);
            self.meter.answered(row, blocked.ns, is_error);
        }
    }
}
