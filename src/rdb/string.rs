//! Strings of Redis's format: a length and the bytes, an integer in binary, or bytes that LZF packed.
//!
//! Format: <https://rdb.fnordig.de/file_format.html#string-encoding>. Written are those of the first two kinds.

use std::borrow::Cow;

use super::lzf::unpack;
use crate::base::int::parse_i64;

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

/// The longest text that is written as an integer: those of 32 bits, a sign before them.
const INTEGER_DIGITS_MAX: usize = 11;

/// Appends a string, as an integer where it is the digits of one. Cost: a copy.
pub fn write_string(out: &mut Vec<u8>, string: &[u8]) {
    let number = if string.len() <= INTEGER_DIGITS_MAX { parse_i64(string) } else { None };
    if number.is_none_or(|number| !write_integer(out, number)) {
        write_length(out, string.len());
        out.extend_from_slice(string);
    }
}

/// Appends an integer of up to 32 bits in as few bytes as hold it; false, and nothing written, for a longer one.
fn write_integer(out: &mut Vec<u8>, number: i64) -> bool {
    let bytes = number.to_le_bytes();
    let Some((kind, width)) = [(0xc0, 1), (0xc1, 2), (0xc2, 4)].into_iter().find(|(_, width)| {
        let unused = i64::BITS - 8 * width;
        number << unused >> unused == number
    }) else {
        return false;
    };
    out.push(kind);
    out.extend_from_slice(&bytes[..width as usize]);
    true
}

/// Appends a length, or how many of something follow.
pub fn write_length(out: &mut Vec<u8>, len: usize) {
    match len {
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

    /// Bytes not yet read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// The next string, of `bytes_max` at most: as it lies where it is neither packed nor an integer.
    ///
    /// # Errors
    /// Where no such string stands there. Nothing is allocated for bytes that were only announced.
    pub fn string(&mut self, bytes_max: usize) -> Result<Cow<'a, [u8]>, Malformed> {
        match self.head()? {
            Head::Plain(len) if len <= bytes_max => self.take(len).map(Cow::Borrowed),
            Head::Plain(_) => Err(Malformed),
            Head::Integer(width) => Ok(Cow::Owned(self.int(width)?.to_string().into_bytes())),
            Head::Packed => {
                let (packed_len, len) = (self.length()?, self.length()?);
                let packed = self.take(packed_len)?;
                if len > bytes_max {
                    return Err(Malformed);
                }
                unpack(packed, len).map(Cow::Owned).ok_or(Malformed)
            }
        }
    }

    /// An integer of so many bytes, 8 at most, the lowest first.
    ///
    /// # Errors
    /// As `take`.
    pub fn int(&mut self, width: usize) -> Result<i64, Malformed> {
        let bytes = self.take(width)?;
        let is_negative = bytes.last().is_some_and(|highest| *highest >= 0x80);
        let mut all = [if is_negative { 0xff } else { 0 }; size_of::<i64>()];
        all.get_mut(..width).ok_or(Malformed)?.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(all))
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

    /// The next length, or how many of something follow.
    ///
    /// # Errors
    /// Where none stands there.
    pub fn length(&mut self) -> Result<usize, Malformed> {
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

    /// So many bytes as they are.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        self.0.split_off(..len).ok_or(Malformed)
    }

    /// As `take`, for a number of bytes known beforehand.
    ///
    /// # Errors
    /// As `take`.
    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Malformed> {
        self.take(LEN)?.try_into().map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        Reader::new(bytes).string(1 << 20).map(Cow::into_owned)
    }

    #[test]
    fn each_length_is_read_as_it_was_written() {
        for len in [0, 1, 63, 64, 16_383, 16_384, 100_000] {
            let (string, mut out) = (vec![b's'; len], Vec::new());
            write_string(&mut out, &string);
            out.push(b'x');
            let mut reader = Reader::new(&out);
            assert_eq!(reader.string(len), Ok(Cow::Owned(string)), "{len}");
            assert_eq!((reader.byte(), reader.byte()), (Some(b'x'), None));
            if len > 0 {
                assert_eq!(Reader::new(&out).string(len - 1), Err(Malformed), "{len}");
            }
        }
    }

    // As redis-server 7.0.15 dumps them.
    #[test]
    fn digits_of_an_integer_are_written_as_one() {
        for (text, expected) in [
            (&b"0"[..], &b"\xc0\x00"[..]),
            (b"-128", b"\xc0\x80"),
            (b"128", b"\xc1\x80\x00"),
            (b"-129", b"\xc1\x7f\xff"),
            (b"32768", b"\xc2\x00\x80\x00\x00"),
            (b"2147483647", b"\xc2\xff\xff\xff\x7f"),
            (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
            (b"2147483648", b"\x0a2147483648"),
            (b"012", b"\x03012"),
            (b"-0", b"\x02-0"),
            (b"", b"\x00"),
        ] {
            let mut out = Vec::new();
            write_string(&mut out, text);
            assert_eq!(out, expected, "{}", text.escape_ascii());
            assert_eq!(read(&out).as_deref(), Ok(text));
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
