//! The stream itself: cuts, large requests and replies, pipelines, ends.

use std::io::Write;
use std::sync::OnceLock;
use std::thread;

use proptest::prelude::*;

use super::client::{Secure, Terms};
use super::pki::Pki;
use super::server::Server;
use super::support::conn::request;

/// One server for all the cuts.
fn server() -> &'static (Pki, Server) {
    static SERVER: OnceLock<(Pki, Server)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let pki = Pki::new();
        let server = Server::start(&pki);
        (pki, server)
    })
}

/// What the server says to these bytes, sent in these pieces.
fn replies(pieces: &[&[u8]]) -> Vec<u8> {
    let (pki, server) = server();
    let mut client = Secure::open(server.addr, &Terms::of(pki).config()).expect("it is let in");
    for piece in pieces {
        client.send_raw(piece).expect("the server reads");
    }
    client.send_raw(&request(&["QUIT"])).expect("the server reads");
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut client.stream, &mut said).expect("a goodbye");
    said
}

fn plain_replies(bytes: &[u8], count: usize) -> Vec<u8> {
    let mut conn = server().1.plain.connect();
    conn.send_raw(bytes);
    conn.send_raw(&request(&["QUIT"]));
    conn.raw(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cuts_change_no_reply(
        values in prop::collection::vec(prop_oneof![0_usize..100, 3_000_usize..40_000], 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for (number, length) in values.iter().enumerate() {
            let (key, value) = (format!("k{number}"), vec![b'a' + number as u8; *length]);
            bytes.extend(request(&[b"SET", key.as_bytes(), &value]));
            bytes.extend(request(&[b"GET", key.as_bytes()]));
            bytes.extend_from_slice(b"STRLEN k0\r\n");
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let said = replies(&pieces);
        prop_assert_eq!(&said, &plain_replies(&bytes, said.len()));
    }
}

#[test]
fn value_of_many_records_goes_in_and_comes_out_while_others_are_served() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let mut client = Secure::connect(server.addr, &config).expect("it is let in");
    let mut value: Vec<u8> = Vec::new();
    value.extend((0..20_000_000_u32).map(|at| (at % 251) as u8));
    client.send_raw(&request(&[&b"SET"[..], b"large", &value])).expect("the server reads");
    assert_eq!(client.next_reply().expect("a reply").text(), "OK");
    // Asked for often and read by nobody: the socket is full, and stays so.
    let mut idle = Secure::connect(server.addr, &config).expect("it is let in");
    for _ in 0..4 {
        idle.send_raw(&request(&["GET", "large"])).expect("the server reads");
    }
    for _ in 0..3 {
        assert_eq!(client.run("GET large"), super::support::Value::Bulk(value.clone()));
    }
    for _ in 0..4 {
        assert_eq!(idle.next_reply().expect("a reply"), super::support::Value::Bulk(value.clone()));
    }
}

#[test]
fn pipeline_longer_than_all_buffers_is_answered_in_its_order() {
    const REQUESTS: usize = 50_000;
    let pki = Pki::new();
    let server = Server::start(&pki);
    let mut client = Secure::connect(server.addr, &Terms::of(&pki).config()).expect("it is let in");
    let plain = server.plain.connect();
    let line = |number: usize| request(&["ECHO", &format!("{number:032}")]);
    let bytes: Vec<u8> = (0..REQUESTS).flat_map(line).collect();
    // Reads only after it has written a good part: the server takes in and keeps what it cannot send.
    thread::scope(|scope| {
        scope.spawn(|| plain);
        for part in bytes.chunks(1 << 20) {
            client.send_raw(part).expect("the server reads");
        }
    });
    for number in 0..REQUESTS {
        assert_eq!(client.next_reply().expect("a reply").text(), format!("{number:032}"));
    }
}

#[test]
fn messages_and_parked_replies_leave_without_a_request() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let mut subscriber = Secure::connect(server.addr, &config).expect("it is let in");
    assert_eq!(subscriber.run("SUBSCRIBE news").array()[2].int(), 1);
    let mut leader = Secure::connect(server.addr, &config).expect("it is let in");
    let token = leader.run("FILL.GET k").array()[2].text();
    let mut waiter = Secure::connect(server.addr, &config).expect("it is let in");
    waiter.send_raw(&request(&["FILL.GET", "k", "WAIT", "60000"])).expect("the server reads");
    server.plain.until_waiters("k", 1);
    assert_eq!(leader.say(&format!("FILL.PUT k {token} v PX 1000")), "OK");
    assert_eq!(waiter.next_reply().expect("an answer").array()[1].text(), "v");
    assert_eq!(leader.run("PUBLISH news hello").int(), 1);
    assert_eq!(subscriber.next_reply().expect("a message").array()[2].text(), "hello");
}

#[test]
fn every_end_of_ours_is_said() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let connect = || Secure::connect(server.addr, &config).expect("it is let in");
    let mut quits = connect();
    assert_eq!(quits.say("QUIT"), "OK");
    quits.expect_goodbye();
    let mut malformed = connect();
    malformed.send_raw(b"*1\r\n!\r\n").expect("the server reads");
    assert!(malformed.next_reply().expect("an error").text().contains("expected '$'"));
    malformed.expect_goodbye();
    let mut killed = connect();
    let id = killed.run("CLIENT ID").int();
    assert_eq!(server.plain.control().run(&format!("CLIENT KILL ID {id}")).int(), 1);
    killed.expect_goodbye();
    let mut leaves = connect();
    leaves.stream.conn.send_close_notify();
    leaves.stream.flush().expect("it is sent");
    leaves.expect_goodbye();
}

#[test]
fn record_that_was_tampered_with_ends_its_connection_alone() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let mut client = Secure::connect(server.addr, &config).expect("it is let in");
    client.stream.sock.write_all(&[23, 3, 3, 0, 20]).expect("it takes that");
    client.stream.sock.write_all(&[7; 20]).expect("it takes that");
    assert!(client.next_reply().is_err());
    Secure::connect(server.addr, &config).expect("others are served");
}
