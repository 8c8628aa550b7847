//! Integers of any width at any bit of a byte string: the arithmetic of BITFIELD.
//!
//! Pure functions. Bits are numbered from the most significant bit of the first byte; bytes beyond the
//! string read as zero. Invariant: every value of a field fits an `i64`, as unsigned ones end at 63 bits.

/// A field touches at most this many bytes.
const WINDOW_BYTES: usize = 9;

/// The type of a field: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    is_signed: bool,
    bits: u32,
}

/// What happens to a value that a field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Field {
    /// Reads a type's name; `None` if it is none.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Field> {
        let (is_signed, digits) = match name {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return None,
        };
        let bits = u32::try_from(crate::base::int::parse_i64(digits)?).ok()?;
        let bits_max = if is_signed { 64 } else { 63 };
        (1..=bits_max).contains(&bits).then_some(Field { is_signed, bits })
    }

    /// Width in bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// The field's value at a bit offset.
    #[must_use]
    pub fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let aligned = window(bytes, offset) << (offset % 8);
        let unused = 128 - self.bits;
        if self.is_signed { (aligned as i128 >> unused) as i64 } else { (aligned >> unused) as i64 }
    }

    /// Stores a value's low bits at a bit offset; the bytes must reach that far.
    pub fn write(self, bytes: &mut [u8], offset: u64, value: i64) {
        let shift = 128 - self.bits - (offset % 8) as u32;
        let mask = (u128::MAX >> (128 - self.bits)) << shift;
        let merged = (window(bytes, offset) & !mask) | ((value as u128) << shift & mask);
        let at = (offset / 8) as usize;
        let len = WINDOW_BYTES.min(bytes.len() - at);
        bytes[at..at + len].copy_from_slice(&merged.to_be_bytes()[..len]);
    }

    /// `value` as the field can hold it; `None` if it cannot and must not be changed.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.bounds();
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(value.clamp(min, max) as i64),
            Overflow::Wrap => {
                let aligned = (value as u128) << (128 - self.bits);
                Some(Field::read(self, &aligned.to_be_bytes(), 0))
            }
        }
    }

    /// What the field holds after `SET value`. An unsigned field takes a negative value for the large
    /// unsigned one with the same bits, as Redis does: saturated, it becomes the maximum.
    #[must_use]
    pub fn set(self, value: i64, overflow: Overflow) -> Option<i64> {
        let value = if self.is_signed { i128::from(value) } else { i128::from(value as u64) };
        self.fit(value, overflow)
    }

    /// What the field holds after `INCRBY increment`.
    #[must_use]
    pub fn increment(self, before: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        self.fit(i128::from(before) + i128::from(increment), overflow)
    }

    fn bounds(self) -> (i128, i128) {
        if self.is_signed {
            let half = 1i128 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        }
    }
}

/// The bytes from the one that holds the bit `offset`, in the high bits.
fn window(bytes: &[u8], offset: u64) -> u128 {
    let mut copy = [0; 16];
    let at = usize::try_from(offset / 8).unwrap_or(usize::MAX).min(bytes.len());
    let len = WINDOW_BYTES.min(bytes.len() - at);
    copy[..len].copy_from_slice(&bytes[at..at + len]);
    u128::from_be_bytes(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> impl Strategy<Value = Field> {
        (any::<bool>(), 1u32..=64).prop_map(|(is_signed, bits)| Field {
            is_signed,
            bits: if is_signed { bits } else { bits.min(63) },
        })
    }

    fn overflows() -> impl Strategy<Value = Overflow> {
        proptest::sample::select(vec![Overflow::Wrap, Overflow::Saturate, Overflow::Fail])
    }

    /// The field's value, looked at bit by bit.
    fn read_slowly(field: Field, bytes: &[u8], offset: u64) -> i64 {
        let bit = |at: u64| bytes.get((at / 8) as usize).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
        let start = if field.is_signed && bit(offset) { -1 } else { 0 };
        (offset..offset + u64::from(field.bits)).fold(start, |value, at| value << 1 | i64::from(bit(at)))
    }

    #[test]
    fn only_types_that_fit_a_reply_are_known() {
        for name in ["i1", "i64", "u1", "u63"] {
            assert!(Field::parse(name.as_bytes()).is_some(), "{name}");
        }
        for name in
            ["", "i", "u", "i0", "u0", "i65", "u64", "u-1", "i08", "I8", "8", "u8 ", "f8", "u99999999999"]
        {
            assert_eq!(Field::parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn negative_value_set_in_an_unsigned_field_saturates_upwards() {
        let field = Field { is_signed: false, bits: 8 };
        assert_eq!(field.set(-1, Overflow::Saturate), Some(255));
        assert_eq!(field.set(-2, Overflow::Wrap), Some(254));
        assert_eq!(field.set(-1, Overflow::Fail), None);
        assert_eq!(field.increment(0, -1, Overflow::Saturate), Some(0));
    }

    proptest! {
        #[test]
        fn read_agrees_with_looking_at_each_bit(
            field in fields(), bytes in proptest::collection::vec(any::<u8>(), 0..20), offset in 0u64..200,
        ) {
            prop_assert_eq!(field.read(&bytes, offset), read_slowly(field, &bytes, offset));
        }

        #[test]
        fn write_changes_the_field_and_no_other_bit(
            field in fields(), bytes in proptest::collection::vec(any::<u8>(), 20), offset in 0u64..96, value: i64,
        ) {
            let mut changed = bytes.clone();
            field.write(&mut changed, offset, value);
            let stored = field.fit(i128::from(value), Overflow::Wrap);
            prop_assert_eq!(Some(field.read(&changed, offset)), stored);
            for at in (0..160).filter(|at| !(offset..offset + u64::from(field.bits)).contains(at)) {
                let bit = Field { is_signed: false, bits: 1 };
                prop_assert_eq!(bit.read(&changed, at), bit.read(&bytes, at));
            }
        }

        #[test]
        fn increment_stays_in_bounds_or_fails(field in fields(), seed: i64, increment: i64, overflow in overflows()) {
            let before = field.fit(i128::from(seed), Overflow::Wrap).unwrap_or(0);
            let (min, max) = field.bounds();
            let sum = i128::from(before) + i128::from(increment);
            let after = field.increment(before, increment, overflow).map(i128::from);
            match overflow {
                _ if (min..=max).contains(&sum) => prop_assert_eq!(after, Some(sum)),
                Overflow::Fail => prop_assert_eq!(after, None),
                Overflow::Saturate => prop_assert_eq!(after, Some(if sum < min { min } else { max })),
                Overflow::Wrap => {
                    let after = after.unwrap_or(i128::MAX);
                    prop_assert!((min..=max).contains(&after));
                    prop_assert_eq!((sum - after) % (1i128 << field.bits), 0);
                }
            }
        }
    }
}
