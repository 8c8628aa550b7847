//! Connections and what bounds them: limits, passwords, slow readers, panics, endings. From outside, over sockets.

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;

use crate::support::{Conn, TestServer, Value, wait_until};
use onefill::config::{DebugAccess, Settings};

const MIB: usize = 1 << 20;

/// A figure of INFO's section `stats`.
#[track_caller]
fn stat(conn: &mut Conn, name: &str) -> u64 {
    let info = conn.say("INFO stats");
    let figure = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

/// A client's line of CLIENT LIST.
fn client_line(conn: &mut Conn, id: i64) -> Option<String> {
    let list = conn.say("CLIENT LIST");
    list.lines().find(|line| line.starts_with(&format!("id={id} "))).map(str::to_owned)
}

/// A field of a line of CLIENT LIST.
#[track_caller]
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let fields = line.split(' ').filter_map(|field| field.split_once('='));
    fields.into_iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("no {name} in {line}")).1
}

/// Bytes that differ from place to place.
fn pattern(bytes: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..65_521u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    block.iter().copied().cycle().take(bytes).collect()
}

#[track_caller]
fn expect_bulk(conn: &mut Conn, expected: &[u8]) {
    match conn.reply() {
        Value::Bulk(bytes) => assert!(bytes == expected, "{} bytes, not those expected", bytes.len()),
        other => panic!("expected a value, got {other:?}"),
    }
}

fn debug_allowed(settings: &mut Settings) {
    settings.enable_debug_command = DebugAccess::Yes;
}

#[test]
fn connection_beyond_maxclients_is_told_so_and_closed() {
    // One of the three is the server's own looker-on.
    let server = TestServer::start_with(|settings| settings.maxclients = 3);
    let [mut one, mut two] = server.connect_many();
    assert_eq!((one.say("PING").as_str(), two.say("PING").as_str()), ("PONG", "PONG"));
    let mut three = server.connect();
    assert_eq!(three.reply(), Value::Error("ERR max number of clients reached".to_owned()));
    three.expect_closed();
    assert_eq!(stat(&mut one, "rejected_connections"), 1);
    two.close();
    wait_until("there is room again", || {
        server.connect().try_send_raw(b"").is_ok() && {
            let mut next = server.connect();
            next.send(&["PING"]);
            next.next_reply() == Ok(Value::Status("PONG".to_owned()))
        }
    });
    assert_eq!(one.say("CONFIG SET maxclients 100"), "OK");
}

#[test]
fn idle_connection_is_closed_after_its_time_but_not_a_parked_one() {
    let server = TestServer::start_with(|settings| settings.timeout_s = 10);
    let [mut leader, mut waiter, mut idle] = server.connect_many();
    leader.get("k LEASE 600000 DETACHED").expect("LEAD");
    server.park(&mut waiter, "k WAIT 60000");
    idle.say("PING");
    server.advance_ms(1);
    let mut younger = server.connect();
    younger.say("PING");
    server.advance_ms(10_000);

    idle.expect_closed();
    leader.expect_closed();
    // The same round found these within their time, or parked.
    assert_eq!(younger.say("PING"), "PONG");
    assert_eq!(
        younger.run("FILL.INFO k").pairs().iter().find(|(name, _)| name == "waiters").unwrap().1.int(),
        1
    );
    waiter.expect_silence();
    younger.say("CONFIG SET timeout 0");
}

/// Asks for 64 values of 256 KiB and reads none; returns its id.
fn pile_up(server: &TestServer, conn: &mut Conn) -> i64 {
    let id = conn.id();
    server.control().call(&[b"SET".as_slice(), b"big", &pattern(256 * 1024)]);
    conn.pipeline(&["GET big"; 64]);
    id
}

#[test]
fn reader_beyond_the_hard_limit_is_closed() {
    let server = TestServer::start_with(|settings| settings.output_limits[0].hard_bytes = 4 * MIB as u64);
    let mut slow = server.connect_slow_reader();
    let id = pile_up(&server, &mut slow);
    server.until_gone(id);
    assert_eq!(stat(&mut server.control(), "client_output_buffer_limit_disconnections"), 1);
    while slow.next_reply().is_ok() {}
    assert_eq!(server.control().say("PING"), "PONG");
}

#[test]
fn reader_beyond_the_soft_limit_is_closed_when_its_time_is_up() {
    let server = TestServer::start_with(|settings| {
        settings.output_limits[0].soft_bytes = MIB as u64;
        settings.output_limits[0].soft_seconds = 5;
    });
    let piled_up = |id: i64| {
        let line = client_line(&mut server.control(), id);
        line.is_some_and(|line| field(&line, "omem").parse::<usize>().is_ok_and(|bytes| bytes > 2 * MIB))
    };
    let [mut first, mut second] = [server.connect_slow_reader(), server.connect_slow_reader()];
    let first_id = pile_up(&server, &mut first);
    wait_until("the first piles up", || piled_up(first_id));
    server.advance_ms(1);
    let second_id = pile_up(&server, &mut second);
    wait_until("the second piles up", || piled_up(second_id));
    server.advance_ms(5_000);
    server.until_gone(first_id);
    // The round that closed the first found the second within its time, to the millisecond.
    assert!(client_line(&mut server.control(), second_id).is_some());
    assert_eq!(stat(&mut server.control(), "client_output_buffer_limit_disconnections"), 1);
    for _ in 0..64 {
        expect_bulk(&mut second, &pattern(256 * 1024));
    }
    second.expect_nothing_more();
}

#[test]
fn request_beyond_the_query_buffer_limit_closes_its_connection() {
    let server = TestServer::start_with(|settings| settings.query_buffer_bytes_max = MIB);
    let mut long = server.connect();
    // Closed while it is still being sent.
    let _ = long.try_send_raw(&[b"*2\r\n$4\r\nECHO\r\n$3000000\r\n".as_slice(), &pattern(2 * MIB)].concat());
    long.expect_closed();
    let mut queue = server.connect();
    queue.say("MULTI");
    for _ in 0..30 {
        let _ =
            queue.try_send_raw(&crate::support::conn::request(&[b"SET".as_slice(), b"k", &pattern(50_000)]));
    }
    while queue.next_reply().is_ok() {}
    let mut conn = server.connect();
    assert_eq!(stat(&mut conn, "client_query_buffer_limit_disconnections"), 2);
    assert_eq!(conn.say("EXISTS k"), "0");
}

#[test]
fn password_is_asked_for_before_anything_else() {
    let server = TestServer::start_with(|settings| settings.requirepass = Some(b"secret".to_vec()));
    let [mut conn, mut hello, mut two] = server.connect_many();
    for line in ["PING", "GET k", "MULTI", "CONFIG GET requirepass", "FILL.GET k", "CLIENT ID"] {
        assert_eq!(conn.error(line), "NOAUTH Authentication required.", "{line}");
    }
    assert!(conn.error("NOSUCH a").starts_with("ERR unknown command"));
    assert!(hello.error("HELLO 3").starts_with("NOAUTH HELLO must be called"));
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    for line in ["AUTH wrong", "AUTH default wrong", "AUTH somebody secret", "AUTH secre", "AUTH secrett"] {
        assert_eq!(conn.error(line), wrong, "{line}");
    }
    assert_eq!(hello.error("HELLO 3 AUTH default wrong"), wrong);
    assert_eq!(conn.error("PING"), "NOAUTH Authentication required.");
    assert_eq!((conn.say("AUTH secret").as_str(), conn.say("PING").as_str()), ("OK", "PONG"));
    assert_eq!(two.say("AUTH default secret"), "OK");
    assert!(matches!(hello.run("HELLO 3 AUTH default secret SETNAME me"), Value::Map(_)));
    assert_eq!(hello.say("CLIENT GETNAME"), "me");

    assert_eq!(conn.error("AUTH wrong"), wrong);
    assert_eq!(conn.say("PING"), "PONG", "a wrong try changes nothing");
    assert_eq!(two.say("RESET"), "RESET");
    assert_eq!(two.error("PING"), "NOAUTH Authentication required.");
    assert_eq!(conn.say("CONFIG SET requirepass other"), "OK");
    assert_eq!(conn.say("PING"), "PONG", "who is in stays in");
    assert_eq!(two.error("AUTH secret"), wrong);
    assert_eq!(two.say("AUTH other"), "OK");
    conn.send(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(server.connect().say("PING"), "PONG");
    assert!(conn.error("AUTH x").contains("without any password configured"));
}

#[test]
fn before_auth_only_small_requests_are_taken() {
    let server = TestServer::start_with(|settings| settings.requirepass = Some(b"secret".to_vec()));
    let cases: &[(&[u8], &str)] = &[
        (b"*11\r\n", "ERR Protocol error: unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nPING\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length"),
    ];
    for (bytes, error) in cases {
        let mut conn = server.connect();
        conn.send_raw(bytes);
        assert_eq!(conn.reply(), Value::Error((*error).to_owned()));
        conn.expect_closed();
    }
    // AUTH lifts the limits for what stands behind it in the same packet.
    let mut conn = server.connect();
    let value = pattern(100_000);
    let auth = crate::support::conn::request(&["AUTH", "secret"]);
    let set = crate::support::conn::request(&[b"SET".as_slice(), b"k", &value]);
    conn.send_raw(&[auth, set, crate::support::conn::request(&["GET", "k"])].concat());
    assert_eq!((conn.reply().text(), conn.reply().text()), ("OK".to_owned(), "OK".to_owned()));
    expect_bulk(&mut conn, &value);
    conn.send(&["CONFIG", "SET", "requirepass", ""]);
    conn.reply();
}

/// An address of this machine that is not the loopback; nothing is sent to find it.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[test]
fn protected_server_refuses_other_machines_until_there_is_a_password() {
    let Some(ip) = outer_address() else {
        eprintln!("skipped: this machine has no address besides the loopback");
        return;
    };
    let server = TestServer::start_with(|settings| settings.bind = vec!["0.0.0.0".to_owned()]);
    let addr = SocketAddr::new(ip, server.addr().port());
    let outside = || Conn::open(addr);
    let mut refused = outside();
    let Value::Error(text) = refused.reply() else { panic!("it must be refused") };
    assert!(text.starts_with("DENIED ") && text.contains("protected mode"), "{text}");
    refused.expect_closed();
    let mut inside = server.connect();
    assert_eq!(inside.say("PING"), "PONG");

    inside.say("CONFIG SET requirepass secret");
    let mut admitted = outside();
    assert_eq!(admitted.error("PING"), "NOAUTH Authentication required.");
    assert_eq!(admitted.say("AUTH secret"), "OK");
    assert_eq!(inside.call(&["CONFIG", "SET", "requirepass", "", "protected-mode", "no"]).text(), "OK");
    assert_eq!(outside().say("PING"), "PONG");
}

#[test]
fn panic_closes_its_connection_alone_and_is_counted() {
    let server = TestServer::start_with(debug_allowed);
    let mut others: [Conn; 4] = server.connect_many();
    let [mut leader, mut waiter, mut victim] = server.connect_many();
    leader.lead("k LEASE 600000");
    let leader_id = leader.id();
    server.park(&mut waiter, "k WAIT 60000");
    victim.pipeline(&["SET before 1", "DEBUG PANIC", "SET after 1"]);
    while victim.next_reply().is_ok() {}
    leader.pipeline(&["DEBUG PANIC"]);
    leader.expect_closed();

    // What the connection held is passed on as if its client had gone.
    server.until_gone(leader_id);
    server.advance_ms(50);
    waiter.answer().expect("LEAD");
    for conn in &mut others {
        assert_eq!(conn.say("PING"), "PONG");
        assert_eq!(conn.say("MGET before after"), "1 nil");
    }
    assert_eq!(stat(&mut others[0], "panics"), 2);
}

#[test]
fn panic_within_exec_leaves_no_lock_behind() {
    let server = TestServer::start_with(debug_allowed);
    let mut victim = server.connect();
    victim.pipeline(&["MULTI", "SET a 1", "DEBUG PANIC", "SET b 1", "EXEC"]);
    while victim.next_reply().is_ok() {}
    let mut conn = server.connect();
    assert_eq!(conn.say("FLUSHALL"), "OK");
    assert_eq!(conn.say("MSET a 1 b 2 c 3"), "OK");
    assert_eq!(conn.say("DBSIZE"), "3");
    assert_eq!(stat(&mut conn, "panics"), 1);
}

#[test]
fn quit_answers_what_came_before_it_and_nothing_after() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["SET k 1", "QUIT", "SET k 2", "PING"]);
    assert_eq!((conn.reply().text(), conn.reply().text()), ("OK".to_owned(), "OK".to_owned()));
    conn.expect_closed();
    assert_eq!(server.control().say("GET k"), "1");
}

#[test]
fn quit_behind_a_parked_request_answers_both() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k LEASE 600000");
    conn.pipeline(&["PING", "FILL.GET k WAIT 60000", "PING", "QUIT"]);
    assert_eq!(conn.reply().text(), "PONG");
    conn.answer().expect_stay_away();
    assert_eq!((conn.reply().text(), conn.reply().text()), ("PONG".to_owned(), "OK".to_owned()));
    conn.expect_closed();
    assert_eq!(server.waiters("k"), 0);
}

#[test]
fn malformed_input_behind_a_parked_request_still_gets_its_error() {
    let server = TestServer::start();
    let [mut leader, mut conn] = server.connect_many();
    leader.lead("k LEASE 600000");
    conn.pipeline(&["FILL.GET k WAIT 60000"]);
    conn.send_raw(b"*1\r\n!\r\n");
    conn.answer().expect_stay_away();
    assert_eq!(conn.reply(), Value::Error("ERR Protocol error: expected '$', got '!'".to_owned()));
    conn.expect_closed();
}

#[test]
fn requests_received_before_the_client_stopped_sending_are_answered() {
    let server = TestServer::start();
    let value = pattern(64 * 1024);
    server.control().call(&[b"SET".as_slice(), b"k", &value]);
    for count in [1, 400] {
        let mut conn = server.connect_slow_reader();
        conn.pipeline(&vec!["GET k"; count]);
        conn.finish_sending();
        for _ in 0..count {
            expect_bulk(&mut conn, &value);
        }
        conn.expect_closed();
    }
}

#[test]
fn requests_may_arrive_byte_by_byte() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let requests = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n\r\n  GET \"k\" \r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
    for byte in requests {
        conn.send_raw(&[*byte]);
    }
    assert_eq!(conn.reply().text(), "OK");
    expect_bulk(&mut conn, b"a\r\nbc");
    expect_bulk(&mut conn, b"a\r\nbc");
    assert_eq!(conn.reply().text(), "PONG");
}

#[test]
fn ten_thousand_requests_at_once_are_answered_in_order() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&vec!["INCR n"; 10_000]);
    for n in 1..=10_000 {
        assert_eq!(conn.reply().int(), n);
    }
    conn.expect_nothing_more();
}

#[test]
fn large_value_sent_in_pieces_among_other_requests_is_stored_as_it_came() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let value = pattern(3 * MIB + 5);
    let mut bytes = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n".to_vec();
    bytes.extend(format!("${}\r\n", value.len()).bytes());
    bytes.extend(&value);
    bytes.extend(b"\r\n*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$3\r\nend\r\n*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n");
    for piece in bytes.chunks(700_001) {
        conn.send_raw(piece);
    }
    assert_eq!(conn.reply(), Value::Status("PONG".into()));
    assert_eq!(conn.reply(), Value::Status("OK".into()));
    let length = value.len() as i64 + 3;
    assert_eq!([conn.reply(), conn.reply()], [Value::Int(length), Value::Int(length)]);
    conn.send(&["GET", "k"]);
    expect_bulk(&mut conn, &[&value[..], b"end"].concat());
}

#[test]
fn large_value_comes_back_as_it_was() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let value = pattern(20 * MIB);
    assert_eq!(conn.call(&[b"SET".as_slice(), b"k", &value]).text(), "OK");
    conn.send(&["GET", "k"]);
    expect_bulk(&mut conn, &value);
    assert_eq!(conn.say("STRLEN k"), (20 * MIB).to_string());
    assert_eq!(
        conn.call(&["GETRANGE", "k", "16777216", "16777225"]),
        Value::Bulk(value[16_777_216..=16_777_225].to_vec())
    );
}

#[test]
fn slow_reader_of_a_huge_value_holds_up_nobody() {
    let server = TestServer::start();
    let value = pattern(100 * MIB);
    let mut slow = server.connect_slow_reader();
    assert_eq!(slow.call(&[b"SET".as_slice(), b"k", &value]).text(), "OK");
    slow.send(&["GET", "k"]);
    let mut others: [Conn; 4] = server.connect_many();
    for n in 1..=200 {
        for conn in &mut others {
            assert_eq!(conn.call(&["INCR", "n"]).text(), conn.call(&["GET", "n"]).text(), "round {n}");
        }
    }
    assert_eq!(others[0].say("DEL k"), "1", "the reply on its way keeps its value");
    expect_bulk(&mut slow, &value);
    slow.expect_nothing_more();
}

#[test]
fn paused_connection_loses_nothing() {
    const INCREMENTS: usize = 20_000;
    let server = TestServer::start();
    let mut slow = server.connect_slow_reader();
    let id = slow.id();
    server.control().call(&[b"SET".as_slice(), b"big", &pattern(MIB)]);
    slow.pipeline(&["GET big"; 100]);
    let mut sender = slow.second_handle();
    let sending = thread::spawn(move || sender.pipeline(&vec!["INCR n"; INCREMENTS]));
    wait_until("its replies exceed what may wait", || {
        let line = client_line(&mut server.control(), id).expect("it is connected");
        field(&line, "omem").parse::<usize>().is_ok_and(|bytes| bytes > 64 * MIB)
    });
    let value = pattern(MIB);
    for _ in 0..50 {
        expect_bulk(&mut slow, &value);
    }
    for _ in 50..100 {
        expect_bulk(&mut slow, &value);
    }
    for n in 1..=INCREMENTS {
        assert_eq!(slow.reply().int(), n as i64);
    }
    sending.join().expect("everything was sent");
    slow.expect_nothing_more();
}

#[test]
fn replies_can_be_switched_off_and_skipped() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.pipeline(&["CLIENT REPLY SKIP", "SET a 1", "GET a"]);
    assert_eq!(conn.reply().text(), "1");
    conn.pipeline(&[
        "CLIENT REPLY OFF",
        "SET a 2",
        "NOSUCH",
        "CLIENT REPLY SKIP",
        "PING",
        "CLIENT REPLY ON",
        "GET a",
    ]);
    assert_eq!((conn.reply().text(), conn.reply().text()), ("OK".to_owned(), "2".to_owned()));
    conn.pipeline(&["CLIENT REPLY SKIP", "NOSUCH", "PING"]);
    assert_eq!(conn.reply().text(), "PONG");
    assert_eq!(conn.error("CLIENT REPLY MAYBE"), "ERR syntax error");
}

#[test]
fn client_kill_takes_those_its_filter_names() {
    let server = TestServer::start();
    let mut me = server.connect();
    let (my_id, mut victim) = (me.id(), server.connect());
    let addr_of = |me: &mut Conn, id: i64| field(&client_line(me, id).expect("a client"), "addr").to_owned();

    let victim_id = victim.id();
    let addr = addr_of(&mut me, victim_id);
    assert_eq!(me.say(&format!("CLIENT KILL {addr}")), "OK");
    victim.expect_closed();
    server.until_gone(victim_id);
    assert_eq!(me.error(&format!("CLIENT KILL {addr}")), "ERR No such client");
    assert_eq!(me.say(&format!("CLIENT KILL ADDR {addr}")), "0");

    for filter in ["ID {id}", "ADDR {addr}", "TYPE normal ID {id}", "USER default ADDR {addr} SKIPME yes"] {
        let mut victim = server.connect();
        let id = victim.id();
        let filter = filter.replace("{id}", &id.to_string()).replace("{addr}", &addr_of(&mut me, id));
        assert_eq!(me.say(&format!("CLIENT KILL {filter}")), "1", "{filter}");
        victim.expect_closed();
    }
    for (filter, error) in [
        ("ID 0", "ERR client-id should be greater than 0"),
        ("TYPE odd", "ERR Unknown client type 'odd'"),
        ("USER nobody ID 1", "ERR No such user 'nobody'"),
        ("ID 1 SKIPME perhaps", "ERR syntax error"),
        ("ID 1 ODD x", "ERR syntax error"),
    ] {
        assert_eq!(me.error(&format!("CLIENT KILL {filter}")), error, "{filter}");
    }
    assert_eq!(me.say("CLIENT KILL TYPE pubsub"), "0");
    assert_eq!(me.say(&format!("CLIENT KILL ID {my_id}")), "0", "oneself is skipped unless SKIPME no");
    assert_eq!(me.say(&format!("CLIENT KILL ID {my_id} SKIPME no")), "1");
    me.expect_closed();
}

/// Whose requests are there unread when it is killed sees the end of the stream, not a reset; and the killer finds it
/// nowhere once it has its answer.
#[test]
fn client_kill_ends_the_stream_before_it_answers() {
    let server = TestServer::start();
    let mut me = server.connect();
    for round in 0..20 {
        let mut victim = server.connect();
        let id = victim.id();
        assert_eq!(me.say("CLIENT PAUSE 100000 WRITE"), "OK");
        victim.send(&["SET", "k", "v"]);
        crate::support::wait_until("it is put off", || {
            me.say("INFO clients").contains("blocked_clients:1\r\n")
        });
        victim.send(&["GET", "k"]);
        assert_eq!(me.say(&format!("CLIENT KILL ID {id}")), "1");
        assert!(client_line(&mut me, id).is_none(), "round {round}: it is listed after its end");
        let end = victim.next_reply().expect_err("nothing was answered");
        assert!(end.contains("closed"), "round {round}: {end}");
        assert_eq!(me.say("CLIENT UNPAUSE"), "OK");
    }
}

#[test]
fn client_kill_by_own_address_takes_all_but_the_asker() {
    let server = TestServer::start();
    let [mut one, mut two, mut me] = server.connect_many();
    let laddr = server.addr();
    one.say("PING");
    two.say("PING");
    // The server's own looker-on is the third.
    assert_eq!(me.say(&format!("CLIENT KILL LADDR {laddr}")), "3");
    one.expect_closed();
    two.expect_closed();
    assert_eq!(me.say("PING"), "PONG");
}

#[test]
fn client_list_tells_what_each_connection_is_about() {
    let server = TestServer::start();
    let [mut me, mut leader, mut waiter] = server.connect_many();
    let mut resp3 = server.connect_resp3();
    for line in [
        "CLIENT SETNAME worker-1",
        "CLIENT SETINFO LIB-NAME lib",
        "CLIENT SETINFO LIB-VER 1.2",
        "SELECT 3",
        "WATCH a b",
        "MULTI",
        "PING",
    ] {
        resp3.run(line);
    }
    leader.lead("k LEASE 600000");
    server.park(&mut waiter, "k WAIT 60000");
    let waiter_line = {
        let list = me.say("CLIENT LIST");
        let mut parked = list.lines().filter(|line| field(line, "flags").contains('b')).map(str::to_owned);
        let only = parked.next().expect("one is parked");
        assert_eq!(parked.next(), None);
        only
    };
    assert_eq!(field(&waiter_line, "cmd"), "fill.get");
    server.advance_ms(4_999);
    let list = me.say("CLIENT LIST");
    let line = list.lines().find(|line| field(line, "name") == "worker-1").expect("the named one");
    for (name, expected) in [
        ("lib-name", "lib"),
        ("lib-ver", "1.2"),
        ("db", "3"),
        ("resp", "3"),
        ("multi", "1"),
        ("watch", "2"),
        ("flags", "x"),
        ("cmd", "ping"),
        ("age", "4"),
        ("idle", "4"),
        ("user", "default"),
        ("sub", "0"),
        ("laddr", &server.addr().to_string()),
    ] {
        assert_eq!(field(line, name), expected, "{name}: {line}");
    }
    let id: i64 = field(line, "id").parse().expect("a number");
    assert_eq!(me.say(&format!("CLIENT LIST ID {id} 999999")).lines().count(), 1);
    assert_eq!(me.say("CLIENT LIST TYPE normal").lines().count(), list.lines().count());
    assert_eq!(me.say("CLIENT LIST TYPE replica"), "");
    assert_eq!(field(me.say("CLIENT INFO").trim(), "cmd").split('|').next(), Some("client"));
    resp3.run("DISCARD");
    leader.run("DEL k");
}

#[test]
fn connection_that_breaks_off_mid_request_leaves_nothing_behind() {
    let server = TestServer::start();
    for cut in [1, 5, 9, 20] {
        let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
        let stream = TcpStream::connect(server.addr()).expect("the server accepts");
        let mut conn = Conn::over(stream);
        let id = conn.id();
        conn.send_raw(&request[..cut]);
        conn.close();
        server.until_gone(id);
    }
    assert_eq!(server.control().say("EXISTS k"), "0");
}

/// When the reply to QUIT is read, the connection is gone for everybody.
#[test]
fn connection_that_has_quit_is_known_to_nobody() {
    let server = TestServer::start();
    let mut other = server.connect();
    for _ in 0..300 {
        let mut conn = server.connect();
        let id = conn.say("CLIENT ID");
        assert_eq!(conn.say("QUIT"), "OK");
        assert!(!other.say("CLIENT LIST").contains(&format!("id={id} ")));
        assert_eq!(other.say(&format!("CLIENT KILL ID {id}")), "0");
        assert!(other.error(&format!("CLIENT TRACKING ON REDIRECT {id}")).contains("does not exist"));
    }
}

/// QUIT behind a large reply: everything is delivered first, and then the connection ends.
#[test]
fn quit_behind_a_large_reply_delivers_all_of_it() {
    let server = TestServer::start();
    let mut conn = server.connect_slow_reader();
    let value = "x".repeat(3 << 20);
    conn.call(&["SET", "k", &value]);
    conn.pipeline(&["GET k", "QUIT"]);
    assert_eq!(conn.reply().text().len(), value.len());
    assert_eq!(conn.reply().text(), "OK");
    assert!(conn.next_reply().is_err_and(|what| what.contains("closed")));
}

/// Whether a connection is authenticated is one question: once no password is needed, nothing is cut short any more.
#[test]
fn connection_that_needs_no_password_any_more_is_as_free_as_a_new_one() {
    let server = TestServer::start_with(|settings| settings.requirepass = Some(b"pw".to_vec()));
    let mut stranger = server.connect();
    assert!(stranger.error("PING").starts_with("NOAUTH"));
    let mut admin = server.connect();
    admin.say("AUTH pw");
    assert_eq!(admin.call(&["CONFIG", "SET", "requirepass", ""]).text(), "OK");
    let long = "x".repeat(20_000);
    stranger.send_raw(format!("*13\r\n$4\r\nMSET\r\n{}", "$1\r\nk\r\n".repeat(12)).as_bytes());
    assert_eq!(stranger.reply().text(), "OK");
    assert_eq!(stranger.call(&["SET", "k", &long]).text(), "OK");
    assert!(matches!(stranger.run("HELLO 3"), Value::Map(_)));
}

/// Clients that block write a whole pipeline before they read. Whatever its replies come to, both sides go on.
#[test]
fn pipeline_that_is_written_before_anything_is_read_is_answered() {
    let server = TestServer::start();
    let value = "v".repeat(1_000);
    server.control().call(&["SET", "k", &value]);
    for (line, count, reply_bytes) in [
        (format!("ECHO {value}"), 100_000, 1_009),
        ("GET k".to_owned(), 150_000, 1_009),
        (format!("ECHO {}", "x".repeat(100_000)), 1_000, 100_011),
        ("FILL.GET k".to_owned(), 150_000, 4 + 6 + 1_009 + 5 + 5),
        (format!("SET k {value} GET"), 100_000, 1_009),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let mut conn = server.connect();
        conn.send_raw(&crate::support::conn::request(&words).repeat(count));
        let mut left = count * reply_bytes;
        while left > 0 {
            left -= conn.raw(left.min(1 << 20)).len();
        }
        assert_eq!(conn.say("PING"), "PONG", "{line:.20}");
    }
}

/// The same with requests cut anywhere, subscriptions in between, and a client that ends its side before it reads.
#[test]
fn client_that_reads_late_is_answered_in_order_to_the_last_request() {
    let server = TestServer::start();
    let value = "v".repeat(100_000);
    server.control().call(&["SET", "k", &value]);
    // A subscriber's limits are for messages that nobody asked for one by one.
    server.control().call(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0"]);
    let mut conn = server.connect_resp3();
    conn.say("SUBSCRIBE c");
    let mut requests = Vec::new();
    for number in 0..3_000 {
        requests.extend(crate::support::conn::request(&["ECHO", &number.to_string()]));
        requests.extend(crate::support::conn::request(&["GET", "k"]));
    }
    for (at, piece) in requests.chunks(7_919).enumerate() {
        conn.send_raw(piece);
        if at == 5 {
            server.control().say("PUBLISH c m");
        }
    }
    conn.finish_sending();
    let mut pushes = 0;
    let mut next = |conn: &mut Conn| loop {
        let text = conn.reply().text();
        if text == "message c m" {
            pushes += 1;
        } else {
            return text;
        }
    };
    for number in 0..3_000 {
        assert_eq!(next(&mut conn), number.to_string());
        assert_eq!(next(&mut conn).len(), value.len());
    }
    assert!(conn.next_reply().is_err_and(|what| what.contains("closed")));
    assert_eq!(pushes, 1);
}

/// One that never reads is closed when it has piled up more than it may, and says so in INFO.
#[test]
fn client_that_never_reads_is_closed_at_the_limit_of_its_requests() {
    let server = TestServer::start_with(|settings| settings.query_buffer_bytes_max = 8 << 20);
    let mut conn = server.connect();
    let requests = crate::support::conn::request(&["ECHO", &"x".repeat(100_000)]).repeat(10);
    let begin = std::time::Instant::now();
    while conn.try_send_raw(&requests).is_ok() {
        assert!(begin.elapsed() < crate::support::PATIENCE);
    }
    let mut control = server.control();
    assert_eq!(stat(&mut control, "client_query_buffer_limit_disconnections"), 1);
}
