//! Numbers as lua-cjson's parser reads them: more than JSON allows.

/// Whether text starts like a number that JSON has no place for: `+1`, `01`, `0x1`, infinity or NaN.
pub(super) fn is_invalid_number(text: &[u8]) -> bool {
    if text.first() == Some(&b'+') {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    match text {
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        _ => has_prefix(text, b"inf") || has_prefix(text, b"nan"),
    }
}

/// Whether text starts with a word in letters of either case.
pub(super) fn has_prefix(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Reads the number at the start of text like C's `strtod`, and gives it with its length.
pub(super) fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let signed = usize::from(negative || text.first() == Some(&b'+'));
    let rest = &text[signed..];
    let (number, length) = read_named(rest).or_else(|| read_hex(rest)).or_else(|| read_decimal(rest))?;
    Some((if negative { -number } else { number }, signed + length))
}

/// Reads infinity or NaN.
pub(super) fn read_named(text: &[u8]) -> Option<(f64, usize)> {
    if has_prefix(text, b"infinity") {
        return Some((f64::INFINITY, 8));
    }
    if has_prefix(text, b"inf") {
        return Some((f64::INFINITY, 3));
    }
    has_prefix(text, b"nan").then(|| (f64::NAN, 3 + nan_suffix(&text[3..])))
}

/// The length of the `(...)` that C lets follow a NaN; zero where it is absent or broken.
pub(super) fn nan_suffix(text: &[u8]) -> usize {
    let Some(inner) = text.strip_prefix(b"(") else {
        return 0;
    };
    let length = inner.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
    if inner.get(length) == Some(&b')') { length + 2 } else { 0 }
}

pub(super) fn read_decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = count_digits(text);
    let mut length = whole;
    let mut digits = whole;
    if text.get(length) == Some(&b'.') {
        let fraction = count_digits(&text[length + 1..]);
        digits += fraction;
        length += 1 + fraction;
    }
    if digits == 0 {
        return None;
    }
    length += exponent(&text[length..], b'e').1;
    let number = std::str::from_utf8(&text[..length]).ok()?.parse().ok()?;
    Some((number, length))
}

pub(super) fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Reads an exponent with its letter; gives its value and its length, zero where it is not complete.
pub(super) fn exponent(text: &[u8], letter: u8) -> (i64, usize) {
    if text.first().map(u8::to_ascii_lowercase) != Some(letter) {
        return (0, 0);
    }
    let signed = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    let digits = &text[1 + signed..];
    let count = count_digits(digits);
    if count == 0 {
        return (0, 0);
    }
    // Far beyond any length of text, so that digits before it cannot bring the number back into range.
    let cap = i64::MAX / 4;
    let size = digits[..count].iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(cap)
    });
    (if text[1] == b'-' { -size } else { size }, 1 + signed + count)
}

/// Reads a hexadecimal number, with a fraction and a binary exponent as in C.
pub(super) fn read_hex(text: &[u8]) -> Option<(f64, usize)> {
    if !has_prefix(text, b"0x") {
        return None;
    }
    let mut bits = HexBits::default();
    let mut length = 2;
    let mut seen = 0;
    let mut after_point = false;
    while let Some(&byte) = text.get(length) {
        if byte == b'.' && !after_point {
            after_point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            bits.push(digit, after_point);
            seen += 1;
        } else {
            break;
        }
        length += 1;
    }
    if seen == 0 {
        return None;
    }
    let (power, power_length) = exponent(&text[length..], b'p');
    Some((bits.value(power), length + power_length))
}

/// The leading bits of a hexadecimal number, scaled by a power of two.
#[derive(Default)]
pub(super) struct HexBits {
    pub(super) bits: u64,
    pub(super) power: i64,
    /// Whether a digit other than zero was left out.
    pub(super) more: bool,
}

impl HexBits {
    pub(super) fn push(&mut self, digit: u32, after_point: bool) {
        if self.bits >> 60 == 0 {
            self.bits = self.bits << 4 | u64::from(digit);
            self.power -= if after_point { 4 } else { 0 };
        } else {
            self.more |= digit != 0;
            self.power += if after_point { 0 } else { 4 };
        }
    }

    /// The nearest double, ties to the even one.
    pub(super) fn value(&self, power: i64) -> f64 {
        if self.bits == 0 {
            return 0.0;
        }
        let shift = self.bits.leading_zeros();
        let bits = self.bits << shift;
        let top = self.power + power - i64::from(shift) + 63;
        if top > 1023 {
            return f64::INFINITY;
        }
        if top < -1075 {
            return 0.0;
        }
        // Numbers below the normal range have fewer bits to keep.
        let drop = 11 + (-1022 - top).max(0);
        let fraction = self.rounded(bits, drop);
        // The leading bit adds one to the exponent field, and so does a carry out of the fraction.
        let field = u64::try_from(top + 1022).unwrap_or(0);
        f64::from_bits((field << 52) + fraction)
    }

    /// The bits without the lowest `drop` ones, rounded.
    pub(super) fn rounded(&self, bits: u64, drop: i64) -> u64 {
        let unit = 1_u128 << drop;
        let kept = u64::try_from(u128::from(bits) / unit).unwrap_or(0);
        let rest = u128::from(bits) % unit;
        let above = rest > unit / 2 || (rest == unit / 2 && (self.more || kept % 2 == 1));
        kept + u64::from(above)
    }
}
