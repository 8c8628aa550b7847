//! Keys are spread over few shards while `maxmemory` is small, and nothing is lost or noticed when that changes.

mod support;

use onefill::config::DebugAccess;
use support::{Answer, Conn, EPOCH_MS, TestServer, Value, wait_until};

const SMALL: u64 = 16 << 20;
const KEYS: usize = 3_000;

fn limited_to(maxmemory_bytes: u64) -> TestServer {
    TestServer::start_with(|settings| {
        settings.maxmemory_bytes = maxmemory_bytes;
        settings.enable_debug_command = DebugAccess::Yes;
    })
}

fn census(conn: &mut Conn, name: &str) -> Value {
    let pairs = conn.run("DEBUG RECOUNT").pairs();
    pairs.into_iter().find(|(found, _)| found == name).expect("a figure of that name").1
}

fn shards(conn: &mut Conn) -> i64 {
    census(conn, "shards").int()
}

/// Shards in use where there is no limit.
fn most() -> i64 {
    shards(&mut limited_to(0).connect())
}

/// Waits until all slices are where they belong without a limit.
fn until_moved(server: &TestServer) {
    let most = most();
    wait_until("all slices have moved", || shards(&mut server.connect()) == most);
}

#[test]
fn raised_limit_spreads_out_whatever_is_there() {
    let server = limited_to(SMALL);
    let [mut conn, mut leader, mut waiter, mut done, mut watcher] = server.connect_many();
    assert_eq!(shards(&mut conn), 4);
    for key in 0..KEYS {
        conn.send(&["SET", &format!("k{key}"), &format!("v{key}"), "PX", "60000"]);
        conn.reply();
    }
    let large = "x".repeat(100_000);
    conn.call(&["SET", "large", &large]);
    conn.run("SET idle v IDLE 5000");
    conn.run("SELECT 3");
    conn.run("SET other 3");
    conn.run("SELECT 0");
    let token = conn.lead("none");
    assert_eq!(conn.say(&format!("FILL.NONE none {token} PX 60000")), "OK");
    let token = conn.lead("stale");
    assert_eq!(conn.say(&format!("FILL.PUT stale {token} old PX 1000 GRACE 60000")), "OK");
    server.advance_ms(1_500);
    let lead = leader.lead("k LEASE 30000");
    server.park(&mut waiter, "k WAIT 60000");
    let answered = done.lead("done LEASE 30000");
    assert_eq!(done.say(&format!("FILL.PUT done {answered} v")), "OK");
    assert_eq!(watcher.say("WATCH k1 absent"), "OK");

    assert_eq!(conn.say("CONFIG SET maxmemory 0"), "OK");
    until_moved(&server);

    assert_eq!(census(&mut conn, "faults"), Value::Array(Vec::new()));
    for key in 0..KEYS {
        assert_eq!(conn.say(&format!("GET k{key}")), format!("v{key}"));
    }
    assert_eq!(conn.run("PTTL k7"), Value::Int(58_500));
    assert_eq!(conn.say("GET large"), large);
    assert_eq!(conn.run("PTTL idle"), Value::Int(3_500));
    assert_eq!(conn.get("none").status, "NONE");
    assert_eq!(conn.get("stale STALE 60000 WAIT 0").status, "REFRESH");
    assert_eq!(conn.run("KEYS *").array().len(), KEYS + 3);
    conn.run("SELECT 3");
    assert_eq!(conn.say("GET other"), "3");
    assert_eq!(leader.say(&format!("FILL.PUT k {lead} filled")), "OK");
    assert_eq!(waiter.answer(), Answer::hit("filled", -1));
    assert_eq!(done.say(&format!("FILL.PUT done {answered} v")), "DUP");
    conn.run("SELECT 0");
    conn.run("SET absent now");
    watcher.run("MULTI");
    watcher.run("PING");
    assert_eq!(watcher.run("EXEC"), Value::Nil);
    // What expires is found where it lies now.
    server.advance_ms(120_000);
    wait_until("what has a TTL is gone", || census(&mut server.connect(), "expiring").int() == 0);
    assert_eq!(census(&mut conn, "faults"), Value::Array(Vec::new()));
}

#[test]
fn lease_that_has_moved_ends_in_time() {
    let server = limited_to(SMALL);
    let [mut conn, mut leader, mut waiter] = server.connect_many();
    leader.lead("k LEASE 1000");
    server.park(&mut waiter, "k WAIT 60000");
    conn.run("CONFIG SET maxmemory 1gb");
    until_moved(&server);
    server.expect_parked("k", &mut [&mut waiter]);
    server.advance_ms(1_000);
    waiter.answer().expect("LEAD");
}

#[test]
fn shards_become_fewer_only_while_nothing_is_stored() {
    let server = limited_to(0);
    let mut conn = server.connect();
    conn.run("SET k v");
    conn.run("CONFIG SET maxmemory 8mb");
    assert_eq!((shards(&mut conn), conn.say("GET k").as_str()), (most(), "v"));
    conn.run("FLUSHALL");
    conn.run("CONFIG SET maxmemory 8mb");
    assert_eq!(shards(&mut conn), 2);
    conn.run("CONFIG SET maxmemory 0");
    until_moved(&server);
    // Without being asked again, as soon as the last key goes.
    conn.run(&format!("SET k v PXAT {}", EPOCH_MS + 1_000));
    conn.run("CONFIG SET maxmemory 1mb");
    assert_eq!(shards(&mut conn), most());
    server.advance_ms(2_000);
    wait_until("the shards are drawn together", || shards(&mut server.connect()) == 1);
}

#[test]
fn scan_meets_every_key_that_moves_meanwhile() {
    let server = limited_to(SMALL);
    let mut conn = server.connect();
    for key in 0..KEYS {
        conn.run(&format!("SET k{key} v"));
    }
    let mut seen = std::collections::HashSet::new();
    let mut cursor = "0".to_owned();
    for page in 0.. {
        let reply = conn.run(&format!("SCAN {cursor} COUNT 20"));
        let [next, keys] = reply.array() else { panic!("a cursor and keys, not {reply:?}") };
        seen.extend(keys.array().iter().map(Value::text));
        cursor = next.text();
        if page == 40 {
            conn.run("CONFIG SET maxmemory 0");
        }
        if cursor == "0" {
            break;
        }
    }
    until_moved(&server);
    assert_eq!(seen.len(), KEYS);
}

#[test]
fn raised_limit_takes_collections_along_packed_and_large_ones() {
    let server = limited_to(SMALL);
    let mut conn = server.connect();
    for key in 1..40 {
        for first in (0..key * 40).step_by(40) {
            let members: Vec<String> = (first..first + 40).map(|member| format!("m{member}")).collect();
            conn.run(&format!("SADD s{key} {}", members.join(" ")));
        }
        conn.run(&format!("HSET h{key} a 1 b {}", "x".repeat(key * 1_000)));
        conn.run(&format!("EXPIRE h{key} 100"));
    }
    assert_eq!(conn.say("CONFIG SET maxmemory 0"), "OK");
    until_moved(&server);
    assert_eq!(census(&mut conn, "faults"), Value::Array(Vec::new()));
    for key in 1..40 {
        assert_eq!(conn.run(&format!("SCARD s{key}")).int(), key * 40);
        assert_eq!(conn.run(&format!("HSTRLEN h{key} b")).int(), key * 1_000);
        assert_eq!(conn.run(&format!("TTL h{key}")).int(), 100);
    }
}
