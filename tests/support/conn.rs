//! A blocking client connection and the four-element reply of FILL.GET.
//!
//! Every read is bounded by `PATIENCE`; nothing here sleeps. A `Conn` may pipeline: `send` and `ask` only
//! write, `reply` and `answer` only read, and replies come in the order of the commands.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use super::PATIENCE;
use super::resp::{Value, decode, shown};

/// A connection to the server under test.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    received: Vec<u8>,
    /// How much of `received` was decoded.
    used: usize,
}

impl Conn {
    pub fn open(addr: SocketAddr) -> Conn {
        Conn::over(TcpStream::connect(addr).expect("the server accepts"))
    }

    /// A connection for which little waits in the kernel: what it does not read, the server keeps.
    pub fn open_slow(addr: SocketAddr) -> Conn {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.set_recv_buffer_size(32 * 1024).expect("a buffer size");
        socket.connect(&addr.into()).expect("the server accepts");
        Conn::over(TcpStream::from(socket))
    }

    pub fn over(stream: TcpStream) -> Conn {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_nodelay(true).expect("no-delay can be set");
        Conn { stream, received: Vec::new(), used: 0 }
    }

    /// Writes one request and waits for nothing.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.send_raw(&request(args));
    }

    /// Writes several requests, given as words, in one go.
    pub fn pipeline<L: AsRef<str>>(&mut self, lines: &[L]) {
        let frames = lines.iter().map(|line| request(&words(line.as_ref())));
        self.send_raw(&frames.collect::<Vec<_>>().concat());
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// As `send_raw`, for a server that may be gone.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply.
    #[track_caller]
    pub fn reply(&mut self) -> Value {
        self.next_reply().unwrap_or_else(|what| panic!("{what}"))
    }

    /// The next reply, or what came in its place.
    pub fn next_reply(&mut self) -> Result<Value, String> {
        loop {
            if let Some((value, length)) = decode(&self.received[self.used..]) {
                self.used += length;
                return Ok(value);
            }
            self.fill_buffer()?;
        }
    }

    /// Exactly `count` raw bytes of what comes next.
    #[track_caller]
    pub fn raw(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() - self.used < count {
            self.fill_buffer().unwrap_or_else(|what| {
                panic!("{what}; received only {}", shown(&self.received[self.used..]))
            });
        }
        let from = self.used;
        self.used += count;
        self.received[from..self.used].to_vec()
    }

    fn fill_buffer(&mut self) -> Result<(), String> {
        self.received.drain(..std::mem::take(&mut self.used));
        let mut chunk = vec![0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            // A process that was stopped and goes on.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(format!("no reply within {PATIENCE:?}"))
            }
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }

    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.send(args);
        self.reply()
    }

    /// Sends a request written as blank-separated words.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        self.call(&words(line))
    }

    /// As `run`; the reply as text (`nil`, `OK`, `1`, an error's message …).
    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        self.run(line).text()
    }

    /// As `run`, for a request that must be refused; returns the error's text.
    #[track_caller]
    pub fn error(&mut self, line: &str) -> String {
        match self.run(line) {
            Value::Error(text) => text,
            other => panic!("`{line}` must be refused, got {other:?}"),
        }
    }

    /// Writes `FILL.GET <line>` and waits for nothing.
    pub fn ask(&mut self, line: &str) {
        self.send(&words(&format!("FILL.GET {line}")));
    }

    /// The next reply, which must be one of FILL.GET.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        Answer::of(&self.reply())
    }

    /// `FILL.GET <line>` and its answer.
    #[track_caller]
    pub fn get(&mut self, line: &str) -> Answer {
        self.ask(line);
        self.answer()
    }

    /// `FILL.GET <line>`, which must be answered LEAD; returns the token.
    #[track_caller]
    pub fn lead(&mut self, line: &str) -> String {
        self.get(line).expect("LEAD").into_token()
    }

    /// `FILL.MGET <line>`: one answer per key.
    #[track_caller]
    pub fn mget(&mut self, line: &str) -> Vec<Answer> {
        self.send(&words(&format!("FILL.MGET {line}")));
        self.answers()
    }

    /// The next reply, which must be one of FILL.MGET.
    #[track_caller]
    pub fn answers(&mut self) -> Vec<Answer> {
        self.reply().array().iter().map(Answer::of).collect()
    }

    /// Whether something can be read now.
    pub fn has_bytes(&mut self) -> bool {
        if self.used < self.received.len() {
            return true;
        }
        self.stream.set_nonblocking(true).expect("the socket can be asked");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("the socket can be asked");
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Nothing was sent to this connection yet. Put a barrier before it: a reply on another connection
    /// that proves that whatever could have answered this one has been done.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        if self.has_bytes() {
            panic!("expected silence, got {:?}", self.next_reply());
        }
    }

    /// Every command was answered once: the next reply is the one of this PING.
    #[track_caller]
    pub fn expect_nothing_more(&mut self) {
        assert_eq!(self.say("PING"), "PONG");
    }

    /// The same connection once more, for another thread to write to.
    pub fn second_handle(&self) -> Conn {
        Conn::over(self.stream.try_clone().expect("a second handle"))
    }

    /// Closes the sending side alone: nothing more will be asked, replies are still read.
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the sending side closes");
    }

    /// The server closes the connection, with nothing more to read.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        match self.next_reply() {
            Ok(value) => panic!("expected the end of the connection, got {value:?}"),
            Err(what) => assert!(!what.contains("within"), "{what}"),
        }
    }

    /// CLIENT ID of this connection.
    #[track_caller]
    pub fn id(&mut self) -> i64 {
        self.run("CLIENT ID").int()
    }

    /// Closes both directions; the server learns of it soon after.
    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A request as RESP writes it.
pub fn request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

/// `[status, value, token, ms]`.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: String,
    pub value: Option<Vec<u8>>,
    pub token: Option<String>,
    pub ms: i64,
}

impl Answer {
    /// Reads a reply and checks what holds for every status: four elements and their types, a token
    /// with LEAD and REFRESH only, a value where section 3 has one.
    #[track_caller]
    pub fn of(reply: &Value) -> Answer {
        let Value::Array(parts) = reply else { panic!("expected four elements, got {reply:?}") };
        let [status, value, token, ms] = parts.as_slice() else {
            panic!("expected four elements, got {reply:?}")
        };
        let answer = Answer {
            status: status.text(),
            value: optional_bulk(value, reply),
            token: optional_bulk(token, reply)
                .map(|token| String::from_utf8(token).expect("tokens are text")),
            ms: ms.int(),
        };
        let leads = matches!(answer.status.as_str(), "LEAD" | "REFRESH");
        assert_eq!(answer.token.is_some(), leads, "a token comes with LEAD and REFRESH: {reply:?}");
        match answer.status.as_str() {
            "HIT" | "REFRESH" | "STALE" => assert!(answer.value.is_some(), "no value: {reply:?}"),
            "LEAD" | "NONE" | "PASS" | "WAIT" | "SELF" => assert_eq!(answer.value, None, "{reply:?}"),
            "FAIL" => {}
            _ => panic!("unknown status: {reply:?}"),
        }
        answer
    }

    pub fn hit(value: &str, ms: i64) -> Answer {
        Answer::without_token("HIT", Some(value), ms)
    }

    pub fn stale(value: &str, ms: i64) -> Answer {
        Answer::without_token("STALE", Some(value), ms)
    }

    pub fn fail(message: &str, ms: i64) -> Answer {
        Answer::without_token("FAIL", Some(message), ms)
    }

    pub fn none(ms: i64) -> Answer {
        Answer::without_token("NONE", None, ms)
    }

    pub fn pass(ms: i64) -> Answer {
        Answer::without_token("PASS", None, ms)
    }

    pub fn leading(ms: i64) -> Answer {
        Answer::without_token("SELF", None, ms)
    }

    fn without_token(status: &str, value: Option<&str>, ms: i64) -> Answer {
        Answer {
            status: status.to_owned(),
            value: value.map(|value| value.as_bytes().to_vec()),
            token: None,
            ms,
        }
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: &str) -> Answer {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// It is WAIT and says for how long to stay away.
    #[track_caller]
    pub fn expect_stay_away(self) {
        assert!(self.status == "WAIT" && self.ms >= 10, "{self:?}");
    }

    /// It is WAIT after the caller was parked, and says that it may ask again at once.
    #[track_caller]
    pub fn expect_wait_over(self) {
        assert!(self.status == "WAIT" && self.ms == 0, "{self:?}");
    }

    /// It is PASS because of a limit: the caller computes for itself.
    #[track_caller]
    pub fn expect_shed(self) {
        assert!(self.status == "PASS" && self.ms == 100, "{self:?}");
    }

    #[track_caller]
    pub fn into_token(self) -> String {
        self.token.expect("a token")
    }

    /// The value as text.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.value.clone().expect("a value")).expect("text")
    }
}

fn optional_bulk(part: &Value, reply: &Value) -> Option<Vec<u8>> {
    match part {
        Value::Nil => None,
        Value::Bulk(bytes) => Some(bytes.clone()),
        _ => panic!("value and token are bulk strings or nil: {reply:?}"),
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().map_or("nil".to_owned(), shown);
        write!(f, "[{}, {value}, {}, {}]", self.status, self.token.as_deref().unwrap_or("nil"), self.ms)
    }
}
