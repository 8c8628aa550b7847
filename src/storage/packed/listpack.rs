//! What elements would take in a listpack, Redis's own packed form. A list goes by a name that depends on it; nothing is
//! ever laid out that way here.
//!
//! ```text
//! header 6 | element: encoding 1, 2 or 5 | data | length of both 1 to 5 | ... | end 1
//! ```

use super::element::Element;

/// Bytes beside the elements.
pub const FRAME_BYTES: usize = 7;

/// The least that an element takes.
pub const ELEMENT_BYTES_MIN: usize = 2;
/// What an element takes there more than `twoway` needs for it, at most; it may also be a byte less.
pub const MORE_BYTES_MAX: usize = 5;

/// Bytes of an element (Redis: `lpEncodeGetType`, `lpEncodeBacklen`).
#[must_use]
pub fn element_bytes(element: Element<'_>) -> usize {
    let entry = match element {
        Element::Int(number) => int_bytes(number),
        Element::Bytes(text) => text_bytes(text.len()),
    };
    entry + length_bytes(entry)
}

fn int_bytes(number: i64) -> usize {
    match number {
        0..=127 => 1,
        -4_096..=4_095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    }
}

fn text_bytes(len: usize) -> usize {
    len + match len {
        ..64 => 1,
        64..4_096 => 2,
        _ => 5,
    }
}

fn length_bytes(entry: usize) -> usize {
    match entry {
        ..=127 => 1,
        128..=0x3ffe => 2,
        0x3fff..=0x1f_fffe => 3,
        0x1f_ffff..=0xfff_fffe => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::packed::twoway;

    #[test]
    fn elements_take_what_redis_gives_them() {
        // As DEBUG LISTPACK and MEMORY USAGE of redis-server show them.
        let ints =
            [(0, 2), (127, 2), (128, 3), (-1, 3), (-4_097, 4), (32_768, 5), (1 << 23, 6), (1 << 31, 10)];
        for (number, bytes) in ints {
            assert_eq!(element_bytes(Element::Int(number)), bytes, "{number}");
        }
        for (len, bytes) in
            [(0, 2), (63, 65), (64, 67), (125, 128), (126, 130), (4_095, 4_099), (4_096, 4_103)]
        {
            assert_eq!(element_bytes(Element::Bytes(&vec![b'x'; len])), bytes, "{len}");
        }
    }

    #[test]
    fn difference_to_our_own_form_is_bounded() {
        let ints =
            (0..63).flat_map(|shift| [1i64 << shift, (1 << shift) - 1, -(1 << shift)]).map(Element::Int);
        let text = vec![b'x'; 16_383];
        let texts = (0..text.len()).map(|len| Element::Bytes(&text[..len]));
        for element in ints.chain(texts) {
            let (ours, theirs) = (twoway::encoded_bytes(element), element_bytes(element));
            assert!(ours <= theirs + 1 && theirs <= ours + MORE_BYTES_MAX, "{ours} and {theirs} bytes");
            assert!(theirs >= ELEMENT_BYTES_MIN);
        }
    }
}
