//! Deadlines of fields and what else there is: events, watchers, caches, payloads, figures.

use onefill::base::limits::HELPED_STEPS_MIN;
use onefill::config::DebugAccess;

use crate::support::{EPOCH_MS, TestServer, Value, wait_until};

/// Longer than the sweeper's period.
const PERIOD_MS: u64 = 200;

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes)
}

#[test]
fn field_that_ends_is_told_as_an_event_and_the_key_goes_with_the_last() {
    let server = start();
    let (mut conn, mut ear) = (server.connect(), server.connect());
    conn.run("CONFIG SET notify-keyspace-events KEA");
    ear.run("PSUBSCRIBE __keyevent@0__:*");
    conn.run("HSETEX h PX 40 FIELDS 1 a 1");
    server.advance_ms(PERIOD_MS);
    let heard = ["hset", "hexpire", "hexpired", "del"].map(|_| ear.reply().array()[2].text());
    assert_eq!(heard, ["hset", "hexpire", "hexpired", "del"].map(|name| format!("__keyevent@0__:{name}")));
    assert_eq!(conn.run("EXISTS h"), Value::Int(0));
}

#[test]
fn swept_fields_are_counted_and_nobody_need_ask_for_them() {
    let server = start();
    let mut conn = server.connect();
    conn.run("HSET h keep 1 a 1 b 2");
    conn.run("HPEXPIRE h 20 FIELDS 2 a b");
    assert!(conn.run("INFO keyspace").text().contains("keys=1,expires=0,avg_ttl=0,subexpiry=1"));
    server.advance_ms(PERIOD_MS);
    wait_until("both are swept", || conn.run("INFO stats").text().contains("expired_subkeys:2"));
    assert!(!conn.run("INFO keyspace").text().contains("subexpiry"));
    assert_eq!(conn.run("OBJECT ENCODING h").text(), "listpack");
    let census = server.control().run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}

#[test]
fn watcher_hears_of_a_field_that_ended() {
    let server = start();
    let (mut conn, mut other) = (server.connect(), server.connect());
    conn.run("HSET h a 1 b 2");
    conn.run("HPEXPIRE h 30 FIELDS 1 a");
    conn.run("WATCH h");
    server.advance_ms(29);
    assert_eq!(other.run("HEXISTS h a"), Value::Int(1));
    server.advance_ms(1);
    assert_eq!(other.run("HEXISTS h a"), Value::Int(0));
    conn.run("MULTI");
    conn.run("HLEN h");
    assert_eq!(conn.run("EXEC"), Value::Nil);
}

#[test]
fn deadlines_go_along_in_payloads_and_through_a_reload() {
    let server = start();
    let mut conn = server.connect();
    conn.run("HSET h a 1 b 2 c 3");
    conn.run("HPEXPIREAT h 5000000000123 FIELDS 1 a");
    conn.run("HPEXPIREAT h 5000000000999 FIELDS 1 c");
    let Value::Bulk(payload) = conn.run("DUMP h") else { panic!("it is there") };
    let words: [&[u8]; 4] = [b"RESTORE", b"copy", b"0", &payload];
    assert_eq!(conn.call(&words).text(), "OK");
    conn.run("DEBUG RELOAD");
    for key in ["h", "copy"] {
        let told = conn.run(&format!("HPEXPIRETIME {key} FIELDS 3 a b c"));
        assert_eq!(told.array(), [5_000_000_000_123, -1, 5_000_000_000_999].map(Value::Int));
        assert_eq!(conn.run(&format!("HGET {key} a")).text(), "1");
    }
    let digests = conn.run("DEBUG DIGEST-VALUE h copy");
    assert_eq!(digests.array()[0], digests.array()[1]);
}

#[test]
fn deadlines_of_a_large_hash_go_along_in_what_helpers_make_aside() {
    let server = start();
    let mut conn = server.connect();
    let pairs = (0..2 * HELPED_STEPS_MIN).flat_map(|number| [format!("f{number}"), "v".to_owned()]);
    let words: Vec<String> = ["HSET", "h"].map(str::to_owned).into_iter().chain(pairs).collect();
    conn.call(&words);
    conn.run(&format!("HPEXPIREAT h {} FIELDS 2 f1 f2", EPOCH_MS + 5_000));
    conn.run("HPEXPIREAT h 5000000000123 FIELDS 1 f3");
    // More of them than are taken out at once.
    let due: Vec<String> = (100..300).map(|number| format!("f{number}")).collect();
    conn.run(&format!("HPEXPIRE h 10 FIELDS 200 {}", due.join(" ")));
    server.advance_ms(10);
    assert_eq!(conn.run("COPY h copy"), Value::Int(1));
    let Value::Bulk(payload) = conn.run("DUMP h") else { panic!("it is there") };
    let words: [&[u8]; 4] = [b"RESTORE", b"again", b"0", &payload];
    assert_eq!(conn.call(&words).text(), "OK");
    let digests = conn.run("DEBUG DIGEST-VALUE h copy again");
    assert!(digests.array().iter().all(|digest| *digest == digests.array()[0]));
    for key in ["copy", "again"] {
        let told = conn.run(&format!("HPEXPIRETIME {key} FIELDS 4 f1 f3 f4 f100"));
        assert_eq!(told.array(), [EPOCH_MS + 5_000, 5_000_000_000_123, -1, -2].map(Value::Int));
        assert_eq!(conn.run(&format!("HLEN {key}")), Value::Int(2 * HELPED_STEPS_MIN as i64 - 200));
    }
    server.advance_ms(5_000);
    for key in ["h", "copy", "again"] {
        assert_eq!(conn.run(&format!("HMGET {key} f1 f2 f3")).array()[..2], [Value::Nil, Value::Nil]);
    }
    let census = server.control().run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}
