//! Expiry with a held clock: exact on access, reclaimed without access, bounded in memory.
//!
//! The memory test reads a figure of the whole process; its bound leaves room for the tests beside it.

#[path = "support/program.rs"]
mod program;
mod support;

use onefill::config::DebugAccess;
use program::Program;
use support::{Answer, Conn, EPOCH_MS, TestServer, Value, wait_until};

/// As in the program: INFO's used_memory is this allocator's figure.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Longer than the sweeper's period: what is due before it, is reclaimed after it.
const PERIOD_MS: u64 = 200;

#[track_caller]
fn figure(conn: &mut Conn, section: &str, name: &str) -> u64 {
    let info = conn.say(&format!("INFO {section}"));
    let figure = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

fn expired(server: &TestServer) -> u64 {
    figure(&mut server.control(), "stats", "expired_keys")
}

/// Waits until `count` keys have expired, all told.
#[track_caller]
fn until_expired(server: &TestServer, count: u64) {
    wait_until(&format!("{count} keys have expired"), || expired(server) == count);
}

#[test]
fn entry_lives_to_the_last_millisecond_and_no_longer() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let ways = [
        "SET k v PX 1000".to_owned(),
        format!("SET k v PXAT {}", EPOCH_MS + 1000),
        "PSETEX k 1000 v".to_owned(),
        "SETEX k 1 v".to_owned(),
    ];
    for (round, way) in ways.iter().enumerate() {
        let way =
            way.replace(&(EPOCH_MS + 1000).to_string(), &(EPOCH_MS + 1000 + 1000 * round as i64).to_string());
        assert_eq!(conn.say(&way), "OK", "{way}");
        assert_eq!(conn.say("PTTL k"), "1000", "{way}");
        server.advance_ms(999);
        assert_eq!(conn.say("PTTL k"), "1", "{way}");
        assert_eq!((conn.say("GET k"), conn.say("EXISTS k")), ("v".to_owned(), "1".to_owned()), "{way}");
        server.advance_ms(1);
        assert_eq!(conn.run("GET k"), Value::Nil, "{way}");
        let gone = [
            ("EXISTS k", "0"),
            ("TTL k", "-2"),
            ("TYPE k", "none"),
            ("STRLEN k", "0"),
            ("PERSIST k", "0"),
            ("DEL k", "0"),
        ];
        for (line, expected) in gone {
            assert_eq!(conn.say(line), expected, "{way}: {line}");
        }
    }
    assert_eq!(expired(&server), 4);
}

#[test]
fn each_kind_of_command_sees_the_end_of_an_entry_by_itself() {
    let cases = [
        ("SETNX k new", "1"),
        ("INCR k", "1"),
        ("APPEND k x", "1"),
        ("GETSET k new", "nil"),
        ("EXPIRE k 100", "0"),
        ("GETDEL k", "nil"),
        ("MGET k", "nil"),
        ("SET k new XX", "nil"),
        ("SET k new NX GET", "nil"),
        ("KEYS *", ""),
        ("RANDOMKEY", "nil"),
        ("TOUCH k", "0"),
        ("COPY k other", "0"),
        ("MSETNX k new", "1"),
        ("GETEX k PERSIST", "nil"),
        ("SETRANGE k 1 x", "2"),
        ("GETBIT k 1", "0"),
        ("SCAN 0", "0 "),
        ("EXPIRETIME k", "-2"),
        ("FILL.GET k WAIT 0", ""),
    ];
    for (line, expected) in cases {
        let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
        let mut conn = server.connect();
        conn.say("DEBUG SET-ACTIVE-EXPIRE 0");
        conn.say("SET k 41 PX 1000");
        server.advance_ms(1000);
        let reply = conn.say(line);
        if line.starts_with("FILL") {
            assert!(reply.starts_with("LEAD"), "{line}: {reply}");
        } else {
            assert_eq!(reply, expected, "{line}");
        }
        assert!(["-1", "-2"].contains(&conn.say("PTTL k").as_str()), "{line}: the old TTL is gone");
    }
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v PX 1000");
    server.advance_ms(1000);
    assert_eq!(conn.error("RENAME k other"), "ERR no such key");
}

#[test]
fn expired_entries_are_reclaimed_without_access_in_every_database() {
    const KEYS: u64 = 2_000;
    let server = TestServer::start();
    let mut conn = server.connect();
    for db in [0, 5, 15] {
        conn.say(&format!("SELECT {db}"));
        let lines: Vec<String> = (0..KEYS).map(|n| format!("SET k{n} v PX {}", 1_000 + n % 7)).collect();
        conn.pipeline(&lines);
        lines.iter().for_each(|_| assert_eq!(conn.reply().text(), "OK"));
        conn.say("SET stays v PX 100000");
    }
    server.advance_ms(1_007 + PERIOD_MS);
    until_expired(&server, 3 * KEYS);
    let info = conn.say("INFO keyspace");
    for db in [0, 5, 15] {
        assert!(info.contains(&format!("db{db}:keys=1,expires=1")), "{info}");
    }
}

#[test]
fn deadline_moved_later_or_away_keeps_the_entry() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&[
        "SET later v PX 1000",
        "SET never v PX 1000",
        "SET again v PX 1000",
        "SET kept v PX 1000",
        "SET witness v PX 1000",
        "PEXPIRE later 10000",
        "PERSIST never",
        "SET again v",
        "SET kept w KEEPTTL",
        "GETEX later PX 20000",
    ]);
    (0..10).for_each(|_| drop(conn.reply()));
    server.advance_ms(1_000 + PERIOD_MS);
    until_expired(&server, 2);
    assert_eq!(conn.say("EXISTS later never again kept witness"), "3");
    assert_eq!(conn.say("PTTL later"), (20_000 - 1_000 - PERIOD_MS).to_string());
    assert_eq!((conn.say("TTL never"), conn.say("TTL again")), ("-1".to_owned(), "-1".to_owned()));
    server.advance_ms(20_000);
    until_expired(&server, 3);
    assert_eq!(conn.say("DBSIZE"), "2");
}

#[test]
fn deadline_moved_earlier_is_kept_to() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&[
        "SET k v PX 1000000",
        "PEXPIRE k 500000",
        "PEXPIRE k 2000",
        "PEXPIRE k 700",
        "PEXPIRE k 9000 LT",
    ]);
    (0..5).for_each(|_| drop(conn.reply()));
    assert_eq!(conn.say("PTTL k"), "700");
    server.advance_ms(700 + PERIOD_MS);
    until_expired(&server, 1);
    assert_eq!(conn.say("DBSIZE"), "0");
}

#[test]
fn value_filled_again_while_it_was_stale_is_reclaimed_at_its_own_end() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    conn.say(&format!("FILL.PUT k {token} v PX 1000 GRACE 100000"));
    conn.say("SET witness v PX 1000");
    server.advance_ms(1_000 + PERIOD_MS);
    until_expired(&server, 2);
    // The sweeper has just filed the end of its grace; what replaces it ends long before that.
    conn.say("SET k v PX 1000");
    server.advance_ms(1_000 + PERIOD_MS);
    until_expired(&server, 3);
}

#[test]
fn deadline_in_the_past_deletes_at_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in ["EXPIRE k -1", "PEXPIRE k 0", &format!("PEXPIREAT k {EPOCH_MS}"), "EXPIREAT k 1"] {
        conn.say("SET k v");
        assert_eq!((conn.say(line), conn.say("DBSIZE")), ("1".to_owned(), "0".to_owned()), "{line}");
    }
}

#[test]
fn million_moves_of_one_deadline_cost_no_memory() {
    const MOVES: usize = 1_000_000;
    const PORTION: usize = 20_000;
    /// A record of 16 bytes for each move would be 16 MB.
    const GROWTH_BYTES_MAX: u64 = 8 << 20;
    // In a process of its own, whose memory is nobody else's.
    let program = Program::start(&[]);
    let mut conn = program.connect();
    conn.say("SET k v PX 2000000000");
    let mut before = 0;
    for portion in 0..MOVES / PORTION {
        // Ever earlier: each move files a record, the old ones are superseded.
        let frames: Vec<u8> = (0..PORTION)
            .flat_map(|n| format!("PEXPIRE k {}\r\n", 1_900_000_000 - (portion * PORTION + n)).into_bytes())
            .collect();
        let mut sender = conn.second_handle();
        std::thread::scope(|scope| {
            scope.spawn(|| sender.send_raw(&frames));
            assert!(conn.raw(PORTION * 4).chunks(4).all(|reply| reply == b":1\r\n"));
        });
        if portion == 0 {
            before = program.figure("used_memory");
        }
    }
    let after = program.figure("used_memory");
    assert!(after < before + GROWTH_BYTES_MAX, "{before} -> {after}");
    let left_ms: usize = conn.say("PTTL k").parse().expect("a number");
    let last_ms = 1_900_000_000 - MOVES + 1;
    assert!((last_ms - 60_000..=last_ms).contains(&left_ms), "{left_ms}");
}

/// What a deadline costs is free again soon after it was taken away, however far off it was.
#[test]
fn deadlines_that_were_taken_away_cost_no_memory() {
    const KEYS: usize = 25_000;
    let server = TestServer::start();
    let mut conn = server.connect();
    let all = |conn: &mut Conn, line: &dyn Fn(usize) -> String| {
        for first in (0..KEYS).step_by(500) {
            conn.pipeline(&(first..first + 500).map(line).collect::<Vec<_>>());
            (0..500).for_each(|_| drop(conn.reply()));
        }
    };
    let records_bytes = |conn: &mut Conn| -> usize {
        let stats = conn.say("MEMORY STATS");
        let figure =
            stats.split("overhead.hashtable.expires ").nth(1).and_then(|rest| rest.split(' ').next());
        figure.and_then(|figure| figure.parse().ok()).expect("a figure of database 0")
    };
    // A database without keys would not be among the figures.
    conn.say("SET stays v");
    for way in ["PERSIST key:", "DEL key:", "SET key:"] {
        all(&mut conn, &|number| format!("SET key:{number} v EX {}", 86_400 + number % 500));
        let before = records_bytes(&mut conn);
        assert!(before > KEYS * 5, "{way}: {before}");
        let tail = if way.starts_with("SET") { " v" } else { "" };
        all(&mut conn, &|number| format!("{way}{number}{tail}"));
        wait_until("the records are dropped", || {
            server.advance_ms(100);
            records_bytes(&mut conn) < before / 10
        });
    }
}

#[test]
fn wall_clock_set_back_keeps_entries_and_set_forward_ends_them() {
    const HOUR_MS: i64 = 3_600_000;
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET short v PX 10000");
    conn.say("SET long v PX 100000000");
    server.jump_wall_to_ms(EPOCH_MS - HOUR_MS);
    assert_eq!(conn.say("PTTL short"), (10_000 + HOUR_MS).to_string());
    server.advance_ms(20_000);
    // A witness with the clock as it is now: once it is reclaimed, the sweeper has looked.
    conn.say("SET witness v PX 1000");
    server.advance_ms(1_000 + PERIOD_MS);
    until_expired(&server, 1);
    assert_eq!(conn.say("EXISTS short long witness"), "2");

    server.jump_wall_to_ms(EPOCH_MS + HOUR_MS);
    assert_eq!((conn.run("GET short"), conn.say("GET long")), (Value::Nil, "v".to_owned()));
    assert_eq!(conn.say("PTTL long"), (100_000_000 - HOUR_MS).to_string());
}

#[test]
fn wall_clock_set_forward_lets_the_sweeper_reclaim_soon() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let lines: Vec<String> = (0..500).map(|n| format!("SET k{n} v PX 36000000")).collect();
    conn.pipeline(&lines);
    lines.iter().for_each(|_| drop(conn.reply()));
    server.jump_wall_to_ms(EPOCH_MS + 40_000_000);
    server.advance_ms(5_000);
    until_expired(&server, 500);
}

#[test]
fn wall_clock_set_back_keeps_no_stale_value_for_weeks() {
    let server = TestServer::start();
    let [mut conn, mut other] = server.connect_many();
    let token = conn.lead("k");
    conn.say(&format!("FILL.PUT k {token} v PX 1000 GRACE 5000"));
    server.advance_ms(1_000);
    conn.get("k").expect("REFRESH");
    server.jump_wall_to_ms(EPOCH_MS - 3_600_000);
    assert_eq!(other.get("k STALE 100"), Answer::stale("v", 0));
    assert_eq!(other.say("FILL.STALE k GRACE 100"), "1");
    server.advance_ms(200);
    other.get("k").expect("LEAD");
}

#[test]
fn sweeping_switched_off_leaves_entries_to_whoever_asks() {
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    let [mut conn, mut leader, mut waiter] = server.connect_many();
    assert_eq!(conn.say("DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
    let lines: Vec<String> = (0..1_000).map(|n| format!("SET k{n} v PX 1000")).collect();
    conn.pipeline(&lines);
    lines.iter().for_each(|_| drop(conn.reply()));
    leader.lead("flight LEASE 600000");
    server.park(&mut waiter, "flight WAIT 1100");
    server.advance_ms(1_000 + PERIOD_MS);
    // Deadlines of flights are looked after by the same sweeper: it has been there.
    waiter.answer().expect_wait_over();
    assert_eq!((conn.say("DBSIZE"), expired(&server)), ("1000".to_owned(), 0));
    assert_eq!((conn.run("GET k7"), expired(&server)), (Value::Nil, 1));
    assert_eq!(conn.say("DBSIZE"), "999");
    assert_eq!(conn.say("DEBUG SET-ACTIVE-EXPIRE 1"), "OK");
    server.advance_ms(2_000);
    until_expired(&server, 1_000);
    assert_eq!(conn.say("DBSIZE"), "0");
}

#[test]
fn end_of_a_watched_entry_fails_the_transaction() {
    let server = TestServer::start();
    let [mut conn, mut other] = server.connect_many();
    for reclaimed in [false, true] {
        conn.say("SET k v PX 1000");
        let before = expired(&server);
        conn.say("WATCH k");
        server.advance_ms(1_000);
        if reclaimed {
            server.advance_ms(PERIOD_MS);
            until_expired(&server, before + 1);
        }
        conn.pipeline(&["MULTI", "SET won 1", "EXEC"]);
        assert_eq!([conn.reply(), conn.reply(), conn.reply()][2], Value::Nil, "reclaimed: {reclaimed}");
        assert_eq!(other.say("EXISTS won"), "0");
    }
}

#[test]
fn watch_of_an_entry_that_had_ended_already_does_not_mind() {
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    let mut conn = server.connect();
    conn.say("DEBUG SET-ACTIVE-EXPIRE 0");
    conn.say("SET k v PX 1000");
    server.advance_ms(1_000);
    conn.say("WATCH k");
    conn.say("DEBUG SET-ACTIVE-EXPIRE 1");
    server.advance_ms(2_000);
    until_expired(&server, 1);
    conn.pipeline(&["MULTI", "SET won 1", "EXEC"]);
    assert_eq!([conn.reply(), conn.reply(), conn.reply()][2].text(), "OK");
}

/// Whoever watches a key that is dead, or absent, sees nothing change when SWAPDB puts another dead one in its place:
/// whichever moment of the sweeper's beat it is. A live one it does see.
#[test]
fn swap_of_what_has_died_touches_no_watcher() {
    for (own, other, is_touched) in [
        ("", "SET k v PX 1", false),
        ("SET k v PX 1", "", false),
        ("SET k v PX 1", "SET k w PX 1", false),
        ("SET k v PX 1", "SET k w PX 1000", true),
        ("SET k v", "SET k w PX 1", true),
    ] {
        for dead_ms in 0..10 {
            let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
            let mut conn = server.connect();
            conn.say("DEBUG SET-ACTIVE-EXPIRE 0");
            for (db, line) in [("SELECT 1", other), ("SELECT 0", own)] {
                conn.say(db);
                if !line.is_empty() {
                    conn.say(line);
                }
            }
            server.advance_ms(1 + dead_ms);
            conn.say("WATCH k");
            conn.say("SWAPDB 0 1");
            server.advance_ms(20);
            conn.pipeline(&["MULTI", "PING", "EXEC"]);
            (0..2).for_each(|_| drop(conn.reply()));
            let reply = conn.reply();
            assert_eq!(
                reply == Value::Nil,
                is_touched,
                "{own:?} for {other:?}, dead for {dead_ms} ms: {reply:?}"
            );
        }
    }
}
