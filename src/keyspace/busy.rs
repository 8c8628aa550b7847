//! What is said of shards that a script keeps (`aside`).

/// A script has what is asked for. It stands in a mark: not 0, twice the time, and one more for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy(u64);

impl Busy {
    /// `refuses_at_ms`: from when on callers are refused and wait no longer, monotonic; `u64::MAX` for never.
    #[must_use]
    pub fn new(refuses_at_ms: u64, is_function: bool) -> Busy {
        Busy(refuses_at_ms.clamp(1, u64::MAX >> 1) << 1 | u64::from(is_function))
    }

    /// From when on callers are refused, monotonic ms.
    #[must_use]
    pub fn refuses_at_ms(self) -> u64 {
        self.0 >> 1
    }

    /// It is no script by EVAL.
    #[must_use]
    pub fn is_function(self) -> bool {
        self.0 & 1 == 1
    }

    pub(super) fn mark(self) -> u64 {
        self.0
    }

    /// What a mark says; 0 is none.
    pub(super) fn read(mark: u64) -> Option<Busy> {
        (mark != 0).then_some(Busy(mark))
    }
}
