//! Scores of sorted sets: doubles, as clients write them and as they read them back.
//!
//! Reads what C's `strtod` reads in full, but no NaN and nothing out of range. Prints as Redis from 7.2 on: integers
//! within ±2^62 as such, else the fewest digits that read back as the same number, placed by the rule of `fpconv`.

use std::ops::Deref;

use super::int::parse_exponent;

/// The longest text: 17 digits, a sign, a point, six zeros in front; an integer has 20 at most.
const TEXT_BYTES_MAX: usize = 32;
/// Integers beyond that are printed as other numbers are.
const INTEGER_MAX: f64 = (1i64 << 62) as f64;
/// Bits of a double's mantissa, and the exponents of its top bit.
const MANTISSA_BITS: i64 = 53;
const EXPONENT_MAX: i64 = 1023;
const EXPONENT_MIN: i64 = -1022;
/// Written exponents are read up to this size; far below it all mean the same.
const EXPONENT_READ_MAX: i64 = 1_000_000_000_000;

/// The text of a score.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Text {
    fn empty() -> Text {
        Text { bytes: [0; TEXT_BYTES_MAX], len: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.push(b"0"));
    }
}

/// A score from its text; `None` where that is none, not a number, or out of range: too large, or so small that zero
/// would be left of it.
///
/// ```
/// use onefill::base::score::parse;
/// assert_eq!([b"1e3", b"+.5", b"0x8"].map(|text| parse(text)), [Some(1000.0), Some(0.5), Some(8.0)]);
/// assert_eq!([b"nan", b"1e ", b" 10"].map(|text| parse(text)), [None; 3]);
/// ```
#[must_use]
pub fn parse(text: &[u8]) -> Option<f64> {
    let (sign, magnitude) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        rest => (1.0, rest),
    };
    match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits).map(|number| sign * number),
        [b'0'..=b'9' | b'.', ..] => parse_decimal(magnitude).map(|number| sign * number),
        name if name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") => {
            Some(sign * f64::INFINITY)
        }
        _ => None,
    }
}

fn parse_decimal(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_zero = || {
        !text
            .iter()
            .take_while(|byte| !byte.eq_ignore_ascii_case(&b'e'))
            .any(|byte| (b'1'..=b'9').contains(byte))
    };
    (number.is_finite() && (number != 0.0 || is_zero())).then_some(number)
}

/// `digits[.digits][p[sign]digits]`, rounded once, half to even.
fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    let (mut mantissa, mut exponent, mut digits, mut at) = (0u64, 0i64, 0usize, 0usize);
    let mut is_fraction = false;
    while let Some(&byte) = text.get(at) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                digits += 1;
                // What no longer fits leaves a trace in the last bit, which is far below what is kept.
                if mantissa >> 60 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if is_fraction { 4 } else { 0 };
                } else {
                    mantissa |= u64::from(digit != 0);
                    exponent += if is_fraction { 0 } else { 4 };
                }
            }
            None if byte == b'.' && !is_fraction => is_fraction = true,
            None => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    exponent += match &text[at..] {
        [] => 0,
        [b'p' | b'P', written @ ..] => parse_exponent(written, EXPONENT_READ_MAX)?,
        _ => return None,
    };
    scaled(mantissa, exponent)
}

/// The double nearest to `mantissa * 2^exponent`; `None` where that is out of range.
fn scaled(mantissa: u64, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(u64::BITS - mantissa.leading_zeros());
    let top = exponent + bits - 1;
    let kept = MANTISSA_BITS - (EXPONENT_MIN - top).max(0);
    let drop = bits - kept;
    if kept < 0 || top > EXPONENT_MAX {
        return None;
    }
    let (rounded, exponent) = if drop <= 0 {
        (mantissa, exponent)
    } else {
        let wide = u128::from(mantissa);
        let (whole, rest, half) = (wide >> drop, wide & ((1 << drop) - 1), 1u128 << (drop - 1));
        let is_up = rest > half || (rest == half && whole & 1 == 1);
        (whole as u64 + u64::from(is_up), exponent + drop)
    };
    // Two steps, either of them exact: one factor alone might be out of range.
    let half = exponent / 2;
    let number = rounded as f64 * power_of_two(half)? * power_of_two(exponent - half)?;
    (number.is_finite() && number != 0.0).then_some(number)
}

fn power_of_two(exponent: i64) -> Option<f64> {
    let biased = (EXPONENT_MIN..=EXPONENT_MAX).contains(&exponent).then_some(exponent + EXPONENT_MAX)?;
    Some(f64::from_bits((biased as u64) << (MANTISSA_BITS - 1)))
}

/// The text of a score. Negative zero has no sign; NaN, which no score is, reads `nan`.
///
/// ```
/// use onefill::base::score::text;
/// assert_eq!([3.0, 0.1, 1e22, 1.1e-7].map(|score| text(score).to_vec()), [&b"3"[..], b"0.1", b"1e+22", b"1.1e-7"]);
/// ```
#[must_use]
pub fn text(score: f64) -> Text {
    let mut text = Text::empty();
    if score.is_nan() {
        text.push(b"nan");
    } else if score.is_infinite() {
        text.push(if score > 0.0 { b"inf" } else { b"-inf" });
    } else if score.trunc() == score && score.abs() <= INTEGER_MAX {
        text.push(itoa::Buffer::new().format(score as i64).as_bytes());
    } else {
        if score < 0.0 {
            text.push(b"-");
        }
        let (digits, len, exponent) = shortest(score.abs());
        place(&mut text, &digits[..len], exponent);
    }
    text
}

/// The fewest digits of a positive number, how many they are, and the power of ten that the last one stands for.
fn shortest(number: f64) -> ([u8; 20], usize, i32) {
    let mut buffer = zmij::Buffer::new();
    let written = buffer.format_finite(number);
    let (mantissa, exponent) = written.split_once('e').unwrap_or((written, "0"));
    let mut exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent -= fraction.len() as i32;
    let (mut digits, mut len) = ([0; 20], 0);
    for digit in whole.bytes().chain(fraction.bytes()) {
        // No zeros in front; and there are 17 digits at most behind them, zeros at the end among them.
        if (len > 0 || digit != b'0') && len < digits.len() {
            digits[len] = digit;
            len += 1;
        }
    }
    while len > 1 && digits[len - 1] == b'0' {
        (len, exponent) = (len - 1, exponent + 1);
    }
    (digits, len, exponent)
}

/// Writes digits by the rule of `fpconv`: plainly where few zeros are to be added, else with an exponent.
fn place(text: &mut Text, digits: &[u8], exponent: i32) {
    let len = digits.len() as i32;
    let scientific = exponent + len - 1;
    if exponent >= 0 && scientific.abs() < len + 7 {
        text.push(digits);
        text.zeros(exponent as usize);
    } else if exponent < 0 && (exponent > -7 || scientific.abs() < 4) {
        let point = len + exponent;
        if point > 0 {
            text.push(&digits[..point as usize]);
            text.push(b".");
            text.push(&digits[point as usize..]);
        } else {
            text.push(b"0.");
            text.zeros(-point as usize);
            text.push(digits);
        }
    } else {
        text.push(&digits[..1]);
        if len > 1 {
            text.push(b".");
            text.push(&digits[1..]);
        }
        text.push(if scientific < 0 { b"e-" } else { b"e+" });
        text.push(itoa::Buffer::new().format(scientific.abs()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(score: f64) -> String {
        String::from_utf8_lossy(&text(score)).into_owned()
    }

    #[test]
    fn scores_are_read_as_strtod_reads_them() {
        for (text, score) in [
            ("1", 1.0),
            ("+5", 5.0),
            ("00012", 12.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1.e5", 1e5),
            ("0x10", 16.0),
            ("0x1.8", 1.5),
            ("0x.8", 0.5),
            ("0X1P+3", 8.0),
            ("-0x1p-2", -0.25),
            ("0x1.fffffffffffff7p0", 1.999_999_999_999_999_8),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000001p0", 1.000_000_000_000_000_2),
            ("0x1.00000000000018p0", 1.000_000_000_000_000_4),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1p1023", 8.98846567431158e307),
            ("0x123456789abcdef01234p-16", 1.311_768_467_463_790_3e18),
            ("inf", f64::INFINITY),
            ("+inf", f64::INFINITY),
            ("-InFinIty", f64::NEG_INFINITY),
            ("1.7976931348623157e308", f64::MAX),
            ("5e-324", 5e-324),
            ("0e99999", 0.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(score), "{text}");
        }
        assert_eq!(parse(b"-0").map(f64::is_sign_negative), Some(true));
    }

    #[test]
    fn what_is_no_score_is_refused() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "+.",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "1e5x",
            " 1",
            "1 ",
            "1\0",
            "1_0",
            "1p5",
            "1d5",
            "1f",
            "nan",
            "-nan",
            "nan(1)",
            "infinit",
            "infinityx",
            "--1",
            "+-1",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0x1.2.3",
            "0xg",
            "1.2.3",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p-1075",
            "0x1p99999",
            "0x1p-99999",
            "1e9999999999",
            "\u{661}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(&[0xff]), None);
    }

    #[test]
    fn scores_are_printed_as_redis_prints_them() {
        for (score, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (1e17, "100000000000000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (4_611_686_018_427_388_928.0, "4611686018427389000"),
            (1e19, "1e+19"),
            (1e21, "1e+21"),
            (1e22, "1e+22"),
            (-1.5e300, "-1.5e+300"),
            (123_456_789.0e15, "1.23456789e+23"),
            (0.1, "0.1"),
            (-0.25, "-0.25"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (1.1e-7, "1.1e-7"),
            (0.001_234_567_8, "0.0012345678"),
            (0.000_123_456_78, "1.2345678e-4"),
            (1_700_000_000.123_456, "1700000000.123456"),
            (12_345.678_901_234_567, "1.2345678901234567e+4"),
            (1_234.567_890_123_456_7, "1234.5678901234567"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(shown(score), text);
        }
    }

    proptest! {
        #[test]
        fn scores_read_back(score in any::<f64>()) {
            let expected = (!score.is_nan()).then_some(score);
            prop_assert_eq!(parse(&text(score)), expected);
        }

        #[test]
        fn common_scores_read_back(number in -1_000_000_000i64..1_000_000_000, scale in 0i32..12) {
            let score = number as f64 / 10f64.powi(scale);
            prop_assert_eq!(parse(&text(score)), Some(score));
        }

        #[test]
        fn hexadecimal_texts_of_doubles_read_back(bits in 0u64..0x7ff0_0000_0000_0000) {
            let (exponent, fraction) = ((bits >> 52) as i64, bits & ((1 << 52) - 1));
            let (whole, power) = if exponent == 0 { (0, -1022) } else { (1, exponent - 1023) };
            let text = format!("0x{whole}.{fraction:013x}p{power}");
            prop_assert_eq!(parse(text.as_bytes()), Some(f64::from_bits(bits)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.0-9a-fxpinXPE]{0,12}") {
            if let Some(score) = parse(text.as_bytes()) {
                prop_assert!(!score.is_nan());
            }
        }
    }
}
