//! Reply slots: a parked request holds its place among the replies, not its connection (docs/fill.md, 4 and 5).

use crate::support::{Answer, Conn, TestServer, Value, wait_until};

/// Sends `line` and waits until its effect, `key` holding `value`, is seen on another connection.
fn run_behind_slot(server: &TestServer, conn: &mut Conn, line: &str, key: &str, value: &str) {
    conn.pipeline(&[line]);
    wait_until(&format!("{line} has run"), || server.control().say(&format!("GET {key}")) == value);
}

#[test]
fn rule_08_later_commands_run_at_once_and_answer_in_order() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["INCR n", "INCR n", "GET n", "NOSUCHCOMMAND", "MULTI", "INCR n", "EXEC"]);
    wait_until("the commands behind the slot have run", || server.control().say("GET n") == "3");
    server.expect_parked("k", &mut [&mut conn]);
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v")), "OK");
    assert_eq!(conn.answer(), Answer::hit("v", -1));
    assert_eq!([conn.reply(), conn.reply()], [Value::Int(1), Value::Int(2)]);
    assert_eq!(conn.reply().text(), "2");
    assert!(matches!(conn.reply(), Value::Error(_)));
    assert_eq!([(); 3].map(|()| conn.reply().text()), ["OK", "QUEUED", "3"]);
    conn.expect_nothing_more();
}

#[test]
fn rule_08_slots_resolved_in_reverse_answer_in_order() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let [x, y] = [leader.lead("x"), leader.lead("y")];
    conn.pipeline(&["FILL.GET x WAIT 60000", "PING one", "FILL.GET y WAIT 60000", "PING two"]);
    server.until_waiters("y", 1);
    leader.say(&format!("FILL.PUT y {y} vy"));
    server.expect_parked("x", &mut [&mut conn]);
    leader.say(&format!("FILL.PUT x {x} vx"));
    assert_eq!(conn.answer(), Answer::hit("vx", -1));
    assert_eq!(conn.reply().text(), "one");
    assert_eq!(conn.answer(), Answer::hit("vy", -1));
    assert_eq!(conn.reply().text(), "two");
    conn.expect_nothing_more();
}

#[test]
fn slot_behind_another_ends_its_wait_in_its_own_time() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let x = leader.lead("x LEASE 600000");
    leader.lead("y LEASE 600000");
    conn.pipeline(&["FILL.GET x WAIT 60000", "FILL.GET y WAIT 100"]);
    server.until_waiters("y", 1);
    server.advance_ms(100);
    server.until_waiters("y", 0);
    server.expect_parked("x", &mut [&mut conn]);
    leader.say(&format!("FILL.PUT x {x} vx"));
    assert_eq!(conn.answer(), Answer::hit("vx", -1));
    conn.answer().expect_wait_over();
}

#[test]
fn replies_ahead_of_a_slot_are_written_at_once() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k");
    conn.pipeline(&["PING one", "FILL.GET k WAIT 100", "PING two"]);
    assert_eq!(conn.reply().text(), "one");
    server.until_waiters("k", 1);
    conn.expect_silence();
    server.advance_ms(100);
    conn.answer().expect_wait_over();
    assert_eq!(conn.reply().text(), "two");
}

#[test]
fn put_behind_a_parked_read_on_the_same_connection_is_done() {
    let server = TestServer::start();
    let [mut one, mut two, mut waiter] = server.connect_many();
    let mine = one.lead("mine");
    let theirs = two.lead("theirs");
    server.park(&mut waiter, "mine WAIT 60000");
    server.park(&mut one, "theirs WAIT 60000");
    one.send(&["FILL.PUT", "mine", &mine, "v"]);
    assert_eq!(waiter.answer(), Answer::hit("v", -1));
    one.expect_silence();
    two.say(&format!("FILL.PUT theirs {theirs} w"));
    assert_eq!(one.answer(), Answer::hit("w", -1));
    assert_eq!(one.reply().text(), "OK");
}

#[test]
fn two_callers_of_one_connection_parked_on_one_key_are_answered_alike() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    for (end, answer) in [
        ("PUT k {} v", Answer::hit("v", -1)),
        ("NONE k {}", Answer::none(-1)),
        ("PASS k {}", Answer::pass(-1)),
        ("FAIL k {} down RETRY 100", Answer::fail("down", 100)),
    ] {
        let token = leader.lead("k");
        conn.pipeline(&["FILL.GET k WAIT 60000", "PING", "FILL.GET k WAIT 60000"]);
        server.until_waiters("k", 2);
        assert_eq!(leader.say(&format!("FILL.{}", end.replace("{}", &token))), "OK");
        assert_eq!(conn.answer(), answer);
        assert_eq!(conn.reply().text(), "PONG");
        assert_eq!(conn.answer(), answer);
        leader.say("DEL k");
    }
    conn.expect_nothing_more();
}

#[test]
fn caller_whose_own_connection_is_elected_before_it_stays_parked_and_gets_what_that_one_puts() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.pipeline(&["FILL.GET k WAIT 60000", "FILL.GET k WAIT 60000"]);
    server.until_waiters("k", 2);
    assert_eq!(leader.say(&format!("FILL.FAIL k {token}")), "OK");
    let token = conn.answer().expect("LEAD").into_token();
    server.expect_parked("k", &mut [&mut conn]);
    conn.send(&["FILL.PUT", "k", &token, "v"]);
    assert_eq!(conn.answer(), Answer::hit("v", -1));
    assert_eq!(conn.reply().text(), "OK");
}

#[test]
fn caller_parked_behind_its_own_connections_lease_leads_when_that_ends() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k LEASE 100");
    conn.pipeline(&["FILL.GET k WAIT 60000 LEASE 100", "FILL.GET k WAIT 60000"]);
    server.until_waiters("k", 2);
    server.advance_ms(100);
    let first = conn.answer().expect("LEAD").into_token();
    server.until_waiters("k", 1);
    server.advance_ms(100);
    let second = conn.answer().expect("LEAD").into_token();
    assert_eq!(leader.say(&format!("FILL.PUT k {first} old")), "VOID");
    assert_eq!(leader.say(&format!("FILL.PUT k {second} new")), "OK");
}

#[test]
fn rule_09_two_connections_that_wait_for_each_others_keys_do_not_deadlock() {
    let server = TestServer::start();
    let [mut one, mut two] = server.connect_many();
    let [x, y] = [one.lead("x"), two.lead("y")];
    server.park(&mut one, "y WAIT 60000");
    server.park(&mut two, "x WAIT 60000");
    one.send(&["FILL.PUT", "x", &x, "vx"]);
    assert_eq!(two.answer(), Answer::hit("vx", -1));
    assert_eq!(two.say(&format!("FILL.PUT y {y} vy")), "OK");
    assert_eq!(one.answer(), Answer::hit("vy", -1));
    assert_eq!(one.reply().text(), "OK");
}

#[test]
fn rule_09_two_multiplexed_connections_whose_leaders_fail_do_not_deadlock() {
    let server = TestServer::start();
    let [mut one, mut two] = server.connect_many();
    let [x, y] = [one.lead("x"), two.lead("y")];
    server.park(&mut one, "y WAIT 60000");
    server.park(&mut two, "x WAIT 60000");
    one.send(&["FILL.FAIL", "x", &x]);
    two.answer().expect("LEAD");
    two.send(&["FILL.FAIL", "y", &y]);
    assert_eq!(two.reply().text(), "OK");
    one.answer().expect("LEAD");
    assert_eq!(one.reply().text(), "OK");
}

#[test]
fn deletion_by_the_parked_connection_itself_makes_it_lead() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k");
    conn.pipeline(&["FILL.GET k WAIT 60000", "DEL k", "PING"]);
    conn.answer().expect("LEAD");
    assert_eq!([conn.reply().text(), conn.reply().text()], ["0", "PONG"]);
}

#[test]
fn write_by_the_parked_connection_itself_answers_it() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k");
    conn.pipeline(&["FILL.GET k WAIT 60000", "SET k v", "GET k"]);
    assert_eq!(conn.answer(), Answer::hit("v", -1));
    assert_eq!([conn.reply().text(), conn.reply().text()], ["OK", "v"]);
}

#[test]
fn select_behind_a_slot_does_not_move_the_slot() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["SELECT 1", "SET k one", "SELECT 0", "INCR n"]);
    wait_until("the commands have run", || server.control().say("GET n") == "1");
    server.expect_parked("k", &mut [&mut conn]);
    leader.say(&format!("FILL.PUT k {token} zero"));
    assert_eq!(conn.answer(), Answer::hit("zero", -1));
    assert_eq!([(); 4].map(|()| conn.reply().text()), ["OK", "OK", "OK", "1"]);
}

#[test]
fn hello_behind_a_slot_leaves_the_slots_protocol() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["HELLO 3", "GET absent"]);
    leader.say(&format!("FILL.PUT k {token} v"));
    let mut head = conn.raw(4 + "+HIT\r\n".len());
    if head[4] == b'$' {
        head.extend(conn.raw(2));
    }
    let tail = b"$1\r\nv\r\n$-1\r\n:-1\r\n";
    assert_eq!(conn.raw(tail.len()), tail, "the client still reads RESP2 here");
    assert!(matches!(conn.reply(), Value::Map(_)));
    assert_eq!(conn.raw(3), b"_\r\n");
}

#[test]
fn quit_behind_a_slot_leaves_no_waiter() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    let id = conn.id();
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["QUIT"]);
    leader.say(&format!("FILL.PUT k {token} v"));
    server.until_gone(id);
    while conn.next_reply().is_ok() {}
    assert_eq!(server.figure("fill_waiters"), 0);
}

#[test]
fn reply_that_was_switched_off_stays_off_for_a_parked_caller() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.pipeline(&["CLIENT REPLY SKIP", "FILL.GET k WAIT 60000", "PING first"]);
    leader.say(&format!("FILL.PUT k {token} v"));
    assert_eq!(conn.reply().text(), "first");
    conn.expect_nothing_more();
}

#[test]
fn sixty_four_slots_may_be_parked_on_a_connection_and_the_next_is_shed() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let token = leader.lead("k");
    conn.pipeline(&["FILL.GET k WAIT 60000"; 64]);
    server.until_waiters("k", 64);
    assert_eq!(server.figure("fill_shed_slots"), 0);
    conn.ask("k WAIT 60000");
    wait_until("the 65th is shed", || server.figure("fill_shed_slots") == 1);
    assert_eq!(server.waiters("k"), 64);
    conn.expect_silence();
    leader.say(&format!("FILL.PUT k {token} v"));
    (0..64).for_each(|_| assert_eq!(conn.answer(), Answer::hit("v", -1)));
    conn.answer().expect_stay_away();
    conn.expect_nothing_more();
}

#[test]
fn slots_per_connection_are_a_setting_and_free_up() {
    let server = TestServer::start_with(|settings| settings.fill_slots_per_connection = 1);
    let [mut leader, mut conn] = server.connect_many();
    for key in ["a", "b"] {
        let token = leader.lead(key);
        server.park(&mut conn, &format!("{key} WAIT 60000"));
        conn.ask(&format!("{key} WAIT 60000"));
        leader.say(&format!("FILL.PUT {key} {token} v"));
        assert_eq!(conn.answer(), Answer::hit("v", -1));
        // The second is shed, or comes after the PUT and hits.
        let second = conn.answer();
        assert!(second.status == "WAIT" || second == Answer::hit("v", -1), "{second:?}");
        conn.expect_nothing_more();
    }
}

#[test]
fn a_thousand_and_twenty_four_replies_may_wait_behind_a_slot() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k LEASE 600000");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["PING"; 1023]);
    run_behind_slot(&server, &mut conn, "INCR n", "n", "1");
    server.expect_parked("k", &mut [&mut conn]);
    conn.pipeline(&["INCR n"]);
    conn.answer().expect_stay_away();
    (0..1023).for_each(|_| assert_eq!(conn.reply().text(), "PONG"));
    assert_eq!([conn.reply(), conn.reply()], [Value::Int(1), Value::Int(2)]);
    server.until_waiters("k", 0);
    conn.expect_nothing_more();
}

#[test]
fn more_than_a_mebibyte_behind_a_slot_answers_it_wait() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    let value = "v".repeat(600 * 1024);
    assert_eq!(leader.call(&["SET", "big", &value]).text(), "OK");
    leader.lead("k LEASE 600000");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["GET big"]);
    run_behind_slot(&server, &mut conn, "INCR n", "n", "1");
    server.expect_parked("k", &mut [&mut conn]);
    conn.pipeline(&["GET big"]);
    conn.answer().expect_stay_away();
    for expected in [&value, "1", &value] {
        assert!(conn.reply().text() == expected);
    }
    conn.expect_nothing_more();
}

#[test]
fn small_replies_count_towards_the_mebibyte_too() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.call(&["SET", "big", &"v".repeat(10 * 1024)]);
    leader.lead("k LEASE 600000");
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["GET big"; 90]);
    run_behind_slot(&server, &mut conn, "INCR n", "n", "1");
    server.expect_parked("k", &mut [&mut conn]);
    conn.pipeline(&["GET big"; 15]);
    conn.answer().expect_stay_away();
    (0..90).for_each(|_| assert_eq!(conn.reply().text().len(), 10 * 1024));
    assert_eq!(conn.reply(), Value::Int(1));
    (0..15).for_each(|_| assert_eq!(conn.reply().text().len(), 10 * 1024));
}

#[test]
fn limit_behind_several_slots_resolves_all_that_hold_it_up() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("x LEASE 600000");
    leader.lead("y LEASE 600000");
    server.park(&mut conn, "x WAIT 60000");
    server.park(&mut conn, "y WAIT 60000");
    conn.pipeline(&["PING"; 1100]);
    conn.answer().expect_stay_away();
    conn.answer().expect_stay_away();
    (0..1100).for_each(|_| assert_eq!(conn.reply().text(), "PONG"));
    conn.expect_nothing_more();
}
