//! The deadline of one field of a hash: in front of its item, and the earliest of all in the value's header.
//!
//! ```text
//! in front    0xca and 5 bytes since 2020, or 0xcb and 8 bytes since 1970, milliseconds   no element begins so
//! header      5 bytes since 2020; 0 or all ones: that early, that late or never, look at the items
//! ```

use crate::storage::entry::{EPOCH_MS, SHORT_BITS};

/// Bytes of a deadline that is near.
pub const SHORT_BYTES: usize = SHORT_BITS as usize / 8;
/// The latest deadline that is near, milliseconds since 2020: the year 2054.
const SHORT_MAX: u64 = (1 << SHORT_BITS) - 1;
const SHORT_TAG: u8 = 0xca;
const LONG_TAG: u8 = 0xcb;

/// Bytes of the deadline in front of an item.
#[inline]
#[must_use]
pub fn skip(item: &[u8]) -> usize {
    match item.first() {
        Some(&SHORT_TAG) => 1 + SHORT_BYTES,
        Some(&LONG_TAG) => 1 + size_of::<i64>(),
        _ => 0,
    }
}

/// Bytes it takes, tag and all; none where there is none.
#[must_use]
pub fn encoded_bytes(expire_at: Option<i64>) -> usize {
    match expire_at {
        None => 0,
        Some(at) if short_of(at).is_some() => 1 + SHORT_BYTES,
        Some(_) => 1 + size_of::<i64>(),
    }
}

/// A deadline in milliseconds since 2020, if it is near.
fn short_of(expire_at: i64) -> Option<u64> {
    u64::try_from(expire_at.checked_sub(EPOCH_MS)?).ok().filter(|since| *since <= SHORT_MAX)
}

/// Writes a deadline, if there is one, to the front of `into`; returns its bytes.
pub fn encode(expire_at: Option<i64>, into: &mut [u8]) -> usize {
    let Some(at) = expire_at else { return 0 };
    let bytes = encoded_bytes(expire_at);
    match short_of(at) {
        Some(since) => {
            into[0] = SHORT_TAG;
            into[1..bytes].copy_from_slice(&since.to_le_bytes()[..SHORT_BYTES]);
        }
        None => {
            into[0] = LONG_TAG;
            into[1..bytes].copy_from_slice(&at.to_le_bytes());
        }
    }
    bytes
}

/// The deadline of the item at the front of `bytes`.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<i64> {
    match bytes.split_first()? {
        (&SHORT_TAG, rest) => {
            let &[a, b, c, d, e] = rest.first_chunk()?;
            Some(EPOCH_MS + i64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
        }
        (&LONG_TAG, rest) => rest.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)),
        _ => None,
    }
}

/// The earliest deadline of all, as the header keeps it.
#[must_use]
pub fn to_header(earliest: Option<i64>) -> [u8; SHORT_BYTES] {
    let since =
        earliest.map_or(SHORT_MAX, |at| at.saturating_sub(EPOCH_MS).clamp(0, SHORT_MAX as i64) as u64);
    let [a, b, c, d, e, ..] = since.to_le_bytes();
    [a, b, c, d, e]
}

/// The earliest deadline that a header tells; `None` where the items must be asked.
#[must_use]
pub fn of_header([a, b, c, d, e]: [u8; SHORT_BYTES]) -> Option<i64> {
    let since = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
    (since != 0 && since != SHORT_MAX).then(|| EPOCH_MS + since as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR_MAX: i64 = EPOCH_MS + SHORT_MAX as i64;

    #[test]
    fn near_deadlines_take_six_bytes_and_all_others_nine() {
        let edges = [EPOCH_MS, NEAR_MAX, NEAR_MAX + 1, EPOCH_MS - 1, i64::MIN, i64::MAX, 0];
        for (at, bytes) in edges.into_iter().zip([6, 6, 9, 9, 9, 9, 9]) {
            let mut into = [0xee; 12];
            assert_eq!(encode(Some(at), &mut into), bytes, "{at}");
            assert_eq!((skip(&into), encoded_bytes(Some(at)), decode(&into)), (bytes, bytes, Some(at)));
            assert_eq!(decode(&into[..bytes - 1]), None);
        }
        assert_eq!((encode(None, &mut []), skip(&[]), skip(b"x"), decode(b"x")), (0, 0, 0, None));
    }

    #[test]
    fn header_tells_what_is_near_and_nothing_else() {
        for at in [EPOCH_MS + 1, NEAR_MAX - 1, 1_800_000_000_000] {
            assert_eq!(of_header(to_header(Some(at))), Some(at));
        }
        for at in [None, Some(EPOCH_MS), Some(0), Some(i64::MIN), Some(NEAR_MAX), Some(i64::MAX)] {
            assert_eq!(of_header(to_header(at)), None, "{at:?}");
        }
    }
}
