//! Values past or close to their TTL: GRACE, STALE, early refresh, JITTER, and FILL.STALE (docs/fill.md, 2 to 4).

use crate::support::{Answer, Conn, TestServer};

/// Fills `k` with `old`, TTL 100 ms, grace 1,000 ms, and lets 150 ms pass: stale by 50 ms.
fn stale_key(server: &TestServer, conn: &mut Conn) {
    let token = conn.lead("k");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} old PX 100 GRACE 1000")), "OK");
    server.advance_ms(150);
}

/// Fills `k` with `old` so that its fill took 1 s and `ttl_ms` are left; returns at that moment.
fn slowly_filled_key(server: &TestServer, conn: &mut Conn, ttl_ms: u64) {
    let token = conn.lead("k");
    server.advance_ms(1000);
    assert_eq!(conn.say(&format!("FILL.PUT k {token} old PX {ttl_ms}")), "OK");
}

#[test]
fn stale_value_is_refreshed_by_one_caller_and_served_to_the_others() {
    let server = TestServer::start();
    let [mut first, mut second, mut third] = server.connect_many();
    stale_key(&server, &mut first);
    let refresh = first.get("k").expect("REFRESH");
    assert_eq!((refresh.text().as_str(), refresh.ms), ("old", 5000));
    assert_eq!(second.get("k WAIT 60000"), Answer::stale("old", 50));
    server.advance_ms(10);
    assert_eq!(third.get("k"), Answer::stale("old", 60));
    assert_eq!(first.say(&format!("FILL.PUT k {} new", refresh.into_token())), "OK");
    assert_eq!(second.get("k"), Answer::hit("new", -1));
}

#[test]
fn refresher_that_asks_again_gets_the_stale_value() {
    let server = TestServer::start();
    let mut conn = server.connect();
    stale_key(&server, &mut conn);
    let token = conn.get("k AS n").expect("REFRESH").into_token();
    assert_eq!(conn.get("k"), Answer::stale("old", 50));
    assert_eq!(conn.get("k STALE 0"), Answer::leading(5000));
    let again = conn.get("k AS n").expect("REFRESH");
    assert_eq!((again.text(), again.into_token()), ("old".to_owned(), token));
}

#[test]
fn refresh_passes_on_when_the_refresher_fails_or_dies() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    stale_key(&server, &mut first);
    let token = first.get("k").expect("REFRESH").into_token();
    first.say(&format!("FILL.FAIL k {token}"));
    second.get("k LEASE 100").expect("REFRESH");
    server.advance_ms(100);
    first.get("k").expect("REFRESH");
}

#[test]
fn grace_ends_the_stale_value() {
    let server = TestServer::start();
    let mut conn = server.connect();
    stale_key(&server, &mut conn);
    server.advance_ms(940);
    conn.get("k LEASE 10").expect("REFRESH");
    server.advance_ms(11);
    conn.get("k").expect("LEAD");
}

#[test]
fn put_without_grace_leaves_nothing_stale() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    conn.say(&format!("FILL.PUT k {token} old PX 100"));
    server.advance_ms(100);
    conn.get("k").expect("LEAD");
}

#[test]
fn fill_grace_is_the_default_grace_and_grace_zero_overrules_it() {
    let server = TestServer::start_with(|settings| settings.fill_grace_ms = 1000);
    let mut conn = server.connect();
    for (key, grace, status) in [("default", "", "REFRESH"), ("zero", "GRACE 0", "LEAD")] {
        let token = conn.lead(key);
        conn.say(&format!("FILL.PUT {key} {token} old PX 100 {grace}"));
        server.advance_ms(500);
        conn.get(key).expect(status);
    }
}

#[test]
fn stale_option_limits_the_age_a_caller_takes() {
    let server = TestServer::start();
    let [mut first, mut second, mut third] = server.connect_many();
    stale_key(&server, &mut first);
    let token = first.get("k STALE 60").expect("REFRESH").into_token();
    assert_eq!(second.get("k STALE 60"), Answer::stale("old", 50));
    second.get("k STALE 40 NOWAIT").expect_stay_away();
    server.park(&mut second, "k STALE 0");
    server.park(&mut third, "k STALE 40");
    assert_eq!(first.say(&format!("FILL.PUT k {token} new")), "OK");
    assert_eq!([second.answer(), third.answer()], [Answer::hit("new", -1), Answer::hit("new", -1)]);
}

#[test]
fn stale_value_too_old_for_the_caller_is_a_miss() {
    let server = TestServer::start();
    let mut conn = server.connect();
    stale_key(&server, &mut conn);
    conn.get("k STALE 0").expect("LEAD");
}

#[test]
fn stale_option_does_not_lengthen_the_grace() {
    let server = TestServer::start();
    let mut conn = server.connect();
    stale_key(&server, &mut conn);
    server.advance_ms(1000);
    conn.get("k STALE 60000").expect("LEAD");
}

#[test]
fn early_refresh_goes_to_one_caller_and_the_others_hit() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    slowly_filled_key(&server, &mut first, 1000);
    let refresh = first.get("k BETA 1000000").expect("REFRESH");
    assert_eq!((refresh.text().as_str(), refresh.ms), ("old", 5000));
    for conn in [&mut first, &mut second] {
        assert_eq!(conn.get("k BETA 1000000"), Answer::hit("old", 1000));
    }
    assert_eq!(first.say(&format!("FILL.PUT k {} new PX 900", refresh.into_token())), "OK");
    assert_eq!(second.get("k BETA 0"), Answer::hit("new", 900));
}

#[test]
fn early_refresh_is_off_with_beta_zero() {
    let server = TestServer::start();
    let mut conn = server.connect();
    slowly_filled_key(&server, &mut conn, 1000);
    server.advance_ms(999);
    for _ in 0..100 {
        assert_eq!(conn.get("k BETA 0"), Answer::hit("old", 1));
    }
}

#[test]
fn early_refresh_needs_a_ttl_and_a_fill_that_took_time() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("fast");
    conn.say(&format!("FILL.PUT fast {token} v PX 1000"));
    assert_eq!(conn.get("fast BETA 1000000"), Answer::hit("v", 1000));
    let token = conn.lead("lasting");
    server.advance_ms(1000);
    conn.say(&format!("FILL.PUT lasting {token} v"));
    assert_eq!(conn.get("lasting BETA 1000000"), Answer::hit("v", -1));
}

/// XFetch with beta 1: the chance of a refresh is exp(-ttl_left / delta). 300 draws at delta = ttl_left give
/// 110 ± 8; the bounds are 7 standard deviations wide.
#[test]
fn early_refresh_with_the_default_beta_has_the_rate_of_the_formula() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut tokens: Vec<_> = (0..300).map(|n| conn.lead(&format!("k{n}"))).collect();
    server.advance_ms(1000);
    for (n, token) in tokens.drain(..).enumerate() {
        conn.say(&format!("FILL.PUT k{n} {token} v PX 1000"));
    }
    let refreshed = (0..300).filter(|n| conn.get(&format!("k{n}")).status == "REFRESH").count();
    assert!((50..170).contains(&refreshed), "{refreshed} of 300 refreshed");
}

#[test]
fn fill_beta_is_the_default_beta() {
    let server = TestServer::start_with(|settings| settings.fill_beta = 0.0);
    let mut conn = server.connect();
    slowly_filled_key(&server, &mut conn, 10);
    for _ in 0..50 {
        assert_eq!(conn.get("k"), Answer::hit("old", 10));
    }
}

#[test]
fn jitter_shortens_the_ttl_within_its_bounds_and_not_always_alike() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut ttls = Vec::new();
    for n in 0..40 {
        let token = conn.lead(&format!("k{n}"));
        assert_eq!(conn.say(&format!("FILL.PUT k{n} {token} v PX 100000 JITTER 20")), "OK");
        ttls.push(conn.run(&format!("PTTL k{n}")).int());
    }
    assert!(ttls.iter().all(|ttl| (80_000..=100_000).contains(ttl)), "{ttls:?}");
    let (least, most) = (ttls.iter().min().expect("40"), ttls.iter().max().expect("40"));
    assert!(most - least > 5_000, "{ttls:?}");
}

#[test]
fn jitter_zero_keeps_the_ttl_and_jitter_hundred_is_allowed() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("zero");
    conn.say(&format!("FILL.PUT zero {token} v PX 100000 JITTER 0"));
    assert_eq!(conn.say("PTTL zero"), "100000");
    let token = conn.lead("all");
    assert_eq!(conn.say(&format!("FILL.PUT all {token} v PX 100000 JITTER 100")), "OK");
    assert!(conn.run("PTTL all").int() <= 100_000);
}

#[test]
fn waiters_are_told_the_jittered_ttl() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    leader.say(&format!("FILL.PUT k {token} v PX 100000 JITTER 50"));
    assert_eq!(waiter.answer().ms, leader.run("PTTL k").int());
}

#[test]
fn fill_stale_keeps_a_fresh_value_as_stale() {
    let server = TestServer::start();
    let [mut first, mut second] = server.connect_many();
    first.say("SET k old");
    assert_eq!(first.say("FILL.STALE k GRACE 1000"), "1");
    assert_eq!(first.say("GET k"), "nil");
    server.advance_ms(30);
    assert_eq!(first.get("k").expect("REFRESH").text(), "old");
    assert_eq!(second.get("k"), Answer::stale("old", 30));
    server.advance_ms(971);
    assert_eq!(second.get("k NOWAIT").status, "WAIT");
}

#[test]
fn fill_stale_without_grace_keeps_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k old");
    assert_eq!(conn.say("FILL.STALE k"), "0");
    assert_eq!(conn.say("EXISTS k"), "0");
    conn.get("k").expect("LEAD");
    conn.say("SET k old");
    assert_eq!(conn.say("FILL.STALE k GRACE 0"), "0");
    conn.get("k").expect("LEAD");
}

#[test]
fn fill_stale_uses_the_grace_the_value_was_stored_with() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (key, ttl) in [("mortal", "PX 60000"), ("lasting", "")] {
        let token = conn.lead(key);
        conn.say(&format!("FILL.PUT {key} {token} old {ttl} GRACE 500"));
        assert_eq!(conn.say(&format!("FILL.STALE {key}")), "1", "{key}");
        server.advance_ms(499);
        conn.get(&format!("{key} LEASE 10")).expect("REFRESH");
        server.advance_ms(12);
        conn.get(key).expect("LEAD");
    }
}

#[test]
fn fill_stale_uses_the_default_grace_of_the_server() {
    let server = TestServer::start_with(|settings| settings.fill_grace_ms = 300);
    let mut conn = server.connect();
    conn.say("SET k old");
    assert_eq!(conn.say("FILL.STALE k"), "1");
    conn.get("k").expect("REFRESH");
}

#[test]
fn fill_stale_of_absent_keys_and_of_none_keeps_nothing() {
    let server = TestServer::start();
    let mut conn = server.connect();
    assert_eq!(conn.say("FILL.STALE absent GRACE 1000"), "0");
    let token = conn.lead("none");
    conn.say(&format!("FILL.NONE none {token} EX 60"));
    assert_eq!(conn.say("FILL.STALE none GRACE 1000"), "0");
    conn.get("none").expect("LEAD");
}

#[test]
fn rule_03_put_whose_lease_began_before_fill_stale_is_void() {
    let server = TestServer::start();
    let mut conn = server.connect();
    slowly_filled_key(&server, &mut conn, 1000);
    let token = conn.get("k BETA 1000000").expect("REFRESH").into_token();
    assert_eq!(conn.say("FILL.STALE k GRACE 1000"), "1");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} raced")), "VOID");
    let again = conn.get("k").expect("REFRESH");
    assert_eq!(again.text(), "old");
    assert_eq!(conn.say(&format!("FILL.PUT k {} new", again.into_token())), "OK");
}

#[test]
fn rule_04_stale_value_is_gone_after_a_deletion() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for deletion in ["DEL k", "UNLINK k", "GETDEL k", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1"] {
        conn.say("DEL k");
        stale_key(&server, &mut conn);
        let shown = conn.say(deletion);
        assert!(["0", "nil", "OK"].contains(&shown.as_str()), "{deletion} does not see it: {shown}");
        conn.get("k").expect("LEAD");
        conn.say("FLUSHALL");
    }
}
