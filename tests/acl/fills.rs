//! Fills and users: who may read a key but not answer its lease never leads, and what a taken right does to who waits or leads.

use crate::support::{Answer, Conn, TestServer, Value};
use crate::{NO_KEY, log_in, no_command};

const READER: &str = "%R~* +@fill";
const FILLER: &str = "~* +@fill +acl +client";

#[test]
fn who_may_not_answer_never_leads_and_gets_all_else() {
    let server = TestServer::start();
    let mut reader = log_in(&server, "ann", READER);
    let mut filler = server.connect();
    assert_eq!(reader.get("k"), Answer::pass(0));
    assert_eq!(reader.get("k AS n NOWAIT"), Answer::pass(0));
    let token = filler.lead("k");
    server.park(&mut reader, "k WAIT 60000");
    filler.say(&format!("FILL.PUT k {token} v PX 1000 GRACE 1000"));
    assert_eq!(reader.answer(), Answer::hit("v", 1000));
    assert_eq!(reader.get("k BETA 1000000"), Answer::hit("v", 1000));
    server.advance_ms(1500);
    assert_eq!(reader.get("k"), Answer::stale("v", 500));
    // Too old for it, and nobody fills.
    assert_eq!(reader.get("k STALE 0"), Answer::pass(0));
    let token = filler.get("k").expect("REFRESH").into_token();
    filler.say(&format!("FILL.FAIL k {token} down RETRY 1000"));
    assert_eq!(reader.get("k STALE 0"), Answer::fail("down", 1000));
    assert_eq!(server.figure("fill_leads"), 1);
    assert!(server.figures().sum_holds());
}

#[test]
fn nonce_of_a_lease_gives_it_to_nobody_who_may_not_answer() {
    let server = TestServer::start();
    let [mut filler, mut other] = server.connect_many();
    let mut reader = log_in(&server, "ann", READER);
    let token = filler.lead("k AS n");
    reader.get("k AS n NOWAIT").expect_stay_away();
    assert_eq!(other.get("k AS n").expect("LEAD").into_token(), token);
}

#[test]
fn hand_over_passes_by_who_may_not_answer() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    let [mut early, mut late] = ["ann", "bob"].map(|name| log_in(&server, name, READER));
    let token = first.lead("k");
    server.park(&mut early, "k WAIT 60000");
    server.park(&mut second, "k WAIT 60000");
    server.park(&mut late, "k WAIT 60000");
    first.say(&format!("FILL.FAIL k {token}"));
    let token = second.answer().expect("LEAD").into_token();
    server.expect_parked("k", &mut [&mut early, &mut late]);
    // Nobody is left who may lead.
    second.say(&format!("FILL.FAIL k {token}"));
    assert_eq!(early.answer(), Answer::pass(0));
    assert_eq!(late.answer(), Answer::pass(0));
    assert!(server.figures().sum_holds());
}

#[test]
fn leases_that_end_leave_nobody_waiting_for_nobody() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut reader = log_in(&server, "ann", READER);
    let token = leader.lead("k LEASE 1000");
    server.park(&mut reader, "k WAIT 60000");
    server.advance_ms(1000);
    assert_eq!(reader.answer(), Answer::pass(0));
    // The late answer is as welcome as ever.
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
    leader.say("DEL k");
    leader.lead("k");
    server.park(&mut reader, "k WAIT 60000");
    leader.say("DEL k");
    assert_eq!(reader.answer(), Answer::pass(0));
    leader.lead("k");
    server.park(&mut reader, "k WAIT 60000");
    server.control().say("FLUSHALL");
    assert_eq!(reader.answer(), Answer::pass(0));
}

#[test]
fn keys_of_one_request_are_judged_each_by_itself() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut conn = log_in(&server, "ann", "~own* %R~other* +@fill");
    let answers = conn.mget("2 own other");
    answers[0].clone().expect("LEAD");
    assert_eq!(answers[1], Answer::pass(0));
    let token = leader.lead("other");
    leader.lead("own2");
    conn.pipeline(&["FILL.MGET 2 own2 other"]);
    server.until_waiters("own2", 1);
    leader.say(&format!("FILL.FAIL other {token}"));
    conn.expect_silence();
    leader.say("DEL own2");
    let answers = conn.answers();
    answers[0].clone().expect("LEAD");
    assert_eq!(answers[1], Answer::pass(0));
}

#[test]
fn selectors_and_scripts_decide_who_leads_as_well() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "%R~* +fill.get +eval (+fill.put ~own*)");
    conn.get("own").expect("LEAD");
    assert_eq!(conn.get("other"), Answer::pass(0));
    let status = conn.call(&["EVAL", "return redis.call('fill.get', 'third')[1]", "0"]);
    assert_eq!(status.text(), "PASS");
}

/// A request of a user that waits for `k`, behind a leader.
fn parked(server: &TestServer, rules: &str) -> (Conn, Conn, String) {
    let mut leader = server.connect();
    let mut waiter = log_in(server, "ann", rules);
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    (leader, waiter, token)
}

#[test]
fn parked_request_that_loses_its_key_is_refused_and_forgotten() {
    let server = TestServer::start();
    let (mut leader, mut waiter, token) = parked(&server, FILLER);
    let mut other = server.connect();
    server.park(&mut other, "k WAIT 60000");
    server.control().say("ACL SETUSER ann resetkeys ~other");
    assert_eq!(waiter.reply(), Value::Error(NO_KEY.into()));
    server.until_waiters("k", 1);
    leader.say(&format!("FILL.FAIL k {token}"));
    other.answer().expect("LEAD");
    waiter.get("other").expect("LEAD");
    assert!(server.control().say("INFO stats").contains("acl_access_denied_key:1\r\n"));
    assert!(
        server.control().run("ACL LOG").text().contains("reason key context toplevel object k username ann")
    );
    assert!(server.control().say("INFO errorstats").contains("errorstat_NOPERM:count=1\r\n"));
}

#[test]
fn parked_request_that_loses_its_command_is_refused() {
    let server = TestServer::start();
    let (mut leader, mut waiter, token) = parked(&server, FILLER);
    waiter.pipeline(&["FILL.MGET 1 k WAIT 60000", "CLIENT ID"]);
    server.until_waiters("k", 2);
    server.control().say("ACL SETUSER ann -fill.get");
    assert_eq!(waiter.reply(), Value::Error(no_command("ann", "fill.get")));
    waiter.expect_silence();
    leader.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(waiter.answers(), [Answer::hit("v", -1)]);
    assert!(waiter.reply().text().parse::<u64>().is_ok());
}

#[test]
fn own_change_refuses_what_its_own_connection_waits_for() {
    let server = TestServer::start();
    let (_leader, mut waiter, _) = parked(&server, FILLER);
    waiter.pipeline(&["ACL SETUSER ann resetkeys", "ACL WHOAMI"]);
    assert_eq!(waiter.reply(), Value::Error(NO_KEY.into()));
    assert_eq!(waiter.reply().text(), "OK");
    assert_eq!(waiter.reply().text(), "ann");
}

#[test]
fn parked_request_that_may_not_answer_any_more_asks_again() {
    let server = TestServer::start();
    let (mut leader, mut waiter, token) = parked(&server, FILLER);
    server.control().say("ACL SETUSER ann resetkeys %R~*");
    waiter.answer().expect_wait_over();
    server.park(&mut waiter, "k WAIT 60000");
    leader.say(&format!("FILL.FAIL k {token}"));
    assert_eq!(waiter.answer(), Answer::pass(0));
}

#[test]
fn change_that_leaves_a_parked_request_its_rights_leaves_it_alone() {
    let server = TestServer::start();
    let (mut leader, mut waiter, token) = parked(&server, FILLER);
    server.control().say("ACL SETUSER ann resetkeys ~k off");
    waiter.expect_silence();
    leader.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn lease_of_who_may_not_answer_any_more_is_handed_on() {
    let server = TestServer::start();
    let mut leader = log_in(&server, "ann", FILLER);
    let mut waiter = server.connect();
    let token = leader.lead("k");
    let kept = leader.lead("kept");
    server.park(&mut waiter, "k WAIT 60000");
    server.control().say("ACL SETUSER ann resetkeys %R~k ~kept");
    waiter.answer().expect("LEAD");
    assert_eq!(leader.error(&format!("FILL.PUT k {token} v")), NO_KEY);
    assert_eq!(leader.say(&format!("FILL.PUT kept {kept} v")), "OK");
}
