//! Elements of a list: with their length behind them too, so that they are found from both ends.
//!
//! ```text
//! element | length of that 1      or, from 128 on, 2: the low byte, then 0x80 and the high bits
//! ```
//! The last byte tells which. Read from any bytes without a fault.

use super::element::{Element, skip};

const LONG: usize = 0x80;

/// Bytes of an element with its length behind it.
#[inline]
#[must_use]
pub fn encoded_bytes(element: Element<'_>) -> usize {
    let bytes = element.encoded_bytes();
    bytes + behind_bytes(bytes)
}

#[inline]
fn behind_bytes(element_bytes: usize) -> usize {
    1 + usize::from(element_bytes >= LONG)
}

/// Writes an element that is short to the front of `into`, which has room for it.
#[inline]
pub fn encode(element: Element<'_>, into: &mut [u8]) {
    element.encode(into);
    let at = element.encoded_bytes();
    if at < LONG {
        into[at] = at as u8;
    } else {
        into[at] = at as u8;
        into[at + 1] = LONG as u8 | (at >> 8) as u8;
    }
}

/// The element at the front, and the bytes it takes with its length.
#[inline]
#[must_use]
pub fn first(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (element, len) = Element::decode(bytes)?;
    let whole = len + behind_bytes(len);
    (whole <= bytes.len()).then_some((element, whole))
}

/// The bytes that the element at the front takes with its length.
#[inline]
#[must_use]
pub fn first_bytes(bytes: &[u8]) -> Option<usize> {
    let len = skip(bytes)?;
    let whole = len + behind_bytes(len);
    (whole <= bytes.len()).then_some(whole)
}

/// The bytes that the element at the end takes with its length.
#[inline]
#[must_use]
pub fn last_bytes(bytes: &[u8]) -> Option<usize> {
    let (&last, rest) = bytes.split_last()?;
    let whole = if usize::from(last) < LONG {
        usize::from(last) + 1
    } else {
        (usize::from(last & 0x7f) << 8 | usize::from(*rest.last()?)) + 2
    };
    (whole <= bytes.len()).then_some(whole)
}

/// Where the element of that number begins, from the nearer end; the end of the bytes for the number `count`.
/// Cost: one step per element between.
#[must_use]
pub fn position(bytes: &[u8], count: usize, index: usize) -> Option<usize> {
    if index > count {
        return None;
    }
    if index <= count / 2 {
        let mut at = 0;
        for _ in 0..index {
            at += first_bytes(bytes.get(at..)?)?;
        }
        return Some(at);
    }
    let mut end = bytes.len();
    for _ in index..count {
        end -= last_bytes(&bytes[..end])?;
    }
    Some(end)
}

/// The elements, from both ends.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Elements<'a> {
    /// `count` elements and nothing else.
    #[must_use]
    pub fn new(bytes: &'a [u8], count: usize) -> Elements<'a> {
        Elements { bytes, left: count }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (element, whole) = first(self.bytes)?;
        self.bytes = &self.bytes[whole..];
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let at = self.bytes.len() - last_bytes(self.bytes)?;
        let (element, _) = Element::decode(&self.bytes[at..])?;
        self.bytes = &self.bytes[..at];
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(texts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in texts {
            let (element, at) = (Element::of(text), bytes.len());
            bytes.resize(at + encoded_bytes(element), 0);
            encode(element, &mut bytes[at..]);
        }
        bytes
    }

    #[test]
    fn length_behind_has_two_bytes_from_128_on() {
        for (len, bytes) in [(1, 3), (126, 128), (127, 130), (128, 132), (4_096, 4_100), (16_383, 16_387)] {
            let one = listed(&[vec![b'x'; len]]);
            assert_eq!((one.len(), first_bytes(&one), last_bytes(&one)), (bytes, Some(bytes), Some(bytes)));
            assert_eq!([first_bytes(&one[..bytes - 1]), last_bytes(&one[1..])], [None; 2]);
        }
    }

    proptest! {
        #[test]
        fn both_ends_tell_the_same(texts in proptest::collection::vec(
            prop_oneof!["[0-9]{0,20}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..200)], 0..20)) {
            let bytes = listed(&texts);
            let elements: Vec<Element<'_>> = texts.iter().map(|text| Element::of(text)).collect();
            let all = Elements::new(&bytes, texts.len());
            prop_assert_eq!(all.clone().collect::<Vec<_>>(), elements.clone());
            let mut back: Vec<_> = all.rev().collect();
            back.reverse();
            prop_assert_eq!(&back, &elements);
            for (index, element) in elements.iter().enumerate() {
                let at = position(&bytes, texts.len(), index).unwrap();
                prop_assert_eq!(first(&bytes[at..]).unwrap().0, *element);
            }
            prop_assert_eq!(position(&bytes, texts.len(), texts.len()), Some(bytes.len()));
            prop_assert_eq!(position(&bytes, texts.len(), texts.len() + 1), None);
        }

        #[test]
        fn garbage_is_no_fault(bytes in proptest::collection::vec(any::<u8>(), 0..40), count in 0..50usize) {
            Elements::new(&bytes, count).for_each(drop);
            Elements::new(&bytes, count).rev().for_each(drop);
            prop_assert!((0..=count).all(|index| position(&bytes, count, index).is_none_or(|at| at <= bytes.len())));
        }
    }
}
