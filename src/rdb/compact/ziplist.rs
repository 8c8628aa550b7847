//! Ziplists, as Redis kept small lists, hashes and sorted sets until 6.2.

use super::parts::{END, Element, check_len, is_counted};
use crate::rdb::string::{Malformed, Reader};

/// Announces four bytes of length of the entry before.
const LONG: u8 = 0xfe;

pub struct Ziplist<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    /// What the header says: where the last entry begins, and how many there are.
    last_at: usize,
    said: u16,
    count: usize,
    /// Where the entry before begins, and its length.
    before: Option<(usize, usize)>,
}

impl<'a> Ziplist<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Ziplist<'a>, Malformed> {
        let mut reader = Reader::new(bytes);
        check_len(&mut reader, bytes)?;
        let last_at = u32::from_le_bytes(reader.array()?) as usize;
        let said = u16::from_le_bytes(reader.array()?);
        Ok(Ziplist { bytes, reader, last_at, said, count: 0, before: None })
    }

    fn at(&self) -> usize {
        self.bytes.len() - self.reader.left()
    }

    fn entry(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        let at = self.at();
        let len_before = match self.reader.byte().ok_or(Malformed)? {
            END => {
                let is_last = self.before.is_none_or(|(at, _)| at == self.last_at);
                let is_whole = self.reader.is_done() && is_last && is_counted(self.said, self.count);
                return if is_whole { Ok(None) } else { Err(Malformed) };
            }
            LONG => u32::from_le_bytes(self.reader.array()?) as usize,
            len => usize::from(len),
        };
        if len_before != self.before.map_or(0, |(_, len)| len) {
            return Err(Malformed);
        }
        let element = element(&mut self.reader)?;
        self.before = Some((at, self.at() - at));
        self.count += 1;
        Ok(Some(element))
    }
}

impl<'a> Iterator for Ziplist<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().transpose()
    }
}

fn element<'a>(reader: &mut Reader<'a>) -> Result<Element<'a>, Malformed> {
    let head = reader.byte().ok_or(Malformed)?;
    let len = match head {
        0x00..=0x3f => usize::from(head),
        0x40..=0x7f => usize::from(head & 0x3f) << 8 | usize::from(reader.byte().ok_or(Malformed)?),
        0x80..=0xbf => u32::from_be_bytes(reader.array()?) as usize,
        0xc0 => return reader.int(2).map(Element::Int),
        0xd0 => return reader.int(4).map(Element::Int),
        0xe0 => return reader.int(8).map(Element::Int),
        0xf0 => return reader.int(3).map(Element::Int),
        0xfe => return reader.int(1).map(Element::Int),
        // Four bits of one are the number and one more.
        0xf1..=0xfd => return Ok(Element::Int(i64::from(head & 0x0f) - 1)),
        _ => return Err(Malformed),
    };
    reader.take(len).map(Element::Text)
}
