//! What eviction keeps in the table: counts and "young" bits in the buckets, stamps beside them, and the
//! walk of a hand over the slots in bucket order. Only eviction reads them.

use super::arena::Block;
use super::bucket::{BLOCK_MASK, IS_OVERFLOW, SLOTS};
use super::regions::PAGE;
use super::table::{COUNT_MAX, Slot, Table};

/// Where a hand stands between two slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hand {
    home: usize,
    /// Slots of this home's chain that were passed.
    passed: usize,
}

impl Table {
    /// Entries marked young.
    #[must_use]
    pub fn young(&self) -> usize {
        self.young
    }

    /// How often the entry was used lately, at most `COUNT_MAX`.
    #[inline]
    #[must_use]
    pub fn count(&self, at: Slot) -> u8 {
        (self.bucket(at.bucket).slots[usize::from(at.slot)] >> BLOCK_MASK.count_ones()) as u8
    }

    #[inline]
    pub fn set_count(&mut self, at: Slot, count: u8) {
        let slot = &mut self.bucket_mut(at.bucket).slots[usize::from(at.slot)];
        *slot = *slot & BLOCK_MASK | u32::from(count.min(COUNT_MAX)) << BLOCK_MASK.count_ones();
    }

    #[inline]
    #[must_use]
    pub fn is_young(&self, at: Slot) -> bool {
        self.bucket(at.bucket).is_young(usize::from(at.slot))
    }

    pub fn set_young(&mut self, at: Slot, is_young: bool) {
        let was = self.is_young(at);
        self.young = self.young + usize::from(is_young) - usize::from(was);
        self.bucket_mut(at.bucket).set_young(usize::from(at.slot), is_young);
    }

    /// The entry's stamp; 0 while none are kept.
    #[must_use]
    pub fn stamp(&self, at: Slot) -> u32 {
        let index = (at.bucket & !IS_OVERFLOW) as usize;
        let pages = if at.bucket & IS_OVERFLOW == 0 { &self.homes } else { &self.overflow };
        pages.stamps.as_ref().map_or(0, |stamps| stamps[index / PAGE][index % PAGE][usize::from(at.slot)])
    }

    #[inline]
    pub fn set_stamp(&mut self, at: Slot, stamp: u32) {
        let index = (at.bucket & !IS_OVERFLOW) as usize;
        let pages = if at.bucket & IS_OVERFLOW == 0 { &mut self.homes } else { &mut self.overflow };
        if let Some(stamps) = pages.stamps_of(index) {
            stamps[usize::from(at.slot)] = stamp;
        }
    }

    /// Begins or ends to keep a stamp for each entry; all begin with `stamp`. Cost: four bytes per slot.
    pub fn keep_stamps(&mut self, keep: bool, stamp: u32) {
        for pages in [&mut self.homes, &mut self.overflow] {
            pages.stamps =
                keep.then(|| pages.pages.iter().map(|_| Box::new([[stamp; SLOTS]; PAGE])).collect());
        }
    }

    /// Forgets all counts and "young" bits. Cost: a look at every bucket.
    pub fn clear_marks(&mut self) {
        self.young = 0;
        for bucket in [&mut self.homes, &mut self.overflow]
            .into_iter()
            .flat_map(|pages| &mut pages.pages)
            .flat_map(|page| page.iter_mut())
        {
            bucket.slots.iter_mut().for_each(|slot| *slot &= BLOCK_MASK);
            (0..SLOTS).for_each(|slot| bucket.set_young(slot, false));
        }
    }

    /// The next filled slot in bucket order, around and around; `None` in an empty table.
    pub fn advance(&self, hand: &mut Hand) -> Option<(Slot, Block)> {
        if self.is_empty() {
            return None;
        }
        loop {
            if let Some(found) = self.next_in_chain(hand) {
                return Some(found);
            }
            *hand = Hand { home: (hand.home + 1) % self.homes.len, passed: 0 };
        }
    }

    fn next_in_chain(&self, hand: &mut Hand) -> Option<(Slot, Block)> {
        // The table may have shrunk since.
        let mut number = if hand.home < self.homes.len { hand.home } else { 0 } as u32;
        hand.home = number as usize;
        for _ in 0..hand.passed / SLOTS {
            number = self.bucket(number).next();
            if number == 0 {
                return None;
            }
        }
        loop {
            let bucket = self.bucket(number);
            for at in hand.passed % SLOTS..SLOTS {
                hand.passed += 1;
                let block = bucket.slots[at] & BLOCK_MASK;
                if block != 0 {
                    return Some((Slot { bucket: number, slot: at as u8 }, Block(block)));
                }
            }
            number = bucket.next();
            if number == 0 {
                return None;
            }
        }
    }

    /// Visits the slots of a bucket and its continuations.
    pub(super) fn each_slot(&self, home: usize, mut visit: impl FnMut(Slot, Block)) {
        let mut number = home as u32;
        loop {
            let bucket = self.bucket(number);
            for at in 0..SLOTS {
                let block = bucket.slots[at] & BLOCK_MASK;
                if block != 0 {
                    visit(Slot { bucket: number, slot: at as u8 }, Block(block));
                }
            }
            number = bucket.next();
            if number == 0 {
                return;
            }
        }
    }

    /// A hand at a random place; `random(n)` gives a number below `n`.
    #[must_use]
    pub fn hand_anywhere(&self, mut random: impl FnMut(usize) -> usize) -> Hand {
        Hand { home: if self.homes.len == 0 { 0 } else { random(self.homes.len) }, passed: 0 }
    }
}
