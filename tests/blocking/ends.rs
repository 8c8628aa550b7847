//! How waiting ends where nobody serves it: its time, CLIENT UNBLOCK, the connection's end; and what stands behind it.

use super::{block, expect_sound, figure, start, until_blocked};
use crate::support::{Value, wait_until};

#[test]
fn time_that_is_over_is_answered_null() {
    let server = start();
    let [mut conn, mut other] = server.connect_many();
    for line in [
        "BLPOP a b 0.1",
        "BRPOP a 0.0991",
        "BLMPOP 0.1 2 a b LEFT",
        "BLMOVE a b LEFT LEFT 0.1",
        "BRPOPLPUSH a b 0.1",
    ] {
        block(&server, &mut conn, line);
        server.advance_ms(99);
        // A round through the workers: whoever would be woken was.
        other.say("PING");
        conn.expect_silence();
        server.advance_ms(1);
        assert_eq!(conn.reply(), Value::Nil, "{line}");
        conn.expect_nothing_more();
    }
    let mut third = server.connect_resp3();
    block(&server, &mut third, "BLPOP a 0.001");
    server.advance_ms(1);
    assert_eq!(third.reply(), Value::Nil);
    expect_sound(&server);
}

#[test]
fn client_unblock_ends_the_waiting_either_way() {
    let server = start();
    let [mut conn, mut other] = server.connect_many();
    let id = conn.id();
    assert_eq!(other.say(&format!("CLIENT UNBLOCK {id}")), "0");
    block(&server, &mut conn, "BLPOP l 0");
    assert_eq!(other.say(&format!("CLIENT UNBLOCK {id}")), "1");
    assert_eq!(conn.reply(), Value::Nil);
    block(&server, &mut conn, "BLMOVE l m LEFT LEFT 0");
    assert_eq!(other.say(&format!("CLIENT UNBLOCK {id} ERROR")), "1");
    assert_eq!(conn.reply().text(), "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    other.say("RPUSH l a");
    assert_eq!(other.say("LLEN l"), "1", "nobody waits for it any more");
    let stats = other.say("INFO commandstats");
    assert!(stats.contains("cmdstat_blmove:calls=1,") && stats.contains("failed_calls=1"), "{stats}");
    expect_sound(&server);
}

#[test]
fn connection_that_ends_takes_nothing() {
    let server = start();
    let [mut closed, mut killed, mut half] = server.connect_many();
    let mut writer = server.connect();
    let id = killed.id();
    block(&server, &mut closed, "BLPOP l 0");
    block(&server, &mut killed, "BLPOP x l 0");
    block(&server, &mut half, "BLMOVE l m LEFT LEFT 0");
    closed.close();
    until_blocked(&server, 2);
    writer.say(&format!("CLIENT KILL ID {id}"));
    until_blocked(&server, 1);
    half.finish_sending();
    until_blocked(&server, 0);
    writer.say("RPUSH l a");
    assert_eq!(writer.say("LLEN l"), "1");
    expect_sound(&server);
}

#[test]
fn requests_behind_it_run_when_it_is_answered() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    conn.pipeline(&["SET before 1", "BLPOP l 0", "SET behind 1", "BLPOP l 0", "LPOP l"]);
    until_blocked(&server, 1);
    assert_eq!(writer.say("EXISTS before behind"), "1");
    conn.pipeline(&["SET later 1"]);
    writer.say("RPUSH l a");
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(conn.reply().array()[1].text(), "a");
    assert_eq!(conn.reply().text(), "OK");
    until_blocked(&server, 1);
    assert_eq!(writer.say("EXISTS behind later"), "1");
    writer.say("RPUSH l b c");
    assert_eq!(conn.reply().array()[1].text(), "b");
    assert_eq!(conn.reply().text(), "c");
    assert_eq!(conn.reply().text(), "OK");
    conn.expect_nothing_more();
    expect_sound(&server);
}

#[test]
fn more_than_a_batch_behind_it_waits_too() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    let value = "v".repeat(40_000);
    let mut lines = vec!["BLPOP l 0".to_owned()];
    lines.extend((0..300).map(|_| "INCR n".to_owned()));
    lines.push(format!("SET large {value}"));
    lines.push("BLPOP l 0".to_owned());
    lines.push("INCR n".to_owned());
    conn.pipeline(&lines);
    until_blocked(&server, 1);
    assert_eq!(writer.say("GET n"), "nil");
    writer.say("RPUSH l a");
    assert_eq!(conn.reply().array()[1].text(), "a");
    (1..=300).for_each(|number| assert_eq!(conn.reply(), Value::Int(number)));
    assert_eq!(conn.reply().text(), "OK");
    until_blocked(&server, 1);
    writer.say("RPUSH l b");
    assert_eq!(conn.reply().array()[1].text(), "b");
    assert_eq!(conn.reply(), Value::Int(301));
    expect_sound(&server);
}

#[test]
fn long_request_that_waits_holds_up_what_stands_behind_it() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    let keys: Vec<String> = (0..8000).map(|number| format!("key{number}")).collect();
    conn.pipeline(&[format!("BLPOP {} 0", keys.join(" ")), "PING".to_owned(), "INCR n".to_owned()]);
    until_blocked(&server, 1);
    assert_eq!(figure(&server, "total_blocking_keys"), 8000);
    writer.say("RPUSH key7999 a");
    assert_eq!(conn.reply().array()[1].text(), "a");
    assert_eq!(conn.reply().text(), "PONG");
    assert_eq!(conn.reply(), Value::Int(1));
    expect_sound(&server);
}

#[test]
fn silent_request_takes_and_says_nothing() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    conn.pipeline(&["CLIENT REPLY SKIP", "BLPOP l 0", "PING"]);
    until_blocked(&server, 1);
    writer.say("RPUSH l a");
    assert_eq!(conn.reply().text(), "PONG");
    conn.pipeline(&["CLIENT REPLY OFF", "BLPOP l 0", "CLIENT REPLY ON"]);
    until_blocked(&server, 1);
    writer.say("RPUSH l a");
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(writer.say("EXISTS l"), "0");
    expect_sound(&server);
}

#[test]
fn in_a_transaction_or_a_script_nothing_waits() {
    let server = start();
    let mut conn = server.connect();
    for line in ["MULTI", "BLPOP l 0", "BLMOVE l m LEFT LEFT 0", "BLMPOP 0 1 l LEFT", "EXEC"] {
        conn.pipeline(&[line]);
    }
    let replies: Vec<Value> = (0..5).map(|_| conn.reply()).collect();
    assert_eq!(replies[4].array(), [Value::Nil, Value::Nil, Value::Nil]);
    assert_eq!(conn.call(&["EVAL", "return redis.call('blpop', KEYS[1], 0)", "1", "l"]), Value::Nil);
    expect_sound(&server);
}

#[test]
fn pause_of_writes_leaves_waiters_waiting_and_their_time_passing() {
    let server = start();
    let [mut conn, mut short, mut writer, mut other] = server.connect_many();
    block(&server, &mut conn, "BLPOP l 0");
    block(&server, &mut short, "BLPOP l 1");
    other.say("CLIENT PAUSE 60000 WRITE");
    writer.pipeline(&["RPUSH l a"]);
    wait_until("the push is put off", || figure(&server, "blocked_clients") == 3);
    server.advance_ms(1000);
    assert_eq!(short.reply(), Value::Nil);
    conn.expect_silence();
    other.say("CLIENT UNPAUSE");
    assert_eq!(writer.reply(), Value::Int(1));
    assert_eq!(conn.reply().array()[1].text(), "a");
    expect_sound(&server);
}

#[test]
fn flush_and_expiry_leave_waiters_where_they_are() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    block(&server, &mut conn, "BLPOP l 0");
    writer.say("FLUSHALL");
    writer.say("SET l v PX 10");
    server.advance_ms(10);
    conn.expect_silence();
    assert_eq!(figure(&server, "total_blocking_keys"), 1);
    assert!(
        writer
            .say("CLIENT LIST")
            .lines()
            .any(|line| line.contains(" flags=b ") && line.contains("cmd=blpop"))
    );
    writer.say("RPUSH l a");
    assert_eq!(conn.reply().array()[1].text(), "a");
    expect_sound(&server);
}

#[test]
fn server_that_stops_closes_who_waits_without_a_word() {
    let mut server = start();
    let mut conn = server.connect();
    conn.pipeline(&["PING"]);
    assert_eq!(conn.reply().text(), "PONG");
    block(&server, &mut conn, "BLPOP l 0");
    conn.pipeline(&["PING"]);
    server.stop();
    conn.expect_closed();
}
