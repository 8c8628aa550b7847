//! Sets of integers: an array of them.

use super::parts::Element;
use crate::rdb::string::{Malformed, Reader};

pub struct Ints<'a> {
    reader: Reader<'a>,
    width: usize,
    before: Option<i64>,
}

impl<'a> Ints<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Ints<'a>, Malformed> {
        let mut reader = Reader::new(bytes);
        let width = u32::from_le_bytes(reader.array()?) as usize;
        let count = u32::from_le_bytes(reader.array()?) as usize;
        let is_sound = [2, 4, 8].contains(&width) && count.checked_mul(width) == Some(reader.left());
        if is_sound { Ok(Ints { reader, width, before: None }) } else { Err(Malformed) }
    }
}

impl<'a> Iterator for Ints<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_done() {
            return None;
        }
        let number = self.reader.int(self.width);
        let ascends = number.is_ok_and(|number| self.before.is_none_or(|before| before < number));
        self.before = number.ok();
        Some(number.map(Element::Int).and_then(|element| if ascends { Ok(element) } else { Err(Malformed) }))
    }
}
