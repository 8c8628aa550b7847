//! A server of its own for each test: two workers, a port of the system's choice, a clock the test holds.
//!
//! When a `TestServer` goes out of scope it checks what must hold after every story: the counters' sum, and that
//! time alone clears every flight and waiter (statements 19 and 17 of section 7 of docs/fill.md).
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

pub mod conn;
pub mod folder;
pub mod resp;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use onefill::base::clock::Clock;
use onefill::base::metrics::Counter;
use onefill::config::Settings;
use onefill::server::{Running, Server};

pub use conn::{Answer, Conn};
pub use resp::Value;

/// The longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// The wall time at which every test begins, ms since the Unix epoch.
pub const EPOCH_MS: i64 = 1_800_000_000_000;

/// A running server and the clock it reads.
pub struct TestServer {
    running: Option<Running>,
    addr: SocketAddr,
    clock: Clock,
    control: Mutex<Conn>,
}

impl TestServer {
    pub fn start() -> TestServer {
        TestServer::start_with(|_| {})
    }

    /// Starts with settings changed by `change`.
    pub fn start_with(change: impl FnOnce(&mut Settings)) -> TestServer {
        let mut settings =
            Settings { port: 0, bind: vec!["127.0.0.1".to_owned()], io_threads: 2, ..Settings::default() };
        change(&mut settings);
        let clock = Clock::manual(EPOCH_MS);
        let running = Server::start(settings, clock.clone()).expect("the server starts");
        let addr = running.tcp_addr();
        TestServer { running: Some(running), addr, clock, control: Mutex::new(Conn::open(addr)) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn connect(&self) -> Conn {
        Conn::open(self.addr)
    }

    pub fn connect_resp3(&self) -> Conn {
        let mut conn = self.connect();
        assert!(matches!(conn.run("HELLO 3"), Value::Map(_)));
        conn
    }

    pub fn connect_many<const N: usize>(&self) -> [Conn; N] {
        std::array::from_fn(|_| self.connect())
    }

    /// A connection whose receive buffer is small: replies it does not read stay with the server.
    pub fn connect_slow_reader(&self) -> Conn {
        Conn::open_slow(self.addr)
    }

    /// What SIGHUP does to certificates.
    pub fn reload_tls(&self) {
        self.running.as_ref().expect("it runs").reload_tls();
    }

    /// Lets `ms` pass on both clocks.
    pub fn advance_ms(&self, ms: u64) {
        self.clock.advance_ms(ms);
    }

    /// Sets the wall clock alone.
    pub fn jump_wall_to_ms(&self, wall_ms: i64) {
        self.clock.jump_wall_to_ms(wall_ms);
    }

    /// Stops the server gracefully.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// A connection for looking on, in database 0.
    pub fn control(&self) -> MutexGuard<'_, Conn> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// FILL.INFO of a key of database 0.
    #[track_caller]
    pub fn flight(&self, key: &str) -> Option<FlightFacts> {
        let reply = self.control().call(&["FILL.INFO", key]);
        (reply != Value::Nil).then(|| FlightFacts::of(&reply))
    }

    pub fn waiters(&self, key: &str) -> u64 {
        self.flight(key).map_or(0, |flight| flight.number("waiters"))
    }

    /// Waits until exactly `count` callers are parked for the key.
    #[track_caller]
    pub fn until_waiters(&self, key: &str, count: u64) {
        wait_until(&format!("{key} has {count} waiters"), || self.waiters(key) == count);
    }

    /// Parks `FILL.GET <line>` and returns once it is parked, last in the queue of its key (the first word).
    #[track_caller]
    pub fn park(&self, conn: &mut Conn, line: &str) {
        let key = line.split_ascii_whitespace().next().expect("a key");
        let before = self.waiters(key);
        conn.ask(line);
        self.until_waiters(key, before + 1);
    }

    /// These callers are still parked, and they are all of the key's waiters.
    #[track_caller]
    pub fn expect_parked(&self, key: &str, conns: &mut [&mut Conn]) {
        assert_eq!(self.waiters(key), conns.len() as u64, "waiters of {key}");
        conns.iter_mut().for_each(|conn| conn.expect_silence());
    }

    /// Waits until the server knows that the client is gone.
    #[track_caller]
    pub fn until_gone(&self, client_id: i64) {
        let mark = format!("id={client_id} ");
        wait_until("the client is gone", || !self.control().say("CLIENT LIST").contains(&mark));
    }

    /// The figures of INFO's section `fill`.
    pub fn figures(&self) -> Figures {
        Figures::of(&self.control().say("INFO fill"))
    }

    #[track_caller]
    pub fn figure(&self, name: &str) -> u64 {
        self.figures().get(name)
    }

    fn check_afterwards(&self) {
        let mut conn = self.connect();
        let mut broken = String::new();
        wait_until("gets = hit + lead + refresh + stale + none + fail + pass + wait + self", || {
            broken = conn.say("INFO fill");
            Figures::of(&broken).sum_holds()
        });
        wait_until("time clears every flight and waiter", || {
            self.clock.advance_ms(3_600_000);
            let figures = Figures::of(&conn.say("INFO fill"));
            figures.get("fill_flights") == 0 && figures.get("fill_waiters") == 0
        });
        assert_eq!(conn.say("FILL.LIST"), "", "no flight is left");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.running.is_some() && !thread::panicking() {
            self.check_afterwards();
        }
    }
}

/// What FILL.INFO says.
#[derive(Debug)]
pub struct FlightFacts(HashMap<String, Value>);

impl FlightFacts {
    #[track_caller]
    pub fn of(reply: &Value) -> FlightFacts {
        FlightFacts(reply.pairs().into_iter().collect())
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        self.0.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).text()
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    }
}

/// Name and figure of each line of INFO's section `fill`.
#[derive(Debug)]
pub struct Figures(HashMap<String, u64>);

impl Figures {
    pub fn of(info: &str) -> Figures {
        let pairs = info.lines().filter_map(|line| line.split_once(':'));
        Figures(pairs.filter_map(|(name, figure)| Some((name.to_owned(), figure.parse().ok()?))).collect())
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("INFO fill has no number {name}: {self:?}"))
    }

    pub fn sum_holds(&self) -> bool {
        let sum: u64 = Counter::FILL_ANSWERS.iter().map(|answer| self.get(answer.name())).sum();
        self.get("fill_gets") == sum
    }
}

/// Polls until `is_so`; panics with `what` when it does not come true in time.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::yield_now();
    }
}
