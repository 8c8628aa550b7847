//! Publish/subscribe from outside: order, crowds, slow subscribers, and messages beside parked requests.
//!
//! What each command answers is compared with a real redis-server in redis-compat; here is what a script of
//! requests and replies cannot show.

use std::thread;

use crate::support::{Conn, TestServer, Value, wait_until};

/// As in the program: INFO's used_memory is this allocator's figure.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MIB: usize = 1 << 20;

/// The next message, as text.
#[track_caller]
fn message(conn: &mut Conn) -> String {
    conn.reply().text()
}

#[track_caller]
fn subscribe(conn: &mut Conn, channel: &str) {
    assert!(conn.say(&format!("SUBSCRIBE {channel}")).starts_with(&format!("subscribe {channel} ")));
}

fn figure(server: &TestServer, section: &str, name: &str) -> u64 {
    let info = server.control().say(&format!("INFO {section}"));
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

#[test]
fn messages_of_each_publisher_arrive_in_its_order_also_in_a_large_crowd() {
    // With 100 messages more sends than may wait in a worker: its publisher is held up in between.
    const CROWD: usize = 1_100;
    const MESSAGES: usize = 100;
    let server = TestServer::start();
    let mut crowd: Vec<Conn> = (0..CROWD).map(|_| server.connect()).collect();
    crowd.iter_mut().for_each(|conn| subscribe(conn, "news"));
    // One more in both ways, for messages of two deliveries.
    crowd[0].say("PSUBSCRIBE n*");
    thread::scope(|scope| {
        for publisher in ["ann", "bob"] {
            let mut conn = server.connect();
            scope.spawn(move || {
                let lines: Vec<String> =
                    (0..MESSAGES).map(|n| format!("PUBLISH news {publisher}-{n}")).collect();
                conn.pipeline(&lines);
                for _ in 0..MESSAGES {
                    assert_eq!(conn.reply(), Value::Int(CROWD as i64 + 1));
                }
                assert_eq!(conn.say("PING"), "PONG");
            });
        }
    });
    for (at, conn) in crowd.iter_mut().enumerate() {
        let copies = if at == 0 { 2 } else { 1 };
        let mut heard: Vec<String> = Vec::new();
        for _ in 0..2 * MESSAGES * copies {
            let text = message(conn);
            heard.extend(text.strip_prefix("message news ").map(str::to_owned));
        }
        for publisher in ["ann", "bob"] {
            let own = heard.iter().filter(|text| text.starts_with(publisher)).cloned();
            let expected: Vec<String> = (0..MESSAGES).map(|n| format!("{publisher}-{n}")).collect();
            assert_eq!(own.collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn ten_thousand_receivers_share_one_payload_and_stall_nobody() {
    const CONNECTIONS: usize = 200;
    const PER_CONNECTION: usize = 50;
    let server = TestServer::start_with(|settings| settings.output_limits[2].hard_bytes = 0);
    let mut crowd: Vec<Conn> = (0..CONNECTIONS).map(|_| server.connect_slow_reader()).collect();
    for conn in &mut crowd {
        let mut wanted: Vec<String> =
            (1..PER_CONNECTION).map(|n| format!("PSUBSCRIBE b{}", "*".repeat(n))).collect();
        wanted.push("SUBSCRIBE bigchannel".to_owned());
        conn.pipeline(&wanted);
        wanted.iter().for_each(|_| assert!(conn.reply().text().contains("subscribe")));
    }
    let before = figure(&server, "memory", "used_memory");
    let payload = vec![b'x'; MIB];
    let mut publisher = server.connect();
    let reply = publisher.call(&[b"PUBLISH".as_slice(), b"bigchannel", &payload]);
    assert_eq!(reply, Value::Int((CONNECTIONS * PER_CONNECTION) as i64));
    for n in 0..100 {
        assert_eq!(server.connect().say(&format!("SET other{n} v")), "OK");
    }
    for conn in [0, CONNECTIONS - 1] {
        for _ in 0..PER_CONNECTION {
            let reply = crowd[conn].reply();
            assert!(reply.array().last() == Some(&Value::Bulk(payload.clone())), "the whole payload");
        }
    }
    let grew = figure(&server, "memory", "used_memory").saturating_sub(before) as usize;
    // The client's side lives in this process too: what it has read of two connections is a few MiB.
    assert!(grew < 64 * MIB, "used_memory grew by {} MiB", grew / MIB);
}

#[test]
fn slow_subscriber_is_cut_off_by_its_limit_and_costs_nobody_else() {
    let server = TestServer::start_with(|settings| settings.output_limits[2].hard_bytes = 2 * MIB as u64);
    let mut slow = server.connect_slow_reader();
    let mut quick = server.connect();
    let id = slow.id();
    subscribe(&mut slow, "news");
    subscribe(&mut quick, "news");
    let mut publisher = server.connect();
    let payload = vec![b'x'; 100_000];
    // What the sockets between take is the system's choice; 20 MB is more than that.
    for _ in 0..200 {
        publisher.call(&[b"PUBLISH".as_slice(), b"news", &payload]);
        assert_eq!(quick.reply().array()[2], Value::Bulk(payload.clone()));
    }
    server.until_gone(id);
    assert_eq!(figure(&server, "stats", "client_output_buffer_limit_disconnections"), 1);
    assert_eq!(publisher.say("PUBSUB NUMSUB news"), "news 1");
    assert_eq!(quick.say("PING"), "pong ");
}

#[test]
fn soft_limit_of_subscribers_needs_its_time() {
    let server = TestServer::start_with(|settings| {
        settings.output_limits[2].soft_bytes = MIB as u64;
        settings.output_limits[2].soft_seconds = 10;
    });
    let mut slow = server.connect_slow_reader();
    let id = slow.id();
    subscribe(&mut slow, "news");
    let mut publisher = server.connect();
    let payload = vec![b'x'; 100_000];
    (0..150).for_each(|_| drop(publisher.call(&[b"PUBLISH".as_slice(), b"news", &payload])));
    let over = || {
        let list = server.control().say("CLIENT LIST");
        let line = list.lines().find(|line| line.starts_with(&format!("id={id} "))).map(str::to_owned);
        let omem =
            line.as_deref().and_then(|line| line.split(" omem=").nth(1)?.split(' ').next()?.parse().ok());
        omem.unwrap_or(0_usize) > MIB
    };
    wait_until("the messages wait", over);
    server.advance_ms(9_000);
    assert_eq!(publisher.say("PUBSUB NUMSUB news"), "news 1");
    server.advance_ms(2_000);
    server.until_gone(id);
}

#[test]
fn connection_that_ends_leaves_no_subscription() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let id = conn.id();
    subscribe(&mut conn, "a");
    conn.say("PSUBSCRIBE a*");
    conn.say("SSUBSCRIBE s");
    let names = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"];
    let counts = || names.map(|name| figure(&server, "stats", name));
    assert_eq!(counts(), [1, 1, 1]);
    conn.close();
    server.until_gone(id);
    wait_until("no subscription is left", || counts() == [0, 0, 0]);
    assert_eq!(server.control().say("PUBLISH a x"), "0");
}

#[test]
fn idle_subscriber_or_monitor_is_not_closed() {
    let server = TestServer::start_with(|settings| settings.timeout_s = 10);
    let [mut listener, mut monitor, mut idle] = server.connect_many();
    subscribe(&mut listener, "news");
    assert_eq!(monitor.say("MONITOR"), "OK");
    let id = idle.id();
    server.advance_ms(11_000);
    server.until_gone(id);
    assert_eq!(server.connect().say("PUBLISH news x"), "1");
    assert_eq!(message(&mut listener), "message news x");
    while !message(&mut monitor).ends_with(r#"] "PUBLISH" "news" "x""#) {}
}

/// What PUBLISH counted as delivered is read before the confirmation of UNSUBSCRIBE, and nothing after it.
#[test]
fn nothing_comes_after_unsubscribe_and_nothing_delivered_is_lost() {
    let server = TestServer::start();
    let mut publisher = server.connect();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut received = 0;
            // Until the subscriber, having had its rounds, is gone for good.
            loop {
                match publisher.say("PUBLISH news x").as_str() {
                    "0" if publisher.say("EXISTS over") == "1" => return received,
                    count => received += count.parse::<u64>().unwrap(),
                }
            }
        });
        let mut conn = server.connect();
        let mut heard = 0;
        for _ in 0..300 {
            subscribe(&mut conn, "news");
            conn.pipeline(&["UNSUBSCRIBE", "GET k"]);
            let mut text = message(&mut conn);
            while text == "message news x" {
                heard += 1;
                text = message(&mut conn);
            }
            assert_eq!(text, "unsubscribe news 0");
            assert_eq!(conn.reply(), Value::Nil);
        }
        conn.say("SET over 1");
        let sent = writer.join().unwrap();
        // A delivery that was decided on but not made yet when UNSUBSCRIBE ran is dropped.
        assert!(heard <= sent && sent - heard < 300, "{heard} of {sent}");
    });
}

#[test]
fn resp3_message_overtakes_a_parked_request() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let token = leader.lead("k LEASE 60000");
    let mut conn = server.connect_resp3();
    subscribe(&mut conn, "news");
    server.park(&mut conn, "k WAIT 60000");
    assert_eq!(leader.say("PUBLISH news one"), "1");
    let pushed = b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n";
    assert_eq!(conn.raw(pushed.len()), pushed);
    leader.say(&format!("FILL.PUT k {token} v"));
    conn.answer().expect("HIT");
}

#[test]
fn message_never_overtakes_a_reply_behind_a_parked_request() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let token = leader.lead("k LEASE 60000");
    let mut conn = server.connect_resp3();
    server.park(&mut conn, "k WAIT 60000");
    // The confirmation waits behind the slot, and so does what comes after it.
    conn.pipeline(&["SUBSCRIBE news"]);
    wait_until("it subscribes", || leader.say("PUBSUB NUMSUB news") == "news 1");
    assert_eq!(leader.say("PUBLISH news one"), "1");
    conn.expect_silence();
    leader.say(&format!("FILL.PUT k {token} v"));
    conn.answer().expect("HIT");
    assert_eq!(message(&mut conn), "subscribe news 1");
    assert_eq!(message(&mut conn), "message news one");
}

#[test]
fn resp2_message_waits_behind_a_parked_request_which_it_may_end() {
    let server = TestServer::start();
    let mut leader = server.connect();
    leader.lead("k LEASE 60000");
    let mut conn = server.connect();
    server.park(&mut conn, "k WAIT 60000");
    conn.pipeline(&["SUBSCRIBE news"]);
    wait_until("it subscribes", || leader.say("PUBSUB NUMSUB news") == "news 1");
    let payload = vec![b'x'; 300_000];
    for _ in 0..4 {
        conn.expect_silence();
        leader.call(&[b"PUBLISH".as_slice(), b"news", &payload]);
    }
    // More than 1 MiB behind it: the slot is answered WAIT.
    conn.answer().expect_stay_away();
    assert_eq!(message(&mut conn), "subscribe news 1");
    (0..4).for_each(|_| assert!(message(&mut conn).starts_with("message news x")));
}

/// The replies of SUBSCRIBE are pushes in RESP3, and arrays in RESP2.
#[test]
fn publisher_that_subscribes_hears_itself_after_the_reply() {
    let server = TestServer::start();
    let mut conn = server.connect_resp3();
    subscribe(&mut conn, "news");
    assert_eq!(conn.say("PUBLISH news me"), "1");
    assert_eq!(message(&mut conn), "message news me");
}
