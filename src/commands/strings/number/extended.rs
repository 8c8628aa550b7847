//! Numbers in the 80-bit extended precision of x87, the arithmetic behind Redis's INCRBYFLOAT.
//!
//! Owns reading (as `strtold`), adding and printing (as `%.17Lf` with the trailing zeros cut) such
//! numbers in software, so that results agree to the last digit on every machine. Knows no keys.
//! Invariant: every operation rounds once, half to even, from the exact result. Work is bounded by the
//! length of the text and by the type's range, never by the exponent somebody wrote.

use num_bigint::{BigInt, BigUint, Sign};

use crate::base::int::parse_exponent;

/// Bits of a mantissa.
const MANTISSA_BITS: i64 = 64;
/// Exponent of the last bit of the smallest number.
const EXPONENT_MIN: i64 = -16445;
/// Exponent of the last bit of the largest number.
const EXPONENT_MAX: i64 = 16383 - (MANTISSA_BITS - 1);
/// Longest text that is read as a number, bytes.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// `0.1 * 10^n` is out of range for greater `n`.
const DECIMAL_EXPONENT_MAX: i64 = 4933;
/// `1.0 * 10^n` is zero for smaller `n`.
const DECIMAL_EXPONENT_MIN: i64 = -4960;
/// Exponents are read up to this size; beyond it, all mean the same.
const WRITTEN_EXPONENT_MAX: i64 = 1_000_000;
/// Digits printed behind the point.
const FRACTION_DIGITS: usize = 17;

/// A finite number: `mantissa * 2^exponent`, negative if it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i64,
}

/// A number as it may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Finite(Extended),
    Infinite,
}

impl Number {
    /// Zero, the value of an absent key.
    pub const ZERO: Number = Number::Finite(Extended { negative: false, mantissa: 0, exponent: 0 });

    /// Reads what C's `strtold` reads in full: decimal and hexadecimal numbers with exponents, and
    /// infinity by name. `None` for everything else, NaN and numbers out of range included.
    ///
    /// ```text
    /// "3.0e3", ".5", "+1.", "0x1p-2" and "inf" are numbers; "", " 1", "1e", "nan" and "1e5000" are not
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Number> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Number::Infinite);
        }
        let finite = match rest {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(negative, digits),
            digits => parse_decimal(negative, digits),
        };
        finite.map(Number::Finite)
    }

    /// The sum, rounded; `None` where it is infinite or not a number.
    #[must_use]
    pub fn add(self, other: Number) -> Option<Extended> {
        let (Number::Finite(a), Number::Finite(b)) = (self, other) else { return None };
        let exponent = a.exponent.min(b.exponent);
        let sum = a.scaled_to(exponent) + b.scaled_to(exponent);
        let (sign, magnitude) = sum.into_parts();
        round(sign == Sign::Minus, &magnitude, exponent, false)
    }
}

impl Extended {
    /// The number times `2^-exponent`; the exponent must not be greater than its own.
    fn scaled_to(self, exponent: i64) -> BigInt {
        let magnitude = BigInt::from(self.mantissa) << (self.exponent - exponent);
        if self.negative { -magnitude } else { magnitude }
    }

    /// Decimal text with up to 17 digits behind the point, without trailing zeros; zero has no sign.
    #[must_use]
    pub fn to_text(self) -> String {
        let text = if self.exponent < 0 {
            self.fraction_text()
        } else {
            (BigUint::from(self.mantissa) << self.exponent).to_string()
        };
        if self.negative && text != "0" { format!("-{text}") } else { text }
    }

    /// The text of a number whose last bit is behind the point.
    fn fraction_text(self) -> String {
        const SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
        let shift = self.exponent.unsigned_abs();
        // 64 and 57 bits: the product fits, and beyond its width only zero is left.
        let scaled = u128::from(self.mantissa) * SCALE;
        let rounded = if shift >= 127 { 0 } else { shift_right_half_even(scaled, shift as u32) };
        let text = format!("{}.{:0width$}", rounded / SCALE, rounded % SCALE, width = FRACTION_DIGITS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// `value / 2^shift`, rounded half to even; `shift` is less than 127.
fn shift_right_half_even(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        return value;
    }
    let (quotient, rest, half) = (value >> shift, value & ((1 << shift) - 1), 1u128 << (shift - 1));
    let rounds_up = rest > half || (rest == half && quotient & 1 == 1);
    quotient + u128::from(rounds_up)
}

/// The nearest number to `magnitude * 2^exponent`, half to even; `None` beyond the largest one.
/// `more` says that the true magnitude is a little greater; it then must have more than 64 bits.
fn round(negative: bool, magnitude: &BigUint, exponent: i64, more: bool) -> Option<Extended> {
    let bits = magnitude.bits() as i64;
    if bits == 0 {
        return Some(Extended { negative, mantissa: 0, exponent: 0 });
    }
    let mut target = (exponent + bits - MANTISSA_BITS).max(EXPONENT_MIN);
    let drop = target - exponent;
    let mut mantissa = if drop <= 0 { magnitude << -drop } else { magnitude >> drop };
    if drop > 0 && magnitude.bit(drop as u64 - 1) {
        let is_half = !more && magnitude.trailing_zeros() == Some(drop as u64 - 1);
        if !is_half || mantissa.bit(0) {
            mantissa += 1u32;
        }
    }
    if mantissa.bits() as i64 > MANTISSA_BITS {
        mantissa >>= 1;
        target += 1;
    }
    if target > EXPONENT_MAX {
        return None;
    }
    // At most 64 bits are left.
    let mantissa = mantissa.to_u64_digits().first().copied().unwrap_or(0);
    Some(Extended { negative, mantissa, exponent: target })
}

/// Like `round`, but a number other than zero must not vanish: `strtold` calls that out of range.
fn round_written(negative: bool, magnitude: &BigUint, exponent: i64, more: bool) -> Option<Extended> {
    round(negative, magnitude, exponent, more).filter(|number| number.mantissa != 0)
}

fn parse_decimal(negative: bool, text: &[u8]) -> Option<Extended> {
    let written = Written::split(text, u8::is_ascii_digit, b'e')?;
    let exponent = written.exponent - written.fraction_digits;
    let Some(magnitude) = BigUint::parse_bytes(&written.digits, 10) else {
        return Some(Extended { negative, mantissa: 0, exponent: 0 });
    };
    let top = exponent + written.digits.len() as i64;
    if !(DECIMAL_EXPONENT_MIN..=DECIMAL_EXPONENT_MAX).contains(&top) {
        return None;
    }
    let power = BigUint::from(10u32).pow(exponent.unsigned_abs() as u32);
    if exponent >= 0 {
        return round_written(negative, &(magnitude * power), 0, false);
    }
    // Enough bits that the quotient has more than a mantissa takes.
    let shift = (power.bits() + MANTISSA_BITS as u64 + 2).saturating_sub(magnitude.bits());
    let dividend = magnitude << shift;
    let quotient = &dividend / &power;
    let more = &quotient * &power != dividend;
    round_written(negative, &quotient, -(shift as i64), more)
}

fn parse_hexadecimal(negative: bool, text: &[u8]) -> Option<Extended> {
    let written = Written::split(text, u8::is_ascii_hexdigit, b'p')?;
    let exponent = written.exponent - 4 * written.fraction_digits;
    match BigUint::parse_bytes(&written.digits, 16) {
        Some(magnitude) => round_written(negative, &magnitude, exponent, false),
        None => Some(Extended { negative, mantissa: 0, exponent: 0 }),
    }
}

/// A number's parts as they were written.
struct Written {
    /// Without leading zeros; empty for zero.
    digits: Vec<u8>,
    /// How many of the digits stood behind the point.
    fraction_digits: i64,
    exponent: i64,
}

impl Written {
    /// Splits `digits[.digits][e[sign]digits]`; `None` if it is anything else.
    fn split(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<Written> {
        let mark_at = text.iter().position(|byte| byte.to_ascii_lowercase() == mark);
        let (number, exponent) = match mark_at {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..], WRITTEN_EXPONENT_MAX)?),
            None => (text, 0),
        };
        let point_at = number.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point_at {
            Some(at) => (&number[..at], &number[at + 1..]),
            None => (number, &[][..]),
        };
        let all = || whole.iter().chain(fraction);
        if all().next().is_none() || !all().all(is_digit) {
            return None;
        }
        let digits = all().copied().skip_while(|byte| *byte == b'0').collect();
        Some(Written { digits, fraction_digits: fraction.len() as i64, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let [a, b] = [a, b].map(|text| Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}")));
        a.add(b).map(Extended::to_text)
    }

    #[test]
    fn sums_print_as_redis_prints_them() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-3", "0"),
            ("-1", "0.5", "-0.5"),
            ("1e-18", "0", "0"),
            ("-1e-18", "0", "0"),
            ("1.23456789012345678", "0", "1.23456789012345678"),
            ("1e20", "1", "100000000000000000000"),
            ("0x1.8p3", "0", "12"),
            ("17179869184", "1.5", "17179869185.5"),
            ("-0", "-0.0", "0"),
            ("+.5", "1.", "1.5"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn sum_is_refused_when_it_is_infinite_or_no_number() {
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("-Infinity", "+INF"), None);
        assert_eq!(sum("1.18e4932", "1.18e4932"), None);
        assert!(sum("1.18e4932", "0").is_some_and(|text| text.len() == 4933));
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in [
            "", ".", "-", "+", "e5", ".e5", "1e", "1e+", " 1", "1 ", "1\0", "--1", "+-1", "0x", "0xp1",
            "0x.p1", "0x1p", "nan", "-nan", "nan(1)", "infi", "1e5 ", "1.2.3", "1,5", "0x1g", "1f", "1e5.0",
        ] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_however_long_their_exponent() {
        for text in [
            "1e4933",
            "-1e4933",
            "1.19e4932",
            "1e-4951",
            "1e1000000000",
            "1e-99999999999999999999",
            "0x1p16384",
        ] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Number::parse(b"0e1000000000"), Some(Number::ZERO));
        assert!(Number::parse(b"1e-4950").is_some());
        assert!(Number::parse(b"0x1p16383").is_some());
        assert_eq!(Number::parse(&[b'1'; TEXT_BYTES_MAX + 1]), None);
        let padded = format!("0.{}1e5000", "0".repeat(4999));
        assert_eq!(Number::parse(padded.as_bytes()), Number::parse(b"1"));
    }

    #[test]
    fn sum_rounds_half_to_even_at_64_bits() {
        // 2^64 + 1 lies halfway between 2^64 and 2^64 + 2; 2^64 + 3 between + 2 and + 4.
        assert_eq!(sum("18446744073709551616", "1").as_deref(), Some("18446744073709551616"));
        assert_eq!(sum("18446744073709551616", "3").as_deref(), Some("18446744073709551620"));
        assert_eq!(sum("18446744073709551615", "0").as_deref(), Some("18446744073709551615"));
    }

    proptest! {
        #[test]
        fn integers_add_exactly(a: i32, b: i32) {
            let expected = (i64::from(a) + i64::from(b)).to_string();
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), Some(expected));
        }

        #[test]
        fn doubles_keep_their_value_through_hexadecimal_text(mantissa in 1u64..1 << 53, exponent in -60i64..60) {
            let read = Number::parse(format!("0x{mantissa:x}p{exponent}").as_bytes());
            let Some(Number::Finite(read)) = read else { return Err(TestCaseError::fail("no number")) };
            let value = read.mantissa as f64 * (read.exponent as f64).exp2();
            prop_assert_eq!(value, mantissa as f64 * (exponent as f64).exp2());
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[-+]?[0-9a-fxXpPeE.]{0,40}") {
            let _ = Number::parse(text.as_bytes()).and_then(|number| number.add(Number::ZERO)).map(Extended::to_text);
        }

        #[test]
        fn numbers_below_one_keep_the_17_digits_they_were_written_with(digits in 1u64..100_000_000_000_000_000) {
            let written = format!("0.{digits:017}");
            prop_assert_eq!(sum(&written, "0"), Some(written.trim_end_matches('0').to_owned()));
        }
    }
}
