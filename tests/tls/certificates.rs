//! Certificates of all kinds, ours and clients': which are taken, and whose name they bear.

use std::net::SocketAddr;

use onefill::config::{CertificateUser, ClientCertificates};
use rcgen::string::Ia5String;
use rcgen::{
    DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize, SanType, date_time_ymd,
};

use super::client::{Secure, Terms};
use super::pki::{Pki, Signed, new_key};
use super::server::Server;

#[test]
fn keys_of_all_usual_kinds_serve() {
    let pki = Pki::new();
    let server = Server::start(&pki);
    let keys = [
        ("p256", new_key(&PKCS_ECDSA_P256_SHA256)),
        ("p384", new_key(&PKCS_ECDSA_P384_SHA384)),
        ("ed25519", new_key(&PKCS_ED25519)),
        ("rsa2048", KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key")),
        ("rsa4096", KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096).expect("a key")),
    ];
    for (name, key) in &keys {
        let Signed { cert_file, key_file, .. } = pki.sign_for(name, key, |_| {});
        server.expect_ok(&format!("CONFIG SET tls-cert-file {cert_file} tls-key-file {key_file}"));
        Secure::connect(server.addr, &Terms::of(&pki).config())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn client_whose_certificate_has_expired_or_is_not_good_yet_is_refused() {
    let pki = Pki::new();
    let server = Server::start_with(&pki, &pki.server(), |settings| {
        settings.tls.auth_clients = ClientCertificates::Yes;
    });
    let expired = pki.sign("expired", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = pki.sign("early", |params| params.not_before = date_time_ymd(2100, 1, 1));
    let good = pki.sign("good", |_| {});
    let lets_in = |signed: &Signed| Secure::connect(server.addr, &Terms::with(&pki, signed).config()).is_ok();
    assert_eq!([&expired, &early, &good].map(lets_in), [false, false, true]);
}

/// Asks without a password, as whoever the certificate makes it.
fn is_default(addr: SocketAddr, pki: &Pki, signed: &Signed) -> bool {
    let mut client = Secure::open(addr, &Terms::with(pki, signed).config()).expect("it is let in");
    match client.say("GET k").as_str() {
        "nil" => true,
        "NOAUTH Authentication required." => false,
        other => panic!("{other}"),
    }
}

fn server_with_users(pki: &Pki, users: CertificateUser) -> Server {
    let server = Server::start_with(pki, &pki.server(), |settings| {
        settings.tls.auth_clients = ClientCertificates::Optional;
        settings.tls.auth_clients_user = users;
    });
    server.expect_ok("CONFIG SET requirepass secret");
    server
}

#[test]
fn common_name_makes_the_user_only_as_a_whole_and_alone() {
    let pki = Pki::new();
    let server = server_with_users(&pki, CertificateUser::CommonName);
    assert!(is_default(server.addr, &pki, &pki.client("default")));
    for name in ["default\0x", "Default", "default ", "", "defaul", "nobody"] {
        assert!(!is_default(server.addr, &pki, &pki.client(name)), "{name:?}");
    }
    let none = pki.sign("none", |_| {});
    let two = |first: &str, second: &str| {
        pki.sign("two", |params| {
            params.distinguished_name.push(DnType::CommonName, first);
            // The same type by its number, or the second name would take the first one's place.
            params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), second);
        })
    };
    for signed in [none, two("default", "other"), two("other", "default")] {
        assert!(!is_default(server.addr, &pki, &signed));
    }
    assert_eq!(server.figure("acl_access_denied_tls_cert"), 9);
    // Without a certificate nobody is asked after.
    let mut stranger = Secure::open(server.addr, &Terms::of(&pki).config()).expect("it is let in");
    assert!(stranger.say("GET k").starts_with("NOAUTH"));
    assert_eq!(server.figure("acl_access_denied_tls_cert"), 9);
    server.open_up();
}

#[test]
fn name_holds_for_a_resumed_session_and_auth_still_changes_it() {
    let pki = Pki::new();
    let server = server_with_users(&pki, CertificateUser::CommonName);
    let (known, other) = (pki.client("default"), pki.client("other"));
    let config = Terms::with(&pki, &known).config();
    for _ in 0..2 {
        assert_eq!(Secure::connect(server.addr, &config).expect("it is let in").say("GET k"), "nil");
    }
    assert_eq!(server.figure("tls_handshakes_resumed"), 1);
    let mut client = Secure::open(server.addr, &Terms::with(&pki, &other).config()).expect("it is let in");
    assert_eq!(client.say("AUTH secret"), "OK");
    assert_eq!(client.say("GET k"), "nil");
    server.open_up();
}

#[test]
fn user_of_a_certificate_may_do_what_he_may_and_is_nobody_while_he_is_off() {
    let pki = Pki::new();
    let server = server_with_users(&pki, CertificateUser::CommonName);
    server.expect_ok("ACL SETUSER app on resetpass ~app:* +get +acl|whoami");
    let config = Terms::with(&pki, &pki.client("app")).config();
    let mut client = Secure::open(server.addr, &config).expect("it is let in");
    assert_eq!(client.say("ACL WHOAMI"), "app");
    assert_eq!(client.say("GET app:k"), "nil");
    assert!(client.say("GET k").starts_with("NOPERM") && client.say("SET app:k v").starts_with("NOPERM"));
    assert!(client.say("AUTH app x").starts_with("WRONGPASS"), "no password lets him in");
    server.expect_ok("ACL SETUSER app off");
    let mut client = Secure::open(server.addr, &config).expect("it is let in");
    assert!(client.say("GET app:k").starts_with("NOAUTH"));
    let log = server.plain.control().run("ACL LOG");
    let newest: Vec<(String, super::support::Value)> = log.array()[0].pairs();
    let fact = |name: &str| newest.iter().find(|(found, _)| found == name).map(|(_, value)| value.text());
    assert_eq!((fact("reason"), fact("username")), (Some("tls-cert".to_owned()), Some("app".to_owned())));
    server.open_up();
}

#[test]
fn uri_makes_the_user_whichever_of_them_it_is() {
    let pki = Pki::new();
    let server = server_with_users(&pki, CertificateUser::Uri);
    let with = |uris: &[&str]| {
        pki.sign("uri", |params| {
            let uris = uris.iter().map(|uri| SanType::URI(Ia5String::try_from(*uri).expect("ASCII")));
            params.subject_alt_names.extend(uris);
        })
    };
    assert!(is_default(server.addr, &pki, &with(&["urn:x", "default"])));
    assert!(!is_default(server.addr, &pki, &with(&["urn:default", "default\0"])));
    assert!(!is_default(server.addr, &pki, &pki.client("default")), "its common name is not asked for");
    server.open_up();
}
