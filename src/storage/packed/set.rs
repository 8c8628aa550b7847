//! A packed set: integers ascending, or members in the order in which they came.

use super::edit::Edit;
use super::element::Element;
use super::form::{Form, Layout, Limits, Misfit, Type};
use super::frame::Frame;
use super::ints::Ints;
use super::item::Item;

/// The members of a value.
#[derive(Clone, Copy, Debug)]
pub enum Set<'a> {
    Ints(Ints<'a>),
    Mixed(Frame<'a>),
}

impl<'a> Set<'a> {
    /// A set without members whose first one is an integer.
    pub const NO_INTS: &'static [u8] = &[Form::new(Type::Set, Layout::Ints2).byte()];
    /// One whose first member is no integer, or that begins by another name than `intset`.
    pub const EMPTY: &'static [u8] = &[Form::new(Type::Set, Layout::Run).byte(), 0];

    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8]) -> Set<'a> {
        Ints::read(value).map_or_else(|| Set::Mixed(Frame::read(value, Type::Set)), Set::Ints)
    }

    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Mixed(frame) => frame.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Set::Ints(ints) => ints.form(),
            Set::Mixed(frame) => frame.form(),
        }
    }

    /// Whether a member is there. Cost: of integers the logarithm of their count, else as a field of a hash.
    #[inline]
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        match (self, Element::of(member)) {
            (Set::Ints(ints), Element::Int(number)) => ints.search(number).is_ok(),
            (Set::Ints(_), Element::Bytes(_)) => false,
            (Set::Mixed(frame), element) => frame.find(element).is_some(),
        }
    }

    /// The member of that number, counted in the order of `iter`: for random picks too.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Element<'a>> {
        match self {
            Set::Ints(ints) => ints.get(index).map(Element::Int),
            Set::Mixed(frame) => frame.item(frame.place(index)?).map(|item| item.first),
        }
    }

    /// The members, integers ascending or the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let (ints, mixed) = match self {
            Set::Ints(ints) => (Some(ints.iter_from(0).map(Element::Int)), None),
            Set::Mixed(frame) => (None, Some(frame.iter_from(0).map(|item| item.first))),
        };
        ints.into_iter().flatten().chain(mixed.into_iter().flatten())
    }

    /// A change that adds a member; `None` where it is there.
    ///
    /// # Errors
    /// Where it does not fit, or must lie in another layout first.
    pub fn add<'e>(&self, member: &'e [u8], limits: &Limits) -> Result<Option<Edit<'e>>, Misfit> {
        let element = Element::of(member);
        match (self, element) {
            (Set::Ints(ints), Element::Int(number)) => match ints.search(number) {
                Ok(_) => Ok(None),
                Err(rank) => ints.insert(rank, number, limits).map(Some),
            },
            (Set::Ints(_), Element::Bytes(_)) => {
                limits.check(self.len() + 1, 0)?;
                Err(Misfit::Layout(limits.layout(self.len() + 1)))
            }
            (Set::Mixed(frame), _) if frame.find(element).is_some() => Ok(None),
            (Set::Mixed(frame), _) => frame.insert(self.len(), Item::member(element), limits).map(Some),
        }
    }

    /// A change that takes a member out; `None` where it is not there. For many at once: `retain`.
    #[must_use]
    pub fn remove(&self, member: &[u8]) -> Option<Edit<'static>> {
        match (self, Element::of(member)) {
            (Set::Ints(ints), Element::Int(number)) => ints.search(number).ok().map(|rank| ints.remove(rank)),
            (Set::Ints(_), Element::Bytes(_)) => None,
            (Set::Mixed(frame), element) => frame.find(element).map(|place| frame.remove(place)),
        }
    }

    /// A change that takes out the member of that number.
    #[must_use]
    pub fn remove_at(&self, index: usize) -> Option<Edit<'static>> {
        match self {
            Set::Ints(ints) => (index < ints.len()).then(|| ints.remove(index)),
            Set::Mixed(frame) => frame.place(index).map(|place| frame.remove(place)),
        }
    }
}
