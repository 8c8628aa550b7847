//! One element: a tag byte and its bytes. Everything a packed value holds is made of these.
//!
//! ```text
//! 0x00..=0x7f   that many bytes follow
//! 0x80..=0xbf   length 14 bits: the tag's low six above one more byte; that many bytes follow
//! 0xc1..=0xc8   an integer of 1 to 8 bytes, lowest first, sign extended
//! 0xc9          a score that is no small integer: the 8 bytes of a double
//! 0xd0..=0xff   the integers 0 to 47
//! ```
//! Invariant: what reads as an integer and prints back to the same digits is one, in as few bytes as it needs, so
//! that equal texts are equal bytes. Decoding takes any bytes and says `None` where they are no element.

use crate::base::int::parse_i64;

/// The longest text of an element, bytes.
pub const TEXT_BYTES_MAX: usize = (1 << 14) - 1;

const LONG: u8 = 0x80;
const INT: u8 = 0xc0;
const DOUBLE: u8 = 0xc9;
const SMALL: u8 = 0xd0;
const SMALL_MAX: i64 = (u8::MAX - SMALL) as i64;
/// Bytes of a double with its tag.
const DOUBLE_BYTES: usize = 9;
/// Doubles up to this size that are integers are one of `i64`, exactly.
const EXACT_MAX: f64 = (1i64 << 53) as f64;

/// A text as it is kept: integers by their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// How a text is kept. Cost: a look at its first byte, and for integers at all of them.
    #[inline]
    #[must_use]
    pub fn of(text: &'a [u8]) -> Element<'a> {
        parse_i64(text).map_or(Element::Bytes(text), Element::Int)
    }

    /// The text, integers written into `digits`.
    #[inline]
    #[must_use]
    pub fn text<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Element::Int(number) => digits.format(number).as_bytes(),
            Element::Bytes(bytes) => bytes,
        }
    }

    /// Bytes it takes, tag and all.
    #[inline]
    #[must_use]
    pub fn encoded_bytes(self) -> usize {
        match self {
            Element::Int(0..=SMALL_MAX) => 1,
            Element::Int(number) => 1 + int_bytes(number),
            Element::Bytes(bytes) => 1 + usize::from(bytes.len() >= usize::from(LONG)) + bytes.len(),
        }
    }

    /// Whether its length can be written.
    #[inline]
    #[must_use]
    pub fn is_short(self) -> bool {
        !matches!(self, Element::Bytes(bytes) if bytes.len() > TEXT_BYTES_MAX)
    }

    /// Writes it to the front of `into`, which has room for it; the text is short.
    #[inline]
    pub fn encode(self, into: &mut [u8]) {
        match self {
            Element::Int(number @ 0..=SMALL_MAX) => into[0] = SMALL + number as u8,
            Element::Int(number) => {
                let bytes = int_bytes(number);
                into[0] = INT + bytes as u8;
                into[1..=bytes].copy_from_slice(&number.to_le_bytes()[..bytes]);
            }
            Element::Bytes(bytes) => {
                let head = if bytes.len() < usize::from(LONG) {
                    into[0] = bytes.len() as u8;
                    1
                } else {
                    into[0] = LONG | (bytes.len() >> 8) as u8;
                    into[1] = bytes.len() as u8;
                    2
                };
                into[head..head + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// The element at the front of `bytes`, and its length with the tag.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<(Element<'a>, usize)> {
        let (&tag, rest) = bytes.split_first()?;
        match tag {
            0..LONG => Some((Element::Bytes(rest.get(..usize::from(tag))?), 1 + usize::from(tag))),
            LONG..INT => {
                let (&low, rest) = rest.split_first()?;
                let len = usize::from(tag & 0x3f) << 8 | usize::from(low);
                Some((Element::Bytes(rest.get(..len)?), 2 + len))
            }
            SMALL.. => Some((Element::Int(i64::from(tag - SMALL)), 1)),
            _ => {
                let len = usize::from(tag - INT);
                let bytes = rest.get(..len).filter(|_| (1..=8).contains(&len))?;
                Some((Element::Int(int_of(bytes)), 1 + len))
            }
        }
    }

    /// A byte by which different texts mostly differ. Not keyed: who aims at one tag makes a search compare each
    /// element of one page, no more.
    #[inline]
    #[must_use]
    pub fn hash_tag(self) -> u8 {
        // A multiplication spreads low bits upwards: the top byte has seen them all.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(SPREAD);
        let hash = match self {
            Element::Int(number) => mix(1, number as u64),
            Element::Bytes(bytes) => {
                let (words, rest) = bytes.as_chunks::<8>();
                let hash =
                    words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
                mix(hash, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            }
        };
        (hash ^ hash >> 29).wrapping_mul(SPREAD).to_be_bytes()[0]
    }

    /// The order of texts, byte by byte.
    #[must_use]
    pub fn cmp_text(self, other: &[u8]) -> std::cmp::Ordering {
        self.text(&mut itoa::Buffer::new()).cmp(other)
    }
}

/// The length of the element or the score at the front of `bytes`, tag and all.
#[inline]
#[must_use]
pub fn skip(bytes: &[u8]) -> Option<usize> {
    let (&tag, rest) = bytes.split_first()?;
    let len = match tag {
        0..LONG => 1 + usize::from(tag),
        LONG..INT => 2 + (usize::from(tag & 0x3f) << 8 | usize::from(*rest.first()?)),
        SMALL.. => 1,
        DOUBLE => DOUBLE_BYTES,
        _ if (1..=8).contains(&(tag - INT)) => 1 + usize::from(tag - INT),
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// A score as it is kept: as an integer where it is one, exactly. Zero has no sign then.
#[inline]
fn score_int(score: f64) -> Option<i64> {
    let is_exact = score.trunc() == score && score.abs() <= EXACT_MAX;
    is_exact.then_some(score as i64)
}

/// Bytes a score takes, tag and all: 1 to 9.
#[inline]
#[must_use]
pub fn score_bytes(score: f64) -> usize {
    score_int(score).map_or(DOUBLE_BYTES, |number| Element::Int(number).encoded_bytes())
}

/// Writes a score to the front of `into`, which has room for it.
#[inline]
pub fn encode_score(score: f64, into: &mut [u8]) {
    match score_int(score) {
        Some(number) => Element::Int(number).encode(into),
        None => {
            into[0] = DOUBLE;
            into[1..DOUBLE_BYTES].copy_from_slice(&score.to_le_bytes());
        }
    }
}

/// The score at the front of `bytes`.
#[inline]
#[must_use]
pub fn decode_score(bytes: &[u8]) -> Option<f64> {
    match bytes {
        [DOUBLE, rest @ ..] => rest.first_chunk().map(|bytes| f64::from_le_bytes(*bytes)),
        _ => match Element::decode(bytes)? {
            (Element::Int(number), _) => Some(number as f64),
            (Element::Bytes(_), _) => None,
        },
    }
}

/// Bytes that hold a number and its sign: 1 to 8.
#[inline]
fn int_bytes(number: i64) -> usize {
    let magnitude_bits = u64::BITS - (number ^ number >> 63).leading_zeros();
    magnitude_bits as usize / 8 + 1
}

#[inline]
fn int_of(bytes: &[u8]) -> i64 {
    let shift = 64 - 8 * bytes.len() as u32;
    let word = bytes.iter().rev().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    (word << shift) as i64 >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(element: Element<'_>) -> Vec<u8> {
        let mut bytes = vec![0xee; element.encoded_bytes()];
        element.encode(&mut bytes);
        bytes
    }

    #[test]
    fn element_takes_as_few_bytes_as_its_integer_needs() {
        for (number, bytes) in [
            (0, 1),
            (47, 1),
            (48, 2),
            (-1, 2),
            (127, 2),
            (-128, 2),
            (128, 3),
            (-129, 3),
            (32_767, 3),
            (32_768, 4),
            (i64::from(i32::MAX), 5),
            (i64::from(i32::MAX) + 1, 6),
            (i64::MAX, 9),
            (i64::MIN, 9),
        ] {
            let text = number.to_string();
            let element = Element::of(text.as_bytes());
            assert_eq!(element.encoded_bytes(), bytes, "{text}");
            assert_eq!(Element::decode(&encoded(element)), Some((Element::Int(number), bytes)));
        }
    }

    #[test]
    fn lengths_have_two_bytes_from_128_on_and_end_at_14_bits() {
        for (len, head) in [(0, 1), (1, 1), (127, 1), (128, 2), (16_383, 2)] {
            let text = vec![b'x'; len];
            let element = Element::of(&text);
            assert!(element.is_short());
            let bytes = encoded(element);
            assert_eq!(bytes.len(), head + len);
            assert_eq!(Element::decode(&bytes), Some((Element::Bytes(&text), bytes.len())));
            assert_eq!(skip(&bytes), Some(bytes.len()));
            assert_eq!(
                (Element::decode(&bytes[..bytes.len() - 1]), skip(&bytes[..bytes.len() - 1])),
                (None, None)
            );
        }
        assert!(!Element::of(&[b'x'; TEXT_BYTES_MAX + 1]).is_short());
    }

    #[test]
    fn scores_that_are_integers_are_small_and_zero_has_no_sign() {
        for (score, bytes) in [
            (0.0, 1),
            (-0.0, 1),
            (47.0, 1),
            (-1.0, 2),
            (1e9, 5),
            (0.5, 9),
            (EXACT_MAX, 8),
            (-EXACT_MAX, 8),
            (EXACT_MAX * 2.0, 9),
            (f64::INFINITY, 9),
            (f64::NEG_INFINITY, 9),
            (f64::MIN_POSITIVE, 9),
        ] {
            let mut into = vec![0; score_bytes(score)];
            encode_score(score, &mut into);
            assert_eq!((into.len(), skip(&into)), (bytes, Some(bytes)), "{score}");
            let read = decode_score(&into).unwrap();
            assert_eq!(read, score);
            assert!(read != 0.0 || read.is_sign_positive());
        }
    }

    #[test]
    fn tags_spread_over_names_that_differ_in_digits() {
        let names: Vec<String> = (0..2_560).map(|number| format!("field:{number:06}")).collect();
        let mut counts = [0; 256];
        names.iter().for_each(|name| counts[usize::from(Element::of(name.as_bytes()).hash_tag())] += 1);
        (0..2_560).for_each(|number| counts[usize::from(Element::Int(number).hash_tag())] += 1);
        assert!(counts.iter().all(|count| (2..60).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn texts_read_back(text in prop_oneof!["-?[0-9]{0,20}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..300)]) {
            let bytes = encoded(Element::of(&text));
            let (element, len) = Element::decode(&bytes).unwrap();
            let mut digits = itoa::Buffer::new();
            prop_assert_eq!((element.text(&mut digits), len), (&text[..], bytes.len()));
            prop_assert_eq!(skip(&bytes), Some(len));
        }

        #[test]
        fn scores_read_back(score in any::<f64>().prop_filter("a number", |score| !score.is_nan())) {
            let mut bytes = vec![0; score_bytes(score)];
            encode_score(score, &mut bytes);
            prop_assert_eq!(decode_score(&bytes), Some(score));
        }

        #[test]
        fn garbage_is_no_fault(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let decoded = Element::decode(&bytes);
            if let Some((_, len)) = decoded {
                prop_assert_eq!(skip(&bytes), Some(len));
            }
            let _ = decode_score(&bytes);
        }
    }
}
