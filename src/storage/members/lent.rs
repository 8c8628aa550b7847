//! A large hash or set as it was at one moment, read without a lock: page by page, each let go once it is read.

use std::collections::VecDeque;

use super::Members;
use crate::base::lent::Lending;
use crate::storage::arena::used_blocks;
use crate::storage::entry::{self, Content, Entry};
use crate::storage::lent::Loan;
use crate::storage::outside::{Large, OutsideValues};
use crate::storage::value::{NewValue, ValueRef};

/// The items that a hash or a set had when it was lent, those that are not read yet.
#[derive(Debug)]
pub struct LentMembers {
    /// The segments that are not read yet, the first one up to `at`.
    pages: VecDeque<Loan>,
    at: usize,
    /// Values that lie outside of the segments.
    outside: OutsideValues,
    page_bytes: usize,
    /// Wall-clock ms: items whose time was up then are not shown.
    past: Option<i64>,
    due_at: Option<i64>,
    len: usize,
}

impl Members {
    /// Lends all items as they are now, for a reader without the lock; what it keeps from its owner is counted by `lending`.
    /// Cost: a counter, and mostly a small allocation, for each segment and each value outside; where items are past their time
    /// and not taken out yet, a look at each.
    #[must_use]
    pub fn lend(&mut self, lending: &Lending) -> LentMembers {
        let pages = self.store.arena.lend(lending);
        let page_bytes = pages.iter().map(Loan::held_bytes).sum();
        let (outside, past, due_at) = (self.store.outside.to_read(), self.past, self.due_at());
        LentMembers { pages, at: 0, outside, page_bytes, past, due_at, len: self.shown() }
    }
}

impl LentMembers {
    /// Items that were lent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the first of those ended that have a deadline, or a little before.
    #[must_use]
    pub fn due_at(&self) -> Option<i64> {
        self.due_at
    }

    /// Bytes that are kept from their owner: not far from those of what is left to be read.
    #[must_use]
    pub fn lent_bytes(&self) -> usize {
        self.page_bytes + self.outside.bytes()
    }

    /// Bytes of the handles.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Loan>() + self.outside.room_bytes()
    }

    /// Shows the next items, in the order of `Members::each`, until one is answered false. Returns whether none is left.
    pub fn read(&mut self, mut see: impl FnMut(&[u8], ValueRef<'_>) -> bool) -> bool {
        self.read_until(|name, value, _| see(name, value))
    }

    /// As `read`, with the deadlines.
    pub fn read_until(&mut self, mut see: impl FnMut(&[u8], ValueRef<'_>, Option<i64>) -> bool) -> bool {
        while let Some(page) = self.pages.front() {
            for (next, block) in used_blocks(page, self.at, entry::bytes_of) {
                let entry = Entry::read(block, &self.outside);
                let expire_at = entry.expire_at();
                let is_past = expire_at.is_some_and(|at| self.past.is_some_and(|past| at <= past));
                let goes_on = is_past || entry.value().is_ok_and(|value| see(entry.key(), value, expire_at));
                if let Content::Outside(number) = entry.content() {
                    drop(self.outside.take(number));
                }
                if !goes_on {
                    self.at = next;
                    return false;
                }
            }
            self.page_bytes -= page.held_bytes();
            self.at = 0;
            self.pages.pop_front();
        }
        true
    }
}

/// A hash or set to be made of some of the items that another one had when it was lent, of the same type and name.
#[derive(Debug)]
pub struct Selection {
    items: LentMembers,
    selected: Members,
    /// Wall-clock ms: since when deadlines are filed.
    now_ms: i64,
}

impl Members {
    /// Lends all items as they are now, to select some of them. Cost: as `lend`.
    #[must_use]
    pub fn lend_to_select(&mut self, lending: &Lending) -> Selection {
        let now_ms = self.store.wheel.reached_at();
        Selection { items: self.lend(lending), selected: self.empty_like(), now_ms }
    }
}

impl Selection {
    /// Items to choose from.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts in the items of which `choose`, told their names and how many bytes the others have taken, says true. Cost: an
    /// insertion for each. `None` where it says nothing, or where there is no room.
    pub fn select(self, mut choose: impl FnMut(&[u8], usize) -> Option<bool>) -> Option<Members> {
        let Selection { mut items, mut selected, now_ms } = self;
        let is_whole = items.read_until(|name, value, expire_at| match choose(name, selected.held_bytes()) {
            Some(true) => {
                let value = NewValue::copied(value.as_slice());
                selected.put_until(now_ms, name, &value, expire_at).is_ok()
            }
            chosen => chosen.is_some(),
        });
        is_whole.then_some(selected)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::base::hash::HashSeed;
    use crate::storage::packed::Type;

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, usize),
        Remove(u8),
        Lend,
        /// Reads so many items of the oldest loan.
        Read(u8),
        Drop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let lens = prop_oneof![8 => 0..300usize, 1 => 5_000..6_000usize, 1 => 16_384..16_400usize];
        let step = prop_oneof![
            6 => (any::<u8>(), lens).prop_map(|(name, len)| Step::Put(name, len)),
            4 => any::<u8>().prop_map(Step::Remove),
            1 => Just(Step::Lend),
            1 => any::<u8>().prop_map(Step::Read),
            1 => Just(Step::Drop),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// Reads up to `count` items into `into`; whether none is left.
    fn read(lent: &mut LentMembers, mut count: usize, into: &mut Model) -> bool {
        lent.read(|name, value| {
            let old = into.insert(name.to_vec(), value.as_slice().to_vec());
            assert!(old.is_none(), "an item is shown twice");
            count = count.saturating_sub(1);
            count > 0
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever becomes of the owner, a reader sees the moment of its loan; the owner is what it would be without.
        #[test]
        fn readers_see_the_moment_of_their_loan(steps in steps()) {
            let lending = Lending::default();
            let mut members = Members::new(Type::Hash, false, HashSeed(1, 2));
            let mut model = Model::new();
            let mut loans: Vec<(LentMembers, Model, Model)> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(name, len) => {
                        let value = vec![name ^ len as u8; len];
                        drop(members.put(&[name], &NewValue::copied(&value)).expect("it has room"));
                        model.insert(vec![name], value);
                    }
                    Step::Remove(name) => {
                        prop_assert_eq!(members.remove(&[name]).is_some(), model.remove(&vec![name]).is_some());
                    }
                    Step::Lend => loans.push((members.lend(&lending), model.clone(), Model::new())),
                    Step::Read(count) => {
                        if let Some((lent, _, seen)) = loans.first_mut() {
                            read(lent, count.into(), seen);
                        }
                    }
                    Step::Drop => drop(loans.pop()),
                }
                let faults = members.recount().1;
                prop_assert!(model.is_empty() || faults.is_empty(), "{:?}", faults);
            }
            prop_assert_eq!(members.len(), model.len());
            members.each(|name, value| assert_eq!(model.get(name).map(|value| &value[..]), Some(value.as_slice())));
            drop(members);
            for (mut lent, model, mut seen) in loans {
                prop_assert_eq!(lent.len(), model.len());
                prop_assert!(read(&mut lent, usize::MAX, &mut seen));
                prop_assert_eq!(seen, model);
                prop_assert_eq!((lent.lent_bytes(), lent.pages.len()), (0, 0));
            }
            prop_assert_eq!(lending.bytes(), 0);
        }
    }

    fn numbered(count: usize) -> Members {
        let mut members = Members::new(Type::Set, false, HashSeed(1, 2));
        for number in 0..count {
            members
                .put(format!("member:{number:08}").as_bytes(), &NewValue::Small(b""))
                .expect("it has room");
        }
        members
    }

    #[test]
    fn writer_copies_the_pages_that_it_changes_and_no_others() {
        let (mut members, lending) = (numbered(100_000), Lending::default());
        let mut lent = members.lend(&lending);
        let held = lent.lent_bytes();
        assert!(members.remove(b"member:00000000").is_some());
        assert!(lending.bytes() > 0 && lending.bytes() * 20 < held, "{} of {held}", lending.bytes());
        let mut first = None;
        assert!(lent.read(|name, _| {
            first.get_or_insert_with(|| name.to_vec());
            true
        }));
        assert_eq!((first.as_deref(), lending.bytes()), (Some(&b"member:00000000"[..]), 0));
    }

    #[test]
    fn items_are_shown_in_the_order_in_which_they_came_in_both_ways() {
        let (mut members, lending) = (numbered(10_000), Lending::default());
        let (mut walked, mut lent) = (Vec::new(), Vec::new());
        members.each(|name, _| walked.push(name.to_vec()));
        members.lend(&lending).read(|name, _| {
            lent.push(name.to_vec());
            true
        });
        assert!(walked.is_sorted() && walked == lent && walked.len() == 10_000);
    }
}
