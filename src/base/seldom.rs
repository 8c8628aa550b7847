//! Lines of the log that a stranger could repeat: each is written once in a while, with how often it was left out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One kind of line.
#[derive(Debug, Default)]
pub struct Seldom {
    /// When it was last written, monotonic ms, and 1; 0 = never.
    written_at: AtomicU64,
    left_out: AtomicU64,
}

impl Seldom {
    /// Whether the line may be written now, at most once in `period_ms`: with how often it was left out since it last
    /// was. Exactly one of several threads may.
    #[must_use]
    pub fn may_write(&self, now_ms: u64, period_ms: u64) -> Option<u64> {
        let written_at = self.written_at.load(Relaxed);
        let is_time = written_at == 0 || now_ms + 1 >= written_at + period_ms;
        if is_time && self.written_at.compare_exchange(written_at, now_ms + 1, Relaxed, Relaxed).is_ok() {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_written_at_once_and_then_once_in_a_while_with_a_count() {
        let seldom = Seldom::default();
        let asked: Vec<_> = [0, 1, 5, 99, 100, 101, 300].map(|now| seldom.may_write(now, 100)).into();
        assert_eq!(asked, [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
