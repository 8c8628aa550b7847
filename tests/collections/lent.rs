//! Replies of whole large collections: written from pages that are lent, each the moment at which it was asked for.

use std::collections::BTreeMap;

use onefill::config::ClientClass;

use crate::program::Program;
use crate::support::{Conn, TestServer, Value, wait_until};

const FIELDS: usize = 5_000;
const VALUE_BYTES: usize = 1_800;

fn field(number: usize) -> String {
    format!("field:{number:06}")
}

fn value(number: usize, round: usize) -> String {
    format!("{number:06}:{round:0width$}", width = VALUE_BYTES - 7)
}

/// Sets all fields to their values of a round, many in one request.
fn set_all(conn: &mut Conn, key: &str, round: usize) {
    for first in (0..FIELDS).step_by(500) {
        let mut words = vec!["HSET".to_owned(), key.to_owned()];
        (first..first + 500).for_each(|number| words.extend([field(number), value(number, round)]));
        conn.call(&words);
    }
}

/// The pairs of a reply to HGETALL in either protocol.
fn pairs(reply: &Value) -> BTreeMap<String, String> {
    let all: Vec<(String, Value)> = match reply {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (name.text(), value.clone())).collect(),
        flat => flat.pairs(),
    };
    assert_eq!(all.len(), FIELDS, "each once");
    all.into_iter().map(|(name, value)| (name, value.text())).collect()
}

#[track_caller]
fn expect_round(reply: &Value, round: usize) {
    let pairs = pairs(reply);
    assert_eq!(pairs.len(), FIELDS);
    (0..FIELDS).for_each(|number| assert_eq!(pairs[&field(number)], value(number, round)));
}

/// Asks for all of a hash, and returns when that was run: most of the reply is still to be written.
fn ask_slowly(server: &TestServer, conn: &mut Conn, key: &str) {
    let asked = server.control().run("GET asked");
    conn.pipeline(&["MULTI", &format!("HGETALL {key}"), "INCR asked", "EXEC"]);
    wait_until("it was run", || server.control().run("GET asked") != asked);
}

fn answer(conn: &mut Conn) -> Value {
    (0..3).for_each(|_| drop(conn.reply()));
    conn.reply().array()[0].clone()
}

#[test]
fn reader_sees_the_moment_of_its_request_whatever_becomes_of_the_key() {
    let server = TestServer::start();
    let mut writer = server.connect();
    let ways: [&[&str]; 5] = [
        &["DEL h"],
        &["FLUSHALL"],
        &["RENAME h other", "DEL other"],
        &["SWAPDB 0 1", "FLUSHALL"],
        &["SET h string"],
    ];
    for (round, way) in ways.into_iter().enumerate() {
        set_all(&mut writer, "h", round);
        let mut slow = server.connect_slow_reader();
        if round % 2 == 1 {
            slow.run("HELLO 3");
        }
        ask_slowly(&server, &mut slow, "h");
        set_all(&mut writer, "h", 9);
        for number in (0..FIELDS).step_by(2) {
            writer.call(&["HDEL", "h", &field(number)]);
        }
        set_all(&mut writer, "h", 8);
        way.iter().for_each(|line| drop(writer.run(line)));
        expect_round(&answer(&mut slow), round);
        writer.run("FLUSHALL");
    }
}

#[test]
fn replies_are_alike_in_both_protocols_in_transactions_and_in_scripts() {
    let server = TestServer::start();
    let mut conn = server.connect();
    set_all(&mut conn, "h", 1);
    let words = |reply: &Value| reply.array().iter().map(Value::text).collect::<Vec<_>>();
    let all = words(&conn.run("HGETALL h"));
    let (names, values) = (words(&conn.run("HKEYS h")), words(&conn.run("HVALS h")));
    let flat: Vec<String> = names.iter().zip(&values).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert!(all == flat && names.len() == FIELDS);
    let by_script = conn.call(&["EVAL", "return redis.call('hgetall', KEYS[1])", "1", "h"]);
    assert!(words(&by_script) == all);
    for line in
        ["MULTI", "HGETALL h", "HSET h field:000000 changed", "HGET h field:000000", "DEL h", "HLEN h"]
    {
        conn.run(line);
    }
    let replies = conn.run("EXEC");
    assert!(words(&replies.array()[0]) == all);
    assert_eq!(replies.array()[2..].iter().map(Value::text).collect::<Vec<_>>(), ["changed", "1", "0"]);
    let members: Vec<String> = ["SADD".to_owned(), "s".to_owned()].into_iter().chain(names.clone()).collect();
    conn.call(&members);
    assert!(words(&conn.run("SMEMBERS s")) == names);
    assert!(words(&server.connect_resp3().run("SMEMBERS s")) == names);
}

#[test]
fn several_read_the_same_pages_at_different_moments() {
    let server = TestServer::start();
    let mut writer = server.connect();
    let mut slow: Vec<Conn> = (0..4).map(|_| server.connect_slow_reader()).collect();
    for (round, conn) in slow.iter_mut().enumerate() {
        set_all(&mut writer, "h", round);
        ask_slowly(&server, conn, "h");
    }
    writer.run("DEL h");
    // Neither in the order in which they asked nor in the opposite one.
    for round in [2, 0, 3, 1] {
        expect_round(&answer(&mut slow[round]), round);
    }
}

#[test]
fn lent_value_counts_as_what_its_reader_has_not_read() {
    let server = TestServer::start_with(|settings| {
        settings.output_limits[ClientClass::Normal as usize].hard_bytes = 1 << 20;
    });
    let mut conn = server.connect();
    set_all(&mut conn, "h", 1);
    conn.run("HSET small a 1");
    let mut reader = server.connect();
    assert_eq!(reader.run("HGETALL small").pairs().len(), 1);
    reader.pipeline(&["HGETALL h"]);
    reader.expect_closed();
    assert_eq!(conn.run("HLEN h").int(), FIELDS as i64);
}

#[test]
fn what_a_slow_reader_keeps_of_a_deleted_hash_is_not_counted_as_keys_and_is_free_when_it_leaves() {
    let server = Program::start(&["--enable-debug-command", "yes"]);
    let mut conn = server.connect();
    let counted = || server.figure("used_memory") - server.figure("mem_not_counted_for_evict");
    let (before, counted_before) = (server.figure("used_memory"), counted());
    set_all(&mut conn, "h", 1);
    let mut reader = Conn::open_slow(server.addr);
    let bytes = (FIELDS * VALUE_BYTES) as u64;
    reader.pipeline(&["MULTI", "HGETALL h", "SET asked 1", "EXEC"]);
    wait_until("it was run", || conn.run("GET asked") != Value::Nil);
    let expect_sound = |conn: &mut Conn| {
        assert_eq!(conn.run("DEBUG RECOUNT").array().last().expect("it tells of faults").array(), []);
    };
    expect_sound(&mut conn);
    // Each page is copied once, and the old ones are the reader's.
    set_all(&mut conn, "h", 2);
    expect_sound(&mut conn);
    assert!(counted() - counted_before < bytes * 5 / 4, "{} of {bytes}", counted() - counted_before);
    assert_eq!(conn.say("DEL h"), "1");
    wait_until("the reaper is done", || server.figure("lazyfree_pending_objects") == 0);
    assert!(counted() < counted_before + bytes / 8, "{} of {bytes}", counted() - counted_before);
    assert!(server.figure("used_memory") > before + bytes / 4, "nothing is left of it");
    drop(reader);
    wait_until("the memory is free", || server.figure("used_memory") < before + bytes / 8);
    expect_sound(&mut conn);
}

#[test]
fn range_of_a_list_is_that_of_its_moment_whatever_becomes_of_the_list() {
    let server = TestServer::start();
    let mut writer = server.connect();
    for first in (0..FIELDS).step_by(500) {
        let words = ["RPUSH".to_owned(), "l".to_owned()].into_iter();
        writer.call(&words.chain((first..first + 500).map(|number| value(number, 1))).collect::<Vec<_>>());
    }
    writer.call(&["LSET", "l", "7", &"z".repeat(50_000)]);
    let expected: Vec<String> = (3..FIELDS - 3).map(|number| value(number, 1)).collect();
    for way in [&["DEL l"][..], &["LTRIM l 1 1", "RPUSH l new"], &["FLUSHALL"]] {
        let mut slow = server.connect_slow_reader();
        let asked = server.control().run("GET asked");
        slow.pipeline(&["MULTI", "LRANGE l 3 -4", "INCR asked", "EXEC"]);
        wait_until("it was run", || server.control().run("GET asked") != asked);
        writer.run("COPY l kept");
        for number in (0..FIELDS).step_by(3) {
            writer.call(&["LSET", "l", &number.to_string(), "changed"]);
        }
        writer.run("LREM l 0 changed");
        way.iter().for_each(|line| drop(writer.run(line)));
        let elements: Vec<String> = answer(&mut slow).array().iter().map(Value::text).collect();
        assert_eq!((elements.len(), elements[4].len()), (FIELDS - 6, 50_000));
        assert!(elements.iter().zip(&expected).enumerate().all(|(at, (a, b))| at == 4 || a == b));
        writer.run("RENAME kept l");
    }
}
