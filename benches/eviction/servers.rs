//! Traces replayed through real servers over sockets, each with room for an equal number of keys.
//!
//! redis and Onefill are limited to as many bytes as they need to keep just so many entries, which is found by trying.
//! memcached is given pages of its slab, each cut into so many chunks that the pages have just that number (`-o
//! slab_sizes`). Values are 1000 bytes long, and longer in small caches, so that the entries outweigh what a server needs
//! for itself. How many entries each kept in the end is told beside its ratio. Faster than real time: Redis's clocks tick
//! in seconds and minutes, which makes its LRU and LFU look worse than they are; LRU and the optimum are simulated on the
//! same requests.

use crate::policies;
use crate::replay::{self, Sizes};
use crate::report::Grid;
use crate::server::{self, Kind};
use crate::traces::Trace;
use crate::wire::{KEY_BYTES, Protocol};

/// Bytes of a value: large against what a server takes beside it.
const VALUE_BYTES: usize = 1000;
/// What the values of a cache weigh together where it has few, and the longest value.
const CACHE_BYTES: usize = 8 << 20;
const VALUE_BYTES_MAX: usize = 64 << 10;
/// A limit that is never reached: what eviction needs is kept, so that it counts.
const NO_LIMIT: &str = "1073741824";
/// How often a limit is tried, until a server keeps so many entries to a hundredth.
const TRIES: usize = 6;
/// Requests of a trace that are replayed, and bytes of their values.
const REQUESTS_MAX: usize = 1_000_000;
const REQUESTED_BYTES_MAX: usize = 4 << 30;
/// A page of memcached's slab, the most of them that a cache is made of, what an item has beside key and value, and the
/// longest chunk.
const PAGE_BYTES: usize = 1 << 20;
const PAGES_MAX: usize = 256;
const ITEM_BYTES: usize = 64;
const CHUNK_BYTES_MAX: usize = PAGE_BYTES / 2;

/// What all replays gave.
#[derive(Debug)]
pub struct Figures {
    /// Requests hit, percent.
    hits: Grid,
    /// Entries kept in the end, percent of those that there was room for.
    kept: Grid,
    /// Entries there was room for, bytes of their values, requests.
    rooms: Grid,
}

impl Figures {
    pub fn new() -> Figures {
        Figures { hits: server::grid(), kept: server::grid(), rooms: Grid::default() }
    }

    /// Replays a trace through each server, with room for so many entries: figures of a place in the tables' cells.
    pub fn measure(&mut self, trace: &Trace, place: usize, keys: usize) -> Result<(), String> {
        let value_bytes = (CACHE_BYTES / keys).clamp(VALUE_BYTES, VALUE_BYTES_MAX);
        let requests = trace.requests.len().min(REQUESTS_MAX).min(REQUESTED_BYTES_MAX / value_bytes);
        let trace = Trace { requests: trace.requests[..requests].to_vec(), ..*trace };
        let columns = [("keys", keys), ("bytes of a value", value_bytes), ("requests", requests)];
        for (column, figure) in columns {
            self.rooms.note(trace.name, column, place, figure as f64);
        }
        for kind in &server::ALL {
            let Some((percent, kept)) = best_of(kind, &trace.requests, keys, value_bytes)? else { continue };
            eprintln!("{} {keys}: {} {percent:.2} %, kept {kept}", trace.name, kind.name);
            self.hits.note(trace.name, kind.name, place, percent);
            self.kept.note(trace.name, kind.name, place, kept as f64 * 100.0 / keys as f64);
        }
        for policy in policies::ALL.iter().filter(|policy| policies::EXACT.contains(&policy.name)) {
            self.hits.note(trace.name, policy.name, place, policies::hit_ratio(policy, &trace, keys));
        }
        Ok(())
    }

    /// Prints the tables.
    pub fn print(&self) {
        println!("\nHits in percent, room for 0.1 / 1 / 10 % of a trace's keys\n");
        print!("{}", self.hits.markdown("trace", 1, true));
        println!("\nEntries kept in the end, in percent of those there was room for\n");
        print!("{}", self.kept.markdown("trace", 0, false));
        println!("\nThe caches\n");
        print!("{}", self.rooms.markdown("trace", 0, false));
        println!("\nOnefill beside the best of redis and memcached, points\n");
        print!("{}", self.margins().markdown("trace", 1, true));
        let ways = (0..self.hits.places()).map(|place| match self.way(place) {
            Some(percent) => format!("{percent:.0}"),
            None => "–".to_owned(),
        });
        let ways: Vec<_> = ways.collect();
        println!("\nOf the way from LRU to the optimum, by the means: {} %", ways.join(" / "));
    }

    /// What Onefill hits more than the best of the other servers.
    fn margins(&self) -> Grid {
        let mut margins = Grid::default();
        for row in self.hits.rows() {
            for place in 0..self.hits.places() {
                let figure = |name| self.hits.figure(row, name, place);
                let others = server::ALL.iter().filter(|kind| kind.name != server::ONEFILL);
                let best = others.filter_map(|kind| figure(kind.name)).reduce(f64::max);
                if let (Some(own), Some(best)) = (figure(server::ONEFILL), best) {
                    margins.note(row, "difference", place, own - best);
                }
            }
        }
        margins
    }

    /// Of what the optimum hits more than LRU, how much Onefill has, percent.
    fn way(&self, place: usize) -> Option<f64> {
        let mean = |name| self.hits.mean(name, place);
        let (own, lru, optimum) = (mean(server::ONEFILL)?, mean("lru")?, mean("optimum")?);
        Some((own - lru) * 100.0 / (optimum - lru))
    }
}

/// Replays requests through a server with room for so many entries. Returns the requests hit, percent, and the entries kept
/// in the end; of memcached, whose queues are put in order by a thread that a busy machine may keep from its work, the better
/// of two replays. None where it cannot be given just so much room.
fn best_of(
    kind: &Kind,
    requests: &[u32],
    keys: usize,
    value_bytes: usize,
) -> Result<Option<(f64, u64)>, String> {
    let (replays, words) = match kind.protocol {
        Protocol::Redis => {
            (1, Some(vec!["--maxmemory".to_owned(), limit_for(kind, keys, value_bytes)?.to_string()]))
        }
        Protocol::Memcached => (2, slabs(keys, value_bytes)),
    };
    let Some(words) = words else { return Ok(None) };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut best: Option<(f64, u64)> = None;
    for _ in 0..replays {
        let mut server = kind.start(&words)?;
        let percent = replay::replay(&mut server, requests, Sizes::Same(value_bytes))?.percent();
        if best.is_none_or(|(before, _)| percent > before) {
            best = Some((percent, server.entries()?));
        }
    }
    Ok(best)
}

/// The limit at which a server keeps as nearly as can be so many entries, bytes. It begins with what they take, and is moved
/// by what is kept of twice as many too much or too little.
fn limit_for(kind: &Kind, keys: usize, value_bytes: usize) -> Result<u64, String> {
    let sizes = Sizes::Same(value_bytes);
    let all: Vec<u32> = (0..2 * keys as u32).collect();
    let mut server = kind.start(&["--maxmemory", NO_LIMIT])?;
    let empty = server.used_by_entries()?;
    replay::store(&mut server, &all[..keys], sizes)?;
    let mut limit = server.used_by_entries()?;
    let per_entry = (limit - empty.min(limit)) as i64 / keys as i64;
    let mut best = (usize::MAX, limit);
    for _ in 0..TRIES {
        let mut server = kind.start(&["--maxmemory", &limit.to_string()])?;
        replay::store(&mut server, &all, sizes)?;
        let kept = server.entries()? as usize;
        best = best.min((kept.abs_diff(keys), limit));
        if best.0 * 100 <= keys {
            break;
        }
        limit = limit.saturating_add_signed((keys as i64 - kept as i64) * per_entry);
    }
    Ok(best.1)
}

/// memcached's settings for as nearly as can be so many items of this length: pages, and chunks of a length that a page
/// has the right number of. None where no number of pages comes within a twentieth.
fn slabs(keys: usize, value_bytes: usize) -> Option<Vec<String>> {
    let least = value_bytes + KEY_BYTES + ITEM_BYTES;
    let cuts = (1..=PAGES_MAX).filter_map(|pages| {
        let per_page = ((keys as f64 / pages as f64).round() as usize).max(PAGE_BYTES / CHUNK_BYTES_MAX);
        let chunk = PAGE_BYTES / per_page / 8 * 8;
        // Rounded down, the chunks may be one more in a page than was asked for.
        let off = (pages * (PAGE_BYTES / chunk)).abs_diff(keys);
        (chunk >= least).then_some((off, pages, chunk))
    });
    let (off, pages, chunk) = cuts.min()?;
    let words = ["-m", &pages.to_string(), "-o", &format!("slab_sizes={chunk}")].map(str::to_owned);
    (off * 20 <= keys).then_some(words.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memcached_is_given_pages_of_just_so_many_chunks() {
        assert_eq!(slabs(76, 64 << 10).unwrap_or_default(), ["-m", "19", "-o", "slab_sizes=262144"]);
        for keys in [187, 258, 763, 2_752, 27_517, 76_254] {
            let value_bytes = (CACHE_BYTES / keys).max(VALUE_BYTES);
            let words = slabs(keys, value_bytes).unwrap_or_default();
            let number = |word: &str| word.trim_start_matches("slab_sizes=").parse::<usize>().unwrap_or(0);
            let (pages, chunk) = (number(&words[1]), number(&words[3]));
            assert!(chunk >= value_bytes + KEY_BYTES, "{keys}: chunks of {chunk}");
            let room = pages * (PAGE_BYTES / chunk);
            assert!(room.abs_diff(keys) * 100 <= keys, "{keys}: room for {room}");
        }
    }

    #[test]
    fn margins_are_beside_the_best_of_the_others() {
        let mut figures = Figures::new();
        let others = [(server::REDIS_LRU, 50.0), (server::REDIS_LFU, 51.0), (server::MEMCACHED, 53.0)];
        others.iter().chain(&[(server::ONEFILL, 55.0), ("lru", 52.0), ("optimum", 62.0)]).for_each(
            |(name, percent)| {
                figures.hits.note("a", name, 0, *percent);
            },
        );
        assert_eq!(figures.margins().figure("a", "difference", 0), Some(2.0));
        assert_eq!(figures.way(0), Some(30.0));
    }
}
