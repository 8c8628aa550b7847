//! Who is served, with what, and in which order.

use super::{block, expect_sound, figure, start, until_blocked};
use crate::support::{Conn, TestServer, Value, wait_until};

/// A popped element and its key, as text.
#[track_caller]
fn expect_popped(conn: &mut Conn, key: &str, element: &str) {
    let reply = conn.reply();
    let Value::Array(parts) = &reply else { panic!("expected {key} and {element}, got {reply:?}") };
    assert_eq!(parts.iter().map(Value::text).collect::<Vec<_>>(), [key, element]);
}

#[test]
fn oldest_waiter_gets_the_first_element_and_each_of_them_one() {
    let server = start();
    let mut conns: [Conn; 3] = server.connect_many();
    conns.iter_mut().for_each(|conn| block(&server, conn, "BLPOP l 0"));
    let mut writer = server.connect();
    assert_eq!(writer.say("RPUSH l a b"), "2");
    expect_popped(&mut conns[0], "l", "a");
    expect_popped(&mut conns[1], "l", "b");
    conns[2].expect_silence();
    assert_eq!(writer.say("EXISTS l"), "0");
    assert_eq!(writer.say("LPUSH l c"), "1");
    expect_popped(&mut conns[2], "l", "c");
    expect_sound(&server);
}

#[test]
fn each_form_takes_what_it_asked_for() {
    let server = start();
    let mut conn = server.connect();
    let mut writer = server.connect();
    let many = "element ".repeat(3000);
    for (request, expected) in [
        ("BRPOP l 0", "l c"),
        ("BLMPOP 0 1 l LEFT COUNT 2", "l a b"),
        ("BLMPOP 0 2 x l RIGHT COUNT 9", "l c b a"),
    ] {
        writer.say("DEL l x");
        block(&server, &mut conn, request);
        writer.say("RPUSH l a b c");
        assert_eq!(conn.reply().text(), expected, "{request}");
    }
    writer.say("DEL l");
    block(&server, &mut conn, "BLPOP l 0");
    writer.call(&["RPUSH", "l", &many]);
    assert_eq!(conn.reply().text(), format!("l {many}"), "a large element");
    for (request, to) in
        [("BLMOVE l m LEFT RIGHT 0", "m"), ("BRPOPLPUSH l m 0", "m"), ("BLMOVE l l LEFT RIGHT 0", "l")]
    {
        writer.say("DEL l m");
        block(&server, &mut conn, request);
        assert_eq!(writer.say("RPUSH l a"), "1");
        assert_eq!(conn.reply().text(), "a");
        assert_eq!(writer.say(&format!("LRANGE {to} 0 -1")), "a", "{request}");
    }
    expect_sound(&server);
}

#[test]
fn stored_sort_serves_who_waits_for_its_list_and_who_waits_behind() {
    let server = start();
    let [mut conn, mut other, mut writer] = server.connect_many();
    writer.say("RPUSH from 3 1 2");
    block(&server, &mut conn, "BLPOP l 0");
    assert_eq!(writer.say("SORT from STORE l"), "3");
    expect_popped(&mut conn, "l", "1");
    assert_eq!(writer.say("LRANGE l 0 -1"), "2 3");
    block(&server, &mut conn, "BLPOP n 0");
    block(&server, &mut other, "BLMOVE m n LEFT LEFT 0");
    assert_eq!(writer.say("SORT from BY w_* GET # STORE m"), "3");
    assert_eq!(other.reply().text(), "1");
    expect_popped(&mut conn, "n", "1");
    expect_sound(&server);
}

#[test]
fn waiter_takes_from_the_first_of_its_own_keys_whatever_was_pushed_first() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    block(&server, &mut conn, "BLPOP a b c 0");
    for line in ["MULTI", "RPUSH c 3", "RPUSH b 2", "RPUSH a 1", "LPOP a", "EXEC"] {
        writer.run(line);
    }
    expect_popped(&mut conn, "b", "2");
    assert_eq!(writer.say("LLEN c"), "1", "what is not taken stays");
    expect_sound(&server);
}

#[test]
fn what_a_transaction_or_a_script_takes_back_was_never_there() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    block(&server, &mut conn, "BLPOP l 0");
    for line in ["MULTI", "RPUSH l a", "DEL l", "RPUSH other x", "EXEC"] {
        writer.run(line);
    }
    let script = "redis.call('rpush', KEYS[1], 'a') redis.call('del', KEYS[1]) return redis.call('rpush', KEYS[2], 'x')";
    assert_eq!(writer.call(&["EVAL", script, "2", "l", "other"]), Value::Int(2));
    conn.expect_silence();
    let script = "redis.call('rpush', KEYS[1], 'a', 'b') return redis.call('llen', KEYS[1])";
    assert_eq!(writer.call(&["EVAL", script, "1", "l"]), Value::Int(2), "nobody is served before its end");
    expect_popped(&mut conn, "l", "a");
    assert_eq!(writer.say("LLEN l"), "1");
    expect_sound(&server);
}

#[test]
fn everything_that_leaves_a_list_serves_who_waits_for_it() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    let ways: &[&[&str]] = &[
        &["RENAME from l"],
        &["RENAMENX from l"],
        &["COPY from l"],
        &["LMOVE from l LEFT LEFT"],
        &["RPOPLPUSH from l"],
        &["SELECT 1", "RPUSH l a", "MOVE l 0", "SELECT 0"],
        &["SELECT 1", "RPUSH l a", "SWAPDB 0 1", "SELECT 0"],
        &["MULTI", "LPUSH l a", "EXEC"],
        &["SET l v", "DEL l", "RPUSH l a"],
        &["LINSERT l BEFORE x y", "LPUSHX l z", "RPUSH l a"],
    ];
    for way in ways {
        writer.say("FLUSHALL");
        writer.say("RPUSH from a");
        block(&server, &mut conn, "BLPOP l 0");
        way.iter().for_each(|line| drop(writer.run(line)));
        expect_popped(&mut conn, "l", "a");
    }
    writer.say("RPUSH from a");
    let Value::Bulk(dump) = writer.run("DUMP from") else { panic!("a dump is a bulk string") };
    block(&server, &mut conn, "BLPOP l 0");
    writer.call(&[&b"RESTORE"[..], b"l", b"0", &dump]);
    expect_popped(&mut conn, "l", "a");
    expect_sound(&server);
}

#[test]
fn key_of_another_type_leaves_its_waiters_waiting() {
    let server = start();
    let [mut conn, mut writer] = server.connect_many();
    block(&server, &mut conn, "BLPOP l 0");
    for line in
        ["SET l v", "DEL l", "SADD l m", "DEL l", "HSET l f v", "DEL l", "SADD s m", "RENAME s l", "DEL l"]
    {
        writer.run(line);
    }
    conn.expect_silence();
    writer.say("RPUSH l a");
    expect_popped(&mut conn, "l", "a");
    expect_sound(&server);
}

#[test]
fn target_of_another_type_is_an_error_and_the_element_goes_to_the_next() {
    let server = start();
    let [mut mover, mut popper, mut writer] = server.connect_many();
    writer.say("SET target v");
    block(&server, &mut mover, "BLMOVE l target LEFT LEFT 0");
    block(&server, &mut popper, "BLPOP l 0");
    writer.say("RPUSH l a");
    assert_eq!(mover.reply().text(), "WRONGTYPE Operation against a key holding the wrong kind of value");
    expect_popped(&mut popper, "l", "a");
    expect_sound(&server);
}

#[test]
fn moved_element_wakes_a_chain_of_waiters() {
    let server = start();
    let mut conns: [Conn; 5] = server.connect_many();
    let lines = [
        "BLMOVE a b LEFT RIGHT 0",
        "BLMOVE b c LEFT RIGHT 0",
        "BRPOPLPUSH c d 0",
        "BLMOVE d e LEFT LEFT 0",
        "BLPOP e 0",
    ];
    conns.iter_mut().zip(lines).for_each(|(conn, line)| block(&server, conn, line));
    let mut writer = server.connect();
    assert_eq!(writer.say("RPUSH a x"), "1");
    let (last, movers) = conns.split_last_mut().expect("there are five");
    movers.iter_mut().for_each(|conn| assert_eq!(conn.reply().text(), "x"));
    expect_popped(last, "e", "x");
    assert_eq!(writer.say("EXISTS a b c d e"), "0");
    expect_sound(&server);
}

#[test]
fn movers_in_a_circle_are_served_once_each() {
    let server = start();
    let mut conns: [Conn; 3] = server.connect_many();
    let lines = ["BLMOVE a b LEFT RIGHT 0", "BLMOVE b c LEFT RIGHT 0", "BLMOVE c a LEFT RIGHT 0"];
    conns.iter_mut().zip(lines).for_each(|(conn, line)| block(&server, conn, line));
    let mut writer = server.connect();
    writer.say("RPUSH b x");
    [1, 2, 0].iter().for_each(|at| assert_eq!(conns[*at].reply().text(), "x"));
    assert_eq!(writer.say("LRANGE b 0 -1"), "x", "it came round");
    expect_sound(&server);
}

#[test]
fn thousand_waiters_are_served_in_the_order_in_which_they_came() {
    let server = start();
    let count = 1000;
    let mut conns: Vec<Conn> = (0..count).map(|_| server.connect()).collect();
    for (number, conn) in conns.iter_mut().enumerate() {
        conn.pipeline(&["BLPOP l other 0"]);
        // The order is known only where each is there before the next.
        wait_until("it is blocked", || waiting(&server) == number + 1);
    }
    let mut writer = server.connect();
    for half in [0..count / 2, count / 2..count] {
        let words: Vec<String> = half.map(|number| number.to_string()).collect();
        writer.say(&format!("RPUSH l {}", words.join(" ")));
    }
    for (number, conn) in conns.iter_mut().enumerate() {
        expect_popped(conn, "l", &number.to_string());
    }
    expect_sound(&server);
}

/// Clients that are blocked, found out cheaply.
fn waiting(server: &TestServer) -> usize {
    let info = server.control().say("INFO clients");
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).expect("INFO says so");
    line.parse().expect("a number")
}

#[test]
fn served_pop_is_its_own_clients_change() {
    let server = start();
    let [mut conn, mut watcher, mut writer] = server.connect_many();
    server.control().say("CONFIG SET notify-keyspace-events KEA");
    let mut listener = server.connect();
    listener.run("PSUBSCRIBE __keyspace@0__:*");
    block(&server, &mut conn, "BLPOP l 0");
    watcher.say("WATCH l");
    writer.say("RPUSH l a");
    expect_popped(&mut conn, "l", "a");
    let told: Vec<String> = (0..3).map(|_| listener.reply().array()[3].text()).collect();
    assert_eq!(told, ["rpush", "lpop", "del"]);
    watcher.say("MULTI");
    watcher.say("PING");
    assert_eq!(watcher.run("EXEC"), Value::Nil, "the key was touched");
    until_blocked(&server, 0);
    let stats = server.control().say("INFO commandstats");
    assert!(stats.contains("cmdstat_blpop:calls=1,"), "{stats}");
    assert_eq!(figure(&server, "total_blocking_keys"), 0);
}
