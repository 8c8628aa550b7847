//! Real servers, each with an equal limit on memory: `maxmemory`, or memcached's `-m`.
//!
//! How many entries they keep is seen where keys are written once, more than fit; how often they hit, where the traces are
//! replayed with values of the same length, and loads made from histograms with values of theirs. A limit that holds all
//! of a load is left out. redis and Onefill count all that they hold against the limit, memcached the pages of its slab
//! alone, and beyond it takes one for each length of chunk: where that is much beside a small limit it is not compared. The
//! resident memory is told beside. Faster than real time, as [`crate::servers`] says.

use crate::histograms::Load;
use crate::replay::{self, Hits, Sizes};
use crate::report::Grid;
use crate::server;
use crate::traces::Trace;
use crate::wire::KEY_BYTES;

/// The limits, MiB.
const LIMITS_MIB: [u64; 3] = [8, 32, 128];
/// Bytes of a value where a load has none of its own: the median of Twitter's clusters (Yang et al., OSDI 2020).
const VALUE_BYTES: usize = 221;
/// How much more than its limit a server may hold and be compared.
const OVER_MAX: f64 = 1.1;
/// Requests of a trace that are replayed.
const REQUESTS_MAX: usize = 1_000_000;

/// What limits hold, and how much of it is hit.
#[derive(Debug)]
pub struct Figures {
    kept: Grid,
    resident: Grid,
    hits: Grid,
    bytes_hit: Grid,
    /// Who held more than it was allowed to, and where.
    left_out: Vec<String>,
}

impl Figures {
    pub fn new() -> Figures {
        let [kept, resident, hits, bytes_hit] = std::array::from_fn(|_| server::grid());
        Figures { kept, resident, hits, bytes_hit, left_out: Vec::new() }
    }

    /// Writes keys, each once, more than fit, and counts those that are there in the end.
    pub fn fill(&mut self) -> Result<(), String> {
        for mib in LIMITS_MIB {
            let row = format!("each key once, {mib} MiB");
            let keys: Vec<u32> = (0..2 * (mib << 20) as u32 / (KEY_BYTES + VALUE_BYTES) as u32).collect();
            for kind in &server::ALL {
                let mut server = kind.start_with_mib(mib)?;
                replay::store(&mut server, &keys, Sizes::Same(VALUE_BYTES))?;
                let kept = server.entries()?;
                let resident = server.resident()? as f64 / f64::from(1 << 20);
                eprintln!("{row}: {} kept {kept}, {resident:.1} MiB resident", kind.name);
                self.kept.note(&row, kind.name, 0, kept as f64);
                self.resident.note(&row, kind.name, 0, resident);
            }
        }
        Ok(())
    }

    /// Replays a trace.
    pub fn replay(&mut self, trace: &Trace) -> Result<(), String> {
        let requests = &trace.requests[..trace.requests.len().min(REQUESTS_MAX)];
        let keys = requests.iter().max().map_or(0, |last| u64::from(*last) + 1);
        let bytes = keys * (KEY_BYTES + VALUE_BYTES) as u64;
        self.measure(trace.name, requests, Sizes::Same(VALUE_BYTES), bytes)
    }

    /// Replays a load made from histograms, with values of its own lengths.
    pub fn replay_load(&mut self, load: &Load) -> Result<(), String> {
        self.measure(load.trace.name, &load.trace.requests, load.sizes(), load.bytes())
    }

    fn measure(&mut self, name: &str, requests: &[u32], sizes: Sizes<'_>, bytes: u64) -> Result<(), String> {
        for mib in LIMITS_MIB.into_iter().filter(|mib| bytes > mib << 20) {
            let row = format!("{name}, {mib} MiB");
            for kind in &server::ALL {
                let mut server = kind.start_with_mib(mib)?;
                let hits = replay::replay(&mut server, requests, sizes)?;
                let held = server.held()?;
                if held as f64 > (mib << 20) as f64 * OVER_MAX {
                    let (percent, of_bytes) = (hits.percent(), hits.percent_of_bytes());
                    let held = format!("{row}: {} holds {} MiB, hits {percent:.1} %", kind.name, held >> 20);
                    self.left_out.push(format!("{held}, {of_bytes:.1} % of the bytes"));
                } else {
                    self.note(&row, kind.name, hits, server.entries()?);
                    self.resident.note(&row, kind.name, 0, server.resident()? as f64 / f64::from(1 << 20));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, row: &str, name: &str, hits: Hits, kept: u64) {
        let (percent, of_bytes) = (hits.percent(), hits.percent_of_bytes());
        let refused = hits.refused;
        eprintln!("{row}: {name} {percent:.2} %, of bytes {of_bytes:.2} %, kept {kept}, refused {refused}");
        self.kept.note(row, name, 0, kept as f64);
        self.hits.note(row, name, 0, percent);
        self.bytes_hit.note(row, name, 0, of_bytes);
    }

    /// Prints the tables; those of bytes where values differ.
    pub fn print(&self, with_bytes: bool) {
        println!("\nHits in percent\n\n{}", self.hits.markdown("load, limit", 1, true));
        if with_bytes {
            println!(
                "Bytes hit, percent of those asked for\n\n{}",
                self.bytes_hit.markdown("load, limit", 1, true)
            );
        }
        println!("Entries kept in the end\n\n{}", self.kept.markdown("load, limit", 0, false));
        println!("Onefill beside the best of the others, percent of its entries\n");
        print!("{}", self.more().markdown("load, limit", 1, true));
        println!("\nResident memory, MiB\n\n{}", self.resident.markdown("load, limit", 1, false));
        if !self.left_out.is_empty() {
            println!("Not compared:\n- {}", self.left_out.join("\n- "));
        }
    }

    /// How many more entries Onefill keeps than whoever of the others keeps most, percent.
    fn more(&self) -> Grid {
        let mut more = Grid::default();
        for row in self.kept.rows() {
            let figure = |name| self.kept.figure(row, name, 0);
            let others = server::ALL.iter().filter(|kind| kind.name != server::ONEFILL);
            let most = others.filter_map(|kind| figure(kind.name)).reduce(f64::max);
            if let (Some(own), Some(most)) = (figure(server::ONEFILL), most) {
                more.note(row, "more entries", 0, own * 100.0 / most - 100.0);
            }
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_beside_whoever_keeps_most() {
        let mut figures = Figures::new();
        for (name, kept) in [(server::REDIS_LRU, 100), (server::MEMCACHED, 200), (server::ONEFILL, 230)] {
            figures.note("a", name, Hits::default(), kept);
        }
        assert_eq!(figures.more().figure("a", "more entries", 0).map(f64::round), Some(15.0));
    }
}
