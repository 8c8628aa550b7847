//! FILL.TOP: which keys save the most fills (docs/fill.md, sections 2 and 6).

use crate::support::{FlightFacts, TestServer, Value};

const FIELDS: [&str; 6] = ["key", "database", "saved", "overcount", "crowds", "largest-crowd"];

/// Lets `callers` wait for a key of the database that is selected everywhere, and fills it.
fn crowd(server: &TestServer, key: &str, callers: usize) {
    let mut leader = server.connect();
    let token = leader.lead(key);
    let mut waiters: Vec<_> = (0..callers).map(|_| server.connect()).collect();
    waiters.iter_mut().for_each(|waiter| server.park(waiter, &format!("{key} WAIT 60000")));
    assert_eq!(leader.say(&format!("FILL.PUT {key} {token} v")), "OK");
    waiters.iter_mut().for_each(|waiter| drop(waiter.answer().expect("HIT")));
    leader.say(&format!("DEL {key}"));
}

fn top(server: &TestServer, line: &str) -> Vec<FlightFacts> {
    let reply = server.control().run(line);
    reply.array().iter().map(FlightFacts::of).collect()
}

fn shown(top: &[FlightFacts]) -> Vec<(String, u64)> {
    top.iter().map(|key| (key.text("key"), key.number("saved"))).collect()
}

#[test]
fn keys_with_the_most_fills_saved_come_first() {
    let server = TestServer::start();
    [("one", 1), ("three", 3), ("two", 2), ("one", 1)].iter().for_each(|(key, n)| crowd(&server, key, *n));
    let all = top(&server, "FILL.TOP");
    assert_eq!(shown(&all), [("three".into(), 3), ("one".into(), 2), ("two".into(), 2)]);
    let figures =
        ["database", "saved", "overcount", "crowds", "largest-crowd"].map(|name| all[1].number(name));
    assert_eq!(figures, [0, 2, 0, 2, 1]);
    assert_eq!(shown(&top(&server, "FILL.TOP COUNT 1")), [("three".into(), 3)]);
    assert_eq!(server.figure("fill_coalesced"), 7);
}

#[test]
fn hits_leads_and_waits_that_ended_save_nothing() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 100");
    server.advance_ms(100);
    waiter.answer().expect_wait_over();
    leader.say(&format!("FILL.PUT k {token} v"));
    waiter.get("k").expect("HIT");
    assert!(top(&server, "FILL.TOP").is_empty());
}

#[test]
fn a_write_that_answers_waiters_saves_fills_too() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    leader.lead("k");
    server.park(&mut waiter, "k");
    leader.say("SET k v");
    waiter.answer().expect("HIT");
    assert_eq!(shown(&top(&server, "FILL.TOP")), [("k".into(), 1)]);
}

#[test]
fn resetstat_forgets_also_inside_a_transaction() {
    let server = TestServer::start();
    crowd(&server, "k", 2);
    let mut conn = server.connect();
    for line in ["MULTI", "FILL.TOP", "CONFIG RESETSTAT", "FILL.TOP"] {
        conn.say(line);
    }
    let replies = conn.run("EXEC");
    let lengths = [0, 2].map(|at: usize| replies.array()[at].array().len());
    assert_eq!(lengths, [1, 0]);
    crowd(&server, "k", 1);
    assert_eq!(shown(&top(&server, "FILL.TOP")), [("k".into(), 1)]);
}

#[test]
fn top_has_maps_in_resp3_and_flat_arrays_in_resp2() {
    let server = TestServer::start();
    crowd(&server, "k", 1);
    let (mut two, mut three) = (server.connect(), server.connect_resp3());
    let (flat, map) = (two.run("FILL.TOP"), three.run("FILL.TOP"));
    assert!(
        matches!((&flat.array()[0], &map.array()[0]), (Value::Array(_), Value::Map(_))),
        "{flat:?} {map:?}"
    );
    assert_eq!(flat.array()[0].pairs(), map.array()[0].pairs());
    assert_eq!(flat.array()[0].pairs().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), FIELDS);
}
