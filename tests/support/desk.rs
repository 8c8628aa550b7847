//! A server's inside without sockets: what `net::connection` and `net::worker` do between two awaits, done by hand,
//! on a clock that the test holds.
//!
//! tests/fill_proof and tests/interleavings drive the keyspace through it, benches/instructions counts its steps.
#![allow(dead_code, reason = "each program uses its own part")]

use std::io::IoSlice;
use std::sync::Arc;

use onefill::base::clock::Clock;
use onefill::base::hash::HashSeed;
use onefill::base::limits::SHARDS;
use onefill::clients::{Client, Peer};
use onefill::commands::groups;
use onefill::config::Settings;
use onefill::dispatch::answer::error_of;
use onefill::dispatch::batch::Batch;
use onefill::dispatch::bench::Bench;
use onefill::dispatch::identity::Identity;
use onefill::dispatch::live::Current;
use onefill::dispatch::session::Session;
use onefill::dispatch::shared::Shared;
use onefill::figures::calls::Meter;
use onefill::keyspace::Effects;
use onefill::net::ReplyQueue;
use onefill::parking::Letter;
use onefill::server::{Surroundings, share};

const SEED: HashSeed = HashSeed(1, 2);
const EPOCH_MS: i64 = 1_800_000_000_000;

/// A server's inside with these settings, always with the same hashes and the same time.
pub fn server(settings: Settings) -> Shared {
    let settings = Settings { hash_seed: Some(SEED), ..settings };
    let clock = Clock::manual(EPOCH_MS);
    let surroundings =
        Surroundings { clock, config_file: None, apply: Box::new(|_| Ok(())), machine_bytes: 0 };
    share(settings, surroundings, 0, &Arc::default()).unwrap()
}

/// The shard of a key in such a server.
pub fn shard_of(key: &str) -> usize {
    (SEED.hash(key.as_bytes()) >> (64 - SHARDS.ilog2())) as usize
}

/// A worker's bench with the time of now.
pub fn bench<'a>(
    shared: &'a Shared,
    number: usize,
    current: &'a mut Current,
    effects: &'a mut Effects,
    meter: &'a mut Meter,
) -> Bench<'a> {
    Bench {
        shared,
        handlers: groups::handlers(),
        station: None,
        current,
        counters: &shared.figures.counters[number],
        now: shared.clock.now(),
        effects,
        deliveries: Vec::new(),
        leaving: Vec::new(),
        meter,
    }
}

/// The settings of now and a stop watch, as worker `number` has them.
pub fn watch(shared: &Shared, number: usize) -> (Current, Meter) {
    let current = Current::of(&shared.settings);
    let mut meter = Meter::new(shared.clock.clone(), shared.figures.calls[number].clone());
    meter.apply(&current.settings);
    (current, meter)
}

/// Runs `work` as worker `number` does, and what follows from it.
pub fn at_bench(shared: &Shared, number: usize, work: impl FnOnce(&mut Bench<'_>)) {
    let effects = &mut Effects::default();
    let (mut current, mut meter) = watch(shared, number);
    let mut bench = bench(shared, number, &mut current, effects, &mut meter);
    work(&mut bench);
    while !bench.effects.is_empty() || !bench.leaving.is_empty() {
        bench.publish_events();
        bench.tell_changes();
        bench.effects.alarms.clear();
        bench.effects.freed.clear();
        for (slot, answer) in std::mem::take(&mut bench.effects.answers) {
            if let Err(answer) = slot.deliver(answer) {
                bench.undelivered(&slot, &answer);
            }
        }
        bench.give_way();
        bench.serve_late();
        let mut leaving = bench.take_leaving().into();
        bench.leave_portion(&mut leaving);
        assert!(leaving.is_empty(), "no test leaves that much behind");
    }
}

/// What `net::connection` keeps of one connection, beside its socket.
pub struct Desk {
    pub session: Session,
    pub replies: ReplyQueue,
    /// Lets others run while a request is put off.
    pub give_turn: fn(),
}

impl Desk {
    /// A new connection.
    pub fn open(shared: &Shared) -> Desk {
        let peer =
            Peer { addr: "127.0.0.1:1".to_owned(), laddr: "127.0.0.1:2".to_owned(), ..Peer::default() };
        let client = Arc::new(Client::new(shared.clients.next_id(), peer, shared.clock.now().mono_ms));
        shared.clients.add(client.clone());
        Desk {
            session: Session::new(client, Identity::new(&shared.users)),
            replies: ReplyQueue::default(),
            give_turn: std::thread::yield_now,
        }
    }

    /// The number by which the server knows the connection.
    pub fn id(&self) -> u64 {
        self.session.client.id
    }

    /// Runs the requests that `batch` has cut out of `bytes`.
    pub fn run(&mut self, batch: &Batch, bytes: &[u8], bench: &mut Bench<'_>) {
        let Desk { session, replies, give_turn } = self;
        session.refresh_user(&bench.shared.users);
        for index in 0..batch.len() {
            batch.run(index, bytes, bench, session, replies.tail());
            while session.put_off.take().is_some() {
                give_turn();
                batch.run(index, bytes, bench, session, replies.tail());
            }
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
    }

    /// Reads a letter of its post box; only answers matter here.
    pub fn read_letter(&mut self, letter: Letter, bench: &mut Bench<'_>) {
        let Letter::Answer { seq, answer } = letter else { return };
        if let Some(slot) = self.replies.slot(seq).cloned() {
            bench.handed(&mut self.session, &slot, &answer);
        }
        bench.unblock(&mut self.session, seq, error_of(&answer).is_some());
        self.replies.answer(seq, &answer);
        self.session.slots.open = self.replies.unanswered();
    }

    /// Hands the replies that are ready to the client.
    pub fn flush(&mut self, into: &mut Vec<u8>) {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = self.replies.ready.slices(usize::MAX, &mut slices);
        slices[..used].iter().for_each(|slice| into.extend_from_slice(slice));
        self.replies.ready.clear(usize::MAX);
    }

    /// The connection closes, whatever it still waits for.
    pub fn close(mut self, shared: &Shared, number: usize) {
        shared.clients.remove(&self.session.client);
        let slots = self.replies.slots();
        at_bench(shared, number, |bench| bench.leave(&mut self.session, &slots));
    }
}
