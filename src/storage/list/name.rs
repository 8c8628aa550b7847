//! What a store must know of a large list, and what its name depends on: a list that would fill one listpack of Redis's is
//! called that, and when it has shrunk again too, so the bytes it would take there are counted along.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::{Chunk, List, New, Value};
use crate::base::lent::Lending;
use crate::storage::outside::{CopyLater, Large};
use crate::storage::packed::{self, Element, Type, listpack};

impl List {
    /// Whether it is called `quicklist`.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.listpack_bytes.is_none()
    }

    /// What all elements would take in a listpack, if that is at most `max`. Cost: nothing as long as the list is called one;
    /// else a step per chunk, and per element where the chunks alone can't tell.
    #[must_use]
    pub fn listpack_bytes_within(&self, max: usize) -> Option<usize> {
        if let Some(bytes) = self.listpack_bytes {
            return (bytes <= max).then_some(bytes);
        }
        if self.len.saturating_mul(listpack::ELEMENT_BYTES_MIN) > max {
            return None;
        }
        // There each element takes one byte less than here at most.
        sum_within(self.chunks.iter().map(Chunk::text_bytes), max + self.len)?;
        sum_within(self.iter_from(0).map(Value::listpack_bytes), max)
    }

    /// Gives it the name of a large one, or takes it away where all elements would take so many bytes in a listpack.
    pub fn set_named(&mut self, listpack_bytes: Option<usize>) {
        self.listpack_bytes = listpack_bytes;
    }

    /// The same, packed: `None` with more elements than `items_max`, or where they take more than `bytes_max`. Cost: mostly
    /// two comparisons.
    #[must_use]
    pub fn to_packed(&self, items_max: usize, bytes_max: usize) -> Option<Vec<u8>> {
        if self.len > items_max {
            return None;
        }
        sum_within(self.chunks.iter().map(Chunk::text_bytes), bytes_max)?;
        let strips = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Strip(strip) => strip.used(),
            Chunk::Large(bytes) => bytes,
        });
        packed::List::joined(strips, self.len, self.is_named())
    }

    /// Counts what a listpack would lose and gain by a change.
    pub(super) fn note_listpack(&mut self, lost: Range<usize>, gained: Option<&New<'_>>) {
        let Some(bytes) = self.listpack_bytes else { return };
        let lost: usize = self.iter_from(lost.start).take(lost.len()).map(Value::listpack_bytes).sum();
        let gained = gained.map_or(0, |value| listpack::element_bytes(Element::of(value.as_slice())));
        self.listpack_bytes = Some(bytes - lost + gained);
    }

    /// The same for equal elements that are gone.
    pub(super) fn note_listpack_equal(&mut self, element: Element<'_>, removed: usize) {
        let lost = removed * listpack::element_bytes(element);
        self.listpack_bytes = self.listpack_bytes.map(|bytes| bytes - lost);
    }

    pub(super) fn is_listpack_as_counted(&self) -> bool {
        let counted = || self.iter_from(0).map(Value::listpack_bytes).sum::<usize>();
        self.listpack_bytes.is_none_or(|bytes| bytes == counted())
    }
}

impl Large for List {
    fn of_type(&self) -> Type {
        Type::List
    }

    fn is_named(&self) -> bool {
        List::is_named(self)
    }

    fn held_bytes(&self) -> usize {
        size_of::<List>() + self.elements_bytes()
    }

    fn to_copy(&self) -> Box<dyn Large> {
        let chunks: VecDeque<Chunk> = self.chunks.iter().map(Chunk::copied).collect();
        let chunk_bytes = chunks.iter().map(Chunk::held_bytes).sum();
        Box::new(List { chunks, chunk_bytes, len: self.len, listpack_bytes: self.listpack_bytes })
    }

    fn copy_later(&mut self, steps_min: usize, lending: &Lending) -> Option<(CopyLater, usize)> {
        let (len, listpack_bytes) = (self.len, self.listpack_bytes);
        let all = (len > steps_min).then(|| self.lend(0..len, lending))?;
        let copy: CopyLater = Box::new(move |goes_on| Some(Box::new(all.copy(listpack_bytes, goes_on)?)));
        Some((copy, len))
    }

    fn drain(&mut self, see: &mut dyn FnMut(Bytes)) {
        let chunks = std::mem::take(self).chunks;
        chunks.into_iter().filter_map(Chunk::into_last).for_each(see);
    }

    fn recount(&self) -> (usize, Vec<String>) {
        let mut faults: Vec<String> =
            self.check().into_iter().map(|fault| format!("list: {fault}")).collect();
        faults.extend(self.is_empty().then(|| "list: no elements".to_owned()));
        (self.held_bytes(), faults)
    }
}

/// The sum, if it is not more than `max`.
fn sum_within(parts: impl Iterator<Item = usize>, max: usize) -> Option<usize> {
    parts.into_iter().try_fold(0, |sum, part| Some(sum + part).filter(|sum| *sum <= max))
}
