//! Numbers as C's printf writes them, with `%.{digits}g`.
//!
//! The rounding is the standard library's, which is exact; the lay-out is that of C17, 7.23.6.1.

use std::io::Write as _;

/// Writes a number as C's `%.{digits}g`, with plain `nan` for every NaN.
pub fn write_number(text: &mut Vec<u8>, number: f64, digits: usize) {
    if !number.is_finite() {
        let word: &[u8] = match number {
            f64::INFINITY => b"inf",
            f64::NEG_INFINITY => b"-inf",
            _ => b"nan",
        };
        text.extend_from_slice(word);
    } else if number == 0.0 {
        text.extend_from_slice(if number.is_sign_negative() { b"-0" } else { b"0" });
    } else if let Some(whole) = short_whole(number, digits) {
        // Writing to a vector cannot fail.
        let _ = write!(text, "{whole}");
    } else {
        write_finite(text, number, digits);
    }
}

/// The number as an integer if it is one of at most that many digits, which most numbers are.
#[expect(clippy::cast_possible_truncation, reason = "the number is whole and has at most 14 digits")]
fn short_whole(number: f64, digits: usize) -> Option<i64> {
    let power = 10_i64.checked_pow(u32::try_from(digits).ok()?)?;
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "only an exact match counts")]
    let same = whole as f64 == number;
    (same && whole.unsigned_abs() < power.unsigned_abs()).then_some(whole)
}

/// Writes a number other than zero: rounds it to its decimal digits, then lays them out.
fn write_finite(text: &mut Vec<u8>, number: f64, digits: usize) {
    let rounded = format!("{:.*e}", digits - 1, number.abs());
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut kept: Vec<u8> = mantissa.bytes().filter(|&byte| byte != b'.').collect();
    while kept.len() > 1 && kept.last() == Some(&b'0') {
        kept.pop();
    }
    if number < 0.0 {
        text.push(b'-');
    }
    match usize::try_from(exponent) {
        Ok(whole) if whole < digits => write_above_one(text, &kept, whole + 1),
        Err(_) if exponent >= -4 => {
            text.extend_from_slice(b"0.");
            text.resize(text.len() + exponent.unsigned_abs() as usize - 1, b'0');
            text.extend_from_slice(&kept);
        }
        _ => write_scientific(text, &kept, exponent),
    }
}

/// Writes digits of which the first `whole` stand before the point.
fn write_above_one(text: &mut Vec<u8>, digits: &[u8], whole: usize) {
    if digits.len() > whole {
        text.extend_from_slice(&digits[..whole]);
        text.push(b'.');
        text.extend_from_slice(&digits[whole..]);
    } else {
        text.extend_from_slice(digits);
        text.resize(text.len() + whole - digits.len(), b'0');
    }
}

fn write_scientific(text: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    text.push(digits[0]);
    if digits.len() > 1 {
        text.push(b'.');
        text.extend_from_slice(&digits[1..]);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a vector cannot fail.
    let _ = write!(text, "e{sign}{:02}", exponent.unsigned_abs());
}
