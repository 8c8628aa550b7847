//! Zipmaps, as Redis kept small hashes before 2.6.

use super::parts::{END, Element};
use crate::rdb::string::{Malformed, Reader};

/// Announces four bytes of length; as a count, that there are as many or more.
const LONG: u8 = 0xfe;

pub struct Zipmap<'a> {
    reader: Reader<'a>,
    said: u8,
    count: usize,
    /// A field was read, and its value is next.
    is_half: bool,
}

impl<'a> Zipmap<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Zipmap<'a>, Malformed> {
        let mut reader = Reader::new(bytes);
        let said = reader.byte().ok_or(Malformed)?;
        Ok(Zipmap { reader, said, count: 0, is_half: false })
    }

    fn entry(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        let len = match self.reader.byte().ok_or(Malformed)? {
            END => {
                let is_counted = self.said >= LONG || usize::from(self.said) == self.count;
                let is_whole = self.reader.is_done() && is_counted && !self.is_half;
                return if is_whole { Ok(None) } else { Err(Malformed) };
            }
            LONG => u32::from_le_bytes(self.reader.array()?) as usize,
            len => usize::from(len),
        };
        let unused = if self.is_half { self.reader.byte().ok_or(Malformed)? } else { 0 };
        let text = self.reader.take(len)?;
        self.reader.take(usize::from(unused))?;
        self.count += usize::from(self.is_half);
        self.is_half = !self.is_half;
        Ok(Some(Element::Text(text)))
    }
}

impl<'a> Iterator for Zipmap<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().transpose()
    }
}
