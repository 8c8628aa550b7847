//! The real code without sockets: sessions whose requests go through the commands' batch layer and whose replies
//! come out of the connection's reply queue, on a clock that the test holds.
//!
//! Does by hand what `net::connection` and `net::worker` do between two awaits, and nothing else.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use onefill::base::clock::Clock;
use onefill::base::hash::HashSeed;
use onefill::base::limits::SHARDS;
use onefill::base::metrics::Counter;
use onefill::clients::{Client, Seen};
use onefill::commands::batch::{Batch, Bench};
use onefill::commands::calls::Meter;
use onefill::commands::session::Session;
use onefill::commands::shared::{Shared, fill_rules};
use onefill::config::Settings;
use onefill::fill::{Letter, PostBox};
use onefill::keyspace::Effects;
use onefill::net::ReplyQueue;
use onefill::protocol::request::{Parser, RequestLimits};
use onefill::server::{Surroundings, share};

use super::resp::{self, Value};

const SEED: HashSeed = HashSeed(1, 2);

/// A server's inside.
pub struct Real {
    shared: Shared,
    pub conns: Vec<Connection>,
    batch: Batch,
}

/// What `net::connection` keeps of one connection.
pub struct Connection {
    session: Session,
    replies: ReplyQueue,
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
        let clock = Clock::manual(1_800_000_000_000);
        let settings = Settings { io_threads: 1, hash_seed: Some(SEED), ..settings };
        let surroundings = Surroundings { clock, config_file: None, apply: Box::new(|_| Ok(())) };
        let shared = share(settings, surroundings, 0, &Arc::default());
        let conns = (0..conns).map(|_| Connection::open(&shared)).collect();
        Real { shared, conns, batch: Batch::default() }
    }

    /// Sends a request on a connection in a database and runs it.
    pub fn send(&mut self, conn: usize, db: usize, shape: Shape, words: &[&str]) {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
        self.conns[conn].shapes.push_back(shape);
        self.conns[conn].session.db = db;
        self.run(conn, &mut bytes, |_| {});
        self.deliver();
    }

    /// Runs a request, and `meanwhile` before anybody hears of what it led to.
    fn run(&mut self, conn: usize, bytes: &mut [u8], meanwhile: impl FnOnce(&mut Bench<'_>)) {
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };
        self.batch.cut(&mut Parser::default(), bytes, 0, limits);
        let Connection { session, replies, .. } = &mut self.conns[conn];
        at_bench(&self.shared, |bench| {
            self.batch.run(0, bytes, bench, session, replies.tail());
            match session.slots.parked.take() {
                Some(parked) => {
                    replies.keep_place(parked, session.proto);
                    session.slots.open += 1;
                }
                None => replies.note_reply(),
            }
            bench.answer_wait(replies.claim_overfull());
            bench.prune_leases(session);
            meanwhile(bench);
        });
    }

    /// Runs an inline request while connection `gone` closes: before the answers it leads to are sent, or
    /// (`sent`) after, but before that connection has read them.
    pub fn send_while_closing(&mut self, conn: usize, line: &str, gone: usize, sent: bool) {
        self.conns[conn].shapes.push_back(Shape::Plain);
        let mut closed = std::mem::replace(&mut self.conns[gone], Connection::open(&self.shared));
        let slots = closed.replies.slots();
        let mut bytes = format!("{line}\r\n").into_bytes();
        let mut leave = |bench: &mut Bench<'_>| bench.leave(&mut closed.session, &slots);
        if sent {
            self.run(conn, &mut bytes, |_| {});
            at_bench(&self.shared, leave);
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
                for letter in conn.session.post_box().take_letters() {
                    has_more = true;
                    at_bench(&self.shared, |bench| conn.read_letter(letter, bench));
                }
            }
        }
        for conn in &mut self.conns {
            if !conn.is_stalled {
                conn.flush();
                conn.session.leases.unsent.clear();
            }
        }
    }

    /// The socket of a connection takes no more bytes, or takes them again.
    pub fn stall(&mut self, conn: usize, on: bool) {
        let conn = &mut self.conns[conn];
        let was_stalled = std::mem::replace(&mut conn.is_stalled, on);
        conn.session.post_box().set_backlogged(on);
        if was_stalled && !on {
            let leases = std::mem::take(&mut conn.session.leases.unsent);
            let client = conn.session.client.id;
            at_bench(&self.shared, |bench| bench.start_leases(client, &leases));
        }
        self.deliver();
    }

    /// The connection closes; a new one takes its number.
    pub fn close(&mut self, conn: usize) {
        let mut gone = std::mem::replace(&mut self.conns[conn], Connection::open(&self.shared));
        self.shared.clients.remove(gone.session.client.id);
        let slots = gone.replies.slots();
        at_bench(&self.shared, |bench| bench.leave(&mut gone.session, &slots));
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
        at_bench(&self.shared, |bench| {
            bench.sweep(shard);
        });
        self.deliver();
    }

    /// The number by which the server knows a connection.
    pub fn id(&self, conn: usize) -> u64 {
        self.conns[conn].session.client.id
    }

    pub fn counted(&self, counter: Counter) -> u64 {
        self.shared.counted(counter)
    }
}

impl Connection {
    fn open(shared: &Shared) -> Connection {
        let id = shared.clients.next_id();
        let client = Arc::new(Client {
            id,
            addr: "127.0.0.1:1".to_owned(),
            laddr: "127.0.0.1:2".to_owned(),
            fd: 0,
            is_unix: false,
            connected_at: shared.clock.now().mono_ms,
            post_box: Arc::new(PostBox::default()),
            names: parking_lot::Mutex::default(),
            seen: Seen::default(),
        });
        shared.clients.add(client.clone());
        Connection {
            session: Session::new(client, true),
            replies: ReplyQueue::default(),
            is_stalled: false,
            inbox: Vec::new(),
            shapes: VecDeque::new(),
            read: Vec::new(),
        }
    }

    fn read_letter(&mut self, letter: Letter, bench: &mut Bench<'_>) {
        let Letter::Answer { seq, answer } = letter else { return };
        if let Some(slot) = self.replies.slot(seq).cloned() {
            bench.handed(&mut self.session, &slot, &answer);
        }
        self.replies.answer(seq, &answer);
        self.session.slots.open = self.replies.unanswered();
    }

    /// The client reads everything that is ready.
    fn flush(&mut self) {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = self.replies.ready.slices(0, &mut slices);
        slices[..used].iter().for_each(|slice| self.inbox.extend_from_slice(slice));
        self.replies.ready.clear(usize::MAX);
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

/// Runs `work` as a worker does, and what follows from it.
fn at_bench(shared: &Shared, work: impl FnOnce(&mut Bench<'_>)) {
    let settings = shared.settings.load_full();
    let rules = fill_rules(&settings);
    let (counters, now) = (&*shared.counters[0], shared.clock.now());
    let settings_version = shared.settings_version();
    let effects = &mut Effects::default();
    let meter = &mut Meter::new(shared.clock.clone(), shared.calls[0].clone());
    let deliveries = Vec::new();
    let mut bench =
        Bench { shared, settings, settings_version, rules, counters, now, effects, deliveries, meter };
    work(&mut bench);
    while !bench.effects.is_empty() {
        bench.publish_events();
        bench.tell_changes();
        bench.effects.alarms.clear();
        bench.effects.freed.clear();
        for (slot, answer) in std::mem::take(&mut bench.effects.answers) {
            if let Err(answer) = slot.deliver(answer) {
                bench.undelivered(&slot, &answer);
            }
        }
        bench.forget_waiters();
    }
}

fn shard_of(key: &str) -> usize {
    (SEED.hash(key.as_bytes()) >> (64 - SHARDS.ilog2())) as usize
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
