//! A worker: one thread, one current-thread runtime, the connections handed to it, and the sweep of its
//! share of the shards.
//!
//! Invariant: what a worker lends to its connections (read buffer, batch, effects) is borrowed only
//! between two awaits.

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::post::Post;
use super::put_off::PutOffs;
use super::turns::Turns;
use crate::base::limits::{READ_BYTES, SHARDS, SWEEP_PERIOD_MS, TURN_BYTES, WAKE_PORTION};
use crate::base::metrics::{Counter, Counters};
use crate::base::process;
use crate::config::{ClientClass, Settings};
use crate::dispatch::batch::Batch;
use crate::dispatch::bench::Bench;
use crate::dispatch::ctx::Handlers;
use crate::dispatch::limit::RoomWait;
use crate::dispatch::live::Current;
use crate::dispatch::session::{Leaving, PutOff, Session};
use crate::dispatch::shared::Shared;
use crate::dispatch::station::Station;
use crate::figures::calls::Meter;
use crate::figures::pulse::BEAT_PERIOD;
use crate::keyspace::Effects;
use crate::parking::{Answer, ReplySlot};

/// A sweep yields to the connections after this long: what it has begun by then is done within half a millisecond.
const SWEEP_SLICE: Duration = Duration::from_micros(300);

/// And from making room after this long, nanoseconds.
const EVICT_SLICE_NS: u64 = 500_000;

/// When a worker's sweeper must look again.
pub(super) struct Alarm {
    at: AtomicU64,
    notify: Notify,
}

impl Alarm {
    pub fn new() -> Alarm {
        Alarm { at: AtomicU64::new(u64::MAX), notify: Notify::new() }
    }

    /// Wakes the sweeper, whenever it wanted to look again.
    pub fn ring(&self) {
        self.notify.notify_one();
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
    pub station: Rc<Station>,
    /// The slow scripts that had ended when those who wait for one were woken last.
    scripts_ended: Cell<u64>,
    handlers: &'static Handlers,
    /// The settings last seen, borrowed by the bench while it runs.
    current: RefCell<Current>,
    /// Time spent on sweeping that is not counted yet: less than a millisecond.
    swept: Cell<Duration>,
    alarms: Arc<[Alarm]>,
    /// Which of them is its own.
    number: usize,
    put_offs: PutOffs,
    /// Answers of large crowds, sent in portions.
    outbox: RefCell<VecDeque<(Arc<ReplySlot>, Answer)>>,
    outbox_filled: Notify,
    /// What is still to be taken out of flights.
    leaving: RefCell<VecDeque<Leaving>>,
    leaving_filled: Notify,
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

impl Worker {
    pub fn new(
        number: usize,
        shared: Arc<Shared>,
        handlers: &'static Handlers,
        connections: Arc<AtomicUsize>,
        alarms: Arc<[Alarm]>,
    ) -> Worker {
        let current = Current::of(&shared.settings);
        let mut meter = Meter::new(shared.clock.clone(), shared.figures.calls[number].clone());
        meter.apply(&current.settings);
        Worker {
            counters: shared.figures.counters[number].clone(),
            meter: RefCell::new(meter),
            station: Rc::new(Station::new(shared.clone(), number)),
            scripts_ended: Cell::new(0),
            handlers,
            current: RefCell::new(current),
            lent: RefCell::new(Lent {
                read_buffer: vec![0; READ_BYTES].into(),
                batch: Batch::new(shared.table),
                effects: Effects::default(),
            }),
            shared,
            connections,
            swept: Cell::default(),
            alarms,
            number,
            put_offs: PutOffs::default(),
            outbox: RefCell::default(),
            outbox_filled: Notify::new(),
            leaving: RefCell::default(),
            leaving_filled: Notify::new(),
            post: Post::default(),
            turns: Turns::default(),
        }
    }

    /// Starts what a worker does beside its connections, on the calling thread's runtime.
    pub fn begin(self: &Rc<Worker>) {
        self.keep_doing(sweep);
        self.keep_doing(beat);
        self.keep_doing(send_outbox);
        self.keep_doing(leave_flights);
        self.keep_doing(send_post);
        self.keep_doing(call_turns);
    }

    /// Does something for as long as the runtime lives. A panic in it is counted and told, and it begins anew: without
    /// the sweep, say, no lease would end any more.
    fn keep_doing<F: Future<Output = ()> + 'static>(self: &Rc<Worker>, begin: fn(Rc<Worker>) -> F) {
        let worker = self.clone();
        tokio::task::spawn_local(async move {
            while AssertUnwindSafe(begin(worker.clone())).catch_unwind().await.is_err() {
                worker.counters.add(Counter::Panics, 1);
                tracing::error!("work in the background panicked; it begins anew");
                tokio::task::yield_now().await;
            }
        });
    }

    /// The settings of now.
    pub fn settings(&self) -> Ref<'_, Settings> {
        if self.shared.settings.version() != self.current.borrow().version() {
            self.refresh(&mut self.current.borrow_mut());
        }
        Ref::map(self.current.borrow(), |current| &*current.settings)
    }

    fn refresh(&self, current: &mut Current) {
        if current.refresh(&self.shared.settings) {
            self.meter.borrow_mut().apply(&current.settings);
        }
    }

    /// Whether a connection whose request was put off has to go on waiting; if so, it is woken when the reason is gone.
    /// `is_filed` is the connection's, and tells whether it waits already.
    pub fn waits(&self, why: PutOff, session: &Session, is_filed: &mut bool, waker: &Waker) -> bool {
        if why == PutOff::Helper {
            // Its post box wakes it.
            return session.helped.as_ref().is_some_and(|helped| !helped.task.is_over());
        }
        let client = session.client.id;
        let waits =
            if *is_filed { self.put_offs.is_filed(why, client) } else { self.begins_to_wait(why, session) };
        if waits {
            let look_at_ms = |wait: RoomWait| wait.look_at_ms(self.shared.clock.now().mono_ms);
            let at_ms = match why {
                PutOff::Script => session.refused_at_ms,
                PutOff::Helper => u64::MAX,
                PutOff::Pause | PutOff::Room => session.room_wait.map_or(u64::MAX, look_at_ms),
            };
            self.put_offs.file(why, client, at_ms, waker);
        }
        *is_filed = waits;
        waits
    }

    /// Asks for what ends the waiting. False if it is over already.
    fn begins_to_wait(&self, why: PutOff, session: &Session) -> bool {
        let look_at = match why {
            PutOff::Pause => self.shared.operator.pause.until(self.shared.clock.now().mono_ms),
            PutOff::Room => Some(0),
            PutOff::Helper => None,
            PutOff::Script => self.is_any_script_slow().then_some(session.refused_at_ms),
        };
        if let Some(at) = look_at {
            self.alarms[self.number].wake_by(at);
        }
        look_at.is_some()
    }

    /// Whether a script keeps something while others run.
    fn is_any_script_slow(&self) -> bool {
        self.shared.keyspace.any_busy().is_some() || self.station.busy().is_some()
    }

    /// A slow script has ended: whoever waits for one, on any worker, tries again.
    pub fn note_script_ended(&self) {
        self.put_offs.wake(PutOff::Script);
        self.shared.scripts.note_slow_ended();
        self.alarms.iter().for_each(Alarm::ring);
    }

    /// Wakes the connections that wait for a script, if one has ended anywhere, or they are to be refused now. Returns when
    /// the next of them is.
    fn wake_for_scripts(&self) -> u64 {
        if !self.put_offs.is_any(PutOff::Script) {
            return u64::MAX;
        }
        let ended = self.shared.scripts.slow_ended();
        if self.scripts_ended.replace(ended) != ended {
            self.put_offs.wake(PutOff::Script);
            return u64::MAX;
        }
        self.put_offs.wake_due(PutOff::Script, self.shared.clock.now().mono_ms)
    }

    /// A connection ends, and waits no longer.
    pub fn forget_waiting(&self, client: u64) {
        self.put_offs.forget(client);
    }

    /// Wakes the connections that wait for the end of the pause, once it is there. Returns when it will be,
    /// monotonic ms, if any connection waits.
    fn wake_paused(&self) -> Option<u64> {
        if !self.put_offs.is_any(PutOff::Pause) {
            return None;
        }
        let until = self.shared.operator.pause.until(self.shared.clock.now().mono_ms);
        if until.is_none() {
            self.put_offs.wake(PutOff::Pause);
        }
        until
    }

    /// Counts a slice of sweeping.
    fn note_swept(&self, took: Duration, is_full: bool) {
        self.shared.figures.sweep_us.record(took.as_micros() as u64);
        let swept = self.swept.get() + took;
        self.counters.add(Counter::ExpiryMs, swept.as_millis() as u64);
        self.swept.set(Duration::from_nanos(u64::from(swept.subsec_nanos()) % 1_000_000));
        if is_full {
            self.counters.add(Counter::ExpiryCapReached, 1);
            let wall_ms = self.shared.clock.now().wall_ms;
            self.shared.figures.note_latency("expire-cycle", took, wall_ms, &self.settings());
        }
    }

    /// Counts an error reply that no command wrote.
    pub fn note_error(&self, line: &[u8]) {
        self.meter.borrow().calls().note_error(line);
    }

    /// Runs `work` on a bench with the time of now and the settings of now, then carries out its effects.
    pub fn at_bench<T>(&self, effects: &mut Effects, work: impl FnOnce(&mut Bench<'_>) -> T) -> T {
        let mut current = self.current.borrow_mut();
        let meter = &mut *self.meter.borrow_mut();
        let mut bench = Bench {
            shared: &self.shared,
            handlers: self.handlers,
            station: Some(&self.station),
            current: &mut current,
            counters: &self.counters,
            now: self.shared.clock.now(),
            effects,
            deliveries: Vec::new(),
            leaving: Vec::new(),
            meter,
        };
        bench.refresh_settings();
        let result = work(&mut bench);
        self.carry_out(&mut bench);
        result
    }

    /// Sends answers, takes answered waiters out of their flights, wakes sweepers. No lock may be held.
    pub fn carry_out(&self, bench: &mut Bench<'_>) {
        while !bench.effects.is_empty() || !bench.leaving.is_empty() {
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
            bench.give_way();
            bench.serve_late();
            self.take_out(bench);
        }
        let deliveries = std::mem::take(&mut bench.deliveries);
        if !deliveries.is_empty() {
            self.post.accept(deliveries, push_bytes_max(&bench.current.settings));
        }
    }
}

impl Worker {
    /// Takes waiters and leases out of flights, where it is much a first portion of them.
    fn take_out(&self, bench: &mut Bench<'_>) {
        let more = bench.take_leaving();
        if more.is_empty() {
            return;
        }
        let mut leaving = self.leaving.borrow_mut();
        let is_idle = leaving.is_empty();
        leaving.extend(more);
        if is_idle {
            bench.leave_portion(&mut leaving);
            if !leaving.is_empty() {
                self.leaving_filled.notify_one();
            }
        }
    }
}

/// Takes the rest out in portions, so that other connections get their turn in between.
async fn leave_flights(worker: Rc<Worker>) {
    loop {
        if worker.leaving.borrow().is_empty() {
            worker.leaving_filled.notified().await;
        } else {
            worker.at_bench(&mut Effects::default(), |bench| {
                bench.leave_portion(&mut worker.leaving.borrow_mut());
            });
            tokio::task::yield_now().await;
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
/// Says again and again that this worker gets to run something else than one request.
async fn beat(worker: Rc<Worker>) {
    loop {
        let connections = worker.connections.load(Relaxed);
        let busy_ns = process::thread_ns();
        worker.shared.figures.pulses[worker.number].beat(
            worker.shared.clock.now().mono_ms,
            busy_ns,
            connections,
        );
        tokio::time::sleep(BEAT_PERIOD).await;
    }
}

async fn sweep(worker: Rc<Worker>) {
    let alarm = &worker.alarms[worker.number];
    loop {
        // Set before the shards are looked at: a thread that files an earlier deadline meanwhile wakes us again.
        alarm.at.store(u64::MAX, Relaxed);
        let paused = worker.wake_paused().unwrap_or(u64::MAX).min(worker.wake_for_scripts());
        let mut next = sweep_shards(&worker).await.min(paused);
        if worker.at_bench(&mut Effects::default(), |bench| bench.make_room(EVICT_SLICE_NS)) {
            // Not at once, unless somebody waits for it: a command that writes makes room as well, and what is read and
            // written comes first.
            let pause_ms = u64::from(!worker.put_offs.is_any(PutOff::Room));
            let now_ms = worker.shared.clock.now().mono_ms;
            worker.put_offs.wake_due(PutOff::Room, now_ms);
            next = next.min(now_ms + pause_ms);
        } else {
            worker.put_offs.wake(PutOff::Room);
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
async fn sweep_shards(worker: &Worker) -> u64 {
    let (mut next, mut slice) = (u64::MAX, None);
    let mut now = worker.shared.clock.now().mono_ms;
    for shard in (worker.number..SHARDS).step_by(worker.alarms.len()) {
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
