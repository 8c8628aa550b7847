//! The first byte of a packed value: of which type it is, how it lies, and what its header holds. Also how large it
//! may grow, and what is said where it would grow larger.
//!
//! ```text
//! form    type 2 bits | layout 3 bits | deadlines 1 bit | - 1 bit | named 1 bit      (from the lowest bit)
//! header  run: form 1 | count 1    page: form 1 | count 2    integers: form 1        [earliest deadline 5]
//! ```
//! "Named" is its owner's: that the value's name (OBJECT ENCODING) has become the one of a larger form, for good.

use super::deadline::SHORT_BYTES;

const TYPE_MASK: u8 = 0b0000_0011;
const LAYOUT_SHIFT: u8 = 2;
const LAYOUT_MASK: u8 = 0b0001_1100;
const DEADLINES: u8 = 0b0010_0000;
const NAMED: u8 = 0b1000_0000;

/// The most items a run may have, whatever the limits: its count is a byte.
pub const RUN_LEN_MAX: usize = u8::MAX as usize;
/// The most bytes a packed value may have, whatever the limits: a page's offsets are two bytes.
pub const BYTES_MAX: usize = u16::MAX as usize;

/// The types that are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Hash = 0,
    Set = 1,
    List = 2,
    Zset = 3,
}

/// How the items lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One after the other; searched from the front.
    Run = 0,
    /// With a directory behind them.
    Page = 1,
    /// Integers of that many bytes, ascending.
    Ints2 = 2,
    Ints4 = 3,
    Ints8 = 4,
}

/// A form byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(u8);

impl Form {
    /// A form without deadlines, by its own name.
    #[must_use]
    pub const fn new(of_type: Type, layout: Layout) -> Form {
        Form(of_type as u8 | (layout as u8) << LAYOUT_SHIFT)
    }

    /// The form that a packed value begins with; `None` where that is none.
    #[inline]
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Form> {
        let form = Form(*bytes.first()?);
        let known = matches!(
            (form.of_type(), (form.0 & LAYOUT_MASK) >> LAYOUT_SHIFT),
            (_, 0) | (Type::Hash | Type::Set | Type::Zset, 1) | (Type::Set, 2..=4)
        );
        let options = if form.of_type() == Type::Hash { DEADLINES | NAMED } else { NAMED };
        (known && form.0 & !(TYPE_MASK | LAYOUT_MASK | options) == 0).then_some(form)
    }

    #[inline]
    #[must_use]
    pub fn of_type(self) -> Type {
        match self.0 & TYPE_MASK {
            0 => Type::Hash,
            1 => Type::Set,
            2 => Type::List,
            _ => Type::Zset,
        }
    }

    #[inline]
    #[must_use]
    pub fn layout(self) -> Layout {
        match (self.0 & LAYOUT_MASK) >> LAYOUT_SHIFT {
            0 => Layout::Run,
            1 => Layout::Page,
            2 => Layout::Ints2,
            3 => Layout::Ints4,
            _ => Layout::Ints8,
        }
    }

    /// Whether a field has a deadline, so that the header tells the earliest.
    #[inline]
    #[must_use]
    pub fn has_deadlines(self) -> bool {
        self.0 & DEADLINES != 0
    }

    #[must_use]
    pub fn with_deadlines(self, has_some: bool) -> Form {
        Form(if has_some { self.0 | DEADLINES } else { self.0 & !DEADLINES })
    }

    /// Whether the value has got the name of a larger form.
    #[must_use]
    pub fn is_named(self) -> bool {
        self.0 & NAMED != 0
    }

    #[must_use]
    pub fn with_name(self, named: bool) -> Form {
        Form(if named { self.0 | NAMED } else { self.0 & !NAMED })
    }

    /// The same with another layout.
    #[must_use]
    pub fn with_layout(self, layout: Layout) -> Form {
        Form(self.0 & !LAYOUT_MASK | (layout as u8) << LAYOUT_SHIFT)
    }

    #[inline]
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Bytes in front of the items.
    #[inline]
    #[must_use]
    pub fn header_bytes(self) -> usize {
        self.fixed_bytes() + if self.has_deadlines() { SHORT_BYTES } else { 0 }
    }

    /// Bytes of form and count: where the earliest deadline lies.
    #[inline]
    #[must_use]
    pub fn fixed_bytes(self) -> usize {
        match self.layout() {
            Layout::Run => 2,
            Layout::Page => 3,
            Layout::Ints2 | Layout::Ints4 | Layout::Ints8 => 1,
        }
    }
}

/// How large a packed value may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items.
    pub items: usize,
    /// Items of a run; with more it is a page, or a list no longer packed.
    pub run_items: usize,
    pub bytes: usize,
}

impl Limits {
    /// For hashes, sets and sorted sets: a search costs less than a microsecond, the copy when it grows a third of
    /// one.
    pub const SEARCHED: Limits = Limits { items: 512, run_items: 64, bytes: 16 * 1024 - 1 };
    /// For lists: a push at the front moves all the rest.
    pub const LIST: Limits = Limits { items: RUN_LEN_MAX, run_items: RUN_LEN_MAX, bytes: 2 * 1024 };

    /// How a value of so many items, strings among them, lies best.
    #[must_use]
    pub fn layout(&self, items: usize) -> Layout {
        if items <= self.run_items.min(RUN_LEN_MAX) { Layout::Run } else { Layout::Page }
    }

    /// Whether a value of that size is packed.
    ///
    /// # Errors
    /// `Misfit::Large` where it is not.
    pub fn check(&self, items: usize, bytes: usize) -> Result<(), Misfit> {
        let fits = items <= self.items && bytes <= self.bytes.min(BYTES_MAX);
        if fits { Ok(()) } else { Err(Misfit::Large) }
    }
}

/// Why a change can't be made in the form that a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It must lie in another layout first (`rebuilt`), and then be asked again.
    Layout(Layout),
    /// It is beyond the limits of what is packed.
    Large,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_byte_is_one_form_or_none() {
        let known = (0..=u8::MAX).filter_map(|byte| Form::read(&[byte])).count();
        // Runs of four types, pages of three, three widths of integers; hashes with deadlines; each with both names.
        assert_eq!(known, (4 + 3 + 3 + 2) * 2);
        assert_eq!(Form::read(&[]), None);
        let form = Form::new(Type::Hash, Layout::Run);
        let changed = form.with_deadlines(true).with_name(true).with_layout(Layout::Page);
        assert_eq!(Form::read(&[changed.byte()]), Some(changed));
        assert_eq!((changed.of_type(), changed.layout()), (Type::Hash, Layout::Page));
        assert!(changed.has_deadlines() && changed.is_named() && !changed.with_name(false).is_named());
        assert!(!changed.with_deadlines(false).has_deadlines());
        assert_eq!([form.header_bytes(), changed.header_bytes()], [2, 8]);
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let limits = Limits { items: 5, run_items: 3, bytes: 100 };
        assert_eq!([3, 4].map(|items| limits.layout(items)), [Layout::Run, Layout::Page]);
        assert_eq!(limits.check(5, 100), Ok(()));
        assert_eq!([limits.check(6, 100), limits.check(5, 101)], [Err(Misfit::Large); 2]);
        let unbounded = Limits { items: usize::MAX, run_items: usize::MAX, bytes: usize::MAX };
        assert_eq!(
            [RUN_LEN_MAX, RUN_LEN_MAX + 1].map(|items| unbounded.layout(items)),
            [Layout::Run, Layout::Page]
        );
        assert_eq!(unbounded.check(1, BYTES_MAX + 1), Err(Misfit::Large));
    }
}
