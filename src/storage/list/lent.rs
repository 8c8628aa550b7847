//! Elements of a large list as they were at one moment, read without a lock: chunk by chunk, each let go once it is read.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::strip::Strip;
use super::{Chunk, List, Value};
use crate::base::lent::Lending;
use crate::storage::lent::Loan;
use crate::storage::outside::Stored;
use crate::storage::packed::twoway::Elements;

/// The elements of a range that a list had when it was lent, those that are not read yet.
#[derive(Debug)]
pub struct LentList {
    chunks: VecDeque<LentChunk>,
    /// Of the first chunk those before it are read, or not in the range.
    next: usize,
    left: usize,
    bytes: usize,
}

#[derive(Debug)]
enum LentChunk {
    Strip { page: Loan, begin: usize, count: usize },
    Large(Stored),
}

impl List {
    /// Lends the elements of a range as they are now, for a reader without the lock; what it keeps from its owner is counted
    /// by `lending`. Cost: as `get`, then for each chunk a counter and mostly a small allocation.
    #[must_use]
    pub fn lend(&mut self, range: Range<usize>, lending: &Lending) -> LentList {
        let (first, next) = self.locate(range.start);
        let left = range.end.min(self.len).saturating_sub(range.start);
        let mut lent = LentList { chunks: VecDeque::new(), next, left, bytes: 0 };
        let mut wanted = next + left;
        for chunk in self.chunks.range_mut(first.min(self.chunks.len())..) {
            if wanted == 0 || left == 0 {
                break;
            }
            wanted = wanted.saturating_sub(chunk.count());
            let chunk = chunk.lend(lending);
            lent.bytes += chunk.held_bytes();
            lent.chunks.push_back(chunk);
        }
        lent
    }
}

impl Chunk {
    fn lend(&mut self, lending: &Lending) -> LentChunk {
        match self {
            Chunk::Strip(strip) => {
                let count = strip.count();
                let (page, begin) = strip.lend(lending);
                LentChunk::Strip { page, begin, count }
            }
            // No list has it: its own must know when the last one lets go.
            Chunk::Large(stored) => LentChunk::Large(Stored::new(Bytes::clone(stored))),
        }
    }
}

impl LentChunk {
    fn held_bytes(&self) -> usize {
        match self {
            LentChunk::Strip { page, .. } => page.held_bytes(),
            LentChunk::Large(stored) => stored.len(),
        }
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let (strip, large) = match self {
            LentChunk::Strip { page, begin, count } => (Some(Elements::new(&page[*begin..], *count)), None),
            LentChunk::Large(stored) => (None, Some(Value::Large(stored))),
        };
        strip.into_iter().flatten().map(Value::Element).chain(large)
    }

    /// A chunk of its own with the same elements.
    fn to_chunk(&self) -> Chunk {
        match self {
            LentChunk::Strip { page, begin, count } => Chunk::Strip(Strip::copied(&page[*begin..], *count)),
            LentChunk::Large(stored) => Chunk::Large(Stored::new(Bytes::copy_from_slice(stored))),
        }
    }
}

impl LentList {
    /// Elements that are not read yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Bytes that are kept from their owner: not far from those of what is left to be read.
    #[must_use]
    pub fn lent_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the handles.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<LentChunk>()
    }

    /// Shows the next elements, in order, until one is answered false. Returns whether none is left.
    pub fn read(&mut self, mut see: impl FnMut(Value<'_>) -> bool) -> bool {
        while let Some(chunk) = self.chunks.front().filter(|_| self.left > 0) {
            for value in chunk.values().skip(self.next).take(self.left) {
                (self.next, self.left) = (self.next + 1, self.left - 1);
                if !see(value) {
                    return false;
                }
            }
            self.bytes -= chunk.held_bytes();
            self.next = 0;
            self.chunks.pop_front();
        }
        // The last one may have been answered false.
        self.chunks.clear();
        self.bytes = 0;
        true
    }

    /// A list of all chunks that were lent; `None` where it does not go on, told how many bytes it has taken. For a list that
    /// was lent as a whole and is not read yet. Cost: a copy.
    #[must_use]
    pub(super) fn copy(
        self,
        listpack_bytes: Option<usize>,
        goes_on: &mut dyn FnMut(usize) -> bool,
    ) -> Option<List> {
        let mut list = List { listpack_bytes, ..List::default() };
        for chunk in self.chunks {
            list.add(list.chunks.len(), chunk.to_chunk());
            if !goes_on(list.elements_bytes()) {
                return None;
            }
        }
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::super::New;
    use super::*;
    use crate::storage::NewValue;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, usize),
        Set(usize, usize),
        Remove(usize, usize),
        RemoveEqual(usize),
        Lend(usize, usize),
        Drop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let lens = || prop_oneof![12 => 0..300usize, 1 => 4_000..6_000usize, 1 => 16_384..16_400usize];
        let at = || 0..400usize;
        let step = prop_oneof![
            8 => (at(), lens()).prop_map(|(at, len)| Step::Insert(at, len)),
            2 => (at(), lens()).prop_map(|(at, len)| Step::Set(at, len)),
            2 => (at(), 0..40usize).prop_map(|(at, count)| Step::Remove(at, count)),
            1 => lens().prop_map(Step::RemoveEqual),
            2 => (at(), at()).prop_map(|(at, count)| Step::Lend(at, count)),
            1 => Just(Step::Drop),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// Reads all that is left, some at a time.
    fn read(mut lent: LentList) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = Vec::with_capacity(lent.len());
        while !lent.is_empty() {
            let mut room = 7;
            lent.read(|value| {
                all.push(value.text(&mut itoa::Buffer::new()).to_vec());
                room -= 1;
                room > 0
            });
        }
        assert!(lent.read(|_| false) && lent.lent_bytes() == 0);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Whatever becomes of the owner, a reader sees the moment of its loan; the owner is what it would be without.
        #[test]
        fn readers_see_the_moment_of_their_loan(steps in steps()) {
            let (mut list, lending) = (List::default(), Lending::default());
            let (mut model, mut loans) = (Vec::<Vec<u8>>::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Insert(at, len) => {
                        let (at, text) = (at.min(model.len()), vec![b'a' + (len % 20) as u8; len]);
                        list.insert(at, &New::of(&NewValue::copied(&text)));
                        model.insert(at, text);
                    }
                    Step::Set(at, len) if at < model.len() => {
                        model[at] = vec![b'A'; len];
                        drop(list.set(at, &New::of(&NewValue::copied(&model[at]))));
                    }
                    Step::Remove(at, count) => {
                        let range = at.min(model.len())..(at + count).min(model.len());
                        drop(list.remove(range.clone()));
                        drop(model.drain(range));
                    }
                    Step::RemoveEqual(len) => {
                        let text = vec![b'A'; len];
                        drop(list.remove_equal(&text, false, usize::MAX));
                        model.retain(|element| *element != text);
                    }
                    Step::Lend(at, count) => {
                        let range = at.min(model.len())..(at + count).min(model.len());
                        loans.push((list.lend(range.clone(), &lending), model[range].to_vec()));
                    }
                    Step::Set(..) => {}
                    Step::Drop => drop(loans.pop()),
                }
                prop_assert_eq!(list.check(), Vec::<&str>::new());
            }
            let whole = list.lend(0..list.len(), &lending);
            let copy = whole.copy(list.listpack_bytes, &mut |_| true).expect("it goes on");
            prop_assert!(list.lend(0..1, &lending).copy(None, &mut |_| false).is_none() || list.is_empty());
            prop_assert_eq!((copy.check(), copy.len()), (Vec::new(), model.len()));
            drop(list);
            let copied = copy.iter_from(0).map(|value| value.text(&mut itoa::Buffer::new()).to_vec());
            prop_assert_eq!(copied.collect::<Vec<_>>(), model);
            for (lent, model) in loans {
                prop_assert_eq!(lent.len(), model.len());
                prop_assert_eq!(read(lent), model);
            }
            prop_assert_eq!(lending.bytes(), 0);
        }
    }
}
