//! Listpacks, which took the place of ziplists in Redis 7.

use super::parts::{END, Element, check_len, is_counted};
use crate::rdb::string::{Malformed, Reader};

/// The longest entries whose own length behind them takes so many bytes.
const BACK_MAX: [usize; 4] = [127, 16_382, 2_097_150, 268_435_454];

pub struct Listpack<'a> {
    reader: Reader<'a>,
    said: u16,
    count: usize,
}

impl<'a> Listpack<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Listpack<'a>, Malformed> {
        let mut reader = Reader::new(bytes);
        check_len(&mut reader, bytes)?;
        let said = u16::from_le_bytes(reader.array()?);
        Ok(Listpack { reader, said, count: 0 })
    }

    fn entry(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        let before = self.reader.left();
        let head = self.reader.byte().ok_or(Malformed)?;
        if head == END {
            let is_whole = self.reader.is_done() && is_counted(self.said, self.count);
            return if is_whole { Ok(None) } else { Err(Malformed) };
        }
        let element = element(head, &mut self.reader)?;
        check_back(before - self.reader.left(), &mut self.reader)?;
        self.count += 1;
        Ok(Some(element))
    }
}

impl<'a> Iterator for Listpack<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().transpose()
    }
}

fn element<'a>(head: u8, reader: &mut Reader<'a>) -> Result<Element<'a>, Malformed> {
    let mut byte = || reader.byte().map(usize::from).ok_or(Malformed);
    let len = match head {
        0x00..=0x7f => return Ok(Element::Int(head.into())),
        0x80..=0xbf => usize::from(head & 0x3f),
        0xc0..=0xdf => {
            let bits = i64::from(head & 0x1f) << 8 | byte()? as i64;
            let unused = i64::BITS - 13;
            return Ok(Element::Int(bits << unused >> unused));
        }
        0xe0..=0xef => usize::from(head & 0x0f) << 8 | byte()?,
        0xf0 => u32::from_le_bytes(reader.array()?) as usize,
        0xf1 => return reader.int(2).map(Element::Int),
        0xf2 => return reader.int(3).map(Element::Int),
        0xf3 => return reader.int(4).map(Element::Int),
        0xf4 => return reader.int(8).map(Element::Int),
        0xf5..=0xff => return Err(Malformed),
    };
    reader.take(len).map(Element::Text)
}

/// Reads what leads back over an entry: its length in groups of seven bits, all but the first with the upper bit set.
fn check_back(len: usize, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let groups = BACK_MAX.iter().position(|max| len <= *max).unwrap_or(BACK_MAX.len());
    for group in (0..=groups).rev() {
        let more = if group < groups { 0x80 } else { 0 };
        if reader.byte() != Some((len >> (7 * group) & 0x7f) as u8 | more) {
            return Err(Malformed);
        }
    }
    Ok(())
}
