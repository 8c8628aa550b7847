//! What a FILL.GET caller is told; the table of section 3 of docs/fill.md as a type.
//!
//! Generic over the value: borrowed from its entry on the direct path, shared `Bytes` for parked callers.

use bytes::Bytes;

use super::token::Token;

/// WAIT's ms for a caller whose own time was over, or who had to give way: it may ask again at once, and is parked again.
pub const ASK_AGAIN_MS: i64 = 0;
/// The least of WAIT's ms for a caller that is not parked: how long it stays away before it asks again.
const STAY_AWAY_MS_MIN: u64 = 10;

/// WAIT's ms for a caller that did not want to be parked, or could not be: the rest of the lease, at most `wait_ms`.
#[must_use]
pub fn stay_away_ms(lease_left_ms: u64, wait_ms: u64) -> i64 {
    lease_left_ms.min(wait_ms).max(STAY_AWAY_MS_MIN) as i64
}

/// A lease given to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: Token,
    /// Milliseconds until the lease ends.
    pub lease_ms: u64,
}

/// One answer to one asked key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<V> {
    /// Fresh; `ttl_ms` is -1 without a TTL.
    Hit { value: V, ttl_ms: i64 },
    /// Nothing usable: the caller computes.
    Lead(Grant),
    /// Usable, and the caller renews it.
    Refresh { value: V, grant: Grant },
    /// Past its TTL, somebody else refreshes.
    Stale { value: V, past_ms: i64 },
    /// Known not to exist.
    None { ttl_ms: i64 },
    /// A leader's failure, shared.
    Fail { message: Bytes, retry_ms: i64 },
    /// Uncacheable.
    Pass { ttl_ms: i64 },
    /// Still in flight; ask again in `retry_ms`.
    Wait { retry_ms: i64 },
    /// The caller's connection leads this key already.
    Leading { left_ms: i64 },
    /// The key holds what no fill gives: an error, and nobody is elected.
    WrongType,
}

impl<V> Outcome<V> {
    /// The lease this outcome grants.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        match self {
            Outcome::Lead(grant) | Outcome::Refresh { grant, .. } => Some(*grant),
            _ => None,
        }
    }

    /// The same outcome with another kind of value.
    pub fn map<U>(self, value_of: impl FnOnce(V) -> U) -> Outcome<U> {
        match self {
            Outcome::Hit { value, ttl_ms } => Outcome::Hit { value: value_of(value), ttl_ms },
            Outcome::Lead(grant) => Outcome::Lead(grant),
            Outcome::Refresh { value, grant } => Outcome::Refresh { value: value_of(value), grant },
            Outcome::Stale { value, past_ms } => Outcome::Stale { value: value_of(value), past_ms },
            Outcome::None { ttl_ms } => Outcome::None { ttl_ms },
            Outcome::Fail { message, retry_ms } => Outcome::Fail { message, retry_ms },
            Outcome::Pass { ttl_ms } => Outcome::Pass { ttl_ms },
            Outcome::Wait { retry_ms } => Outcome::Wait { retry_ms },
            Outcome::Leading { left_ms } => Outcome::Leading { left_ms },
            Outcome::WrongType => Outcome::WrongType,
        }
    }
}

impl Outcome<Bytes> {
    pub(super) fn value_bytes(&self) -> usize {
        match self {
            Outcome::Hit { value, .. } | Outcome::Refresh { value, .. } | Outcome::Stale { value, .. } => {
                value.len()
            }
            Outcome::Fail { message, .. } => message.len(),
            _ => 0,
        }
    }
}
