//! Limits: beyond them a caller is answered WAIT, and a figure says so (docs/fill.md, section 5), and what is
//! remembered ends by itself (section 7, rule 17).

mod support;

use support::{Answer, TestServer, wait_until};

#[test]
fn waiters_per_key_beyond_the_limit_are_shed() {
    let server = TestServer::start_with(|settings| settings.fill_waiters_per_key = 3);
    let mut leader = server.connect();
    let mut waiters: [_; 4] = server.connect_many();
    let token = leader.lead("k");
    for waiter in &mut waiters[..3] {
        server.park(waiter, "k WAIT 60000");
    }
    waiters[3].get("k WAIT 60000").expect_wait();
    assert_eq!(server.figure("fill_shed_waiters"), 1);
    leader.say(&format!("FILL.PUT k {token} v"));
    for waiter in &mut waiters[..3] {
        assert_eq!(waiter.answer(), Answer::hit("v", -1));
    }
}

#[test]
fn place_of_a_waiter_that_left_is_free_again() {
    let server = TestServer::start_with(|settings| settings.fill_waiters_per_key = 1);
    let [mut leader, mut first, mut second, mut third] = server.connect_many();
    let token = leader.lead("k LEASE 600000");
    server.park(&mut first, "k WAIT 100");
    server.advance_ms(100);
    first.answer().expect_wait();
    server.park(&mut second, "k WAIT 60000");
    second.close();
    server.until_waiters("k", 0);
    server.park(&mut third, "k WAIT 60000");
    leader.say(&format!("FILL.PUT k {token} v"));
    third.answer().expect("HIT");
}

#[test]
fn flights_beyond_the_limit_are_shed() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 2);
    let [mut conn, mut other] = server.connect_many();
    let token = conn.lead("a");
    conn.lead("b");
    conn.get("c WAIT 60000").expect_wait();
    assert_eq!(server.figure("fill_shed_flights"), 1);
    server.park(&mut other, "a WAIT 60000");
    conn.say(&format!("FILL.PUT a {token} v"));
    other.answer().expect("HIT");
    conn.get("c").expect("LEAD");
}

#[test]
fn hits_and_other_answers_need_no_flight() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 1);
    let mut conn = server.connect();
    let token = conn.lead("none");
    conn.say(&format!("FILL.NONE none {token}"));
    conn.lead("busy");
    conn.say("SET hit v");
    assert_eq!(conn.get("hit"), Answer::hit("v", -1));
    assert_eq!(conn.get("none"), Answer::none(-1));
    conn.get("busy").expect("SELF");
}

#[test]
fn over_the_limit_of_flights_a_usable_value_is_still_served() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 1);
    let mut conn = server.connect();
    let token = conn.lead("early");
    server.advance_ms(1000);
    conn.say(&format!("FILL.PUT early {token} v PX 1000"));
    conn.say("SET stale v");
    conn.say("FILL.STALE stale GRACE 60000");
    conn.lead("busy");
    assert_eq!(conn.get("early BETA 1000000"), Answer::hit("v", 1000));
    assert_eq!(conn.get("stale"), Answer::stale("v", 0));
}

#[test]
fn mget_over_the_limit_of_flights_leads_what_fits() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 2);
    let mut conn = server.connect();
    let answers = conn.mget("4 a b c d WAIT 60000");
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count("LEAD"), count("WAIT")), (2, 2), "{answers:?}");
}

#[test]
fn limits_follow_config_set() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    assert_eq!(leader.say("CONFIG SET fill-waiters-per-key 0 fill-flights 1"), "OK");
    assert_eq!(waiter.say("PING"), "PONG");
    leader.lead("k");
    waiter.get("k WAIT 60000").expect_wait();
    waiter.get("other").expect_wait();
}

#[test]
fn rule_17_nothing_is_left_of_leases_that_were_never_answered() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for n in 0..100 {
        conn.lead(&format!("k{n} LEASE 1000"));
    }
    assert_eq!(server.figure("fill_flights"), 100);
    server.advance_ms(1000);
    assert_eq!(conn.say("FILL.LIST"), "", "an ended lease without waiters is no open flight");
    // The overdue tokens are remembered for `fill-late`, one minute.
    wait_until("the overdue tokens are forgotten", || {
        server.advance_ms(60_001);
        server.figure("fill_flights") == 0
    });
}

#[test]
fn rule_17_late_put_is_void_once_its_token_is_forgotten() {
    let server = TestServer::start_with(|settings| settings.fill_late_ms = 500);
    let mut conn = server.connect();
    let [early, late] = [conn.lead("early LEASE 100"), conn.lead("late LEASE 100")];
    server.advance_ms(100);
    conn.expect_nothing_more();
    wait_until("the lease has ended", || server.flight("late").is_none());
    server.advance_ms(400);
    assert_eq!(conn.say(&format!("FILL.PUT early {early} v")), "OK");
    server.advance_ms(60_000);
    wait_until("the overdue token is forgotten", || server.figure("fill_flights") == 0);
    assert_eq!(conn.say(&format!("FILL.PUT late {late} v")), "VOID");
    assert_eq!(conn.say("EXISTS late"), "0");
}
