//! Strings of Redis's format: a length and the bytes, an integer in binary, or bytes that LZF packed.
//!
//! Format: <https://rdb.fnordig.de/file_format.html#string-encoding>. Written are only those of the first kind.

use super::lzf::unpack;

/// Something that is no string of the format, or a longer one than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// How a string lies, from the two upper bits of its first byte and from that byte.
enum Head {
    Plain(usize),
    /// Bytes of an integer, the lowest first.
    Integer(usize),
    Packed,
}

/// Appends a string. Cost: a copy.
pub fn write_string(out: &mut Vec<u8>, string: &[u8]) {
    match string.len() {
        len @ 0..64 => out.push(len as u8),
        len @ 64..16_384 => out.extend_from_slice(&(0x4000 | len as u16).to_be_bytes()),
        len => match u32::try_from(len) {
            Ok(len) => {
                out.push(0x80);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        },
    }
    out.extend_from_slice(string);
}

/// Reads a payload from its beginning.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    /// The next string, of `bytes_max` at most.
    ///
    /// # Errors
    /// Where no such string stands there. Nothing is allocated for bytes that were only announced.
    pub fn string(&mut self, bytes_max: usize) -> Result<Vec<u8>, Malformed> {
        match self.head()? {
            Head::Plain(len) if len <= bytes_max => Ok(self.take(len)?.to_vec()),
            Head::Plain(_) => Err(Malformed),
            Head::Integer(width) => {
                let bytes = self.take(width)?;
                let is_negative = bytes.last().is_some_and(|highest| *highest >= 0x80);
                let mut all = [if is_negative { 0xff } else { 0 }; 4];
                all[..width].copy_from_slice(bytes);
                Ok(i32::from_le_bytes(all).to_string().into_bytes())
            }
            Head::Packed => {
                let (packed_len, len) = (self.length()?, self.length()?);
                let packed = self.take(packed_len)?;
                if len > bytes_max {
                    return Err(Malformed);
                }
                unpack(packed, len).ok_or(Malformed)
            }
        }
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.byte().ok_or(Malformed)?;
        Ok(match (first >> 6, first & 0x3f) {
            (0, len) => Head::Plain(usize::from(len)),
            (1, upper) => Head::Plain(usize::from(upper) << 8 | usize::from(self.byte().ok_or(Malformed)?)),
            (2, 0) => Head::Plain(self.number(4)?),
            (2, 1) => Head::Plain(self.number(8)?),
            (3, 0) => Head::Integer(1),
            (3, 1) => Head::Integer(2),
            (3, 2) => Head::Integer(4),
            (3, 3) => Head::Packed,
            _ => return Err(Malformed),
        })
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Head::Plain(len) => Ok(len),
            Head::Integer(_) | Head::Packed => Err(Malformed),
        }
    }

    /// A number of so many bytes, the highest first.
    fn number(&mut self, width: usize) -> Result<usize, Malformed> {
        let bytes = self.take(width)?;
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| Malformed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        self.0.split_off(..len).ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        Reader::new(bytes).string(1 << 20)
    }

    #[test]
    fn each_length_is_read_as_it_was_written() {
        for len in [0, 1, 63, 64, 16_383, 16_384, 100_000] {
            let (string, mut out) = (vec![b's'; len], Vec::new());
            write_string(&mut out, &string);
            out.push(b'x');
            let mut reader = Reader::new(&out);
            assert_eq!(reader.string(len), Ok(string), "{len}");
            assert_eq!((reader.byte(), reader.byte()), (Some(b'x'), None));
            if len > 0 {
                assert_eq!(Reader::new(&out).string(len - 1), Err(Malformed), "{len}");
            }
        }
    }

    #[test]
    fn integers_and_packed_strings_of_other_servers_are_understood() {
        assert_eq!(read(b"\xc0\xff").as_deref(), Ok(&b"-1"[..]));
        assert_eq!(read(b"\xc1\x39\x30").as_deref(), Ok(&b"12345"[..]));
        assert_eq!(read(b"\xc2\x00\x00\x00\x80").as_deref(), Ok(&b"-2147483648"[..]));
        assert_eq!(read(b"\xc3\x05\x09\x02abc\x80\x02"), Err(Malformed));
        assert_eq!(read(b"\xc3\x06\x09\x02abc\x80\x02").as_deref(), Ok(&b"abcabcabc"[..]));
        assert_eq!(read(b"\x81\0\0\0\0\0\0\0\x02ab").as_deref(), Ok(&b"ab"[..]));
    }

    #[test]
    fn what_is_cut_off_unknown_or_too_long_is_refused() {
        for bytes in [
            &b""[..],
            b"\x03ab",
            b"\x40",
            b"\x80\xff\xff\xff\xff",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x82ab",
            b"\xc0",
            b"\xc2\x01\x02\x03",
            b"\xc4\x00",
            b"\xff",
            b"\xc3\xc0\x01\x02ab",
            b"\xc3\x03\x80\xff\xff\xff\xff\x01ab",
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_string_or_malformed(bytes: Vec<u8>) {
            prop_assert!(Reader::new(&bytes).string(100).map_or(0, |string| string.len()) <= 100);
        }

        #[test]
        fn any_string_is_read_as_it_was_written(string: Vec<u8>) {
            let mut out = Vec::new();
            write_string(&mut out, &string);
            prop_assert_eq!(read(&out), Ok(string));
        }
    }
}
