//! FILL.GET of one key: statuses, options and shapes (docs/fill.md, sections 2 and 3).

use crate::support::{Answer, TestServer, Value};

#[test]
fn miss_leads_with_the_default_lease() {
    let server = TestServer::start();
    let answer = server.connect().get("k").expect("LEAD");
    assert_eq!(answer.ms, 5000);
}

#[test]
fn lease_option_sets_the_lease_up_to_its_limits() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for lease_ms in [10, 777, 600_000] {
        assert_eq!(conn.get(&format!("k{lease_ms} LEASE {lease_ms}")).expect("LEAD").ms, lease_ms);
    }
}

#[test]
fn lease_and_wait_defaults_are_settings() {
    let server = TestServer::start_with(|settings| {
        settings.fill_lease_ms = 1234;
        settings.fill_wait_ms = 30;
    });
    let [mut leader, mut waiter] = server.connect_many();
    assert_eq!(leader.get("k").expect("LEAD").ms, 1234);
    server.park(&mut waiter, "k");
    server.advance_ms(29);
    server.expect_parked("k", &mut [&mut waiter]);
    server.advance_ms(1);
    waiter.answer().expect_wait_over();
}

#[test]
fn defaults_follow_config_set() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    assert_eq!(leader.say("CONFIG SET fill-lease 4321 fill-wait 20"), "OK");
    // Settings reach the other worker with its next batch at the latest.
    assert_eq!(waiter.say("PING"), "PONG");
    assert_eq!(leader.get("k").expect("LEAD").ms, 4321);
    server.park(&mut waiter, "k");
    server.advance_ms(20);
    waiter.answer().expect_wait_over();
}

#[test]
fn value_without_ttl_is_a_hit_with_minus_one() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v");
    assert_eq!(conn.get("k"), Answer::hit("v", -1));
}

#[test]
fn value_with_ttl_is_a_hit_with_the_ttl_left() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v PX 1000");
    server.advance_ms(400);
    assert_eq!(conn.get("k BETA 0"), Answer::hit("v", 600));
}

#[test]
fn value_whose_ttl_ended_is_a_miss() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v PX 1000");
    server.advance_ms(1000);
    conn.get("k").expect("LEAD");
}

#[test]
fn hit_has_the_same_four_elements_in_resp2_and_resp3() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v");
    for (hello, tail) in
        [("HELLO 2", b"$1\r\nv\r\n$-1\r\n:-1\r\n".as_slice()), ("HELLO 3", b"$1\r\nv\r\n_\r\n:-1\r\n")]
    {
        conn.run(hello);
        conn.ask("k");
        assert_eq!(conn.raw(4), b"*4\r\n");
        let mut status = conn.raw(4);
        if status == b"$3\r\n" {
            status = [b"+".to_vec(), conn.raw(3)].concat();
        }
        assert_eq!(status, b"+HIT");
        assert_eq!(conn.raw(2), b"\r\n");
        assert_eq!(conn.raw(tail.len()), tail, "{hello}");
        conn.expect_nothing_more();
    }
}

#[test]
fn lead_writes_its_null_value_as_each_protocol_does_and_its_token_as_a_bulk_string() {
    let server = TestServer::start();
    for (hello, null) in [("HELLO 2", b"$-1\r\n".as_slice()), ("HELLO 3", b"_\r\n")] {
        let mut conn = server.connect();
        conn.run(hello);
        conn.ask(&format!("k-of-{}", &hello[6..]));
        let mut head = conn.raw(4 + "+LEAD\r\n".len());
        if head[4] == b'$' {
            head.extend(conn.raw(3));
        }
        assert_eq!(conn.raw(null.len()), null, "{hello} after {:?}", head.escape_ascii().to_string());
        assert!(matches!(conn.reply(), Value::Bulk(_)));
        assert_eq!(conn.reply(), Value::Int(5000));
        conn.expect_nothing_more();
    }
}

#[test]
fn every_status_decodes_alike_in_resp2_and_resp3() {
    let server = TestServer::start();
    let mut two = server.connect();
    let mut three = server.connect_resp3();
    for (key, answer) in [("none", "FILL.NONE"), ("pass", "FILL.PASS"), ("fail", "FILL.FAIL")] {
        let token = two.lead(key);
        let rest = if key == "fail" { "boom RETRY 900" } else { "PX 900" };
        assert_eq!(two.say(&format!("{answer} {key} {token} {rest}")), "OK");
    }
    two.lead("wait");
    two.say("SET hit v PX 900");
    for (key, expected) in
        [("none", Answer::none(900)), ("pass", Answer::pass(900)), ("fail", Answer::fail("boom", 900))]
    {
        assert_eq!(two.get(key), expected);
        assert_eq!(three.get(key), expected);
    }
    assert_eq!(three.get("hit"), Answer::hit("v", 900));
    three.get("wait NOWAIT").expect_stay_away();
    assert_eq!(two.get("wait"), Answer::leading(5000));
}

#[test]
fn parked_callers_of_both_protocols_get_the_published_value() {
    let server = TestServer::start();
    let [mut leader, mut two] = server.connect_many();
    let mut three = server.connect_resp3();
    let token = leader.lead("k");
    server.park(&mut two, "k");
    server.park(&mut three, "k");
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v PX 700")), "OK");
    for conn in [&mut two, &mut three] {
        assert_eq!(conn.answer(), Answer::hit("v", 700));
        conn.expect_nothing_more();
    }
}

#[test]
fn leader_that_asks_again_gets_self_with_the_lease_left() {
    let server = TestServer::start();
    let mut leader = server.connect();
    leader.lead("k");
    server.advance_ms(1000);
    assert_eq!(leader.get("k WAIT 60000"), Answer::leading(4000));
    assert_eq!(leader.get("k NOWAIT"), Answer::leading(4000));
}

#[test]
fn two_gets_in_one_packet_lead_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["FILL.GET k", "FILL.GET k"]);
    conn.answer().expect("LEAD");
    assert_eq!(conn.answer(), Answer::leading(5000));
}

#[test]
fn nowait_and_wait_zero_are_answered_at_once() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    leader.lead("k");
    other.get("k NOWAIT").expect_stay_away();
    other.get("k WAIT 0").expect_stay_away();
    server.expect_parked("k", &mut []);
}

#[test]
fn parked_caller_is_answered_wait_exactly_when_its_default_wait_ends() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    server.park(&mut waiter, "k");
    server.advance_ms(199);
    server.expect_parked("k", &mut [&mut waiter]);
    server.advance_ms(1);
    waiter.answer().expect_wait_over();
    waiter.expect_nothing_more();
    server.until_waiters("k", 0);
}

#[test]
fn rule_05_every_wait_ends_at_its_own_time_and_is_answered_once() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut waiters: [_; 4] = server.connect_many();
    leader.lead("k LEASE 600000");
    for (waiter, wait_ms) in waiters.iter_mut().zip([400, 100, 60_000, 300]) {
        server.park(waiter, &format!("k WAIT {wait_ms}"));
    }
    for (passed_ms, ended, left) in [(100, 1, 3), (200, 3, 2), (100, 0, 1), (59_600, 2, 0)] {
        server.advance_ms(passed_ms);
        waiters[ended].answer().expect_wait_over();
        waiters[ended].expect_nothing_more();
        server.until_waiters("k", left);
    }
}

#[test]
fn rule_12_same_nonce_gets_the_same_lease_again() {
    let server = TestServer::start();
    let [mut first, mut second, mut third] = server.connect_many();
    let token = first.lead("k AS n1");
    server.advance_ms(1000);
    for conn in [&mut first, &mut second] {
        let again = conn.get("k AS n1").expect("LEAD");
        assert_eq!((again.token.as_deref(), again.ms), (Some(token.as_str()), 4000));
    }
    third.get("k AS n2 NOWAIT").expect_stay_away();
    third.get("k NOWAIT").expect_stay_away();
    assert_eq!(second.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(first.get("k AS n1"), Answer::hit("v", -1));
}

#[test]
fn rule_12_nonce_sent_again_after_a_write_or_deletion_does_not_revive_the_lease() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let old = leader.lead("k AS n");
    other.say("DEL k");
    let new = leader.lead("k AS n");
    assert_ne!(old, new);
    assert_eq!(leader.say(&format!("FILL.PUT k {old} old")), "VOID");
    other.say("SET k written");
    assert_eq!(leader.get("k AS n"), Answer::hit("written", -1));
    assert_eq!(leader.say(&format!("FILL.PUT k {new} new")), "VOID");
    assert_eq!(other.say("GET k"), "written");
}

#[test]
fn databases_have_flights_of_their_own() {
    let server = TestServer::start();
    let [mut zero, mut one] = server.connect_many();
    one.say("SELECT 1");
    let token = zero.lead("k");
    let other = one.lead("k");
    assert_eq!(one.say(&format!("FILL.PUT k {token} wrong")), "VOID");
    assert_eq!(one.say(&format!("FILL.PUT k {other} right")), "OK");
    assert_eq!(zero.say(&format!("FILL.PUT k {token} zero")), "OK");
    assert_eq!((zero.say("GET k"), one.say("GET k")), ("zero".to_owned(), "right".to_owned()));
}

#[test]
fn options_come_in_any_order_and_case() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.send(&[
        "fill.get", "k", "detached", "as", "NOWAIT", "bEtA", "0.5", "Stale", "10", "lease", "70", "wait", "9",
    ]);
    let answer = conn.answer().expect("LEAD");
    assert_eq!(answer.ms, 70);
    // The nonce is what followed AS, also when it looks like an option.
    assert_eq!(conn.lead("k AS NOWAIT"), answer.into_token());
}

#[test]
fn keys_values_and_nonces_are_binary_safe() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let (key, value) = (b"\r\n\0\xff key".as_slice(), b"\0*4\r\n\xfe".as_slice());
    let nonce = b"\0\r\n".as_slice();
    leader.send(&[b"FILL.GET".as_slice(), key, b"AS", nonce]);
    let token = leader.answer().into_token();
    waiter.send(&[b"FILL.GET".as_slice(), key, b"AS", nonce]);
    assert_eq!(waiter.answer().into_token(), token);
    let stored = leader.call(&[b"FILL.PUT".as_slice(), key, token.as_bytes(), value]);
    assert_eq!(stored.text(), "OK");
    waiter.send(&[b"FILL.GET".as_slice(), key]);
    assert_eq!(waiter.answer().value.as_deref(), Some(value));
}

#[test]
fn empty_key_and_empty_value_are_ordinary() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.send(&["FILL.GET", ""]);
    let token = conn.answer().into_token();
    assert_eq!(conn.call(&["FILL.PUT", "", &token, ""]).text(), "OK");
    conn.send(&["FILL.GET", ""]);
    assert_eq!(conn.answer(), Answer::hit("", -1));
}

#[test]
fn large_value_reaches_waiters_whole() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut waiters: [_; 5] = server.connect_many();
    let token = leader.lead("k");
    waiters.iter_mut().for_each(|waiter| server.park(waiter, "k"));
    let value: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let stored = leader.call(&[b"FILL.PUT".as_slice(), b"k", token.as_bytes(), &value]);
    assert_eq!(stored.text(), "OK");
    for waiter in &mut waiters {
        assert!(waiter.answer().expect("HIT").value.as_deref() == Some(&value));
        waiter.expect_nothing_more();
    }
}

#[test]
fn get_inside_multi_never_parks() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    leader.lead("k");
    other.pipeline(&["MULTI", "FILL.GET k WAIT 60000", "FILL.MGET 2 k k WAIT 60000", "INCR n", "EXEC"]);
    for expected in ["OK", "QUEUED", "QUEUED", "QUEUED"] {
        assert_eq!(other.reply().text(), expected);
    }
    let replies = other.reply();
    let [get, mget, incr] = replies.array() else { panic!("{replies:?}") };
    Answer::of(get).expect_stay_away();
    mget.array().iter().for_each(|answer| Answer::of(answer).expect_stay_away());
    assert_eq!(incr.int(), 1);
    server.expect_parked("k", &mut []);
}

#[test]
fn lease_granted_inside_multi_is_good() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["MULTI", "FILL.GET k", "EXEC"]);
    assert_eq!((conn.reply().text(), conn.reply().text()), ("OK".to_owned(), "QUEUED".to_owned()));
    let token = Answer::of(&conn.reply().array()[0]).expect("LEAD").into_token();
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(conn.say("GET k"), "v");
}
