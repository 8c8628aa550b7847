//! A sorted set too large to be packed: a store in the store, and the order of its records.
//!
//! A member is an entry of the inner store, its value the score, 8 bytes; `order` refers to the entries by their blocks. A
//! score is written over the old one where it lies, so only compaction moves a record, and then names it anew in the order.
//! Invariants: every entry has one reference in the table and one in the order; the order is that of scores and members.
//! Knows no key, no lock, no name of a command.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use super::arena::Block;
use super::entry::Entry;
use super::meta::Meta;
use super::order::Order;
use super::outside::{Full, Large};
use super::packed::{self, Limits, Type, Zset};
use super::store::{Found, Store};
use super::value::NewValue;
use crate::base::hash::{HashSeed, Key};

/// The members of a sorted set.
#[derive(Debug)]
pub struct Ordered {
    /// Whether its name (OBJECT ENCODING) has become that of a large form, for good.
    is_named: bool,
    store: Store,
    order: Order,
}

/// What became of a member's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Updated {
    /// The score it had; `None` where it was not there.
    pub before: Option<f64>,
    /// The score it was to have; `None` where it was to be left alone.
    pub after: Option<f64>,
}

impl Updated {
    /// The score to write: none where the member has it already.
    #[must_use]
    pub fn to_write(self) -> Option<f64> {
        self.after.filter(|_| self.after != self.before)
    }

    /// Whether the member is a new one.
    #[must_use]
    pub fn is_new(self) -> bool {
        self.before.is_none() && self.after.is_some()
    }
}

impl Ordered {
    /// Changes those outside of an entry; `None` where there are none.
    pub fn change<R>(store: &mut Store, found: Found, change: impl FnOnce(&mut Ordered) -> R) -> Option<R> {
        store.change_large(found, change)
    }

    /// A set without members, which must get one before anybody sees it.
    #[must_use]
    pub fn new(is_named: bool, seed: HashSeed) -> Ordered {
        Ordered { is_named, store: Store::new_inner(seed), order: Order::default() }
    }

    /// What a packed value holds. Cost: one insertion per member.
    ///
    /// # Errors
    /// Where it can't hold them; not for what fits a packed value.
    pub fn of_packed(bytes: &[u8], seed: HashSeed) -> Result<Ordered, Full> {
        let zset = Zset::read(bytes);
        let mut ordered = Ordered::new(zset.form().is_named(), seed);
        let mut text = itoa::Buffer::new();
        for scored in zset.iter_from(0) {
            ordered.update(scored.member.text(&mut text), |_| Some(scored.score))?;
        }
        Ok(ordered)
    }

    /// The same, packed: `None` unless that takes at most a quarter of what `limits` allow, so that a member that comes and
    /// goes does not change the form each time. Cost: mostly two comparisons.
    #[must_use]
    pub fn to_packed(&self, limits: &Limits) -> Option<Vec<u8>> {
        if self.len() > limits.items / 4 || self.store.used_bytes() > limits.bytes / 4 {
            return None;
        }
        let mut bytes = Zset::EMPTY.to_vec();
        bytes[0] = Zset::read(&bytes).form().with_name(self.is_named).byte();
        let fits = self
            .iter(0..self.len())
            .all(|(member, score)| packed::put_score(&mut bytes, member, score, limits));
        fits.then_some(bytes)
    }

    /// Gives it the name of a large form.
    pub fn set_named(&mut self) {
        self.is_named = true;
    }

    /// Members.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The score of a member. Cost: as `Store::find`.
    #[inline]
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.store.get(&self.key(member)).map(|entry| score_of(&entry))
    }

    /// The rank of a member, and its score. Cost: as `Store::find` and `Order::rank_of`.
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.order.find(score, |other| compare(&self.store, other, score, member))?, score))
    }

    /// How many members are before a place, `is_before` telling it of each; `score` is the score there, NaN where scores say
    /// nothing. Cost: as `Order::rank_of`.
    #[must_use]
    pub fn rank_of(&self, score: f64, is_before: impl Fn(&[u8], f64) -> bool) -> usize {
        self.order.rank_of(score, |reference| {
            let (member, score) = record(&self.store, reference);
            if is_before(member, score) { Ordering::Less } else { Ordering::Greater }
        })
    }

    /// Members and scores of these ranks. Cost: as `Order::iter`, and a look at each record.
    pub fn iter(&self, ranks: Range<usize>) -> impl DoubleEndedIterator<Item = (&[u8], f64)> {
        self.order.iter(ranks).map(|reference| record(&self.store, reference))
    }

    /// Visits every member, in no order that anybody may rely on.
    pub fn each(&self, mut visit: impl FnMut(&[u8], f64)) {
        self.store.each(|entry| visit(entry.key(), score_of(&entry)));
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end; guarantees what `Store::scan` does.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.store.scan(cursor, |entry| visit(entry.key(), score_of(&entry)))
    }

    /// Gives a member the score that `decide` makes of the one it has, or leaves it alone. Scores are never NaN.
    /// Cost: a look-up; a new member one insertion in table and order; another score one removal and one insertion there.
    ///
    /// # Errors
    /// Where there is no room for one more; nothing changes then.
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<Updated, Full> {
        let key = self.key(member);
        let found = self.store.find(&key);
        let before = found.map(|found| score_of(&self.store.entry(found)));
        let updated = Updated { before, after: decide(before) };
        let Some(score) = updated.to_write() else { return Ok(updated) };
        let reference = match found.zip(before) {
            Some((found, before)) => {
                self.take_out_of_order(member, before);
                let new = score.to_le_bytes();
                self.store.overwrite(0, found, &NewValue::Small(&new), Meta::value(None));
                found.block
            }
            None if self.store.is_full() => return Err(Full),
            None => self.store.add(&key, &score.to_le_bytes()),
        };
        let Ordered { store, order, .. } = self;
        order.insert(
            reference.0,
            score,
            |other| compare(store, other, score, member),
            |other| record(store, other).1,
        );
        self.tidy();
        Ok(updated)
    }

    /// Takes a member out; false where it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(found) = self.store.find(&self.key(member)) else { return false };
        self.take_out_of_order(member, score_of(&self.store.entry(found)));
        self.store.remove(found);
        self.tidy();
        true
    }

    /// Takes the members of these ranks out. Cost: of each, that of `remove`.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        for _ in ranks.clone() {
            let Ordered { store, order, .. } = self;
            let reference = order.remove(ranks.start, |other| record(store, other).1);
            let found = reference.and_then(|reference| store.found_at(Block(reference)));
            found.into_iter().for_each(|found| drop(store.remove(found)));
            self.tidy();
        }
    }

    fn take_out_of_order(&mut self, member: &[u8], score: f64) {
        let Ordered { store, order, .. } = self;
        let rank = order.find(score, |other| compare(store, other, score, member));
        rank.and_then(|rank| order.remove(rank, |other| record(store, other).1));
    }

    /// Moves records together where changes have left memory scattered. Cost: mostly a comparison.
    fn tidy(&mut self) {
        let Ordered { store, order, .. } = self;
        store.tidy(|store, from, to| {
            let (member, score) = record(store, to.0);
            // Where it was there is nothing to be read any more.
            let rank = order.find(score, |other| match other == from.0 {
                true => Ordering::Equal,
                false => compare(store, other, score, member),
            });
            let is_renamed = rank.is_some_and(|rank| order.replace(rank, to.0));
            debug_assert!(is_renamed, "a record without a place in the order");
        });
    }

    fn copied(&self) -> Ordered {
        let mut copy = Ordered::new(self.is_named, self.store.seed());
        for (member, score) in self.iter(0..self.len()) {
            // What is there once has room a second time.
            let copied = copy.update(member, |_| Some(score));
            debug_assert!(copied.is_ok());
        }
        copy
    }

    #[inline]
    fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.store.seed().hash(bytes) }
    }
}

/// The score in a member's entry.
#[inline]
fn score_of(entry: &Entry<'_>) -> f64 {
    let bytes = entry.value().ok().and_then(|value| value.as_slice().first_chunk().copied());
    bytes.map_or(0.0, f64::from_le_bytes)
}

/// The member and the score that a reference names.
#[inline]
fn record(store: &Store, reference: u32) -> (&[u8], f64) {
    let entry = store.read(Block(reference));
    (entry.key(), score_of(&entry))
}

/// How a record stands to a place.
#[inline]
fn compare(store: &Store, reference: u32, score: f64, member: &[u8]) -> Ordering {
    let (other, own) = record(store, reference);
    own.partial_cmp(&score).unwrap_or(Ordering::Equal).then_with(|| other.cmp(member))
}

impl Large for Ordered {
    fn of_type(&self) -> Type {
        Type::Zset
    }

    fn is_named(&self) -> bool {
        self.is_named
    }

    fn held_bytes(&self) -> usize {
        size_of::<Ordered>() + self.store.size().held_bytes + self.order.held_bytes()
    }

    fn to_copy(&self) -> Box<dyn Large> {
        Box::new(self.copied())
    }

    fn drain(&mut self, see: &mut dyn FnMut(Bytes)) {
        self.store.drain_large(see);
    }

    fn recount(&self) -> (usize, Vec<String>) {
        let mut count = self.store.recount();
        let is_before = |one: u32, other: u32| {
            let (member, score) = record(&self.store, other);
            compare(&self.store, one, score, member).is_lt()
        };
        let score_of = |reference: u32| record(&self.store, reference).1;
        let faults = self.order.check(is_before, score_of);
        count.faults.extend(faults.into_iter().map(|fault| format!("order: {fault}")));
        if count.entries == 0 || count.entries != self.order.len() {
            count.faults.push(format!("{} members, {} in order", count.entries, self.order.len()));
        }
        let is_known = |reference: u32| self.store.found_at(Block(reference)).is_some();
        let unknown = self.order.iter(0..self.order.len()).filter(|reference| !is_known(*reference)).count();
        if unknown > 0 {
            count.faults.push(format!("{unknown} references name no member"));
        }
        let faults = count.faults.into_iter().map(|fault| format!("sorted set: {fault}")).collect();
        (size_of::<Ordered>() + count.bytes + self.order.held_bytes(), faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const SEED: HashSeed = HashSeed(1, 2);

    #[derive(Clone, Debug)]
    enum Step {
        Set(u16, usize, f64),
        Remove(u16),
        RemoveRanks(usize, usize),
        Copy,
    }

    fn name(number: u16, len: usize) -> Vec<u8> {
        let mut name = format!("m{number}").into_bytes();
        name.resize(name.len() + len, b'x');
        name
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // As many long names as make segments that are drained: some 100 KB.
        let lens = prop_oneof![4 => 0..20usize, 2 => 1_000..2_000usize, 1 => 5_000..6_000usize];
        let scores =
            prop_oneof![4 => (-3..4i32).prop_map(f64::from), 1 => any::<i64>().prop_map(|n| n as f64)];
        let step = prop_oneof![
            16 => (0..200u16, lens, scores).prop_map(|(number, len, score)| Step::Set(number, len, score)),
            4 => (0..200u16).prop_map(Step::Remove),
            1 => (0..100usize, 0..30usize).prop_map(|(at, count)| Step::RemoveRanks(at, count)),
            1 => Just(Step::Copy),
        ];
        proptest::collection::vec(step, 1..500)
    }

    /// Members and scores in order.
    fn sorted(model: &HashMap<u16, (Vec<u8>, f64)>) -> Vec<(Vec<u8>, f64)> {
        let mut all: Vec<_> = model.values().cloned().collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn members_are_what_a_sorted_list_holds(steps in steps()) {
            let mut set = Ordered::new(false, SEED);
            let mut model: HashMap<u16, (Vec<u8>, f64)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Set(number, len, score) => {
                        let member = model.get(&number).map_or_else(|| name(number, len), |known| known.0.clone());
                        let before = model.get(&number).map(|known| known.1);
                        let updated = set.update(&member, |before| before.map_or(Some(score), |_| Some(score)));
                        prop_assert_eq!(updated, Ok(Updated { before, after: Some(score) }));
                        model.insert(number, (member, score));
                    }
                    Step::Remove(number) => {
                        let known = model.remove(&number);
                        let member = known.as_ref().map_or_else(|| name(number, 0), |known| known.0.clone());
                        prop_assert_eq!(set.remove(&member), known.is_some());
                    }
                    Step::RemoveRanks(at, count) => {
                        let ranks = at.min(model.len())..(at + count).min(model.len());
                        let gone: Vec<_> = sorted(&model)[ranks.clone()].to_vec();
                        model.retain(|_, known| !gone.contains(known));
                        set.remove_ranks(ranks);
                    }
                    Step::Copy => set = set.copied(),
                }
            }
            let all = sorted(&model);
            let seen: Vec<_> = set.iter(0..set.len()).map(|(member, score)| (member.to_vec(), score)).collect();
            prop_assert_eq!(&seen, &all);
            for (rank, (member, score)) in all.iter().enumerate() {
                prop_assert_eq!(set.rank(member), Some((rank, *score)));
            }
            if !model.is_empty() {
                prop_assert_eq!(set.recount(), (set.held_bytes(), Vec::new()));
            }
        }
    }

    #[test]
    fn compaction_keeps_the_order() {
        let mut set = Ordered::new(false, SEED);
        let member = |number: u32| format!("member:{number:0100}").into_bytes();
        for number in 0..20_000 {
            set.update(&member(number), |_| Some(f64::from(number % 7))).expect("it has room");
        }
        let held = set.held_bytes();
        for number in (0..20_000).filter(|number| number % 5 != 0) {
            assert!(set.remove(&member(number)));
        }
        assert_eq!(set.recount(), (set.held_bytes(), Vec::new()));
        assert!(set.held_bytes() < held / 3, "{} of {held}", set.held_bytes());
        let scores: Vec<f64> = set.iter(0..set.len()).map(|(_, score)| score).collect();
        assert!(scores.len() == 4_000 && scores.is_sorted());
    }

    #[test]
    fn bounds_are_found_by_score_and_by_member() {
        let mut set = Ordered::new(false, SEED);
        for number in 0..1_000u32 {
            set.update(format!("{number:04}").as_bytes(), |_| Some(f64::from(number / 10)))
                .expect("it has room");
        }
        assert_eq!(set.rank_of(5.0, |_, score| score < 5.0), 50);
        assert_eq!(set.rank_of(5.0, |_, score| score <= 5.0), 60);
        assert_eq!(set.rank_of(f64::INFINITY, |_, score| score < f64::INFINITY), 1_000);
        assert_eq!(set.rank_of(f64::NAN, |member, _| member < &b"0123"[..]), 123);
        assert_eq!(set.rank(b"0123"), Some((123, 12.0)));
        assert_eq!(set.rank(b"123"), None);
        let back: Vec<_> = set.iter(10..13).rev().map(|(member, _)| member.to_vec()).collect();
        assert_eq!(back, [b"0012", b"0011", b"0010"]);
    }

    #[test]
    fn set_that_became_small_is_packed_again_with_its_name() {
        let mut set = Ordered::new(true, SEED);
        for number in 0..200u32 {
            set.update(number.to_string().as_bytes(), |_| Some(f64::from(number))).expect("it has room");
        }
        assert_eq!(set.to_packed(&Limits::SEARCHED), None);
        set.remove_ranks(100..200);
        let bytes = set.to_packed(&Limits::SEARCHED).expect("it is small");
        assert!(packed::faults(&bytes).is_empty() && Zset::read(&bytes).form().is_named());
        let again = Ordered::of_packed(&bytes, SEED).expect("it has room");
        let all = |set: &Ordered| set.iter(0..set.len()).map(|(m, s)| (m.to_vec(), s)).collect::<Vec<_>>();
        assert_eq!((again.is_named(), all(&again)), (true, all(&set)));
        assert_eq!(Ordered::of_packed(Zset::EMPTY, SEED).map(|set| set.len()), Ok(0));
    }
}
