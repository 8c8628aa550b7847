//! The real code against the model: the same random events to both, every reply compared, and after each event
//! what ordinary commands and FILL.INFO show of every key. Runs 256 sequences; `FILL_SEQUENCES=n` says otherwise,
//! and `FILL_SEED=n` repeats a run (each run prints its seed).
//!
//! Time also passes with a sweeper that is late, so that a flight's time is applied by whoever looks at it first.
//! Eviction is not among the events: the server has none yet. Time passes in steps of 50 ms.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use onefill::base::metrics::Counter;
use onefill::config::Settings;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::alphabet::Alphabet;
use super::real::{Real, Shape, keys as names};
use super::resp::Value;
use super::step::{Event, Mutant, looked_at, step};
use super::world::*;

/// 50 ms a tick: an orphan grace of one, back-off by failures of twenty.
const RULES: Rules = Rules {
    conns: 3,
    keys: 3,
    dbs: 2,
    unit_ms: 50,
    fill_wait: 4,
    orphan_grace: 1,
    late: 3,
    window: 20,
    waiters_max: 3,
    flights_max: 4,
    slots_max: 2,
    tokens_kept: 4,
    mutant: None,
};

const GET: Terms = Terms { wait: 3, lease: 4, stale: None, nonce: 0, early: false, detached: false };

const ALPHABET: Alphabet = Alphabet {
    gets: &[
        GET,
        Terms { wait: 6, lease: 2, ..GET },
        Terms { wait: 0, ..GET },
        Terms { early: true, ..GET },
        Terms { stale: Some(0), ..GET },
        Terms { stale: Some(1), lease: 3, ..GET },
        Terms { nonce: 1, ..GET },
        Terms { nonce: 2, detached: true, ..GET },
        Terms { detached: true, ..GET },
    ],
    mgets: &[GET, Terms { nonce: 1, wait: 5, ..GET }],
    puts: &[(None, 0), (Some(3), 0), (Some(2), 4), (None, 2), (Some(0), 0), (Some(0), 3)],
    nones: &[None, Some(2)],
    passes: &[None, Some(2)],
    fails: &[None, Some(0), Some(2)],
    renews: &[None, Some(1), Some(5)],
    softens: &[None, Some(0), Some(2)],
    dels: true,
    sets: &[None, Some(2)],
    multi: true,
    expires: &[0, 1, 4],
    moves: true,
    flushes: true,
    reads: true,
    unblocks: true,
    evictions: false,
    closes: true,
    stalls: true,
    behind: true,
    queue_max: 5,
};

/// Both, and which of the model's names stands for which of the server's texts.
struct Pair {
    rules: Rules,
    world: World,
    real: Real,
    keys: Vec<String>,
    tokens: HashMap<u32, String>,
    values: HashMap<u32, String>,
    sent: u32,
    told: u64,
    /// Everything that is due was looked at.
    is_swept: bool,
}

impl Pair {
    fn new(rules: Rules) -> Pair {
        let settings = Settings {
            databases: rules.dbs.max(2).into(),
            fill_wait_ms: RULES.fill_wait as u64 * 50,
            fill_orphan_grace_ms: RULES.orphan_grace as u64 * 50,
            fill_late_ms: RULES.late as u64 * 50,
            fill_waiters_per_key: RULES.waiters_max,
            fill_flights: RULES.flights_max,
            fill_slots_per_connection: RULES.slots_max,
            ..Settings::default()
        };
        Pair {
            rules,
            world: World::new(&rules),
            // One more connection looks on.
            real: Real::new(settings, usize::from(RULES.conns) + 1),
            keys: names(rules.keys.into()),
            tokens: HashMap::new(),
            values: HashMap::new(),
            sent: 0,
            told: 0,
            is_swept: true,
        }
    }

    /// Does the same to both and compares what each says.
    fn apply(&mut self, event: &Event) -> Result<(), String> {
        let token = self.token_of(event);
        self.sent += 1;
        let value = format!("v{}", self.sent);
        match event {
            Event::Late => self.is_swept = false,
            Event::Tick { .. } => self.is_swept = true,
            _ => {}
        }
        let (world, facts) = step(&self.rules, &self.world, event);
        self.world = world;
        facts.brought.into_iter().for_each(|name| drop(self.values.insert(name, value.clone())));
        self.told += u64::from(facts.gets);
        self.run(event, &token, &value);
        for conn in 0..RULES.conns {
            let replies = facts.left.iter().filter(|(to, ..)| *to == conn).map(|(.., reply)| reply);
            let read = std::mem::take(&mut self.real.conns[usize::from(conn)].read);
            let told: Vec<&Reply> = replies.collect();
            if told.len() != read.len() {
                return Err(format!("connection {conn}: the model says {told:?}, the server {read:?}"));
            }
            for (model, real) in told.into_iter().zip(&read) {
                self.same(model, real).map_err(|what| {
                    format!("connection {conn}: {what}: the model says {model:?}, the server {real:?}")
                })?;
            }
        }
        self.look()
    }

    fn token_of(&self, event: &Event) -> String {
        let (place, back) = match *event {
            Event::Put { place, back, .. } | Event::None { place, back, .. } => (place, back),
            Event::Pass { place, back, .. } | Event::Fail { place, back, .. } => (place, back),
            Event::Renew { place, back, .. } => (place, back),
            _ => return String::new(),
        };
        let tokens = &self.world.places[usize::from(place)].tokens;
        self.tokens[&tokens[tokens.len() - 1 - usize::from(back)].name].clone()
    }

    fn run(&mut self, event: &Event, token: &str, value: &str) {
        match *event {
            Event::Close { conn } => return self.real.close(conn.into()),
            Event::Stall { conn, on } => return self.real.stall(conn.into(), on),
            Event::Late => return self.real.pass(50),
            Event::Tick { down } => return self.tick(down),
            _ => {}
        }
        let whom = if let Event::Unblock { whom, .. } = event { self.real.id(usize::from(*whom)) } else { 0 };
        let (db, line) = words(&self.rules, event, &self.keys, token, value, (self.real.now_ms(), whom));
        let conn = usize::from(event.conn().expect("sent by a client"));
        let words: Vec<&str> = line.split(' ').collect();
        if matches!(event, Event::Del { multi: true, .. } | Event::Set { multi: true, .. }) {
            self.real.send(conn, db, Shape::Skipped, &["MULTI"]);
            self.real.send(conn, db, Shape::Skipped, &words);
            self.real.send(conn, db, Shape::Exec, &["EXEC"]);
        } else {
            self.real.send(conn, db, Shape::Plain, &words);
        }
    }

    fn tick(&mut self, down: bool) {
        self.real.pass(50);
        for nth in 0..self.keys.len() {
            let key = if down { self.keys.len() - 1 - nth } else { nth };
            self.real.sweep(&self.keys[key]);
        }
    }

    fn same(&mut self, model: &Reply, real: &Value) -> Result<(), String> {
        match model {
            Reply::Fill(keys) if keys.len() == 1 && real.array().len() == 4 => {
                self.same_told(&keys[0].1, real)
            }
            Reply::Fill(keys) if keys.len() == real.array().len() => {
                keys.iter().zip(real.array()).try_for_each(|((_, told), real)| self.same_told(told, real))
            }
            Reply::Fill(_) => Err("another number of keys".to_owned()),
            Reply::Unblocked => equal(&real.text().starts_with("UNBLOCKED"), &true),
            Reply::Word(word) => equal(&real.text().trim_start_matches("ERR "), word),
            Reply::Int(number) => equal(&real.int(), number),
            Reply::Value(value) => self.same_value(*value, real),
        }
    }

    fn same_told(&mut self, told: &Told, real: &Value) -> Result<(), String> {
        let [status, value, token, ms] = real.array() else { return Err("not four elements".to_owned()) };
        let word = match told.status {
            Status::Hit => "HIT",
            Status::Lead => "LEAD",
            Status::Refresh => "REFRESH",
            Status::Stale => "STALE",
            Status::None => "NONE",
            Status::Fail => "FAIL",
            Status::Pass => "PASS",
            Status::Wait => "WAIT",
            Status::Leading => "SELF",
        };
        equal(&status.text().as_str(), &word)?;
        equal(&ms.int(), &told.ms)?;
        match told.status {
            Status::Fail => equal(&value.text().as_str(), &"fill failed")?,
            _ => self.same_value(told.value, value)?,
        }
        match told.token {
            Some(name) if !self.tokens.contains_key(&name) => {
                let is_new = *token != Value::Nil && self.tokens.values().all(|other| *other != token.text());
                self.tokens.insert(name, token.text());
                equal(&is_new, &true)
            }
            Some(name) => equal(&token.text(), &self.tokens[&name]),
            None => equal(token, &Value::Nil),
        }
    }

    fn same_value(&self, value: Option<u32>, real: &Value) -> Result<(), String> {
        match value {
            Some(name) => equal(&real.text(), &self.values[&name]),
            None => equal(real, &Value::Nil),
        }
    }

    /// What ordinary commands and FILL.INFO show of every key.
    fn look(&mut self) -> Result<(), String> {
        if self.is_swept {
            self.world = looked_at(&self.rules, &self.world);
        }
        let onlooker = usize::from(RULES.conns);
        let rules = self.rules;
        for place in 0..rules.places() as u8 {
            let (db, key) =
                (usize::from(rules.db_of(place)), self.keys[usize::from(rules.key_of(place))].clone());
            let spot = self.world.places[usize::from(place)].clone();
            let seen = spot.entry.filter(|entry| entry.kind == Kind::Value && entry.is_fresh());
            let value = self.real.ask(onlooker, db, &["GET", &key]);
            self.same_value(seen.as_ref().map(|entry| entry.value), &value)?;
            let ttl = seen.map_or(-2, |entry| entry.left.map_or(-1, |left| i64::from(left) * 50));
            equal(&self.real.ask(onlooker, db, &["PTTL", &key]).int(), &ttl)?;
            if !self.is_swept {
                continue;
            }
            let open = spot.flight.filter(|flight| {
                flight.live().is_some() || !flight.waiters.is_empty() || flight.backs_off().is_some()
            });
            let info = self.real.ask(onlooker, db, &["FILL.INFO", &key]);
            let facts = if info == Value::Nil { None } else { Some(info.pairs()) };
            let number = |name: &str| facts.as_ref().map(|facts| field(facts, name));
            let lease = open.as_ref().and_then(Flight::live);
            let left = open.as_ref().map(|_| lease.map_or(0, |lease| i64::from(lease.ends_in()) * 50));
            equal(&number("lease-left-ms"), &left)
                .map_err(|what| format!("{key} in {db}: lease left: {what}"))?;
            let waiters = open.as_ref().map(|flight| flight.waiters.len() as i64);
            equal(&number("waiters"), &waiters).map_err(|what| format!("{key} in {db}: waiters: {what}"))?;
            if let Some(lease) = lease.filter(|lease| lease.conn != NOBODY) {
                equal(&number("leader-id"), &Some(self.real.id(lease.conn.into()) as i64))?;
            }
        }
        Ok(())
    }

    /// The counters' sum, and that time alone forgets everything.
    fn end(&mut self) -> Result<(), String> {
        let sum: u64 = Counter::FILL_ANSWERS.iter().map(|answer| self.real.counted(*answer)).sum();
        equal(&self.real.counted(Counter::FillGets), &sum)?;
        equal(&sum, &self.told)?;
        for _ in 0..RULES.window + 20 {
            self.apply(&Event::Tick { down: false })?;
        }
        let open = self.world.places.iter().filter(|spot| spot.flight.is_some()).count();
        equal(&open, &0)
    }
}

#[track_caller]
fn equal<T: PartialEq + std::fmt::Debug>(real: &T, model: &T) -> Result<(), String> {
    if real == model { Ok(()) } else { Err(format!("the server says {real:?}, the model {model:?}")) }
}

fn field(facts: &[(String, Value)], name: &str) -> i64 {
    facts.iter().find(|(field, _)| field == name).expect("the field is there").1.int()
}

/// The database and the command line of an event. `server`: its time of day, and the connection to unblock.
fn words(
    rules: &Rules,
    event: &Event,
    keys: &[String],
    token: &str,
    value: &str,
    server: (i64, u64),
) -> (usize, String) {
    let (now, whom) = server;
    let key = |place: Place| keys[usize::from(rules.key_of(place))].as_str();
    let db = |place: Place| usize::from(rules.db_of(place));
    let px = |ttl: Option<u8>| ttl.map_or(String::new(), |ttl| format!(" PX {}", ms(ttl)));
    match *event {
        Event::Get { place, terms, .. } => (db(place), format!("FILL.GET {}{}", key(place), options(&terms))),
        Event::MGet { db, keys: bits, terms, .. } => {
            let named = (0..keys.len()).filter(|key| bits & 1 << key != 0).map(|key| keys[key].as_str());
            let named: Vec<&str> = named.collect();
            let line = format!("FILL.MGET {} {}{}", named.len(), named.join(" "), options(&terms));
            (db.into(), line)
        }
        Event::Put { place, ttl: Some(0), grace, .. } => {
            // The time of now is past already.
            let line = format!("FILL.PUT {} {token} {value} PXAT {now} GRACE {}", key(place), ms(grace));
            (db(place), line)
        }
        Event::Put { place, ttl, grace, .. } => {
            (db(place), format!("FILL.PUT {} {token} {value}{} GRACE {}", key(place), px(ttl), ms(grace)))
        }
        Event::None { place, ttl, .. } => (db(place), format!("FILL.NONE {} {token}{}", key(place), px(ttl))),
        Event::Pass { place, ttl, .. } => (db(place), format!("FILL.PASS {} {token}{}", key(place), px(ttl))),
        Event::Fail { place, retry, .. } => {
            let retry = retry.map_or(String::new(), |retry| format!(" RETRY {}", ms(retry)));
            (db(place), format!("FILL.FAIL {} {token}{retry}", key(place)))
        }
        Event::Renew { place, lease, .. } => {
            let lease = lease.map_or(String::new(), |lease| format!(" LEASE {}", ms(lease)));
            (db(place), format!("FILL.RENEW {} {token}{lease}", key(place)))
        }
        Event::Soften { place, grace, .. } => {
            let grace = grace.map_or(String::new(), |grace| format!(" GRACE {}", ms(grace)));
            (db(place), format!("FILL.STALE {}{grace}", key(place)))
        }
        Event::Del { place, .. } => (db(place), format!("DEL {}", key(place))),
        Event::Set { place, ttl, .. } => (db(place), format!("SET {} {value}{}", key(place), px(ttl))),
        Event::Expire { place, ttl, .. } => (db(place), format!("PEXPIRE {} {}", key(place), ms(ttl))),
        Event::Persist { place, .. } => (db(place), format!("PERSIST {}", key(place))),
        Event::Rename { from, to, .. } => (db(from), format!("RENAME {} {}", key(from), key(to))),
        Event::Copy { from, to, .. } => (db(from), format!("COPY {} {} REPLACE", key(from), key(to))),
        Event::Move { from, to, .. } => (db(from), format!("MOVE {} {}", key(from), db(to))),
        Event::FlushDb { db, .. } => (db.into(), "FLUSHDB".to_owned()),
        Event::FlushAll { .. } => (0, "FLUSHALL".to_owned()),
        Event::SwapDb { .. } => (0, "SWAPDB 0 1".to_owned()),
        Event::Read { place, .. } => (db(place), format!("GET {}", key(place))),
        Event::Unblock { error, .. } => {
            (0, format!("CLIENT UNBLOCK {whom} {}", if error { "ERROR" } else { "TIMEOUT" }))
        }
        Event::Evict { .. }
        | Event::Close { .. }
        | Event::Stall { .. }
        | Event::Late
        | Event::Tick { .. } => unreachable!("no command"),
    }
}

fn ms(ticks: u8) -> i64 {
    i64::from(ticks) * 50
}

fn options(terms: &Terms) -> String {
    let Terms { wait, lease, stale, nonce, early, detached } = *terms;
    let wait = if wait == 0 { " NOWAIT".to_owned() } else { format!(" WAIT {}", ms(wait)) };
    let stale = stale.map_or(String::new(), |stale| format!(" STALE {}", ms(stale)));
    let nonce = if nonce == 0 { String::new() } else { format!(" AS n{nonce}") };
    // With so large a factor every fill that took time is refreshed early; with 0 none is.
    let beta = if early { "1e300" } else { "0" };
    let detached = if detached { " DETACHED" } else { "" };
    format!("{wait} LEASE {}{stale} BETA {beta}{nonce}{detached}", ms(lease))
}

/// The event that two numbers choose: a kind, then one of its events. Time passes more often than anything.
fn choose(rules: &Rules, world: &World, (kind, which): (u8, u16)) -> Event {
    let events = ALPHABET.events(rules, world);
    if kind < 40 {
        return Event::Tick { down: which % 2 == 1 };
    }
    if kind < 50 {
        return Event::Late;
    }
    let mut kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let often = ["GET", "GET AS", "MGET", "PUT", "FAIL", "RENEW", "disconnect"];
    let more = kinds.iter().filter(|kind| often.contains(kind)).flat_map(|kind| [*kind; 2]);
    let kinds: Vec<&str> = kinds.iter().copied().chain(more).collect();
    let kind = kinds[usize::from(kind) % kinds.len()];
    let of_kind: Vec<&Event> = events.iter().filter(|event| event.kind() == kind).collect();
    *of_kind[usize::from(which) % of_kind.len()]
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Plays so many random sequences to the model and the server; the error is the shortest story that differs.
fn compare(mutant: Option<Mutant>, sequences: u64, seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = u32::try_from(sequences).expect("fewer sequences");
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    // Few keys meet more often, many cross more often.
    let bounds = prop_oneof![
        4 => Just((1, 1)),
        2 => Just((2, 1)),
        1 => Just((3, 1)),
        1 => Just((1, 2)),
        2 => Just((3, 2))
    ];
    let choices = proptest::collection::vec((any::<u8>(), any::<u16>()), 1..60);
    let outcome = runner.run(&(bounds, choices), |((keys, dbs), choices)| {
        let mut pair = Pair::new(Rules { keys, dbs, mutant, ..RULES });
        let mut story = String::new();
        let mut run = || {
            for choice in &choices {
                let event = choose(&pair.rules, &pair.world, *choice);
                story += &format!("{event:?}\n");
                pair.apply(&event)?;
            }
            pair.end()
        };
        run().map_err(|what| TestCaseError::fail(format!("{what}\nafter\n{story}")))
    });
    outcome.map_err(|error| error.to_string())
}

#[test]
fn real_code_answers_as_the_model_does() {
    let sequences = number_from("FILL_SEQUENCES", 256);
    let seed = number_from("FILL_SEED", RandomState::new().hash_one(0));
    println!("FILL_SEED={seed}, {sequences} sequences");
    if let Err(what) = compare(None, sequences, seed) {
        panic!("FILL_SEED={seed}: {what}");
    }
}

/// Plays a story to both.
fn agree(keys: u8, story: &[Event]) {
    let mut pair = Pair::new(Rules { keys, dbs: 1, ..RULES });
    story.iter().try_for_each(|event| pair.apply(event)).expect("the server and the model agree");
}

/// The leader renewed its lease, lost its connection and came back with its nonce.
#[test]
fn nonce_sent_again_gets_back_a_renewed_lease_whole() {
    let (conn, place, back) = (0, 0, 0);
    let terms = Terms { nonce: 1, ..GET };
    agree(
        1,
        &[
            Event::Get { conn, place, terms },
            Event::Tick { down: false },
            Event::Renew { conn, place, back, lease: None },
            Event::Close { conn },
            Event::Get { conn: 1, place, terms },
        ],
    );
}

/// A lease was given again to another connection, which closed, before its first reply could leave: handing out
/// that reply does not give an orphaned lease its whole time again.
#[test]
fn late_reply_does_not_restart_a_lease_that_moved_on() {
    let (conn, place) = (0, 0);
    let terms = Terms { nonce: 1, ..GET };
    agree(
        1,
        &[
            Event::Stall { conn, on: true },
            Event::Get { conn, place, terms },
            Event::Get { conn: 1, place, terms },
            Event::Tick { down: false },
            Event::Close { conn: 1 },
            Event::Stall { conn, on: false },
        ],
    );
}

/// Statement 13 where the model has no step: between an election and its answer, and before the answer is read.
#[test]
fn waiter_that_closes_while_it_is_elected_is_succeeded_at_once() {
    for sent in [false, true] {
        let mut real = Real::new(Settings::default(), 3);
        let token = real.ask(0, 0, &["FILL.GET", "k"]).array()[2].text();
        for waiter in [1, 2] {
            real.send(waiter, 0, Shape::Plain, &["FILL.GET", "k"]);
        }
        real.send_while_closing(0, &format!("FILL.FAIL k {token}"), 1, sent);
        assert_eq!(real.conns[0].read.pop().expect("answered").text(), "OK");
        assert_eq!(real.conns[2].read.pop().expect("answered").array()[0].text(), "LEAD");
        assert_eq!(real.counted(Counter::FillHandoverDisconnect), 1);
    }
}

/// The comparison would notice: a model with a rule broken and the real code soon differ.
#[test]
fn broken_model_differs_from_the_real_code() {
    let mutants = [
        Mutant::PutKeepsLease,
        Mutant::DelKeepsLease,
        Mutant::AbsentDelKeepsLease,
        Mutant::SetKeepsLease,
        Mutant::MultiKeepsLease,
        Mutant::FlushKeepsLeases,
        Mutant::RenameKeepsTarget,
        Mutant::DelKeepsValue,
        Mutant::WaitHasNoEnd,
        Mutant::FailElectsNobody,
        Mutant::LeaseEndElectsNobody,
        Mutant::DelElectsNobody,
        Mutant::MGetHoldsAndWaits,
        Mutant::NewestFirst,
        Mutant::NoYield,
        Mutant::FailUnchecked,
        Mutant::RenewAdds,
        Mutant::NonceElectsAnew,
        Mutant::CloseKeepsLease,
        Mutant::ExpiryVoids,
        Mutant::StaleShows,
        Mutant::NoneShows,
        Mutant::DupForEver,
    ];
    let alike: Vec<Mutant> =
        mutants.into_iter().filter(|mutant| compare(Some(*mutant), 2_000, 1).is_ok()).collect();
    assert!(alike.is_empty(), "no difference seen: {alike:?}");
}
