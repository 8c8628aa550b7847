//! What a parked request is answered, whichever command it is of. Plain data: `dispatch` writes it.

use std::sync::Arc;

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
    /// Its user may not run it any more: the error.
    Denied(Box<[u8]>),
    /// What was taken out of a key that was waited for.
    Popped(Box<Popped>),
    /// An element that went to another key.
    Moved(Bytes),
    /// A key to which an element was to go holds another type.
    WrongType,
    /// The time is over, and there was nothing.
    Nothing,
    /// Its connection ends: nothing is written any more.
    Gone,
}

/// What was taken out of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popped {
    pub key: Arc<[u8]>,
    pub elements: Vec<Bytes>,
    /// Several were asked for: they are an array of their own.
    pub are_several: bool,
}

impl Answer {
    /// Bytes of the values in it.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        match self {
            Answer::One(outcome) => outcome.value_bytes(),
            Answer::Many(outcomes) => outcomes.iter().map(Outcome::value_bytes).sum(),
            Answer::Popped(popped) => popped.elements.iter().map(Bytes::len).sum(),
            Answer::Moved(element) => element.len(),
            Answer::Unblocked | Answer::Denied(_) | Answer::WrongType | Answer::Nothing | Answer::Gone => 0,
        }
    }
}
