//! What becomes of connections when the rights of their users change.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use crate::support::{PATIENCE, TestServer, Value, wait_until};
use crate::{NO_KEY, WRONG_PASSWORD, log_in};

#[test]
fn taken_right_counts_from_the_next_request_on() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~* +get");
    assert_eq!(conn.say("GET a"), "nil");
    server.control().say("ACL SETUSER ann resetkeys ~b");
    assert_eq!(conn.error("GET a"), NO_KEY);
    assert_eq!(conn.say("GET b"), "nil");
    server.control().say("ACL SETUSER ann ~* &* +@all");
    assert_eq!(conn.say("SET a 1"), "OK");
}

#[test]
fn own_change_counts_for_what_follows_in_the_same_packet() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~* &* +@all");
    conn.pipeline(&["SET a 1", "ACL SETUSER ann -set", "SET a 2"]);
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(conn.reply().text(), "OK");
    assert!(conn.reply().text().starts_with("NOPERM User ann has no permissions to run the 'set'"));
}

#[test]
fn deleted_user_loses_its_connections_and_who_asks_for_that_after_the_reply() {
    let server = TestServer::start();
    let mut ann = log_in(&server, "ann", "+@all");
    let mut bob = log_in(&server, "bob", "+@all");
    assert_eq!(bob.say("ACL DELUSER ann nobody"), "1");
    ann.expect_closed();
    assert_eq!(bob.say("ACL DELUSER bob"), "1");
    bob.expect_closed();
    assert_eq!(server.control().error("ACL DELUSER default"), "ERR The 'default' user cannot be removed");
    assert_eq!(server.connect().error("AUTH ann pw"), WRONG_PASSWORD);
}

#[test]
fn who_is_in_stays_in_when_its_user_is_switched_off() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~* +get");
    server.control().say("ACL SETUSER ann off");
    assert_eq!(conn.say("GET a"), "nil");
    assert_eq!(conn.error("AUTH ann pw"), WRONG_PASSWORD);
    assert_eq!(conn.say("GET a"), "nil");
}

#[test]
fn subscriber_that_loses_a_channel_ends() {
    let server = TestServer::start();
    let mut all = log_in(&server, "ann", "&* +subscribe +psubscribe +ssubscribe");
    let mut some = log_in(&server, "ann", "");
    let mut pattern = log_in(&server, "ann", "");
    assert!(all.say("SUBSCRIBE a b").starts_with("subscribe a"));
    all.reply();
    assert!(some.say("SSUBSCRIBE a").starts_with("ssubscribe a"));
    assert!(pattern.say("PSUBSCRIBE a*").starts_with("psubscribe a*"));
    server.control().say("ACL SETUSER ann resetchannels &a &a*");
    all.expect_closed();
    some.expect_silence();
    pattern.expect_silence();
    server.control().say("ACL SETUSER ann resetchannels &a");
    pattern.expect_closed();
    some.expect_silence();
}

#[test]
fn password_of_a_setting_is_the_default_users() {
    let server = TestServer::start();
    let mut conn = server.connect();
    assert_eq!(conn.say("CONFIG SET requirepass secret"), "OK");
    assert_eq!(conn.say("PING"), "PONG");
    let mut other = server.connect();
    assert_eq!(other.error("PING"), "NOAUTH Authentication required.");
    assert_eq!(other.say("AUTH secret"), "OK");
    assert_eq!(conn.say("ACL SETUSER default >more"), "OK");
    assert_eq!(other.say("AUTH default more"), "OK");
    assert_eq!(conn.say("CONFIG GET requirepass"), "requirepass secret");
    // The same again is no change.
    assert_eq!(conn.say("CONFIG SET requirepass secret"), "OK");
    assert_eq!(other.say("AUTH more"), "OK");
    assert_eq!(conn.say("CONFIG SET requirepass other"), "OK");
    assert_eq!(other.error("AUTH more"), WRONG_PASSWORD);
    let mut stranger = server.connect();
    assert_eq!(stranger.error("PING"), "NOAUTH Authentication required.");
    assert_eq!(conn.call(&["CONFIG", "SET", "requirepass", ""]).text(), "OK");
    assert_eq!(stranger.say("PING"), "PONG");
    assert!(
        stranger.error("AUTH x").starts_with("ERR AUTH <password> called without any password configured")
    );
}

#[test]
fn killed_by_its_user_is_only_who_is_that_user() {
    let server = TestServer::start();
    let mut ann = log_in(&server, "ann", "+@all");
    let mut plain = server.connect();
    plain.say("PING");
    assert_eq!(server.control().say("CLIENT KILL USER ann"), "1");
    ann.expect_closed();
    assert_eq!(plain.say("PING"), "PONG");
    wait_until("nobody is ann", || !server.control().say("CLIENT LIST").contains("user=ann"));
}

#[test]
fn running_script_meets_a_taken_right_at_its_next_call() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~* +eval +get");
    conn.send(&["EVAL", "while true do redis.call('get', KEYS[1]) end", "1", "k"]);
    let (is_answered, begun) = (AtomicBool::new(false), Instant::now());
    let reply = thread::scope(|scope| {
        // The script's turn ends by the clock, which the test holds.
        scope.spawn(|| {
            while !is_answered.load(Relaxed) && begun.elapsed() < PATIENCE {
                server.advance_ms(10);
                thread::yield_now();
            }
        });
        server.control().say("ACL SETUSER ann -get");
        let reply = conn.reply().text();
        is_answered.store(true, Relaxed);
        reply
    });
    assert!(reply.contains("ACL failure in script: User ann has no permissions to run the 'get'"), "{reply}");
}

#[test]
fn request_that_was_put_off_is_judged_by_the_rights_of_when_it_runs() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~* +set");
    server.control().say("CLIENT PAUSE 60000 WRITE");
    conn.pipeline(&["SET k v"]);
    conn.expect_silence();
    server.control().say("ACL SETUSER ann resetkeys");
    server.control().say("CLIENT UNPAUSE");
    assert_eq!(conn.reply(), Value::Error(NO_KEY.into()));
}
