//! Pages that readers may keep while their owner goes on changing them: pieces of an arena, chunks of a list.
//!
//! A page is a vector until it is lent. From then on it and its *loans* read the same bytes; before the owner next changes one
//! that is still read, it copies that page alone and leaves the old one to its readers, and one that nobody reads any more it
//! takes back as it is. So to lend a whole collection costs a step per page, and a reader needs no lock. Knows nothing of what
//! lies in a page. Invariant: bytes that a loan shows never change; what readers alone still have is counted as lent.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::base::gauge::Hold;
use crate::base::lent::Lending;

/// Bytes of one owner, who may lend them.
pub struct Page {
    /// Where they lie. While they are lent it only reads them: the vector in `lent` owns the memory.
    bytes: ManuallyDrop<Vec<u8>>,
    lent: Option<Arc<Kept>>,
}

/// Bytes of a page as they were when they were lent.
#[derive(Clone)]
pub struct Loan(Arc<Kept>);

/// A page and its loans have it together. The memory is free before it is counted no more.
struct Kept {
    bytes: Vec<u8>,
    /// Set when its owner has left it to the readers.
    left: OnceLock<Hold>,
    lending: Lending,
}

impl Page {
    /// Bytes of its own. Cost: none.
    #[inline]
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Page {
        Page { bytes: ManuallyDrop::new(bytes), lent: None }
    }

    /// Bytes asked of the allocator.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes, to be changed. Cost: a comparison; one copy of the page where a loan is still read.
    #[inline]
    pub fn to_mut(&mut self) -> &mut Vec<u8> {
        if self.lent.is_some() {
            self.take_back();
        }
        &mut self.bytes
    }

    /// Lends the bytes as they are now; they are counted by `lending` from when their owner leaves them to the readers.
    /// Cost: a counter, and the first time since they were changed a small allocation.
    pub fn lend(&mut self, lending: &Lending) -> Loan {
        let Page { bytes, lent } = self;
        let kept = lent.get_or_insert_with(|| {
            // SAFETY: the vector in `Kept` owns the memory from here on. The page's own handle is neither changed nor
            // dropped before `take_back` has that vector again or has put another one in its place.
            let bytes = unsafe { std::ptr::read(&raw const **bytes) };
            Arc::new(Kept { bytes, left: OnceLock::new(), lending: lending.clone() })
        });
        Loan(kept.clone())
    }

    /// Makes the bytes its own again: those that were lent, or a copy while somebody reads them.
    #[cold]
    fn take_back(&mut self) {
        let Some(kept) = self.lent.take() else { return };
        let bytes = match Arc::try_unwrap(kept) {
            Ok(kept) => kept.bytes,
            Err(kept) => {
                let mut copy = Vec::with_capacity(kept.bytes.capacity());
                copy.extend_from_slice(&kept.bytes);
                kept.leave();
                copy
            }
        };
        // The handle that is replaced owns nothing.
        self.bytes = ManuallyDrop::new(bytes);
    }
}

impl Kept {
    /// The owner lets go: from here on they are the readers'.
    fn leave(self: Arc<Kept>) {
        if Arc::strong_count(&self) > 1 {
            let bytes = self.bytes.capacity();
            self.left.get_or_init(|| self.lending.hold(bytes));
        }
    }
}

impl Default for Page {
    fn default() -> Page {
        Page::new(Vec::new())
    }
}

impl Deref for Page {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes, lent: {})", self.len(), self.lent.is_some())
    }
}

impl Drop for Page {
    #[inline]
    fn drop(&mut self) {
        match self.lent.take() {
            Some(kept) => kept.leave(),
            // SAFETY: nobody else has the vector, and it is not used after this.
            None => unsafe { ManuallyDrop::drop(&mut self.bytes) },
        }
    }
}

impl Loan {
    /// Bytes asked of the allocator for the page.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.0.bytes.capacity()
    }
}

impl Deref for Loan {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn page_that_is_read_is_copied_once_and_one_that_is_not_stays_where_it_is() {
        let (mut page, lending) = (Page::new(vec![1; 128]), Lending::default());
        let place = page.as_ptr();
        let reader = page.lend(&lending);
        let second = page.lend(&lending);
        assert_eq!((reader.as_ptr(), second.as_ptr(), lending.bytes()), (place, place, 0));
        page.to_mut()[0] = 2;
        let copied_to = page.as_ptr();
        page.to_mut()[1] = 3;
        assert_eq!((page.as_ptr(), page[0], page[1]), (copied_to, 2, 3));
        assert_eq!((reader[0], second[1]), (1, 1));
        assert_eq!(lending.bytes(), reader.held_bytes(), "once, however many read it");
        drop((reader, second));
        assert_eq!(lending.bytes(), 0);
        drop(page.lend(&lending));
        page.to_mut().push(4);
        assert_eq!((page[0], page[128], lending.bytes()), (2, 4, 0));
    }

    #[test]
    fn owner_that_ends_leaves_the_bytes_to_those_who_read_them() {
        let lending = Lending::default();
        let mut page = Page::new(vec![7; 64]);
        drop(page.lend(&lending));
        drop(page);
        assert_eq!(lending.bytes(), 0, "nobody reads it");
        let mut page = Page::new(vec![7; 64]);
        let reader = page.lend(&lending);
        drop(page);
        assert_eq!((&reader[..], lending.bytes()), (&[7; 64][..], reader.held_bytes()));
        let again = reader.clone();
        drop(reader);
        assert!(lending.bytes() > 0);
        drop(again);
        assert_eq!(lending.bytes(), 0);
    }

    #[test]
    fn copy_has_the_room_that_the_page_had() {
        let (mut page, lending) = (Page::new(Vec::with_capacity(4096)), Lending::default());
        page.to_mut().push(1);
        let _reader = page.lend(&lending);
        let held = page.held_bytes();
        page.to_mut().push(2);
        assert_eq!(page.held_bytes(), held);
    }

    #[test]
    fn readers_of_other_threads_see_what_was_lent_while_the_owner_changes_it() {
        let (mut page, lending) = (Page::new(vec![0; 4096]), Lending::default());
        std::thread::scope(|scope| {
            for round in 0..200u8 {
                let loan = page.lend(&lending);
                scope.spawn(move || assert!(loan.iter().all(|byte| *byte == round)));
                page.to_mut().iter_mut().for_each(|byte| *byte = round + 1);
            }
        });
        assert_eq!(lending.bytes(), 0);
    }

    proptest! {
        #[test]
        fn loans_keep_what_they_were_given(steps in prop::collection::vec((0..4u8, any::<u8>()), 1..80)) {
            let (mut page, lending) = (Page::default(), Lending::default());
            let (mut model, mut loans) = (Vec::new(), Vec::<(Loan, Vec<u8>)>::new());
            for (what, byte) in steps {
                match what {
                    0 => {
                        page.to_mut().push(byte);
                        model.push(byte);
                    }
                    1 if !model.is_empty() => {
                        let at = usize::from(byte) % model.len();
                        page.to_mut()[at] ^= byte;
                        model[at] ^= byte;
                    }
                    2 if !loans.is_empty() => drop(loans.swap_remove(usize::from(byte) % loans.len())),
                    _ => loans.push((page.lend(&lending), model.clone())),
                }
                prop_assert_eq!(&page[..], &model[..]);
                prop_assert!(loans.iter().all(|(loan, lent)| loan[..] == lent[..]));
            }
            drop(loans);
            prop_assert_eq!(lending.bytes(), 0);
        }
    }
}
