//! What the page asks for: its files, the state, the stream of events, and what strangers see of it.

use std::io::Write;

use serde_json::Value;

use crate::http::{Opened, free_port, get_from, read_events};
use crate::program::Program;
use crate::support::wait_until;

fn state(server: &Opened, head: &str) -> Value {
    let reply = server.get("/state", head);
    assert_eq!(reply.status, 200, "{}", reply.body);
    // Sent in pieces where its length is not known before.
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.body))
}

#[test]
fn files_of_the_page_forbid_what_is_not_theirs() {
    let server = Opened::start();
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
        ("/icon.svg", "image/svg"),
    ] {
        let reply = server.get(path, "");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.head.contains(&format!("content-type: {kind}")), "{}", reply.head);
        for line in ["default-src 'none'", "nosniff", "no-store", "frame-ancestors 'none'"] {
            assert!(reply.head.contains(line), "{line}: {}", reply.head);
        }
        assert!(!reply.head.contains("access-control"));
    }
}

#[test]
fn token_opens_what_is_shut_without_it() {
    let server = Opened::start_with(|settings| settings.metrics.token = Some(b"s3cret".to_vec()));
    for path in ["/metrics", "/state", "/events"] {
        let reply = server.get(path, "");
        assert_eq!(reply.status, 401, "{path}");
        assert!(reply.head.contains("www-authenticate: bearer"));
        assert_eq!(server.get(path, "Authorization: Bearer s3cre\r\n").status, 401);
    }
    // In a URL it would stand in logs and histories.
    assert_eq!(server.get("/state?token=s3cret", "").status, 401);
    assert_eq!(server.get("/metrics", "Authorization: Bearer s3cret\r\n").status, 200);
    assert!(state(&server, "Authorization: Bearer s3cret\r\n")["keys"].is_object());
    // Probes and the page itself tell nothing.
    for path in ["/", "/page.js", "/healthz", "/readyz"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    assert!(!server.get("/", "").body.contains("s3cret"));
}

#[test]
fn state_shows_keys_as_text_and_no_value() {
    let server = Opened::start_with(|settings| settings.slowlog_log_slower_than_us = 0);
    let mut conn = server.connect();
    let hostile = "<img src=x onerror=alert(1)>";
    assert_eq!(conn.call(&["CLIENT", "SETNAME", "web-1"]).text(), "OK");
    assert_eq!(conn.call(&["FILL.GET", hostile]).array()[0].text(), "LEAD");
    conn.call(&["AUTH", "my-password"]);
    conn.call(&["CONFIG", "SET", "requirepass", ""]);
    let long = "k".repeat(5_000);
    assert_eq!(conn.call(&["FILL.GET", &long]).array()[0].text(), "LEAD");
    let shown = state(&server, "");
    let oldest = &shown["keys"]["oldest"];
    assert_eq!(oldest["leader_name"], "web-1");
    assert!([hostile, &format!("{}…", &long[..200])].contains(&oldest["key"].as_str().unwrap()), "{oldest}");
    let slow = shown["slow"]["entries"].to_string();
    assert!(slow.contains("FILL.GET") && !slow.contains("my-password") && !slow.contains(&long), "{slow}");
    assert_eq!(shown["clients"]["connected"], 1);
    assert_eq!(shown["fills"]["open"], 2);
}

/// A process of its own: what memory is used is the allocator's to say.
#[test]
fn state_says_in_words_what_is_wrong() {
    let port = free_port().to_string();
    let limits = ["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"];
    let server = Program::start(&[&limits[..], &["--metrics-port", &port]].concat());
    let warnings = || {
        let reply = get_from(format!("127.0.0.1:{port}").parse().expect("an address"), "/state", "");
        serde_json::from_str::<Value>(&reply.body).expect("JSON")["warnings"].clone()
    };
    assert_eq!(warnings(), Value::Array(Vec::new()));
    let mut conn = server.connect();
    let value = "x".repeat(100_000);
    let is_refused = |number: usize| {
        matches!(conn.call(&["SET", &number.to_string(), &value]), crate::support::Value::Error(_))
    };
    assert!((0..200).any(is_refused), "the limit is reached");
    wait_until("the page says so", || warnings().to_string().contains("Memory is full"));
}

#[test]
fn stream_sends_the_state_once_and_then_what_changes() {
    let server = Opened::start();
    let mut stream = server.reach();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let first = read_events(&mut stream, |text| text.contains("\n\n"));
    assert!(first.contains("\"settings\"") && first.contains("\"memory\""), "{first}");
    let mut conn = server.connect();
    assert_eq!(conn.say("SET a b"), "OK");
    server.clock.advance_ms(1_000);
    let next = read_events(&mut stream, |text| text.contains("\"total_commands_processed\":1"));
    assert!(!next.contains("\"settings\""), "{next}");
}

#[test]
fn streams_are_few() {
    let server = Opened::start();
    let open = |_| {
        let mut stream = server.reach();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        read_events(&mut stream, |text| text.contains("\n\n"));
        stream
    };
    let streams: Vec<_> = (0..8).map(open).collect();
    assert_eq!(server.get("/events", "").status, 503);
    assert_eq!(server.get("/metrics", "").status, 200);
    drop(streams);
    wait_until("a place for a stream is free", || {
        let mut stream = server.reach();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        read_events(&mut stream, |text| text.contains("\r\n\r\n")).contains("200 OK")
    });
}
