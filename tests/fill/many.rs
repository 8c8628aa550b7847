//! FILL.MGET and FILL.MPUT: several keys in one request, and no waiting while holding a lease (docs/fill.md, 2 and 4).

use crate::support::{Answer, TestServer};

fn statuses(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| answer.status.as_str()).collect()
}

#[test]
fn mget_answers_each_key_in_order() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (key, answer) in [("none", "FILL.NONE"), ("pass", "FILL.PASS")] {
        let token = conn.lead(key);
        conn.say(&format!("{answer} {key} {token} PX 500"));
    }
    conn.say("SET hit v");
    let answers = conn.mget("4 none hit missing pass LEASE 700 WAIT 0");
    assert_eq!(statuses(&answers), ["NONE", "HIT", "LEAD", "PASS"]);
    assert_eq!((&answers[1], answers[2].ms), (&Answer::hit("v", -1), 700));
}

#[test]
fn mget_has_the_same_shape_in_resp3() {
    let server = TestServer::start();
    let mut conn = server.connect_resp3();
    conn.say("SET hit v");
    assert_eq!(statuses(&conn.mget("2 hit missing")), ["HIT", "LEAD"]);
}

#[test]
fn mget_leads_several_keys_with_tokens_of_their_own() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let answers = conn.mget("3 a b c");
    assert_eq!(statuses(&answers), ["LEAD"; 3]);
    for (key, answer) in ["a", "b", "c"].into_iter().zip(answers) {
        let token = answer.into_token();
        assert_eq!(conn.say(&format!("FILL.PUT {key} {token} {key}")), "OK");
    }
    assert_eq!(conn.say("MGET a b c"), "a b c");
}

#[test]
fn key_named_twice_is_answered_twice_alike_and_leads_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let answers = conn.mget("3 k other k");
    assert_eq!(statuses(&answers), ["LEAD"; 3]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(conn.say(&format!("FILL.PUT k {} v", answers[0].clone().into_token())), "OK");
    assert_eq!(conn.mget("2 k k"), [Answer::hit("v", -1), Answer::hit("v", -1)]);
    assert_eq!(server.flight("k").map(|flight| flight.number("waiters")), None);
}

#[test]
fn rule_10_mget_granted_a_lease_answers_at_once() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("busy");
    for line in ["2 busy free1 WAIT 60000", "2 free2 busy WAIT 60000"] {
        let mut found = conn.mget(line);
        found.sort_by_key(|answer| answer.status.clone());
        assert_eq!(statuses(&found), ["LEAD", "WAIT"], "{line}");
        assert!(found[1].ms == 0);
    }
    server.expect_parked("busy", &mut []);
}

#[test]
fn mget_granted_nothing_parks_once_for_the_whole_call() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let [a, b] = [leader.lead("a"), leader.lead("b")];
    leader.say("SET hit v");
    conn.send(&["FILL.MGET", "3", "a", "hit", "b", "WAIT", "60000"]);
    server.until_waiters("b", 1);
    leader.say(&format!("FILL.PUT b {b} vb PX 900"));
    server.expect_parked("a", &mut [&mut conn]);
    leader.say(&format!("FILL.NONE a {a} PX 800"));
    assert_eq!(conn.answers(), [Answer::none(800), Answer::hit("v", -1), Answer::hit("vb", 900)]);
    conn.expect_nothing_more();
}

#[test]
fn rule_05_parked_mget_ends_with_what_is_known() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let a = leader.lead("a");
    leader.lead("b");
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "100"]);
    server.until_waiters("b", 1);
    leader.say(&format!("FILL.PUT a {a} va"));
    server.advance_ms(99);
    server.expect_parked("b", &mut [&mut conn]);
    server.advance_ms(1);
    let answers = conn.answers();
    assert_eq!(statuses(&answers), ["HIT", "WAIT"]);
    server.until_waiters("b", 0);
    conn.expect_nothing_more();
}

#[test]
fn rule_10_parked_mget_that_is_elected_answers_at_once() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let [_, b] = [leader.lead("a"), leader.lead("b")];
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "60000"]);
    server.until_waiters("b", 1);
    leader.say(&format!("FILL.FAIL b {b}"));
    let answers = conn.answers();
    assert_eq!(statuses(&answers), ["WAIT", "LEAD"]);
    server.until_waiters("a", 0);
    assert_eq!(conn.say(&format!("FILL.PUT b {} v", answers[1].clone().into_token())), "OK");
}

#[test]
fn mget_parked_on_one_key_named_twice_waits_and_is_answered_twice_alike() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.send(&["FILL.MGET", "2", "k", "k", "WAIT", "60000"]);
    server.until_waiters("k", 1);
    leader.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(conn.answers(), [Answer::hit("v", -1), Answer::hit("v", -1)]);
}

#[test]
fn mget_parked_on_one_key_named_twice_leads_it_once() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.send(&["FILL.MGET", "2", "k", "k", "WAIT", "60000"]);
    server.until_waiters("k", 1);
    leader.say(&format!("FILL.FAIL k {token}"));
    let answers = conn.answers();
    assert_eq!(statuses(&answers), ["LEAD", "LEAD"]);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(conn.say(&format!("FILL.PUT k {} v", answers[0].clone().into_token())), "OK");
}

#[test]
fn mget_tells_keys_its_own_connection_leads() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.lead("mine");
    conn.say("SET hit v");
    assert_eq!(conn.mget("2 mine hit WAIT 60000"), [Answer::leading(5000), Answer::hit("v", -1)]);
}

#[test]
fn rule_12_mget_sent_again_with_its_nonce_gets_its_leases_again() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    let leases = first.mget("2 a b AS n");
    assert_eq!(statuses(&leases), ["LEAD", "LEAD"]);
    assert_eq!(second.mget("2 a b AS n"), leases);
}

#[test]
fn mget_takes_stale_values_by_the_terms_of_get() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    first.say("SET k old");
    first.say("FILL.STALE k GRACE 1000");
    server.advance_ms(10);
    assert_eq!(first.mget("1 k")[0].status, "REFRESH");
    assert_eq!(second.mget("1 k WAIT 60000"), [Answer::stale("old", 10)]);
    assert_eq!(statuses(&second.mget("1 k STALE 0 NOWAIT")), ["WAIT"]);
}

#[test]
fn mget_of_a_hundred_keys_across_all_shards_leads_each() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let keys: Vec<String> = (0..100).map(|n| format!("key:{n}")).collect();
    let answers = conn.mget(&format!("100 {}", keys.join(" ")));
    assert_eq!(statuses(&answers), vec!["LEAD"; 100]);
    let triples: Vec<String> =
        keys.iter().zip(answers).map(|(key, answer)| format!("{key} {} v", answer.into_token())).collect();
    let stored = conn.run(&format!("FILL.MPUT 100 {} EX 60", triples.join(" ")));
    assert!(stored.array().iter().all(|put| put.text() == "OK"), "{stored:?}");
    assert_eq!(statuses(&conn.mget(&format!("100 {}", keys.join(" ")))), vec!["HIT"; 100]);
}

#[test]
fn mput_answers_each_triple_and_wakes_its_waiters() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let [a, b] = [leader.lead("a"), leader.lead("b")];
    server.park(&mut waiter, "b WAIT 60000");
    leader.say(&format!("FILL.PUT a {a} va"));
    let stored = leader.run(&format!("FILL.MPUT 3 a {a} again b {b} vb c garbage vc PX 900"));
    assert_eq!(stored.text(), "DUP OK VOID");
    assert_eq!(waiter.answer(), Answer::hit("vb", 900));
    assert_eq!(leader.say("MGET a b c"), "va vb nil");
}

#[test]
fn mput_with_one_token_twice_stores_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.MPUT 2 k {token} first k {token} second")), "OK DUP");
    assert_eq!(conn.say("GET k"), "first");
}

#[test]
fn mput_takes_the_options_of_put() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let answers = conn.mget("2 a b");
    let [a, b] = [answers[0].clone().into_token(), answers[1].clone().into_token()];
    assert_eq!(conn.say(&format!("FILL.MPUT 2 a {a} va b {b} vb PX 100 GRACE 1000 JITTER 0")), "OK OK");
    server.advance_ms(150);
    assert_eq!(statuses(&conn.mget("2 a b")), ["REFRESH", "REFRESH"]);
}

#[test]
fn refused_mput_stores_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    for wrong in [
        "FILL.MPUT 2 k {} v",
        "FILL.MPUT 1 k {} v PX 0",
        "FILL.MPUT 1 k {} v JITTER 101",
        "FILL.MPUT 0 k {} v",
    ] {
        conn.error(&wrong.replace("{}", &token));
    }
    assert_eq!(conn.say("EXISTS k"), "0");
    assert_eq!(conn.say(&format!("FILL.MPUT 1 k {token} v")), "OK");
}

#[test]
fn two_mgets_that_park_on_each_others_keys_are_all_answered() {
    let server = TestServer::start();
    let [mut one, mut two] = server.connect_many();
    let [x, y] = [one.lead("x"), two.lead("y")];
    one.send(&["FILL.MGET", "2", "y", "x", "WAIT", "60000"]);
    two.send(&["FILL.MGET", "2", "x", "y", "WAIT", "60000"]);
    server.until_waiters("x", 1);
    server.until_waiters("y", 1);
    one.send(&["FILL.PUT", "x", &x, "vx"]);
    two.send(&["FILL.PUT", "y", &y, "vy"]);
    let answers = [one.answers(), two.answers()];
    assert_eq!((&answers[0][0], &answers[1][0]), (&Answer::hit("vy", -1), &Answer::hit("vx", -1)));
    assert_eq!((answers[0][1].status.as_str(), answers[1][1].status.as_str()), ("SELF", "SELF"));
    assert_eq!([one.reply().text(), two.reply().text()], ["OK", "OK"]);
}

/// A parked MGET leaves the queues of all its keys at once. The figures of flights it left, or never joined, stay true.
#[test]
fn waiters_are_counted_right_after_an_mget_left_several_flights() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let mut crowd: [_; 5] = server.connect_many();
    let a = leader.lead("a LEASE 600000");
    leader.lead("b LEASE 600000");
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "1000"]);
    server.until_waiters("b", 1);
    leader.say(&format!("FILL.PUT a {a} v"));
    leader.say("DEL a");
    leader.lead("a LEASE 600000");
    for waiter in &mut crowd {
        server.park(waiter, "a WAIT 60000");
    }
    server.advance_ms(1000);
    assert_eq!(statuses(&conn.answers()), ["HIT", "WAIT"]);
    server.until_waiters("b", 0);
    conn.expect_nothing_more();
    server.expect_parked("a", &mut crowd.iter_mut().collect::<Vec<_>>());
}

#[test]
fn waiters_are_counted_right_after_an_mget_was_elected() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let mut crowd: [_; 5] = server.connect_many();
    let a = leader.lead("a");
    leader.lead("b");
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "60000"]);
    server.until_waiters("b", 1);
    for waiter in &mut crowd {
        server.park(waiter, "a WAIT 60000");
    }
    leader.say(&format!("FILL.FAIL a {a}"));
    assert_eq!(statuses(&conn.answers()), ["LEAD", "WAIT"]);
    server.until_waiters("b", 0);
    conn.expect_nothing_more();
    server.expect_parked("a", &mut crowd.iter_mut().collect::<Vec<_>>());
}
