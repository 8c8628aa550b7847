//! `maxmemory-clients`: the largest connections are closed once all together hold too much. Over sockets.

mod support;

use onefill::config::{MemoryShare, Settings};
use support::{Conn, TestServer, Value, wait_until};

const MIB: usize = 1 << 20;

fn limited(bytes: usize) -> impl FnOnce(&mut Settings) {
    move |settings| settings.maxmemory_clients = MemoryShare::Bytes(bytes as u64)
}

/// A connection that has sent so much of a request that does not end, and its id.
fn holding(server: &TestServer, bytes: usize) -> (Conn, i64) {
    let mut conn = server.connect();
    let id = conn.id();
    let request = format!("*2\r\n$3\r\nGET\r\n${}\r\n{}", bytes + 1, "x".repeat(bytes));
    // Where it is closed meanwhile, that is what is looked for.
    let _ = conn.try_send_raw(request.as_bytes());
    let mark = format!("id={id} ");
    wait_until("the request lies in its buffer, or the client is gone", || {
        let list = server.control().say("CLIENT LIST");
        list.lines().find(|line| line.starts_with(&mark)).is_none_or(|line| figure(line, "qbuf") >= bytes)
    });
    (conn, id)
}

/// A field of a line of CLIENT LIST.
fn figure(line: &str, name: &str) -> usize {
    let field = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    field.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// The clients that are there, of these.
fn left(server: &TestServer, ids: &[i64]) -> Vec<i64> {
    let list = server.control().say("CLIENT LIST");
    let is_there = |id: &&i64| list.lines().any(|line| line.starts_with(&format!("id={id} ")));
    ids.iter().filter(is_there).copied().collect()
}

fn evicted(server: &TestServer) -> usize {
    let info = server.control().say("INFO stats");
    let line = info.lines().find_map(|line| line.strip_prefix("evicted_clients:"));
    line.and_then(|figure| figure.parse().ok()).expect("INFO has evicted_clients")
}

#[test]
fn a_client_that_piles_up_a_request_is_closed_and_smaller_ones_stay() {
    let server = TestServer::start_with(limited(3 * MIB));
    let (_small, small_id) = holding(&server, MIB);
    let (mut large, large_id) = holding(&server, 3 * MIB);
    server.until_gone(large_id);
    large.expect_closed();
    assert_eq!(left(&server, &[small_id, large_id]), [small_id]);
    assert_eq!(evicted(&server), 1);
}

#[test]
fn a_lower_limit_closes_the_largest_first_and_no_more_than_it_must() {
    let server = TestServer::start();
    let sizes = [MIB, 4 * MIB, MIB, 2 * MIB, MIB];
    let clients: Vec<(Conn, i64)> = sizes.iter().map(|bytes| holding(&server, *bytes)).collect();
    let ids: Vec<i64> = clients.iter().map(|(_, id)| *id).collect();
    let set = |bytes: usize| {
        let reply = server.control().say(&format!("CONFIG SET maxmemory-clients {bytes}"));
        assert_eq!(reply, "OK");
        left(&server, &ids)
    };
    assert_eq!(set(10 * MIB), ids);
    assert_eq!(set(7 * MIB), [ids[0], ids[2], ids[3], ids[4]], "the largest goes first");
    assert_eq!(set(5 * MIB), [ids[0], ids[2], ids[4]], "what reaches the limit is too much");
    assert_eq!(set(2 * MIB).len(), 1);
    assert_eq!(evicted(&server), 4);
}

#[test]
fn queued_commands_unread_replies_watches_and_subscriptions_count() {
    let server = TestServer::start_with(limited(300_000));
    let closes = |what: &str, line: &dyn Fn(usize) -> String| {
        let mut conn = server.connect_slow_reader();
        let id = conn.id();
        wait_until(what, || {
            // Inline requests. The connection may end while they are written.
            let lines: String = (0..100).map(|at| line(at) + "\r\n").collect();
            let _ = conn.try_send_raw(lines.as_bytes());
            left(&server, &[id]).is_empty()
        });
    };
    let value = "v".repeat(1_000);
    closes("a transaction grows", &|at| {
        if at == 0 { "MULTI".to_owned() } else { format!("SET k{at} {value}") }
    });
    server.control().say(&format!("SET k {}", "v".repeat(10_000)));
    closes("replies are not read", &|_| "GET k".to_owned());
    let next = std::cell::Cell::new(0);
    let fresh = |words: &str| {
        next.set(next.get() + 1);
        format!("{words}{:09}", next.get())
    };
    closes("keys are watched", &|_| fresh("WATCH k"));
    closes("channels are subscribed to", &|_| fresh("SUBSCRIBE c"));
    closes("prefixes are tracked", &|_| fresh("CLIENT TRACKING ON BCAST PREFIX p"));
}

#[test]
fn no_evict_exempts_a_connection_until_it_is_taken_back() {
    let server = TestServer::start_with(limited(2 * MIB));
    let mut conn = server.connect_slow_reader();
    let id = conn.id();
    assert_eq!(conn.say("CLIENT NO-EVICT ON"), "OK");
    server.control().call(&["SET", "k", &"v".repeat(10_000)]);
    conn.pipeline(&["GET k"; 1600]);
    let mark = format!("id={id} ");
    wait_until("its replies pile up", || {
        let list = server.control().say("CLIENT LIST");
        let line = list.lines().find(|line| line.starts_with(&mark)).expect("it is there").to_owned();
        figure(&line, "tot-mem") > 8 * MIB
    });
    assert_eq!(evicted(&server), 0);
    conn.pipeline(&["CLIENT NO-EVICT OFF"]);
    server.until_gone(id);
    assert_eq!(evicted(&server), 1);
}

#[test]
fn a_share_of_maxmemory_follows_maxmemory() {
    let server = TestServer::start();
    let mut conn = server.connect();
    assert_eq!(conn.say("CONFIG SET maxmemory-clients 10%"), "OK");
    let (_client, id) = holding(&server, 2 * MIB);
    assert_eq!(left(&server, &[id]), [id], "a share of no limit is no limit");
    assert_eq!(conn.say("CONFIG SET maxmemory 100mb"), "OK");
    assert_eq!(left(&server, &[id]), [id]);
    assert_eq!(conn.say("CONFIG SET maxmemory 10mb"), "OK");
    assert_eq!(left(&server, &[id]), [0_i64; 0]);
}

#[test]
fn values_are_taken_and_shown_as_redis_does() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let shown = |conn: &mut Conn| conn.call(&["CONFIG", "GET", "maxmemory-clients"]).array()[1].text();
    for (given, expected) in [("5%", "5%"), ("1mb", "1048576"), ("0%", "0"), ("100%", "100%"), ("0", "0")] {
        assert_eq!(conn.say(&format!("CONFIG SET maxmemory-clients {given}")), "OK");
        assert_eq!(shown(&mut conn), expected);
    }
    let refusals = [
        ("101%", "percentage argument must be less or equal to 100"),
        ("-5%", "argument must be a memory or percent value"),
        ("%", "argument must be a memory or percent value"),
        ("x", "argument must be a memory or percent value"),
        ("-1", "argument must be a memory or percent value"),
    ];
    for (given, reason) in refusals {
        let text = "CONFIG SET failed (possibly related to argument 'maxmemory-clients') -";
        let expected = Value::Error(format!("ERR {text} {reason}"));
        assert_eq!(conn.call(&["CONFIG", "SET", "maxmemory-clients", given]), expected, "{given}");
    }
}
