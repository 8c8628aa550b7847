//! Rule 16: ordinary commands never see a flight, a stale value, a NONE or a PASS (docs/fill.md, section 4).

use crate::support::{Answer, Conn, TestServer, Value};

/// The four keys that only FILL sees; each is made anew by `hide`.
const HIDDEN: [&str; 4] = ["stale", "none", "pass", "flight"];

/// Makes `stale` a stale value, `none` a NONE, `pass` a PASS and opens a flight of `flight`.
fn hide(server: &TestServer, conn: &mut Conn) {
    for key in HIDDEN {
        conn.say(&format!("DEL {key}"));
        let token = conn.lead(key);
        let answer = match key {
            "stale" => format!("FILL.PUT stale {token} old PX 100 GRACE 600000"),
            "none" => format!("FILL.NONE none {token} EX 600"),
            "pass" => format!("FILL.PASS pass {token} EX 600"),
            _ => continue,
        };
        assert_eq!(conn.say(&answer), "OK");
    }
    server.advance_ms(150);
}

#[test]
fn rule_16_reads_do_not_see_what_is_hidden() {
    let server = TestServer::start();
    let mut conn = server.connect();
    hide(&server, &mut conn);
    for (read, absent) in [
        ("GET", "nil"),
        ("EXISTS", "0"),
        ("TTL", "-2"),
        ("PTTL", "-2"),
        ("EXPIRETIME", "-2"),
        ("PEXPIRETIME", "-2"),
        ("TYPE", "none"),
        ("STRLEN", "0"),
        ("TOUCH", "0"),
        ("GETEX", "nil"),
        ("BITCOUNT", "0"),
        ("MGET", "nil"),
        ("OBJECT ENCODING", "nil"),
    ] {
        for key in HIDDEN {
            assert_eq!(conn.say(&format!("{read} {key}")), absent, "{read} {key}");
        }
    }
    assert_eq!(conn.say("GETRANGE stale 0 -1"), "");
    assert_eq!(conn.say("GETBIT stale 1"), "0");
    assert_eq!(conn.say("MGET stale none pass flight"), "nil nil nil nil");
    assert_eq!(conn.say("EXISTS stale none pass flight"), "0");
}

#[test]
fn rule_16_listings_do_not_see_what_is_hidden() {
    let server = TestServer::start();
    let mut conn = server.connect();
    hide(&server, &mut conn);
    assert_eq!(conn.say("DBSIZE"), "0");
    assert_eq!(conn.say("KEYS *"), "");
    assert_eq!(conn.run("SCAN 0 COUNT 1000").array()[1], Value::Array(Vec::new()));
    assert_eq!(conn.say("RANDOMKEY"), "nil");
    assert!(!conn.say("INFO keyspace").contains("db0"));
    conn.say("SET seen v");
    assert_eq!(conn.say("DBSIZE"), "1");
    assert_eq!(conn.say("KEYS *"), "seen");
    assert_eq!(scan_all(&mut conn), ["seen"]);
    for _ in 0..20 {
        assert_eq!(conn.say("RANDOMKEY"), "seen");
    }
    assert!(conn.say("INFO keyspace").contains("db0:keys=1,"));
}

fn scan_all(conn: &mut Conn) -> Vec<String> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    loop {
        let reply = conn.run(&format!("SCAN {cursor} COUNT 10"));
        keys.extend(reply.array()[1].array().iter().map(Value::text));
        cursor = reply.array()[0].text();
        if cursor == "0" {
            return keys;
        }
    }
}

#[test]
fn rule_16_commands_on_existing_keys_do_not_find_what_is_hidden() {
    let server = TestServer::start();
    let mut conn = server.connect();
    hide(&server, &mut conn);
    for key in ["stale", "none", "pass"] {
        for (command, absent) in [
            ("COPY {} target", "0"),
            ("MOVE {} 1", "0"),
            ("EXPIRE {} 100", "0"),
            ("PERSIST {}", "0"),
            ("SET {} v XX", "nil"),
            ("RENAME {} target", "ERR no such key"),
            ("RENAMENX {} target", "ERR no such key"),
        ] {
            assert_eq!(conn.say(&command.replace("{}", key)), absent, "{command} of {key}");
        }
    }
    assert_eq!(conn.say("EXISTS target"), "0");
    assert_eq!(conn.get("stale").expect("REFRESH").text(), "old");
    conn.get("none").expect("NONE");
    conn.get("pass").expect("PASS");
}

#[test]
fn rule_16_writes_begin_from_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for key in HIDDEN {
        for (command, reply, left) in [
            ("SETNX {} v", "1", "v"),
            ("SET {} v NX", "OK", "v"),
            ("SET {} v GET", "nil", "v"),
            ("SET {} v KEEPTTL", "OK", "v"),
            ("GETSET {} v", "nil", "v"),
            ("MSETNX {} v", "1", "v"),
            ("APPEND {} v", "1", "v"),
            ("SETRANGE {} 0 v", "1", "v"),
            ("INCR {}", "1", "1"),
            ("DECRBY {} 3", "-3", "-3"),
            ("INCRBYFLOAT {} 2.5", "2.5", "2.5"),
            ("SETBIT {} 1 1", "0", "@"),
            ("BITFIELD {} INCRBY u8 0 65", "65", "A"),
        ] {
            hide(&server, &mut conn);
            let command = command.replace("{}", key);
            assert_eq!(conn.say(&command), reply, "{command}");
            assert_eq!(conn.say(&format!("GET {key}")), left, "{command}");
            assert_eq!(conn.say(&format!("PTTL {key}")), "-1", "{command}");
            assert_eq!(conn.get(key), Answer::hit(left, -1), "{command}");
        }
    }
}

#[test]
fn rule_16_deletions_count_nothing_but_forget() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (deletion, reply) in [
        ("DEL {}", "0"),
        ("UNLINK {}", "0"),
        ("GETDEL {}", "nil"),
        ("EXPIRE {} -1", "0"),
        ("PEXPIREAT {} 1", "0"),
    ] {
        hide(&server, &mut conn);
        for key in ["stale", "none", "pass"] {
            assert_eq!(conn.say(&deletion.replace("{}", key)), reply, "{deletion} of {key}");
            conn.get(key).expect("LEAD");
        }
    }
}

#[test]
fn rule_16_renames_and_copies_onto_hidden_keys_succeed() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for key in HIDDEN {
        for (command, reply) in
            [("COPY source {}", "1"), ("RENAMENX source {}", "1"), ("RENAME source {}", "OK")]
        {
            hide(&server, &mut conn);
            conn.say("SET source s");
            assert_eq!(conn.say(&command.replace("{}", key)), reply, "{command} to {key}");
            assert_eq!(conn.get(key), Answer::hit("s", -1), "{command} to {key}");
        }
    }
}

#[test]
fn rule_16_hidden_keys_of_the_other_database_do_not_stop_a_move() {
    let server = TestServer::start();
    let mut conn = server.connect();
    hide(&server, &mut conn);
    conn.say("SELECT 1");
    for key in HIDDEN {
        conn.say(&format!("SET {key} moved"));
        assert_eq!(conn.say(&format!("MOVE {key} 0")), "1", "{key}");
    }
    conn.say("SELECT 0");
    assert_eq!(conn.say("MGET stale none pass flight"), "moved moved moved moved");
}

#[test]
fn rule_16_value_that_turned_stale_is_as_gone_as_one_that_expired() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v");
    conn.say("SET k2 v");
    assert_eq!(conn.say("FILL.STALE k GRACE 60000"), "1");
    assert_eq!((conn.say("DBSIZE"), conn.say("EXISTS k")), ("1".to_owned(), "0".to_owned()));
    assert_eq!(scan_all(&mut conn), ["k2"]);
}

#[test]
fn watch_sees_a_value_turn_stale_by_command() {
    let server = TestServer::start();
    let [mut conn, mut other] = server.connect_many();
    conn.say("SET k v");
    conn.say("WATCH k");
    other.say("FILL.STALE k GRACE 60000");
    conn.pipeline(&["MULTI", "SET k w", "EXEC"]);
    assert_eq!([(); 3].map(|()| conn.reply().text()), ["OK", "QUEUED", "nil"]);
}

/// What EXEC answers to a transaction that watched `w` while `change` was done: nil if the key was touched.
fn exec_after(watcher: &mut Conn, other: &mut Conn, change: &str) -> String {
    watcher.say("WATCH w");
    other.run(change);
    watcher.pipeline(&["MULTI", "PING", "EXEC"]);
    [watcher.reply(), watcher.reply(), watcher.reply()][2].text()
}

#[test]
fn rule_16_watch_does_not_see_what_is_hidden() {
    let server = TestServer::start();
    let [mut watcher, mut other] = server.connect_many();
    for (before, change, answer) in [
        ("", "FILL.NONE w {}", "PONG"),
        ("", "FILL.PASS w {} EX 600", "PONG"),
        ("", "FILL.FAIL w {} m RETRY 10", "PONG"),
        ("", "FILL.PUT w {} v PXAT 1", "PONG"),
        ("", "FILL.PUT w {} v EX 600", "nil"),
        ("", "FILL.STALE w", "PONG"),
        ("PUT w {} old PX 100 GRACE 600000", "FILL.NONE w {}", "PONG"),
        ("PUT w {} old PX 100 GRACE 600000", "FILL.STALE w GRACE 5", "PONG"),
        ("PUT w {} old PX 100 GRACE 600000", "FILL.PUT w {} new", "nil"),
        ("NONE w {}", "FILL.STALE w", "PONG"),
        ("PASS w {}", "DEL w", "PONG"),
        ("PUT w {} old PX 1000 GRACE 5000", "FILL.STALE w", "nil"),
        ("PUT w {} old PX 1000", "FILL.NONE w {}", "nil"),
        ("PUT w {} old PX 1000", "FILL.PUT w {} v PXAT 1", "nil"),
    ] {
        other.say("DEL w");
        if !before.is_empty() {
            let token = other.lead("w");
            server.advance_ms(150);
            assert_eq!(other.say(&format!("FILL.{}", before.replace("{}", &token))), "OK");
            server.advance_ms(150);
        }
        // Where there is a value it is time for its early refresh: far ahead of its end, with such a BETA.
        let token = other.get("w BETA 1000000000").token.unwrap_or_default();
        let change = change.replace("{}", &token);
        assert_eq!(exec_after(&mut watcher, &mut other, &change), answer, "{before:?}, then {change}");
    }
}

#[test]
fn rule_16_changes_are_counted_where_they_show() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let changes = || {
        let info = server.control().say("INFO persistence");
        info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:")).map(str::to_owned)
    };
    let token = conn.lead("k");
    conn.say(&format!("FILL.NONE k {token}"));
    conn.say("FILL.STALE k");
    assert_eq!(changes().as_deref(), Some("0"));
    let token = conn.lead("k");
    conn.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(changes().as_deref(), Some("1"));
    conn.say("FILL.STALE k GRACE 1000");
    assert_eq!(changes().as_deref(), Some("2"));
}
