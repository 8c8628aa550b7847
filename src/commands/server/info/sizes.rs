//! INFO keysizes: how large the values are, as Redis 8 shows it.
//!
//! Nothing is counted while commands run: the section walks over all entries when it is asked for by its name.

use std::fmt::Write as _;

use super::page::Page;
use crate::dispatch::ctx::Ctx;
use crate::keyspace::{SizeCounts, Sizes};

/// What follows the number in a label, a thousandfold (1,024) each.
const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// The section. Cost: a look at every entry.
pub(super) fn sizes(ctx: &mut Ctx<'_>, page: &mut Page) {
    for db in 0..ctx.keys.keyspace.databases() {
        let Sizes { strings, lists, hashes, sets, sorted_sets } = ctx.keys.size_counts(db);
        let all = [
            ("strings_sizes", strings),
            ("lists_items", lists),
            ("sets_items", sets),
            ("zsets_items", sorted_sets),
            ("hashes_items", hashes),
        ];
        for (what, counts) in all {
            let line = shown(&counts);
            if !line.is_empty() {
                page.field(&format!("db{db}_distrib_{what}"), line);
            }
        }
    }
}

/// The sizes that there are, with how many have each.
fn shown(counts: &SizeCounts) -> String {
    let mut line = String::new();
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let gap = if line.is_empty() { "" } else { "," };
        // Writing into a string cannot fail.
        let _ = write!(line, "{gap}{}={count}", label(index));
    }
    line
}

/// The least size that is counted at an index of `SizeCounts`.
fn label(index: usize) -> String {
    let Some(log) = index.checked_sub(1) else { return "0".to_owned() };
    format!("{}{}", 1 << (log % 10), UNITS[log / 10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_powers_of_two_with_units() {
        let labels = [0, 1, 2, 10, 11, 20, 21, 31, 64].map(label);
        assert_eq!(labels, ["0", "1", "2", "512", "1K", "512K", "1M", "1G", "8E"]);
    }
}
