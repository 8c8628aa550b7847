//! Requests sent to a server as a cache's user would: GET, and SET where that misses.

use crate::wire::{Ask, Conn, Found};

/// Keys asked for before the replies are read, and bytes of values that may be on their way at once: what a server
/// holds for its clients counts against its limit, and must be little beside a small cache.
const PORTION: usize = 32;
const PORTION_BYTES: usize = 64 << 10;

/// How long the values are.
#[derive(Clone, Copy, Debug)]
pub enum Sizes<'a> {
    /// All alike, bytes.
    Same(usize),
    /// Bytes of each key's, by its number.
    Each(&'a [u32]),
}

impl Sizes<'_> {
    /// Bytes of a key's value.
    pub fn of(&self, key: u32) -> usize {
        match self {
            Sizes::Same(bytes) => *bytes,
            Sizes::Each(sizes) => sizes[key as usize] as usize,
        }
    }
}

/// What came of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    pub asked: usize,
    pub hit: usize,
    pub bytes_asked: u64,
    pub bytes_hit: u64,
    /// Values that the server did not take.
    pub refused: usize,
}

impl Hits {
    /// Notes a request for a value of so many bytes.
    pub fn note(&mut self, hit: bool, bytes: usize) {
        self.asked += 1;
        self.bytes_asked += bytes as u64;
        if hit {
            self.hit += 1;
            self.bytes_hit += bytes as u64;
        }
    }

    /// Requests hit, percent.
    pub fn percent(&self) -> f64 {
        self.hit as f64 * 100.0 / self.asked.max(1) as f64
    }

    /// Bytes hit, percent of those asked for.
    pub fn percent_of_bytes(&self) -> f64 {
        self.bytes_hit as f64 * 100.0 / self.bytes_asked.max(1) as f64
    }
}

/// GETs in portions, then SETs of what missed.
pub fn replay(conn: &mut Conn, requests: &[u32], sizes: Sizes<'_>) -> Result<Hits, String> {
    let mut hits = Hits::default();
    let mut out = Vec::new();
    for keys in portions(requests, sizes) {
        out.clear();
        keys.iter().for_each(|key| conn.write_request(Ask::Get, *key, &mut out));
        conn.send(&out)?;
        let mut missed: Vec<u32> = Vec::new();
        for key in keys {
            let found = conn.found()? == Found::Value;
            // A key that was asked for twice in a portion was there for the second, had it been filled at once.
            let hit = found || missed.contains(key);
            hits.note(hit, sizes.of(*key));
            if !hit {
                missed.push(*key);
            }
        }
        hits.refused += store(conn, &missed, sizes)?;
    }
    Ok(hits)
}

/// Stores these keys. Returns how many the server refused.
pub fn store(conn: &mut Conn, keys: &[u32], sizes: Sizes<'_>) -> Result<usize, String> {
    let mut out = Vec::new();
    let mut refused = 0;
    for some in portions(keys, sizes) {
        out.clear();
        some.iter().for_each(|key| conn.write_request(Ask::Set(sizes.of(*key)), *key, &mut out));
        conn.send(&out)?;
        for _ in some {
            refused += usize::from(conn.found()? == Found::Refused);
        }
    }
    Ok(refused)
}

/// Cuts keys into portions, each with at least one.
fn portions<'a>(mut keys: &'a [u32], sizes: Sizes<'a>) -> impl Iterator<Item = &'a [u32]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = keys.iter().take(PORTION).take_while(|key| {
            bytes += sizes.of(**key);
            bytes <= PORTION_BYTES
        });
        let (some, rest) = keys.split_at(fit.count().max(1).min(keys.len()));
        keys = rest;
        (!some.is_empty()).then_some(some)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_short_in_keys_and_in_bytes() {
        let keys: Vec<u32> = (0..70).collect();
        let lengths = |sizes| portions(&keys, sizes).map(<[u32]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(Sizes::Same(10)), [32, 32, 6]);
        assert_eq!(lengths(Sizes::Same(20 << 10)).first(), Some(&3));
        // One that is longer than a portion goes by itself.
        let mut sizes = vec![1 << 10; 70];
        sizes[1] = 1 << 20;
        assert_eq!(lengths(Sizes::Each(&sizes)), [1, 1, 32, 32, 4]);
        assert_eq!(portions(&[], Sizes::Same(1)).count(), 0);
    }

    #[test]
    fn hits_are_counted_in_requests_and_in_bytes() {
        let mut hits = Hits::default();
        hits.note(true, 30);
        hits.note(false, 10);
        hits.note(false, 20);
        hits.note(false, 60);
        assert_eq!((hits.percent(), hits.percent_of_bytes()), (25.0, 25.0));
        assert_eq!(Hits::default().percent(), 0.0);
    }
}
