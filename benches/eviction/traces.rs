//! Traces: read, unpacked and renumbered, so that a key is its number in order of first use.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// All traces, the made-up one last.
pub const NAMES: [&str; 6] = ["scarab-recs", "orm-busy", "w106", "OLTP", "P3", "zipf"];

/// Requests of a made-up trace, its keys, and its exponent.
const ZIPF: (usize, usize, f64) = (3_000_000, 300_000, 1.0);

/// Requests, each the number of its key.
pub struct Trace {
    pub name: &'static str,
    pub requests: Vec<u32>,
    pub keys: usize,
}

/// Reads a trace from its folder; `zipf` is made up.
pub fn read(folder: Option<&Path>, name: &'static str) -> Result<Trace, String> {
    let packed = |file: String, program: &str| {
        let path = folder.ok_or("no folder of traces was given")?.join(file);
        let unpacked = Command::new(program).arg("-dcq").arg(&path).output();
        let unpacked = unpacked.map_err(|error| format!("{program}: {error}"))?;
        if unpacked.status.success() {
            Ok(unpacked.stdout)
        } else {
            Err(format!("cannot unpack {}", path.display()))
        }
    };
    let keys: Vec<u64> = match name {
        "zipf" => zipf(),
        "OLTP" | "P3" => blocks(&packed(format!("{name}.lis.zst"), "zstd")?)?,
        _ => numbers(&packed(format!("{name}.trace.xz"), "xz")?, if name == "scarab-recs" { 8 } else { 4 }),
    };
    let mut seen = HashMap::new();
    let requests = keys.into_iter().map(|key| {
        let next = seen.len() as u32;
        *seen.entry(key).or_insert(next)
    });
    let requests: Vec<u32> = requests.collect();
    Ok(Trace { name, keys: seen.len(), requests })
}

/// Big-endian keys of so many bytes.
fn numbers(bytes: &[u8], width: usize) -> Vec<u64> {
    let number = |key: &[u8]| key.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    bytes.chunks_exact(width).map(number).collect()
}

/// Lines of a first key and how many follow it.
fn blocks(text: &[u8]) -> Result<Vec<u64>, String> {
    let text = str::from_utf8(text).map_err(|error| error.to_string())?;
    let mut keys = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(count))) = (words.next(), words.next()) else {
            return Err(format!("not a line of a trace: {line}"));
        };
        keys.extend(first..first + count);
    }
    Ok(keys)
}

fn zipf() -> Vec<u64> {
    let (requests, keys, exponent) = ZIPF;
    let mut random = fastrand::Rng::with_seed(1);
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let draws = (0..requests).map(|_| random.f64() * sum);
    draws.map(|drawn| sums.partition_point(|upto| *upto < drawn) as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read() {
        assert_eq!(numbers(&[0, 0, 1, 2, 0, 0, 0, 3], 4), [258, 3]);
        assert_eq!(blocks(b"10 2 0 0\n7 1 0 1\n").as_deref(), Ok(&[10, 11, 7][..]));
        assert!(blocks(b"x\n").is_err());
    }
}
