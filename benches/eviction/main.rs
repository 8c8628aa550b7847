//! Hit ratios of Onefill's eviction on real request traces, beside simulated LRU and Belady's optimum.
//!
//! `cargo run --release --example eviction -- TRACES` replays each trace of the folder as a cache's user
//! would: GET, and SET where that misses, one unit per key. With `--servers` real servers are asked over
//! sockets as well, limited by memory. `--limit` looks whether `maxmemory` holds.

mod limit;
mod options;
mod policies;
mod report;
mod servers;
mod traces;
mod wire;

use options::Options;
use report::Table;

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    };
    if let Err(error) = run(&options) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.limit {
        return limit::run();
    }
    let mut table = Table::default();
    for name in traces::NAMES.iter().filter(|name| options.wants(name)) {
        let trace = traces::read(options.folder.as_deref(), name)?;
        for share in options::SHARES {
            let keys = ((trace.keys as f64 * share).round() as usize).max(1);
            if options.servers {
                servers::replay(&trace, share, keys, &mut table)?;
            } else {
                for policy in policies::ALL.iter().filter(|policy| options.wants_policy(policy.name)) {
                    table.note(name, policy.name, share, policies::hit_ratio(policy, &trace, keys));
                }
            }
        }
        table.print_trace(name, trace.requests.len(), trace.keys);
    }
    table.print_means();
    Ok(())
}
