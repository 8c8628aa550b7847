//! What ends a payload of DUMP: the version of the format and a checksum over all before it.

use super::crc::crc64;

/// The version of the format in which values are written: that of Redis 5, since when every server reads it.
pub const VALUES_VERSION: u16 = 9;
/// That in which hashes are whose fields have deadlines: that of Redis 7.4.
pub const DEADLINES_VERSION: u16 = 12;
/// That in which libraries of functions are: Redis 7.2's own.
pub const LIBRARIES_VERSION: u16 = 11;
/// The highest that is read: that of Valkey 9. What a newer server put in which this one does not know is told by its mark.
const VERSION_MAX: u16 = 80;
/// Bytes of the version, and of the checksum behind it; both have their lowest byte first.
const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;

/// Completes a payload. Cost: its checksum.
#[must_use]
pub fn seal(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

/// What a payload holds; `None` where its checksum is wrong or a newer server wrote it.
#[must_use]
pub fn open(payload: &[u8]) -> Option<&[u8]> {
    let (sealed, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (body, version) = sealed.split_last_chunk::<VERSION_BYTES>()?;
    let is_sound =
        u16::from_le_bytes(*version) <= VERSION_MAX && u64::from_le_bytes(*checksum) == crc64(sealed);
    is_sound.then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed_as(version: u16, body: &[u8]) -> Vec<u8> {
        seal(body.to_vec(), version)
    }

    #[test]
    fn payloads_of_this_and_of_older_versions_open() {
        assert_eq!(open(&sealed_as(VALUES_VERSION, b"abc")), Some(&b"abc"[..]));
        assert_eq!(open(&sealed_as(80, b"")), Some(&b""[..]));
        assert_eq!(open(&sealed_as(81, b"abc")), None);
        // As redis-server 7.0.15 dumps no functions.
        assert_eq!(open(b"\n\x00]\x9b\\@\x0f\x7f\xa2\xda"), Some(&b""[..]));
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let payload = sealed_as(9, b"abc");
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed), None, "byte {at}");
            assert_eq!(open(&payload[..at]), None, "{at} bytes");
        }
        // Files may leave the checksum out; payloads may not.
        for version in [9_u16, 11, 80] {
            let payload = [b"abc", &version.to_le_bytes()[..], &[0; CHECKSUM_BYTES]].concat();
            assert_eq!(open(&payload), None);
        }
    }
}
