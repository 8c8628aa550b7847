//! The real code without sockets: sessions whose requests go through the commands' batch layer and whose replies
//! come out of the connection's reply queue, on a clock that the test holds.
//!
//! What a connection and its worker do by hand is in `desk`; here is when it happens.

use std::collections::VecDeque;

use onefill::base::metrics::Counter;
use onefill::commands::groups;
use onefill::config::Settings;
use onefill::dispatch::batch::Batch;
use onefill::dispatch::bench::Bench;
use onefill::dispatch::shared::Shared;
use onefill::protocol::request::{Parser, RequestLimits};

use super::desk::{Desk, at_bench, shard_of};
use super::resp::{self, Value};

/// A server's inside.
pub struct Real {
    shared: Shared,
    pub conns: Vec<Connection>,
    batch: Batch,
}

/// A connection and its client.
pub struct Connection {
    desk: Desk,
    /// Its socket takes no more bytes.
    is_stalled: bool,
    /// What was read so far, and of each request sent how its reply is to be read.
    inbox: Vec<u8>,
    shapes: VecDeque<Shape>,
    pub read: Vec<Value>,
}

/// What a reply is to the reader.
#[derive(Clone, Copy)]
pub enum Shape {
    Plain,
    /// Of MULTI and of a queued command.
    Skipped,
    /// Of EXEC with one command.
    Exec,
}

impl Real {
    /// A server with this many connections.
    pub fn new(settings: Settings, conns: usize) -> Real {
        let shared = super::desk::server(Settings { io_threads: 1, ..settings });
        let conns = (0..conns).map(|_| Connection::open(&shared)).collect();
        Real { shared, conns, batch: Batch::new(groups::table()) }
    }

    /// Sends a request on a connection in a database and runs it.
    pub fn send(&mut self, conn: usize, db: usize, shape: Shape, words: &[&str]) {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
        self.conns[conn].shapes.push_back(shape);
        self.conns[conn].desk.session.db = db;
        self.run(conn, &mut bytes, |_| {});
        self.deliver();
    }

    /// Runs a request, and `meanwhile` before anybody hears of what it led to.
    fn run(&mut self, conn: usize, bytes: &mut [u8], meanwhile: impl FnOnce(&mut Bench<'_>)) {
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };
        self.batch.cut(&mut Parser::default(), bytes, 0, limits);
        let desk = &mut self.conns[conn].desk;
        at_bench(&self.shared, 0, |bench| {
            desk.run(&self.batch, bytes, bench);
            meanwhile(bench);
        });
    }

    /// Runs an inline request while connection `gone` closes: before the answers it leads to are sent, or
    /// (`sent`) after, but before that connection has read them.
    pub fn send_while_closing(&mut self, conn: usize, line: &str, gone: usize, sent: bool) {
        self.conns[conn].shapes.push_back(Shape::Plain);
        let mut closed = std::mem::replace(&mut self.conns[gone], Connection::open(&self.shared)).desk;
        let slots = closed.replies.slots();
        let mut bytes = format!("{line}\r\n").into_bytes();
        let mut leave = |bench: &mut Bench<'_>| bench.leave(&mut closed.session, &slots);
        if sent {
            self.run(conn, &mut bytes, |_| {});
            at_bench(&self.shared, 0, leave);
        } else {
            self.run(conn, &mut bytes, &mut leave);
        }
        self.deliver();
    }

    /// Sends a request that is answered at once, and returns the reply.
    pub fn ask(&mut self, conn: usize, db: usize, words: &[&str]) -> Value {
        self.send(conn, db, Shape::Plain, words);
        self.conns[conn].read.pop().expect("answered at once")
    }

    /// Lets connections read their letters until there are none, and take what has become ready.
    fn deliver(&mut self) {
        let mut has_more = true;
        while std::mem::take(&mut has_more) {
            for conn in &mut self.conns {
                for letter in conn.desk.session.post_box().take_letters() {
                    has_more = true;
                    at_bench(&self.shared, 0, |bench| conn.desk.read_letter(letter, bench));
                }
            }
        }
        for conn in &mut self.conns {
            if !conn.is_stalled {
                conn.flush();
                conn.desk.session.leases.unsent.clear();
            }
        }
    }

    /// The socket of a connection takes no more bytes, or takes them again.
    pub fn stall(&mut self, conn: usize, on: bool) {
        let conn = &mut self.conns[conn];
        let was_stalled = std::mem::replace(&mut conn.is_stalled, on);
        conn.desk.session.post_box().set_backlogged(on);
        if was_stalled && !on {
            let leases = std::mem::take(&mut conn.desk.session.leases.unsent);
            let client = conn.desk.session.client.id;
            at_bench(&self.shared, 0, |bench| bench.start_leases(client, &leases));
        }
        self.deliver();
    }

    /// The connection closes; a new one takes its number.
    pub fn close(&mut self, conn: usize) {
        let gone = std::mem::replace(&mut self.conns[conn], Connection::open(&self.shared));
        gone.desk.close(&self.shared, 0);
        self.deliver();
    }

    /// Lets time pass without looking at anything.
    pub fn pass(&mut self, ms: u64) {
        self.shared.clock.advance_ms(ms);
    }

    /// The time of day, ms.
    pub fn now_ms(&self) -> i64 {
        self.shared.clock.now().wall_ms
    }

    /// Sweeps the shard of a key.
    pub fn sweep(&mut self, key: &str) {
        let shard = shard_of(key);
        at_bench(&self.shared, 0, |bench| {
            bench.sweep(shard);
        });
        self.deliver();
    }

    /// The number by which the server knows a connection.
    pub fn id(&self, conn: usize) -> u64 {
        self.conns[conn].desk.id()
    }

    pub fn counted(&self, counter: Counter) -> u64 {
        self.shared.figures.counted(counter)
    }
}

impl Connection {
    fn open(shared: &Shared) -> Connection {
        Connection {
            desk: Desk::open(shared),
            is_stalled: false,
            inbox: Vec::new(),
            shapes: VecDeque::new(),
            read: Vec::new(),
        }
    }

    /// The client reads everything that is ready.
    fn flush(&mut self) {
        self.desk.flush(&mut self.inbox);
        let mut rest = self.inbox.as_slice();
        while let Some((value, used)) = resp::decode(rest) {
            rest = &rest[used..];
            match (self.shapes.pop_front().expect("a reply to a request"), value) {
                (Shape::Plain, value) => self.read.push(value),
                (Shape::Exec, Value::Array(mut values)) => self.read.push(values.remove(0)),
                (Shape::Exec, other) => panic!("EXEC answered {other:?}"),
                (Shape::Skipped, _) => {}
            }
        }
        self.inbox = rest.to_vec();
    }
}

/// Names of keys, each in a shard behind that of the one before: what goes through all shards meets them in order.
pub fn keys(count: usize) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for number in 0.. {
        let key = format!("k{number}");
        if keys.last().is_none_or(|last| shard_of(last) < shard_of(&key)) {
            keys.push(key);
        }
        if keys.len() == count {
            break;
        }
    }
    keys
}
