//! A change of a packed value, worked out from its bytes and then made wherever they are to lie.
//!
//! Planning reads the old bytes and borrows what is inserted from the request alone. So the store, once it knows the
//! new length, can make room as it likes: the change is made in place (`apply`) where the entry's block still fits,
//! and else while the bytes are copied to their new block (`copy`), each of them once and never through a vector of
//! their own. Splices alone would not do: a page's offsets move with its items.

use super::element::Element;
use super::form::{Form, Layout};
use super::item::Item;
use super::{deadline, page, twoway};

/// The most splices of one change: a header's deadline, an item, its offset, its tag.
const SPLICES_MAX: usize = 4;
/// The longest of the bytes that are no item: a deadline.
const FIXED_BYTES_MAX: usize = 9;

/// Bytes taken out at one place of the old value, and what comes there instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct Splice {
    pub at: usize,
    pub remove: usize,
    pub insert: Insert,
}

/// What comes in.
#[derive(Clone, Copy, Debug, Default)]
pub enum Insert {
    #[default]
    Nothing,
    /// The new item; one splice has it at most.
    Item,
    /// That many of these bytes.
    Fixed([u8; FIXED_BYTES_MAX], usize),
}

impl Insert {
    /// A few bytes.
    #[must_use]
    pub fn fixed(bytes: &[u8]) -> Insert {
        let mut all = [0; FIXED_BYTES_MAX];
        let len = bytes.len().min(all.len());
        all[..len].copy_from_slice(&bytes[..len]);
        Insert::Fixed(all, len)
    }
}

/// What is inserted.
#[derive(Clone, Copy, Debug)]
pub enum New<'e> {
    Nothing,
    Item(Item<'e>),
    /// An element of a list, its length behind it.
    Listed(Element<'e>),
}

impl New<'_> {
    fn encoded_bytes(&self) -> usize {
        match self {
            New::Nothing => 0,
            New::Item(item) => item.encoded_bytes(),
            New::Listed(element) => twoway::encoded_bytes(*element),
        }
    }

    fn encode(&self, into: &mut [u8]) {
        match self {
            New::Nothing => {}
            New::Item(item) => item.encode(into),
            New::Listed(element) => twoway::encode(*element, into),
        }
    }
}

/// What the header says after the change.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub form: Form,
    pub count: usize,
    /// Only where the form has deadlines.
    pub earliest: Option<i64>,
}

impl Header {
    /// Writes it over the front of a value.
    pub fn write(&self, value: &mut [u8]) {
        value[0] = self.form.byte();
        match self.form.layout() {
            Layout::Run => value[1] = self.count as u8,
            Layout::Page => value[1..3].copy_from_slice(&(self.count as u16).to_le_bytes()),
            Layout::Ints2 | Layout::Ints4 | Layout::Ints8 => {}
        }
        if self.form.has_deadlines() {
            let at = self.form.fixed_bytes();
            value[at..at + deadline::SHORT_BYTES].copy_from_slice(&deadline::to_header(self.earliest));
        }
    }
}

/// A change of a value.
#[derive(Clone, Debug)]
pub struct Edit<'e> {
    /// Ascending by place.
    splices: [Splice; SPLICES_MAX],
    used: usize,
    new: New<'e>,
    header: Header,
    old_bytes: usize,
    new_bytes: usize,
    /// What happens to a page's directory beside.
    directory: page::Settle,
}

impl<'e> Edit<'e> {
    /// A change of a value of `old_bytes` by up to four splices, ascending by place.
    #[must_use]
    pub fn new(old_bytes: usize, header: Header, new: New<'e>, splices: &[Splice]) -> Edit<'e> {
        debug_assert!(splices.len() <= SPLICES_MAX && splices.is_sorted_by_key(|splice| splice.at));
        let mut edit = Edit {
            splices: [Splice::default(); SPLICES_MAX],
            used: 0,
            new,
            header,
            old_bytes,
            new_bytes: old_bytes,
            directory: page::Settle::default(),
        };
        for splice in splices.iter().take(SPLICES_MAX) {
            edit.splices[edit.used] = *splice;
            edit.used += 1;
            edit.new_bytes = edit.new_bytes + edit.inserted(splice) - splice.remove;
        }
        edit
    }

    #[must_use]
    pub fn with_directory(self, directory: page::Settle) -> Edit<'e> {
        Edit { directory, ..self }
    }

    /// Items after the change. A value without any is to be removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the value before.
    #[must_use]
    pub fn old_bytes(&self) -> usize {
        self.old_bytes
    }

    /// Bytes of the value after.
    #[must_use]
    pub fn new_bytes(&self) -> usize {
        self.new_bytes
    }

    /// The same change, with the value named as a larger one for good.
    #[must_use]
    pub fn named(mut self) -> Edit<'e> {
        self.header.form = self.header.form.with_name(true);
        self
    }

    /// Makes the change where the value lies: `place` begins with it and is as long as the longer of the two.
    /// Cost: what is behind each splice is moved.
    ///
    /// # Panics
    /// Where the place is shorter.
    pub fn apply(&self, place: &mut [u8]) {
        let splices = &self.splices[..self.used];
        let mut len = self.old_bytes;
        // What shrinks goes first, so that at no moment more room is needed than for the longer of the two; and
        // from the back, so that places before it stay true.
        for shrinks in [true, false] {
            for (number, splice) in splices.iter().enumerate().rev() {
                let insert = self.inserted(splice);
                if (insert < splice.remove) != shrinks {
                    continue;
                }
                let at = if shrinks { splice.at } else { splice.at - self.shrunk_by(&splices[..number]) };
                if insert != splice.remove {
                    place.copy_within(at + splice.remove..len, at + insert);
                    len = len + insert - splice.remove;
                }
                self.write(splice, &mut place[at..at + insert]);
            }
        }
        self.settle(&mut place[..len]);
    }

    /// Writes the changed value to `into`, of `new_bytes`, from the old one. Cost: one copy.
    ///
    /// # Panics
    /// Where either has another length.
    pub fn copy(&self, old: &[u8], into: &mut [u8]) {
        let (mut from, mut to) = (0, 0);
        for splice in &self.splices[..self.used] {
            let kept = splice.at - from;
            into[to..to + kept].copy_from_slice(&old[from..splice.at]);
            (from, to) = (splice.at + splice.remove, to + kept);
            let insert = self.inserted(splice);
            self.write(splice, &mut into[to..to + insert]);
            to += insert;
        }
        into[to..].copy_from_slice(&old[from..]);
        self.settle(into);
    }

    /// Makes the change in a vector that holds the value and nothing else: one that is being built up.
    ///
    /// # Panics
    /// Where it has another length.
    pub fn apply_to(&self, value: &mut Vec<u8>) {
        value.resize(self.old_bytes.max(self.new_bytes), 0);
        self.apply(value);
        value.truncate(self.new_bytes);
    }

    fn inserted(&self, splice: &Splice) -> usize {
        match splice.insert {
            Insert::Nothing => 0,
            Insert::Item => self.new.encoded_bytes(),
            Insert::Fixed(_, len) => len,
        }
    }

    fn shrunk_by(&self, splices: &[Splice]) -> usize {
        splices.iter().map(|splice| splice.remove.saturating_sub(self.inserted(splice))).sum()
    }

    fn write(&self, splice: &Splice, into: &mut [u8]) {
        match splice.insert {
            Insert::Nothing => {}
            Insert::Item => self.new.encode(into),
            Insert::Fixed(bytes, len) => into.copy_from_slice(&bytes[..len]),
        }
    }

    fn settle(&self, value: &mut [u8]) {
        self.header.write(value);
        if self.header.form.layout() == Layout::Page {
            self.directory.apply(value, self.header.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::packed::form::Type;
    use proptest::prelude::*;

    proptest! {
        /// In place or on the way, from the front or from the back: the same bytes.
        #[test]
        fn both_ways_make_the_same_change(
            old in proptest::collection::vec(any::<u8>(), 2..60),
            cuts in proptest::collection::vec((any::<u16>(), any::<u16>(), 0..=FIXED_BYTES_MAX), 0..4),
        ) {
            let mut from = 2;
            let mut splices = Vec::new();
            let mut expected = old[..2].to_vec();
            for (number, (skip, remove, insert)) in cuts.into_iter().enumerate() {
                let at = from + usize::from(skip) % (old.len() - from + 1);
                let remove = usize::from(remove) % (old.len() - at + 1);
                let insert = vec![number as u8; insert];
                expected.extend_from_slice(&old[from..at]);
                expected.extend_from_slice(&insert);
                splices.push(Splice { at, remove, insert: Insert::fixed(&insert) });
                from = at + remove;
            }
            expected.extend_from_slice(&old[from..]);
            let header = Header { form: Form::new(Type::Set, Layout::Run), count: 7, earliest: None };
            let edit = Edit::new(old.len(), header, New::Nothing, &splices);
            header.write(&mut expected);
            prop_assert_eq!(edit.new_bytes(), expected.len());
            let mut copied = vec![0xee; edit.new_bytes()];
            edit.copy(&old, &mut copied);
            prop_assert_eq!(&copied, &expected);
            let mut place = old.clone();
            edit.apply_to(&mut place);
            prop_assert_eq!(&place, &expected);
        }
    }
}
