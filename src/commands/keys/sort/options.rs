//! The options of SORT, in any order; of those that are said twice the last one counts.

use std::ops::Range;

use super::pattern::Pattern;
use crate::dispatch::args::Args;
use crate::dispatch::error::CommandError;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Options<'a> {
    pub by: Pattern<'a>,
    pub gets: Vec<Pattern<'a>>,
    pub is_descending: bool,
    pub is_alphabetic: bool,
    pub store: Option<&'a [u8]>,
    limit: Option<(i64, i64)>,
}

impl<'a> Options<'a> {
    /// Reads all words that are left.
    ///
    /// # Errors
    /// For a word that is none of them, and for STORE where nothing may be. As in Redis, who may not read all keys is refused
    /// BY with a star, and any GET.
    pub fn read(args: &mut Args<'a>, stores: bool, may_read_all: bool) -> Result<Options<'a>, CommandError> {
        let mut options = Options::default();
        while !args.is_done() {
            if args.skip("ASC") {
                options.is_descending = false;
            } else if args.skip("DESC") {
                options.is_descending = true;
            } else if args.skip("ALPHA") {
                options.is_alphabetic = true;
            } else if args.left() >= 3 && args.skip("LIMIT") {
                options.limit = Some((args.integer()?, args.integer()?));
            } else if stores && args.left() >= 2 && args.skip("STORE") {
                options.store = Some(args.take()?);
            } else if args.left() >= 2 && args.skip("BY") {
                options.by = Pattern::by(args.take()?);
                check_rights("BY", may_read_all || !options.by.reads_others())?;
            } else if args.left() >= 2 && args.skip("GET") {
                check_rights("GET", may_read_all)?;
                options.gets.push(Pattern::get(args.take()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether keys are read that the request does not name.
    pub fn reads_others(&self) -> bool {
        self.by.reads_others() || self.gets.iter().any(Pattern::reads_others)
    }

    /// Which of so many elements are shown.
    pub fn range(&self, len: usize) -> Range<usize> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let start = usize::try_from(offset.max(0)).unwrap_or(len).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

fn check_rights(option: &str, is_allowed: bool) -> Result<(), CommandError> {
    let denied =
        || CommandError::err(format!("{option} option of SORT denied due to insufficient ACL permissions."));
    if is_allowed { Ok(()) } else { Err(denied()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_cut_at_both_ends_and_a_negative_count_is_all() {
        let range = |limit| Options { limit, ..Options::default() }.range(4);
        assert_eq!(range(None), 0..4);
        assert_eq!(range(Some((1, 2))), 1..3);
        assert_eq!(range(Some((-5, 2))), 0..2);
        assert_eq!(range(Some((1, -1))), 1..4);
        assert_eq!(range(Some((9, 1))), 4..4);
        assert_eq!(range(Some((i64::MIN, i64::MAX))), 0..4);
        assert_eq!(range(Some((3, 0))), 3..3);
    }
}
