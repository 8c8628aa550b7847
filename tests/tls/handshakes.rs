//! Which handshakes succeed, and what happens to those that do not.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use onefill::config::ClientCertificates;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion, SupportedProtocolVersion};

use super::client::{Secure, Terms};
use super::pki::Pki;
use super::server::Server;
use super::support::{PATIENCE, wait_until};

#[test]
fn both_versions_are_spoken_and_either_can_be_left_out() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let only = |version| Terms { versions: version, ..Terms::of(&pki) }.config();
    let (old, new) = (only(&[&TLS12]), only(&[&TLS13]));
    for (config, version) in [(&old, ProtocolVersion::TLSv1_2), (&new, ProtocolVersion::TLSv1_3)] {
        let mut client = Secure::connect(server.addr, config).expect("it is let in");
        assert_eq!(client.stream.conn.protocol_version(), Some(version));
        assert_eq!(client.say("SET k v"), "OK");
        assert_eq!(client.say("GET k"), "v");
    }
    server.expect_ok("CONFIG SET tls-protocols TLSv1.3");
    assert!(Secure::connect(server.addr, &old).is_err() && Secure::connect(server.addr, &new).is_ok());
    server.expect_ok("CONFIG SET tls-protocols TLSv1.2");
    assert!(Secure::connect(server.addr, &old).is_ok() && Secure::connect(server.addr, &new).is_err());
}

#[test]
fn suites_can_be_chosen_for_each_version() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let chosen = |version: &'static SupportedProtocolVersion| {
        let versions = &[version];
        let client = Secure::connect(server.addr, &Terms { versions, ..Terms::of(&pki) }.config());
        let suite = client.expect("it is let in").stream.conn.negotiated_cipher_suite();
        suite.and_then(|suite| suite.suite().as_str()).expect("a suite").to_owned()
    };
    server.expect_ok("CONFIG SET tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256");
    assert_eq!(chosen(&TLS13), "TLS13_CHACHA20_POLY1305_SHA256");
    server.expect_ok(
        "CONFIG SET tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256 tls-ciphersuites TLS_AES_128_GCM_SHA256",
    );
    assert_eq!(chosen(&TLS12), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(chosen(&TLS13), "TLS13_AES_128_GCM_SHA256");
}

#[test]
fn session_is_resumed_unless_that_is_off() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let config = Terms { versions, ..Terms::of(&pki) }.config();
        let kind = |config| {
            let client = Secure::connect(server.addr, config).expect("it is let in");
            client.stream.conn.handshake_kind().expect("it is over")
        };
        assert_eq!(kind(&config), HandshakeKind::Full);
        assert_eq!(kind(&config), HandshakeKind::Resumed);
        server.expect_ok("CONFIG SET tls-session-caching no");
        assert_eq!(kind(&config), HandshakeKind::Full, "tickets of before are good no more");
        assert_eq!(kind(&config), HandshakeKind::Full);
        server.expect_ok("CONFIG SET tls-session-caching yes");
    }
    assert_eq!((server.figure("tls_handshakes"), server.figure("tls_handshakes_resumed")), (8, 2));
}

#[test]
fn plain_text_is_closed_at_once_and_counted() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    for text in [&b"*1\r\n$4\r\nPING\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\n"] {
        let mut socket = TcpStream::connect(server.addr).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        socket.write_all(text).expect("it takes that");
        let read = socket.read(&mut [0; 64]);
        assert!(
            matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
        );
    }
    wait_until("all are counted", || server.figure("tls_plain_text") == 3);
    assert_eq!(server.figure("tls_handshakes_failed"), 0);
}

#[test]
fn tls_on_the_plain_port_is_closed_at_once_without_a_reply() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let error = Secure::open(server.plain.addr(), &config).map(drop).expect_err("no TLS there");
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error:?}");
    wait_until("it is counted", || server.figure("tls_on_plain_port") == 1);
}

#[test]
fn silent_and_slow_peers_end_after_the_timeout_and_hinder_nobody() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |settings| settings.tls.handshake_timeout_s = 1);
    let mut peers: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(server.addr).expect("it listens")).collect();
    // Half of them say a little.
    for peer in peers.iter_mut().step_by(2) {
        peer.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).expect("it takes that");
    }
    let mut client = Secure::connect(server.addr, &Terms::of(&pki).config()).expect("it is let in");
    assert_eq!(client.say("ECHO x"), "x");
    wait_until("all have timed out", || server.figure("tls_handshakes_timed_out") == 50);
    for peer in &mut peers {
        peer.set_read_timeout(Some(PATIENCE)).expect("an option");
        let read = peer.read_to_end(&mut Vec::new());
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
    assert_eq!(client.say("ECHO y"), "y");
}

#[test]
fn one_handshake_too_many_ends_the_oldest_silent_one() {
    const PLACES: usize = 1024;
    let pki = Pki::new();
    let server = Server::start(&pki);
    let mut peers: Vec<TcpStream> =
        (0..PLACES + 8).map(|_| TcpStream::connect(server.addr).expect("it listens")).collect();
    wait_until("the first give way", || server.figure("tls_handshakes_failed") == 8);
    for peer in &mut peers[..8] {
        peer.set_read_timeout(Some(PATIENCE)).expect("an option");
        let read = peer.read_to_end(&mut Vec::new());
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
    let client = Secure::connect(server.addr, &Terms::of(&pki).config());
    assert_eq!(client.expect("it is let in").say("PING"), "PONG");
}

#[test]
fn client_too_many_hears_why_through_tls() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    // The plain connection that looks on, and this one.
    server.expect_ok("CONFIG SET maxclients 2");
    let first = Secure::connect(server.addr, &config).expect("it is let in");
    let mut second = Secure::open(server.addr, &config).expect("the handshake succeeds");
    assert_eq!(second.next_reply().expect("a reply").text(), "ERR max number of clients reached");
    second.expect_goodbye();
    drop(first);
    wait_until("there is room again", || Secure::connect(server.addr, &config).is_ok());
    server.open_up();
}

#[test]
fn end_of_the_server_is_said_and_handshakes_under_way_do_not_hold_it_up() {
    let pki = Pki::new();
    let mut server = Server::start(&pki);
    let mut client = Secure::connect(server.addr, &Terms::of(&pki).config()).expect("it is let in");
    let silent = TcpStream::connect(server.addr).expect("it listens");
    let stopped = thread::spawn(move || {
        server.plain.stop();
        drop(silent);
    });
    client.expect_goodbye();
    stopped.join().expect("it stops");
}

#[test]
fn port_can_be_opened_moved_and_closed_while_the_server_runs() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let config = Terms::of(&pki).config();
    let mut before = Secure::connect(server.addr, &config).expect("it is let in");
    let other = super::server::Reserved::new();
    server.expect_ok(&format!("CONFIG SET tls-port {}", other.port));
    let moved = ([127, 0, 0, 1], other.port).into();
    Secure::connect(moved, &config).expect("it listens there");
    wait_until("the former port is closed", || TcpStream::connect(server.addr).is_err());
    let taken = server.plain.addr().port();
    let error = server.plain.control().error(&format!("CONFIG SET tls-port {taken}"));
    assert!(error.contains("argument 'tls-port'") && error.contains("in use"), "{error}");
    Secure::connect(moved, &config).expect("the port is as it was");
    server.expect_ok("CONFIG SET tls-port 0");
    wait_until("no port is left", || TcpStream::connect(moved).is_err());
    assert_eq!(server.fact("tls_server_cert_serial"), "none");
    assert_eq!(before.say("PING"), "PONG", "who is connected stays");
}

#[test]
fn certificate_is_asked_for_as_the_setting_says() {
    let pki = Pki::new();
    let server = Server::start_with(&pki, &pki.server(), |settings| {
        settings.tls.auth_clients = ClientCertificates::Yes;
    });
    let signed = pki.client("somebody");
    let stranger = Pki::new();
    let foreign = stranger.client("somebody");
    let lets_in = |certificate| {
        Secure::connect(server.addr, &Terms { certificate, ..Terms::of(&pki) }.config()).is_ok()
    };
    assert_eq!([Some(&signed), None, Some(&foreign)].map(lets_in), [true, false, false]);
    server.expect_ok("CONFIG SET tls-auth-clients optional");
    assert_eq!([Some(&signed), None, Some(&foreign)].map(lets_in), [true, true, false]);
    server.expect_ok("CONFIG SET tls-auth-clients no");
    assert_eq!([Some(&signed), None, Some(&foreign)].map(lets_in), [true, true, true]);
    assert_eq!(server.figure("tls_handshakes_failed"), 3);
}
