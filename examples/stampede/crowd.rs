//! The parent's side of the worker processes: start, start signal, progress, figures.
//!
//! Invariant: no worker outlives its `Crowd`.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::caller::{PATIENCE, Way};
use crate::figures::{Figures, Outcome};
use crate::options::Options;
use crate::origin::Origin;

/// Beyond the run itself and the callers' patience: a worker that takes longer is stuck.
const SPARE_TIME: Duration = Duration::from_secs(10);

const PROGRESS_EVERY: Duration = Duration::from_millis(200);

struct Crowd {
    workers: Vec<Child>,
    outputs: Vec<BufReader<ChildStdout>>,
}

/// Runs one way with all its workers and a fresh origin. `args` is this program's own command line.
pub fn run(way: Way, options: &Options, args: &[String], server: &str) -> Result<Outcome, String> {
    let told = |error: io::Error| format!("workers: {error}");
    // Its own, so that nothing is left in its queue from another run.
    let origin = Origin::start(options).map_err(told)?;
    let mut crowd = Crowd::start(way, options, args, &origin, server).map_err(told)?;
    crowd.go().map_err(told)?;
    let readers: Vec<_> =
        crowd.outputs.drain(..).map(|output| std::thread::spawn(|| last_line(output))).collect();
    crowd.watch(way, options, &origin, &readers);
    let mut figures = Figures::new();
    for reader in readers {
        let line = reader.join().map_err(|_| "a reader failed")?.map_err(told)?;
        figures.add_line(line.trim_end()).ok_or("a worker ended without its figures")?;
    }
    Ok(Outcome { figures, calls: origin.calls() })
}

fn last_line(mut output: BufReader<ChildStdout>) -> io::Result<String> {
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    Ok(text)
}

impl Crowd {
    fn start(
        way: Way,
        options: &Options,
        args: &[String],
        origin: &Origin,
        server: &str,
    ) -> io::Result<Crowd> {
        let program = std::env::current_exe()?;
        // Keys of two runs on one server never meet.
        let prefix = format!("stampede:{}:{}:", std::process::id(), way.word());
        let mut crowd = Crowd { workers: Vec::new(), outputs: Vec::new() };
        for index in 0..options.processes {
            let mut worker = Command::new(&program);
            worker.args([
                "worker",
                way.word(),
                &index.to_string(),
                &origin.address.to_string(),
                server,
                &prefix,
            ]);
            worker.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut worker = worker.spawn()?;
            crowd.outputs.extend(worker.stdout.take().map(BufReader::new));
            crowd.workers.push(worker);
        }
        Ok(crowd)
    }

    /// Waits until all are connected, then lets them loose together.
    fn go(&mut self) -> io::Result<()> {
        for output in &mut self.outputs {
            let mut line = String::new();
            output.read_line(&mut line)?;
            if line != "ready\n" {
                return Err(io::Error::other("one did not get ready"));
            }
        }
        self.workers
            .iter_mut()
            .filter_map(|worker| worker.stdin.take())
            .try_for_each(|mut stdin| writeln!(stdin, "go"))
    }

    /// Shows progress until all workers have ended, or ends them when they are stuck.
    fn watch<T>(&mut self, way: Way, options: &Options, origin: &Origin, readers: &[JoinHandle<T>]) {
        let started = Instant::now();
        let deadline = started + options.run_time() + PATIENCE + SPARE_TIME;
        let terminal = io::stderr().is_terminal();
        let mut lines = 0;
        while !readers.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(PROGRESS_EVERY);
            if Instant::now() > deadline {
                self.end();
            }
            let seconds = started.elapsed().as_secs_f64();
            let calls = origin.calls();
            let line = format!(
                "{:>5} {seconds:5.1} s: {:6} origin calls for {:5} expiries, {:4} under way",
                way.word(),
                calls.calls,
                calls.expiries,
                calls.open,
            );
            if terminal {
                eprint!("\r{line}");
            } else if seconds as u64 >= lines {
                // In a log, a line a second is enough.
                eprintln!("{line}");
                lines += 1;
            }
        }
        if terminal {
            eprintln!();
        }
    }

    fn end(&mut self) {
        for worker in &mut self.workers {
            // Fails only for those that have ended already.
            drop(worker.kill());
            drop(worker.wait());
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}
