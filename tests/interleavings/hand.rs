//! A worker by hand: one connection whose requests go through the commands' batch layer, on a clock that the test
//! holds. Does what `net::connection` and `net::worker` do between two awaits; waits by its post box alone.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use onefill::base::limits::SHARDS;
use onefill::base::metrics::Counter;
use onefill::commands::groups;
use onefill::config::Settings;
use onefill::dispatch::batch::Batch;
use onefill::dispatch::shared::Shared;
use onefill::protocol::request::{Parser, RequestLimits};

use super::desk::{Desk, at_bench, shard_of};
use super::resp::{Value, decode};

/// Workers a server has; each may be used by one thread.
pub const WORKERS: usize = 5;

/// A server's inside.
pub fn server() -> Arc<Shared> {
    server_with(Settings::default())
}

/// A server's inside with these settings.
pub fn server_with(settings: Settings) -> Arc<Shared> {
    Arc::new(super::desk::server(Settings { io_threads: WORKERS as u32, ..settings }))
}

/// A worker and its only connection.
pub struct Worker {
    shared: Arc<Shared>,
    number: usize,
    desk: Desk,
    inbox: Vec<u8>,
}

impl Worker {
    /// Worker `number` with a new connection.
    pub fn new(shared: &Arc<Shared>, number: usize) -> Worker {
        Worker {
            shared: shared.clone(),
            number,
            desk: Desk { give_turn: shuttle::thread::yield_now, ..Desk::open(shared) },
            inbox: Vec::new(),
        }
    }

    /// The number by which the server knows the connection.
    pub fn id(&self) -> u64 {
        self.desk.id()
    }

    /// Runs requests that arrive together, one a line, and waits for nothing.
    pub fn send(&mut self, lines: &str) {
        let mut bytes = format!("{}\r\n", lines.replace('\n', "\r\n")).into_bytes();
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };
        let mut batch = Batch::new(groups::table());
        batch.cut(&mut Parser::default(), &mut bytes, 0, limits);
        let Worker { shared, number, desk, .. } = self;
        at_bench(shared, *number, |bench| desk.run(&batch, &bytes, bench));
    }

    /// The next reply, once it is there.
    pub fn reply(&mut self) -> Value {
        loop {
            self.flush();
            if let Some((value, used)) = decode(&self.inbox) {
                self.inbox.drain(..used);
                return value;
            }
            self.wait();
        }
    }

    /// Sends one request and waits for its reply.
    pub fn call(&mut self, line: &str) -> Value {
        self.send(line);
        self.reply()
    }

    pub fn say(&mut self, line: &str) -> String {
        self.call(line).text()
    }

    /// Sends FILL.GET and waits for its answer.
    pub fn get(&mut self, line: &str) -> Answer {
        self.send(&format!("FILL.GET {line}"));
        self.answer()
    }

    /// The next reply, which must be one of FILL.GET.
    pub fn answer(&mut self) -> Answer {
        Answer::of(&self.reply())
    }

    /// Sleeps until a letter comes, and reads all there are.
    fn wait(&mut self) {
        let post_box = self.desk.session.post_box().clone();
        let letters = shuttle::future::block_on(poll_fn(|cx| {
            post_box.register(cx.waker());
            let letters = post_box.take_letters();
            if letters.is_empty() { Poll::Pending } else { Poll::Ready(letters) }
        }));
        let Worker { shared, number, desk, .. } = self;
        for letter in letters {
            at_bench(shared, *number, |bench| desk.read_letter(letter, bench));
        }
    }

    fn flush(&mut self) {
        self.desk.flush(&mut self.inbox);
        self.desk.session.leases.unsent.clear();
    }

    /// Lets time pass, then sweeps all shards.
    pub fn pass(&mut self, ms: u64) {
        self.shared.clock.advance_ms(ms);
        for shard in 0..SHARDS {
            at_bench(&self.shared, self.number, |bench| {
                bench.sweep(shard);
            });
        }
    }

    /// Brings the number of shards to what suits the limit on memory, as it is now.
    pub fn spread(&mut self) {
        let mut is_more = true;
        while is_more {
            at_bench(&self.shared, self.number, |bench| is_more = bench.spread());
            // Who is in the way must be given the time to go.
            shuttle::thread::yield_now();
        }
    }

    /// Every request was answered once: nothing stands before the reply to a PING. Then the connection closes.
    pub fn finish(mut self) {
        assert_eq!(self.say("PING"), "PONG", "a reply too many");
        self.leave();
    }

    /// The connection closes, whatever it still waits for.
    pub fn leave(self) {
        self.desk.close(&self.shared, self.number);
    }
}

/// What must hold after every story: the counters' sum (19), and that time clears everything (17).
pub fn nothing_is_left(shared: &Arc<Shared>) {
    let sum: u64 = Counter::FILL_ANSWERS.iter().map(|answer| shared.figures.counted(*answer)).sum();
    assert_eq!(shared.figures.counted(Counter::FillGets), sum, "gets is the sum of the statuses");
    let mut worker = Worker::new(shared, WORKERS - 1);
    // A lease, then its late answer, then what is kept for DUP.
    (0..3).for_each(|_| worker.pass(3_600_000));
    let info = worker.say("INFO fill");
    for gauge in ["fill_flights:0\r\n", "fill_waiters:0\r\n"] {
        assert!(info.contains(gauge), "{gauge:?} is not in {info}");
    }
    assert_eq!(worker.say("FILL.LIST"), "", "no flight is left");
    worker.leave();
    let fills = &shared.keyspace.fills;
    assert_eq!(
        (fills.at_work(), fills.kept.len(), fills.parked.bytes()),
        (0, 0, 0),
        "nothing counts any more"
    );
}

/// `[status, value, token, ms]`.
#[derive(Debug)]
pub struct Answer {
    pub status: String,
    pub value: String,
    pub token: String,
}

impl Answer {
    fn of(reply: &Value) -> Answer {
        let [status, value, token, _ms] = reply.array() else {
            panic!("expected four elements, got {reply:?}")
        };
        Answer { status: status.text(), value: value.text(), token: token.text() }
    }
}

/// Names of keys, each in a shard behind that of the one before.
pub fn keys<const N: usize>() -> [String; N] {
    let mut from = 0;
    std::array::from_fn(|_| {
        let key = (0..).map(|number| format!("k{number}")).find(|key| shard_of(key) == from);
        from += 1;
        key.expect("a key for every shard")
    })
}
