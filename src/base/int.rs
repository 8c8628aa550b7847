//! Decimal integers as the wire spells them.
//!
//! Owns the one strict reading of a signed 64-bit number, the same for lengths in requests, for
//! arguments and for values that count. It knows nothing of where the bytes come from.
//! Invariant: a number has exactly one spelling, so `parse_i64(b)` is `Some(n)` only if `n`
//! written in decimal is `b` again.

/// The longest spelling of an `i64`: `-9223372036854775808`.
const I64_BYTES_MAX: usize = 20;

/// Reads `bytes` as a signed decimal number, by Redis's strict rules: no leading zeros, no `+`,
/// no spaces, no `-0`, nothing left over.
///
/// Returns `None` for everything else, and for numbers that don't fit. Costs at most 20 steps.
///
/// ```
/// use onefill::base::int::parse_i64;
/// assert_eq!(parse_i64(b"-42"), Some(-42));
/// assert_eq!(parse_i64(b"042"), None);
/// ```
pub fn parse_i64(bytes: &[u8]) -> Option<i64> {
    if bytes == b"0" {
        return Some(0);
    }
    if bytes.len() > I64_BYTES_MAX {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut magnitude: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads a decimal exponent with an optional sign and any number of digits, held within `most`, which is far below
/// `i64::MAX / 10`.
///
/// Returns `None` for anything else.
pub fn parse_exponent(text: &[u8], most: i64) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let step = |sum: i64, digit: &u8| (sum * 10 + i64::from(digit - b'0')).min(most);
    let exponent = digits.iter().fold(0, step);
    Some(if negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::{parse_exponent, parse_i64};
    use proptest::prelude::*;

    #[test]
    fn exponents_are_held_within_bounds() {
        let read = |text: &str| parse_exponent(text.as_bytes(), 1_000);
        assert_eq!(["7", "+007", "-12", "0"].map(read), [Some(7), Some(7), Some(-12), Some(0)]);
        assert_eq!(["1001", "-99999999999999999999"].map(read), [Some(1_000), Some(-1_000)]);
        assert_eq!(["", "+", "-", "1.", "1 ", "--1", "a"].map(read), [None; 7]);
    }

    #[test]
    fn numbers_in_their_one_spelling_are_read() {
        for (text, number) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(number), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1\0", "1x", "x1", "--1", "1.0", "0x10", "/",
            ":", "1/", "1:",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "-99999999999999999999",
            "100000000000000000000000000000",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back_from_its_spelling(number: i64) {
            prop_assert_eq!(parse_i64(number.to_string().as_bytes()), Some(number));
        }

        #[test]
        fn what_is_read_is_spelled_the_same(text in "[-+ 0-9]{0,22}") {
            let spelled = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), spelled);
        }
    }
}
