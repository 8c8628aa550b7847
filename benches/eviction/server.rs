//! Cache servers, each in a process of its own.

use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::Grid;
use crate::wire::{Conn, Protocol};

const START_LIMIT: Duration = Duration::from_secs(10);

/// A server to compare: its name in the tables, what it speaks, and its command line, see [`Server::start`].
pub struct Kind {
    pub name: &'static str,
    pub protocol: Protocol,
    words: &'static [&'static str],
}

pub const REDIS_LRU: &str = "redis `allkeys-lru`";
pub const REDIS_LFU: &str = "redis `allkeys-lfu`";
pub const MEMCACHED: &str = "memcached";
pub const ONEFILL: &str = "Onefill";

/// All of them, Onefill last. Each serves with one thread.
pub const ALL: [Kind; 4] = [
    Kind {
        name: REDIS_LRU,
        protocol: Protocol::Redis,
        words: &["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lru"],
    },
    Kind {
        name: REDIS_LFU,
        protocol: Protocol::Redis,
        words: &["redis-server", "--save", "", "--port", "{port}", "--maxmemory-policy", "allkeys-lfu"],
    },
    Kind {
        name: MEMCACHED,
        protocol: Protocol::Memcached,
        words: &["memcached", "-p", "{port}", "-t", "1", "-U", "0", "-u", "nobody"],
    },
    Kind {
        name: ONEFILL,
        protocol: Protocol::Redis,
        words: &["{onefill}", "--port", "{port}", "--io-threads", "1"],
    },
];

/// A table with a column for each.
pub fn grid() -> Grid {
    Grid::with_columns(ALL.iter().map(|kind| kind.name))
}

impl Kind {
    /// Starts it with more words behind its own.
    pub fn start(&self, more: &[&str]) -> Result<Server, String> {
        Server::start(&[self.words, more].concat(), self.protocol)
    }

    /// Starts it with so many MiB: `maxmemory`, or memcached's `-m`.
    pub fn start_with_mib(&self, mib: u64) -> Result<Server, String> {
        match self.protocol {
            Protocol::Redis => self.start(&["--maxmemory", &(mib << 20).to_string()]),
            Protocol::Memcached => self.start(&["-m", &mib.to_string()]),
        }
    }
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
    pub fn start(words: &[&str], protocol: Protocol) -> Result<Server, String> {
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
        let mut child =
            Command::new(program).args(words_filled).stdout(Stdio::null()).spawn().map_err(text)?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match Conn::open(port, protocol) {
                Ok(conn) => return Ok(Server { child, port, conn }),
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    // Nothing to kill where it has ended.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{}: {error}", words[0]));
                }
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to kill and nothing to wait for when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
