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
    Set,
}

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
    pub fn write_request(&self, ask: Ask, key: u32, value: &str, out: &mut Vec<u8>) {
        let bytes = value.len();
        let request = match (self.protocol, ask) {
            (Protocol::Redis, Ask::Get) => format!("*2\r\n$3\r\nGET\r\n$12\r\nk{key:011}\r\n"),
            (Protocol::Redis, Ask::Set) => {
                format!("*3\r\n$3\r\nSET\r\n$12\r\nk{key:011}\r\n${bytes}\r\n{value}\r\n")
            }
            (Protocol::Memcached, Ask::Get) => format!("get k{key:011}\r\n"),
            (Protocol::Memcached, Ask::Set) => format!("set k{key:011} 0 0 {bytes}\r\n{value}\r\n"),
        };
        out.extend_from_slice(request.as_bytes());
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.reader.get_mut().write_all(bytes).map_err(|error| error.to_string())
    }

    /// The reply to a request for a key: whether a value came.
    pub fn found(&mut self) -> Result<bool, String> {
        if self.protocol == Protocol::Redis {
            return Ok(self.reply()?.1);
        }
        let line = self.line()?;
        let Some(head) = line.strip_prefix("VALUE ") else {
            return match line.trim_end() {
                // memcached refuses a value now and then where it finds nothing to evict at once.
                "END" | "STORED" | "SERVER_ERROR out of memory storing object" => Ok(false),
                other => Err(format!("a reply was {other:?}")),
            };
        };
        let len = head.trim_end().rsplit(' ').next().and_then(|len| len.parse::<usize>().ok());
        self.bytes(len.ok_or_else(|| format!("a reply was {line:?}"))?)?;
        self.line()?;
        Ok(true)
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
        self.send(b"stats\r\n")?;
        let mut entries = None;
        loop {
            let line = self.line()?;
            if line.starts_with("END") {
                return entries.ok_or_else(|| "stats has no curr_items".to_owned());
            }
            let figure = line.strip_prefix("STAT curr_items ");
            entries = entries.or(figure.and_then(|figure| figure.trim().parse().ok()));
        }
    }
}
