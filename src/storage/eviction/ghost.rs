//! Ghosts: fingerprints of what was evicted, so that a miss tells whether more room would have been a hit.
//!
//! ```text
//! set     8 ghosts, newest first
//! ghost   region 1 | fingerprint 15       0 = none
//! ```
//! Two bytes per entry of the store. A fingerprint answers for a stranger in one of 4,096 questions.

const WAYS: usize = 8;
const FROM_MAIN: u16 = 1 << 15;

/// Fingerprints of evicted keys.
#[derive(Debug, Default)]
pub struct Ghosts {
    sets: Vec<[u16; WAYS]>,
    small: usize,
    main: usize,
}

impl Ghosts {
    /// Ghosts of entries evicted from the small region, and from the main one.
    pub fn lens(&self) -> (usize, usize) {
        (self.small, self.main)
    }

    pub fn bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[u16; WAYS]>()
    }

    /// Remembers an evicted key by its record. The oldest of its set makes room.
    pub fn add(&mut self, record: u32, from_main: bool) {
        let Some(set) = self.set_of(record) else { return };
        let set = &mut self.sets[set];
        let oldest = set[WAYS - 1];
        set.copy_within(..WAYS - 1, 1);
        set[0] = fingerprint(record) | if from_main { FROM_MAIN } else { 0 };
        self.uncount(oldest);
        *self.count_of(from_main) += 1;
    }

    /// Forgets a key that has come back, and tells whether it was evicted from the main region.
    pub fn take(&mut self, record: u32) -> Option<bool> {
        let set = self.set_of(record)?;
        let set = &mut self.sets[set];
        let at = set.iter().position(|ghost| ghost & !FROM_MAIN == fingerprint(record))?;
        let ghost = set[at];
        set.copy_within(at + 1.., at);
        set[WAYS - 1] = 0;
        self.uncount(ghost);
        Some(ghost & FROM_MAIN != 0)
    }

    /// Makes room for one ghost per entry. Cost: nothing mostly; else a copy, at each eighth of growth.
    pub fn fit(&mut self, entries: usize) {
        let wanted = entries.div_ceil(WAYS).max(1);
        let has = self.sets.len();
        if has < wanted || wanted < has / 4 {
            let wanted = wanted + wanted / 8;
            self.sets = (0..wanted).map(|set| self.resized(set, wanted)).collect();
            self.recount();
        }
    }

    /// What goes into a set when there are to be so many: the newest of the sets, mostly two, that cover the
    /// same share of the whole. A record's place grows with the number of sets.
    fn resized(&self, set: usize, wanted: usize) -> [u16; WAYS] {
        let has = self.sets.len();
        let covering = &self.sets[set * has / wanted..((set + 1) * has).div_ceil(wanted)];
        let newest = (0..WAYS).flat_map(|age| covering.iter().map(move |set| set[age]));
        let mut into = [0; WAYS];
        into.iter_mut().zip(newest.filter(|ghost| *ghost != 0)).for_each(|(place, ghost)| *place = ghost);
        into
    }

    fn recount(&mut self) {
        let all = || self.sets.iter().flatten().filter(|ghost| **ghost != 0);
        self.main = all().filter(|ghost| **ghost & FROM_MAIN != 0).count();
        self.small = all().count() - self.main;
    }

    fn uncount(&mut self, ghost: u16) {
        if ghost != 0 {
            *self.count_of(ghost & FROM_MAIN != 0) -= 1;
        }
    }

    fn count_of(&mut self, main: bool) -> &mut usize {
        if main { &mut self.main } else { &mut self.small }
    }

    fn set_of(&self, record: u32) -> Option<usize> {
        let spread = u64::from(record.wrapping_mul(0x9e37_79b1));
        (!self.sets.is_empty()).then(|| ((spread * self.sets.len() as u64) >> 32) as usize)
    }
}

/// Never 0. From other bits than the set.
fn fingerprint(record: u32) -> u16 {
    ((record ^ record >> 15).wrapping_mul(0x85eb_ca6b) >> 17).max(1) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records are parts of hashes.
    fn spread(number: u32) -> u32 {
        crate::base::hash::HashSeed(1, 2).hash(&number.to_le_bytes()) as u32
    }

    #[test]
    fn a_ghost_is_found_once_and_tells_its_region() {
        let mut ghosts = Ghosts::default();
        ghosts.add(1, true);
        assert_eq!(ghosts.take(1), None, "without room nothing is remembered");
        ghosts.fit(100);
        ghosts.add(1, true);
        ghosts.add(2, false);
        assert_eq!(ghosts.lens(), (1, 1));
        assert_eq!([ghosts.take(1), ghosts.take(1), ghosts.take(2)], [Some(true), None, Some(false)]);
        assert_eq!(ghosts.lens(), (0, 0));
    }

    #[test]
    fn about_as_many_are_remembered_as_there_are_entries_also_after_growth() {
        let mut ghosts = Ghosts::default();
        for entries in [800, 1_600] {
            ghosts.fit(entries);
            (0..20_000).for_each(|record: u32| ghosts.add(spread(record), false));
            let (small, main) = ghosts.lens();
            assert!((entries * 9 / 10..=entries * 5 / 4).contains(&small) && main == 0, "{small}");
        }
        let newest: Vec<u32> = (19_500..20_000u32).map(spread).collect();
        let before = newest.iter().filter(|record| ghosts.take(**record).is_some()).count();
        assert!(before > 450, "{before}");
    }

    #[test]
    fn growing_keeps_what_is_remembered() {
        let mut ghosts = Ghosts::default();
        ghosts.fit(1_000);
        (0..300u32).for_each(|record| ghosts.add(spread(record), true));
        ghosts.fit(1_400);
        let kept = (0..300u32).filter(|record| ghosts.take(spread(*record)).is_some());
        assert!(kept.count() > 270);
    }
}
