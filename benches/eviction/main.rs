//! Hit ratios of Onefill's eviction on real request traces, beside simulated LRU and Belady's optimum.
//!
//! `cargo run --release --example eviction -- TRACES` replays each trace of the folder as a cache's user
//! would: GET, and SET where that misses, one unit per key. With `--servers`, `--equal-memory` and `--meta` real servers
//! are asked over sockets as well, limited by memory; `--all` does everything. `--limit` looks whether `maxmemory` holds.

mod equal_memory;
mod histograms;
mod limit;
mod options;
mod policies;
mod replay;
mod report;
mod server;
mod servers;
mod sized;
mod traces;
mod wire;

use histograms::Load;
use options::{Options, SHARES};
use report::Grid;
use traces::Trace;

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
    let wanted = traces::NAMES.into_iter().filter(|name| options.wants(name));
    let traces = wanted.map(|name| traces::read(options.folder.as_deref(), name));
    let traces = traces.collect::<Result<Vec<Trace>, String>>()?;
    if options.engine {
        engine(&traces, options);
    }
    if options.servers {
        servers(&traces)?;
    }
    if options.equal_memory {
        equal_memory(&traces)?;
    }
    if options.meta {
        meta(options)?;
    }
    Ok(())
}

/// Entries that a cache of a share of a trace's keys has room for.
fn room(trace: &Trace, share: f64) -> usize {
    ((trace.keys as f64 * share).round() as usize).max(1)
}

/// The policies by themselves.
fn engine(traces: &[Trace], options: &Options) {
    let mut hits = Grid::default();
    for trace in traces {
        for (place, share) in SHARES.into_iter().enumerate() {
            for policy in policies::ALL.iter().filter(|policy| options.wants_policy(policy.name)) {
                hits.note(
                    trace.name,
                    policy.name,
                    place,
                    policies::hit_ratio(policy, trace, room(trace, share)),
                );
            }
        }
    }
    println!("\nThe policies by themselves: hits in percent, room for 0.1 / 1 / 10 % of a trace's keys\n");
    print!("{}", hits.markdown("trace", 1, true));
}

/// Real servers, each with room for an equal number of keys.
fn servers(traces: &[Trace]) -> Result<(), String> {
    let mut figures = servers::Figures::new();
    for trace in traces {
        for (place, share) in SHARES.into_iter().enumerate() {
            figures.measure(trace, place, room(trace, share))?;
        }
    }
    figures.print();
    Ok(())
}

/// Real servers, each with an equal limit on memory.
fn equal_memory(traces: &[Trace]) -> Result<(), String> {
    let mut figures = equal_memory::Figures::new();
    figures.fill()?;
    traces.iter().try_for_each(|trace| figures.replay(trace))?;
    println!("\n# Servers at an equal limit on memory");
    figures.print(false);
    Ok(())
}

/// Loads made from histograms: the policies at equal bytes, the servers at an equal limit.
fn meta(options: &Options) -> Result<(), String> {
    let folder = options.folder.as_deref().ok_or("no folder of histograms was given")?;
    let wanted = histograms::NAMES.into_iter().filter(|name| options.wants(name));
    let loads = wanted.map(|name| histograms::load(folder, name)).collect::<Result<Vec<Load>, String>>()?;
    let (mut hits, mut bytes_hit) = (Grid::default(), Grid::default());
    for load in &loads {
        let (requests, keys, bytes) = (load.trace.requests.len(), load.trace.keys, load.bytes());
        println!("\n{}: {requests} requests, {keys} keys, {} MiB", load.trace.name, bytes >> 20);
        for (place, share) in SHARES.into_iter().enumerate() {
            let room = (bytes as f64 * share) as usize;
            for policy in sized::ALL.iter().filter(|policy| options.wants_policy(policy.name)) {
                let figures = policy.replay(&load.trace.requests, load.sizes(), room);
                hits.note(load.trace.name, policy.name, place, figures.percent());
                bytes_hit.note(load.trace.name, policy.name, place, figures.percent_of_bytes());
            }
        }
    }
    println!("\n# Loads made from histograms");
    println!("\nThe policies by themselves: hits in percent, room for 0.1 / 1 / 10 % of the bytes\n");
    print!("{}", hits.markdown("load", 1, true));
    println!("\nThe same: bytes hit, percent of those asked for\n");
    print!("{}", bytes_hit.markdown("load", 1, true));
    let mut figures = equal_memory::Figures::new();
    loads.iter().try_for_each(|load| figures.replay_load(load))?;
    println!("\nServers at an equal limit on memory");
    figures.print(true);
    Ok(())
}
