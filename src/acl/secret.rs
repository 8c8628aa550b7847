//! Passwords: kept as SHA-256 without a salt, as the format of ACL files demands, and compared by that.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Hexadecimal digits of a password made by default.
const BITS_DEFAULT: usize = 256;
/// The most bits of a password that is made.
const BITS_MAX: usize = 4096;

/// What is kept of a password. `Display` is the 64 digits of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of a password. Cost: about a microsecond, and more for a long one.
    #[must_use]
    pub fn of(password: &[u8]) -> Digest {
        Digest(Sha256::digest(password).into())
    }

    /// From 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Digest> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Digest(bytes))
    }

    /// Whether `given` is one of these. All are compared, each in a time that does not depend on what differs.
    #[must_use]
    pub fn is_among(given: Digest, passwords: &[Digest]) -> bool {
        let found = passwords.iter().fold(Choice::from(0), |found, one| found | one.0.ct_eq(&given.0));
        found.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Passwords stay out of logs and panics, and so does this.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A password of so many bits (256 if none are said) as hexadecimal digits, the number rounded up to whole ones; `random`
/// fills the bytes that it is made of. `None` for a number outside of 1 to 4096.
#[must_use]
pub fn password_of(bits: Option<i64>, random: impl FnOnce(&mut [u8])) -> Option<String> {
    let bits = bits.map_or(Some(BITS_DEFAULT), |bits| usize::try_from(bits).ok());
    let bits = bits.filter(|bits| (1..=BITS_MAX).contains(bits))?;
    let digits = bits.div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    random(&mut bytes);
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";

    #[test]
    fn digests_are_those_of_the_file() {
        assert_eq!(Digest::of(b"pw").to_string(), HASH);
        assert_eq!(Digest::parse(HASH.as_bytes()), Some(Digest::of(b"pw")));
        assert_eq!(format!("{:?}", Digest::of(b"pw")), "(hidden)");
        for bad in [&HASH[1..], &HASH.to_uppercase(), &HASH.replace('3', "g"), "", &format!("{HASH}0")] {
            assert_eq!(Digest::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn any_of_several_passwords_will_do() {
        let passwords = [b"a", b"b", b"c"].map(|password| Digest::of(password));
        assert!([b"a", b"b", b"c"].iter().all(|given| Digest::is_among(Digest::of(*given), &passwords)));
        assert!(!Digest::is_among(Digest::of(b"d"), &passwords) && !Digest::is_among(Digest::of(b""), &[]));
    }

    #[test]
    fn passwords_have_the_digits_that_were_asked_for() {
        let made = |bits| password_of(bits, |bytes| bytes.fill(0xa5));
        assert_eq!(made(None).map(|text| text.len()), Some(64));
        assert_eq!(made(Some(5)), Some("a5".to_owned()));
        assert_eq!(made(Some(4)), Some("a".to_owned()));
        assert_eq!(made(Some(4096)).map(|text| text.len()), Some(1024));
        for bad in [0, -1, 4097, i64::MIN] {
            assert_eq!(made(Some(bad)), None);
        }
    }
}
