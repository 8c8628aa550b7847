//! What an operator sees over the wire, where a real redis-server can not be the judge: several workers, parked
//! callers, and a clock that the test holds.

use crate::support::{Conn, TestServer, wait_until};
use onefill::config::DebugAccess;

fn info(conn: &mut Conn, section: &str) -> String {
    conn.run(&format!("INFO {section}")).text()
}

/// The line of a command in INFO commandstats, from `calls=` on.
fn calls_of(conn: &mut Conn, command: &str) -> String {
    let prefix = format!("cmdstat_{command}:");
    let text = info(conn, "commandstats");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
}

#[test]
fn calls_of_all_workers_are_added_up_and_reset() {
    let server = TestServer::start_with(|settings| settings.io_threads = 3);
    let mut conns: [Conn; 9] = server.connect_many();
    conns.iter_mut().for_each(|conn| drop(conn.run("INCR n")));
    conns.iter_mut().for_each(|conn| drop(conn.error("INCR n x")));
    let line = calls_of(&mut conns[0], "incr");
    assert!(line.starts_with("calls=9,") && line.ends_with(",rejected_calls=9,failed_calls=0"), "{line}");
    assert!(info(&mut conns[1], "errorstats").contains("errorstat_ERR:count=9\r\n"));
    assert_eq!(conns[2].say("CONFIG RESETSTAT"), "OK");
    assert_eq!(calls_of(&mut conns[3], "incr"), "");
    assert_eq!(info(&mut conns[4], "errorstats"), "# Errorstats\r\n");
}

#[test]
fn calls_earlier_in_the_same_pipeline_are_counted() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["GET a", "GET b", "GET c", "INFO commandstats"]);
    let replies: Vec<String> = (0..4).map(|_| conn.reply().text()).collect();
    assert!(replies[3].contains("cmdstat_get:calls=3,"), "{}", replies[3]);
}

#[test]
fn slow_log_hides_passwords_and_leaves_the_time_of_parked_callers_out() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut conn] = server.connect_many();
    conn.say("CONFIG SET slowlog-log-slower-than 0");
    conn.say("CONFIG SET requirepass hunter2");
    conn.say("AUTH hunter2");
    conn.call(&["CONFIG", "SET", "requirepass", ""]);
    let log = conn.say("SLOWLOG GET -1");
    assert!(log.contains("(redacted)") && !log.contains("hunter2"), "{log}");
    conn.say("SLOWLOG RESET");
    leader.lead("k LEASE 600000");
    server.park(&mut waiter, "k WAIT 60000");
    server.advance_ms(30_000);
    // It would be noted from 20 ms on.
    conn.say("CONFIG SET slowlog-log-slower-than 20000");
    conn.say("SLOWLOG RESET");
    server.advance_ms(30_000);
    waiter.answer().expect_wait_over();
    assert_eq!(conn.say("SLOWLOG LEN"), "0");
}

#[test]
fn pause_ends_at_its_time_and_parked_callers_are_answered_within() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut conn, mut paused] = server.connect_many();
    leader.lead("k LEASE 600000");
    server.park(&mut waiter, "k WAIT 1000");
    assert_eq!(conn.say("CLIENT PAUSE 5000"), "OK");
    paused.pipeline(&["PING", "INCR n"]);
    server.advance_ms(1_000);
    waiter.answer().expect_wait_over();
    paused.expect_silence();
    server.advance_ms(4_000);
    assert_eq!((paused.reply().text(), paused.reply().text()), ("PONG".to_owned(), "1".to_owned()));
}

#[test]
fn paused_connection_shows_as_blocked_and_can_be_killed() {
    let server = TestServer::start();
    let [mut conn, mut victim] = server.connect_many();
    let id: i64 = victim.say("CLIENT ID").parse().unwrap();
    conn.say("CLIENT PAUSE 100000 WRITE");
    victim.send(&["SET", "k", "v"]);
    wait_until("the write is put off", || info(&mut conn, "clients").contains("blocked_clients:1\r\n"));
    assert!(conn.say(&format!("CLIENT LIST ID {id}")).contains(" flags=b "));
    assert_eq!(conn.say(&format!("CLIENT KILL ID {id}")), "1");
    server.until_gone(id);
    conn.say("CLIENT UNPAUSE");
    assert_eq!(conn.say("GET k"), "nil");
}

#[test]
fn message_is_put_off_by_a_pause_of_writes_and_subscribers_hear_it_afterwards() {
    let server = TestServer::start();
    let [mut subscriber, mut publisher, mut conn] = server.connect_many();
    subscriber.say("SUBSCRIBE c");
    assert_eq!((publisher.say("MULTI"), publisher.say("PUBLISH c in")), ("OK".into(), "QUEUED".into()));
    conn.say("CLIENT PAUSE 100000 WRITE");
    publisher.send(&["EXEC"]);
    conn.send(&["PUBLISH", "c", "out"]);
    let mut other = server.connect();
    wait_until("both are put off", || info(&mut other, "clients").contains("blocked_clients:2\r\n"));
    subscriber.expect_silence();
    other.say("CLIENT UNPAUSE");
    let mut heard = [subscriber.reply().text(), subscriber.reply().text()];
    heard.sort();
    assert_eq!(heard, ["message c in", "message c out"]);
}

#[test]
fn put_of_a_leader_is_put_off_by_a_pause_of_writes_and_stores_afterwards() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut conn] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    conn.say("CLIENT PAUSE 100000 WRITE");
    leader.send(&["FILL.PUT", "k", &token, "v"]);
    wait_until("the put is put off", || info(&mut conn, "clients").contains("blocked_clients:2\r\n"));
    server.expect_parked("k", &mut [&mut waiter]);
    conn.say("CLIENT UNPAUSE");
    assert_eq!(leader.reply().text(), "OK");
    waiter.answer().expect("HIT");
}

#[test]
fn monitor_that_does_not_read_is_closed() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.send(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
    assert_eq!(conn.reply().text(), "OK");
    let mut monitor = server.connect_slow_reader();
    let id: i64 = monitor.say("CLIENT ID").parse().unwrap();
    assert_eq!(monitor.say("MONITOR"), "OK");
    let value = "v".repeat(256 * 1024);
    wait_until("the monitor is closed", || {
        conn.call(&["SET", "k", &value]);
        conn.say(&format!("CLIENT LIST ID {id}")).is_empty()
    });
    assert_eq!(conn.say("SET k v"), "OK");
}

#[test]
fn monitor_sees_other_workers_and_no_passwords() {
    let server = TestServer::start_with(|settings| settings.io_threads = 2);
    let mut monitor = server.connect();
    assert_eq!(monitor.say("MONITOR"), "OK");
    let mut conns: [Conn; 4] = server.connect_many();
    for (number, conn) in conns.iter_mut().enumerate() {
        conn.say(&format!("SELECT {number}"));
        conn.error("AUTH nobody hunter2");
        assert!(monitor.reply().text().ends_with(&format!("] \"SELECT\" \"{number}\"")));
        let line = monitor.reply().text();
        assert!(line.contains(&format!(" [{number} 127.0.0.1:")), "{line}");
        assert!(line.ends_with("] \"AUTH\" \"(redacted)\" \"(redacted)\""), "{line}");
    }
}

#[test]
fn sizes_of_values_are_counted_when_asked_for_by_name() {
    let server = TestServer::start();
    let mut conn = server.connect();
    assert_eq!(info(&mut conn, "keysizes"), "# Keysizes\r\n");
    conn.say("SETRANGE large 1999999 x");
    for (key, bytes) in [("a", 0), ("b", 1), ("c", 2), ("d", 3), ("e", 1023), ("f", 1024), ("g", 20_000)] {
        conn.call(&["SET", key, &"x".repeat(bytes)]);
    }
    conn.run("FILL.NONE none t");
    conn.pipeline(&["SELECT 3", "SET k 1234", "SET l 12345678", "SET m 12345", "SELECT 0"]);
    (0..5).for_each(|_| drop(conn.reply()));
    for lines in ["keysizes", "KEYSIZES"] {
        assert_eq!(
            info(&mut conn, lines),
            "# Keysizes\r\ndb0_distrib_strings_sizes:0=1,1=1,2=2,512=1,1K=1,16K=1,1M=1\r\n\
             db3_distrib_strings_sizes:4=2,8=1\r\n"
        );
    }
    assert!(info(&mut conn, "everything").contains("# Keysizes\r\ndb0_distrib_strings_sizes:0=1,"));
    for all in ["", "all", "default"] {
        assert!(!info(&mut conn, all).contains("Keysizes"), "{all:?} walks over all keys");
    }
}

/// More keys than are looked at under one hold of a lock, none of them twice.
#[test]
fn sizes_of_many_values_add_up() {
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    let mut conn = server.connect();
    assert_eq!(conn.say("DEBUG POPULATE 200000 key 100"), "OK");
    assert!(info(&mut conn, "keysizes").contains("db0_distrib_strings_sizes:64=200000\r\n"));
}
