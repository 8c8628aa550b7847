//! LZF, as Redis compresses long strings with: a run of bytes as they are, or a copy of what came before.
//!
//! Format: <https://github.com/nemequ/liblzf>, `lzf_d.c`: a byte below 32 announces that many bytes and one; any other one
//! has the length of a copy in its upper 3 bits (7: one more byte to add), and the upper 5 bits of how far it reaches back.

/// The bytes behind `packed`, which must be `len` of them. Cost: no more room than what was unpacked so far takes.
pub fn unpack(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), packed);
    while let Some(control) = rest.split_off_first() {
        if *control < 32 {
            out.extend_from_slice(rest.split_off(..usize::from(*control) + 1)?);
        } else {
            let mut copied = usize::from(control >> 5) + 2;
            if copied == 9 {
                copied += usize::from(*rest.split_off_first()?);
            }
            let back = (usize::from(control & 31) << 8) + usize::from(*rest.split_off_first()?) + 1;
            let from = out.len().checked_sub(back)?;
            // What is copied may reach into what it becomes.
            (from..from + copied).for_each(|at| out.push(out[at]));
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_and_copies_become_what_they_stand_for() {
        assert_eq!(unpack(b"\x02abc", 3).as_deref(), Some(&b"abc"[..]));
        // Three bytes back, six copied: they overlap.
        assert_eq!(unpack(b"\x02abc\x80\x02", 9).as_deref(), Some(&b"abcabcabc"[..]));
        // A long copy of one byte.
        assert_eq!(unpack(b"\x00a\xe0\xff\x00", 265).as_deref(), Some(&[b'a'; 265][..]));
        assert_eq!(unpack(b"", 0).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn what_is_cut_off_or_reaches_beyond_is_refused() {
        for (packed, len) in [
            (&b"\x02ab"[..], 3),
            (b"\x02abc", 2),
            (b"\x02abc", 4),
            (b"\x20", 3),
            (b"\xe0\x01", 12),
            (b"\x20\x00", 3),
            (b"\x00a\x20\x01", 4),
        ] {
            assert_eq!(unpack(packed, len), None, "{packed:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_what_was_announced_or_nothing(packed: Vec<u8>, len in 0..4096_usize) {
            prop_assert!(unpack(&packed, len).is_none_or(|out| out.len() == len));
        }
    }
}
