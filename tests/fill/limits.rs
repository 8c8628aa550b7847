//! Limits: beyond them a caller is answered PASS or WAIT, and a figure says so (docs/fill.md, section 5), and what is
//! remembered ends by itself (section 7, rule 17).

use crate::support::{Answer, TestServer, wait_until};
use onefill::config::MemoryShare;

#[test]
fn waiters_per_key_beyond_the_limit_are_shed() {
    let server = TestServer::start_with(|settings| settings.fill_waiters_per_key = 3);
    let mut leader = server.connect();
    let mut waiters: [_; 4] = server.connect_many();
    let token = leader.lead("k");
    for waiter in &mut waiters[..3] {
        server.park(waiter, "k WAIT 60000");
    }
    waiters[3].get("k WAIT 60000").expect_stay_away();
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
    first.answer().expect_wait_over();
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
    conn.get("c WAIT 60000").expect_shed();
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
    assert_eq!((count("LEAD"), count("PASS")), (2, 2), "{answers:?}");
}

#[test]
fn limits_follow_config_set() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    assert_eq!(leader.say("CONFIG SET fill-waiters-per-key 0 fill-flights 1"), "OK");
    assert_eq!(waiter.say("PING"), "PONG");
    leader.lead("k");
    waiter.get("k WAIT 60000").expect_stay_away();
    waiter.get("other").expect_shed();
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

/// 100 leases that nobody answered: their tokens are kept, and keep nobody from filling.
#[test]
fn ended_leases_count_against_no_limit_and_their_late_answers_are_welcome() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 100);
    let mut conn = server.connect();
    let tokens: Vec<String> = (0..100).map(|n| conn.lead(&format!("k{n} LEASE 10"))).collect();
    server.advance_ms(200);
    wait_until("the leases have ended", || server.figure("fill_kept") == 100);
    assert_eq!(server.figure("fill_flights"), 0);
    conn.get("other WAIT 60000").expect("LEAD");
    assert_eq!(server.figure("fill_kept"), 100);
    assert_eq!(conn.say(&format!("FILL.PUT k0 {} late", tokens[0])), "OK");
    assert_eq!(server.figure("fill_kept"), 99);
    conn.get("k1").expect("LEAD");
    assert_eq!(server.figure("fill_kept"), 98);
}

#[test]
fn kept_tokens_give_way_oldest_first_where_they_are_too_many() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 10);
    let mut conn = server.connect();
    let mut tokens = Vec::new();
    for n in 0..15 {
        tokens.push(conn.lead(&format!("k{n} LEASE 10")));
        server.advance_ms(20);
        wait_until("the lease has ended", || server.figure("fill_flights") == 0);
    }
    assert_eq!((server.figure("fill_kept"), server.figure("fill_kept_dropped")), (10, 5));
    for (n, token) in tokens.iter().enumerate() {
        let expected = if n < 5 { "VOID" } else { "OK" };
        assert_eq!(conn.say(&format!("FILL.PUT k{n} {token} v")), expected, "k{n}");
    }
    assert_eq!(server.figure("fill_kept"), 0);
}

/// Failures that are to be shared for a hundred years keep nobody from filling either.
#[test]
fn shared_failures_and_detached_leases_without_a_connection_are_favours_too() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 10);
    let mut conn = server.connect();
    for n in 0..10 {
        let token = conn.lead(&format!("failed{n}"));
        assert_eq!(conn.say(&format!("FILL.FAIL failed{n} {token} why RETRY 3153600000000")), "OK");
    }
    let mut gone = server.connect();
    let id = gone.id();
    let tokens: Vec<String> = (0..10).map(|n| gone.lead(&format!("job{n} LEASE 600000 DETACHED"))).collect();
    conn.get("other").expect_shed();
    gone.close();
    server.until_gone(id);
    wait_until("the older ones gave way", || server.figure("fill_kept") == 10);
    for n in 0..10 {
        conn.lead(&format!("failed{n}"));
    }
    conn.get("another").expect_shed();
    // The detached ones go on, and one that somebody waits for is at work.
    assert_eq!(conn.say(&format!("FILL.PUT job0 {} done", tokens[0])), "OK");
    let mut waiter = server.connect();
    server.park(&mut waiter, "job1 WAIT 60000");
    assert_eq!(server.figure("fill_kept"), 8);
    assert_eq!(conn.say(&format!("FILL.PUT job1 {} done", tokens[1])), "OK");
    waiter.answer().expect("HIT");
}

#[test]
fn connection_holds_no_more_leases_than_it_may_and_others_go_on() {
    let server = TestServer::start_with(|settings| settings.fill_leases_per_connection = 3);
    let [mut greedy, mut other] = server.connect_many();
    let tokens = ["a", "b", "c"].map(|key| greedy.lead(&format!("{key} LEASE 1000")));
    greedy.get("d").expect_shed();
    assert_eq!(server.figure("fill_shed_leases"), 1);
    assert_eq!(greedy.get("a").status, "SELF");
    other.lead("d");
    assert_eq!(greedy.say(&format!("FILL.PUT a {} v", tokens[0])), "OK");
    greedy.lead("e");
    greedy.get("f").expect_shed();
    server.advance_ms(1000);
    wait_until("leases that ended count no longer", || server.figure("fill_kept") == 2);
    greedy.lead("f");
    greedy.lead("g");
    greedy.get("h").expect_shed();
    assert_eq!(greedy.say(&format!("FILL.RENEW b {}", tokens[1])), "1000");
    other.lead("h");
}

/// Another connection takes over a lease with its nonce: it is that one's from then on.
#[test]
fn lease_that_another_connection_took_over_counts_there() {
    let server = TestServer::start_with(|settings| settings.fill_leases_per_connection = 1);
    let [mut first, mut second] = server.connect_many();
    first.lead("k AS n");
    first.get("other").expect_shed();
    second.lead("k AS n");
    second.get("other").expect_shed();
    first.lead("other");
}

const MIB: usize = 1 << 20;

fn limited(bytes: usize) -> TestServer {
    TestServer::start_with(move |settings| settings.fill_memory = MemoryShare::Bytes(bytes as u64))
}

/// Keys of a mebibyte, leased and not answered.
#[test]
fn what_fills_hold_in_keys_has_a_limit_and_ended_leases_go_first() {
    let server = limited(4 * MIB);
    let mut conn = server.connect();
    let key = |n: usize| format!("{n:04}{}", "K".repeat(MIB));
    let mut shed = 0;
    for n in 0..20 {
        let status = conn.get(&format!("{} LEASE 1000", key(n))).status;
        shed += usize::from(status == "PASS");
    }
    assert!((16..=17).contains(&shed), "{shed}");
    assert_eq!(server.figure("fill_shed_memory"), shed as u64);
    server.advance_ms(1000);
    wait_until("the leases have ended", || server.figure("fill_flights") == 0);
    for n in 100..120 {
        conn.lead(&format!("{} LEASE 10", key(n)));
        server.advance_ms(10);
        wait_until("the lease has ended", || server.figure("fill_flights") == 0);
        assert!(server.figure("fill_memory") <= 4 * MIB as u64);
    }
    conn.send(&[b"FILL.MGET".to_vec(), b"2".to_vec(), key(1).into_bytes(), key(2).into_bytes()]);
    assert!(conn.answers().into_iter().all(|answer| answer.status == "LEAD"));
}

#[test]
fn nonces_and_messages_count_and_a_message_without_room_is_left_out() {
    let server = limited(MIB);
    let mut conn = server.connect();
    let nonce = "n".repeat(60_000);
    let leads =
        (0..30).filter(|n| conn.get(&format!("k{n} AS {nonce} LEASE 600000")).status == "LEAD").count();
    assert!((15..=17).contains(&leads), "{leads}");
    let keys: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    let server = limited(MIB);
    let mut conn = server.connect();
    let leads = conn.mget(&format!("100 {} AS {nonce}", keys.join(" ")));
    assert!(leads.iter().all(|answer| answer.status == "LEAD"), "one nonce for all of them counts once");
    let message = "m".repeat(60_000);
    for (key, lead) in keys.iter().zip(leads) {
        assert_eq!(conn.say(&format!("FILL.FAIL {key} {} {message} RETRY 600000", lead.into_token())), "OK");
    }
    assert!(server.figure("fill_memory") <= MIB as u64 + 64 * 1024);
    assert_eq!(conn.get("m0").text(), message);
    assert_eq!(conn.get("m99").text(), "fill failed");
}

#[test]
fn parked_requests_have_room_only_within_the_limit_and_count_as_their_clients() {
    let server = limited(4 * MIB);
    let [mut leader, mut waiter] = server.connect_many();
    let id = waiter.id();
    let keys: Vec<String> = (0..1_000).map(|n| format!("k{n}")).collect();
    let list = format!("1000 {}", keys.join(" "));
    leader.mget(&format!("{list} LEASE 600000"));
    let before = server.figure("fill_memory");
    waiter.pipeline(&vec![format!("FILL.MGET {list} WAIT 60000"); 60]);
    wait_until("some are parked, the others told to stay away", || server.figure("fill_shed_memory") > 10);
    let held = server.figure("fill_memory");
    assert!(held > 3 * MIB as u64 && held <= 5 * MIB as u64, "{held}, before {before}");
    let list = server.control().say("CLIENT LIST");
    let line = list.lines().find(|line| line.starts_with(&format!("id={id} "))).expect("it is there");
    let total: u64 = line
        .split(" tot-mem=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .expect("a number");
    assert!(total > (held - before) / 4 * 3, "{line}");
    waiter.close();
    server.until_gone(id);
    // Deadlines that nothing waits for any more stay until their time, or until they are many.
    wait_until("little is left of them", || server.figure("fill_memory") <= before + 100_000);
}

/// Constant work for each key: with a look at all keys for each, this would take minutes.
#[test]
fn requests_of_very_many_keys_are_parked_answered_and_left_in_a_time_that_grows_with_their_number() {
    let server = TestServer::start_with(|settings| settings.fill_flights = 1_000_000);
    let [mut leader, mut waiter, mut leaving] = server.connect_many();
    assert_eq!(leader.say("CONFIG SET fill-leases-per-connection 1000000"), "OK");
    let keys: Vec<String> = (0..40_000).map(|n| format!("k{n}")).collect();
    let list = format!("FILL.MGET 40000 {} ", keys.join(" "));
    leader.pipeline(&[format!("{list} LEASE 600000")]);
    let tokens: Vec<String> = leader.answers().into_iter().map(|answer| answer.into_token()).collect();
    waiter.pipeline(&[format!("{list} WAIT 60000")]);
    let id = leaving.id();
    leaving.pipeline(&vec![format!("{list} WAIT 60000"); 3]);
    wait_until("they are parked", || server.figure("fill_waiters") == 160_000);
    leaving.close();
    server.until_gone(id);
    wait_until("it has left all flights", || server.figure("fill_waiters") == 40_000);
    let triples: String = keys.iter().zip(&tokens).map(|(key, token)| format!(" {key} {token} v")).collect();
    leader.pipeline(&[format!("FILL.MPUT 40000{triples}")]);
    assert!(leader.reply().array().iter().all(|answer| answer.clone().text() == "OK"));
    assert!(waiter.answers().into_iter().all(|answer| answer.status == "HIT"));
    assert_eq!((server.figure("fill_flights"), server.figure("fill_waiters")), (0, 0));
}
