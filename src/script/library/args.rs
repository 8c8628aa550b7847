//! Argument checks shared by the script libraries `bit`, `struct` and `cmsgpack`.
//!
//! Source of the rules: the reference manual of Lua 5.1 (`luaL_checknumber`, `luaL_checkinteger`,
//! `luaL_checklstring`, `luaL_argerror`, `luaL_checkstack`) and what a Redis 7.0 server answers. Luau
//! converts numbers and strings in its own way, so nothing here leans on its coercions.

use mlua::{Error, Lua, MultiValue, Result, Value};

use super::number::write_number;
use crate::base::int::parse_exponent;
use crate::base::limits::SCRIPT_TEXT_BYTES_MAX;

/// How many stack slots Lua 5.1 lets one library function use.
pub const MAX_STACK_SLOTS: usize = 8000;

/// Written exponents are read up to this size; far below it all mean the same.
const EXPONENT_READ_MAX: i64 = 1_000_000_000;

/// The longest text that a library makes, bytes: a longer one would find no room in the machine, and is built outside of it.
pub const MAX_TEXT_LEN: usize = SCRIPT_TEXT_BYTES_MAX;

/// Makes the error that `luaL_error` raises, without the script position.
pub fn error(text: impl Into<String>) -> Error {
    Error::RuntimeError(text.into())
}

/// Fails as `luaL_checkstack` does when `used` slots are taken and `wanted` more are asked for.
pub fn check_stack(used: usize, wanted: usize, what: &str) -> Result<()> {
    if used + wanted > MAX_STACK_SLOTS {
        return Err(error(format!("stack overflow ({what})")));
    }
    Ok(())
}

/// The arguments of one call, with the name of the function for error texts.
pub struct Args {
    function: &'static str,
    values: MultiValue,
}

impl Args {
    /// Takes over the arguments that a call of `function` got.
    pub fn new(function: &'static str, values: MultiValue) -> Self {
        Args { function, values }
    }

    /// Number of arguments given, nils included.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Adds a nil behind the last argument.
    pub fn push_nil(&mut self) {
        self.values.push_back(Value::Nil);
    }

    /// Argument `index`, counted from 1; `None` when the call has fewer.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index.wrapping_sub(1))
    }

    /// Makes the error that `luaL_argerror` raises.
    pub fn error(&self, index: usize, text: &str) -> Error {
        error(format!("bad argument #{index} to '{}' ({text})", self.function))
    }

    /// Argument `index` as a number; numeric strings count, as in Lua 5.1.
    pub fn number(&self, index: usize) -> Result<f64> {
        match self.get(index).and_then(to_number) {
            Some(number) => Ok(number),
            None => Err(self.wrong_type(index, "number")),
        }
    }

    /// Argument `index` as a whole number, cut towards zero.
    pub fn integer(&self, index: usize) -> Result<i64> {
        self.number(index).map(to_int64)
    }

    /// Like [`Args::integer`], with a default for a missing or nil argument.
    pub fn integer_or(&self, index: usize, default: i64) -> Result<i64> {
        match self.get(index) {
            None | Some(Value::Nil) => Ok(default),
            Some(_) => self.integer(index),
        }
    }

    /// Argument `index` as a string; numbers are written out, as in Lua 5.1.
    pub fn string(&self, lua: &Lua, index: usize) -> Result<mlua::LuaString> {
        match self.get(index) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Integer(number)) => lua.create_string(number_text(*number as f64)),
            Some(Value::Number(number)) => lua.create_string(number_text(*number)),
            _ => Err(self.wrong_type(index, "string")),
        }
    }

    fn wrong_type(&self, index: usize, expected: &str) -> Error {
        let got = type_name(self.get(index));
        self.error(index, &format!("{expected} expected, got {got}"))
    }
}

/// The name of a type as `luaL_typename` gives it.
fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "no value",
        // Errors that a script has caught are userdata to it.
        Some(Value::LightUserData(_) | Value::Error(_)) => "userdata",
        Some(other) => other.type_name(),
    }
}

/// The number that Lua 5.1 sees in a value: numbers and numeric strings have one.
pub fn to_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => parse_number(&text.as_bytes()),
        _ => None,
    }
}

/// Cuts a number to 64 bits with sign. Whatever does not fit becomes the smallest integer, which is what the
/// x86-64 conversion gives; the originals leave it to the processor.
pub fn to_int64(number: f64) -> i64 {
    // 2^63 itself does not fit, -2^63 does.
    let limit = 9_223_372_036_854_775_808.0;
    if number >= -limit && number < limit { number as i64 } else { i64::MIN }
}

/// Cuts a number to 64 bits without sign, again as x86-64 does: negatives wrap, from 2^64 on it is 0.
pub fn to_uint64(number: f64) -> u64 {
    let half = 9_223_372_036_854_775_808.0;
    if number >= half { to_int64(number - half) as u64 ^ (1 << 63) } else { to_int64(number) as u64 }
}

/// Writes a number as C's `%.14g`, the number format of Lua 5.1.
fn number_text(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    let mut text = Vec::new();
    write_number(&mut text, number, 14);
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads a number as C's `strtod` does; only white space may surround it.
fn parse_number(text: &[u8]) -> Option<f64> {
    // The original works on C strings, so a zero byte ends the text.
    let text = text.split(|&byte| byte == 0).next().unwrap_or(text);
    let text = trim_spaces(text);
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let number = parse_unsigned(digits)?;
    Some(if negative { -number } else { number })
}

fn trim_spaces(mut text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| is_space(first)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| is_space(last)) {
        text = rest;
    }
    text
}

fn parse_unsigned(text: &[u8]) -> Option<f64> {
    if let [b'0', b'x' | b'X', digits @ ..] = text {
        return parse_hex(digits);
    }
    if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
        return Some(f64::INFINITY);
    }
    if is_nan_text(text) {
        return Some(f64::NAN);
    }
    // The standard parser takes just the decimal forms of `strtod`, once words and signs are ruled out.
    let starts_well = text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    let text = std::str::from_utf8(text).ok().filter(|_| starts_well)?;
    text.parse().ok()
}

/// `nan`, or `nan(word)`.
fn is_nan_text(text: &[u8]) -> bool {
    let Some((head, tail)) = text.split_at_checked(3) else {
        return false;
    };
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    head.eq_ignore_ascii_case(b"nan")
        && match tail {
            [] => true,
            [b'(', inner @ .., b')'] => inner.iter().all(word),
            _ => false,
        }
}

/// Hexadecimal digits with an optional point and binary exponent, without the `0x`.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let split = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
    let (digits, tail) = text.split_at(split);
    let mut mantissa: u64 = 0;
    let mut exponent: i32 = 0;
    let mut seen_digit = false;
    let mut after_point = false;
    for &byte in digits {
        if byte == b'.' && !after_point {
            after_point = true;
            continue;
        }
        let digit = (byte as char).to_digit(16)?;
        seen_digit = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent = exponent.saturating_sub(if after_point { 4 } else { 0 });
        } else {
            // No room left: keep only whether something was cut off, for the rounding.
            mantissa |= u64::from(digit != 0);
            exponent = exponent.saturating_add(if after_point { 0 } else { 4 });
        }
    }
    let extra = if tail.is_empty() { 0 } else { parse_exponent(&tail[1..], EXPONENT_READ_MAX)? as i32 };
    seen_digit.then(|| scale(mantissa as f64, exponent.saturating_add(extra)))
}

/// Multiplies by a power of two in steps that stay in range, so that no step overflows early.
fn scale(mut number: f64, exponent: i32) -> f64 {
    let mut left = exponent.clamp(-4000, 4000);
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        number *= f64::powi(2.0, step);
        left -= step;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_c() {
        let cases = [
            (0.1, "0.1"),
            (100.0, "100"),
            (1e14, "1e+14"),
            (99999999999999.0, "99999999999999"),
            (1e-5, "1e-05"),
            (-0.0, "-0"),
            (1.0 / 3.0, "0.33333333333333"),
            (99999999999999.9, "1e+14"),
            (1e300, "1e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, text) in cases {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn numbers_parse_as_in_c() {
        let good: [(&[u8], f64); 10] = [
            (b" 12 ", 12.0),
            (b"0x10", 16.0),
            (b"-0x1.8p1", -3.0),
            (b".5", 0.5),
            (b"5.", 5.0),
            (b"1e3", 1000.0),
            (b"-Infinity", f64::NEG_INFINITY),
            (b"1\0x", 1.0),
            (b"0x1p99999999999", f64::INFINITY),
            (b"0x10000000000000001", 18446744073709551616.0),
        ];
        for (text, number) in good {
            assert_eq!(parse_number(text), Some(number), "{text:?}");
        }
        for text in ["", " ", "-", ".", "0x", "0xg", "1 2", "--1", "e3", "1e", "0x1p", "1_0", "infin"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text:?}");
        }
        assert!(parse_number(b"nan(1)").is_some_and(f64::is_nan));
    }
}
