//! A connection to a cache server in its own protocol: the few requests that a replay needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Redis,
    Memcached,
}

/// What is asked of a key.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    Get,
    /// Store a value of so many bytes.
    Set(usize),
}

/// What the reply to a request for a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Value,
    /// No such key, or the value was stored.
    Nothing,
    /// The value was not stored.
    Refused,
}

/// Bytes of a key: the median of Twitter's clusters (Yang et al., OSDI 2020).
pub const KEY_BYTES: usize = 36;

/// A connection to a server.
pub struct Conn {
    reader: BufReader<TcpStream>,
    protocol: Protocol,
}

impl Conn {
    pub fn open(port: u16, protocol: Protocol) -> Result<Conn, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Conn { reader: BufReader::new(stream), protocol })
    }

    /// Appends a request for a key to what is to be sent.
    pub fn write_request(&self, ask: Ask, key: u32, out: &mut Vec<u8>) {
        let key = format!("k{key:0width$}", width = KEY_BYTES - 1);
        let head = match (self.protocol, ask) {
            (Protocol::Redis, Ask::Get) => format!("*2\r\n$3\r\nGET\r\n${KEY_BYTES}\r\n{key}\r\n"),
            (Protocol::Redis, Ask::Set(bytes)) => {
                format!("*3\r\n$3\r\nSET\r\n${KEY_BYTES}\r\n{key}\r\n${bytes}\r\n")
            }
            (Protocol::Memcached, Ask::Get) => format!("get {key}\r\n"),
            (Protocol::Memcached, Ask::Set(bytes)) => format!("set {key} 0 0 {bytes}\r\n"),
        };
        out.extend_from_slice(head.as_bytes());
        if let Ask::Set(bytes) = ask {
            out.resize(out.len() + bytes, b'v');
            out.extend_from_slice(b"\r\n");
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.reader.get_mut().write_all(bytes).map_err(|error| error.to_string())
    }

    /// The reply to a request for a key.
    pub fn found(&mut self) -> Result<Found, String> {
        if self.protocol == Protocol::Redis {
            return Ok(if self.reply()?.1 { Found::Value } else { Found::Nothing });
        }
        let line = self.line()?;
        let Some(head) = line.strip_prefix("VALUE ") else {
            return match line.trim_end() {
                "END" | "STORED" => Ok(Found::Nothing),
                // Now and then where it finds nothing to evict at once, and always for what is longer than its pages.
                "SERVER_ERROR out of memory storing object" | "SERVER_ERROR object too large for cache" => {
                    Ok(Found::Refused)
                }
                other => Err(format!("a reply was {other:?}")),
            };
        };
        let len = head.trim_end().rsplit(' ').next().and_then(|len| len.parse::<usize>().ok());
        self.bytes(len.ok_or_else(|| format!("a reply was {line:?}"))?)?;
        self.line()?;
        Ok(Found::Value)
    }

    /// The next reply of redis: its first line or its value, and whether a value came with it.
    pub fn reply(&mut self) -> Result<(String, bool), String> {
        let line = self.line()?;
        if line.starts_with('-') {
            return Err(format!("a reply was {line:?}"));
        }
        match line.strip_prefix('$').and_then(|len| len.trim().parse::<usize>().ok()) {
            Some(len) => Ok((String::from_utf8_lossy(&self.bytes(len)?).into_owned(), true)),
            None => Ok((line, false)),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.is_empty() { Err("the server closed the connection".to_owned()) } else { Ok(line) }
    }

    /// So many bytes and a line's end.
    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; len + 2];
        self.reader.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        bytes.truncate(len);
        Ok(bytes)
    }

    pub fn command(&mut self, words: &[&str]) -> Result<String, String> {
        let words_out = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        self.send(format!("*{}\r\n{}", words.len(), words_out.collect::<String>()).as_bytes())?;
        Ok(self.reply()?.0)
    }

    /// A number of INFO.
    pub fn field(&mut self, section: &str, name: &str) -> Result<u64, String> {
        let info = self.command(&["INFO", section])?;
        let field = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.and_then(|figure| figure.parse().ok()).ok_or_else(|| format!("INFO has no number {name}"))
    }

    /// What counts against `maxmemory`, bytes.
    pub fn used_by_entries(&mut self) -> Result<u64, String> {
        let clients = self.field("memory", "mem_not_counted_for_evict")?;
        Ok(self.field("memory", "used_memory")?.saturating_sub(clients))
    }

    /// How many entries the server holds.
    pub fn entries(&mut self) -> Result<u64, String> {
        if self.protocol == Protocol::Redis {
            let reply = self.command(&["DBSIZE"])?;
            return reply.trim().trim_start_matches(':').parse().map_err(|_| format!("DBSIZE: {reply}"));
        }
        self.stat("stats", "curr_items")
    }

    /// What is held against the limit on memory, bytes: of memcached the pages of its slab.
    pub fn held(&mut self) -> Result<u64, String> {
        match self.protocol {
            Protocol::Redis => self.used_by_entries(),
            Protocol::Memcached => self.stat("stats slabs", "total_malloced"),
        }
    }

    /// A number of memcached's statistics.
    fn stat(&mut self, request: &str, name: &str) -> Result<u64, String> {
        self.send(format!("{request}\r\n").as_bytes())?;
        let mut figure = None;
        loop {
            let line = self.line()?;
            if line.starts_with("END") {
                return figure.ok_or_else(|| format!("{request} has no {name}"));
            }
            let found =
                line.strip_prefix("STAT ").and_then(|stat| stat.strip_prefix(name)?.strip_prefix(' '));
            figure = figure.or(found.and_then(|figure| figure.trim().parse().ok()));
        }
    }
}
