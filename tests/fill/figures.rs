//! FILL.INFO, FILL.LIST and the section `fill` of INFO (docs/fill.md, sections 2 and 6).

use crate::support::{FlightFacts, TestServer, Value};
use onefill::base::metrics::{GAUGES, METRICS};

/// Field names of FILL.INFO in their order.
const FIELDS: [&str; 8] =
    ["key", "database", "age-ms", "lease-left-ms", "waiters", "leader-id", "leader-addr", "leader-name"];

#[test]
fn info_shows_the_flight_and_its_leader() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.say("CLIENT SETNAME filler");
    leader.lead("k LEASE 1000");
    server.park(&mut waiter, "k WAIT 60000");
    server.advance_ms(300);
    let flight = server.flight("k").expect("open");
    assert_eq!((flight.text("key"), flight.number("database")), ("k".to_owned(), 0));
    assert_eq!((flight.number("age-ms"), flight.number("lease-left-ms")), (300, 700));
    assert_eq!(flight.number("waiters"), 1);
    assert_eq!(flight.number("leader-id") as i64, leader.id());
    assert_eq!(flight.text("leader-name"), "filler");
    let mark = format!(" addr={} ", flight.text("leader-addr"));
    let line = server.control().say(&format!("CLIENT LIST ID {}", leader.id()));
    assert!(line.contains(&mark), "{mark} in {line}");
}

#[test]
fn info_follows_the_lease_to_the_next_leader() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    leader.say(&format!("FILL.FAIL k {token}"));
    waiter.answer().expect("LEAD");
    let flight = server.flight("k").expect("open");
    assert_eq!((flight.number("leader-id") as i64, flight.number("waiters")), (waiter.id(), 0));
}

#[test]
fn info_of_a_key_without_a_flight_is_nil() {
    let server = TestServer::start();
    let mut two = server.connect();
    let mut three = server.connect_resp3();
    two.say("SET k v");
    for key in ["k", "absent"] {
        assert_eq!(two.call(&["FILL.INFO", key]), Value::Nil);
        three.send(&["FILL.INFO", key]);
        assert_eq!(three.raw(3), b"_\r\n");
    }
}

#[test]
fn info_is_a_flat_array_in_resp2_and_a_map_in_resp3() {
    let server = TestServer::start();
    let mut two = server.connect();
    let mut three = server.connect_resp3();
    two.lead("k");
    let flat = two.run("FILL.INFO k");
    let map = three.run("FILL.INFO k");
    assert!(matches!((&flat, &map), (Value::Array(_), Value::Map(_))), "{flat:?} {map:?}");
    assert_eq!(flat.pairs(), map.pairs());
    assert_eq!(flat.pairs().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), FIELDS);
}

#[test]
fn list_shows_open_flights_of_all_databases_oldest_first() {
    let server = TestServer::start();
    let [mut zero, mut three] = server.connect_many();
    three.say("SELECT 3");
    for (number, key) in ["c", "a", "b"].into_iter().enumerate() {
        let conn = if number == 1 { &mut three } else { &mut zero };
        conn.lead(key);
        server.advance_ms(10);
    }
    let reply = zero.run("FILL.LIST");
    let flights: Vec<_> = reply.array().iter().map(FlightFacts::of).collect();
    let shown: Vec<_> =
        flights.iter().map(|f| (f.text("key"), f.number("database"), f.number("age-ms"))).collect();
    assert_eq!(shown, [("c".to_owned(), 0, 30), ("a".to_owned(), 3, 20), ("b".to_owned(), 0, 10)]);
    let reply = zero.run("FILL.LIST COUNT 2");
    let keys: Vec<_> = reply.array().iter().map(|flight| FlightFacts::of(flight).text("key")).collect();
    assert_eq!(keys, ["c", "a"]);
}

#[test]
fn list_has_maps_in_resp3_and_is_empty_without_flights() {
    let server = TestServer::start();
    let mut conn = server.connect_resp3();
    assert_eq!(conn.run("FILL.LIST"), Value::Array(Vec::new()));
    let token = conn.lead("k");
    assert!(matches!(conn.run("FILL.LIST").array(), [Value::Map(_)]));
    conn.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(conn.run("FILL.LIST"), Value::Array(Vec::new()));
}

#[test]
fn rule_19_each_status_is_counted_under_its_name() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let token = leader.lead("k");
    leader.get("k").expect("SELF");
    other.get("k NOWAIT").expect_stay_away();
    server.park(&mut other, "k");
    leader.say(&format!("FILL.PUT k {token} v PX 100 GRACE 1000"));
    other.answer().expect("HIT");
    server.advance_ms(100);
    leader.get("k").expect("REFRESH");
    other.get("k").expect("STALE");
    for (answer, status) in
        [("FILL.NONE x {}", "NONE"), ("FILL.PASS x {}", "PASS"), ("FILL.FAIL x {} m RETRY 9", "FAIL")]
    {
        let token = leader.lead("x");
        leader.say(&answer.replace("{}", &token));
        other.get("x").expect(status);
        leader.say("DEL x");
    }
    other.get("k").expect("STALE");
    let figures = server.figures();
    let expected = [
        ("gets", 13),
        ("hits", 1),
        ("leads", 4),
        ("refreshes", 1),
        ("stale", 2),
        ("none", 1),
        ("fail", 1),
        ("pass", 1),
        ("wait", 1),
        ("self", 1),
        ("coalesced", 1),
        ("puts_ok", 4),
    ];
    assert_eq!(expected.map(|(name, _)| (name, figures.get(&format!("fill_{name}")))), expected);
}

#[test]
fn parked_callers_and_their_ends_are_counted() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut waiters: [_; 3] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiters[0], "k WAIT 100");
    server.park(&mut waiters[1], "k WAIT 60000");
    server.park(&mut waiters[2], "k WAIT 60000");
    let figures = server.figures();
    assert_eq!(
        (figures.get("fill_waiters"), figures.get("fill_flights"), figures.get("fill_gets")),
        (3, 1, 1)
    );
    server.advance_ms(100);
    waiters[0].answer().expect_wait_over();
    assert_eq!(server.figure("fill_wait_expired"), 1);
    leader.say(&format!("FILL.PUT k {token} v"));
    waiters[1..].iter_mut().for_each(|waiter| drop(waiter.answer().expect("HIT")));
    let figures = server.figures();
    assert_eq!((figures.get("fill_waiters"), figures.get("fill_flights")), (0, 0));
    assert_eq!(
        (figures.get("fill_coalesced"), figures.get("fill_wait"), figures.get("fill_gets")),
        (2, 1, 4)
    );
}

#[test]
fn puts_are_counted_by_their_outcome() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k LEASE 1000");
    server.advance_ms(1500);
    for expected in ["OK", "DUP", "DUP"] {
        assert_eq!(conn.say(&format!("FILL.PUT k {token} v")), expected);
    }
    conn.say("FILL.PUT k garbage v");
    let figures = server.figures();
    let counted = ["ok", "dup", "void", "late"].map(|outcome| figures.get(&format!("fill_puts_{outcome}")));
    assert_eq!(counted, [1, 2, 1, 1]);
}

#[test]
fn voids_are_counted_by_their_cause() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for (number, cause) in
        ["SET k0 v", "SET k1 v", "SET k2 v", "DEL k3", "FILL.STALE k4", "FLUSHALL"].iter().enumerate()
    {
        conn.lead(&format!("k{number}"));
        conn.say(cause);
    }
    let figures = server.figures();
    let counted = ["write", "delete", "flush"].map(|cause| figures.get(&format!("fill_void_{cause}")));
    assert_eq!(counted, [3, 2, 1]);
}

#[test]
fn rule_19_sum_holds_for_mget_unblock_disconnects_and_after_resetstat() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut leaver] = server.connect_many();
    leader.mget("3 a a b");
    let id = waiter.id();
    server.park(&mut waiter, "a WAIT 60000");
    server.park(&mut leaver, "a WAIT 60000");
    server.control().say(&format!("CLIENT UNBLOCK {id} ERROR"));
    waiter.reply();
    leaver.close();
    server.until_waiters("a", 0);
    assert!(server.figures().sum_holds());
    leader.say("CONFIG RESETSTAT");
    leader.get("a").expect("SELF");
    let figures = server.figures();
    assert_eq!((figures.get("fill_gets"), figures.get("fill_self")), (1, 1));
    assert!(figures.sum_holds());
}

#[test]
fn age_of_the_oldest_flight_and_the_histograms_are_shown() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("old");
    server.advance_ms(100);
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    server.advance_ms(50);
    assert_eq!(server.figure("fill_oldest_flight_ms"), 150);
    leader.say(&format!("FILL.PUT k {token} v"));
    waiter.answer().expect("HIT");
    let info = server.control().say("INFO fill");
    for line in ["fill_wait_ms:count=1,", "fill_fill_ms:count=1,", "fill_waiters_per_flight:count=1,"] {
        assert!(info.contains(line), "{line} in {info}");
    }
}

/// Every line of the section is described in one of the tables, and every described figure is a line of it.
#[test]
fn section_fill_is_what_the_tables_say() {
    let server = TestServer::start();
    let info = server.control().say("INFO fill");
    let shown: Vec<&str> = info.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let counters = METRICS.iter().filter(|metric| metric.section == "fill");
    let mut described: Vec<&str> = GAUGES.iter().chain(counters).map(|metric| metric.name).collect();
    let mut shown_sorted = shown.clone();
    shown_sorted.sort_unstable();
    described.sort_unstable();
    assert_eq!(shown_sorted, described);
}
