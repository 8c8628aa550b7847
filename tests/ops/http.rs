//! A server with its door open, and requests to it as a browser or a scraper sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use onefill::base::clock::Clock;
use onefill::config::Settings;
use onefill::server::{Running, Server};

use crate::support::{Conn, PATIENCE};

/// A server with two workers, a clock that the test holds, and its door.
pub struct Opened {
    pub running: Running,
    pub clock: Clock,
    pub door: SocketAddr,
}

/// What the door answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A port that was free a moment ago: port 0 says that there is no door.
pub fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr());
    probe.expect("a free port").port()
}

impl Opened {
    pub fn start() -> Opened {
        Opened::start_with(|_| {})
    }

    pub fn start_with(change: impl Fn(&mut Settings)) -> Opened {
        // Another test may take the port in between; then the next one is tried.
        let started = (0..10).find_map(|_| {
            let mut settings = Settings {
                port: 0,
                bind: vec!["127.0.0.1".to_owned()],
                io_threads: 2,
                ..Settings::default()
            };
            settings.metrics.port = free_port();
            settings.metrics.bind = vec!["127.0.0.1".to_owned()];
            change(&mut settings);
            let clock = Clock::manual(crate::support::EPOCH_MS);
            Server::start(settings, clock.clone()).ok().map(|running| (running, clock))
        });
        let (running, clock) = started.expect("a server with its door");
        let door = running.metrics_addrs()[0];
        Opened { running, clock, door }
    }

    pub fn connect(&self) -> Conn {
        Conn::open(self.running.tcp_addr())
    }

    /// Asks for a path, with further lines of the head.
    pub fn get(&self, path: &str, head: &str) -> Reply {
        get_from(self.door, path, head)
    }

    /// Sends these bytes, and reads until the door closes.
    pub fn ask(&self, bytes: &str) -> Reply {
        ask(self.door, bytes)
    }

    pub fn reach(&self) -> TcpStream {
        reach(self.door)
    }
}

/// Asks whoever listens there for a path, with further lines of the head.
pub fn get_from(door: SocketAddr, path: &str, head: &str) -> Reply {
    ask(door, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n"))
}

fn ask(door: SocketAddr, bytes: &str) -> Reply {
    let mut stream = reach(door);
    // A refusal may come before all is sent.
    let _ = stream.write_all(bytes.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    Reply::parse(&String::from_utf8_lossy(&text))
}

fn reach(door: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(door).expect("the door is open");
    stream.set_read_timeout(Some(PATIENCE * 2)).expect("a time-out");
    stream
}

impl Reply {
    fn parse(text: &str) -> Reply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

/// The lines of a stream of events until `enough` says so.
pub fn read_events(stream: &mut TcpStream, mut enough: impl FnMut(&str) -> bool) -> String {
    let mut text = String::new();
    let mut piece = [0; 16 * 1024];
    while !enough(&text) {
        let read = stream.read(&mut piece).expect("the stream goes on");
        assert!(read > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    text
}

/// Some time that the door may take at most for what ends a connection.
pub const LONG: Duration = Duration::from_secs(20);
