//! The same replay through real servers over sockets, each with the memory that it takes for an equal number of keys.
//!
//! Each is filled once with so many entries and may from then on hold as many bytes as it did then; memcached, which
//! counts in whole MiB, the nearest number of these. How many entries each kept in the end, and how many bytes it took
//! for each, is told beside its ratio. Faster than real time: Redis's clocks tick in seconds and minutes, which makes its
//! LRU and LFU look worse than they are; LRU and the optimum are simulated on the same requests.

use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::policies;
use crate::report::Table;
use crate::traces::Trace;
use crate::wire::{Ask, Conn, Protocol};

/// Bytes of a value: large against what a server takes beside it.
const VALUE_BYTES: usize = 1000;
/// Entries below which a server's own memory drowns theirs.
const KEYS_MIN: usize = 7_000;
/// Entries of memcached in a MiB, a page of its slab for such values; and the least MiB that are fine enough.
const MEMCACHED_PER_MIB: u64 = (1 << 20) / 1184;
const MEMCACHED_MIB_MIN: u64 = 2;
/// A limit that is never reached: what eviction needs is kept, so that it counts.
const NO_LIMIT: &str = "1073741824";
/// Requests of a trace that are replayed.
const REQUESTS_MAX: usize = 1_000_000;
const START_LIMIT: Duration = Duration::from_secs(10);
/// Keys asked for before the replies are read.
const PORTION: usize = 32;

const REDIS: [&str; 7] =
    ["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lru"];
const REDIS_LFU: [&str; 7] =
    ["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lfu"];
const ONEFILL: [&str; 5] = ["{onefill}", "--port", "{port}", "--io-threads", "1"];

/// Replays a trace through each server, with room for so many entries.
pub fn replay(trace: &Trace, share: f64, keys: usize, table: &mut Table) -> Result<(), String> {
    if keys < KEYS_MIN {
        return Ok(());
    }
    let requests = trace.requests[..trace.requests.len().min(REQUESTS_MAX)].to_vec();
    let trace = Trace { requests, ..*trace };
    println!("{}: room for {keys} keys", trace.name);
    for (name, words) in
        [("redis allkeys-lru", &REDIS[..]), ("redis allkeys-lfu", &REDIS_LFU), ("onefill", &ONEFILL)]
    {
        let mut server = Server::start(words)?;
        let per_entry = server.limit_to(keys)?;
        println!("  {name:20} {per_entry} bytes for each");
        measure(name, &mut server, &trace, share, table)?;
    }
    let mib = (keys as u64 / MEMCACHED_PER_MIB).max(1);
    if mib >= MEMCACHED_MIB_MIN {
        let words =
            ["memcached", "-p", "{port}", "-t", "1", "-U", "0", "-u", "nobody", "-m", &mib.to_string()];
        measure("memcached", &mut Server::start(&words)?, &trace, share, table)?;
    }
    for policy in policies::ALL.iter().filter(|policy| policies::EXACT.contains(&policy.name)) {
        table.note(trace.name, policy.name, share, policies::hit_ratio(policy, &trace, keys));
    }
    Ok(())
}

fn measure(
    name: &str,
    server: &mut Server,
    trace: &Trace,
    share: f64,
    table: &mut Table,
) -> Result<(), String> {
    let hits = server.replay(trace)?;
    let percent = hits as f64 * 100.0 / trace.requests.len() as f64;
    println!("  {name:20} kept {:>8}, hits {percent:.2} %", server.entries()?);
    table.note(trace.name, name, share, percent);
    Ok(())
}

/// A server in a process of its own; it ends with this.
pub struct Server {
    child: Child,
    port: u16,
    conn: Conn,
}

impl Deref for Server {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Server {
    /// Starts a server and connects to it. In its command line `{port}` and `{onefill}` stand for the port and for the
    /// program built beside this one.
    pub fn start(words: &[&str]) -> Result<Server, String> {
        let text = |error: std::io::Error| format!("{}: {error}", words[0]);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(text)?.port();
        let onefill = std::env::current_exe().map_err(text)?.with_file_name("../onefill");
        let word = |word: &str| match word {
            "{port}" => port.to_string(),
            "{onefill}" => onefill.display().to_string(),
            word => word.to_owned(),
        };
        let mut words_filled = words.iter().map(|one| word(one));
        let program = words_filled.next().unwrap_or_default();
        let child = Command::new(program).args(words_filled).stdout(Stdio::null()).spawn().map_err(text)?;
        let protocol = if words[0] == "memcached" { Protocol::Memcached } else { Protocol::Redis };
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match Conn::open(port, protocol) {
                Ok(conn) => return Ok(Server { child, port, conn }),
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(format!("{}: {error}", words[0])),
            }
        }
    }

    /// One more connection to a server that speaks as redis does.
    pub fn another(&self) -> Result<Conn, String> {
        Conn::open(self.port, Protocol::Redis)
    }

    /// Resident memory as the kernel says, bytes.
    pub fn resident(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path} has no VmRSS"))
    }

    /// Fills the server with so many entries, empties it, and limits it to what it held. Returns the bytes that each
    /// entry took.
    fn limit_to(&mut self, keys: usize) -> Result<u64, String> {
        self.command(&["CONFIG", "SET", "maxmemory", NO_LIMIT])?;
        let empty = self.used_by_entries()?;
        self.ask_all(&(0..keys as u32).collect::<Vec<_>>())?;
        let full = self.used_by_entries()?;
        self.command(&["FLUSHALL"])?;
        self.command(&["CONFIG", "SET", "maxmemory", &full.to_string()])?;
        Ok(full.saturating_sub(empty) / keys as u64)
    }

    /// Stores these keys.
    fn ask_all(&mut self, keys: &[u32]) -> Result<(), String> {
        let value = "v".repeat(VALUE_BYTES);
        for some in keys.chunks(PORTION) {
            let mut out = Vec::new();
            some.iter().for_each(|key| self.write_request(Ask::Set, *key, &value, &mut out));
            self.send(&out)?;
            some.iter().try_for_each(|_| self.found().map(drop))?;
        }
        Ok(())
    }

    /// GETs in portions, then SETs of what missed. Returns the hits.
    fn replay(&mut self, trace: &Trace) -> Result<usize, String> {
        let mut hits = 0;
        let mut out = Vec::new();
        for keys in trace.requests.chunks(PORTION) {
            out.clear();
            keys.iter().for_each(|key| self.write_request(Ask::Get, *key, "", &mut out));
            self.send(&out)?;
            let mut missed: Vec<u32> = Vec::new();
            for key in keys {
                // A key that was asked for twice in a portion was there for the second, had it been filled at once.
                match self.found()? {
                    true => hits += 1,
                    false if missed.contains(key) => hits += 1,
                    false => missed.push(*key),
                }
            }
            self.ask_all(&missed)?;
        }
        Ok(hits)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to kill and nothing to wait for when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
