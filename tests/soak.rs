//! Everything at once for a while: expiry, eviction, fills, large values, connections that come and go, CONFIG SET;
//! then the server is counted anew, and nothing may differ from what it believes, and nothing may be left.
//!
//! `SOAK_SECONDS` is the length of each run: 30 by default, 600 for the long form. The seed is printed.

mod support;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use onefill::config::DebugAccess;
use rustix::process::{Pid, Signal, kill_process};
use support::{Conn, EPOCH_MS, PATIENCE, TestServer, Value, wait_until};

/// As in the program: used_memory is this allocator's figure.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keys that all threads meet on.
const KEYS: u64 = 3_000;
/// Connections at a time from which on no more are opened for a while.
const CONNECTIONS_MAX: usize = 500;
/// The longest TTL, idle time or grace given, ms.
const TTL_MS_MAX: u64 = 1_500;
/// Keys without an end, by which memory runs short.
const CROWD_KEYS: u32 = 60_000;
/// `maxmemory` at the end, beyond what the server takes when it is empty, bytes.
const ROOM_BYTES: i64 = 16 << 20;
/// Requests in one portion.
const PORTION: usize = 50;
/// What may be resident beside the limit and a fiftieth of it, bytes.
const RESIDENT_BYTES: i64 = 32 << 20;
/// What may be allocated beside what a recount finds: buffers, tables of flights that keep their size, bytes.
const SLACK_BYTES: i64 = 4 << 20;

fn soak_time() -> Duration {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// What DEBUG RECOUNT says.
struct Census(Vec<(String, Value)>);

impl Census {
    fn take(conn: &mut Conn) -> Census {
        Census(conn.run("DEBUG RECOUNT").pairs())
    }

    fn value(&self, name: &str) -> &Value {
        &self.0.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn get(&self, name: &str) -> i64 {
        self.value(name).int()
    }

    /// Waits until flights and answers are forgotten and all that has a TTL is gone; `pass` lets time pass.
    #[track_caller]
    fn until_quiet(conn: &mut Conn, pass: impl Fn()) -> Census {
        const TRANSIENT: [&str; 5] = ["flights", "waiters", "answered", "expiring", "hidden"];
        let deadline = Instant::now() + PATIENCE;
        loop {
            pass();
            let census = Census::take(conn);
            let left = TRANSIENT.map(|name| (name, census.get(name)));
            if left.iter().all(|(_, count)| *count == 0) {
                return census;
            }
            assert!(Instant::now() < deadline, "still there after {PATIENCE:?}: {left:?}");
        }
    }

    #[track_caller]
    fn expect_sound(&self) {
        assert_eq!(self.value("faults"), &Value::Array(Vec::new()));
    }
}

fn figure(conn: &mut Conn, name: &str) -> i64 {
    let info = conn.say("INFO all");
    let figure = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no figure {name}"))
}

fn used_memory(conn: &mut Conn) -> i64 {
    figure(conn, "used_memory")
}

/// Ends the run with a limit like that at its beginning: it is kept to, and keys have gone for it. `pass` lets time
/// pass: the allocator is asked now and then only.
#[track_caller]
fn expect_within(conn: &mut Conn, limit: i64, pass: impl Fn()) {
    assert_eq!(conn.say(&format!("CONFIG SET maxmemory {limit} maxmemory-policy allkeys-s3fifo")), "OK");
    wait_until("the limit is kept to", || {
        pass();
        figure(conn, "used_memory") - figure(conn, "mem_not_counted_for_evict") <= limit
    });
    assert!(figure(conn, "evicted_keys") > 0, "memory ran short");
}

/// Runs all workers beside each other until `until`, and `disturb` with them.
fn run(addr: SocketAddr, seed: u64, disturb: impl Fn(&AtomicBool) + Send + Sync) {
    let workers: [fn(SocketAddr, &mut fastrand::Rng); 8] =
        [write, write, crowd, fill, large, churn, configure, limit];
    let over = AtomicBool::new(false);
    let until = Instant::now() + soak_time();
    eprintln!("seed {seed}");
    thread::scope(|scope| {
        for (number, work) in workers.into_iter().enumerate() {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed + number as u64);
                while Instant::now() < until {
                    work(addr, &mut random);
                }
            });
        }
        scope.spawn(|| disturb(&over));
        scope.spawn(|| {
            thread::sleep(until - Instant::now());
            over.store(true, Relaxed);
        });
    });
}

fn key(random: &mut fastrand::Rng) -> String {
    format!("k{}", random.u64(..KEYS))
}

fn ttl(random: &mut fastrand::Rng) -> u64 {
    random.u64(1..TTL_MS_MAX)
}

/// Ordinary commands in portions, on a connection for each portion of portions.
fn write(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conn = Conn::open(addr);
    for _ in 0..20 {
        let lines: Vec<String> = (0..PORTION).map(|_| line(random)).collect();
        conn.pipeline(&lines);
        lines.iter().for_each(|_| drop(conn.reply()));
    }
}

/// Writes more than fits.
fn crowd(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conn = Conn::open(addr);
    for _ in 0..20 {
        let mut line =
            || format!("SET crowd{} x{}", random.u32(..CROWD_KEYS), "c".repeat(random.usize(..1_500)));
        let lines: Vec<String> = (0..PORTION).map(|_| line()).collect();
        conn.pipeline(&lines);
        lines.iter().for_each(|_| drop(conn.reply()));
    }
}

/// Moves the limit, and what goes for it, `noeviction` included.
fn limit(addr: SocketAddr, random: &mut fastrand::Rng) {
    const POLICIES: [&str; 9] = [
        "allkeys-s3fifo",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "noeviction",
    ];
    let mut conn = Conn::open(addr);
    let used = used_memory(&mut conn);
    let limit = (used - random.i64(0..ROOM_BYTES / 4)).max(used / 2);
    let policy = POLICIES[random.usize(..POLICIES.len())];
    let samples = random.u8(1..20);
    let line = format!("CONFIG SET maxmemory {limit} maxmemory-policy {policy} maxmemory-samples {samples}");
    assert_eq!(conn.say(&line), "OK", "{line}");
    for _ in 0..20 {
        figure(&mut conn, "evicted_keys");
    }
    let line = format!("CONFIG SET maxmemory {}", used + ROOM_BYTES / 2);
    assert_eq!(conn.say(&line), "OK", "{line}");
    Census::take(&mut conn).expect_sound();
}

fn line(random: &mut fastrand::Rng) -> String {
    let (key, other, ttl) = (key(random), key(random), ttl(random));
    let value = "v".repeat(random.usize(..300));
    match random.u8(..16) {
        0..4 => format!("SET {key} x{value} PX {ttl}"),
        4 => format!("SET {key} x{value} IDLE {ttl} PX {}", TTL_MS_MAX),
        5 => format!("GETEX {key} IDLE {ttl}"),
        6 => format!("SET {key} {ttl} KEEPTTL"),
        7 => format!("PEXPIRE {key} {ttl}"),
        8 => format!("PERSIST {key}"),
        9 => format!("APPEND {key} {ttl}"),
        10 => format!("RENAME {key} {other}"),
        11 => format!("COPY {key} {other} REPLACE"),
        12 => format!("DEL {key} {other}"),
        13 => format!("FILL.STALE {key} GRACE {ttl}"),
        _ => format!("MGET {key} {other}"),
    }
}

/// Leads, waits, answers in every way, and now and then leaves a lease behind.
fn fill(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conn = Conn::open(addr);
    for _ in 0..100 {
        let (key, ttl) = (key(random), ttl(random));
        let answer = conn.get(&format!("{key} WAIT 20 LEASE 100"));
        let Some(token) = answer.token else { continue };
        let line = match random.u8(..10) {
            0 => return,
            1 => format!("FILL.NONE {key} {token} PX {ttl}"),
            2 => format!("FILL.PASS {key} {token} PX {ttl}"),
            3 => format!("FILL.FAIL {key} {token} oops RETRY 20"),
            4 => format!("FILL.FAIL {key} {token}"),
            5 => format!("FILL.PUT {key} {token} value IDLE {ttl} GRACE 300"),
            _ => format!("FILL.PUT {key} {token} value PX {ttl} GRACE 300 JITTER 10"),
        };
        let reply = conn.say(&line);
        assert!(["OK", "VOID"].contains(&reply.as_str()) || reply.starts_with("OOM "), "{line}: {reply}");
    }
}

fn large(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conn = Conn::open(addr);
    let key = format!("large{}", random.u8(..20));
    let value = vec![b'l'; random.usize(10_000..400_000)];
    let ttl = ttl(random).to_string();
    conn.call(&[&b"SET"[..], key.as_bytes(), &value, b"PX", ttl.as_bytes()]);
    conn.say(&format!("SETRANGE {key} {} end", random.usize(..500_000)));
    conn.say(&format!("PEXPIRE {key} {ttl}"));
    conn.run(&format!("GET {key}"));
    conn.run(&format!("GETRANGE {key} 5 20000"));
}

/// Connections that close in the middle of things.
fn churn(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conns: Vec<Conn> = (0..20).map(|_| Conn::open(addr)).collect();
    for conn in &mut conns {
        match random.u8(..4) {
            0 => conn.send_raw(b"*3\r\n$3\r\nSET\r\n$2\r\nk1"),
            1 => conn.ask(&format!("{} WAIT 60000 LEASE 100", key(random))),
            2 => conn.pipeline(&["MULTI", "SET k1 v PX 50", "WATCH k2"]),
            _ => conn.pipeline(&["WATCH k1 k2 k3"]),
        }
    }
    drop(conns);
    // A backlog of thousands would keep everybody waiting: the test is not about that.
    wait_until("the server keeps up", || connected(addr) < CONNECTIONS_MAX);
}

fn connected(addr: SocketAddr) -> usize {
    let info = Conn::open(addr).say("INFO clients");
    let count = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
    count.and_then(|count| count.parse().ok()).expect("a figure")
}

fn configure(addr: SocketAddr, random: &mut fastrand::Rng) {
    let mut conn = Conn::open(addr);
    let line = match random.u8(..5) {
        0 => format!("CONFIG SET fill-wait {}", random.u8(1..100)),
        1 => format!("CONFIG SET fill-waiters-per-key {}", random.u8(1..20)),
        2 => format!("CONFIG SET fill-flights {}", random.u16(100..1_000)),
        3 => format!("CONFIG SET slowlog-log-slower-than {}", random.u16(..)),
        _ => format!("CONFIG SET latency-monitor-threshold {}", random.u8(..)),
    };
    assert_eq!(conn.say(&line), "OK", "{line}");
    conn.say("INFO");
    conn.say("DBSIZE");
    conn.say("FILL.LIST");
    Census::take(&mut conn).expect_sound();
}

/// The program in a process of its own.
struct Program {
    child: Child,
    addr: SocketAddr,
}

impl Program {
    fn start() -> Program {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr());
        let addr = port.expect("a free port");
        let port = addr.port().to_string();
        let fixed = ["--bind", "127.0.0.1", "--io-threads", "2", "--enable-debug-command", "yes"];
        let child = Command::new(env!("CARGO_BIN_EXE_onefill"))
            .args(["--port", &port, "--fill-late", "100"])
            .args(fixed)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program runs");
        wait_until("the program listens", || std::net::TcpStream::connect(addr).is_ok());
        Program { child, addr }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the program takes a signal");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn program_that_is_stopped_and_continued_is_sound_and_leaves_nothing() {
    let program = Program::start();
    let mut conn = Conn::open(program.addr);
    let before = used_memory(&mut conn) - Census::take(&mut conn).get("bytes");
    let limit = before + ROOM_BYTES;
    run(program.addr, fastrand::u64(..1 << 32), |over| {
        while !over.load(Relaxed) {
            // The stops are the disturbance itself, nothing is waited for.
            thread::sleep(Duration::from_millis(300));
            program.signal(Signal::STOP);
            thread::sleep(Duration::from_millis(fastrand::u64(10..150)));
            program.signal(Signal::CONT);
        }
    });
    expect_within(&mut conn, limit, || ());
    wait_until("what went is given back", || {
        figure(&mut conn, "used_memory_rss") <= limit + limit / 50 + RESIDENT_BYTES
    });
    let census = Census::until_quiet(&mut conn, || ());
    census.expect_sound();
    assert_eq!(conn.say("DBSIZE"), census.get("entries").to_string());
    let beside = used_memory(&mut conn) - census.get("bytes") - before;
    assert!(beside.abs() < SLACK_BYTES, "{beside} bytes beside what a recount finds");
    assert_eq!(conn.say("CONFIG SET maxmemory 0"), "OK");
    assert_eq!(conn.say("FLUSHALL"), "OK");
    wait_until("what was flushed is freed", || {
        conn.say("INFO memory").contains("lazyfree_pending_objects:0\r\n")
    });
    let left = used_memory(&mut conn) - before;
    assert!(left < SLACK_BYTES, "{left} bytes are left in an empty server");
    assert_eq!(Census::take(&mut conn).get("bytes"), 0);
    assert!(conn.say("INFO stats").contains("\r\npanics:0\r\n"));
}

#[test]
fn server_whose_clock_jumps_is_sound_and_leaves_nothing() {
    const HOUR_MS: i64 = 3_600_000;
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    let mut conn = server.connect();
    let limit = used_memory(&mut conn) + ROOM_BYTES;
    run(server.addr(), fastrand::u64(..1 << 32), |over| {
        while !over.load(Relaxed) {
            for _ in 0..100 {
                server.advance_ms(5);
                thread::sleep(Duration::from_millis(1));
            }
            server.jump_wall_to_ms(EPOCH_MS + fastrand::i64(-HOUR_MS..HOUR_MS));
        }
    });
    server.jump_wall_to_ms(EPOCH_MS + 3 * HOUR_MS);
    expect_within(&mut conn, limit, || server.advance_ms(100));
    let census = Census::until_quiet(&mut conn, || server.advance_ms(10_000));
    census.expect_sound();
    assert_eq!(conn.say("DBSIZE"), census.get("entries").to_string());
    assert!(conn.say("INFO stats").contains("\r\npanics:0\r\n"));
}
