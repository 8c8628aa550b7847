//! One connection: bytes out as the socket takes them, replies in, and what each burst waited for.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use mio::net::TcpStream;

use crate::figures::Figures;
use crate::options::Options;
use crate::replies::Reader;
use crate::requests::Requests;

/// Requests that left together.
struct Burst {
    /// When they were due to leave.
    due: Instant,
    /// Replies, counted over the connection's life, with which the burst is answered.
    until: u64,
}

pub struct Connection {
    pub stream: TcpStream,
    reader: Reader,
    /// Bytes to be sent, then the shared piece and its line end, unless that is empty.
    head: Vec<u8>,
    /// Bytes of these that are sent.
    sent: usize,
    /// A line of a reply that is not complete yet.
    partial: Vec<u8>,
    awaited: VecDeque<Burst>,
    asked: u64,
    answered: u64,
}

impl Connection {
    pub fn open(options: &Options) -> io::Result<Connection> {
        let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, options.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: TcpStream::from_std(stream),
            reader: Reader::new(options),
            head: Vec::new(),
            sent: 0,
            partial: Vec::new(),
            awaited: VecDeque::new(),
            asked: 0,
            answered: 0,
        })
    }

    pub fn is_idle(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Sends the next burst, as far as the socket takes it.
    pub fn send(&mut self, requests: &mut Requests, due: Instant) -> io::Result<()> {
        let count = requests.write_burst(&mut self.head);
        if count > 0 {
            self.asked += count;
            self.awaited.push_back(Burst { due, until: self.asked });
        }
        self.flush(requests.body())
    }

    /// Sends what is left to be sent; `body` is the shared piece.
    pub fn flush(&mut self, body: &[u8]) -> io::Result<()> {
        let tail: &[u8] = if body.is_empty() { b"" } else { b"\r\n" };
        let end = self.head.len() + body.len() + tail.len();
        while self.sent < end && !self.head.is_empty() {
            let mut skip = self.sent;
            let pieces = [&self.head[..], body, tail].map(|piece| {
                let cut = skip.min(piece.len());
                skip -= cut;
                IoSlice::new(&piece[cut..])
            });
            match self.stream.write_vectored(&pieces) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.head.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads what is there and notes the bursts that are answered with it.
    pub fn receive(&mut self, buffer: &mut [u8], figures: &mut Figures) -> io::Result<()> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.take_in(&buffer[..read], figures);
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    fn take_in(&mut self, bytes: &[u8], figures: &mut Figures) {
        let before = figures.tally.replies;
        if self.partial.is_empty() {
            let used = self.reader.read(bytes, &mut figures.tally);
            self.partial.extend_from_slice(&bytes[used..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let used = self.reader.read(&self.partial, &mut figures.tally);
            self.partial.drain(..used);
        }
        self.answered += figures.tally.replies - before;
        let now = Instant::now();
        while self.awaited.front().is_some_and(|burst| burst.until <= self.answered)
            && let Some(burst) = self.awaited.pop_front()
        {
            figures.note_latency(now - burst.due);
        }
    }
}
