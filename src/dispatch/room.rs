//! `maxmemory`: what counts against it, how room is made before a write, which writes wait for it and which are refused.
//!
//! The allocator is asked now and then; in between, what the stores took since is added to its figure. What it gave for
//! clients is left out: they have limits of their own, and no slow reader may drive entries out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::args::Args;
use super::bench::Bench;
use super::ctx::Ctx;
use super::error::CommandError;
use super::limit::{RoomWait, Verdict};
use super::operator::Note;
use super::session::PutOff;
use super::shared::Shared;
use crate::base::hash::Key;
use crate::base::limits::{EVICT_STEP_NS, MEMORY_SAMPLE_BYTES, MEMORY_SAMPLE_MS};
use crate::base::memory::{self, Memory};
use crate::base::metrics::{self, Counter, Counters};
use crate::clients::Client;
use crate::config::Settings;
use crate::keyspace::{Evicted, Keys, Room, Used};
use crate::parking::Token;
use crate::table::{Flag, Role, Row};

/// Part of the limit by which more may be used before a write waits: freed blocks that are not given back yet.
const ABOVE_SHARE: u64 = 256;

/// Time that a command may spend on making room, nanoseconds: 10 us a step up to the default of 10, from there 15 %
/// more each as in Redis, and without end at 100.
#[must_use]
fn evict_ns(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => u64::from(tenacity) * EVICT_STEP_NS,
        11..=99 => (EVICT_STEP_NS as f64 * 10.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

impl Shared {
    /// Takes out the largest clients while all of them hold more than `maxmemory-clients` allows, and counts them with
    /// `counters`. The caller must close them. Cost: a look at each client.
    #[must_use]
    pub fn evict_clients(&self, settings: &Settings, counters: &Counters) -> Vec<Arc<Client>> {
        let Some(limit) = settings.client_bytes_max() else { return Vec::new() };
        let evicted = self.clients.evict(limit, self.shared_to_stay());
        counters.add(Counter::EvictedClients, evicted.len() as u64);
        for client in &evicted {
            if let Some(left_out) = self.operator.may_note(Note::Evicted, self.clock.now().mono_ms) {
                let bytes = client.held_bytes();
                tracing::info!(client = client.id, bytes, left_out, "evicted: maxmemory-clients reached");
            }
        }
        evicted
    }

    /// Notes what a client holds now, and makes room where that is too much. True if the client itself has to go.
    /// Cost: one branch without a limit, two atomic additions with one.
    #[inline]
    pub fn note_client(&self, client: &Client, settings: &Settings, counters: &Counters) -> bool {
        let Some(limit) = settings.client_bytes_max() else { return false };
        if self.clients.note_bytes(client) + self.shared_to_stay() < limit {
            return false;
        }
        let evicted = self.evict_clients(settings, counters);
        evicted.iter().filter(|other| other.id != client.id).for_each(|other| other.kill());
        evicted.iter().any(|other| other.id == client.id)
    }

    /// Memory that counts against the limit, as of now. Cost: a look at each worker's counters.
    #[must_use]
    pub fn memory_used(&self) -> Used {
        let held = metrics::held(self.figures.counters.iter().map(Arc::as_ref));
        let used = self.operator.limit.beside_bytes.load(Relaxed).wrapping_add(held.held_bytes);
        // Pages never written to are in neither figure.
        let held_bytes = held.held_bytes.wrapping_sub(held.untouched_bytes);
        Used { used_bytes: used, spare_bytes: held.spare_bytes, held_bytes }
    }

    /// What the allocator and the system say of this process's memory. Pages that the stores were given and never
    /// wrote to are not there yet, and do not count. Cost: some microseconds.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let untouched = metrics::held(self.figures.counters.iter().map(Arc::as_ref)).untouched_bytes as usize;
        let figures = memory::read();
        Memory { allocated: figures.allocated.saturating_sub(untouched), ..figures }
    }

    /// Asks the allocator anew if that is long ago or much was stored since.
    /// Cost: some microseconds and a look at each client then.
    pub fn sample_memory(&self, now_ms: u64) {
        let limit = &self.operator.limit;
        let held = metrics::held(self.figures.counters.iter().map(Arc::as_ref)).held_bytes;
        let at_ms = limit.at_ms.load(Relaxed);
        let grown = held.wrapping_sub(limit.held_bytes.load(Relaxed)) as i64;
        let is_recent = at_ms != 0 && now_ms.saturating_sub(at_ms) < MEMORY_SAMPLE_MS;
        if is_recent && grown.unsigned_abs() < MEMORY_SAMPLE_BYTES {
            return;
        }
        // A second thread has a recent figure, or, before there is any, waits for the first.
        let sampling = if at_ms == 0 { Some(limit.sampling.lock()) } else { limit.sampling.try_lock() };
        let Some(_sampling) = sampling else { return };
        let uncounted = self.uncounted_bytes();
        // What FLUSHALL cast off is as good as free. Read first: were it freed meanwhile, too little would
        // count for a moment; the other way round writes would be refused for nothing.
        let cast_off = self.keyspace.bytes_to_free() as u64;
        let counted = (self.memory().allocated as u64).saturating_sub(uncounted + cast_off);
        let held = metrics::held(self.figures.counters.iter().map(Arc::as_ref)).held_bytes;
        limit.held_bytes.store(held, Relaxed);
        limit.beside_bytes.store(counted.wrapping_sub(held), Relaxed);
        limit.at_ms.store(now_ms.max(1), Relaxed);
    }

    /// Bytes that the allocator gave for clients, those that several of them share once: they do not count against the
    /// limit. Cost: a look at each client.
    #[must_use]
    pub fn client_bytes(&self) -> u64 {
        (self.clients.own_bytes() + self.shared_client_bytes()) as u64
    }

    /// Bytes that do not count against the limit: what clients and fills hold, which have limits of their own.
    #[must_use]
    pub fn uncounted_bytes(&self) -> u64 {
        self.client_bytes() + self.keyspace.fills.held.bytes() as u64
    }

    /// Shared bytes, or 0 while clients that were told to go have not let go of theirs: how much stays is not known yet.
    fn shared_to_stay(&self) -> u64 {
        if self.clients.leaving_bytes() > 0 { 0 } else { self.shared_client_bytes() as u64 }
    }

    /// Those of it that several may share: parked requests, which have places in queues, values that left the keyspace while replies had them, messages, and what
    /// channels, prefixes, tracked and watched keys take.
    fn shared_client_bytes(&self) -> usize {
        let Shared { keyspace, pubsub, tracking, clients, .. } = self;
        let values = keyspace.lent_bytes() + keyspace.watchers_bytes() + keyspace.fills.parked.bytes();
        let values = values + keyspace.waits_held.bytes();
        values + pubsub.held_bytes() + tracking.held_bytes() + clients.monitors.held_bytes()
    }

    /// For how long more was used than may be: all times before this one, and this one, ms.
    #[must_use]
    pub fn exceeded_ms(&self, now_ms: u64) -> (u64, u64) {
        let current = match self.operator.limit.exceeded_at_ms.load(Relaxed) {
            0 => 0,
            at => now_ms.saturating_sub(at),
        };
        (self.operator.limit.exceeded_ms.load(Relaxed) + current, current)
    }

    fn note_exceeded(&self, is_exceeded: bool, now_ms: u64) {
        let since = &self.operator.limit.exceeded_at_ms;
        if is_exceeded {
            // Only the first to notice sets it.
            let _ = since.compare_exchange(0, now_ms.max(1), Relaxed, Relaxed);
        } else if since.load(Relaxed) != 0 {
            let at = since.swap(0, Relaxed);
            if at != 0 {
                self.operator.limit.exceeded_ms.fetch_add(now_ms.saturating_sub(at), Relaxed);
            }
        }
    }
}

impl Ctx<'_> {
    /// Makes room before a command that may need it; puts it off where that takes longer than a command may, and
    /// refuses it where none can be made.
    /// Cost: one branch without a limit.
    #[inline]
    pub fn check_memory(&mut self, row: &Row, args: &Args<'_>) -> Result<Option<PutOff>, CommandError> {
        if self.settings.maxmemory_bytes == 0 || !self.wants_memory(row) {
            return Ok(None);
        }
        let put_off = match self.make_room(row, args) {
            // It may do without: its calls are refused what needs room.
            Err(CommandError::OutOfMemory) if row.role == Role::Script => {
                self.lacks_memory = true;
                None
            }
            made => made?,
        };
        if put_off.is_some() {
            self.keep_leases(row, args);
        }
        Ok(put_off)
    }

    /// Answers to leases that are put off arrived in time: their leases last until they are judged.
    fn keep_leases(&mut self, row: &Row, args: &Args<'_>) {
        let Some(until_ms) = self.session.room_wait.map(|wait| wait.until_ms()) else { return };
        match &self.session.transaction {
            Some(queue) if row.role == Role::Exec => {
                for queued in queue.queued.iter().filter(|queued| queued.row.role.answers_leases()) {
                    keep_leases_of(&mut self.keys, queued.row, &queued.args(), until_ms);
                }
            }
            None if row.role.answers_leases() => keep_leases_of(&mut self.keys, row, args, until_ms),
            _ => {}
        }
    }

    /// Commands that Redis refuses out of memory. What is queued takes memory, whatever it is.
    fn wants_memory(&self, row: &Row) -> bool {
        let Some(transaction) = &self.session.transaction else {
            return row.spec.has(Flag::DenyOom) || row.role == Role::Script && !row.spec.has(Flag::Readonly);
        };
        match row.role {
            Role::Exec => transaction.queued.iter().any(|queued| queued.row.spec.has(Flag::DenyOom)),
            role => !role.discards(),
        }
    }

    /// Evicts for as long as a command may; what is not enough by then makes it wait for the background.
    fn make_room(&mut self, row: &Row, args: &Args<'_>) -> Result<Option<PutOff>, CommandError> {
        let (shared, limit_bytes) = (self.shared, self.settings.maxmemory_bytes);
        shared.sample_memory(self.now().mono_ms);
        let used = shared.memory_used();
        let ahead_bytes = self.bytes_ahead(row, args).min(used.held_bytes / 2);
        let wanted_bytes = limit_bytes.saturating_sub(ahead_bytes);
        if used.used_bytes <= wanted_bytes {
            return Ok(None);
        }
        if self.keys.scope.rules.eviction.is_none() {
            let refused = used.short_bytes(limit_bytes) > 0;
            return if refused { Err(CommandError::OutOfMemory) } else { Ok(None) };
        }
        // Without any entry it would still be too much: no use in trying for as long as the time allows.
        if used.used_bytes.saturating_sub(used.held_bytes) > limit_bytes {
            return Err(CommandError::OutOfMemory);
        }
        let key = (row.first_key > 0 && row.first_key < args.words()).then(|| args.word(row.first_key));
        let room = Room {
            limit_bytes: wanted_bytes,
            own: key.map(|key| shared.keyspace.hash(key)),
            is_thorough: false,
        };
        // What is begun by then is done within the time.
        let evict_ns = evict_ns(self.settings.maxmemory_eviction_tenacity) / 4 * 3;
        let begun = shared.clock.reading();
        let is_late = || shared.clock.ns_between(begun, shared.clock.reading()) > evict_ns;
        let made = self.keys.make_room(room, || shared.memory_used(), is_late);
        shared.operator.limit.note_longest(shared.clock.ns_between(begun, shared.clock.reading()));
        let used_bytes = shared.memory_used().used_bytes;
        if made.ended == Evicted::Nothing {
            return if used_bytes > limit_bytes { Err(CommandError::OutOfMemory) } else { Ok(None) };
        }
        let is_above = used_bytes > wanted_bytes + limit_bytes / ABOVE_SHARE;
        if !is_above || shared.operator.limit.is_exhausted.load(Relaxed) {
            return Ok(None);
        }
        let own_bytes = self.own_bytes(row, args);
        if made.freed_bytes >= own_bytes.saturating_mul(2) {
            return Ok(None);
        }
        // Were it let in all the same, large values would come faster than small ones go.
        let now_ms = self.now().mono_ms;
        let wait = *self.session.room_wait.get_or_insert(RoomWait::begin(now_ms, used_bytes));
        match wait.judge(now_ms, used_bytes, own_bytes) {
            Verdict::LetIn => Ok(None),
            Verdict::Refuse => Err(CommandError::OutOfMemory),
            Verdict::WaitOn => {
                // A quarter more, for what others write before it is this one's turn again.
                shared.operator.limit.ahead_bytes.fetch_max(ahead_bytes / 4 * 5, Relaxed);
                Ok(Some(PutOff::Room))
            }
        }
    }

    /// Bytes that a request brings. Cost: a look at each word.
    fn own_bytes(&self, row: &Row, args: &Args<'_>) -> u64 {
        let bytes: usize = match &self.session.transaction {
            Some(queue) if row.role == Role::Exec => {
                queue.queued.iter().map(|queued| queued.buffer.len()).sum()
            }
            _ => (0..args.words()).map(|at| args.word(at).len()).sum(),
        };
        bytes as u64
    }

    /// What must be free before a request so that it goes above the limit by one value at most: all it brings but
    /// the largest. Cost: a look at each word, where it names several keys.
    fn bytes_ahead(&self, row: &Row, args: &Args<'_>) -> u64 {
        let lens = |lens: &mut dyn Iterator<Item = usize>| {
            let (sum, most) = lens.fold((0, 0), |(sum, most), len| (sum + len, most.max(len)));
            (sum - most) as u64
        };
        match &self.session.transaction {
            Some(queue) if row.role == Role::Exec => {
                lens(&mut queue.queued.iter().map(|queued| queued.buffer.len()))
            }
            None if row.names_several_keys => lens(&mut (0..args.words()).map(|at| args.word(at).len())),
            _ => 0,
        }
    }
}

/// As said at `Ctx::keep_leases`; a token stands behind its key.
fn keep_leases_of(keys: &mut Keys<'_>, row: &Row, args: &Args<'_>, until_ms: u64) {
    for (at, _) in row.keys(args.words(), |at| args.word(at)) {
        if let Some(token) = Token::parse(args.word(at + 1)) {
            let bytes = args.word(at);
            let key = Key { bytes, hash: keys.keyspace.hash(bytes) };
            keys.view(&key).fill_answer_arrived(&key, token, until_ms);
        }
    }
}

impl Bench<'_> {
    /// Brings the number of shards closer to what suits the limit. True if there is more to do.
    pub fn spread(&mut self) -> bool {
        let limit_bytes = self.current.settings.maxmemory_bytes;
        self.keys().spread(limit_bytes)
    }

    /// Makes room in the background, for at most `ns`. True if there is more to do.
    pub fn make_room(&mut self, ns: u64) -> bool {
        let (shared, limit_bytes, now_ms) =
            (self.shared, self.current.settings.maxmemory_bytes, self.now.mono_ms);
        if limit_bytes == 0 {
            shared.note_exceeded(false, now_ms);
            return false;
        }
        shared.sample_memory(now_ms);
        let wanted_bytes = limit_bytes.saturating_sub(shared.operator.limit.ahead_bytes.load(Relaxed));
        let room = Room { limit_bytes: wanted_bytes, own: None, is_thorough: true };
        let begun = shared.clock.reading();
        let is_late = || shared.clock.ns_between(begun, shared.clock.reading()) > ns;
        let ended = match shared.memory_used().used_bytes > wanted_bytes {
            true => self.keys().make_room(room, || shared.memory_used(), is_late).ended,
            false => Evicted::Enough,
        };
        shared.note_exceeded(shared.memory_used().used_bytes > limit_bytes, now_ms);
        shared.operator.limit.is_exhausted.store(ended == Evicted::Nothing, Relaxed);
        if ended != Evicted::Some {
            shared.operator.limit.ahead_bytes.store(0, Relaxed);
        }
        ended == Evicted::Some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_follows_the_scale_of_redis() {
        assert_eq!([0, 5, 10].map(evict_ns), [0, 50_000, 100_000]);
        assert!((114_000..=115_001).contains(&evict_ns(11)) && evict_ns(99) > 20_000_000_000);
        assert_eq!(evict_ns(100), u64::MAX);
    }
}
