//! The stretch of a value that a command's `start` and `end` name: GETRANGE, BITCOUNT, BITPOS.
//!
//! Owns Redis's rules for negative and overlong ends. Knows neither values nor replies.
//! Invariant: what `within` gives lies inside the value and is not empty.

/// Two ends as they were said: inclusive, negative ones counted from the end of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

impl Span {
    /// Both ends count from the value's end and stand in the wrong order. GETRANGE and BITCOUNT call that
    /// empty at once; BITPOS first pulls both up to the first place, which then counts.
    #[must_use]
    pub fn is_reversed(self) -> bool {
        self.start < 0 && self.end < 0 && self.start > self.end
    }

    /// First and last place inside a value of `len` places; `None` if nothing is left.
    #[must_use]
    pub fn within(self, len: u64) -> Option<(u64, u64)> {
        let from_front = |place: i64| match u64::try_from(place) {
            Ok(place) => place,
            Err(_) => len.saturating_sub(place.unsigned_abs()),
        };
        let (first, last) = (from_front(self.start), from_front(self.end).min(len.checked_sub(1)?));
        (first <= last).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_are_pulled_into_the_value() {
        for (start, end, len, expected) in [
            (0, -1, 5, Some((0, 4))),
            (-3, -1, 5, Some((2, 4))),
            (-100, 100, 5, Some((0, 4))),
            (5, 9, 5, None),
            (3, 2, 5, None),
            (0, -1, 0, None),
            (-10, -20, 5, Some((0, 0))),
            (i64::MIN, i64::MAX, 5, Some((0, 4))),
            (i64::MAX, i64::MIN, 5, None),
        ] {
            assert_eq!(Span { start, end }.within(len), expected, "{start}..={end} of {len}");
        }
    }

    proptest! {
        #[test]
        fn span_is_inside_the_value_and_not_empty(start: i64, end: i64, len in 0u64..100) {
            if let Some((first, last)) = (Span { start, end }).within(len) {
                prop_assert!(first <= last && last < len);
            }
        }
    }
}
