//! A worker: one thread, one current-thread runtime, the connections handed to it, and the sweep of its
//! share of the shards.
//!
//! Invariant: what a worker lends to its connections (read buffer, batch, effects) is borrowed only
//! between two awaits.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection;
use super::post::Post;
use super::stream::Accepted;
use super::turns::Turns;
use crate::base::limits::{READ_BYTES, SHARDS, SWEEP_PERIOD_MS, TURN_BYTES, WAKE_PORTION};
use crate::base::metrics::{Counter, Counters};
use crate::commands::batch::{Batch, Bench};
use crate::commands::calls::Meter;
use crate::commands::shared::{Shared, rules_of};
use crate::config::{ClientClass, Settings};
use crate::fill::{Answer, ReplySlot};
use crate::keyspace::Effects;

/// A sweep yields to the connections after this long: what it has begun by then is done within half a millisecond.
const SWEEP_SLICE: Duration = Duration::from_micros(300);

/// And from making room after this long, nanoseconds.
const EVICT_SLICE_NS: u64 = 500_000;

/// What other threads need of a worker.
pub struct WorkerHandle {
    sockets: UnboundedSender<Accepted>,
    pub connections: Arc<AtomicUsize>,
}

/// All workers of a server, and the alarm clocks of their sweepers.
pub struct Crew {
    pub workers: Vec<WorkerHandle>,
    pub threads: Vec<JoinHandle<()>>,
}

/// When a worker's sweeper must look again.
pub(super) struct Alarm {
    at: AtomicU64,
    notify: Notify,
}

impl Alarm {
    fn new() -> Alarm {
        Alarm { at: AtomicU64::new(u64::MAX), notify: Notify::new() }
    }

    /// Wakes the sweeper if it would sleep past `at`, monotonic ms.
    fn wake_by(&self, at: u64) {
        if at < self.at.load(Relaxed) {
            self.at.store(at, Relaxed);
            self.notify.notify_one();
        }
    }
}

/// One worker, as its connections see it.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub counters: Arc<Counters>,
    pub lent: RefCell<Lent>,
    meter: RefCell<Meter>,
    pub connections: Arc<AtomicUsize>,
    /// The settings last seen and their version, borrowed by the bench while it runs.
    settings: RefCell<(Arc<Settings>, u64)>,
    /// Time spent on sweeping that is not counted yet: less than a millisecond.
    swept: Cell<Duration>,
    alarms: Arc<[Alarm]>,
    /// Which of them is its own.
    number: usize,
    /// Connections that wait for the end of CLIENT PAUSE, by client.
    paused: RefCell<HashMap<u64, Waker>>,
    /// Connections that wait for room below `maxmemory`, by client.
    roomless: RefCell<HashMap<u64, Waker>>,
    /// Answers of large crowds, sent in portions.
    outbox: RefCell<VecDeque<(Arc<ReplySlot>, Answer)>>,
    outbox_filled: Notify,
    pub post: Post,
    /// Of its connections' large writes.
    pub turns: Turns,
}

/// Buffers a connection borrows while it runs a batch.
pub(super) struct Lent {
    pub read_buffer: Box<[u8]>,
    pub batch: Batch,
    pub effects: Effects,
}

impl Crew {
    /// Starts the workers' threads.
    pub fn start(shared: &Arc<Shared>) -> io::Result<Crew> {
        let alarms: Arc<[Alarm]> = (0..shared.workers).map(|_| Alarm::new()).collect();
        let heard = alarms.clone();
        shared.clock.on_advance(move || heard.iter().for_each(|alarm| alarm.notify.notify_one()));
        let mut crew = Crew { workers: Vec::new(), threads: Vec::new() };
        for number in 0..shared.workers {
            let (sockets, received) = unbounded_channel();
            let connections = Arc::new(AtomicUsize::new(0));
            crew.workers.push(WorkerHandle { sockets, connections: connections.clone() });
            let (shared, alarms) = (shared.clone(), alarms.clone());
            // Built here so that a failure (no more file descriptors) is the starter's error.
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            crew.threads.push(thread.spawn(move || run(number, shared, connections, alarms, received))?);
        }
        Ok(crew)
    }

    /// Hands a socket to the worker with the fewest connections.
    pub fn hand_out(&self, accepted: Accepted) {
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.connections.load(Relaxed)) {
            worker.connections.fetch_add(1, Relaxed);
            // A worker that has stopped drops the socket, which closes it.
            drop(worker.sockets.send(accepted));
        }
    }
}

fn run(
    number: usize,
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
    alarms: Arc<[Alarm]>,
    mut sockets: UnboundedReceiver<Accepted>,
) {
    let runtime =
        match Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!("worker {number} cannot start: {error}");
                return;
            }
        };
    let worker = Rc::new(Worker {
        counters: shared.counters[number].clone(),
        meter: RefCell::new(Meter::new(shared.clock.clone(), shared.calls[number].clone())),
        settings: RefCell::new((shared.settings.load_full(), shared.settings_version())),
        shared,
        lent: RefCell::new(Lent {
            read_buffer: vec![0; READ_BYTES].into(),
            batch: Batch::default(),
            effects: Effects::default(),
        }),
        connections,
        swept: Cell::default(),
        alarms,
        number,
        paused: RefCell::default(),
        roomless: RefCell::default(),
        outbox: RefCell::default(),
        outbox_filled: Notify::new(),
        post: Post::default(),
        turns: Turns::default(),
    });
    runtime.block_on(async move {
        tokio::task::spawn_local(sweep(worker.clone(), number));
        tokio::task::spawn_local(send_outbox(worker.clone()));
        tokio::task::spawn_local(send_post(worker.clone()));
        tokio::task::spawn_local(call_turns(worker.clone()));
        // The channel closes when the server has stopped and every connection has been told.
        while let Some(accepted) = sockets.recv().await {
            tokio::task::spawn_local(connection::serve(worker.clone(), accepted));
        }
    });
}

impl Worker {
    /// The settings of now.
    pub fn settings(&self) -> Ref<'_, Settings> {
        let version = self.shared.settings_version();
        if self.settings.borrow().1 != version {
            *self.settings.borrow_mut() = (self.shared.settings.load_full(), version);
        }
        Ref::map(self.settings.borrow(), |(settings, _)| &**settings)
    }

    /// Whether CLIENT PAUSE still holds; if so, the connection is woken at its end.
    pub fn waits_for_pause(&self, client: u64, waker: &Waker) -> bool {
        let now = self.shared.clock.now().mono_ms;
        let Some(until) = self.shared.pause.until(now) else { return false };
        self.paused.borrow_mut().insert(client, waker.clone());
        self.alarms[self.number].wake_by(until);
        true
    }

    /// Wakes the connection when the background has made room, or found that it can make none.
    pub fn wait_for_room(&self, client: u64, waker: &Waker) {
        self.roomless.borrow_mut().insert(client, waker.clone());
        self.alarms[self.number].wake_by(0);
    }

    /// A connection waits no longer.
    pub fn forget_waiting(&self, client: u64) {
        self.paused.borrow_mut().remove(&client);
        self.roomless.borrow_mut().remove(&client);
    }

    /// Wakes the connections that wait for the end of the pause, once it is there. Returns when it will be,
    /// monotonic ms, if any connection waits.
    fn wake_paused(&self) -> Option<u64> {
        if self.paused.borrow().is_empty() {
            return None;
        }
        let until = self.shared.pause.until(self.shared.clock.now().mono_ms);
        if until.is_none() {
            self.paused.borrow_mut().drain().for_each(|(_, waker)| waker.wake());
        }
        until
    }

    /// Counts a slice of sweeping.
    fn note_swept(&self, took: Duration, is_full: bool) {
        self.shared.sweep_us.record(took.as_micros() as u64);
        let swept = self.swept.get() + took;
        self.counters.add(Counter::ExpiryMs, swept.as_millis() as u64);
        self.swept.set(Duration::from_nanos(u64::from(swept.subsec_nanos()) % 1_000_000));
        if is_full {
            self.counters.add(Counter::ExpiryCapReached, 1);
            self.shared.note_latency("expire-cycle", took);
        }
    }

    /// Counts an error reply that no command wrote.
    pub fn note_error(&self, line: &[u8]) {
        self.meter.borrow().calls().note_error(line);
    }

    /// Runs `work` on a bench with the time of now and the settings of now, then carries out its effects.
    pub fn at_bench<T>(&self, effects: &mut Effects, work: impl FnOnce(&mut Bench<'_>) -> T) -> T {
        let (settings, settings_version) = self.settings.borrow().clone();
        let now = self.shared.clock.now();
        let counters = &self.counters;
        let rules = rules_of(&settings);
        let meter = &mut *self.meter.borrow_mut();
        meter.apply(&settings, settings_version);
        let mut bench = Bench {
            shared: &self.shared,
            settings,
            settings_version,
            rules,
            counters,
            now,
            effects,
            deliveries: Vec::new(),
            meter,
        };
        bench.refresh_settings();
        let result = work(&mut bench);
        self.carry_out(&mut bench);
        if settings_version != bench.settings_version {
            *self.settings.borrow_mut() = (bench.settings, bench.settings_version);
        }
        result
    }

    /// Sends answers, takes answered waiters out of their flights, wakes sweepers. No lock may be held.
    pub fn carry_out(&self, bench: &mut Bench<'_>) {
        while !bench.effects.is_empty() {
            bench.publish_events();
            bench.tell_changes();
            for (shard, at) in bench.effects.alarms.drain(..) {
                self.alarms[shard % self.alarms.len()].wake_by(at);
            }
            self.shared.keyspace.free(bench.effects.freed.drain(..));
            let answers = std::mem::take(&mut bench.effects.answers);
            if answers.len() > portion(answers.iter()) {
                self.outbox.borrow_mut().extend(answers);
                self.outbox_filled.notify_one();
            } else {
                send(answers, bench);
            }
            bench.forget_waiters();
        }
        let deliveries = std::mem::take(&mut bench.deliveries);
        if !deliveries.is_empty() {
            self.post.accept(deliveries, push_bytes_max(&bench.settings));
        }
    }
}

/// How many of these are sent before other connections get their turn: writing large values takes time too.
fn portion<'a>(answers: impl Iterator<Item = &'a (Arc<ReplySlot>, Answer)>) -> usize {
    let mut bytes = 0;
    let fits = |(_, answer): &&(Arc<ReplySlot>, Answer)| {
        let room = bytes < TURN_BYTES;
        bytes += answer.value_bytes();
        room
    };
    answers.take(WAKE_PORTION).take_while(fits).count()
}

fn send(answers: impl IntoIterator<Item = (Arc<ReplySlot>, Answer)>, bench: &mut Bench<'_>) {
    for (slot, answer) in answers {
        if let Err(answer) = slot.deliver(answer) {
            bench.undelivered(&slot, &answer);
        }
    }
}

/// Wakes large crowds in portions, so that other connections get their turn in between.
async fn send_outbox(worker: Rc<Worker>) {
    loop {
        let portion: Vec<_> = {
            let mut outbox = worker.outbox.borrow_mut();
            let count = portion(outbox.iter());
            outbox.drain(..count).collect()
        };
        if portion.is_empty() {
            worker.outbox_filled.notified().await;
        } else {
            worker.at_bench(&mut Effects::default(), |bench| send(portion, bench));
            tokio::task::yield_now().await;
        }
    }
}

/// Bytes of messages that may wait for one subscriber; 0 = any number.
fn push_bytes_max(settings: &Settings) -> usize {
    settings.output_limits[ClientClass::Pubsub as usize].hard_bytes as usize
}

/// Sends messages to large crowds in portions, so that connections get their turn in between.
async fn send_post(worker: Rc<Worker>) {
    loop {
        if worker.post.left() == 0 {
            worker.post.filled().await;
        } else {
            let bytes_max = push_bytes_max(&worker.settings());
            worker.post.send_portion(bytes_max);
            tokio::task::yield_now().await;
        }
    }
}

/// Lets connections with much to write take turns.
async fn call_turns(worker: Rc<Worker>) {
    worker.turns.call().await;
}

/// Looks after the worker's shards: deadlines of flights when they come, expired entries a little later.
async fn sweep(worker: Rc<Worker>, number: usize) {
    let alarm = &worker.alarms[number];
    loop {
        // Set before the shards are looked at: whoever files an earlier deadline meanwhile wakes us again.
        alarm.at.store(u64::MAX, Relaxed);
        let paused = worker.wake_paused().unwrap_or(u64::MAX);
        let mut next = sweep_shards(&worker, number).await.min(paused);
        if worker.at_bench(&mut Effects::default(), |bench| bench.make_room(EVICT_SLICE_NS)) {
            // Not at once, unless somebody waits for it: whoever writes makes room as well, and what is read and
            // written comes first.
            let pause_ms = u64::from(worker.roomless.borrow().is_empty());
            next = next.min(worker.shared.clock.now().mono_ms + pause_ms);
        } else {
            worker.roomless.borrow_mut().drain().for_each(|(_, waker)| waker.wake());
        }
        if worker.at_bench(&mut Effects::default(), |bench| bench.spread()) {
            next = 0;
        }
        alarm.at.store(next, Relaxed);
        let wait_ms = next.saturating_sub(worker.shared.clock.now().mono_ms).min(SWEEP_PERIOD_MS);
        if wait_ms == 0 {
            tokio::task::yield_now().await;
            continue;
        }
        let sleep = tokio::time::sleep(Duration::from_millis(wait_ms));
        tokio::select! {
            () = sleep => {}
            () = alarm.notify.notified() => {}
        }
    }
}

/// Sweeps the shards that want it, once each and in slices. Returns when the first of them wants it again,
/// monotonic ms.
async fn sweep_shards(worker: &Worker, number: usize) -> u64 {
    let (mut next, mut slice) = (u64::MAX, None);
    let mut now = worker.shared.clock.now().mono_ms;
    for shard in (number..SHARDS).step_by(worker.shared.workers) {
        let mut due_at = worker.shared.keyspace.due_at(shard);
        if due_at <= now {
            let since = *slice.get_or_insert_with(Instant::now);
            due_at = worker.at_bench(&mut Effects::default(), |bench| bench.sweep(shard));
            now = worker.shared.clock.now().mono_ms;
            let took = since.elapsed();
            if took > SWEEP_SLICE {
                worker.note_swept(took, true);
                slice = None;
                tokio::task::yield_now().await;
            }
        }
        next = next.min(due_at);
    }
    if let Some(since) = slice {
        worker.note_swept(since.elapsed(), false);
    }
    next
}
