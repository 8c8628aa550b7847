//! The same replay through real servers over sockets.
//!
//! A server is limited by memory, not by keys, so each gets as many bytes as it takes to hold that many
//! entries of this size, found by filling it once without a limit; what it kept is reported beside the
//! ratio. Faster than real time: Redis's clocks tick in seconds and minutes, which makes its LRU and LFU
//! look worse than they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::Table;
use crate::traces::Trace;

/// Bytes of a value: large against what a server takes beside it.
const VALUE_BYTES: usize = 1000;
/// Entries below which a server's own memory drowns theirs.
const KEYS_MIN: usize = 2_000;
const START_LIMIT: Duration = Duration::from_secs(10);

/// A server to ask: its name and command line, `{port}` in place of the port.
const SERVERS: [(&str, &[&str]); 3] = [
    (
        "redis allkeys-lru",
        &["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lru"],
    ),
    (
        "redis allkeys-lfu",
        &["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lfu"],
    ),
    ("onefill", &["{onefill}", "--port", "{port}", "--io-threads", "1"]),
];

/// Replays a trace through each server that is installed, with room for so many keys.
pub fn replay(trace: &Trace, share: f64, keys: usize, table: &mut Table) -> Result<(), String> {
    if keys < KEYS_MIN {
        return Ok(());
    }
    for (name, words) in SERVERS {
        let mut server = Server::start(words)?;
        let empty = server.used()?;
        server.ask_all((0..keys as u32).map(|key| request(Ask::Set, key)))?;
        let full = server.used()?;
        server.command(&["FLUSHALL"])?;
        server.command(&["CONFIG", "SET", "maxmemory", &full.max(empty + 1).to_string()])?;
        let hits = server.replay(trace)?;
        let kept = server.number(&["DBSIZE"])?;
        println!("  {name}: {} bytes, kept {kept} of {keys} keys", full - empty);
        table.note(trace.name, name, share, hits as f64 * 100.0 / trace.requests.len() as f64);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Ask {
    Get,
    Set,
}

fn request(ask: Ask, key: u32) -> Vec<u8> {
    let mut out = match ask {
        Ask::Get => b"*2\r\n$3\r\nGET\r\n".to_vec(),
        Ask::Set => b"*3\r\n$3\r\nSET\r\n".to_vec(),
    };
    out.extend_from_slice(format!("$12\r\nk{key:011}\r\n").as_bytes());
    if let Ask::Set = ask {
        out.extend_from_slice(format!("${VALUE_BYTES}\r\n{}\r\n", "v".repeat(VALUE_BYTES)).as_bytes());
    }
    out
}

/// A server of its own process; it ends with this.
pub struct Server {
    child: Child,
    port: u16,
    conn: Conn,
}

/// A connection to a server.
pub struct Conn {
    reader: BufReader<TcpStream>,
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
    /// Starts a server with a command line as in `SERVERS` and connects to it.
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
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match Conn::open(port) {
                Ok(conn) => return Ok(Server { child, port, conn }),
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(error),
            }
        }
    }

    /// One more connection.
    pub fn another(&self) -> Result<Conn, String> {
        Conn::open(self.port)
    }

    /// Resident memory as the kernel says, bytes.
    pub fn resident(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path} has no VmRSS"))
    }
}

impl Conn {
    fn open(port: u16) -> Result<Conn, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Conn { reader: BufReader::new(stream) })
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.reader.get_mut().write_all(bytes).map_err(|error| error.to_string())
    }

    /// The next reply: its first line, and whether a value came with it.
    pub fn reply(&mut self) -> Result<(String, bool), String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.is_empty() || line.starts_with('-') {
            return Err(format!("a reply was {line:?}"));
        }
        let Some(len) = line.strip_prefix('$').and_then(|len| len.trim().parse::<usize>().ok()) else {
            return Ok((line, false));
        };
        let mut value = vec![0; len + 2];
        self.reader.read_exact(&mut value).map_err(|error| error.to_string())?;
        Ok((String::from_utf8_lossy(&value[..len]).into_owned(), true))
    }

    pub fn command(&mut self, words: &[&str]) -> Result<String, String> {
        let words_out = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        self.send(format!("*{}\r\n{}", words.len(), words_out.collect::<String>()).as_bytes())?;
        Ok(self.reply()?.0)
    }

    pub fn number(&mut self, words: &[&str]) -> Result<u64, String> {
        let reply = self.command(words)?;
        reply.trim().trim_start_matches(':').parse().map_err(|_| format!("{words:?}: {reply}"))
    }

    /// A number of INFO.
    pub fn field(&mut self, section: &str, name: &str) -> Result<u64, String> {
        let info = self.command(&["INFO", section])?;
        let field = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.and_then(|figure| figure.parse().ok()).ok_or_else(|| format!("INFO has no number {name}"))
    }

    fn used(&mut self) -> Result<u64, String> {
        self.field("memory", "used_memory")
    }

    /// What counts against `maxmemory`, bytes.
    pub fn used_by_entries(&mut self) -> Result<u64, String> {
        let clients = self.field("memory", "mem_not_counted_for_evict")?;
        Ok(self.used()?.saturating_sub(clients))
    }

    fn ask_all(&mut self, requests: impl Iterator<Item = Vec<u8>>) -> Result<(), String> {
        let requests: Vec<_> = requests.collect();
        for some in requests.chunks(64) {
            self.send(&some.concat())?;
            for _ in some {
                self.reply()?;
            }
        }
        Ok(())
    }

    /// GETs in small batches, then SETs of what missed.
    fn replay(&mut self, trace: &Trace) -> Result<usize, String> {
        let mut hits = 0;
        for keys in trace.requests.chunks(16) {
            self.send(&keys.iter().flat_map(|key| request(Ask::Get, *key)).collect::<Vec<_>>())?;
            let mut missed: Vec<u32> = Vec::new();
            for key in keys {
                // A key that was asked for twice in a batch was there for the second, had it been filled at once.
                match self.reply()? {
                    (_, true) => hits += 1,
                    _ if missed.contains(key) => hits += 1,
                    _ => missed.push(*key),
                }
            }
            self.ask_all(missed.into_iter().map(|key| request(Ask::Set, key)))?;
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
