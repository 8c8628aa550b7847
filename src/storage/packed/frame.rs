//! A run or a page as its items: finding them, walking over them, planning changes. What hashes, sets and sorted sets
//! have in common; none of it knows what a field, a member or a score is for.
//!
//! Reads any bytes: what is no value of the type reads as an empty one that nothing can be put into.

use super::deadline;
use super::edit::{Edit, Header, Insert, New, Splice};
use super::element::Element;
use super::form::{Form, Layout, Limits, Misfit, Type};
use super::item::{self, Item, Parts};
use super::page::{Directory, OFFSET_BYTES, Settle};
use super::run;

/// A run or a page, read.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    form: Form,
    count: usize,
    header_bytes: usize,
    value_bytes: usize,
    /// The earliest deadline as the header tells it.
    earliest: [u8; deadline::SHORT_BYTES],
    items: &'a [u8],
    directory: Option<Directory<'a>>,
}

/// An item found: its number, and where it lies among the items. Good until the value's next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub index: usize,
    pub at: usize,
    pub end: usize,
}

impl Place {
    fn bytes(self) -> usize {
        self.end - self.at
    }
}

impl<'a> Frame<'a> {
    /// The items of a value.
    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8], of_type: Type) -> Frame<'a> {
        Frame::parse(value, of_type).unwrap_or(Frame {
            form: Form::new(of_type, Layout::Run),
            count: 0,
            header_bytes: usize::MAX,
            value_bytes: value.len(),
            earliest: [0; deadline::SHORT_BYTES],
            items: &[],
            directory: None,
        })
    }

    #[inline]
    fn parse(value: &'a [u8], of_type: Type) -> Option<Frame<'a>> {
        let form = Form::read(value).filter(|form| form.of_type() == of_type)?;
        let header_bytes = form.header_bytes();
        let items = value.get(header_bytes..)?;
        let (count, items, directory) = match form.layout() {
            Layout::Run => (usize::from(value[1]), items, None),
            Layout::Page => {
                let count = usize::from(u16::from_le_bytes([value[1], value[2]]));
                let (items, directory) = Directory::split(items, count)?;
                (count, items, Some(directory))
            }
            Layout::Ints2 | Layout::Ints4 | Layout::Ints8 => return None,
        };
        let earliest = value[form.fixed_bytes()..].first_chunk().filter(|_| form.has_deadlines());
        let earliest = earliest.copied().unwrap_or_default();
        Some(Frame { form, count, header_bytes, value_bytes: value.len(), earliest, items, directory })
    }

    /// Items.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The bytes of all items, and the directory behind them.
    #[must_use]
    pub fn parts(&self) -> (&'a [u8], Option<Directory<'a>>) {
        (self.items, self.directory)
    }

    /// Whether it is a value of the type at all.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.header_bytes != usize::MAX
    }

    /// Where the item of that number lies. Cost: in a run one step per item before it.
    #[must_use]
    pub fn place(&self, index: usize) -> Option<Place> {
        (index < self.count).then(|| self.position(index).and_then(|at| self.place_at(index, at)))?
    }

    /// The item whose first element is this one. Cost: as `run::find` or `Directory::find`.
    #[inline]
    #[must_use]
    pub fn find(&self, needle: Element<'_>) -> Option<Place> {
        let (index, at) = match &self.directory {
            None => run::find(self.items, self.form.of_type(), needle)?,
            Some(directory) => directory.find(self.items, needle)?,
        };
        if index >= self.count {
            return None;
        }
        self.place_at(index, at)
    }

    /// The item at a place.
    #[inline]
    #[must_use]
    pub fn item(&self, place: Place) -> Option<Item<'a>> {
        item::decode(self.items.get(place.at..)?, self.form.of_type()).map(|(item, _)| item)
    }

    /// The items from a number on.
    #[must_use]
    pub fn iter_from(&self, index: usize) -> Items<'a> {
        let at = if self.directory.is_none() { self.position(index) } else { Some(0) };
        Items { frame: *self, index: if at.is_some() { index } else { self.count }, at: at.unwrap_or(0) }
    }

    /// The items from a number down to the first. Cost: in a run one step per item before it, once.
    #[must_use]
    pub fn back_from(&self, index: usize) -> Back<'a> {
        let left = self.count.min(index.saturating_add(1));
        let positions = self.directory.is_none().then(|| self.positions(left));
        Back { frame: *self, left, positions }
    }

    /// The earliest deadline of an item. Cost: nothing where the header tells it, else one step per item.
    #[must_use]
    pub fn earliest(&self) -> Option<i64> {
        if !self.form.has_deadlines() {
            return None;
        }
        deadline::of_header(self.earliest).or_else(|| self.earliest_without(None))
    }

    /// A change that puts an item in as the one of that number.
    ///
    /// # Errors
    /// Where it does not fit, or must lie in another layout first.
    pub fn insert<'e>(&self, index: usize, item: Item<'e>, limits: &Limits) -> Result<Edit<'e>, Misfit> {
        let count = self.count + 1;
        limits.check(count, 0)?;
        if self.directory.is_none() && limits.layout(count) == Layout::Page {
            return Err(Misfit::Layout(Layout::Page));
        }
        let at = match self.directory {
            None => self.position(index).ok_or(Misfit::Large)?,
            Some(_) => self.items.len(),
        };
        let earliest = self.earliest().into_iter().chain(item.expire_at).min();
        let mut splices = Splices::new(self, earliest);
        splices.add(at, 0, Insert::Item);
        if self.directory.is_some() {
            let offsets = self.items.len();
            let offset = Insert::fixed(&(at as u16).to_le_bytes());
            splices.add(offsets + index * OFFSET_BYTES, 0, offset);
            let tag = Insert::fixed(&[item.first.hash_tag()]);
            splices.add(offsets + self.count * OFFSET_BYTES + index, 0, tag);
        }
        self.planned(splices, count, earliest, item, limits)
    }

    /// A change that takes an item out.
    #[must_use]
    pub fn remove(&self, place: Place) -> Edit<'static> {
        let earliest = self.earliest_after(place, None);
        let mut splices = Splices::new(self, earliest);
        splices.add(place.at, place.bytes(), Insert::Nothing);
        let mut settle = Settle::default();
        if self.directory.is_some() {
            let offsets = self.items.len();
            splices.add(offsets + place.index * OFFSET_BYTES, OFFSET_BYTES, Insert::Nothing);
            splices.add(offsets + self.count * OFFSET_BYTES + place.index, 1, Insert::Nothing);
            settle.shift = Some((place.at, -(place.bytes() as isize)));
        }
        let header = Header { form: splices.form, count: self.count - 1, earliest };
        Edit::new(self.value_bytes, header, New::Nothing, splices.all()).with_directory(settle)
    }

    /// A change that puts an item with the same first element in place of another, and gives it another number: that
    /// among all others. Cost of the change: in a page nothing is moved for the number but the directory between.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn replace<'e>(
        &self,
        place: Place,
        to: usize,
        item: Item<'e>,
        limits: &Limits,
    ) -> Result<Edit<'e>, Misfit> {
        let earliest = self.earliest_after(place, item.expire_at);
        let mut splices = Splices::new(self, earliest);
        let mut settle = Settle::default();
        if self.directory.is_some() {
            splices.add(place.at, place.bytes(), Insert::Item);
            let longer = item.encoded_bytes() as isize - place.bytes() as isize;
            settle.shift = Some((place.at, longer));
            settle.turn = (to != place.index).then_some((place.index, to));
        } else if to == place.index {
            splices.add(place.at, place.bytes(), Insert::Item);
        } else if to < place.index {
            splices.add(self.position(to).ok_or(Misfit::Large)?, 0, Insert::Item);
            splices.add(place.at, place.bytes(), Insert::Nothing);
        } else {
            splices.add(place.at, place.bytes(), Insert::Nothing);
            splices.add(self.position(to + 1).ok_or(Misfit::Large)?, 0, Insert::Item);
        }
        Ok(self.planned(splices, self.count, earliest, item, limits)?.with_directory(settle))
    }

    /// A change of an item's deadline.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn set_deadline(
        &self,
        place: Place,
        expire_at: Option<i64>,
        limits: &Limits,
    ) -> Result<Edit<'static>, Misfit> {
        let mut bytes = [0; 1 + size_of::<i64>()];
        let new = deadline::encode(expire_at, &mut bytes);
        let old = self.items.get(place.at..).map_or(0, deadline::skip);
        let earliest = self.earliest_after(place, expire_at);
        let mut splices = Splices::new(self, earliest);
        splices.add(place.at, old, Insert::fixed(&bytes[..new]));
        let header = Header { form: splices.form, count: self.count, earliest };
        let shift = Some((place.at, new as isize - old as isize));
        let edit = Edit::new(self.value_bytes, header, New::Nothing, splices.all());
        limits.check(self.count, edit.new_bytes())?;
        Ok(edit.with_directory(Settle { shift, turn: None }))
    }

    fn planned<'e>(
        &self,
        splices: Splices,
        count: usize,
        earliest: Option<i64>,
        item: Item<'e>,
        limits: &Limits,
    ) -> Result<Edit<'e>, Misfit> {
        if !item.is_short() || !self.is_sound() {
            return Err(Misfit::Large);
        }
        let header = Header { form: splices.form, count, earliest };
        let edit = Edit::new(self.value_bytes, header, New::Item(item), splices.all());
        limits.check(count, edit.new_bytes())?;
        Ok(edit)
    }

    /// The earliest deadline once the item at a place has another, or none.
    fn earliest_after(&self, place: Place, expire_at: Option<i64>) -> Option<i64> {
        let earliest = self.earliest();
        let own = self.items.get(place.at..).and_then(deadline::decode);
        let others =
            if own.is_some() && own == earliest { self.earliest_without(Some(place.at)) } else { earliest };
        others.into_iter().chain(expire_at).min()
    }

    fn earliest_without(&self, at: Option<usize>) -> Option<i64> {
        let others = self.iter_from(0).places().filter(|place| Some(place.at) != at);
        others.filter_map(|place| self.items.get(place.at..).and_then(deadline::decode)).min()
    }

    fn position(&self, index: usize) -> Option<usize> {
        match &self.directory {
            None => run::position(self.items, self.form.of_type(), index),
            Some(directory) => directory.position(index),
        }
    }

    fn positions(&self, count: usize) -> run::Positions {
        run::Positions::of(self.items, self.form.of_type(), count)
    }

    #[inline]
    fn place_at(&self, index: usize, at: usize) -> Option<Place> {
        let parts = Parts::of(self.items.get(at..)?, self.form.of_type())?;
        Some(Place { index, at, end: at + parts.end })
    }
}

/// The splices of one change, places counted among the items.
struct Splices {
    header_bytes: usize,
    form: Form,
    splices: [Splice; 4],
    used: usize,
}

impl Splices {
    /// None yet, but for the header's room for deadlines where the change brings the first or takes the last away.
    fn new(frame: &Frame<'_>, earliest: Option<i64>) -> Splices {
        let form = frame.form.with_deadlines(earliest.is_some());
        let mut splices =
            Splices { header_bytes: frame.header_bytes, form, splices: [Splice::default(); 4], used: 0 };
        let at = frame.form.fixed_bytes();
        let (remove, insert) = match (frame.form.has_deadlines(), earliest.is_some()) {
            (false, true) => (0, Insert::fixed(&[0; deadline::SHORT_BYTES])),
            (true, false) => (deadline::SHORT_BYTES, Insert::Nothing),
            (false, false) | (true, true) => return splices,
        };
        splices.splices[0] = Splice { at, remove, insert };
        splices.used = 1;
        splices
    }

    fn add(&mut self, at: usize, remove: usize, insert: Insert) {
        self.splices[self.used] = Splice { at: self.header_bytes.saturating_add(at), remove, insert };
        self.used += 1;
    }

    fn all(&self) -> &[Splice] {
        &self.splices[..self.used]
    }
}

/// The items of a value in their order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    frame: Frame<'a>,
    index: usize,
    /// Where the next one begins, in a run.
    at: usize,
}

impl<'a> Items<'a> {
    /// Where they lie.
    pub fn places(mut self) -> impl Iterator<Item = Place> + use<'a> {
        std::iter::from_fn(move || self.next_place())
    }

    #[inline]
    fn next_place(&mut self) -> Option<Place> {
        if self.index >= self.frame.count {
            return None;
        }
        let at = match &self.frame.directory {
            None => self.at,
            Some(directory) => directory.position(self.index)?,
        };
        let place = self.frame.place_at(self.index, at)?;
        (self.index, self.at) = (self.index + 1, place.end);
        Some(place)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let place = self.next_place()?;
        self.frame.item(place)
    }
}

/// The items of a value from one down to the first.
#[derive(Clone, Debug)]
pub struct Back<'a> {
    frame: Frame<'a>,
    left: usize,
    /// Of a run.
    positions: Option<run::Positions>,
}

impl<'a> Iterator for Back<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let index = self.left.checked_sub(1)?;
        self.left = index;
        let at = match &self.positions {
            Some(positions) => positions.get(index)?,
            None => self.frame.position(index)?,
        };
        self.frame.item(self.frame.place_at(index, at)?)
    }
}
