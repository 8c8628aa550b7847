//! Misuse of the FILL commands: errors as Redis words them, and no trace left behind (docs/fill.md, sections 1 and 2).

use crate::support::{TestServer, Value};

#[test]
fn wrong_arity_is_redis_error() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in [
        "FILL.GET",
        "FILL.PUT",
        "FILL.PUT k",
        "FILL.PUT k t",
        "FILL.NONE",
        "FILL.NONE k",
        "FILL.PASS",
        "FILL.PASS k",
        "FILL.FAIL",
        "FILL.FAIL k",
        "FILL.RENEW",
        "FILL.RENEW k",
        "FILL.MGET",
        "FILL.MGET 1",
        "FILL.MPUT",
        "FILL.MPUT 1",
        "FILL.MPUT 1 k",
        "FILL.MPUT 1 k t",
        "FILL.STALE",
        "FILL.INFO",
        "FILL.INFO k more",
    ] {
        let name = line.split(' ').next().expect("a name").to_lowercase();
        assert_eq!(conn.error(line), format!("ERR wrong number of arguments for '{name}' command"), "{line}");
    }
}

#[test]
fn unknown_and_incomplete_options_are_syntax_errors() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in [
        "FILL.GET k BOGUS",
        "FILL.GET k WAIT",
        "FILL.GET k LEASE",
        "FILL.GET k AS",
        "FILL.GET k WAIT 1 NOWAIT",
        "FILL.GET k NOWAIT WAIT 1",
        "FILL.PUT k t v BOGUS",
        "FILL.PUT k t v EX",
        "FILL.PUT k t v EX 1 PX 1",
        "FILL.PUT k t v EXAT 1 PX 1",
        "FILL.PUT k t v GRACE",
        "FILL.PUT k t v JITTER",
        "FILL.PUT k t v KEEPTTL",
        "FILL.NONE k t BOGUS",
        "FILL.NONE k t EX",
        "FILL.NONE k t EX 1 PX 1",
        "FILL.PASS k t GRACE 1",
        "FILL.RENEW k t BOGUS",
        "FILL.RENEW k t LEASE",
        "FILL.FAIL k t message BOGUS",
        "FILL.FAIL k t message RETRY",
        "FILL.MGET 1 k BOGUS",
        "FILL.MGET 1 k WAIT",
        "FILL.STALE k BOGUS",
        "FILL.STALE k GRACE",
        "FILL.LIST BOGUS",
        "FILL.LIST COUNT",
        "FILL.TOP BOGUS",
        "FILL.TOP COUNT",
    ] {
        assert_eq!(conn.error(line), "ERR syntax error", "{line}");
    }
}

#[test]
fn numbers_that_are_none_are_not_integers() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in [
        "FILL.GET k WAIT abc",
        "FILL.GET k WAIT 1.5",
        "FILL.GET k WAIT +1",
        "FILL.GET k WAIT 99999999999999999999",
        "FILL.GET k LEASE abc",
        "FILL.GET k STALE abc",
        "FILL.PUT k t v EX abc",
        "FILL.PUT k t v PX 1.5",
        "FILL.PUT k t v EXAT abc",
        "FILL.PUT k t v GRACE abc",
        "FILL.PUT k t v JITTER abc",
        "FILL.NONE k t EX abc",
        "FILL.PASS k t PX abc",
        "FILL.FAIL k t m RETRY abc",
        "FILL.RENEW k t LEASE abc",
        "FILL.STALE k GRACE abc",
    ] {
        assert_eq!(conn.error(line), "ERR value is not an integer or out of range", "{line}");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in [
        "FILL.GET k WAIT -1",
        "FILL.GET k WAIT 60001",
        "FILL.GET k LEASE 9",
        "FILL.GET k LEASE 0",
        "FILL.GET k LEASE -1",
        "FILL.GET k LEASE 600001",
        "FILL.GET k STALE -1",
        "FILL.GET k BETA -1",
        "FILL.GET k BETA nan",
        "FILL.GET k BETA abc",
        "FILL.PUT k t v GRACE -1",
        "FILL.PUT k t v EX 10 JITTER -1",
        "FILL.PUT k t v EX 10 JITTER 101",
        "FILL.FAIL k t m RETRY -1",
        "FILL.RENEW k t LEASE 9",
        "FILL.RENEW k t LEASE 600001",
        "FILL.STALE k GRACE -1",
        "FILL.LIST COUNT -1",
        "FILL.LIST COUNT abc",
        "FILL.TOP COUNT 0",
        "FILL.TOP COUNT abc",
        "FILL.MGET 1 k WAIT 60001",
        "FILL.MGET 1 k LEASE 9",
    ] {
        assert!(conn.error(line).starts_with("ERR "), "{line}");
    }
}

#[test]
fn limits_themselves_are_in_range() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (number, option) in
        ["WAIT 0", "WAIT 60000", "LEASE 10", "LEASE 600000", "STALE 0", "BETA 0", "BETA 0.25", "BETA 1e3"]
            .iter()
            .enumerate()
    {
        let token = conn.lead(&format!("k{number} {option}"));
        let options = ["JITTER 0", "JITTER 100", "GRACE 0", "EX 1 GRACE 1 JITTER 1"][number % 4];
        assert_eq!(conn.say(&format!("FILL.PUT k{number} {token} v {options}")), "OK", "{options}");
    }
}

#[test]
fn expire_times_that_make_no_sense_are_refused_as_in_set() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (name, rest) in [("fill.put", "k t v"), ("fill.none", "k t"), ("fill.pass", "k t")] {
        for time in ["EX 0", "EX -1", "PX 0", "PX -5", "EX 9223372036854775807", "PX 9223372036854775807"] {
            let line = format!("{name} {rest} {time}");
            assert_eq!(conn.error(&line), format!("ERR invalid expire time in '{name}' command"), "{line}");
        }
    }
}

#[test]
fn mget_and_mput_counts_that_do_not_fit_are_refused() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in [
        "FILL.MGET 0 k",
        "FILL.MGET -1 k",
        "FILL.MGET abc k",
        "FILL.MGET 2 k",
        "FILL.MGET 3 k j",
        "FILL.MGET 99999999999 k",
        "FILL.MGET 1 k j",
        "FILL.MPUT 0 k t v",
        "FILL.MPUT -1 k t v",
        "FILL.MPUT abc k t v",
        "FILL.MPUT 2 k t v",
        "FILL.MPUT 2 k t v j t",
        "FILL.MPUT 1 k t v j",
        "FILL.MPUT 99999999999 k t v",
    ] {
        assert!(conn.error(line).starts_with("ERR "), "{line}");
    }
    assert_eq!(conn.say("FILL.LIST"), "");
}

#[test]
fn refused_get_opens_no_flight() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for line in
        ["FILL.GET k LEASE 9", "FILL.GET k BOGUS", "FILL.GET k WAIT 5 LEASE abc", "FILL.MGET 1 k JITTER 1"]
    {
        conn.error(line);
        assert_eq!(conn.run("FILL.INFO k"), Value::Nil, "{line}");
    }
    assert_eq!(server.figure("fill_gets"), 0);
}

#[test]
fn refused_answer_leaves_the_token_good() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    for wrong in [
        "PUT k {} v EX 0",
        "PUT k {} v JITTER 101",
        "NONE k {} EX abc",
        "PASS k {} BOGUS",
        "FAIL k {} m RETRY abc",
    ] {
        leader.error(&format!("FILL.{}", wrong.replace("{}", &token)));
    }
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer().text(), "v");
}

#[test]
fn misuse_inside_multi_is_an_error_of_its_own() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["MULTI", "FILL.GET k WAIT abc", "SET other v", "EXEC"]);
    (0..3).for_each(|_| drop(conn.reply()));
    let replies = conn.reply();
    assert!(matches!(replies.array(), [Value::Error(_), set] if set.text() == "OK"), "{replies:?}");
}

#[test]
fn errors_are_answered_in_order_behind_a_slot() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.pipeline(&["FILL.GET k WAIT 60000", "FILL.GET k WAIT 60001"]);
    server.until_waiters("k", 1);
    conn.expect_silence();
    leader.say(&format!("FILL.PUT k {token} v"));
    conn.answer().expect("HIT");
    assert!(matches!(conn.reply(), Value::Error(_)));
}
