//! The order of a cache: S3-FIFO (Yang et al., SOSP 2023) with a border that adapts and a main region
//! that is not a queue.
//!
//! What is new enters the *small region*, a queue of records, and is young. Where its turn comes with three
//! uses it moves to the main region, with one or two it goes round once more, with none it is evicted and
//! leaves a ghost. The *main region* is everything that is not young; a hand sweeps the table in bucket
//! order, takes uses away and evicts where there are none left. A hit adds to a count of two bits; nothing
//! moves. A key that comes back while its ghost is there enters the main region, and the border between the
//! regions moves in favour of the one that had lost it: by more where that one's ghosts are the fewer.
//! Large entries pay more uses per sweep.
//! Cost: two bytes of ghost per entry, four per young one; the counts lie in bits that are there anyway.

use std::collections::{HashSet, VecDeque};

use super::super::arena::Block;
use super::super::marks::Hand;
use super::super::store::{Found, Store};
use super::super::table::Slot;
use super::ghost::Ghosts;

/// Slots the hand looks at for one victim; then the least used of them goes.
const STEPS_MAX: usize = 256;
/// The small region's share of the entries: at the start, at least, at most.
const SHARE: f64 = 0.1;
const SHARE_MIN: f64 = 0.01;
const SHARE_MAX: f64 = 0.75;
/// Entries by which one miss moves the border at most.
const MOVE_MAX: f64 = 20.0;
/// Uses with which a young entry moves to the main region.
const PROMOTING: u8 = 3;
/// Records of removed entries tolerated beyond twice the young ones.
const SLACK: usize = 64;

/// The queue of the small region, the hand of the main one, and the border between them.
#[derive(Debug)]
pub struct Adaptive {
    ring: VecDeque<u32>,
    ghosts: Ghosts,
    hand: Hand,
    share: f64,
    pub ghost_hits: u64,
}

impl Default for Adaptive {
    fn default() -> Adaptive {
        Adaptive {
            ring: VecDeque::new(),
            ghosts: Ghosts::default(),
            hand: Hand::default(),
            share: SHARE,
            ghost_hits: 0,
        }
    }
}

impl Adaptive {
    /// Takes a new key in; true if it begins as young. `len`: entries of the store.
    pub fn admit(&mut self, record: u32, len: usize) -> bool {
        let lens = self.ghosts.lens();
        match self.ghosts.take(record) {
            Some(from_main) => {
                self.ghost_hits += 1;
                self.move_border(from_main, lens, len);
                false
            }
            None => {
                self.ring.push_back(record);
                true
            }
        }
    }

    fn move_border(&mut self, from_main: bool, (small, main): (usize, usize), len: usize) {
        let (own, other) = if from_main { (main, small) } else { (small, main) };
        let entries = (other as f64 / own.max(1) as f64).clamp(1.0, MOVE_MAX);
        let by = entries / len.max(1) as f64;
        let moved = if from_main { self.share - by } else { self.share + by };
        self.share = moved.clamp(SHARE_MIN, SHARE_MAX);
    }

    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<u32>() + self.ghosts.bytes()
    }
}

impl Store {
    pub(super) fn adaptive_victim(&mut self, state: &mut Adaptive) -> Option<Found> {
        let len = self.len();
        state.ghosts.fit(len);
        self.trim_ring(state);
        loop {
            let young = self.table.young();
            let border = (state.share * len as f64).max(1.0) as usize;
            if young < len && young <= border {
                return self.main_victim(state);
            }
            if let Some(victim) = self.young_victim(state, border) {
                return Some(victim);
            }
        }
    }

    /// The next young entry without a use; `None` once the small region has shrunk to its border.
    fn young_victim(&mut self, state: &mut Adaptive, border: usize) -> Option<Found> {
        while let Some(record) = state.ring.pop_front() {
            let Some(found) = self.find_exact(record, |slot| self.table.is_young(slot)) else { continue };
            let count = self.table.count(found.slot);
            self.table.set_count(found.slot, 0);
            match count {
                0 => {
                    state.ghosts.add(record, false);
                    return Some(found);
                }
                PROMOTING.. => {
                    self.table.set_young(found.slot, false);
                    if self.table.young() <= border {
                        return None;
                    }
                }
                _ => state.ring.push_back(record),
            }
        }
        None
    }

    fn main_victim(&mut self, state: &mut Adaptive) -> Option<Found> {
        let mean = self.mean_bytes();
        let mut least: Option<(u8, Slot, Block)> = None;
        for _ in 0..STEPS_MAX {
            let (slot, block) = self.table.advance(&mut state.hand)?;
            if self.table.is_young(slot) {
                continue;
            }
            let count = self.table.count(slot);
            let price = 1 + self.surcharge(block, mean);
            if count < price {
                least = Some((0, slot, block));
                break;
            }
            let left = count - price;
            self.table.set_count(slot, left);
            if least.is_none_or(|(count, ..)| left < count) {
                least = Some((left, slot, block));
            }
        }
        let (_, slot, block) = least?;
        state.ghosts.add(self.record(block), true);
        Some(Found { slot, block })
    }

    fn mean_bytes(&self) -> usize {
        (self.arena.used_bytes() + self.outside.bytes()) / self.len().max(1)
    }

    /// Uses that an entry pays per sweep beyond the one that every entry does.
    fn surcharge(&self, block: Block, mean: usize) -> u8 {
        let bytes = self.whole_bytes(&self.read(block));
        u8::from(bytes > mean * 2) + u8::from(bytes > mean * 4)
    }

    /// Drops records of removed entries once they outnumber the rest.
    fn trim_ring(&self, state: &mut Adaptive) {
        if state.ring.len() <= self.table.young() * 2 + SLACK {
            return;
        }
        let mut seen = HashSet::new();
        state.ring.retain(|record| {
            self.find_exact(*record, |slot| self.table.is_young(slot)).is_some() && seen.insert(*record)
        });
    }
}
