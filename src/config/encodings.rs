//! Up to where OBJECT ENCODING calls collections by the name of a small one. How they lie in memory does not depend on it.

/// The limits, Redis's by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encodings {
    pub hash_entries: usize,
    pub hash_value_bytes: usize,
    /// A number of elements, or -1 to -5 for 4, 8, 16, 32 and 64 KiB.
    pub list_size: i64,
    pub set_ints: usize,
    pub set_entries: usize,
    pub set_value_bytes: usize,
    pub zset_entries: usize,
    pub zset_value_bytes: usize,
}

impl Default for Encodings {
    fn default() -> Encodings {
        Encodings {
            hash_entries: 512,
            hash_value_bytes: 64,
            list_size: -2,
            set_ints: 512,
            set_entries: 128,
            set_value_bytes: 64,
            zset_entries: 128,
            zset_value_bytes: 64,
        }
    }
}
