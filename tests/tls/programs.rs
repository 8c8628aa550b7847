//! Clients that are not ours: redis-cli and OpenSSL.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::pki::Pki;
use super::server::Server;

fn run(program: &str, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} (see CONTRIBUTING.md): {error}"));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn redis_cli_speaks_through_tls() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let client = pki.client("somebody");
    server.expect_ok("CONFIG SET tls-auth-clients yes");
    let port = server.addr.port().to_string();
    let args = ["-p", &port, "--tls", "--cacert", &pki.ca_file, "--sni", "localhost"];
    let with = [&args[..], &["--cert", &client.cert_file, "--key", &client.key_file]].concat();
    let value = "x".repeat(200_000);
    let output = run("redis-cli", &with, &format!("SET k {value}\nGET k\nPING\n"));
    assert_eq!(said(&output), format!("OK\n{value}\nPONG\n"));
    let text = said(&run("redis-cli", &args, "PING\n"));
    assert!(!text.contains("PONG") && text.contains("Error"), "no certificate, no service: {text}");
}

#[test]
fn openssl_agrees_on_both_versions_and_resumes() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let address = server.addr.to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = pki.path(version);
        let base = [
            "s_client",
            "-connect",
            &address,
            version,
            "-CAfile",
            &pki.ca_file,
            "-quiet",
            "-verify_return_error",
        ];
        let first = [&base[..], &["-sess_out", &session]].concat();
        let text = said(&run("openssl", &first, "PING\r\nQUIT\r\n"));
        assert!(text.contains("+PONG\r\n+OK\r\n"), "{text}");
        let again = [&base[..], &["-sess_in", &session]].concat();
        let text = said(&run("openssl", &again, "PING\r\nQUIT\r\n"));
        assert!(text.contains("+PONG\r\n+OK\r\n"), "{text}");
        assert!(!text.contains("unexpected eof"), "the end is said: {text}");
    }
    assert_eq!(server.figure("tls_handshakes_resumed"), 2);
    let old = ["s_client", "-connect", &address, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    assert!(!run("openssl", &old, "").status.success(), "TLS 1.1 is not spoken");
}

/// What `openssl x509 -req` makes of a request without being told otherwise.
#[test]
fn certificate_of_version_1_is_refused_in_words() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let [key, wish, cert] = ["key", "request", "cert"].map(|name| pki.path(name));
    for line in [
        format!("req -newkey rsa:2048 -nodes -keyout {key} -out {wish} -subj /CN=localhost"),
        format!("x509 -req -in {wish} -signkey {key} -out {cert}"),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        assert!(run("openssl", &args, "").status.success(), "{line}");
    }
    let error = server.plain.control().error(&format!("CONFIG SET tls-cert-file {cert} tls-key-file {key}"));
    assert!(error.contains("X.509 version 1") && error.contains("-extfile"), "{error}");
    server.expect_ok(&format!("CONFIG SET tls-auth-clients yes tls-ca-cert-file {cert}"));
    let shown = format!("s_client -connect {} -cert {cert} -key {key} -tls1_2 -quiet", server.addr);
    let args: Vec<&str> = shown.split(' ').collect();
    let text = said(&run("openssl", &args, "PING\r\n"));
    assert!(!text.contains("PONG") && text.contains("alert"), "{text}");
}
