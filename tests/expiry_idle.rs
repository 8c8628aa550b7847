//! IDLE: a value ends when nobody has asked for it so long. With a held clock.

mod support;

use support::{Answer, Conn, EPOCH_MS, TestServer, Value, wait_until};

/// What counts as an access: a line that leaves the value under `k`.
const ACCESSES: &[&str] = &[
    "GET k",
    "MGET other k",
    "GETEX k",
    "STRLEN k",
    "GETRANGE k 0 1",
    "SUBSTR k 0 1",
    "GETBIT k 1",
    "BITCOUNT k",
    "BITPOS k 1",
    "BITFIELD_RO k GET u8 0",
    "LCS k other",
    "TOUCH k",
    "COPY k copied REPLACE",
    "SET k v NX",
    "MSETNX k v",
    "APPEND k 1",
    "INCR k",
    "SETRANGE k 0 1",
    "SETBIT k 1 1",
    "EXPIRE k 10000",
    "FILL.GET k",
    "FILL.MGET 1 k",
];

/// What does not.
const LOOKS: &[&str] = &[
    "EXISTS k",
    "TYPE k",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "OBJECT ENCODING k",
    "OBJECT IDLETIME k",
    "OBJECT IDLETTL k",
    "OBJECT REFCOUNT k",
    "MEMORY USAGE k",
    "WATCH k",
    "KEYS *",
    "SCAN 0",
    "DBSIZE",
    "RANDOMKEY",
    "FILL.INFO k",
];

#[track_caller]
fn pttl(conn: &mut Conn) -> i64 {
    conn.say("PTTL k").parse().expect("a number")
}

#[test]
fn access_begins_the_idle_time_anew_and_a_look_does_not() {
    for line in ACCESSES {
        let server = TestServer::start();
        let mut conn = server.connect();
        conn.say("SET k 12 IDLE 1000");
        server.advance_ms(600);
        conn.run(line);
        assert_eq!(pttl(&mut conn), 1_000, "{line}");
        server.advance_ms(999);
        assert_eq!(conn.say("EXISTS k"), "1", "{line}");
        server.advance_ms(1);
        assert_eq!(conn.say("EXISTS k"), "0", "{line}");
    }
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in LOOKS {
        conn.say("SET k 12 IDLE 1000");
        server.advance_ms(600);
        conn.run(line);
        conn.say("UNWATCH");
        assert_eq!(pttl(&mut conn), 400, "{line}");
        server.advance_ms(400);
        assert_eq!(conn.run("GET k"), Value::Nil, "{line}");
    }
}

#[test]
fn connection_that_says_no_touch_looks_only_but_for_touch() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v IDLE 1000");
    server.advance_ms(600);
    conn.say("CLIENT NO-TOUCH ON");
    conn.say("GET k");
    conn.pipeline(&["MULTI", "GET k", "EXEC"]);
    (0..3).for_each(|_| drop(conn.reply()));
    assert_eq!(pttl(&mut conn), 400);
    conn.say("TOUCH k");
    assert_eq!(pttl(&mut conn), 1_000);
    conn.say("CLIENT NO-TOUCH OFF");
    server.advance_ms(600);
    conn.pipeline(&["MULTI", "EXISTS k", "GET k", "PTTL k", "EXEC"]);
    assert_eq!((0..5).map(|_| conn.reply().text()).last().as_deref(), Some("1 v 1000"));
}

#[test]
fn earlier_of_idle_time_and_deadline_counts() {
    let server = TestServer::start();
    let mut conn = server.connect();
    assert_eq!(conn.say("SET k v IDLE 1000 PX 1500"), "OK");
    server.advance_ms(900);
    assert_eq!((conn.say("GET k"), pttl(&mut conn)), ("v".to_owned(), 600));
    assert_eq!(conn.say("PEXPIRETIME k"), (EPOCH_MS + 1_500).to_string());
    server.advance_ms(600);
    assert_eq!(conn.run("GET k"), Value::Nil);
}

#[test]
fn limit_and_deadline_are_changed_each_by_its_own_command() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut check = |line: &str, idle: &str, ttl: i64| {
        conn.run(line);
        assert_eq!((conn.say("OBJECT IDLETTL k"), pttl(&mut conn)), (idle.to_owned(), ttl), "{line}");
    };
    check("SET k v", "-1", -1);
    check("GETEX k IDLE 5000", "5000", 5_000);
    check("PEXPIRE k 3000", "5000", 3_000);
    check("PEXPIRE k 2000 GT", "5000", 3_000);
    check("PEXPIRE k 9000 GT", "5000", 5_000);
    check("PEXPIRE k 9500 NX", "5000", 5_000);
    check("SET k v KEEPTTL", "5000", 5_000);
    check("SET k v KEEPTTL IDLE 12000", "12000", 9_000);
    check("GETEX k PX 4000", "12000", 4_000);
    check("GETEX k PERSIST IDLE 7000", "7000", 7_000);
    check("PEXPIRE k 6000 XX", "7000", 7_000);
    check("PEXPIRE k 6000 LT", "7000", 6_000);
    check("PERSIST k", "-1", -1);
    check("SET k v IDLE 100 EX 50", "100", 100);
    check("GETEX k PERSIST", "-1", -1);
    check("SET k v IDLE 100", "100", 100);
    check("GETSET k v", "-1", -1);
    check("SET k v IDLE 100", "100", 100);
    check("SET k v", "-1", -1);
    check("FILL.STALE k", "nil", -2);
}

#[test]
fn copy_rename_and_move_keep_the_limit() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET a v IDLE 1000 PX 60000");
    server.advance_ms(600);
    conn.pipeline(&["COPY a b", "RENAME a c", "MOVE c 1", "SELECT 1", "RENAME c k"]);
    (0..5).for_each(|_| drop(conn.reply()));
    for (db, key) in [(0, "b"), (1, "k")] {
        conn.say(&format!("SELECT {db}"));
        assert_eq!(
            [conn.say(&format!("OBJECT IDLETTL {key}")), conn.say(&format!("PTTL {key}"))],
            ["1000", "1000"]
        );
        conn.say(&format!("PEXPIRE {key} 70000 GT"));
        assert_eq!(conn.say(&format!("PEXPIRE {key} 65000 GT")), "0", "the deadline came along");
    }
}

#[test]
fn leader_may_limit_the_idle_time_and_hits_keep_the_value() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v IDLE 1000 GRACE 500")), "OK");
    for _ in 0..5 {
        server.advance_ms(900);
        assert_eq!(conn.get("k"), Answer::hit("v", 1_000));
    }
    server.advance_ms(1_000);
    assert_eq!(conn.run("GET k"), Value::Nil);
    conn.get("k").expect("REFRESH");
    let [one, two] = ["one", "two"].map(|key| conn.lead(key));
    assert_eq!(conn.say(&format!("FILL.MPUT 2 one {one} 1 two {two} 2 IDLE 70 PX 50")), "OK OK");
    assert_eq!((conn.say("OBJECT IDLETTL two"), conn.say("PTTL two")), ("70".to_owned(), "50".to_owned()));
}

#[test]
fn value_that_is_kept_alive_by_accesses_is_not_refreshed_early() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k LEASE 600000");
    server.advance_ms(100_000);
    conn.say(&format!("FILL.PUT k {token} v IDLE 1000"));
    for _ in 0..100 {
        assert_eq!(conn.get("k BETA 5"), Answer::hit("v", 1_000));
    }
}

#[test]
fn bad_idle_times_are_refused() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v");
    for (command, name) in [("SET k w", "set"), ("GETEX k", "getex")] {
        for number in ["0", "-1", "9223372036854775807"] {
            let line = format!("{command} IDLE {number}");
            assert_eq!(conn.error(&line), format!("ERR invalid expire time in '{name}' command"), "{line}");
        }
        assert_eq!(conn.error(&format!("{command} IDLE x")), "ERR value is not an integer or out of range");
        assert_eq!(conn.error(&format!("{command} IDLE")), "ERR syntax error");
    }
    assert_eq!(conn.run("GETEX none IDLE 0"), Value::Nil, "as with EX, where there is no key");
    let token = conn.lead("new");
    assert_eq!(
        conn.error(&format!("FILL.PUT new {token} v IDLE 0")),
        "ERR invalid expire time in 'fill.put' command"
    );
    assert_eq!(conn.error(&format!("FILL.NONE new {token} IDLE 5")), "ERR syntax error");
    assert_eq!((conn.say("GET k"), conn.say("PTTL k")), ("v".to_owned(), "-1".to_owned()));
}

#[test]
fn idle_values_are_reclaimed_without_access_and_those_in_use_stay() {
    const KEYS: u64 = 1_000;
    let server = TestServer::start();
    let mut conn = server.connect();
    let lines: Vec<String> = (0..KEYS).map(|n| format!("SET k{n} v IDLE 5000")).collect();
    conn.pipeline(&lines);
    lines.iter().for_each(|_| drop(conn.reply()));
    for _ in 0..4 {
        server.advance_ms(3_000);
        conn.pipeline(&["GET k1", "GET k2"]);
        assert_eq!([conn.reply().text(), conn.reply().text()], ["v", "v"]);
    }
    wait_until("all but two are reclaimed", || {
        conn.say("INFO stats").contains(&format!("expired_keys:{}\r\n", KEYS - 2))
    });
    assert_eq!(conn.say("DBSIZE"), "2");
}

#[test]
fn wall_clock_set_back_takes_no_idle_time_away() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v IDLE 10000");
    server.jump_wall_to_ms(EPOCH_MS - 60_000);
    assert_eq!((conn.say("GET k"), pttl(&mut conn)), ("v".to_owned(), 70_000));
    server.jump_wall_to_ms(EPOCH_MS + 9_000);
    assert_eq!((conn.say("GET k"), pttl(&mut conn)), ("v".to_owned(), 10_000));
    server.jump_wall_to_ms(EPOCH_MS + 19_000);
    assert_eq!(conn.run("GET k"), Value::Nil);
}
