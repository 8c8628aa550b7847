//! When entries expire: a hierarchical timing wheel of 5-byte records.
//!
//! A record is 32 bits of a key's hash, enough to find its entry, and a hint: the entry's own deadline is
//! the truth. A slot gives its records out when its time begins; a record whose entry is not due yet is
//! pushed again, into a finer slot or a later one. Beside each record of level 1 stands its slot of level 0, so
//! that there it goes without a look at its entry: most deadlines cost one look-up, at their end. Superseded
//! records are dropped by a rebuild once they outnumber the entries with a deadline, so the wheel's size is
//! bounded.
//! Hashed hierarchical wheels: Varghese and Lauck, SOSP 1987; the choice of the level by the highest
//! differing bits as in the Linux kernel's timers.
//!
//! ```text
//! level 0   256 slots of 8 ms       2.0 s
//! level 1   256 slots of 2.0 s      8.7 min
//! level 2   256 slots of 8.7 min    37 h
//! level 3   256 slots of 37 h       1.1 years
//! level 4   256 slots of 1.1 years  to the year 2248; what is later is never swept, only expired on access
//! ```
//! When a slot of level 2 or above begins, all its records are looked at. Each wheel has a phase of its own, so that not
//! all wheels of a server enter a slot in the same moment.

/// Bits of a tick: 8 ms.
const TICK_BITS: u32 = 3;
const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 5;
/// Records of one piece of a list: a piece is a cache line.
const PIECE: usize = 11;
/// Records of level 1 moved to level 0 for each one that is given out: some hundred nanoseconds.
const SPREAD_MAX: usize = 64;
/// Superseded records tolerated beyond twice the live ones.
const SLACK: usize = 64;

/// Deadlines of one store's entries, wall-clock ms.
#[derive(Debug, Default)]
pub struct Wheel {
    /// Finest first; made at first use.
    levels: Vec<Level>,
    /// Records whose time has come.
    due: List,
    /// Those of the slot of level 1 that began last, on their way to level 0.
    spread: List,
    /// The tick up to which slots were given out.
    cursor: u64,
    /// Ticks that this wheel is ahead of the clock in its numbering; less than a turn of the finest level.
    phase: u64,
    len: usize,
}

#[derive(Debug, Default)]
struct Level {
    /// Which slots have records.
    filled: [u64; SLOTS / 64],
    /// Made at first use.
    slots: Vec<List>,
}

/// Records in no order.
#[derive(Debug, Default)]
struct List(Option<Box<Piece>>);

/// A part of a hash, and the slot of the next finer level that its deadline lies in.
#[derive(Clone, Copy, Debug)]
struct Record {
    hash: u32,
    fine: u8,
}

#[derive(Debug)]
struct Piece {
    next: Option<Box<Piece>>,
    hashes: [u32; PIECE],
    fine: [u8; PIECE],
    len: u8,
}

const _: () = assert!(size_of::<Piece>() == 64);

impl List {
    fn push(&mut self, record: Record) {
        match &mut self.0 {
            Some(piece) if usize::from(piece.len) < PIECE => piece.push(record),
            first => {
                let next = first.take();
                let piece =
                    first.insert(Box::new(Piece { next, hashes: [0; PIECE], fine: [0; PIECE], len: 0 }));
                piece.push(record);
            }
        }
    }

    fn pop(&mut self) -> Option<Record> {
        let piece = self.0.as_mut()?;
        // A piece is dropped with its last record: none is empty.
        piece.len -= 1;
        let at = usize::from(piece.len);
        let record = Record { hash: piece.hashes[at], fine: piece.fine[at] };
        if piece.len == 0 {
            self.0 = piece.next.take();
        }
        Some(record)
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Piece {
    fn push(&mut self, record: Record) {
        let at = usize::from(self.len);
        (self.hashes[at], self.fine[at]) = (record.hash, record.fine);
        self.len += 1;
    }
}

impl Drop for List {
    /// Piece by piece: a chain of millions would overflow the stack if each dropped its next.
    fn drop(&mut self) {
        let mut rest = self.0.take();
        while let Some(mut piece) = rest {
            rest = piece.next.take();
        }
    }
}

impl Level {
    fn push(&mut self, slot: usize, record: Record) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, List::default);
        }
        self.slots[slot].push(record);
        self.filled[slot / 64] |= 1 << (slot % 64);
    }

    fn take(&mut self, slot: usize) -> List {
        self.filled[slot / 64] &= !(1 << (slot % 64));
        std::mem::take(&mut self.slots[slot])
    }

    fn pop(&mut self, slot: usize) -> Option<Record> {
        let record = self.slots[slot].pop();
        if self.slots[slot].is_empty() {
            self.filled[slot / 64] &= !(1 << (slot % 64));
        }
        record
    }

    /// The first slot with records from `from` on.
    fn first(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = *self.filled.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.filled.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
}

impl Wheel {
    /// The tick at whose beginning a deadline is past.
    fn tick_of(&self, at_ms: i64) -> u64 {
        (at_ms.max(0) as u64).div_ceil(1 << TICK_BITS) + self.phase
    }

    /// The tick that runs at a time.
    fn tick_at(&self, now_ms: i64) -> u64 {
        (now_ms.max(0) as u64 >> TICK_BITS) + self.phase
    }

    /// Notes at `now_ms` that an entry is due at `at_ms`. Cost: constant.
    pub fn push(&mut self, now_ms: i64, at_ms: i64, record: u32) {
        if self.len == 0 {
            // A part of a hash: as good as drawn at random, and the same in each run of a test.
            self.phase = u64::from(record) & (SLOTS as u64 - 1);
            self.cursor = self.tick_at(now_ms);
        }
        // What should have been given out already is given out at once.
        let horizon = self.cursor | ((1 << (SLOT_BITS * LEVELS as u32)) - 1);
        let tick = self.tick_of(at_ms).clamp(self.cursor, horizon);
        let differing = (tick ^ self.cursor) | 1;
        let level = (differing.ilog2() / SLOT_BITS) as usize;
        if self.levels.is_empty() {
            self.levels.resize_with(LEVELS, Level::default);
        }
        let fine = if level == 0 { 0 } else { slot_of(tick, level - 1) as u8 };
        self.levels[level].push(slot_of(tick, level), Record { hash: record, fine });
        self.len += 1;
    }

    /// When the wheel next has something to give out; in the past if it has now.
    #[must_use]
    pub fn next_at(&self) -> Option<i64> {
        if !self.due.is_empty() || !self.spread.is_empty() {
            return Some(0);
        }
        self.next_slot().map(|(tick, ..)| (tick.saturating_sub(self.phase) << TICK_BITS) as i64)
    }

    /// The earliest that an entry may be due: up to a tick before `next_at`, since a slot's time begins when all its deadlines
    /// are past.
    #[must_use]
    pub fn earliest_at(&self) -> Option<i64> {
        self.next_at().map(|at| at - ((1 << TICK_BITS) - 1))
    }

    /// Takes a record whose slot's time has begun: its entry is due, or is to be pushed again.
    /// Cost: bounded, however many records a slot has.
    pub fn pop(&mut self, now_ms: i64) -> Option<u32> {
        loop {
            self.spread_some();
            if let Some(record) = self.due.pop().or_else(|| self.spread.pop()) {
                self.len -= 1;
                return Some(record.hash);
            }
            let now = self.tick_at(now_ms);
            let Some((tick, level, slot)) = self.next_slot().filter(|(tick, ..)| *tick <= now) else {
                // Nothing lies between, so what is pushed from here on is filed as finely as can be.
                self.cursor = self.cursor.max(now);
                return None;
            };
            self.cursor = tick;
            let records = self.levels[level].take(slot);
            *if level == 1 { &mut self.spread } else { &mut self.due } = records;
        }
    }

    /// Moves records of the slot of level 1 in which the cursor stands to their slots of level 0. While any is
    /// left the cursor stays at its first tick, so none of these slots has passed.
    fn spread_some(&mut self) {
        for _ in 0..SPREAD_MAX {
            let Some(record) = self.spread.pop() else { return };
            self.levels[0].push(usize::from(record.fine), Record { fine: 0, ..record });
        }
    }

    /// Takes a record of the earliest slot, whose time need not have begun, and tells when that slot ends.
    pub fn take_earliest(&mut self) -> Option<(i64, u32)> {
        let (until, record) = if let Some(record) = self.due.pop() {
            (self.cursor + 1, record)
        } else if let Some(record) = self.spread.pop() {
            (self.cursor + u64::from(record.fine) + 1, record)
        } else {
            let (tick, level, slot) = self.next_slot()?;
            let until = tick + (1 << (SLOT_BITS * level as u32));
            (until, self.levels[level].pop(slot)?)
        };
        self.len -= 1;
        Some(((until.saturating_sub(self.phase) << TICK_BITS) as i64, record.hash))
    }

    /// The time up to which records were given out, wall-clock ms: from where another wheel may go on.
    #[must_use]
    pub fn reached_at(&self) -> i64 {
        (self.cursor.saturating_sub(self.phase) << TICK_BITS) as i64
    }

    /// Whether the clock was set back so far that records would be given out late.
    #[must_use]
    pub fn is_ahead_of(&self, now_ms: i64) -> bool {
        self.len > 0 && self.cursor > self.tick_at(now_ms) + 1
    }

    /// Whether more than half of the records must be superseded, given how many entries have a deadline.
    #[must_use]
    pub fn is_bloated(&self, live: usize) -> bool {
        self.len > live * 2 + SLACK
    }

    /// Replaces all records.
    pub fn rebuild(&mut self, now_ms: i64, records: impl Iterator<Item = (i64, u32)>) {
        *self = Wheel::default();
        records.for_each(|(at_ms, record)| self.push(now_ms, at_ms, record));
    }

    /// Records, superseded ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the records, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len * size_of::<Piece>() / PIECE
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every record, in no order. Cost: a look at each slot and record.
    pub fn records(&self) -> impl Iterator<Item = u32> {
        self.pieces().flat_map(|piece| piece.hashes[..usize::from(piece.len)].iter().copied())
    }

    /// Bytes asked of the allocator. Cost: as `records`.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        let slots: usize = self.levels.iter().map(|level| level.slots.capacity() * size_of::<List>()).sum();
        slots + self.levels.capacity() * size_of::<Level>() + self.pieces().count() * size_of::<Piece>()
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let lists = self.levels.iter().flat_map(|level| &level.slots).chain([&self.due, &self.spread]);
        lists.flat_map(|list| std::iter::successors(list.0.as_deref(), |piece| piece.next.as_deref()))
    }

    /// The earliest slot with records: its first tick, level and number.
    fn next_slot(&self) -> Option<(u64, usize, usize)> {
        self.levels.iter().enumerate().find_map(|(level, slots)| {
            // The slot of a coarser level in which the cursor stands was given out when it was entered.
            let from = slot_of(self.cursor, level) + usize::from(level > 0);
            let slot = slots.first(from)?;
            let shift = SLOT_BITS * level as u32;
            let above = self.cursor >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
            Some((above | (slot as u64) << shift, level, slot))
        })
    }
}

fn slot_of(tick: u64, level: usize) -> usize {
    (tick >> (SLOT_BITS * level as u32)) as usize & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Plays the wheel's owner: a record whose entry is not due is pushed again.
    fn advance(wheel: &mut Wheel, entries: &mut HashMap<u32, i64>, now_ms: i64) {
        while let Some(record) = wheel.pop(now_ms) {
            match entries.get(&record) {
                Some(at) if *at > now_ms => wheel.push(now_ms, *at, record),
                _ => drop(entries.remove(&record)),
            }
        }
    }

    fn deadlines() -> impl Strategy<Value = i64> {
        prop_oneof![
            0..500i64,
            0..60_000i64,
            0..10_000_000i64,
            0..(10i64 * 365 * 86_400_000),
            Just(i64::MAX / 2)
        ]
    }

    proptest! {
        #[test]
        fn entries_go_within_two_ticks_of_their_time_and_never_before(
            begin in prop_oneof![Just(0i64), 0..2_000_000_000_000i64],
            steps in proptest::collection::vec((deadlines(), 0..200_000i64), 1..200),
        ) {
            let mut wheel = Wheel::default();
            let mut entries = HashMap::new();
            let mut now = begin;
            for (number, (ttl, pause)) in steps.into_iter().enumerate() {
                entries.insert(number as u32, now + ttl);
                wheel.push(now, now + ttl, number as u32);
                now += pause;
                advance(&mut wheel, &mut entries, now);
                for at in entries.values() {
                    prop_assert!(*at > now - 16, "{} ms late", now - at);
                }
                prop_assert_eq!(wheel.len(), entries.len());
                let next = wheel.next_at();
                prop_assert!(next.is_some() || entries.is_empty());
                prop_assert!(next.is_none_or(|next| entries.values().all(|at| next <= at + 8)));
            }
            advance(&mut wheel, &mut entries, i64::MAX);
            prop_assert!(wheel.is_empty() && entries.is_empty());
        }
    }

    #[test]
    fn a_clock_set_back_is_noticed_and_a_rebuild_makes_it_good() {
        let mut wheel = Wheel::default();
        wheel.push(3_000_000, 5_000_000, 1);
        assert_eq!(wheel.pop(4_000_000), None);
        assert!(wheel.is_ahead_of(1_000_000) && !wheel.is_ahead_of(3_999_995));
        wheel.rebuild(1_000_000, [(1_000_100, 1)].into_iter());
        assert_eq!((wheel.pop(1_000_099), wheel.pop(1_000_160)), (None, Some(1)));
    }

    #[test]
    fn a_million_records_of_one_time_cost_six_bytes_each_and_are_dropped_without_recursion() {
        let mut wheel = Wheel::default();
        (0..1_000_000).for_each(|record| wheel.push(0, 3_600_000, record));
        assert!(wheel.bytes() < 6_000_000 && wheel.records().count() == 1_000_000);
        drop(wheel);
    }

    #[test]
    fn wheel_is_bloated_once_superseded_records_outnumber_live_ones() {
        let mut wheel = Wheel::default();
        (0..100).for_each(|at| wheel.push(0, at, 0));
        assert!(wheel.is_bloated(1) && !wheel.is_bloated(50));
    }
}
