//! The leader's answers: PUT, NONE, PASS and RENEW, their TTLs, and which tokens are good (docs/fill.md, 2 to 4).

use crate::support::{Answer, EPOCH_MS, TestServer, Value};
use onefill::base::hash::HashSeed;

#[test]
fn put_stores_and_answers_every_waiter_once() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut waiters: [_; 8] = server.connect_many();
    let token = leader.lead("k");
    waiters.iter_mut().for_each(|waiter| server.park(waiter, "k"));
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v EX 60")), "OK");
    for waiter in &mut waiters {
        assert_eq!(waiter.answer(), Answer::hit("v", 60_000));
        waiter.expect_nothing_more();
    }
    assert_eq!((leader.say("GET k"), leader.say("PTTL k")), ("v".to_owned(), "60000".to_owned()));
    assert!(server.flight("k").is_none());
}

#[test]
fn put_takes_every_way_to_write_a_ttl() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let (at_s, at_ms) = (EPOCH_MS / 1000 + 7, EPOCH_MS + 7000);
    for (number, ttl) in
        ["EX 7".to_owned(), "PX 7000".to_owned(), format!("EXAT {at_s}"), format!("pxat {at_ms}")]
            .iter()
            .enumerate()
    {
        let token = conn.lead(&format!("k{number}"));
        assert_eq!(conn.say(&format!("FILL.PUT k{number} {token} v {ttl}")), "OK");
        assert_eq!(conn.say(&format!("PTTL k{number}")), "7000", "{ttl}");
    }
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(conn.say("PTTL k"), "-1");
}

#[test]
fn put_with_a_time_in_the_past_is_gone_at_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v PXAT {}", EPOCH_MS - 10)), "OK");
    assert_eq!(conn.say("EXISTS k"), "0");
    conn.get("k").expect("LEAD");
}

#[test]
fn any_connection_may_put_with_a_token() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut other] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    assert_eq!(other.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
    leader.expect_nothing_more();
}

#[test]
fn rule_02_put_sent_twice_stores_once() {
    let server = TestServer::start();
    let [mut conn, mut other] = server.connect_many();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} first")), "OK");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} second")), "DUP");
    assert_eq!(other.say(&format!("FILL.PUT k {token} third")), "DUP");
    assert_eq!(conn.say("GET k"), "first");
}

#[test]
fn rule_12_put_sent_again_after_set_or_del_changes_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (key, between, left) in
        [("s", "SET s other", "other"), ("d", "DEL d", "nil"), ("f", "FLUSHALL", "nil")]
    {
        let token = conn.lead(key);
        assert_eq!(conn.say(&format!("FILL.PUT {key} {token} v")), "OK");
        conn.say(between);
        assert_eq!(conn.say(&format!("FILL.PUT {key} {token} v")), "DUP", "after {between}");
        assert_eq!(conn.say(&format!("GET {key}")), left);
    }
}

#[test]
fn rule_12_put_sent_again_while_the_next_flight_is_open_is_dup_and_disturbs_nobody() {
    let server = TestServer::start();
    let [mut first, mut second, mut waiter] = server.connect_many();
    let old = first.lead("k");
    first.say(&format!("FILL.PUT k {old} old"));
    first.say("DEL k");
    let new = second.lead("k");
    server.park(&mut waiter, "k");
    assert_eq!(first.say(&format!("FILL.PUT k {old} old")), "DUP");
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(second.say(&format!("FILL.PUT k {new} new")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("new", -1));
}

#[test]
fn rule_12_none_and_pass_sent_twice_are_dup() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for command in ["FILL.NONE", "FILL.PASS"] {
        let token = conn.lead(command);
        assert_eq!(conn.say(&format!("{command} {command} {token} PX 500")), "OK");
        assert_eq!(conn.say(&format!("{command} {command} {token} PX 900")), "DUP");
        assert_eq!(conn.get(command).ms, 500);
        conn.say(&format!("SET {command} v"));
        assert_eq!(conn.say(&format!("{command} {command} {token} PX 900")), "DUP");
        assert_eq!(conn.get(command), Answer::hit("v", -1));
    }
}

#[test]
fn rule_02_token_answered_one_way_is_void_for_every_other() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let ways = ["FILL.PUT k {} v", "FILL.NONE k {}", "FILL.PASS k {} PX 900", "FILL.FAIL k {} boom"];
    for first in ways {
        conn.say("DEL k");
        let token = conn.lead("k");
        assert_eq!(conn.say(&first.replace("{}", &token)), "OK", "{first}");
        let seen = conn.get("k NOWAIT").status;
        for second in ways.into_iter().filter(|way| *way != first) {
            assert_eq!(conn.say(&second.replace("{}", &token)), "VOID", "{first}, then {second}");
        }
        let expected = if seen == "LEAD" { "SELF".to_owned() } else { seen };
        assert_eq!(conn.get("k NOWAIT").status, expected, "{first}");
        assert_eq!(conn.say(&format!("FILL.RENEW k {token}")), "0");
    }
}

#[test]
fn unknown_and_foreign_tokens_are_void() {
    let server = TestServer::start();
    let stranger = TestServer::start();
    let mut conn = server.connect();
    let foreign = stranger.connect().lead("k");
    let elsewhere = conn.lead("other");
    let token = conn.lead("k");
    let long = "f".repeat(100_000);
    let mut flipped = token.clone().into_bytes();
    *flipped.last_mut().expect("not empty") ^= 1;
    let flipped = String::from_utf8(flipped).expect("still text");
    for wrong in ["", "0", "-1", "garbage", "\0\r\n", &long, &foreign, &elsewhere, &flipped] {
        assert_eq!(conn.call(&["FILL.PUT", "k", wrong, "v"]).text(), "VOID");
        assert_eq!(conn.call(&["FILL.NONE", "k", wrong]).text(), "VOID");
        assert_eq!(conn.call(&["FILL.PASS", "k", wrong]).text(), "VOID");
        assert_eq!(conn.call(&["FILL.FAIL", "k", wrong]).text(), "VOID");
        assert_eq!(conn.call(&["FILL.RENEW", "k", wrong]), Value::Int(0));
    }
    assert_eq!(conn.say("EXISTS k other"), "0");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(conn.say(&format!("FILL.PUT other {elsewhere} v")), "OK");
}

/// Two servers that do the same in the same order, as one does before and after a restart.
#[test]
fn token_from_before_a_restart_is_void() {
    let start = || TestServer::start_with(|settings| settings.hash_seed = Some(HashSeed(7, 7)));
    let [before, after] = [start(), start()];
    let old = before.connect().lead("k");
    let mut conn = after.connect();
    let new = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {old} v")), "VOID");
    assert_eq!(conn.say(&format!("FILL.RENEW k {old}")), "0");
    assert_eq!(conn.say(&format!("FILL.PUT k {new} v")), "OK");
}

#[test]
fn rule_17_answered_token_is_remembered_for_at_most_twice_its_lease() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k LEASE 1000");
    conn.say(&format!("FILL.PUT k {token} v"));
    server.advance_ms(900);
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), "DUP");
    server.advance_ms(1101);
    assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), "VOID");
}

#[test]
fn put_after_the_lease_is_accepted_while_nobody_else_was_elected() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k LEASE 100");
    server.advance_ms(1000);
    assert_eq!(conn.say(&format!("FILL.PUT k {token} late")), "OK");
    assert_eq!(conn.say("GET k"), "late");
    assert_eq!(server.figure("fill_puts_late"), 1);
}

#[test]
fn put_after_the_lease_is_void_once_somebody_else_was_elected() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    let old = first.lead("k LEASE 100");
    server.advance_ms(100);
    let new = second.lead("k");
    assert_eq!(first.say(&format!("FILL.PUT k {old} old")), "VOID");
    assert_eq!(second.say(&format!("FILL.PUT k {new} new")), "OK");
    assert_eq!(first.say("GET k"), "new");
}

#[test]
fn put_after_the_lease_is_void_once_the_key_was_written_or_deleted() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (key, between, left) in [("s", "SET s other", "other"), ("d", "DEL d", "nil")] {
        let token = conn.lead(&format!("{key} LEASE 100"));
        server.advance_ms(200);
        conn.say(between);
        assert_eq!(conn.say(&format!("FILL.PUT {key} {token} v")), "VOID", "after {between}");
        assert_eq!(conn.say(&format!("GET {key}")), left);
    }
}

#[test]
fn renew_prolongs_the_lease_from_now() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let token = leader.lead("k");
    server.advance_ms(3000);
    assert_eq!(leader.say(&format!("FILL.RENEW k {token}")), "5000");
    server.advance_ms(4999);
    other.get("k NOWAIT").expect_stay_away();
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
}

#[test]
fn renew_takes_a_lease_of_its_own() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.RENEW k {token} LEASE 60000")), "60000");
    server.advance_ms(59_000);
    assert_eq!(conn.get("k"), Answer::leading(1000));
}

#[test]
fn rule_12_renew_sent_twice_leaves_what_once_leaves() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    server.advance_ms(100);
    for _ in 0..2 {
        assert_eq!(conn.say(&format!("FILL.RENEW k {token} LEASE 700")), "700");
    }
    assert_eq!(conn.get("k"), Answer::leading(700));
}

#[test]
fn renew_keeps_waiters_parked_past_the_first_lease() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k LEASE 1000");
    server.park(&mut waiter, "k WAIT 60000");
    server.advance_ms(900);
    assert_eq!(leader.say(&format!("FILL.RENEW k {token}")), "1000");
    server.advance_ms(900);
    server.expect_parked("k", &mut [&mut waiter]);
    server.advance_ms(100);
    waiter.answer().expect("LEAD");
}

#[test]
fn renew_of_a_void_token_says_stop() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let written = leader.lead("k");
    other.say("SET k v");
    assert_eq!(leader.say(&format!("FILL.RENEW k {written}")), "0");
    let answered = leader.lead("a");
    leader.say(&format!("FILL.PUT a {answered} v"));
    assert_eq!(leader.say(&format!("FILL.RENEW a {answered}")), "0");
    let superseded = leader.lead("s LEASE 10");
    server.advance_ms(10);
    other.lead("s");
    assert_eq!(leader.say(&format!("FILL.RENEW s {superseded}")), "0");
}

#[test]
fn renew_of_an_ended_lease_nobody_took_revives_it() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let token = leader.lead("k LEASE 100");
    server.advance_ms(150);
    assert_eq!(leader.say(&format!("FILL.RENEW k {token}")), "100");
    other.get("k NOWAIT").expect_stay_away();
}

#[test]
fn none_is_told_to_waiters_and_to_new_callers_until_its_ttl() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    assert_eq!(leader.say(&format!("FILL.NONE k {token} PX 500")), "OK");
    assert_eq!(waiter.answer(), Answer::none(500));
    server.advance_ms(499);
    assert_eq!(leader.get("k"), Answer::none(1));
    server.advance_ms(1);
    leader.get("k").expect("LEAD");
}

#[test]
fn none_takes_seconds_and_without_a_ttl_stays() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("s");
    conn.say(&format!("FILL.NONE s {token} EX 3"));
    assert_eq!(conn.get("s"), Answer::none(3000));
    let token = conn.lead("k");
    conn.say(&format!("FILL.NONE k {token}"));
    server.advance_ms(86_400_000);
    assert_eq!(conn.get("k"), Answer::none(-1));
}

#[test]
fn set_replaces_none_and_pass() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for command in ["FILL.NONE", "FILL.PASS"] {
        let token = conn.lead(command);
        conn.say(&format!("{command} {command} {token} EX 60"));
        conn.say(&format!("SET {command} v"));
        assert_eq!(conn.get(command), Answer::hit("v", -1));
    }
}

#[test]
fn pass_lets_every_caller_compute_for_itself() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    assert_eq!(leader.say(&format!("FILL.PASS k {token} EX 2")), "OK");
    assert_eq!(waiter.answer(), Answer::pass(2000));
    server.advance_ms(1500);
    for conn in [&mut leader, &mut waiter] {
        assert_eq!(conn.get("k WAIT 60000"), Answer::pass(500));
    }
    server.advance_ms(500);
    leader.get("k").expect("LEAD");
}

#[test]
fn none_for_a_refreshed_value_removes_the_value() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    server.advance_ms(1000);
    conn.say(&format!("FILL.PUT k {token} v PX 1000"));
    let token = conn.get("k BETA 1000000").expect("REFRESH").into_token();
    assert_eq!(conn.say(&format!("FILL.NONE k {token} PX 900")), "OK");
    assert_eq!(conn.say("GET k"), "nil");
    assert_eq!(conn.get("k"), Answer::none(900));
}

#[test]
fn put_inside_multi_answers_waiters() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    leader.pipeline(&["MULTI", &format!("FILL.PUT k {token} v"), "GET k", "EXEC"]);
    (0..3).for_each(|_| drop(leader.reply()));
    assert_eq!(leader.reply().text(), "OK v");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn put_is_a_write_that_watch_sees() {
    let server = TestServer::start();
    let [mut leader, mut watcher] = server.connect_many();
    let token = leader.lead("k");
    watcher.say("WATCH k");
    leader.say(&format!("FILL.PUT k {token} v"));
    watcher.pipeline(&["MULTI", "SET k mine", "EXEC"]);
    assert_eq!([(); 3].map(|()| watcher.reply().text()), ["OK", "QUEUED", "nil"]);
    assert_eq!(leader.say("GET k"), "v");
}
