//! One caller: random requests on few keys, several of them on the way at once, and what misbehaving
//! clients do: connections closed under way, tokens used twice or too late, replies read slowly.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::record::{Nanos, Note, Notes, Op, Said, With, now};
use super::request::{Request, Shape, name, text, transaction, words};
use super::support::Conn;
use super::support::conn::request;

/// The keys of the traffic; `PAIR` are only ever written together.
pub const KEYS: u32 = 4;
pub const PAIR: (u32, u32) = (8, 9);
/// Requests on the way at once, at most.
const DEPTH_MAX: usize = 4;
/// Tokens a caller keeps to use them later, or once more.
const TOKENS_MAX: usize = 6;

/// How a caller behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// One in so many steps closes the connection with whatever is on the way; 0: never.
    pub hangs_up: u32,
    /// Waits before it reads, with a small buffer.
    pub is_slow: bool,
    /// It may be stopped from outside: its instants say nothing of the server's delays.
    pub is_stopped: bool,
    /// The largest value, bytes.
    pub value_bytes: usize,
}

pub struct Caller<'n> {
    addr: SocketAddr,
    manner: Manner,
    random: fastrand::Rng,
    notes: &'n mut dyn Notes,
    conn: Conn,
    /// Numbers of the connection, the last call and the last value; unique in the whole run.
    conn_number: u64,
    last_call: u64,
    last_value: u64,
    on_the_way: VecDeque<(u64, Request)>,
    tokens: VecDeque<(u32, String)>,
}

impl<'n> Caller<'n> {
    /// A caller whose choices follow from `seed` and its number.
    pub fn new(addr: SocketAddr, number: u64, seed: u64, manner: Manner, notes: &'n mut dyn Notes) -> Self {
        let first = number << 32;
        Caller {
            addr,
            manner,
            random: fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            notes,
            conn: connect(addr, manner),
            conn_number: first,
            last_call: first,
            last_value: first,
            on_the_way: VecDeque::new(),
            tokens: VecDeque::new(),
        }
    }

    /// Calls until `until`, then reads what is still on the way.
    pub fn run(mut self, until: Nanos) {
        while now() < until {
            let depth = self.random.usize(1..=DEPTH_MAX);
            while self.on_the_way.len() < depth {
                self.call();
            }
            if self.manner.hangs_up > 0 && self.random.u32(..self.manner.hangs_up) == 0 {
                self.hang_up();
            } else if !self.read() {
                return;
            }
        }
        while !self.on_the_way.is_empty() {
            if !self.read() {
                return;
            }
        }
        self.conn.expect_nothing_more();
        self.close();
    }

    fn call(&mut self) {
        let request = self.choose();
        self.last_call += 1;
        self.notes.note(Note::Begin {
            call: self.last_call,
            conn: self.conn_number,
            at: now(),
            is_timely: !self.manner.is_slow && !self.manner.is_stopped,
            ops: request.ops.clone(),
        });
        self.conn.send_raw(&request.frame);
        self.on_the_way.push_back((self.last_call, request));
    }

    /// Reads the next reply; false if none came, which the rules will see.
    fn read(&mut self) -> bool {
        if self.manner.is_slow {
            // Its pace, not a wait for something: replies pile up at the server meanwhile.
            thread::sleep(Duration::from_millis(self.random.u64(..60)));
        }
        let Some((call, request)) = self.on_the_way.pop_front() else { return true };
        let mut reply = self.conn.next_reply();
        for _ in 0..request.replies_ahead() {
            reply = reply.and_then(|_| self.conn.next_reply());
        }
        let reply = match reply {
            Ok(reply) => reply,
            Err(what) => {
                eprintln!("connection {}: {what}", self.conn_number);
                return false;
            }
        };
        let at = now();
        let said = request.said(&reply);
        for ((key, _), said) in request.ops.iter().zip(&said) {
            if let Said::Told { token: Some(token), .. } = said {
                self.tokens.push_back((*key, token.clone()));
            }
        }
        while self.tokens.len() > TOKENS_MAX {
            self.tokens.pop_front();
        }
        self.notes.note(Note::End { call, at, said });
        true
    }

    /// Closes the connection without reading what is on the way, and opens another.
    fn hang_up(&mut self) {
        self.on_the_way.clear();
        self.close();
        self.conn_number += 1;
    }

    fn close(&mut self) {
        let from = now();
        let closed = std::mem::replace(&mut self.conn, connect(self.addr, self.manner));
        closed.close();
        self.notes.note(Note::Closed { conn: self.conn_number, from, to: now() });
    }

    fn choose(&mut self) -> Request {
        let key = self.random.u32(..KEYS);
        match self.random.u32(..100) {
            0..34 => self.one(key, |caller| Op::Get { wait_ms: caller.wait_ms() }),
            34..38 => self.fill_mget(),
            38..62 => self.use_token(key),
            62..69 => self.one(key, |caller| caller.write()),
            69..79 => self.one(key, |_| Op::Delete),
            79..82 => self.one(key, |_| Op::Soften),
            82..88 => self.one(key, |_| Op::Read),
            88..91 => self.mget(&[0, 1, 2]),
            91..93 => self.mget(&[PAIR.0, PAIR.1]),
            93..95 => self.mset(),
            95..99 => self.multi(),
            _ => self.flush(),
        }
    }

    fn wait_ms(&mut self) -> u64 {
        [0, 20, 100, 300, 2000][self.random.usize(..5)]
    }

    /// Milliseconds of a TTL or lease, and of a grace or RETRY.
    fn px(&mut self) -> (u64, u64) {
        (self.random.u64(10..400), if self.random.bool() { 0 } else { self.random.u64(1..150) })
    }

    fn value_bytes(&mut self) -> usize {
        self.random.usize(..=self.manner.value_bytes)
    }

    fn next_value(&mut self) -> u64 {
        self.last_value += 1;
        self.last_value
    }

    fn write(&mut self) -> Op {
        Op::Write { value: self.next_value(), fades: self.random.u32(..4) == 0 }
    }

    fn one(&mut self, key: u32, op: impl FnOnce(&mut Self) -> Op) -> Request {
        let op = op(self);
        let words = words(key, &op, self.value_bytes(), self.px());
        Request { ops: vec![(key, op)], frame: request(&words), shape: Shape::One }
    }

    /// Answers a token, mostly for the first time, or renews it.
    fn use_token(&mut self, key: u32) -> Request {
        if self.tokens.is_empty() {
            return self.one(key, |caller| Op::Get { wait_ms: caller.wait_ms() });
        }
        let newest = self.tokens.len() - 1;
        let at = if self.random.u32(..3) > 0 { newest } else { self.random.usize(..=newest) };
        let (key, token) = self.tokens[at].clone();
        let with = match self.random.u32(..20) {
            0..13 => With::Put { value: self.next_value(), fades: self.random.u32(..3) == 0 },
            13..14 => With::None,
            14..15 => With::Pass,
            15..18 => With::Fail,
            _ => return self.one(key, |_| Op::Renew { token }),
        };
        // What is kept is sent again some time.
        if self.random.u32(..5) > 0 {
            self.tokens.remove(at);
        }
        self.one(key, |_| Op::Answer { token, with })
    }

    fn fill_mget(&mut self) -> Request {
        let wait_ms = self.wait_ms().min(300);
        let first = self.random.u32(..KEYS);
        let keys = [first, (first + 1) % KEYS];
        let mut words = vec!["FILL.MGET".to_owned(), keys.len().to_string()];
        words.extend(keys.map(name));
        words.extend(["WAIT".to_owned(), wait_ms.to_string(), "LEASE".to_owned(), "100".to_owned()]);
        let ops = keys.map(|key| (key, Op::Get { wait_ms })).to_vec();
        Request { ops, frame: request(&words), shape: Shape::Each }
    }

    fn mget(&mut self, keys: &[u32]) -> Request {
        let words: Vec<String> =
            std::iter::once("MGET".to_owned()).chain(keys.iter().map(|key| name(*key))).collect();
        let ops = keys.iter().map(|key| (*key, Op::Read)).collect();
        Request { ops, frame: request(&words), shape: Shape::Each }
    }

    /// Writes the pair, or two of the other keys.
    fn mset(&mut self) -> Request {
        let keys = if self.random.bool() { [PAIR.0, PAIR.1] } else { [1, 0] };
        let value = self.next_value();
        let mut words = vec![b"MSET".to_vec()];
        for key in keys {
            words.extend([name(key).into_bytes(), text(key, value, self.manner.value_bytes.min(64))]);
        }
        let ops = keys.map(|key| (key, Op::Write { value, fades: false })).to_vec();
        Request { ops, frame: request(&words), shape: Shape::Whole }
    }

    /// The pair is written or read, or keys are read, written, deleted and asked for, all at one moment.
    fn multi(&mut self) -> Request {
        let value = self.next_value();
        let write = |key| (key, Op::Write { value, fades: false });
        let ops = match self.random.u32(..4) {
            0 => vec![write(PAIR.1), write(PAIR.0)],
            1 => vec![(PAIR.1, Op::Read), (PAIR.0, Op::Read)],
            2 => vec![(0, Op::Read), write(1), (2, Op::Delete)],
            _ => vec![(3, Op::Get { wait_ms: 0 }), (0, Op::Delete)],
        };
        let px = self.px();
        let commands: Vec<_> = ops.iter().map(|(key, op)| words(*key, op, 0, px)).collect();
        Request { ops, frame: transaction(&commands), shape: Shape::Transaction }
    }

    fn flush(&mut self) -> Request {
        let keys = (0..KEYS).chain([PAIR.0, PAIR.1]);
        let command = ["FLUSHALL", "FLUSHDB"][self.random.usize(..2)];
        Request {
            ops: keys.map(|key| (key, Op::Delete)).collect(),
            frame: request(&[command]),
            shape: Shape::Whole,
        }
    }
}

fn connect(addr: SocketAddr, manner: Manner) -> Conn {
    if !manner.is_slow {
        return Conn::open(addr);
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a buffer size");
    socket.connect(&addr.into()).expect("the server accepts");
    Conn::over(TcpStream::from(socket))
}
