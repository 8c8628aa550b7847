//! BITOP on byte strings: and, or, exclusive or, not.
//!
//! Pure functions. A shorter source counts as if it were filled up with zero bytes.
//! Invariant: the result is as long as the longest source.

/// What BITOP computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    Not,
}

/// Bytes combined before the next piece is begun, so that a piece of the result stays in the cache
/// while many sources are applied to it.
const PIECE_BYTES: usize = 16 * 1024;

/// The combination of all sources; `Not` takes the first one alone.
/// Cost: one pass over every source, vectorised; memory for the result only.
#[must_use]
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = vec![0; len];
    for (at, piece) in result.chunks_mut(PIECE_BYTES).enumerate() {
        let from = at * PIECE_BYTES;
        let to = from + piece.len();
        let mut parts = sources.iter().map(|source| &source[from.min(source.len())..to.min(source.len())]);
        if let Some(first) = parts.next() {
            piece[..first.len()].copy_from_slice(first);
        }
        if operation == Operation::Not {
            piece.iter_mut().for_each(|byte| *byte = !*byte);
            continue;
        }
        for part in parts {
            apply(operation, piece, part);
        }
    }
    result
}

fn apply(operation: Operation, piece: &mut [u8], part: &[u8]) {
    let (both, beyond) = piece.split_at_mut(part.len());
    let pairs = both.iter_mut().zip(part);
    match operation {
        Operation::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            beyond.fill(0);
        }
        Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        Operation::Not => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn byte_by_byte(operation: Operation, sources: &[Vec<u8>]) -> Vec<u8> {
        let len = sources.iter().map(Vec::len).max().unwrap_or(0);
        let byte = |at: usize| {
            let column = sources.iter().map(|source| source.get(at).copied().unwrap_or(0));
            match operation {
                Operation::And => column.reduce(|a, b| a & b),
                Operation::Or => column.reduce(|a, b| a | b),
                Operation::Xor => column.reduce(|a, b| a ^ b),
                Operation::Not => sources.first().and_then(|first| first.get(at)).map(|byte| !byte),
            }
        };
        (0..len).filter_map(byte).collect()
    }

    fn lens() -> impl Strategy<Value = usize> {
        prop_oneof![0..70usize, PIECE_BYTES - 2..PIECE_BYTES + 40]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn combination_agrees_with_one_byte_at_a_time(
            lens in proptest::collection::vec(lens(), 1..5),
            seed in 1u64..,
            operation in proptest::sample::select(vec![Operation::And, Operation::Or, Operation::Xor, Operation::Not]),
        ) {
            let mut state = seed;
            let mut byte = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            };
            let mut sources: Vec<Vec<u8>> = lens.iter().map(|len| (0..*len).map(|_| byte()).collect()).collect();
            if operation == Operation::Not {
                sources.truncate(1);
            }
            let borrowed: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(combine(operation, &borrowed), byte_by_byte(operation, &sources));
        }
    }
}
