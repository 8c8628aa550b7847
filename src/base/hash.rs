//! Keyed hashing of keys: SipHash-1-3 with a random seed, so that nobody outside can aim at one shard.
//!
//! One 64-bit hash per key and request, shared by the shard choice (top bits), the table (low bits)
//! and the tags (bits 48..56).

use siphasher::sip::SipHasher13;

/// The seed of a server's key hashes; drawn at start, or given by `hash-seed` for reproducible runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSeed(pub u64, pub u64);

impl HashSeed {
    /// A seed from the operating system's randomness.
    #[must_use]
    pub fn random() -> HashSeed {
        // RandomState is the standard library's door to the system's random source.
        use std::hash::{BuildHasher, RandomState};
        HashSeed(RandomState::new().hash_one(1u8), RandomState::new().hash_one(2u8))
    }

    /// The hash of a key. Cost: about 10 ns for 16 bytes.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(key)
    }
}

/// A key of a request with its hash: computed once, used by everything below.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub bytes: &'a [u8],
    pub hash: u64,
}
