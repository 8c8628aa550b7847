//! Leases go only into replies that can be written now (docs/fill.md, section 4): what stands ahead yields,
//! whoever can be reached goes first, and the lease's clock starts when its reply is handed to the socket.

use crate::support::{Answer, Conn, TestServer, Value, wait_until};

/// Parks `conn` for `busy`, which somebody else leads.
fn park_behind(server: &TestServer, leader: &mut Conn, conn: &mut Conn) -> String {
    let token = leader.lead("busy LEASE 600000");
    server.park(conn, "busy WAIT 60000");
    token
}

/// Fills the way to `conn` with replies that it does not read. Returns how many.
fn back_up(server: &TestServer, conn: &mut Conn) -> usize {
    server.control().call(&["SET", "big", &"v".repeat(1024 * 1024)]);
    conn.pipeline(&["GET big"; 32]);
    conn.pipeline(&["INCR backed-up"]);
    wait_until("the replies are made", || server.control().say("GET backed-up") == "1");
    32
}

#[test]
fn lease_behind_a_slot_makes_the_slot_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("x");
    conn.pipeline(&["FILL.GET x WAIT 60000", "PING", "FILL.GET free"]);
    conn.answer().expect_wait_over();
    assert_eq!(conn.reply().text(), "PONG");
    let token = conn.answer().expect("LEAD").into_token();
    assert_eq!(conn.say(&format!("FILL.PUT free {token} v")), "OK");
    server.until_waiters("x", 0);
    assert_eq!(server.figure("fill_yields"), 1);
}

#[test]
fn refresh_behind_a_slot_makes_the_slot_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.say("SET k old");
    leader.say("FILL.STALE k GRACE 60000");
    park_behind(&server, &mut leader, &mut conn);
    conn.ask("k");
    conn.answer().expect_wait_over();
    conn.answer().expect("REFRESH");
}

#[test]
fn mget_that_leads_behind_a_slot_makes_the_slot_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    park_behind(&server, &mut leader, &mut conn);
    conn.send(&["FILL.MGET", "2", "a", "b"]);
    conn.answer().expect_wait_over();
    conn.answers().into_iter().for_each(|answer| drop(answer.expect("LEAD")));
}

#[test]
fn parked_mget_ahead_of_a_lease_yields_whole() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let a = leader.lead("a");
    leader.lead("b");
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "60000"]);
    server.until_waiters("b", 1);
    leader.say(&format!("FILL.PUT a {a} va"));
    conn.ask("free");
    let answers = conn.answers();
    assert_eq!((answers[0].status.as_str(), answers[1].status.as_str()), ("HIT", "WAIT"), "{answers:?}");
    conn.answer().expect("LEAD");
    server.until_waiters("b", 0);
}

#[test]
fn exec_that_leads_behind_a_slot_makes_the_slot_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    park_behind(&server, &mut leader, &mut conn);
    conn.pipeline(&["MULTI", "FILL.GET free", "EXEC"]);
    conn.answer().expect_wait_over();
    assert_eq!([conn.reply().text(), conn.reply().text()], ["OK", "QUEUED"]);
    Answer::of(&conn.reply().array()[0]).expect("LEAD");
}

#[test]
fn nonce_sent_again_behind_a_slot_makes_the_slot_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k AS n");
    park_behind(&server, &mut leader, &mut conn);
    conn.ask("k AS n");
    conn.answer().expect_wait_over();
    assert_eq!(conn.answer().into_token(), token);
}

#[test]
fn handed_over_lease_makes_every_slot_ahead_of_it_yield() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let x = leader.lead("x");
    leader.lead("y");
    leader.lead("z");
    for line in ["y WAIT 60000", "z WAIT 60000", "x WAIT 60000", "y WAIT 50000"] {
        server.park(&mut conn, line);
    }
    assert_eq!(leader.say(&format!("FILL.FAIL x {x}")), "OK");
    conn.answer().expect_wait_over();
    conn.answer().expect_wait_over();
    conn.answer().expect("LEAD");
    server.until_waiters("z", 0);
    server.until_waiters("y", 1);
    server.expect_parked("y", &mut [&mut conn]);
    assert_eq!(server.figure("fill_yields"), 2);
}

#[test]
fn rule_07_younger_deliverable_waiter_leads_before_an_older_one_behind_a_slot() {
    let server = TestServer::start();
    let [mut leader, mut blocked, mut free] = server.connect_many();
    let x = leader.lead("x");
    let y = leader.lead("y");
    server.park(&mut blocked, "y WAIT 60000");
    server.park(&mut blocked, "x WAIT 60000");
    server.park(&mut free, "x WAIT 60000");
    assert_eq!(leader.say(&format!("FILL.FAIL x {x}")), "OK");
    let token = free.answer().expect("LEAD").into_token();
    assert_eq!((server.waiters("x"), server.waiters("y")), (1, 1));
    blocked.expect_silence();
    free.say(&format!("FILL.PUT x {token} vx"));
    leader.say(&format!("FILL.PUT y {y} vy"));
    assert_eq!([blocked.answer(), blocked.answer()], [Answer::hit("vy", -1), Answer::hit("vx", -1)]);
}

#[test]
fn lease_of_a_yielding_waiter_is_good() {
    let server = TestServer::start();
    let [mut leader, mut conn, mut other] = server.connect_many();
    let x = leader.lead("x");
    leader.lead("y");
    server.park(&mut conn, "y WAIT 60000");
    server.park(&mut conn, "x WAIT 60000 LEASE 700");
    server.park(&mut other, "x WAIT 60000");
    // `other` is deliverable and leads first; then only the blocked one is left.
    leader.say(&format!("FILL.FAIL x {x}"));
    let token = other.answer().expect("LEAD").into_token();
    other.say(&format!("FILL.FAIL x {token}"));
    conn.answer().expect_wait_over();
    let lead = conn.answer().expect("LEAD");
    assert_eq!(lead.ms, 700);
    assert_eq!(conn.say(&format!("FILL.PUT x {} v", lead.into_token())), "OK");
}

#[test]
fn waiter_that_does_not_read_is_passed_over_by_one_that_does() {
    let server = TestServer::start();
    let [mut leader, mut reader] = server.connect_many();
    let mut deaf = server.connect_slow_reader();
    let token = leader.lead("k LEASE 600000");
    let replies = back_up(&server, &mut deaf);
    server.park(&mut deaf, "k WAIT 60000");
    server.park(&mut reader, "k WAIT 60000");
    leader.say(&format!("FILL.FAIL k {token}"));
    let token = reader.answer().expect("LEAD").into_token();
    assert_eq!(server.waiters("k"), 1);
    reader.say(&format!("FILL.PUT k {token} v"));
    (0..replies).for_each(|_| assert_eq!(deaf.reply().text().len(), 1024 * 1024));
    assert_eq!(deaf.reply(), Value::Int(1));
    assert_eq!(deaf.answer(), Answer::hit("v", -1));
}

#[test]
fn clock_of_a_lease_starts_when_its_reply_is_handed_to_the_socket() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut deaf = server.connect_slow_reader();
    let token = leader.lead("k LEASE 600000");
    let replies = back_up(&server, &mut deaf);
    server.park(&mut deaf, "k WAIT 60000");
    leader.say(&format!("FILL.FAIL k {token}"));
    server.until_waiters("k", 0);
    // In steps, with time for the connection to act between them: its clock must not start before it is read.
    for _ in 0..300 {
        server.advance_ms(10);
        assert!(server.flight("k").is_some());
    }
    (0..=replies).for_each(|_| drop(deaf.reply()));
    assert_eq!(deaf.answer().expect("LEAD").ms, 5000);
    wait_until("the lease has its whole time", || {
        server.flight("k").expect("open").number("lease-left-ms") == 5000
    });
}

#[test]
fn caller_whose_replies_are_switched_off_is_granted_no_lease() {
    let server = TestServer::start();
    let [mut mute, mut other] = server.connect_many();
    mute.pipeline(&["CLIENT REPLY OFF", "FILL.GET k", "FILL.MGET 1 l", "CLIENT REPLY ON"]);
    assert_eq!(mute.reply().text(), "OK");
    other.get("k NOWAIT").expect("LEAD");
    assert_eq!(other.mget("1 l NOWAIT")[0].status, "LEAD");
}
