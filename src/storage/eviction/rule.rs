//! How a store chooses what makes room.

/// By what an entry is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A queue for what is new, a swept region for what was used again, and a border that moves.
    Adaptive,
    /// The longest unused of some drawn at random.
    Lru,
    /// The least used of some drawn at random.
    Lfu,
    Random,
    /// The one whose deadline is nearest.
    Deadline,
}

/// How a store chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub order: Order,
    /// Only entries with a deadline.
    pub expiring_only: bool,
    /// Entries drawn for each eviction by `Lru` and `Lfu`.
    pub samples: usize,
    pub lfu: LfuRule,
}

/// The unit of `Lfu`: Redis's `lfu-log-factor` and `lfu-decay-time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LfuRule {
    pub log_factor: u32,
    /// Minutes in which a count loses one; 0 = never.
    pub decay_minutes: u32,
}
