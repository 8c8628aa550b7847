//! Fetching ahead what look-ups will touch, in steps: each step's addresses are in what the last one fetched.
//!
//! All lines of a step are asked for at once, so that the waits for memory overlap. Knows no locks: the caller
//! takes them.

use super::{Line, LineAddress};

/// The scratch of fetching ahead; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Ahead {
    hashes: Vec<u64>,
    lines: Vec<LineAddress>,
}

impl Ahead {
    /// Fetches what look-ups of these hashes will touch. `look` is `Store::lines` for the store of a hash; one
    /// that it answers with false needs no further step.
    /// Cost: two calls of `look` per hash, a third for one in six to twenty.
    #[inline]
    pub fn fetch(
        &mut self,
        hashes: impl Iterator<Item = u64>,
        mut look: impl FnMut(u64, Line, &mut Vec<LineAddress>) -> bool,
    ) {
        let Ahead { hashes: open, lines } = self;
        open.clear();
        open.extend(hashes);
        for line in [Line::Bucket, Line::Entries, Line::Continued] {
            // The addresses first, the fetches behind the last unlock: an atomic instruction waits for the
            // fetches before it, one by one.
            lines.clear();
            open.retain(|hash| look(*hash, line, lines));
            lines.iter().for_each(|line| line.fetch());
            if open.is_empty() {
                return;
            }
        }
    }
}
