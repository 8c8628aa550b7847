//! The load generator of benches/compare: Redis's protocol and memcached's, pipelined, many connections.
//!
//! Closed loop (each connection sends its next burst when the last one is answered) or, with `--rate`, open
//! loop: bursts leave at their appointed times, answered or not, and latency counts from the appointed time, so
//! that a stall of the server is charged to every request that it held up. Prints one line of JSON.

mod connection;
mod drive;
mod figures;
mod options;
mod replies;
mod requests;

use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use figures::Figures;
use options::Options;

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the load on as many threads as asked for and sums up what they saw.
fn run(options: &Options) -> Result<serde_json::Value, String> {
    let barrier = Arc::new(Barrier::new(options.threads as usize));
    let threads: Vec<_> = (0..options.threads)
        .map(|number| {
            let (options, barrier) = (options.clone(), barrier.clone());
            std::thread::spawn(move || drive::drive(&options, number, &barrier))
        })
        .collect();
    let started = Instant::now();
    let mut figures = Figures::default();
    for thread in threads {
        figures.add(&thread.join().map_err(|_| "a thread panicked")??);
    }
    Ok(figures.json(options, started.elapsed()))
}
