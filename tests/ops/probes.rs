//! `/healthz`, `/readyz`, and what the door refuses.

use std::io::{Read, Write};
use std::time::Duration;

use crate::http::{LONG, Opened};
use crate::support::wait_until;

#[test]
fn server_that_serves_is_healthy_and_ready() {
    let server = Opened::start();
    for path in ["/healthz", "/readyz"] {
        let reply = server.get(path, "");
        assert_eq!((reply.status, &*reply.body), (200, "ok\n"));
    }
}

#[test]
fn worker_that_does_not_come_back_is_named_with_its_command() {
    let server =
        Opened::start_with(|settings| settings.enable_debug_command = onefill::config::DebugAccess::Yes);
    let mut conn = server.connect();
    wait_until("the workers beat", || {
        server.running.shared().figures.pulses.iter().all(|pulse| pulse.busy_ns() > 0)
    });
    conn.send(&["DEBUG", "SLEEP", "1.5"]);
    wait_until("a worker sleeps", || {
        server.running.shared().figures.calls.iter().any(|calls| calls.long_command().is_some())
    });
    server.clock.advance_ms(6_000);
    // The other one beats again.
    wait_until("the other worker beats", || server.get("/healthz", "").body.lines().count() == 1);
    let reply = server.get("/healthz", "");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("has been stuck for 6.0 s in debug"), "{}", reply.body);
    assert!(server.get("/state", "").body.contains("\"bad\":true"));
    assert!(server.get("/metrics", "").body.contains("\nonefill_stuck_workers 1\n"));
    assert_eq!(conn.reply().text(), "OK");
    wait_until("the worker beats again", || server.get("/healthz", "").status == 200);
}

#[test]
fn only_get_and_head_are_answered() {
    let server = Opened::start();
    let head = server.ask("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, &*head.body), (200, ""));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let reply =
            server.ask(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.head.contains("allow: get, head"), "{}", reply.head);
    }
    for path in ["/nothing", "/../etc/passwd", "/page.js/..", "//", "/metrics/", "/%2e%2e/"] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
    // HTTP/2 without TLS, and no HTTP at all.
    for foreign in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "*1\r\n$4\r\nPING\r\n"] {
        assert!([0, 400].contains(&server.ask(foreign).status), "closed, or refused");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert_eq!(server.ask(&long).status, 431);
}

#[test]
fn names_that_are_not_its_own_are_refused() {
    let server = Opened::start_with(|settings| settings.metrics.hosts = vec!["cache.example".to_owned()]);
    let under = |host: &str| {
        server.ask(&format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).status
    };
    assert_eq!(["localhost:1", "127.0.0.1", "[::1]:80", "cache.example:99"].map(under), [200; 4]);
    assert_eq!(["evil.example", "localhost.evil.example", ""].map(under), [403; 3]);
}

#[test]
fn slow_heads_end_and_leave_room_for_others() {
    let server = Opened::start();
    let mut slow: Vec<_> = (0..64).map(|_| server.reach()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTT").expect("a beginning");
    }
    // There is no place for another one until theirs are free.
    let begun = std::time::Instant::now();
    wait_until_within(LONG, || server.get("/healthz", "").status == 200);
    assert!(begun.elapsed() < LONG);
    let mut rest = Vec::new();
    // Reset or ended.
    let _ = slow[0].read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200"));
}

fn wait_until_within(limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn door_opens_moves_and_closes_by_its_settings() {
    let server = Opened::start();
    let mut conn = server.connect();
    let (old, next) = (server.door, crate::http::free_port());
    assert_eq!(conn.say(&format!("CONFIG SET metrics-port {next}")), "OK");
    assert_eq!(server.running.metrics_addrs()[0].port(), next);
    wait_until("the old door is shut", || std::net::TcpStream::connect(old).is_err());
    assert!(std::net::TcpStream::connect(("127.0.0.1", next)).is_ok());
    // What cannot be had changes nothing.
    let taken = server.running.tcp_addr().port();
    let refusal = conn.say(&format!("CONFIG SET metrics-port {taken}"));
    assert!(refusal.contains("cannot listen on 127.0.0.1"), "{refusal}");
    assert_eq!(server.running.metrics_addrs()[0].port(), next);
    assert_eq!(conn.say("CONFIG SET metrics-port 0"), "OK");
    wait_until("the door is shut", || std::net::TcpStream::connect(("127.0.0.1", next)).is_err());
}

#[test]
fn door_to_other_machines_must_be_said_to_be_meant() {
    let settings = |change: fn(&mut onefill::config::Settings)| {
        let mut settings = onefill::config::Settings {
            port: 0,
            bind: vec!["127.0.0.1".to_owned()],
            io_threads: 1,
            ..Default::default()
        };
        settings.metrics.port = crate::http::free_port();
        settings.metrics.bind = vec!["0.0.0.0".to_owned()];
        change(&mut settings);
        onefill::server::Server::start(settings, onefill::base::clock::Clock::system())
    };
    let refusal = settings(|_| {}).err().expect("refused").to_string();
    assert!(refusal.contains("set metrics-token, or metrics-open yes"), "{refusal}");
    assert!(settings(|settings| settings.metrics.open = true).is_ok());
    let guarded = settings(|settings| settings.metrics.token = Some(b"t".to_vec())).expect("guarded");
    // The token cannot be taken away while others could come in.
    let mut conn = crate::support::Conn::open(guarded.tcp_addr());
    let refusal = conn.call(&["CONFIG", "SET", "metrics-token", ""]).text();
    assert!(refusal.contains("set metrics-token"), "{refusal}");
    assert_eq!(conn.call(&["CONFIG", "SET", "metrics-open", "yes", "metrics-token", ""]).text(), "OK");
}
