//! Whether `maxmemory` holds: many keys of mixed sizes through a server that may keep a part of them.
//!
//! Several connections write in portions while a thread reads the process's resident memory from the kernel and
//! `used_memory` from INFO. Sizes are drawn evenly over their logarithms, one value in a thousand is large.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::wire::Protocol;

const LIMIT_BYTES: u64 = 1 << 30;
const KEYS: u64 = 10_000_000;
const WRITERS: u64 = 4;
/// Requests sent before their replies are read.
const PORTION: u64 = 64;
const VALUE_BYTES: (f64, f64) = (8.0, 4096.0);
const LARGE_BYTES: usize = 100 * 1024;
const LARGE_EVERY: u64 = 1000;
const SAMPLE_PERIOD: Duration = Duration::from_millis(50);
/// What may be resident at a limit: this factor of it, and so much more.
const RESIDENT_FACTOR: f64 = 1.02;
const RESIDENT_MORE: u64 = 32 << 20;

/// The highest figures that were seen.
#[derive(Debug, Default)]
struct Highest {
    resident: u64,
    used: u64,
}

/// Writes the keys and prints what was seen. Fails where more was resident than may be.
pub fn run() -> Result<(), String> {
    let limit = LIMIT_BYTES.to_string();
    let words = ["{onefill}", "--port", "{port}", "--io-threads", "2", "--maxmemory", &limit];
    let mut server = Server::start(&words, Protocol::Redis)?;
    let ends = AtomicBool::new(false);
    let begun = Instant::now();
    let (written, highest) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&server, &ends));
        let server = &server;
        let writers: Vec<_> = (0..WRITERS).map(|number| scope.spawn(move || write(server, number))).collect();
        let written: Result<Vec<u64>, String> = writers.into_iter().map(join).collect();
        ends.store(true, Relaxed);
        Ok::<_, String>((written?.iter().sum::<u64>(), join(watcher)?))
    })?;
    let took = begun.elapsed().as_secs_f64();
    let kept = server.entries()?;
    let allowed = (LIMIT_BYTES as f64 * RESIDENT_FACTOR) as u64 + RESIDENT_MORE;
    println!(
        "{KEYS} keys, {} MiB of values, limit {} MiB, {took:.1} s, {kept} keys kept",
        written >> 20,
        LIMIT_BYTES >> 20
    );
    println!("  highest used_memory less clients' buffers  {:8.2} MiB", mib(highest.used));
    println!(
        "  highest resident memory                    {:8.2} MiB (may be {:.2})",
        mib(highest.resident),
        mib(allowed)
    );
    for name in ["evicted_keys", "evict_command_max_usec", "total_eviction_exceeded_time"] {
        println!("  {name:42} {:>8}", server.field("stats", name)?);
    }
    shrink(&mut server)?;
    if highest.resident > allowed {
        return Err("more was resident than may be".to_owned());
    }
    Ok(())
}

/// Halves the limit and tells how long the server takes, and how long others wait meanwhile.
fn shrink(server: &mut Server) -> Result<(), String> {
    let half = LIMIT_BYTES / 2;
    server.command(&["CONFIG", "SET", "maxmemory", &half.to_string()])?;
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    while server.used_by_entries()? > half && begun.elapsed() < Duration::from_secs(60) {
        for _ in 0..100 {
            let asked = Instant::now();
            server.command(&["PING"])?;
            longest = longest.max(asked.elapsed());
        }
    }
    let (took, longest) = (begun.elapsed().as_secs_f64(), longest.as_secs_f64() * 1000.0);
    println!("  half the limit: reached after {took:.2} s, longest wait of a PING meanwhile {longest:.2} ms");
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().map_err(|_| "a thread panicked".to_owned())?
}

/// Looks at the server until the writers have ended.
fn watch(server: &Server, ends: &AtomicBool) -> Result<Highest, String> {
    let mut conn = server.another()?;
    let mut highest = Highest::default();
    while !ends.load(Relaxed) {
        highest.resident = highest.resident.max(server.resident()?);
        highest.used = highest.used.max(conn.used_by_entries()?);
        thread::sleep(SAMPLE_PERIOD);
    }
    Ok(highest)
}

/// Writes its share of the keys; returns the bytes of their values.
fn write(server: &Server, number: u64) -> Result<u64, String> {
    let mut conn = server.another()?;
    let mut random = fastrand::Rng::with_seed(number);
    let value = vec![b'v'; LARGE_BYTES];
    let (mut written, mut out) = (0, Vec::new());
    let share = KEYS / WRITERS;
    for first in (0..share).step_by(PORTION as usize) {
        out.clear();
        let keys = first..share.min(first + PORTION);
        for key in keys.clone() {
            let bytes = value_bytes(key, &mut random);
            let head = format!("*3\r\n$3\r\nSET\r\n$12\r\nk{number}:{key:09}\r\n${bytes}\r\n");
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&value[..bytes]);
            out.extend_from_slice(b"\r\n");
            written += bytes as u64;
        }
        conn.send(&out)?;
        keys.clone().try_for_each(|_| conn.reply().map(drop))?;
    }
    Ok(written)
}

fn value_bytes(key: u64, random: &mut fastrand::Rng) -> usize {
    if key.is_multiple_of(LARGE_EVERY) {
        return LARGE_BYTES;
    }
    let (least, most) = VALUE_BYTES;
    (least * (most / least).powf(random.f64())) as usize
}
