//! How a lease passes on: its end, a leader that dies, UNBLOCK and KILL, and the order of waiters (docs/fill.md, 4).

use crate::support::{Answer, Conn, TestServer, wait_until};

/// Parks the callers one after the other, for a minute.
fn park_all(server: &TestServer, waiters: &mut [&mut Conn]) {
    waiters.iter_mut().for_each(|waiter| server.park(waiter, "k WAIT 60000"));
}

/// Closes the connection of the leader of `k` and returns once its lease runs on orphan grace.
fn close_leader(server: &TestServer, leader: Conn) {
    leader.close();
    wait_until("the lease is orphaned", || {
        server.flight("k").is_none_or(|flight| flight.number("lease-left-ms") <= 50)
    });
}

#[test]
fn lease_end_hands_over_to_the_oldest_waiter() {
    let server = TestServer::start();
    let [mut leader, mut oldest, mut youngest] = server.connect_many();
    let old = leader.lead("k LEASE 1000");
    park_all(&server, &mut [&mut oldest, &mut youngest]);
    server.advance_ms(999);
    server.expect_parked("k", &mut [&mut oldest, &mut youngest]);
    server.advance_ms(1);
    let token = oldest.answer().expect("LEAD").into_token();
    server.expect_parked("k", &mut [&mut youngest]);
    assert_eq!(leader.say(&format!("FILL.PUT k {old} late")), "VOID");
    assert_eq!(oldest.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(youngest.answer(), Answer::hit("v", -1));
    assert_eq!(server.figure("fill_handover_lease_end"), 1);
}

#[test]
fn new_leader_has_the_lease_it_asked_for_from_the_hand_over_on() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k LEASE 1000");
    server.park(&mut waiter, "k WAIT 60000 LEASE 300");
    server.advance_ms(1000);
    assert_eq!(waiter.answer().expect("LEAD").ms, 300);
    server.advance_ms(299);
    assert_eq!(waiter.get("k"), Answer::leading(1));
}

#[test]
fn leases_that_end_one_after_the_other_go_down_the_queue_in_order() {
    let server = TestServer::start();
    let mut conns: [_; 6] = server.connect_many();
    conns[0].lead("k LEASE 100");
    for waiter in &mut conns[1..] {
        server.park(waiter, "k WAIT 60000 LEASE 100");
    }
    for next in 1..6 {
        server.advance_ms(100);
        conns[next].answer().expect("LEAD");
        server.expect_parked("k", &mut conns[next + 1..].iter_mut().collect::<Vec<_>>());
    }
}

#[test]
fn rule_11_newcomer_queues_behind_parked_waiters() {
    let server = TestServer::start();
    let [mut leader, mut early, mut late, mut newcomer] = server.connect_many();
    let mut token = leader.lead("k");
    park_all(&server, &mut [&mut early, &mut late]);
    leader.say(&format!("FILL.FAIL k {token}"));
    token = early.answer().expect("LEAD").into_token();
    server.park(&mut newcomer, "k WAIT 60000");
    early.say(&format!("FILL.FAIL k {token}"));
    late.answer().expect("LEAD");
    server.expect_parked("k", &mut [&mut newcomer]);
}

#[test]
fn rule_11_newcomer_at_the_very_end_of_a_lease_does_not_overtake() {
    let server = TestServer::start();
    for round in 0..30 {
        let [mut leader, mut waiter, mut newcomer] = server.connect_many();
        let key = format!("k{round}");
        leader.lead(&format!("{key} LEASE 10"));
        server.park(&mut waiter, &format!("{key} WAIT 60000"));
        server.advance_ms(10);
        newcomer.get(&format!("{key} NOWAIT")).expect_stay_away();
        waiter.answer().expect("LEAD");
    }
}

#[test]
fn rule_11_newcomer_right_after_a_deletion_does_not_overtake() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut newcomer] = server.connect_many();
    leader.lead("k");
    park_all(&server, &mut [&mut waiter]);
    newcomer.pipeline(&["DEL k", "FILL.GET k NOWAIT"]);
    assert_eq!(newcomer.reply().text(), "0");
    newcomer.answer().expect_stay_away();
    waiter.answer().expect("LEAD");
}

#[test]
fn rule_06_hand_over_makes_exactly_one_leader() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut waiters: [_; 20] = server.connect_many();
    leader.lead("k LEASE 100");
    for waiter in &mut waiters {
        server.park(waiter, "k WAIT 60000");
    }
    server.advance_ms(100);
    let token = waiters[0].answer().expect("LEAD").into_token();
    server.expect_parked("k", &mut waiters[1..].iter_mut().collect::<Vec<_>>());
    waiters[0].say(&format!("FILL.PUT k {token} v"));
    for waiter in &mut waiters[1..] {
        assert_eq!(waiter.answer(), Answer::hit("v", -1));
        waiter.expect_nothing_more();
    }
    let figures = server.figures();
    assert_eq!((figures.get("fill_leads"), figures.get("fill_hits")), (2, 19));
}

#[test]
fn leader_that_disconnects_is_succeeded_after_the_orphan_grace() {
    let server = TestServer::start();
    let [mut leader, mut oldest, mut youngest] = server.connect_many();
    let old = leader.lead("k");
    park_all(&server, &mut [&mut oldest, &mut youngest]);
    close_leader(&server, leader);
    server.advance_ms(49);
    server.expect_parked("k", &mut [&mut oldest, &mut youngest]);
    server.advance_ms(1);
    oldest.answer().expect("LEAD");
    server.expect_parked("k", &mut [&mut youngest]);
    assert_eq!(oldest.say(&format!("FILL.PUT k {old} late")), "VOID");
    assert_eq!(server.figure("fill_handover_disconnect"), 1);
}

#[test]
fn orphan_grace_is_a_setting() {
    let server = TestServer::start_with(|settings| settings.fill_orphan_grace_ms = 40);
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    park_all(&server, &mut [&mut waiter]);
    close_leader(&server, leader);
    server.advance_ms(39);
    server.expect_parked("k", &mut [&mut waiter]);
    server.advance_ms(1);
    waiter.answer().expect("LEAD");
}

#[test]
fn token_of_a_closed_connection_is_good_within_the_grace() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut other] = server.connect_many();
    let token = leader.lead("k");
    park_all(&server, &mut [&mut waiter]);
    close_leader(&server, leader);
    server.advance_ms(40);
    assert_eq!(other.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn token_of_a_closed_connection_stays_good_while_nobody_waits() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let token = leader.lead("k");
    close_leader(&server, leader);
    server.advance_ms(500);
    assert_eq!(other.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(other.say("GET k"), "v");
}

#[test]
fn nonce_sent_again_on_a_new_connection_adopts_the_orphaned_lease() {
    let server = TestServer::start();
    let [mut leader, mut second, mut waiter] = server.connect_many();
    let token = leader.lead("k AS n");
    park_all(&server, &mut [&mut waiter]);
    close_leader(&server, leader);
    assert_eq!(second.lead("k AS n"), token);
    server.advance_ms(1000);
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(second.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn nonce_sent_again_before_the_first_connection_closes_keeps_the_lease() {
    let server = TestServer::start();
    let [mut leader, mut second, mut waiter] = server.connect_many();
    let token = leader.lead("k AS n");
    assert_eq!(second.lead("k AS n"), token);
    park_all(&server, &mut [&mut waiter]);
    let id = leader.id();
    leader.close();
    server.until_gone(id);
    server.advance_ms(1000);
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(second.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn nonce_of_a_waiter_names_the_lease_it_was_handed() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut second] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000 AS n");
    leader.say(&format!("FILL.FAIL k {token}"));
    let handed = waiter.answer().expect("LEAD").into_token();
    assert_eq!(second.lead("k AS n"), handed);
}

#[test]
fn detached_lease_survives_its_connection() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut other] = server.connect_many();
    let token = leader.lead("k DETACHED");
    park_all(&server, &mut [&mut waiter]);
    let id = leader.id();
    leader.close();
    server.until_gone(id);
    server.advance_ms(4999);
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(other.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn detached_waiter_keeps_the_lease_it_was_handed() {
    let server = TestServer::start();
    let [mut leader, mut elected, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut elected, "k WAIT 60000 DETACHED");
    server.park(&mut waiter, "k WAIT 60000");
    leader.say(&format!("FILL.FAIL k {token}"));
    let token = elected.answer().expect("LEAD").into_token();
    let id = elected.id();
    elected.close();
    server.until_gone(id);
    server.advance_ms(1000);
    server.expect_parked("k", &mut [&mut waiter]);
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
}

#[test]
fn detached_lease_still_ends() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k DETACHED LEASE 1000");
    park_all(&server, &mut [&mut waiter]);
    leader.close();
    server.advance_ms(1000);
    waiter.answer().expect("LEAD");
}

#[test]
fn client_kill_of_the_leader_hands_over() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    let id = leader.id();
    park_all(&server, &mut [&mut waiter]);
    assert_eq!(server.control().say(&format!("CLIENT KILL ID {id}")), "1");
    wait_until("the lease is orphaned", || server.flight("k").expect("open").number("lease-left-ms") <= 50);
    server.advance_ms(50);
    waiter.answer().expect("LEAD");
}

#[test]
fn waiter_that_disconnects_is_removed() {
    let server = TestServer::start();
    let [mut leader, mut first, mut second] = server.connect_many();
    let token = leader.lead("k");
    park_all(&server, &mut [&mut first, &mut second]);
    first.close();
    server.until_waiters("k", 1);
    leader.say(&format!("FILL.FAIL k {token}"));
    second.answer().expect("LEAD");
}

#[test]
fn client_kill_of_a_waiter_removes_it() {
    let server = TestServer::start();
    let [mut leader, mut first, mut second] = server.connect_many();
    let token = leader.lead("k");
    let id = first.id();
    park_all(&server, &mut [&mut first, &mut second]);
    assert_eq!(server.control().say(&format!("CLIENT KILL ID {id}")), "1");
    server.until_waiters("k", 1);
    assert!(first.next_reply().is_err(), "a killed connection is closed");
    leader.say(&format!("FILL.FAIL k {token}"));
    second.answer().expect("LEAD");
}

#[test]
fn rule_13_waiter_that_led_and_died_is_succeeded() {
    let server = TestServer::start();
    let [mut leader, mut elected, mut next] = server.connect_many();
    let token = leader.lead("k");
    park_all(&server, &mut [&mut elected, &mut next]);
    leader.say(&format!("FILL.FAIL k {token}"));
    elected.answer().expect("LEAD");
    close_leader(&server, elected);
    server.advance_ms(50);
    next.answer().expect("LEAD");
}

/// The election and the close race: whoever wins, the next waiter leads within the orphan grace.
#[test]
fn rule_13_waiter_that_dies_while_it_is_elected_is_succeeded() {
    let server = TestServer::start();
    for round in 0..30 {
        let [mut leader, mut elected, mut next] = server.connect_many();
        let key = format!("k{round}");
        let id = elected.id();
        let token = leader.lead(&format!("{key} LEASE 600000"));
        server.park(&mut elected, &format!("{key} WAIT 60000 LEASE 600000"));
        server.park(&mut next, &format!("{key} WAIT 60000"));
        if round % 2 == 0 {
            elected.close();
            leader.say(&format!("FILL.FAIL {key} {token}"));
        } else {
            leader.send(&["FILL.FAIL", &key, &token]);
            elected.close();
            leader.reply();
        }
        server.until_gone(id);
        wait_until("the next waiter has its turn or the lease is orphaned", || {
            next.has_bytes() || server.flight(&key).expect("open").number("lease-left-ms") <= 50
        });
        server.advance_ms(50);
        next.answer().expect("LEAD");
    }
}

#[test]
fn client_unblock_answers_wait() {
    let server = TestServer::start();
    for (mode, number) in [("", 0), ("TIMEOUT", 1)] {
        let [mut leader, mut waiter] = server.connect_many();
        let key = format!("k{number}");
        leader.lead(&key);
        let id = waiter.id();
        server.park(&mut waiter, &format!("{key} WAIT 60000"));
        assert_eq!(server.control().say(&format!("CLIENT UNBLOCK {id} {mode}")), "1");
        waiter.answer().expect_wait_over();
        waiter.expect_nothing_more();
        server.until_waiters(&key, 0);
    }
}

#[test]
fn client_unblock_answers_every_slot_of_its_client() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.mget("3 k l m");
    let id = waiter.id();
    server.park(&mut waiter, "k WAIT 60000");
    waiter.send(&["FILL.MGET", "2", "l", "m", "WAIT", "60000"]);
    server.until_waiters("m", 1);
    assert_eq!(server.control().say(&format!("CLIENT UNBLOCK {id}")), "1");
    waiter.answer().expect_wait_over();
    waiter.answers().into_iter().for_each(Answer::expect_wait_over);
    waiter.expect_nothing_more();
    for key in ["k", "l", "m"] {
        server.until_waiters(key, 0);
    }
}

#[test]
fn client_unblock_error_answers_the_usual_error() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    let id = waiter.id();
    park_all(&server, &mut [&mut waiter]);
    assert_eq!(server.control().say(&format!("CLIENT UNBLOCK {id} ERROR")), "1");
    assert_eq!(waiter.reply().text(), "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    waiter.expect_nothing_more();
    server.until_waiters("k", 0);
}

#[test]
fn client_unblock_of_a_client_that_is_not_parked_says_zero() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    let (leader_id, waiter_id) = (leader.id(), waiter.id());
    park_all(&server, &mut [&mut waiter]);
    assert_eq!(server.control().say(&format!("CLIENT UNBLOCK {leader_id}")), "0");
    leader.say(&format!("FILL.PUT k {token} v"));
    waiter.answer().expect("HIT");
    assert_eq!(server.control().say(&format!("CLIENT UNBLOCK {waiter_id}")), "0");
}

#[test]
fn rule_05_graceful_stop_answers_parked_callers() {
    let mut server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    park_all(&server, &mut [&mut waiter]);
    server.stop();
    waiter.answer().expect_stay_away();
    assert!(waiter.next_reply().is_err(), "a stopped server closes its connections");
}
