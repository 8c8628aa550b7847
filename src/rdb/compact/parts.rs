//! What the packed forms have in common: their elements, how they end, and the claims of their heads.

use crate::rdb::string::{Malformed, Reader};

/// What ends ziplists, listpacks and zipmaps.
pub const END: u8 = 0xff;
/// A count of two bytes that says nothing, as there are more.
const UNCOUNTED: u16 = u16::MAX;

/// An element: fields and values, or members and scores, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Text(&'a [u8]),
    Int(i64),
}

impl Element<'_> {
    /// Its text.
    pub fn text<'s>(&'s self, digits: &'s mut itoa::Buffer) -> &'s [u8] {
        match self {
            Element::Text(text) => text,
            Element::Int(number) => digits.format(*number).as_bytes(),
        }
    }
}

/// A length of four bytes, which must be that of all.
pub fn check_len(reader: &mut Reader<'_>, bytes: &[u8]) -> Result<(), Malformed> {
    if u32::from_le_bytes(reader.array()?) as usize == bytes.len() { Ok(()) } else { Err(Malformed) }
}

/// Whether a count of two bytes is true.
pub fn is_counted(said: u16, count: usize) -> bool {
    said == UNCOUNTED || usize::from(said) == count
}
