//! New certificates for a running server: by CONFIG SET, by SIGHUP, by looking at the files; and what cannot be taken.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::client::{Secure, Terms};
use super::pki::{Pki, Signed};
use super::server::Server;
use super::support::wait_until;

/// Puts another certificate and its key into the same files.
fn replace(pki: &Pki, signed: &Signed) -> Signed {
    let next = pki.sign("next", |_| {});
    fs::copy(&next.cert_file, &signed.cert_file).expect("a file");
    fs::copy(&next.key_file, &signed.key_file).expect("a file");
    next
}

fn shown(server: &Server, pki: &Pki) -> Vec<u8> {
    let client = Secure::connect(server.addr, &Terms::of(pki).config()).expect("it is let in");
    client.stream.conn.peer_certificates().expect("certificates")[0].to_vec()
}

#[test]
fn key_that_does_not_fit_is_refused_and_what_was_in_use_stays() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |_| {});
    let other = pki.sign("other", |_| {});
    let Signed { cert_file, key_file, .. } = &other;
    let error = server.plain.control().error(&format!("CONFIG SET tls-key-file {key_file}"));
    let expected =
        format!("the key in '{key_file}' does not belong to the certificate in '{}'", signed.cert_file);
    assert_eq!(
        error,
        format!("ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - {expected}")
    );
    assert_eq!(server.plain.control().run("CONFIG GET tls-key-file").array()[1].text(), signed.key_file);
    assert_eq!(shown(&server, &pki), signed.cert.as_ref());
    server.expect_ok(&format!("CONFIG SET tls-key-file {key_file} tls-cert-file {cert_file}"));
    assert_eq!(shown(&server, &pki), other.cert.as_ref());
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let encrypted = pki.write(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let header = pki.write(
        "header",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----\n",
    );
    let empty = pki.write("empty", "no PEM at all\n");
    let broken = pki.write("broken", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let junk = pki.write("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = pki.path("missing");
    for (setting, path, reason) in [
        ("tls-key-file", &encrypted, "is encrypted, which is not supported"),
        ("tls-key-file", &header, "is encrypted, which is not supported"),
        ("tls-key-file", &empty, "no key in"),
        ("tls-key-file", &missing, "No such file"),
        ("tls-cert-file", &empty, "no certificate in"),
        ("tls-cert-file", &broken, "is not PEM"),
        ("tls-cert-file", &junk, "cannot be used"),
        ("tls-cert-file", &missing, "No such file"),
    ] {
        let error = server.plain.control().error(&format!("CONFIG SET {setting} {path}"));
        let start = format!("ERR CONFIG SET failed (possibly related to argument '{setting}') - ");
        assert!(error.starts_with(&start) && error.contains(reason) && error.contains(&**path), "{error}");
    }
    for (line, reason) in [
        (format!("CONFIG SET tls-auth-clients yes tls-ca-cert-file {empty}"), "no certificate in"),
        (format!("CONFIG SET tls-auth-clients yes tls-ca-cert-file {junk}"), "a CA cannot be used"),
        (format!("CONFIG SET tls-auth-clients yes tls-ca-cert-dir {missing}"), "No such file"),
        ("CONFIG SET tls-protocols TLSv1.3 tls-ciphersuites \"\" tls-cert-file \"\"".to_owned(), "Invalid"),
    ] {
        let error = server.plain.control().error(&line);
        assert!(error.contains(reason) || reason == "Invalid", "{error}");
    }
    Secure::connect(server.addr, &Terms::of(&pki).config()).expect("all is as it was");
}

#[test]
fn same_name_given_again_reads_the_file_again() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |_| {});
    let next = replace(&pki, &signed);
    assert_eq!(shown(&server, &pki), signed.cert.as_ref());
    server.expect_ok(&format!("CONFIG SET tls-cert-file {}", signed.cert_file));
    assert_eq!(shown(&server, &pki), next.cert.as_ref());
}

#[test]
fn reload_takes_new_files_and_keeps_the_old_where_they_do_not_fit() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |_| {});
    let serial = server.fact("tls_server_cert_serial");
    fs::write(&signed.key_file, "half a file").expect("a file");
    server.plain.reload_tls();
    let next = replace(&pki, &signed);
    server.plain.reload_tls();
    wait_until("the new one is shown", || server.fact("tls_server_cert_serial") != serial);
    assert_eq!(shown(&server, &pki), next.cert.as_ref());
}

#[test]
fn changed_files_are_found_by_looking_at_them() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |settings| settings.tls.auto_reload_interval_s = 1);
    let next = replace(&pki, &signed);
    wait_until("the new one is shown", || shown(&server, &pki) == next.cert.as_ref());
}

#[test]
fn folder_of_cas_is_read_and_a_ca_taken_out_of_it_lets_nobody_in() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let folder = pki.path("cas");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(&pki.ca_file, format!("{folder}/one.pem")).expect("a file");
    fs::write(format!("{folder}/README"), "not PEM").expect("a file");
    std::os::unix::fs::symlink("one.pem", format!("{folder}/0a1b2c3d.0")).expect("a link");
    let signed = pki.client("somebody");
    let line = format!("CONFIG SET tls-auth-clients yes tls-ca-cert-file \"\" tls-ca-cert-dir {folder}");
    let line: Vec<&str> = line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect();
    assert_eq!(server.plain.control().call(&line).text(), "OK");
    let config = Terms::with(&pki, &signed).config();
    Secure::connect(server.addr, &config).expect("it is let in");
    let stranger = Pki::new();
    fs::copy(&stranger.ca_file, format!("{folder}/one.pem")).expect("a file");
    server.plain.reload_tls();
    wait_until("it is refused, also by its ticket", || Secure::connect(server.addr, &config).is_err());
}

#[test]
fn reloads_under_load_break_no_connection() {
    let pki = Pki::new();
    let signed = pki.server();
    let server = Server::start_with(&pki, &signed, |_| {});
    let config = Terms::of(&pki).config();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let loads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut kept = Secure::connect(server.addr, &config).expect("it is let in");
                    let mut connects = 0;
                    while !over.load(Relaxed) {
                        assert_eq!(kept.say("INCRBY n 0"), "0");
                        Secure::connect(server.addr, &config).expect("it is let in");
                        connects += 1;
                    }
                    connects
                })
            })
            .collect();
        let files = format!("tls-cert-file {} tls-key-file {}", signed.cert_file, signed.key_file);
        for _ in 0..100 {
            // Both in place before they are named: what lies between is another test.
            replace(&pki, &signed);
            server.expect_ok(&format!("CONFIG SET {files}"));
        }
        over.store(true, Relaxed);
        let connects: Vec<i32> = loads.into_iter().map(|load| load.join().expect("no error")).collect();
        assert!(connects.iter().all(|connects| *connects > 0), "{connects:?}");
    });
    assert_eq!(server.figure("tls_handshakes_failed"), 0);
}
