//! A worker by hand: one connection whose requests go through the commands' batch layer, on a clock that the test
//! holds. Does what `net::connection` and `net::worker` do between two awaits; waits by its post box alone.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::Poll;

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

use super::resp::{Value, decode};

const SEED: HashSeed = HashSeed(1, 2);
/// Workers a server has; each may be used by one thread.
pub const WORKERS: usize = 5;

/// A server's inside.
pub fn server() -> Arc<Shared> {
    let settings = Settings { io_threads: WORKERS as u32, hash_seed: Some(SEED), ..Settings::default() };
    let clock = Clock::manual(1_800_000_000_000);
    let surroundings = Surroundings { clock, config_file: None, apply: Box::new(|_| Ok(())) };
    Arc::new(share(settings, surroundings, 0, &Arc::default()))
}

/// A worker and its only connection.
pub struct Worker {
    shared: Arc<Shared>,
    number: usize,
    session: Session,
    replies: ReplyQueue,
    inbox: Vec<u8>,
}

impl Worker {
    /// Worker `number` with a new connection.
    pub fn new(shared: &Arc<Shared>, number: usize) -> Worker {
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
        let (session, replies) = (Session::new(client, true), ReplyQueue::default());
        Worker { shared: shared.clone(), number, session, replies, inbox: Vec::new() }
    }

    /// The number by which the server knows the connection.
    pub fn id(&self) -> u64 {
        self.session.client.id
    }

    /// Runs requests that arrive together, one a line, and waits for nothing.
    pub fn send(&mut self, lines: &str) {
        let mut bytes = format!("{}\r\n", lines.replace('\n', "\r\n")).into_bytes();
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };
        let mut batch = Batch::default();
        batch.cut(&mut Parser::default(), &mut bytes, 0, limits);
        let Worker { shared, number, session, replies, .. } = self;
        at_bench(shared, *number, |bench| {
            for index in 0..batch.len() {
                batch.run(index, &bytes, bench, session, replies.tail());
                match session.slots.parked.take() {
                    Some(parked) => {
                        replies.keep_place(parked, session.proto);
                        session.slots.open += 1;
                    }
                    None => replies.note_reply(),
                }
            }
            bench.answer_wait(replies.claim_overfull());
            bench.prune_leases(session);
        });
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
        let post_box = self.session.post_box().clone();
        let letters = shuttle::future::block_on(poll_fn(|cx| {
            post_box.register(cx.waker());
            let letters = post_box.take_letters();
            if letters.is_empty() { Poll::Pending } else { Poll::Ready(letters) }
        }));
        let Worker { shared, number, session, replies, .. } = self;
        for letter in letters {
            let Letter::Answer { seq, answer } = letter else { continue };
            at_bench(shared, *number, |bench| {
                if let Some(slot) = replies.slot(seq).cloned() {
                    bench.handed(session, &slot, &answer);
                }
            });
            replies.answer(seq, &answer);
            session.slots.open = replies.unanswered();
        }
    }

    fn flush(&mut self) {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = self.replies.ready.slices(0, &mut slices);
        slices[..used].iter().for_each(|slice| self.inbox.extend_from_slice(slice));
        self.replies.ready.clear(usize::MAX);
        self.session.leases.unsent.clear();
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

    /// Every request was answered once: nothing stands before the reply to a PING. Then the connection closes.
    pub fn finish(mut self) {
        assert_eq!(self.say("PING"), "PONG", "a reply too many");
        self.leave();
    }

    /// The connection closes, whatever it still waits for.
    pub fn leave(mut self) {
        self.shared.clients.remove(self.id());
        let slots = self.replies.slots();
        at_bench(&self.shared, self.number, |bench| bench.leave(&mut self.session, &slots));
    }
}

/// Runs `work` as a worker does, and what follows from it.
fn at_bench(shared: &Shared, number: usize, work: impl FnOnce(&mut Bench<'_>)) {
    let settings = shared.settings.load_full();
    let rules = fill_rules(&settings);
    let (counters, now) = (&*shared.counters[number], shared.clock.now());
    let settings_version = shared.settings_version();
    let effects = &mut Effects::default();
    let meter = &mut Meter::new(shared.clock.clone(), shared.calls[number].clone());
    let mut bench = Bench {
        shared,
        settings,
        settings_version,
        rules,
        counters,
        now,
        effects,
        deliveries: Vec::new(),
        meter,
    };
    work(&mut bench);
    while !bench.effects.is_empty() {
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

/// What must hold after every story: the counters' sum (19), and that time clears everything (17).
pub fn nothing_is_left(shared: &Arc<Shared>) {
    let statuses = [
        Counter::FillHits,
        Counter::FillLeads,
        Counter::FillRefreshes,
        Counter::FillStale,
        Counter::FillNone,
        Counter::FillFail,
        Counter::FillPass,
        Counter::FillWait,
        Counter::FillSelf,
    ];
    let sum: u64 = statuses.iter().map(|status| shared.counted(*status)).sum();
    assert_eq!(shared.counted(Counter::FillGets), sum, "gets is the sum of the statuses");
    let mut worker = Worker::new(shared, WORKERS - 1);
    // A lease, then its late answer, then what is kept for DUP.
    (0..3).for_each(|_| worker.pass(3_600_000));
    let info = worker.say("INFO fill");
    for gauge in ["fill_flights:0\r\n", "fill_waiters:0\r\n"] {
        assert!(info.contains(gauge), "{gauge:?} is not in {info}");
    }
    assert_eq!(worker.say("FILL.LIST"), "", "no flight is left");
    worker.leave();
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
    let shard_of = |key: &str| (SEED.hash(key.as_bytes()) >> (64 - SHARDS.ilog2())) as usize;
    let mut from = 0;
    std::array::from_fn(|_| {
        let key = (0..).map(|number| format!("k{number}")).find(|key| shard_of(key) == from);
        from += 1;
        key.expect("a key for every shard")
    })
}
