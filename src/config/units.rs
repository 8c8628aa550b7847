//! Memory sizes as texts: `100`, `64mb`, `1g`.
//!
//! Invariant: what `file_text` writes, `parse_bytes` reads as the same number.

/// Reads a memory size: digits and one of the units b, k (1000), kb (1024), m, mb, g, gb, in any case.
/// `None` for anything else, an empty number and what does not fit 64 bits.
pub(super) fn parse_bytes(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1024,
        b"m" => 1000 * 1000,
        b"mb" => 1024 * 1024,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    str::from_utf8(number).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

/// A memory size as a configuration file has it: the largest unit that divides it.
pub(super) fn file_text(bytes: u64) -> String {
    for (factor, unit) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_sizes_follow_the_units_of_redis() {
        let cases: [(&[u8], u64); 8] = [
            (b"0", 0),
            (b"17b", 17),
            (b"1k", 1000),
            (b"1kB", 1024),
            (b"2M", 2_000_000),
            (b"2mb", 2 << 20),
            (b"3g", 3_000_000_000),
            (b"18446744073709551615", u64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Some(bytes), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn memory_sizes_that_are_none_are_refused() {
        for text in
            ["", "mb", "-1", "+1", "1.5gb", "1 mb", " 1", "1tb", "18446744073709551616", "99999999999gb"]
        {
            assert_eq!(parse_bytes(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn memory_size_written_to_a_file_reads_back(bytes in prop_oneof![any::<u64>(), (0u64..4096).prop_map(|n| n << 20)]) {
            prop_assert_eq!(parse_bytes(file_text(bytes).as_bytes()), Some(bytes));
        }
    }
}
