//! LCS: the longest common subsequence of two values.
//!
//! Owns the computation, which is pure, and Redis's way of reporting it. Values are shared, not copied,
//! and no lock is held while they are compared.
//! Invariant: where several subsequences are equally long, the one Redis finds is found.

use bytes::Bytes;

use crate::base::hash::Key;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::storage::{ValueRef, WrongType};
use crate::table::KeyFlag::{Access, RO};
use crate::table::arg::{integer, key, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    lcs,
    Spec {
        name: "lcs",
        group: Group::String,
        since: "7.0.0",
        summary: "Finds the longest common substring.",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        args: &[
            key("key1", &[RO, Access]),
            key("key2", &[RO, Access]),
            token("len", "LEN").optional(),
            token("idx", "IDX").optional(),
            integer("len").token("MINMATCHLEN").optional(),
            token("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        flags: &[Flag::Readonly],
        acl: &[Category::String],
        reply: "the longest common subsequence; with LEN its length, with IDX the matching ranges and the length",
        locking: Locking::Itself,
        ..Spec::EMPTY
    },
)];

/// The options of LCS.
#[derive(Default)]
struct LcsOptions {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

impl LcsOptions {
    fn read(args: &mut Args<'_>) -> Result<LcsOptions, CommandError> {
        let mut options = LcsOptions::default();
        while !args.is_done() {
            if args.skip("IDX") {
                options.idx = true;
            } else if args.skip("LEN") {
                options.len = true;
            } else if args.skip("WITHMATCHLEN") {
                options.with_match_len = true;
            } else if args.skip("MINMATCHLEN") {
                options.match_len_min = args.integer()?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.len && options.idx {
            let text = "If you want both the length and indexes, please just use IDX.";
            return Err(CommandError::err(text));
        }
        Ok(options)
    }
}

fn lcs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let keys = [ctx.key(args)?, ctx.key(args)?];
    let options = LcsOptions::read(args)?;
    let [a, b] = snapshot(ctx, &keys)?;
    check_size(a.len(), b.len(), ctx.settings.bulk_bytes_max)?;
    if options.len {
        ctx.reply.int(common_len(&a, &b) as i64);
        return Ok(());
    }
    let common = Common::of(&a, &b);
    if options.idx {
        write_matches(ctx, &common, &options);
    } else {
        ctx.reply.bulk(&common.text);
    }
    Ok(())
}

/// Both values at one moment, so that the long computation needs no lock. An absent key is empty.
fn snapshot(ctx: &mut Ctx<'_>, keys: &[Key<'_>; 2]) -> Result<[Bytes; 2], CommandError> {
    ctx.keys.hold(keys.iter().map(|key| key.hash))?;
    let mut both = [Bytes::new(), Bytes::new()];
    for (bytes, key) in both.iter_mut().zip(keys) {
        let value = ctx.keys.view(key).read(key).map_err(|WrongType| no_string())?.map(ValueRef::to_bytes);
        *bytes = value.unwrap_or_default();
    }
    if !ctx.in_transaction {
        ctx.keys.release();
    }
    Ok(both)
}

/// LCS has a text of its own.
fn no_string() -> CommandError {
    CommandError::err("The specified keys must contain string values")
}

/// Redis's bounds. Its table takes four bytes for each pair of places, ours one bit; what is refused is
/// the same, as the bound also limits how long the computation takes.
fn check_size(a_len: usize, b_len: usize, bytes_max: usize) -> Result<(), CommandError> {
    if a_len.max(b_len) >= u32::MAX as usize - 1 {
        return Err(CommandError::err("String too long for LCS"));
    }
    let table_bytes = (a_len as u64 + 1).saturating_mul(b_len as u64 + 1).saturating_mul(4);
    if table_bytes > bytes_max as u64 {
        let text = "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(CommandError::err(text));
    }
    Ok(())
}

fn write_matches(ctx: &mut Ctx<'_>, common: &Common, options: &LcsOptions) {
    let is_long = |found: &&Match| found.len as i64 >= options.match_len_min;
    let reply = &mut ctx.reply;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(common.matches.iter().filter(is_long).count());
    for found in common.matches.iter().filter(is_long) {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for start in [found.a_start, found.b_start] {
            reply.array(2);
            reply.int(start as i64);
            reply.int((start + found.len - 1) as i64);
        }
        if options.with_match_len {
            reply.int(found.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.int(common.text.len() as i64);
}

/// A stretch that both strings have in common, as part of their longest common subsequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    a_start: usize,
    b_start: usize,
    len: usize,
}

/// A longest common subsequence, and the stretches it is made of, the last one first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Common {
    text: Vec<u8>,
    matches: Vec<Match>,
}

impl Common {
    /// Cost: time for each pair of places, memory of one bit for each.
    fn of(a: &[u8], b: &[u8]) -> Common {
        let mut steps = Steps::new(a.len(), b.len());
        fill_rows(a, b, |i, j| steps.mark(i, j));
        let mut common = Common::default();
        let (mut i, mut j) = (a.len(), b.len());
        let mut is_open = false;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                common.text.push(a[i]);
                match common.matches.last_mut().filter(|_| is_open) {
                    Some(open) => *open = Match { a_start: i, b_start: j, len: open.len + 1 },
                    None => common.matches.push(Match { a_start: i, b_start: j, len: 1 }),
                }
                is_open = true;
            } else {
                is_open = false;
                if steps.is_marked(i, j) {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        common.text.reverse();
        common
    }
}

/// Length of the longest common subsequence. Cost: time for each pair of places, memory for one row.
fn common_len(a: &[u8], b: &[u8]) -> usize {
    fill_rows(a, b, |_, _| {}) as usize
}

/// Goes through the table of lengths row by row; `longer_without_a` is called for each pair of prefixes
/// (of lengths i and j) whose last bytes differ and that loses less by shortening `a` than `b`.
fn fill_rows(a: &[u8], b: &[u8], mut longer_without_a: impl FnMut(usize, usize)) -> u32 {
    let mut row = vec![0u32; b.len() + 1];
    for (i, byte) in a.iter().enumerate() {
        let mut diagonal = 0;
        let mut left = 0;
        for (j, (above, other)) in row[1..].iter_mut().zip(b).enumerate() {
            let here = if byte == other {
                diagonal + 1
            } else if *above > left {
                longer_without_a(i + 1, j + 1);
                *above
            } else {
                left
            };
            diagonal = std::mem::replace(above, here);
            left = here;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// One bit for each pair of prefix lengths.
struct Steps {
    words: Vec<u64>,
    columns: usize,
}

impl Steps {
    fn new(rows: usize, columns: usize) -> Steps {
        Steps { words: vec![0; (rows * columns).div_ceil(64)], columns }
    }

    fn place(&self, i: usize, j: usize) -> (usize, u64) {
        let at = (i - 1) * self.columns + j - 1;
        (at / 64, 1 << (at % 64))
    }

    fn mark(&mut self, i: usize, j: usize) {
        let (word, bit) = self.place(i, j);
        self.words[word] |= bit;
    }

    fn is_marked(&self, i: usize, j: usize) -> bool {
        let (word, bit) = self.place(i, j);
        self.words[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn len_by_definition(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([a, a_rest @ ..], [b, b_rest @ ..]) if a == b => 1 + len_by_definition(a_rest, b_rest),
            ([_, a_rest @ ..], [_, b_rest @ ..]) => {
                len_by_definition(a_rest, b).max(len_by_definition(a, b_rest))
            }
            _ => 0,
        }
    }

    #[test]
    fn matches_are_given_from_the_last_to_the_first() {
        let common = Common::of(b"ohmytext", b"mynewtext");
        assert_eq!(common.text, b"mytext");
        let last = Match { a_start: 4, b_start: 5, len: 4 };
        assert_eq!(common.matches, [last, Match { a_start: 2, b_start: 0, len: 2 }]);
    }

    #[test]
    fn strings_are_refused_when_redis_could_not_afford_its_table() {
        assert_eq!(check_size(9, 9, 400), Ok(()));
        assert!(check_size(9, 9, 399).is_err());
        assert!(check_size(u32::MAX as usize, 0, usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn length_agrees_with_the_definition(a in "[ab]{0,9}", b in "[abc]{0,9}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            prop_assert_eq!(common_len(a, b), len_by_definition(a, b));
            prop_assert_eq!(Common::of(a, b).text.len(), len_by_definition(a, b));
        }

        #[test]
        fn matches_spell_the_common_text(a in "[abc]{0,60}", b in "[abcd]{0,60}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let common = Common::of(a, b);
            let mut spelled = Vec::new();
            let mut ends = (0, 0);
            for found in common.matches.iter().rev() {
                let stretch = &a[found.a_start..found.a_start + found.len];
                prop_assert_eq!(stretch, &b[found.b_start..found.b_start + found.len]);
                prop_assert!(ends.0 <= found.a_start && ends.1 <= found.b_start);
                ends = (found.a_start + found.len, found.b_start + found.len);
                spelled.extend_from_slice(stretch);
            }
            prop_assert_eq!(spelled, common.text);
        }
    }
}
