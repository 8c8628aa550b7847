//! Which events void a lease, what its waiters get, and which events leave it alone (docs/fill.md, section 4).

use crate::support::{Answer, Conn, EPOCH_MS, TestServer};

/// A fresh value under `key` that `conn` refreshes: the only flight of a key that ordinary commands see.
fn refresh_lease(server: &TestServer, conn: &mut Conn, key: &str) -> String {
    let token = conn.lead(key);
    server.advance_ms(1000);
    assert_eq!(conn.say(&format!("FILL.PUT {key} {token} fresh PX 10000")), "OK");
    conn.get(&format!("{key} BETA 10000000")).expect("REFRESH").into_token()
}

/// Deletions of `k`, absent or not.
fn deletions() -> Vec<String> {
    let past = EPOCH_MS / 1000 - 10;
    [
        "DEL k",
        "UNLINK k",
        "DEL other k",
        "GETDEL k",
        "EXPIRE k -1",
        "EXPIRE k 0",
        "PEXPIRE k -5",
        &format!("EXPIREAT k {past}"),
        &format!("PEXPIREAT k {past}000"),
        "FILL.STALE k",
        "FILL.STALE k GRACE 1000",
        "FLUSHDB",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "SWAPDB 0 1",
        "SWAPDB 3 0",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn rule_03_rule_14_put_is_void_after_a_deletion_of_the_absent_key() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    for deletion in deletions() {
        let token = leader.lead("k");
        other.say(&deletion);
        assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID", "after {deletion}");
        assert_eq!(other.say("EXISTS k"), "0", "after {deletion}");
    }
}

#[test]
fn rule_07_deletion_elects_the_oldest_waiter_at_once_and_the_rest_stay() {
    let server = TestServer::start();
    for deletion in deletions() {
        let [mut leader, mut oldest, mut youngest, mut other] = server.connect_many();
        let old = leader.lead("k");
        server.park(&mut oldest, "k WAIT 60000");
        server.park(&mut youngest, "k WAIT 60000");
        other.say(&deletion);
        let token = oldest.answer().expect("LEAD").into_token();
        server.expect_parked("k", &mut [&mut youngest]);
        assert_eq!(leader.say(&format!("FILL.PUT k {old} stale")), "VOID", "after {deletion}");
        assert_eq!(oldest.say(&format!("FILL.PUT k {token} v")), "OK", "after {deletion}");
        assert_eq!(youngest.answer(), Answer::hit("v", -1));
        other.say("DEL k");
    }
}

#[test]
fn rule_03_put_is_void_after_a_deletion_of_the_refreshed_value() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let getex = format!("GETEX k PXAT {}", EPOCH_MS - 10);
    for deletion in deletions().into_iter().chain([getex]) {
        let token = refresh_lease(&server, &mut leader, "k");
        other.say(&deletion);
        assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID", "after {deletion}");
        assert_eq!(other.say("EXISTS k"), "0", "after {deletion}");
        other.say("DEL k");
    }
}

/// Writes that leave a value in `{}`, and the value.
const WRITES: &[(&str, &str)] = &[
    ("SET {} v", "v"),
    ("SET {} v NX", "v"),
    ("SET {} v GET", "v"),
    ("SETNX {} v", "v"),
    ("SETEX {} 10 v", "v"),
    ("PSETEX {} 10000 v", "v"),
    ("GETSET {} v", "v"),
    ("MSET {} v other w", "v"),
    ("MSETNX {} v z1 w", "v"),
    ("APPEND {} v", "v"),
    ("SETRANGE {} 0 v", "v"),
    ("INCR {}", "1"),
    ("INCRBY {} 7", "7"),
    ("DECR {}", "-1"),
    ("DECRBY {} 7", "-7"),
    ("INCRBYFLOAT {} 1.5", "1.5"),
    ("SETBIT {} 1 1", "@"),
    ("BITFIELD {} SET u8 0 65", "A"),
    ("BITOP OR {} source", "s"),
    ("COPY source {}", "s"),
    ("RENAME source {}", "s"),
    ("RENAMENX source {}", "s"),
];

#[test]
fn write_voids_the_lease_and_answers_waiters_with_the_written_value() {
    let server = TestServer::start();
    for (number, (write, value)) in WRITES.iter().enumerate() {
        let [mut leader, mut one, mut two, mut writer] = server.connect_many();
        let key = format!("k{number}");
        writer.say("SET source s");
        let token = leader.lead(&key);
        server.park(&mut one, &format!("{key} WAIT 60000"));
        server.park(&mut two, &format!("{key} WAIT 60000"));
        writer.say(&write.replace("{}", &key));
        for waiter in [&mut one, &mut two] {
            let answer = waiter.answer().expect("HIT");
            assert_eq!(answer.text(), *value, "{write}");
            assert_eq!(answer.ms, writer.run(&format!("PTTL {key}")).int(), "{write}");
            waiter.expect_nothing_more();
        }
        assert_eq!(leader.say(&format!("FILL.PUT {key} {token} stale")), "VOID", "{write}");
        assert_eq!(writer.say(&format!("GET {key}")), *value, "{write}");
        writer.say("DEL z1");
    }
}

#[test]
fn rule_14_write_inside_multi_voids() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut writer] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    writer.pipeline(&["MULTI", "SET k v", "EXEC"]);
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
    assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID");
}

#[test]
fn rule_14_deletion_inside_multi_voids() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut writer] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 60000");
    writer.pipeline(&["MULTI", "DEL k", "EXEC"]);
    waiter.answer().expect("LEAD");
    assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID");
}

#[test]
fn write_then_deletion_inside_one_multi_leaves_no_stale_answer() {
    let server = TestServer::start();
    let [mut leader, mut writer] = server.connect_many();
    let token = leader.lead("k");
    writer.pipeline(&["MULTI", "SET k v", "DEL k", "EXEC"]);
    (0..4).for_each(|_| drop(writer.reply()));
    assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID");
    writer.get("k").expect("LEAD");
}

#[test]
fn rule_14_rename_voids_its_source() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    for rename in ["RENAME k target", "RENAMENX k fresh-target", "MOVE k 1"] {
        let token = refresh_lease(&server, &mut leader, "k");
        assert_ne!(other.say(rename), "0");
        assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID", "{rename}");
        assert_eq!(other.say("EXISTS k"), "0");
    }
}

#[test]
fn rename_answers_waiters_of_its_target() {
    let server = TestServer::start();
    let [mut leader, mut target, mut other] = server.connect_many();
    refresh_lease(&server, &mut leader, "source");
    let token = leader.lead("target");
    server.park(&mut target, "target WAIT 60000");
    assert_eq!(other.say("RENAME source target"), "OK");
    assert_eq!(target.answer().text(), "fresh");
    assert_eq!(leader.say(&format!("FILL.PUT target {token} stale")), "VOID");
}

#[test]
fn move_answers_waiters_in_the_other_database() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut other] = server.connect_many();
    leader.say("SELECT 1");
    waiter.say("SELECT 1");
    let token = leader.lead("k");
    waiter.ask("k WAIT 60000");
    wait_for_waiters(&mut leader, 1);
    other.say("SET k moved");
    assert_eq!(other.say("MOVE k 1"), "1");
    assert_eq!(waiter.answer(), Answer::hit("moved", -1));
    assert_eq!(leader.say(&format!("FILL.PUT k {token} stale")), "VOID");
}

/// Waits until `k` of this connection's database has so many waiters.
fn wait_for_waiters(conn: &mut Conn, count: u64) {
    crate::support::wait_until("k has waiters", || {
        crate::support::FlightFacts::of(&conn.run("FILL.INFO k")).number("waiters") == count
    });
}

#[test]
fn copy_to_another_database_voids_there_only() {
    let server = TestServer::start();
    let [mut zero, mut one] = server.connect_many();
    one.say("SELECT 1");
    let token = one.lead("k");
    let mine = zero.lead("k");
    zero.say("SET source s");
    assert_eq!(zero.say("COPY source k DB 1"), "1");
    assert_eq!(one.say(&format!("FILL.PUT k {token} stale")), "VOID");
    assert_eq!(zero.say(&format!("FILL.PUT k {mine} good")), "OK");
}

#[test]
fn flushdb_leaves_flights_of_other_databases_alone() {
    let server = TestServer::start();
    let [mut zero, mut one] = server.connect_many();
    one.say("SELECT 1");
    let [voided, good] = [zero.lead("k"), one.lead("k")];
    zero.say("FLUSHDB");
    assert_eq!(zero.say(&format!("FILL.PUT k {voided} v")), "VOID");
    assert_eq!(one.say(&format!("FILL.PUT k {good} v")), "OK");
}

#[test]
fn rule_14_flushall_and_swapdb_void_in_every_database_they_touch() {
    let server = TestServer::start();
    let [mut one, mut two, mut three, mut other] = server.connect_many();
    for (conn, db) in [(&mut one, 1), (&mut two, 2), (&mut three, 3)] {
        conn.say(&format!("SELECT {db}"));
    }
    let tokens = [one.lead("k"), two.lead("k"), three.lead("k")];
    other.say("SWAPDB 1 2");
    assert_eq!(one.say(&format!("FILL.PUT k {} v", tokens[0])), "VOID");
    assert_eq!(two.say(&format!("FILL.PUT k {} v", tokens[1])), "VOID");
    other.say("FLUSHALL");
    assert_eq!(three.say(&format!("FILL.PUT k {} v", tokens[2])), "VOID");
}

#[test]
fn rule_04_none_and_pass_are_forgotten_by_every_invalidation() {
    let server = TestServer::start();
    let mut conn = server.connect();
    for command in ["FILL.NONE", "FILL.PASS"] {
        for deletion in deletions() {
            let token = conn.lead("k");
            conn.say(&format!("{command} k {token} EX 60"));
            conn.say(&deletion);
            conn.get("k").expect("LEAD");
            conn.say("DEL k");
        }
    }
}

#[test]
fn write_that_was_refused_does_not_void() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    other.say("SET source s");
    for refused in [
        "SET k v NX",
        "SETNX k v",
        "MSETNX k v other w",
        "RENAMENX source k",
        "COPY source k",
        "INCR k",
        "GET k",
        "SETRANGE k 536870912 v",
        "SET k v EX 0",
        "DEL other",
        "EXPIRE k 100 XX GT NX",
        "WATCH k",
    ] {
        let token = refresh_lease(&server, &mut leader, "k");
        other.say(refused);
        assert_eq!(other.say("GET k"), "fresh", "{refused}");
        assert_eq!(leader.say(&format!("FILL.PUT k {token} new")), "OK", "after {refused}");
        other.say("DEL k");
    }
    let token = leader.lead("k");
    assert_eq!(other.say("SET k v XX"), "nil");
    assert_eq!(leader.say(&format!("FILL.PUT k {token} new")), "OK");
}

#[test]
fn rule_15_ttl_changes_do_not_void() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    for change in
        ["EXPIRE k 100", "PEXPIRE k 100000 GT", "PERSIST k", "GETEX k EX 100", "GETEX k PERSIST", "TOUCH k"]
    {
        let token = refresh_lease(&server, &mut leader, "k");
        assert_ne!(other.say(change), "0", "{change}");
        assert_eq!(leader.say(&format!("FILL.PUT k {token} new")), "OK", "after {change}");
        other.say("DEL k");
    }
}

#[test]
fn rule_15_natural_expiry_does_not_void() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let token = refresh_lease(&server, &mut leader, "k");
    leader.say(&format!("FILL.RENEW k {token} LEASE 60000"));
    server.advance_ms(20_000);
    assert_eq!(other.say("GET k"), "nil");
    other.get("k NOWAIT").expect_stay_away();
    assert_eq!(leader.say(&format!("FILL.PUT k {token} new")), "OK");
    assert_eq!(other.get("k"), Answer::hit("new", -1));
}

#[test]
fn rule_04_get_after_an_invalidation_never_gets_the_older_value() {
    let server = TestServer::start();
    let [mut conn, mut other] = server.connect_many();
    conn.say("SET k old");
    other.say("DEL k");
    let token = conn.lead("k");
    other.say("SET k newer");
    assert_eq!(conn.say(&format!("FILL.PUT k {token} older")), "VOID");
    assert_eq!(conn.get("k"), Answer::hit("newer", -1));
}

#[test]
fn wall_clock_jump_changes_no_flight() {
    let server = TestServer::start();
    let [mut leader, mut waiter] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k WAIT 1000");
    for wall_ms in [EPOCH_MS + 86_400_000, EPOCH_MS - 86_400_000] {
        server.jump_wall_to_ms(wall_ms);
        server.advance_ms(400);
        server.expect_parked("k", &mut [&mut waiter]);
    }
    assert_eq!(server.flight("k").expect("open").number("lease-left-ms"), 4200);
    server.advance_ms(200);
    waiter.answer().expect_wait_over();
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
}

#[test]
fn wall_clock_jump_ends_no_shared_failure() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let token = conn.lead("k");
    conn.say(&format!("FILL.FAIL k {token} boom RETRY 500"));
    server.jump_wall_to_ms(EPOCH_MS + 86_400_000);
    assert_eq!(conn.get("k"), Answer::fail("boom", 500));
}
