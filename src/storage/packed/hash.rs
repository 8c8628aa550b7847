//! A packed hash: fields with their values, in the order in which they came; some with a deadline.

use super::edit::Edit;
use super::element::Element;
use super::form::{Form, Layout, Limits, Misfit, Type};
use super::frame::{Frame, Place};
use super::item::{Item, Second};

/// The fields of a value.
#[derive(Clone, Copy, Debug)]
pub struct Hash<'a>(Frame<'a>);

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: Element<'a>,
    pub value: Element<'a>,
    /// When it ends, wall-clock milliseconds.
    pub expire_at: Option<i64>,
}

impl<'a> Hash<'a> {
    /// A hash without fields, to put the first one into.
    pub const EMPTY: &'static [u8] = &[Form::new(Type::Hash, Layout::Run).byte(), 0];

    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8]) -> Hash<'a> {
        Hash(Frame::read(value, Type::Hash))
    }

    /// Fields, those past their time among them.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn form(&self) -> Form {
        self.0.form()
    }

    /// The place of a field. Cost: in a run a step per field before it, in a page a search for one byte.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Place> {
        self.0.find(Element::of(name))
    }

    /// The field at a place.
    #[inline]
    #[must_use]
    pub fn at(&self, place: Place) -> Option<Field<'a>> {
        self.0.item(place).and_then(field_of)
    }

    /// A field by its name. Cost: as `find`.
    #[inline]
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<Field<'a>> {
        self.at(self.find(name)?)
    }

    /// The place of the field of that number, counted from the oldest: for random picks too.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<Place> {
        self.0.place(index)
    }

    /// The fields, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        self.0.iter_from(0).filter_map(field_of)
    }

    /// The earliest deadline of a field, wall-clock milliseconds. Cost: mostly a look at the header.
    #[must_use]
    pub fn earliest(&self) -> Option<i64> {
        self.0.earliest()
    }

    /// A change that sets a field, found at `place` or not there, with its deadline.
    ///
    /// # Errors
    /// Where it does not fit, or must lie in another layout first.
    pub fn set<'e>(
        &self,
        place: Option<Place>,
        name: &'e [u8],
        value: &'e [u8],
        expire_at: Option<i64>,
        limits: &Limits,
    ) -> Result<Edit<'e>, Misfit> {
        let second = Second::Value(Element::of(value));
        let item = Item { expire_at, first: Element::of(name), second };
        match place {
            Some(place) => self.0.replace(place, place.index, item, limits),
            None => self.0.insert(self.len(), item, limits),
        }
    }

    /// A change of a field's deadline alone.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn set_deadline(
        &self,
        place: Place,
        expire_at: Option<i64>,
        limits: &Limits,
    ) -> Result<Edit<'static>, Misfit> {
        self.0.set_deadline(place, expire_at, limits)
    }

    /// A change that takes a field out. For many at once: `retain`.
    #[must_use]
    pub fn remove(&self, place: Place) -> Edit<'static> {
        self.0.remove(place)
    }
}

/// The earliest deadline in a packed value of whatever type, wall-clock milliseconds. Cost: mostly a look at its header.
#[inline]
#[must_use]
pub fn earliest(value: &[u8]) -> Option<i64> {
    let has_some = Form::read(value).is_some_and(Form::has_deadlines);
    if has_some { Hash::read(value).earliest() } else { None }
}

fn field_of(item: Item<'_>) -> Option<Field<'_>> {
    match item.second {
        Second::Value(value) => Some(Field { name: item.first, value, expire_at: item.expire_at }),
        Second::Nothing | Second::Score(_) => None,
    }
}
