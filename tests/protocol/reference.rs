//! The same bytes, well-formed and not, to a real redis-server and to Onefill: every byte of the
//! answer up to the end of the connection must be the same, at whatever place the bytes are cut.
//!
//! Needs redis-server (Debian: `apt-get install redis-server`). Servers are private to each test
//! and end with it.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(20);
const REPLY_WAIT: Duration = Duration::from_secs(10);
const PASSWORD: &str = "secret";

// ---- streams -------------------------------------------------------------------------------

/// Who ends the connection: we do after the last byte, or the server must on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ours,
    Servers,
}

/// What an open server is sent, cut at every byte.
const OPEN_STREAMS: &[(End, &[u8])] = &[
    (End::Ours, b"*1\r\n$4\r\nPING\r\n"),
    (End::Ours, b"*2\r\n$4\r\nECHO\r\n$12\r\nhello\r\nworld\r\n*1\r\n$4\r\nPING\r\n"),
    (End::Ours, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
    (End::Ours, b"PING\r\nPING\nping  \"a b\" \r\n \t PING 'x'\r\n"),
    (End::Ours, b"ECHO \"\\x41\\xfF\\n\\r\\t\\b\\a\\q\\\"\"\r\nECHO 'a\\'\\n'\r\nECHO \"\"\r\n"),
    (End::Ours, b"ECHO a\"b c\"\r\nECHO \"\\x4\\xg1\"\r\nECHO a\\n\r\nECHO \"a\"\x0b\r\n"),
    (End::Ours, b"ECHO a\x0bb\r\n\x0c\x0b PING\r\nPING\r\r\nECHO a\rb\r\n"),
    (End::Ours, b"\r\n\n  \r\n*0\r\n*-1\r\n*-99\r\nPING\r\n"),
    (End::Ours, b"*1\rX$4\rYPINGZZ*1\r\n$4\r\nPING\r\n"),
    (End::Ours, b"*1\r\n$0\r\n\r\nPING\r\n"),
    (End::Ours, b"nosuch a b\r\n*2\r\n$6\r\nno\r\nch\r\n$3\r\n\r\n!\r\n"),
    (End::Ours, b"GET\r\nPING a b c\r\n*1\r\n$3\r\nGET\r\n"),
    (End::Ours, b"GET / HTTP/1.1\r\n\r\n"),
    (End::Ours, b"+OK\r\n-ERR x\r\n:1\r\n$3\r\n"),
    (End::Ours, b"*2147483647\r\n$4\r\nPING\r\n"),
    (End::Ours, b"PI\0NG\r\nPING\r\n"),
    (End::Ours, b"*1\0\r\n$4\r\nPING\r\n"),
    (End::Ours, b"*1\r\n$4\0\r\nPING\r\n"),
    (End::Ours, b"*1\r\n\x004\r\nPING\r\n"),
    (End::Ours, b"*1\n$4\nPING\n"),
    (End::Ours, b"*2\r\n$4\r\nECHO\r\n$536870912\r\nabc"),
    (End::Ours, b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPIN"),
    (End::Ours, b"*2\r\n$4\r\nECHO\r\n$1\r\nabc\r\n$1\r\n"),
    (End::Servers, b"PING\r\nQUIT\r\nPING\r\n"),
    (End::Servers, b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n"),
    (End::Servers, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"),
    (End::Servers, b"Host: x\r\n"),
    (End::Servers, b"PING\r\n*\r\nPING\r\n"),
    (End::Servers, b"*1x\r\nPING\r\n"),
    (End::Servers, b"* 1\r\n"),
    (End::Servers, b"*+1\r\n"),
    (End::Servers, b"*01\r\n"),
    (End::Servers, b"*-0\r\n"),
    (End::Servers, b"**1\r\n"),
    (End::Servers, b"*1\nPING\r\n"),
    (End::Servers, b"*2147483648\r\n"),
    (End::Servers, b"*9223372036854775808\r\n"),
    (End::Servers, b"*999999999999999999999999\r\n"),
    (End::Servers, b"*3000000000\r\nPING\r\n"),
    (End::Servers, b"*1\r\nPING\r\n"),
    (End::Servers, b"*1\r\n:4\r\nPING\r\n"),
    (End::Servers, b"*1\r\n\r\n\r\n"),
    (End::Servers, b"*1\r\n\n\r\n"),
    (End::Servers, b"*1\r\n\xe9\r\n"),
    (End::Servers, b"*1\r\n*1\r\n$4\r\nPING\r\n"),
    (End::Servers, b"*2\r\n$4\r\nECHO\r\nx\r\n"),
    (End::Servers, b"*3\r\n$4\r\nECHO\r\n$1\r\nabc\r\n$1\r\n"),
    (End::Servers, b"*1\r\n$\r\n"),
    (End::Servers, b"*1\r\n$-1\r\n"),
    (End::Servers, b"*1\r\n$4x\r\nPING\r\n"),
    (End::Servers, b"*1\r\n$04\r\nPING\r\n"),
    (End::Servers, b"*1\r\n$ 4\r\nPING\r\n"),
    (End::Servers, b"*1\r\n$536870913\r\n"),
    (End::Servers, b"*1\r\n$9223372036854775807\r\n"),
    (End::Servers, b"PING\r\nECHO \"a\r\n"),
    (End::Servers, b"ECHO 'a\r\n"),
    (End::Servers, b"ECHO \"a\"b\r\n"),
    (End::Servers, b"ECHO 'a'b\r\n"),
    (End::Servers, b"ECHO \"a\\\"\r\n"),
    (End::Servers, b"ECHO \"a\\\r\n"),
];

/// What a server with a password is sent before (and after) AUTH.
const LOCKED_STREAMS: &[(End, &[u8])] = &[
    (End::Ours, b"PING\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n"),
    (End::Ours, b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n"),
    (End::Ours, b"*10\r\n$4\r\nMSET\r\n"),
    (End::Ours, b"*1\r\n$16384\r\nabc"),
    (End::Ours, b"PING 1 2 3 4 5 6 7 8 9 10 11 12\r\n"),
    (End::Ours, b"AUTH secret\r\n*12\r\n$4\r\nMSET\r\n"),
    (End::Ours, b"AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$16385\r\n"),
    (End::Servers, b"PING\r\n*11\r\n$4\r\nMSET\r\n"),
    (End::Servers, b"*2147483648\r\n"),
    (End::Servers, b"*2\r\n$4\r\nECHO\r\n$16385\r\n"),
    (End::Servers, b"*2\r\n$4\r\nECHO\r\n$536870913\r\n"),
    (End::Servers, b"AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$536870913\r\n"),
    (End::Servers, b"QUIT\r\n"),
];

/// Lines at and beyond the 64 KiB that a line may have. Redis passes longer ones if they happen
/// to arrive in one piece with their end, so those are left out.
fn long_streams() -> Vec<(End, Vec<u8>)> {
    const LIMIT: usize = 64 * 1024;
    let line = |before: &str, fill: u8, bytes: usize, end: &str| {
        [before.as_bytes(), &vec![fill; bytes], end.as_bytes()].concat()
    };
    vec![
        (End::Ours, line("ECHO ", b'x', LIMIT - 5, "\nPING\r\n")),
        (End::Ours, line("ECHO ", b'x', LIMIT - 6, "\r\nPING\r\n")),
        (End::Ours, line("", b'x', LIMIT, "")),
        (End::Servers, line("", b'x', LIMIT + 1, "")),
        (End::Servers, line("PING\r\n", b'x', 4 * LIMIT, "")),
        (End::Servers, line("\0", b'\n', LIMIT, "")),
        (End::Ours, line("*", b'1', LIMIT - 1, "")),
        (End::Servers, line("*", b'1', LIMIT - 1, "\r\n")),
        (End::Servers, line("*", b'1', LIMIT, "")),
        (End::Servers, line("*1\0\r\n", b'1', LIMIT, "")),
        (End::Ours, line("*1\r\n$", b'1', LIMIT - 1, "")),
        (End::Servers, line("*1\r\n$", b'1', LIMIT - 1, "\r\n")),
        (End::Servers, line("*1\r\n$", b'1', LIMIT, "")),
        (End::Servers, line("*1\r\n$4\0", b'\r', LIMIT, "")),
        (End::Ours, line("*2\r\n$4\r\nECHO\r\n$100000\r\n", b'x', 100_000, "\r\nPING\r\n")),
    ]
}

// ---- tests ---------------------------------------------------------------------------------

#[test]
fn an_open_server_answers_each_stream_like_redis_wherever_it_is_cut() {
    let pair = Pair::start(&[]);
    compare_at_every_cut(&pair, OPEN_STREAMS);
}

#[test]
fn a_locked_server_answers_each_stream_like_redis_wherever_it_is_cut() {
    let pair = Pair::start(&["--requirepass", PASSWORD]);
    compare_at_every_cut(&pair, LOCKED_STREAMS);
}

#[test]
fn long_lines_are_answered_like_redis() {
    let pair = Pair::start(&[]);
    for (end, stream) in long_streams() {
        let middle = stream.len() / 2;
        let (left, right) = stream.split_at(middle);
        for pieces in [vec![&stream[..]], vec![left, right], stream.chunks(1400).collect()] {
            pair.compare(&pieces, end);
        }
    }
}

#[test]
fn random_streams_are_answered_like_redis() {
    let open = Pair::start(&[]);
    let locked = Pair::start(&["--requirepass", PASSWORD]);
    // A failure may cost a whole wait, so the search for a smaller one is short.
    let config =
        Config { cases: 1000, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let case = (any_stream(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    let outcome = TestRunner::new(config).run(&case, |(stream, cuts)| {
        for pair in [&open, &locked] {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            pair.compare_as_redis_ends_it(&pieces);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn compare_at_every_cut(pair: &Pair, streams: &[(End, &[u8])]) {
    for &(end, stream) in streams {
        for cut in 1..=stream.len() {
            let (left, right) = stream.split_at(cut);
            pair.compare(&[left, right], end);
        }
        pair.compare(&stream.chunks(1).collect::<Vec<_>>(), end);
    }
}

/// A few requests, some of them damaged, and noise. Only commands without side effects that last
/// or differ from run to run.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => prop::sample::select(vec!["PING", "ECHO", "GET", "SET", "k", "AUTH", PASSWORD])
            .prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let request = prop::collection::vec(word, 1..4).prop_map(|args| {
        let mut wire = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            wire.extend(format!("${}\r\n", arg.len()).bytes());
            wire.extend(arg);
            wire.extend(b"\r\n");
        }
        wire
    });
    let damaged = (request.clone(), any::<prop::sample::Index>(), any::<u8>(), 0..3u8).prop_map(
        |(mut wire, at, byte, damage)| {
            let at = at.index(wire.len());
            match damage {
                0 => wire[at] = byte,
                1 => wire.insert(at, byte),
                _ => drop(wire.remove(at)),
            }
            wire
        },
    );
    let fragment = prop_oneof![
        4 => request,
        2 => damaged,
        2 => "(ECHO|PING|GET|)[ab \t\"'x41\\\\]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => "(\\*[-+ 0-3]{0,4}\r\n)?(\\$[-+ 0-3]{0,6}\r\n)?[a-c]{0,6}(\r\n)?"
            .prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(fragment, 1..6).prop_map(|fragments| fragments.concat())
}

// ---- servers -------------------------------------------------------------------------------

/// The reference and ourselves, started with the same settings.
struct Pair {
    redis: Peer,
    onefill: Peer,
}

impl Pair {
    fn start(settings: &[&str]) -> Self {
        Self { redis: Peer::redis(settings), onefill: Peer::onefill(settings) }
    }

    fn compare(&self, pieces: &[&[u8]], end: End) {
        let expected = self.redis.exchange(pieces, end);
        self.compare_with(&expected, pieces, end);
    }

    /// The same where only the reference's answer tells who ends the connection.
    fn compare_as_redis_ends_it(&self, pieces: &[&[u8]]) {
        let expected = self.redis.exchange(pieces, End::Ours);
        let last_line = expected.rsplit(|&byte| byte == b'\n').nth(1).unwrap_or_default();
        let refused = last_line.starts_with(b"-ERR Protocol error");
        let end = if refused { End::Servers } else { End::Ours };
        self.compare_with(&expected, pieces, end);
    }

    fn compare_with(&self, expected: &[u8], pieces: &[&[u8]], end: End) {
        let found = self.onefill.exchange(pieces, end);
        assert!(
            found == expected,
            "{} answers b\"{}\"\n{} answers b\"{}\"\nto {}",
            self.redis.name,
            expected.escape_ascii(),
            self.onefill.name,
            found.escape_ascii(),
            shown(pieces),
        );
    }
}

fn shown(pieces: &[&[u8]]) -> String {
    let stream = pieces.concat();
    let start = &stream[..stream.len().min(400)];
    let cuts: Vec<usize> = pieces.iter().map(|piece| piece.len()).take(20).collect();
    format!("b\"{}\" ({} bytes, in pieces of {cuts:?} …)", start.escape_ascii(), stream.len())
}

/// A running server, ended with this value.
struct Peer {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// A second connection, which tells when the server has been round its connections.
    control: TcpStream,
}

impl Peer {
    fn redis(settings: &[&str]) -> Self {
        // Nothing holds the free port until the server takes it, so somebody else may.
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            command.args(["--save", "", "--appendonly", "no", "--dir", env!("CARGO_TARGET_TMPDIR")]);
            command.args(settings);
            let ready = |line: &str| line.contains("Ready to accept connections").then_some(port);
            if let Some(peer) = Self::start("redis-server", &mut command, ready) {
                return peer;
            }
        }
        panic!("redis-server ends at once, five times in a row");
    }

    fn onefill(settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onefill"));
        command.args(["--port", "0", "--bind", "127.0.0.1"]).args(settings);
        let port = |line: &str| {
            let (_, port) = line.split_once("listening on 127.0.0.1:")?;
            let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            port[..digits].parse().ok()
        };
        Self::start("onefill", &mut command, port).expect("onefill ends at once")
    }

    /// Starts a server and waits for the log line in which `port_in` finds its port; `None` if it
    /// ends before.
    fn start(
        name: &'static str,
        command: &mut Command,
        port_in: impl Fn(&str) -> Option<u16>,
    ) -> Option<Self> {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match piped.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("{name} is not installed: apt-get install redis-server")
            }
            spawned => spawned.expect("a server can be started"),
        };
        let (sender, lines) = channel();
        forward_lines(child.stdout.take(), sender.clone());
        forward_lines(child.stderr.take(), sender);
        let Some(port) = first_port(&lines, port_in) else {
            end(&mut child);
            return None;
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let control = connect(address);
        Some(Self { name, child, address, control })
    }

    /// Sends `pieces` on a new connection, each read by the server before the next (as far as one
    /// can tell from outside), and returns all it answers until the connection is over.
    fn exchange(&self, pieces: &[&[u8]], end: End) -> Vec<u8> {
        let mut stream = connect(self.address);
        for (turn, piece) in pieces.iter().filter(|piece| !piece.is_empty()).enumerate() {
            if turn > 0 {
                self.go_round();
            }
            // A server that has closed the connection takes no more; its answer is there.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        if end == End::Ours {
            drop(stream.shutdown(Shutdown::Write));
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!(
                "{} leaves the connection open ({error}) after b\"{}\" to {}",
                self.name,
                answer.escape_ascii(),
                shown(pieces),
            ),
            _ => answer,
        }
    }

    /// One request and reply on the control connection (an error, where a password is set).
    fn go_round(&self) {
        let mut control = &self.control;
        control.write_all(b"PING\r\n").expect("the server lives");
        let mut reply = Vec::new();
        while reply.last() != Some(&b'\n') {
            let mut bytes = [0; 256];
            let count = control.read(&mut bytes).expect("the server answers in time");
            assert!(count > 0, "{} ended", self.name);
            reply.extend_from_slice(&bytes[..count]);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself; either way it is gone after this.
    drop(child.kill());
    drop(child.wait());
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, REPLY_WAIT).expect("the server accepts");
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(REPLY_WAIT)).expect("a socket option");
    stream.set_write_timeout(Some(REPLY_WAIT)).expect("a socket option");
    stream
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound listener").port()
}

/// Reads a server's output to its end, so that it never blocks on a full pipe.
fn forward_lines(output: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let output = BufReader::new(output.expect("piped"));
    thread::spawn(move || {
        for line in output.split(b'\n').map_while(Result::ok) {
            // After the start nobody listens any more.
            drop(lines.send(String::from_utf8_lossy(&line).into_owned()));
        }
    });
}

/// The first port found in `lines`; `None` if they end without. Panics when it takes too long.
fn first_port(lines: &Receiver<String>, port_in: impl Fn(&str) -> Option<u16>) -> Option<u16> {
    let deadline = Instant::now() + START_WAIT;
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(port) = port_in(&line) {
            return Some(port);
        }
        seen.push(line);
    }
    assert!(Instant::now() < deadline, "not ready within {START_WAIT:?}: {seen:#?}");
    eprintln!("ended at its start: {seen:#?}");
    None
}
