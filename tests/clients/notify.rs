//! Keyspace events that Redis has no example of: those of FILL, and expiry by the held clock.
//!
//! The events of ordinary commands are compared with a real redis-server in redis-compat/cases/notify.toml.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{Conn, TestServer, Value};
use onefill::config::DebugAccess;

/// A server that publishes these classes, and who listens to all of it.
fn start(classes: &str) -> (TestServer, Conn) {
    let server = TestServer::start();
    assert_eq!(server.control().say(&format!("CONFIG SET notify-keyspace-events {classes}")), "OK");
    let mut listener = server.connect();
    listener.say("PSUBSCRIBE __keyevent@0__:*");
    (server, listener)
}

/// The next events, as `name key`.
#[track_caller]
fn expect(listener: &mut Conn, events: &[&str]) {
    for event in events {
        let reply = listener.reply();
        let [_, _, channel, key] = reply.array() else { panic!("expected {event}, got {reply:?}") };
        let channel = channel.text();
        let name = channel.strip_prefix("__keyevent@0__:").expect("a channel of events");
        assert_eq!(format!("{name} {}", key.text()), *event);
    }
}

/// No event is on its way: the next is the one of this write, made last.
#[track_caller]
fn expect_no_more(server: &TestServer, listener: &mut Conn) {
    server.control().say("SET last 1");
    expect(listener, &["set last"]);
}

#[test]
fn steps_of_a_fill_have_a_class_of_their_own() {
    let (server, mut listener) = start("E$gf");
    let [mut one, mut two] = server.connect_many();
    let token = one.lead("k");
    expect(&mut listener, &["lead k"]);
    server.park(&mut two, "k WAIT 60000");
    assert_eq!(one.say(&format!("FILL.FAIL k {token}")), "OK");
    let token = two.answer().into_token();
    expect(&mut listener, &["fail k", "lead k"]);
    assert_eq!(two.say(&format!("FILL.PUT k {token} v EX 60")), "OK");
    assert_eq!(two.say(&format!("FILL.PUT k {token} v EX 60")), "DUP");
    expect(&mut listener, &["set k", "expire k", "fill k"]);

    one.lead("void");
    one.say("SET void 1");
    expect(&mut listener, &["lead void", "void void", "set void"]);
    one.lead("gone");
    one.say("DEL gone");
    expect(&mut listener, &["lead gone", "void gone"]);
    expect_no_more(&server, &mut listener);
}

#[test]
fn hidden_entries_have_no_ordinary_events() {
    let (server, mut listener) = start("E$gnx");
    let mut conn = server.connect();
    let token = conn.lead("none");
    conn.say(&format!("FILL.NONE none {token} PX 10"));
    let token = conn.lead("kept");
    conn.say(&format!("FILL.PUT kept {token} v PX 100 GRACE 1000"));
    expect(&mut listener, &["new kept", "set kept", "expire kept"]);
    server.advance_ms(200);
    assert_eq!(conn.say("GET kept"), "nil");
    expect(&mut listener, &["expired kept"]);
    server.advance_ms(2_000);
    assert_eq!(conn.say("GET kept"), "nil");
    conn.say("SET kept w");
    expect(&mut listener, &["new kept", "set kept"]);
    conn.say("FILL.STALE kept GRACE 500");
    expect(&mut listener, &["del kept"]);
    server.control().say("SET last 1");
    expect(&mut listener, &["new last", "set last"]);
}

#[test]
fn sweeper_tells_of_expired_keys_that_nobody_looks_at() {
    let (server, mut listener) = start("Ex");
    server.control().say("SET k v PX 50");
    server.advance_ms(1_500);
    expect(&mut listener, &["expired k"]);
}

/// As in Redis, whose commands meet the end of the old value before they write.
#[test]
fn write_over_a_key_that_nobody_saw_expire_tells_of_its_end_first() {
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    let [mut conn, mut listener] = server.connect_many();
    conn.say("DEBUG SET-ACTIVE-EXPIRE 0");
    conn.say("CONFIG SET notify-keyspace-events E$gxn");
    listener.say("PSUBSCRIBE __keyevent@0__:*");
    for write in ["SET k w", "MSET k w"] {
        conn.say("SET k v PX 50");
        expect(&mut listener, &["new k", "set k", "expire k"]);
        server.advance_ms(50);
        conn.say(write);
        expect(&mut listener, &["expired k", "new k", "set k"]);
        conn.say("DEL k");
        expect(&mut listener, &["del k"]);
    }
}

#[test]
fn events_are_off_until_both_a_class_and_a_way_are_named() {
    let (server, mut listener) = start("g$");
    server.control().say("SET k v");
    server.control().say("CONFIG SET notify-keyspace-events K$");
    server.control().say("SET k v");
    server.control().say("CONFIG SET notify-keyspace-events E$");
    expect_no_more(&server, &mut listener);
}

/// Whoever reads after an event finds what the event tells of, or something newer.
#[test]
fn event_comes_after_its_write() {
    let (server, mut listener) = start("E$");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut writer = server.connect();
        let is_done = &done;
        scope.spawn(move || {
            let mut n = 0;
            while !is_done.load(Ordering::Relaxed) {
                n += 1;
                assert_eq!(writer.say(&format!("SET k {n}")), "OK");
            }
        });
        let mut reader = server.connect();
        for heard in 1..500 {
            expect(&mut listener, &["set k"]);
            let Value::Bulk(value) = reader.run("GET k") else { panic!("a value") };
            let value: u64 = String::from_utf8(value).unwrap().parse().unwrap();
            assert!(value >= heard, "event {heard}, value {value}");
        }
        done.store(true, Ordering::Relaxed);
    });
}
