//! The tree against a sorted vector, recounted after each step.

use std::cmp::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;

use super::node::LEAF_LEN;
use super::*;

/// Records by reference: score and member, and the tree over some of them.
#[derive(Default)]
struct Records {
    records: Vec<(f64, u32)>,
    order: Order,
    model: Vec<u32>,
}

impl Records {
    fn stand(&self, reference: u32, score: f64, member: u32) -> Ordering {
        let (other_score, other) = self.records[reference as usize];
        other_score.total_cmp(&score).then(other.cmp(&member))
    }

    fn add(&mut self, score: f64, member: u32) -> u32 {
        self.records.push((score, member));
        (self.records.len() - 1) as u32
    }

    /// The rank of a record by the model, and whether it is there.
    fn modelled(&self, score: f64, member: u32) -> Result<usize, usize> {
        self.model.binary_search_by(|reference| self.stand(*reference, score, member))
    }

    fn insert(&mut self, score: f64, member: u32) {
        let Err(rank) = self.modelled(score, member) else { return };
        let reference = self.add(score, member);
        let mut order = std::mem::take(&mut self.order);
        let found = order.insert(
            reference,
            score,
            |other| self.stand(other, score, member),
            |other| self.records[other as usize].0,
        );
        self.order = order;
        assert_eq!(found, rank);
        self.model.insert(rank, reference);
    }

    fn remove(&mut self, rank: usize) {
        let Records { records, order, model } = self;
        assert_eq!(order.remove(rank, |other| records[other as usize].0), Some(model.remove(rank)));
    }

    fn check(&self) {
        let faults = self.order.check(
            |a, b| {
                let (score, member) = self.records[b as usize];
                self.stand(a, score, member).is_lt()
            },
            |reference| self.records[reference as usize].0,
        );
        assert_eq!(faults, [""; 0]);
        assert_eq!((self.order.len(), self.order.is_empty()), (self.model.len(), self.model.is_empty()));
    }

    /// Compares every way of asking with the model.
    fn compare(&self) {
        self.check();
        assert!(self.order.iter(0..usize::MAX).eq(self.model.iter().copied()));
        assert!(self.order.iter(0..usize::MAX).rev().eq(self.model.iter().rev().copied()));
        for (rank, reference) in self.model.iter().enumerate() {
            let (score, member) = self.records[*reference as usize];
            let stand = |other| self.stand(other, score, member);
            assert_eq!((self.order.find(score, stand), self.order.get(rank)), (Some(rank), Some(*reference)));
            assert_eq!(self.order.find(score, |other| self.stand(other, score, u32::MAX)), None);
        }
        assert_eq!(self.order.get(self.model.len()), None);
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Many of one kind: scores from one on, by so much.
    Insert(i32, i32, u8),
    /// Many at ranks from a part of the whole on.
    Remove(u8, u8),
    Replace(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..20i32, prop_oneof![Just(0), Just(1), Just(-1), Just(7)], any::<u8>()).prop_map(|(from, by, count)| Step::Insert(from, by, count)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(part, count)| Step::Remove(part, count)),
        1 => any::<u8>().prop_map(Step::Replace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tree_is_a_sorted_vector(steps in vec(step(), 1..40), bound in -30..30i32) {
        let mut all = Records::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(from, by, count) => for add in 0..i32::from(count) {
                    all.insert(f64::from(from + by * add), (number as u32) << 8 | (add as u32).wrapping_mul(37) & 0xff);
                },
                Step::Remove(part, count) => for _ in 0..count {
                    if all.model.is_empty() {
                        break;
                    }
                    all.remove((all.model.len() - 1) * usize::from(part) / 255);
                },
                Step::Replace(part) => if !all.model.is_empty() {
                    let rank = (all.model.len() - 1) * usize::from(part) / 255;
                    let (score, member) = all.records[all.model[rank] as usize];
                    let moved = all.add(score, member);
                    prop_assert!(all.order.replace(rank, moved));
                    all.model[rank] = moved;
                },
            }
            all.check();
        }
        all.compare();
        let score = f64::from(bound);
        let below = all.model.iter().filter(|reference| all.records[**reference as usize].0 < score).count();
        let up_to = all.model.iter().filter(|reference| all.records[**reference as usize].0 <= score).count();
        // A bound of scores alone: all of the same score are behind it, or before it.
        let found = |same: Ordering| all.order.rank_of(score, |reference| {
            all.records[reference as usize].0.total_cmp(&score).then(same)
        });
        prop_assert_eq!([found(Ordering::Greater), found(Ordering::Less)], [below, up_to]);
        for rank in [0, below, up_to, all.model.len() + 1] {
            let rest = all.model.iter().skip(rank).copied();
            prop_assert!(all.order.iter(rank..usize::MAX).eq(rest.clone()));
            prop_assert_eq!(all.order.iter(rank..usize::MAX).len(), rest.len());
        }
        while !all.model.is_empty() {
            all.remove(all.model.len() / 2);
        }
        all.check();
        prop_assert_eq!(all.order.held_bytes(), 0);
    }
}

#[test]
fn rising_and_falling_scores_fill_leaves() {
    for by in [1.0, -1.0] {
        let mut all = Records::default();
        (0..10_000).for_each(|number| all.insert(by * f64::from(number), number));
        all.compare();
        let each = all.order.held_bytes() as f64 / 10_000.0;
        assert!(each < 5.0, "{each:.2} bytes each");
    }
}

#[test]
fn scores_in_no_order_leave_leaves_two_thirds_full() {
    let mut all = Records::default();
    let mut random = fastrand::Rng::with_seed(7);
    (0..20_000).for_each(|number| all.insert(random.f64(), number));
    all.check();
    let each = all.order.held_bytes() as f64 / 20_000.0;
    assert!(each < 7.5, "{each:.2} bytes each");
}

#[test]
fn tree_that_lost_most_keeps_little() {
    let mut all = Records::default();
    (0..20_000).for_each(|number| all.insert(f64::from(number), number));
    for rank in (0..20_000).rev().filter(|rank| rank % 10 != 0) {
        all.remove(rank);
    }
    all.compare();
    let each = all.order.held_bytes() as f64 / 2_000.0;
    assert!(each < 18.0, "{each:.2} bytes each: a leaf has a quarter at least, or its neighbours are full");
    all.model.len().checked_sub(1).into_iter().for_each(|last| all.remove(last));
    all.check();
}

#[test]
fn empty_tree_answers_and_ends_of_leaves_are_found() {
    let mut all = Records::default();
    assert_eq!((all.order.get(0), all.order.rank_of(1.0, |_| Ordering::Less)), (None, 0));
    assert_eq!(all.order.find(1.0, |_| Ordering::Equal), None);
    assert_eq!(all.order.remove(0, |_| 0.0), None);
    assert!(!all.order.replace(0, 1));
    // All of one score: inner nodes ask the members.
    (0..LEAF_LEN as u32 * 40).for_each(|member| all.insert(1.0, member * 2));
    all.compare();
    (0..LEAF_LEN as u32 * 40).for_each(|member| all.insert(1.0, member * 2 + 1));
    all.compare();
}
