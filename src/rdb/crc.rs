//! The checksum of Redis's format: CRC-64 with Jones's polynomial, reflected.

use crc::{CRC_64_REDIS, Crc, Table};

/// 16 tables: sixteen bytes a step, in 32 KiB.
static CRC_64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The CRC-64 of some bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    CRC_64.checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a bit at a time.
    fn bit_by_bit(bytes: &[u8]) -> u64 {
        let reflected = 0xad93_d235_94c9_35a9_u64.reverse_bits();
        bytes.iter().fold(0, |crc, byte| {
            (0..8)
                .fold(crc ^ u64::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { reflected } else { 0 })
        })
    }

    #[test]
    fn checksum_is_redis_s() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7) as u8).collect();
        for len in (0..40).chain([999, 1000]) {
            assert_eq!(crc64(&bytes[..len]), bit_by_bit(&bytes[..len]), "{len} bytes");
        }
    }
}
