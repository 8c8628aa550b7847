//! FILL.FAIL: hand-over, shared failures, and the end of a storm of failures (docs/fill.md, section 4).

use crate::support::{Answer, TestServer};

#[test]
fn fail_hands_the_lease_to_the_oldest_waiter_and_the_rest_stay() {
    let server = TestServer::start();
    let [mut leader, mut oldest, mut middle, mut youngest] = server.connect_many();
    let token = leader.lead("k");
    for waiter in [&mut oldest, &mut middle, &mut youngest] {
        server.park(waiter, "k WAIT 60000 LEASE 700");
    }
    assert_eq!(leader.say(&format!("FILL.FAIL k {token} boom")), "OK");
    let lead = oldest.answer().expect("LEAD");
    assert!(lead.ms == 700 && lead.token.as_deref() != Some(token.as_str()), "{lead:?}");
    server.expect_parked("k", &mut [&mut middle, &mut youngest]);
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "VOID");
    assert_eq!(oldest.say(&format!("FILL.PUT k {} v", lead.into_token())), "OK");
    for waiter in [&mut middle, &mut youngest] {
        assert_eq!(waiter.answer(), Answer::hit("v", -1));
        waiter.expect_nothing_more();
    }
    assert_eq!(server.figure("fill_handover_fail"), 1);
}

#[test]
fn fail_without_waiters_lets_the_next_caller_lead() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.FAIL k {token}")), "OK");
    conn.get("k").expect("LEAD");
}

#[test]
fn rule_12_fail_sent_twice_does_not_hurt_the_next_leader() {
    let server = TestServer::start();
    let [mut first, mut second, mut waiter] = server.connect_many();
    let token = first.lead("k");
    server.park(&mut second, "k WAIT 60000");
    server.park(&mut waiter, "k WAIT 60000");
    assert_eq!(first.say(&format!("FILL.FAIL k {token}")), "OK");
    let next = second.answer().into_token();
    assert_eq!(first.say(&format!("FILL.FAIL k {token}")), "DUP");
    assert_eq!(first.say(&format!("FILL.FAIL k {token} boom RETRY 900")), "DUP");
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(second.say(&format!("FILL.PUT k {next} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn rule_12_fail_sent_again_after_set_or_del_changes_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.FAIL k {token}")), "OK");
    conn.say("SET k v");
    assert_eq!(conn.say(&format!("FILL.FAIL k {token}")), "DUP");
    assert_eq!(conn.get("k"), Answer::hit("v", -1));
    conn.say("DEL k");
    assert_eq!(conn.say(&format!("FILL.FAIL k {token} boom RETRY 900")), "DUP");
    conn.get("k").expect("LEAD");
}

#[test]
fn fail_with_retry_is_shared_with_waiters_and_new_callers_until_its_time_is_over() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut late] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    server.park(&mut late, "k WAIT 60000");
    assert_eq!(leader.call(&["FILL.FAIL", "k", &token, "origin is down", "RETRY", "800"]).text(), "OK");
    for conn in [&mut waiter, &mut late] {
        assert_eq!(conn.answer(), Answer::fail("origin is down", 800));
    }
    server.advance_ms(300);
    for conn in [&mut leader, &mut waiter] {
        assert_eq!(conn.get("k WAIT 60000"), Answer::fail("origin is down", 500));
    }
    server.advance_ms(499);
    assert_eq!(leader.get("k"), Answer::fail("origin is down", 1));
    server.advance_ms(1);
    late.get("k").expect("LEAD");
}

#[test]
fn fail_takes_retry_without_a_message() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.FAIL k {token} RETRY 800")), "OK");
    // What stands in for a missing message is the server's choice.
    assert_eq!(conn.get("k").expect("FAIL").ms, 800);
}

#[test]
fn leader_that_cannot_store_because_memory_is_used_up_can_say_that_it_failed() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut other] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    server.park(&mut other, "k WAIT 60000");
    leader.say("SET other v");
    leader.say("CONFIG SET maxmemory-policy noeviction maxmemory 1");
    for answer in ["PUT k {} v", "NONE k {}", "PASS k {}", "MPUT 1 k {} v"] {
        let refused = leader.error(&format!("FILL.{}", answer.replace("{}", &token)));
        assert_eq!(refused, "OOM command not allowed when used memory > 'maxmemory'.", "{answer}");
    }
    server.expect_parked("k", &mut [&mut waiter, &mut other]);
    assert_eq!(leader.say(&format!("FILL.FAIL k {token}")), "OK");
    let token = waiter.answer().expect("LEAD").into_token();
    assert_eq!(waiter.say(&format!("FILL.FAIL k {token} full RETRY 900")), "OK");
    assert_eq!(other.answer(), Answer::fail("full", 900));
    leader.say("CONFIG SET maxmemory 0");
}

#[test]
fn fail_message_is_not_told_to_the_next_leader() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    leader.say(&format!("FILL.FAIL k {token} secret"));
    assert_eq!(waiter.answer().expect("LEAD").value, None);
}

#[test]
fn shared_failure_ends_with_a_write() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    conn.say(&format!("FILL.FAIL k {token} boom RETRY 60000"));
    conn.say("SET k v");
    assert_eq!(conn.get("k"), Answer::hit("v", -1));
}

#[test]
fn shared_failure_of_a_stale_value_serves_the_stale_value() {
    let server = TestServer::start();
    let [mut leader, mut picky, mut easy] = server.connect_many();
    let token = leader.lead("k");
    leader.say(&format!("FILL.PUT k {token} old PX 100 GRACE 60000"));
    server.advance_ms(150);
    let token = leader.get("k").expect("REFRESH").into_token();
    server.park(&mut picky, "k STALE 0 WAIT 60000");
    leader.say(&format!("FILL.FAIL k {token} boom RETRY 900"));
    assert_eq!(picky.answer(), Answer::fail("boom", 900));
    assert_eq!(easy.get("k"), Answer::stale("old", 50));
    assert_eq!(picky.get("k STALE 0"), Answer::fail("boom", 900));
    server.advance_ms(900);
    easy.get("k").expect("REFRESH");
}

#[test]
fn third_failed_leader_within_a_second_shares_its_failure() {
    let server = TestServer::start();
    let mut conns: [_; 4] = server.connect_many();
    let mut token = conns[0].lead("k");
    (1..4).for_each(|next| server.park(&mut conns[next], "k WAIT 60000"));
    for leader in 0..2 {
        server.advance_ms(100);
        assert_eq!(conns[leader].say(&format!("FILL.FAIL k {token} boom{leader}")), "OK");
        token = conns[leader + 1].answer().expect("LEAD").into_token();
    }
    assert_eq!(conns[2].say(&format!("FILL.FAIL k {token} boom2")), "OK");
    assert_eq!(conns[3].answer(), Answer::fail("boom2", 1000));
    server.advance_ms(400);
    assert_eq!(conns[0].get("k WAIT 60000"), Answer::fail("boom2", 600));
    server.advance_ms(600);
    conns[1].get("k").expect("LEAD");
}

#[test]
fn third_failure_counts_also_without_waiters() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for _ in 0..3 {
        let token = conn.lead("k");
        assert_eq!(conn.say(&format!("FILL.FAIL k {token} boom")), "OK");
    }
    assert_eq!(conn.get("k"), Answer::fail("boom", 1000));
}

/// The second is one that slides: three failures within 1,000 ms of each other, wherever they begin.
#[test]
fn third_failure_counts_also_when_an_older_one_came_before() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for wait_ms in [950, 100, 50, 0] {
        let token = conn.lead("k");
        conn.say(&format!("FILL.FAIL k {token} boom"));
        server.advance_ms(wait_ms);
    }
    assert_eq!(conn.get("k"), Answer::fail("boom", 1000));
}

#[test]
fn failures_further_apart_are_no_storm() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for _ in 0..6 {
        let token = conn.lead("k");
        conn.say(&format!("FILL.FAIL k {token} boom"));
        server.advance_ms(600);
    }
    conn.get("k").expect("LEAD");
}

#[test]
fn success_between_failures_ends_the_row() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for answer in ["FAIL k {}", "FAIL k {}", "PUT k {} v PX 10", "FAIL k {}", "FAIL k {}"] {
        let token = conn.lead("k");
        assert_eq!(conn.say(&format!("FILL.{}", answer.replace("{}", &token))), "OK");
        server.advance_ms(10);
    }
    conn.get("k").expect("LEAD");
}

#[test]
fn failures_of_one_key_are_nothing_to_another() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for key in ["a", "b", "c", "d"] {
        let token = conn.lead(key);
        conn.say(&format!("FILL.FAIL {key} {token} boom"));
    }
    for key in ["a", "b", "c", "d"] {
        conn.get(key).expect("LEAD");
    }
}
