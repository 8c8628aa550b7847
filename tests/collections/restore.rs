//! Values that come as payloads of DUMP: what they may be, and what their coming means to others.

use onefill::config::DebugAccess;
use onefill::rdb::{VALUES_VERSION, seal};

use crate::support::{Conn, TestServer, Value};

const BAD: &str = "ERR Bad data format";

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes)
}

/// Every figure kept is what a recount finds.
#[track_caller]
fn expect_sound(server: &TestServer) {
    let census = server.control().run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}

fn restore(key: &str, payload: &[u8], options: &[&str]) -> Vec<Vec<u8>> {
    let words = [&b"RESTORE"[..], key.as_bytes(), b"0", payload];
    words.into_iter().chain(options.iter().map(|option| option.as_bytes())).map(<[u8]>::to_vec).collect()
}

fn dump(conn: &mut Conn, key: &str) -> Vec<u8> {
    let Value::Bulk(payload) = conn.run(&format!("DUMP {key}")) else { panic!("{key} is not there") };
    payload
}

/// Small values, as this server writes them and as others do.
const BODIES: &[&[u8]] = &[
    b"\x00\x05hello",
    b"\x00\xc2\x00\x00\x01\x00",
    b"\x00\xc3\x09\x1ax\xe0\x10x\x00\x02abc",
    b"\x02\x03\x01a\x02bb\xc0\x05",
    b"\x04\x02\x01f\x01v\x01g\xc0\x07",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00,\x01",
    b"\x0d\x16\x16\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01f\x03\xf2\x02\x01g\x03\x01v\xff",
    b"\x10\x1a\x1a\x00\x00\x00\x06\x00\x81f\x02\x01\x01\x81g\x02\x83abc\x04\x81n\x02\xdf\xf9\x02\xff",
    b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff",
    b"\x05\x02\x01a\x00\x00\x00\x00\x00\x00\xf0?\x02bb\x00\x00\x00\x00\x00\x00\xf0\xff",
    b"\x03\x02\x01a\x042.50\x01b\xfe",
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff",
];

#[test]
fn every_cut_and_every_changed_byte_is_an_error_or_a_value() {
    let server = start();
    let mut conn = server.connect();
    for body in BODIES {
        let mut bodies: Vec<Vec<u8>> = (0..body.len()).map(|at| body[..at].to_vec()).collect();
        bodies.extend((0..body.len()).flat_map(|at| {
            [1, 2, 4, 8, 16, 32, 64, 128, 255].map(|flip| {
                let mut changed = body.to_vec();
                changed[at] ^= flip;
                changed
            })
        }));
        for changed in bodies {
            let payload = seal(changed.clone(), VALUES_VERSION);
            let reply = conn.call(&restore("k", &payload, &["REPLACE"]));
            match reply.text().as_str() {
                BAD => {}
                "OK" => assert_ne!(changed.len(), 0),
                other => panic!("{}: {other}", changed.escape_ascii()),
            }
        }
        // Without the right sum none of it is even looked at.
        let payload = seal(body.to_vec(), VALUES_VERSION);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            let reply = conn.call(&restore("k", &changed, &["REPLACE"]));
            assert_eq!(reply.text(), "ERR DUMP payload version or checksum are wrong");
        }
    }
    expect_sound(&server);
}

#[test]
fn announced_bytes_cost_nothing_and_long_texts_are_refused() {
    let server = TestServer::start_with(|settings| settings.bulk_bytes_max = 1 << 20);
    let mut conn = server.connect();
    let packed = |len: u32| [&b"\x00\xc3\x05\x80"[..], &len.to_be_bytes(), b"\xe0\xff\x00\x00a"].concat();
    let zeros = [&b"\x00\xc3\x80"[..], &30_000_u32.to_be_bytes(), b"\x80", &(2_u32 << 20).to_be_bytes()];
    let zeros = [&zeros.concat()[..], b"\x00a", &b"\xe0\xff\x00".repeat(9_999)].concat();
    for body in [packed(u32::MAX), packed(1 << 20), zeros, b"\x00\x80\xff\xff\xff\xff".to_vec()] {
        let reply = conn.call(&restore("k", &seal(body, VALUES_VERSION), &[]));
        assert_eq!(reply.text(), BAD);
    }
    assert_eq!(conn.say("EXISTS k"), "0");
}

#[test]
fn large_values_come_back_as_they_were() {
    let server = start();
    let mut conn = server.connect();
    let long = "y".repeat(20_000);
    for number in 0..2_000 {
        conn.say(&format!("SADD s member:{number}"));
        conn.say(&format!("HSET h field:{number} {number}"));
        conn.say(&format!("ZADD z {} member:{number}", number % 7));
    }
    conn.say(&format!("HSET h long {long}"));
    conn.say(&format!("SET k {long}"));
    for key in ["s", "h", "z", "k"] {
        let payload = dump(&mut conn, key);
        assert_eq!(conn.call(&restore("copy", &payload, &["REPLACE"])).text(), "OK");
        let digests = conn.run(&format!("DEBUG DIGEST-VALUE {key} copy"));
        assert_eq!(digests.array()[0], digests.array()[1], "{key}");
    }
    expect_sound(&server);
}

#[test]
fn restored_value_ends_a_fill_as_a_write_and_a_past_deadline_as_a_deletion() {
    let server = start();
    let [mut leader, mut waiter, mut writer] = server.connect_many();
    writer.say("SET a v");
    writer.say("SADD b m");
    for (source, expected) in [
        ("a", Value::Bulk(b"v".to_vec())),
        ("b", Value::Error("WRONGTYPE Operation against a key holding the wrong kind of value".to_owned())),
    ] {
        let payload = dump(&mut writer, source);
        let token = leader.lead("k");
        server.park(&mut waiter, "k");
        assert_eq!(
            writer.call(&restore("k", b"x", &[])).text(),
            "ERR DUMP payload version or checksum are wrong"
        );
        server.expect_parked("k", &mut [&mut waiter]);
        assert_eq!(writer.call(&restore("k", &payload, &[])).text(), "OK", "a fill is no key");
        match waiter.reply() {
            Value::Array(answer) => assert_eq!(answer[1], expected),
            error => assert_eq!(error, expected),
        }
        assert_eq!(leader.say(&format!("FILL.PUT k {token} late")), "VOID");
        writer.say("DEL k");
    }
    let payload = dump(&mut writer, "a");
    let token = leader.lead("k");
    let words = [&b"RESTORE"[..], b"k", b"1", &payload, b"ABSTTL"];
    assert_eq!(writer.call(&words).text(), "OK");
    assert_eq!(leader.say(&format!("FILL.PUT k {token} late")), "VOID");
    assert_eq!(writer.say("EXISTS k"), "0");
}

#[test]
fn use_of_a_value_comes_along_where_the_policy_keeps_it() {
    let server = start();
    let mut conn = server.connect();
    conn.say("SET a v");
    let payload = dump(&mut conn, "a");
    conn.say("CONFIG SET maxmemory 1gb");
    for (policy, options, question, expected) in [
        ("allkeys-lru", ["IDLETIME", "1000"], "OBJECT IDLETIME k", 1000..=1001),
        ("allkeys-lru", ["FREQ", "77"], "OBJECT IDLETIME k", 0..=1),
        ("volatile-lfu", ["FREQ", "200"], "OBJECT FREQ k", 200..=200),
        ("allkeys-lfu", ["IDLETIME", "1000"], "OBJECT FREQ k", 5..=5),
    ] {
        assert_eq!(conn.say(&format!("CONFIG SET maxmemory-policy {policy}")), "OK");
        conn.say("DEL k");
        assert_eq!(conn.call(&restore("k", &payload, &options)).text(), "OK");
        let shown = conn.run(question).int();
        assert!(expected.contains(&shown), "{policy} {options:?}: {shown}");
    }
    let ages = conn.call(&restore("k", &payload, &["REPLACE", "IDLETIME", &i64::MAX.to_string()]));
    assert_eq!(ages.text(), "OK");
}
