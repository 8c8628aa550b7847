//! A packed list: elements with a length on both sides.

use std::ops::Range;

use super::edit::{Edit, Header, Insert, New, Splice};
use super::element::Element;
use super::form::{Form, Layout, Limits, Misfit, Type};
use super::listpack;
use super::twoway::{self, Elements};

/// The elements of a value.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    form: Form,
    count: usize,
    header_bytes: usize,
    elements: &'a [u8],
}

impl<'a> List<'a> {
    /// A list without elements, to put the first one into.
    pub const EMPTY: &'static [u8] = &[Form::new(Type::List, Layout::Run).byte(), 0];

    /// A value of elements that lie as `twoway` writes them; `None` where they are more than one may have.
    #[must_use]
    pub fn joined<'p>(
        parts: impl Iterator<Item = &'p [u8]>,
        count: usize,
        is_named: bool,
    ) -> Option<Vec<u8>> {
        let form = Form::new(Type::List, Layout::Run).with_name(is_named);
        let mut bytes = vec![form.byte(), u8::try_from(count).ok()?];
        parts.for_each(|part| bytes.extend_from_slice(part));
        Some(bytes)
    }

    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8]) -> List<'a> {
        let known = Form::read(value).filter(|form| form.of_type() == Type::List);
        let form = known.unwrap_or(Form::new(Type::List, Layout::Run));
        match value.get(form.header_bytes()..).filter(|_| known.is_some()) {
            Some(elements) => {
                List { form, count: usize::from(value[1]), header_bytes: form.header_bytes(), elements }
            }
            None => List { form, count: 0, header_bytes: value.len(), elements: &[] },
        }
    }

    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The bytes of all elements, as `twoway` reads them: what a chunk of a large list is made of.
    #[must_use]
    pub fn elements(&self) -> &'a [u8] {
        self.elements
    }

    /// The element of that number. Cost: a step per element before it, or behind it.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Element<'a>> {
        let at = self.position(index).filter(|_| index < self.count)?;
        twoway::first(self.elements.get(at..)?).map(|(element, _)| element)
    }

    /// The elements, from both ends.
    #[must_use]
    pub fn iter(&self) -> Elements<'a> {
        Elements::new(self.elements, self.count)
    }

    /// What all elements would take in a listpack, bytes. Cost: a step per element.
    #[must_use]
    pub fn listpack_bytes(&self) -> usize {
        self.iter().map(listpack::element_bytes).sum()
    }

    /// No less than that. Cost: nothing.
    #[must_use]
    pub fn listpack_bytes_most(&self) -> usize {
        self.elements.len() + listpack::MORE_BYTES_MAX * self.count
    }

    /// A change that puts an element in as the one of that number: 0 pushes at the front, `len` at the back.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn insert<'e>(&self, index: usize, text: &'e [u8], limits: &Limits) -> Result<Edit<'e>, Misfit> {
        self.splice(index..index, Some(text), limits)
    }

    /// A change that puts an element in place of the one of that number.
    ///
    /// # Errors
    /// Where it does not fit, or there is none of that number.
    pub fn set<'e>(&self, index: usize, text: &'e [u8], limits: &Limits) -> Result<Edit<'e>, Misfit> {
        self.splice(index..index + 1, Some(text), limits)
    }

    /// A change that takes the elements of those numbers out; `None` where they are not all there. For single ones in
    /// several places: `retain`.
    #[must_use]
    pub fn remove(&self, range: Range<usize>) -> Option<Edit<'static>> {
        let unlimited = Limits { items: usize::MAX, run_items: usize::MAX, bytes: usize::MAX };
        self.splice(range, None, &unlimited).ok()
    }

    fn splice<'e>(
        &self,
        range: Range<usize>,
        text: Option<&'e [u8]>,
        limits: &Limits,
    ) -> Result<Edit<'e>, Misfit> {
        let element = text.map(Element::of);
        let is_sound = range.start <= range.end && self.header_bytes == self.form.header_bytes();
        let place = self.position(range.start).zip(self.position(range.end));
        let Some((at, end)) = place.filter(|(at, end)| at <= end && is_sound) else {
            return Err(Misfit::Large);
        };
        let count = self.count - range.len() + usize::from(text.is_some());
        if element.is_some_and(|element| !element.is_short()) || count > limits.run_items.min(u8::MAX.into())
        {
            return Err(Misfit::Large);
        }
        let insert = if element.is_some() { Insert::Item } else { Insert::Nothing };
        let splice = Splice { at: self.header_bytes + at, remove: end - at, insert };
        let header = Header { form: self.form, count, earliest: None };
        let bytes = self.header_bytes + self.elements.len();
        let new = element.map_or(New::Nothing, New::Listed);
        let edit = Edit::new(bytes, header, new, &[splice]);
        limits.check(count, edit.new_bytes())?;
        Ok(edit)
    }

    fn position(&self, index: usize) -> Option<usize> {
        twoway::position(self.elements, self.count, index)
    }
}
