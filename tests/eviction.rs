//! `maxmemory`: the limit holds under writes of mixed sizes, each policy evicts what it says, and where
//! nothing may go writes are refused, in transactions too.
//!
//! The allocator is the process's, so each test runs the program by itself.

#[path = "support/program.rs"]
mod program;
mod support;

use support::{Conn, Value, wait_until};

const MIB: usize = 1 << 20;
const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// One run of the program, and a connection to it.
struct Program {
    process: program::Program,
    conn: Conn,
    addr: std::net::SocketAddr,
}

impl Program {
    fn start(args: &[&str]) -> Program {
        let process = program::Program::start(args);
        let addr = process.addr;
        Program { conn: process.connect(), addr, process }
    }

    fn ask(&mut self, line: &str) -> Value {
        self.conn.pipeline(&[line]);
        self.conn.reply()
    }

    /// A field of INFO.
    fn info(&self, name: &str) -> usize {
        self.process.figure(name) as usize
    }

    /// What counts against the limit.
    fn counted(&self) -> usize {
        self.info("used_memory") - self.info("mem_not_counted_for_evict")
    }

    /// Every figure kept is what a recount finds.
    #[track_caller]
    fn expect_sound(&mut self) {
        let census = self.ask("DEBUG RECOUNT");
        let faults = census.array().last().expect("a recount tells of faults");
        assert_eq!(faults.array(), []);
    }

    /// Stores a value of so many bytes under each of the keys.
    fn fill(&mut self, keys: std::ops::Range<usize>, bytes: impl Fn(usize) -> usize, tail: &[&str]) -> usize {
        let mut refused = 0;
        for first in keys.clone().step_by(100) {
            let batch = first..keys.end.min(first + 100);
            for key in batch.clone() {
                let value = vec![b'x'; bytes(key)];
                let name = format!("key:{key}");
                let mut words = vec![b"SET".to_vec(), name.into_bytes(), value];
                words.extend(tail.iter().map(|word| word.as_bytes().to_vec()));
                self.conn.send(&words);
            }
            refused += batch.filter(|_| is_error(&self.conn.reply(), OUT_OF_MEMORY)).count();
        }
        refused
    }
}

fn is_error(value: &Value, text: &str) -> bool {
    matches!(value, Value::Error(error) if error == text)
}

/// Mostly small, some across the borders of what a block and an entry hold.
fn mixed(key: usize) -> usize {
    match key % 50 {
        0 => 20_000,
        1 => 5_000,
        rest => 10 + rest * 13 % 700,
    }
}

/// Room for what a client says that it will send is not what it has sent.
#[test]
fn announced_large_value_drives_nothing_out_before_it_is_there() {
    let mut server = Program::start(&["--maxmemory", "8mb"]);
    server.fill(0..1_000, |_| 1_000, &[]);
    let mut sender = server.process.connect();
    sender.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$100000000\r\n");
    sender.send_raw(&vec![b'x'; MIB]);
    wait_until("there is room for more", || server.info("mem_not_counted_for_evict") > 4 * MIB);
    // Asks the allocator anew, and evicts where that is too much.
    server.fill(1_000..2_000, |_| 1_000, &[]);
    assert_eq!((server.info("evicted_keys"), server.ask("DBSIZE")), (0, Value::Int(2_000)));
}

#[test]
fn figures_stay_true_where_keeping_what_eviction_needs_ends_or_begins_with_an_overwrite() {
    let mut server = Program::start(&["--maxmemory", "1gb", "--enable-debug-command", "yes"]);
    for limit in ["0", "1gb", "0"] {
        server.ask("SET k before");
        server.ask(&format!("CONFIG SET maxmemory {limit}"));
        // As long as the other, so that nothing but the bytes changes.
        server.ask("SET k behind");
        server.expect_sound();
    }
}

#[test]
fn mixed_sizes_stay_within_the_limit_under_each_policy() {
    for policy in ["allkeys-s3fifo", "allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let mut program = Program::start(&[
            "--maxmemory",
            "40mb",
            "--maxmemory-policy",
            policy,
            // However slow the machine: a write whose time for making room is over is let in.
            "--maxmemory-eviction-tenacity",
            "100",
            "--enable-debug-command",
            "yes",
        ]);
        let mut most = 0;
        for round in 0..4 {
            assert_eq!(program.fill(round * 20_000..(round + 1) * 20_000, mixed, &[]), 0, "{policy}");
            most = most.max(program.info("used_memory"));
        }
        assert!(most < 41 * MIB, "{policy}: {most}");
        let used = program.info("used_memory");
        assert!(used > 34 * MIB, "{policy}: room is used, {used}");
        // The background may evict some more between the two figures.
        wait_until("every key is kept or counted as evicted", || {
            let evicted = program.info("evicted_keys");
            let Value::Int(kept) = program.ask("DBSIZE") else { panic!("DBSIZE is a number") };
            kept as usize + evicted == 80_000
        });
        program.expect_sound();
    }
}

/// Each of them takes the room of thousands: more than one command evicts in its time.
#[test]
fn few_large_values_make_room_one_by_one() {
    let mut server = Program::start(&["--maxmemory", "8mb"]);
    server.fill(0..200, |_| 64 * 1024, &[]);
    let Value::Int(full) = server.ask("DBSIZE") else { panic!("a number of keys") };
    assert!(full > 100, "{full} of 112 that have room");
    for key in 200..400 {
        server.fill(key..key + 1, |_| 64 * 1024, &[]);
        let Value::Int(left) = server.ask("DBSIZE") else { panic!("a number of keys") };
        assert!(left >= full - 2, "{left} left of {full}");
    }
}

#[test]
fn large_values_wait_until_small_ones_have_gone() {
    let mut program = Program::start(&["--maxmemory", "30mb"]);
    program.fill(0..200_000, |_| 100, &[]);
    let value = vec![b'x'; MIB];
    let mut most = 0;
    for number in 0..15 {
        let name = format!("large:{number}");
        for half in ["SET", "APPEND"] {
            program.conn.send(&[half.as_bytes(), name.as_bytes(), &value[..MIB / 2]]);
            assert!(!matches!(program.conn.reply(), Value::Error(_)));
            most = most.max(program.counted());
        }
    }
    assert!(most < 34 * MIB, "{most}");
    assert!(program.info("evicted_keys") > 10_000);
}

#[test]
fn request_of_many_values_goes_above_the_limit_by_one_of_them() {
    let mut program = Program::start(&["--maxmemory", "30mb"]);
    program.fill(0..200_000, |_| 100, &[]);
    let value = vec![b'x'; MIB];
    let mut mset = vec![b"MSET".to_vec()];
    for number in 0..8 {
        mset.extend([format!("large:{number}").into_bytes(), value.clone()]);
    }
    program.conn.send(&mset);
    assert_eq!(program.conn.reply().text(), "OK");
    let used = program.counted();
    assert!(used < 34 * MIB, "{used}");
    program.ask("MULTI");
    for number in 8..16 {
        program.conn.send(&[b"SET", format!("large:{number}").as_bytes(), &value[..]]);
        assert_eq!(program.conn.reply().text(), "QUEUED");
    }
    // It is its client's, and drives nothing out.
    let queued = program.info("mem_not_counted_for_evict");
    assert!(queued >= 8 * MIB, "{queued}");
    assert_eq!(program.ask("EXEC").array().len(), 8);
    let used = program.counted();
    assert!(used < 34 * MIB, "{used}");
}

/// A limit far below what is used: each write goes on once it has made the room that it takes itself.
#[test]
fn lowered_limit_holds_no_write_up_until_it_is_reached() {
    let mut server = Program::start(&["--maxmemory-policy", "allkeys-lru"]);
    server.fill(0..150_000, |_| 300, &[]);
    let before = server.counted();
    let limits = [5, 4, 3].map(|sixths| before * sixths / 6);
    let token = server.process.connect().lead("led LEASE 600000 DETACHED");
    let mut other = server.process.connect();
    for limit in limits {
        server.ask(&format!("CONFIG SET maxmemory {limit}"));
        let lines = ["SET a 1", "INCR a", "MSET b 1 c 2", "APPEND b x", "MULTI", "SET d 1", "EXEC", "DEL c"];
        for line in lines {
            let reply = server.ask(line);
            assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
        }
        assert_eq!(other.say(&format!("SET large {}", "x".repeat(100_000))), "OK");
    }
    assert_eq!(server.ask(&format!("FILL.PUT led {token} v")), Value::Status("OK".to_owned()));
    let after = server.counted();
    assert!(after > limits[2] + before / 10, "they were answered before the limit was reached: {after}");
    wait_until("the limit is reached", || server.counted() <= limits[2] + MIB);
}

/// Its lease ends while it waits for room: it was in time all the same.
#[test]
fn answer_that_waits_for_room_is_judged_by_its_arrival() {
    let mut server = Program::start(&["--maxmemory-policy", "allkeys-lru"]);
    server.fill(0..100_000, |_| 300, &[]);
    let mut waiter = server.process.connect();
    let mut leader = server.process.connect();
    let value = "x".repeat(4 * MIB);
    for (key, answer) in [("one", "FILL.PUT"), ("several", "FILL.MPUT 1"), ("queued", "FILL.PUT")] {
        let token = leader.lead(&format!("{key} LEASE 200"));
        waiter.ask(&format!("{key} WAIT 60000"));
        wait_until("it waits", || server.info("fill_waiters") == 1);
        let limit = server.counted() * 3 / 4;
        let wrapped = key == "queued";
        if wrapped {
            assert_eq!(leader.say("MULTI"), "OK");
            assert_eq!(leader.say(&format!("{answer} {key} {token} {value}")), "QUEUED");
        }
        server.ask(&format!("CONFIG SET maxmemory {limit}"));
        let reply =
            leader.say(&if wrapped { "EXEC".to_owned() } else { format!("{answer} {key} {token} {value}") });
        assert!(reply.contains("OK"), "{key}: {reply}");
        assert_eq!(waiter.answer().status, "HIT", "{key}");
    }
}

#[test]
fn half_the_limit_is_reached_in_the_background() {
    let mut program = Program::start(&["--maxmemory", "60mb"]);
    program.fill(0..40_000, |key| 1_100 + key % 800, &[]);
    assert!(program.info("used_memory") > 50 * MIB);
    assert_eq!(program.ask("CONFIG SET maxmemory 30mb").text(), "OK");
    wait_until("used_memory shrinks", || program.info("used_memory") < 31 * MIB);
    assert!(program.info("used_memory") > 24 * MIB, "no more goes than must");
    wait_until("the limit is reached", || program.info("current_eviction_exceeded_time") == 0);
    assert!(program.info("total_eviction_exceeded_time") > 0);
}

#[test]
fn volatile_policies_take_entries_with_a_deadline_alone() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let mut program = Program::start(&["--maxmemory", "30mb", "--maxmemory-policy", policy]);
        assert_eq!(program.fill(0..4_000, |_| 1_000, &[]), 0);
        assert_eq!(program.fill(4_000..44_000, |_| 1_000, &["EX", "5000"]), 0, "{policy}");
        assert!(program.info("evicted_keys") > 10_000, "{policy}");
        let names: Vec<String> = (0..4_000).map(|key| format!("key:{key}")).collect();
        assert_eq!(program.ask(&format!("EXISTS {}", names.join(" "))).text(), "4000", "{policy}");
        let refused = program.fill(50_000..90_000, |_| 1_000, &[]);
        assert!(refused > 8_000, "{policy}: without deadlines nothing may go, {refused}");
    }
}

#[test]
fn volatile_ttl_takes_the_nearest_deadline() {
    let mut program = Program::start(&["--maxmemory", "30mb", "--maxmemory-policy", "volatile-ttl"]);
    program.fill(0..4_000, |_| 1_000, &["EX", "100000"]);
    program.fill(4_000..44_000, |_| 1_000, &["EX", "1000"]);
    let evicted = program.info("evicted_keys");
    assert!(evicted > 10_000, "{evicted}");
    let far: Vec<String> = (0..4_000).map(|key| format!("key:{key}")).collect();
    assert_eq!(program.ask(&format!("EXISTS {}", far.join(" "))).text(), "4000");
}

#[test]
fn recently_used_entries_outlive_others_under_lru_and_often_used_ones_under_lfu() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-s3fifo"] {
        let mut program = Program::start(&["--maxmemory", "30mb", "--maxmemory-policy", policy]);
        let hot: Vec<String> = (0..1_000).map(|key| format!("key:{key}")).collect();
        let touch = format!("MGET {}", hot.join(" "));
        program.fill(0..1_000, |_| 1_000, &[]);
        for round in 1..40 {
            for _ in 0..5 {
                program.ask(&touch);
            }
            program.fill(round * 1_000..(round + 1) * 1_000, |_| 1_000, &[]);
        }
        let kept: usize = program.ask(&format!("EXISTS {}", hot.join(" "))).text().parse().expect("a number");
        assert!(kept > 950, "{policy}: {kept} of 1000");
    }
}

#[test]
fn without_eviction_writes_are_refused_and_what_frees_is_not() {
    let mut program = Program::start(&["--maxmemory", "20mb", "--maxmemory-policy", "noeviction"]);
    let refused = program.fill(0..30_000, |_| 1_000, &[]);
    assert!((7_000..18_000).contains(&refused), "{refused}");
    // Well above the limit, since what frees below, and what is compacted meanwhile, makes room for writes again.
    assert_eq!(program.ask("CONFIG SET maxmemory 10mb").text(), "OK");
    for line in
        ["SET k v", "APPEND k v", "INCR n", "SETRANGE k 5 v", "MSET k v", "SETBIT k 5 1", "COPY key:1 k"]
    {
        assert!(is_error(&program.ask(line), OUT_OF_MEMORY), "{line}");
    }
    for line in
        ["GET key:1", "DEL none", "EXPIRE key:1 100", "PERSIST key:1", "GETDEL none", "RENAME key:1 key:2"]
    {
        assert!(!matches!(program.ask(line), Value::Error(_)), "{line}");
    }
    assert_eq!(program.info("evicted_keys"), 0);
    assert_eq!(program.ask("MULTI").text(), "OK");
    assert!(is_error(&program.ask("GET key:3"), OUT_OF_MEMORY), "what is queued takes memory too");
    let aborted = "EXECABORT Transaction discarded because of previous errors.";
    assert!(is_error(&program.ask("EXEC"), aborted));
    assert_eq!(program.ask("FLUSHALL").text(), "OK");
    assert_eq!(program.ask("SET k v").text(), "OK");
}

#[test]
fn exec_is_refused_if_a_queued_write_would_be() {
    let mut program = Program::start(&["--maxmemory-policy", "noeviction"]);
    program.fill(0..5_000, |_| 1_000, &[]);
    program.ask("MULTI");
    assert_eq!(program.ask("SET k v").text(), "QUEUED");
    let mut other = Conn::open(program.addr);
    other.pipeline(&["CONFIG SET maxmemory 1mb"]);
    assert_eq!(other.reply().text(), "OK");
    let why = format!("EXECABORT Transaction discarded because of: {OUT_OF_MEMORY}");
    assert_eq!(program.ask("EXEC"), Value::Error(why));
    other.pipeline(&["CONFIG SET maxmemory 0", "GET key:1"]);
    other.reply();
    assert_eq!(program.ask("SET k v").text(), "OK");
}

/// The server alone takes more: the very first write is refused, however many entries there are to evict.
#[test]
fn limit_that_no_eviction_can_reach_refuses_the_first_write() {
    let mut program = Program::start(&["--maxmemory-policy", "allkeys-random"]);
    program.fill(0..20_000, |_| 1_000, &[]);
    program.conn.pipeline(&[
        "CONFIG SET maxmemory 1",
        "SET k v",
        "GET k",
        "CONFIG SET maxmemory 0",
        "SET k v",
    ]);
    let replies: Vec<Value> = (0..5).map(|_| program.conn.reply()).collect();
    assert!(is_error(&replies[1], OUT_OF_MEMORY), "{:?}", replies[1]);
    assert_eq!((&replies[2], replies[4].text()), (&Value::Nil, "OK".to_owned()));
}

#[test]
fn eviction_touches_watchers_and_leaves_leases_good() {
    let mut program = Program::start(&["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-random"]);
    program.ask("SET watched v");
    let led = program.ask("FILL.GET led").text();
    let token = led.split(' ').nth(2).expect("a token").to_owned();
    program.ask("WATCH watched");
    let mut other = Conn::open(program.addr);
    let mut number = 0;
    // Until it is its turn.
    loop {
        other.pipeline(
            &(0..500).map(|at| format!("SET key:{} {}", number + at, "x".repeat(1_000))).collect::<Vec<_>>(),
        );
        (0..500).for_each(|_| drop(other.reply()));
        number += 500;
        assert!(number < 2_000_000);
        other.pipeline(&["EXISTS watched"]);
        if other.reply() == Value::Int(0) {
            break;
        }
    }
    program.ask("MULTI");
    program.ask("SET other w");
    assert_eq!(program.ask("EXEC"), Value::Nil, "an evicted key was touched");
    assert_eq!(program.ask(&format!("FILL.PUT led {token} value")).text(), "OK");
}

#[test]
fn eviction_is_published_and_told_to_caches_even_of_who_wanted_the_room() {
    let mut program = Program::start(&["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-random"]);
    assert_eq!(program.ask("CONFIG SET notify-keyspace-events Ke").text(), "OK");
    let mut listener = Conn::open(program.addr);
    listener.say("SUBSCRIBE __keyspace@0__:cached");
    program.ask("HELLO 3");
    program.ask("CLIENT TRACKING ON NOLOOP");
    program.ask("SET cached v");
    program.ask("GET cached");
    let told = (0..2_000_000).step_by(500).find_map(|first| {
        let sets: Vec<_> =
            (first..first + 500).map(|at| format!("SET k:{at} {}", "x".repeat(1_000))).collect();
        program.conn.pipeline(&sets);
        let mut told = None;
        let mut done = 0;
        while done < 500 {
            match program.conn.reply().text() {
                text if text == "OK" => done += 1,
                text => told = Some(text),
            }
        }
        told
    });
    assert_eq!(told.as_deref(), Some("invalidate cached"));
    assert_eq!(listener.reply().text(), "message __keyspace@0__:cached evicted");
}

#[test]
fn looks_of_a_connection_that_says_no_touch_are_no_uses() {
    let mut program = Program::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]);
    program.ask("SET k v");
    let mut often_after_looks = |switch: &str| {
        assert_eq!(program.ask(&format!("CLIENT NO-TOUCH {switch}")).text(), "OK");
        (0..200).for_each(|_| drop(program.ask("GET k")));
        let Value::Int(often) = program.ask("OBJECT FREQ k") else { panic!("a number") };
        often
    };
    let untouched = often_after_looks("ON");
    assert!(untouched <= 5, "{untouched}");
    let touched = often_after_looks("OFF");
    assert!(touched > 5, "{touched}");
}

#[test]
fn object_tells_what_the_policy_keeps() {
    let mut program = Program::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]);
    program.ask("SET k v");
    for _ in 0..200 {
        program.ask("GET k");
    }
    let Value::Int(often) = program.ask("OBJECT FREQ k") else { panic!("a number") };
    assert!(often > 5, "{often}");
    assert!(program.ask("OBJECT IDLETIME k").text().contains("An LFU maxmemory policy is selected"));
    program.ask("CONFIG SET maxmemory-policy allkeys-lru");
    assert_eq!(program.ask("OBJECT IDLETIME k"), Value::Int(0));
    assert!(program.ask("OBJECT FREQ k").text().contains("An LFU maxmemory policy is not selected"));
}
