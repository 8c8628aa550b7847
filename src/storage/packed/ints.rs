//! A set of integers: ascending, each of as many bytes as the widest one needs, 2, 4 or 8.

use super::edit::{Edit, Header, Insert, New, Splice};
use super::form::{Form, Layout, Limits, Misfit};

/// Bytes before the first number.
const HEADER_BYTES: usize = 1;

/// The numbers of a value.
#[derive(Clone, Copy, Debug)]
pub struct Ints<'a> {
    form: Form,
    bytes: &'a [u8],
}

/// The layout whose numbers have room for this one.
#[must_use]
pub fn layout_for(number: i64) -> Layout {
    if i16::try_from(number).is_ok() {
        Layout::Ints2
    } else if i32::try_from(number).is_ok() {
        Layout::Ints4
    } else {
        Layout::Ints8
    }
}

/// Bytes of a number in a layout of integers.
#[must_use]
pub fn width(layout: Layout) -> Option<usize> {
    match layout {
        Layout::Ints2 => Some(2),
        Layout::Ints4 => Some(4),
        Layout::Ints8 => Some(8),
        Layout::Run | Layout::Page => None,
    }
}

impl<'a> Ints<'a> {
    /// The numbers of a value, if it is a set of integers.
    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8]) -> Option<Ints<'a>> {
        let form = Form::read(value)?;
        width(form.layout())?;
        Some(Ints { form, bytes: &value[HEADER_BYTES..] })
    }

    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of that rank.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        let bytes = self.bytes.get(index.checked_mul(width)?..)?;
        match width {
            2 => bytes.first_chunk().map(|bytes| i16::from_le_bytes(*bytes).into()),
            4 => bytes.first_chunk().map(|bytes| i32::from_le_bytes(*bytes).into()),
            _ => bytes.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)),
        }
    }

    /// The rank of a number, or else the one that it would get. Cost: the logarithm of their count.
    ///
    /// # Errors
    /// Where it is not there.
    #[inline]
    pub fn search(&self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).map(|found| found.cmp(&number)) {
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                _ => high = middle,
            }
        }
        Err(low)
    }

    /// The numbers from one of that rank on.
    pub fn iter_from(self, index: usize) -> impl Iterator<Item = i64> + use<'a> {
        (index..self.len()).map_while(move |index| self.get(index))
    }

    /// A change that puts a number in, to get that rank.
    ///
    /// # Errors
    /// Where it is too wide for the others' bytes, or one too many.
    pub fn insert(&self, index: usize, number: i64, limits: &Limits) -> Result<Edit<'static>, Misfit> {
        let width = self.width();
        let wanted = layout_for(number);
        if wanted as u8 > self.form.layout() as u8 {
            return Err(Misfit::Layout(wanted));
        }
        let insert = Insert::fixed(&number.to_le_bytes()[..width]);
        let edit = self.edit(self.len() + 1, Splice { at: HEADER_BYTES + index * width, remove: 0, insert });
        limits.check(self.len() + 1, edit.new_bytes())?;
        Ok(edit)
    }

    /// A change that takes the number of that rank out.
    #[must_use]
    pub fn remove(&self, index: usize) -> Edit<'static> {
        let width = self.width();
        let splice = Splice { at: HEADER_BYTES + index * width, remove: width, insert: Insert::Nothing };
        self.edit(self.len() - 1, splice)
    }

    fn edit(&self, count: usize, splice: Splice) -> Edit<'static> {
        let header = Header { form: self.form, count, earliest: None };
        Edit::new(HEADER_BYTES + self.bytes.len(), header, New::Nothing, &[splice])
    }

    #[inline]
    fn width(&self) -> usize {
        width(self.form.layout()).unwrap_or(8)
    }
}
