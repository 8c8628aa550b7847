//! How a request accesses its key, for the commands where that depends on its words (`variable_flags`).

use super::Args;

const READ: &[&str] = &["RO", "access"];
const WRITE: &[&str] = &["OW", "update"];
const BOTH: &[&str] = &["RW", "access", "update"];

/// The flags of the key in the request that begins at the word `from`; `usual` where they never vary.
pub(super) fn of(args: &Args<'_>, from: usize, usual: &'static [&'static str]) -> &'static [&'static str] {
    if !usual.contains(&"variable_flags") {
        return usual;
    }
    let words: Vec<&[u8]> = (from..args.words()).map(|at| args.word(at)).collect();
    if words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"set")) {
        let reads = words.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"get"));
        return if reads { BOTH } else { WRITE };
    }
    if only_reads_bits(words.get(2..).unwrap_or_default()) { READ } else { BOTH }
}

/// Whether the operations of BITFIELD are all GET; what cannot be understood is no GET.
fn only_reads_bits(mut words: &[&[u8]]) -> bool {
    while let [operation, rest @ ..] = words {
        let is = |name: &[u8]| operation.eq_ignore_ascii_case(name);
        words = match rest {
            [_, _, rest @ ..] if is(b"get") => rest,
            [_, rest @ ..] if is(b"overflow") => rest,
            _ => return false,
        };
    }
    true
}
