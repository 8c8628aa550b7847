//! What a parked request is answered, whichever command it is of. Plain data: `dispatch` writes it.

use bytes::Bytes;

use super::outcome::Outcome;

/// The answer of one parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// FILL.GET.
    One(Outcome<Bytes>),
    /// FILL.MGET.
    Many(Vec<Outcome<Bytes>>),
    /// CLIENT UNBLOCK … ERROR.
    Unblocked,
}

impl Answer {
    /// Bytes of the values in it.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        match self {
            Answer::One(outcome) => outcome.value_bytes(),
            Answer::Many(outcomes) => outcomes.iter().map(Outcome::value_bytes).sum(),
            Answer::Unblocked => 0,
        }
    }
}
