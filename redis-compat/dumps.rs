//! Values that go from one server to the other as payloads of DUMP, and must be the same there.
//!
//! Owns: the values that are sent. Does not know: what a payload looks like. DEBUG DIGEST-VALUE, which both servers work out
//! from what commands see, is the judge; how the values lie is varied by the settings of the server that dumps them.

use crate::peer::Peer;
use crate::wire::{Connection, Reply};

/// Under these limits the reference keeps the same values packed, and as tables.
const LIMITS: &[&[(&str, &str)]] = &[
    &[],
    &[
        ("hash-max-listpack-entries", "1"),
        ("set-max-intset-entries", "1"),
        ("hash-max-listpack-value", "3"),
        ("list-max-listpack-size", "2"),
        ("zset-max-listpack-entries", "1"),
    ],
];

/// Texts of every kind that is written in a way of its own.
fn texts() -> Vec<Vec<u8>> {
    let numbers =
        [0, 12, 127, 128, -129, 4095, -4097, 32_767, 70_000, i64::from(i32::MAX), i64::MIN, i64::MAX];
    let mut texts: Vec<Vec<u8>> = numbers.iter().map(|number| number.to_string().into_bytes()).collect();
    texts.extend([&b"012"[..], b"-0", b"a", b"a\r\n\0\xff", b"3.25"].map(<[u8]>::to_vec));
    texts.extend([63, 64, 300, 5000, 16_384, 70_000].map(|len| vec![b'x'; len]));
    texts.extend(
        [63, 64, 300, 5000, 16_384, 70_000].map(|len| (0..len).map(|at: u64| (at * at / 7) as u8).collect()),
    );
    texts
}

/// Commands, each of which makes one value under `k`.
fn values() -> Vec<Vec<Vec<u8>>> {
    let command =
        |name: &str, words: Vec<Vec<u8>>| [vec![name.as_bytes().to_vec(), b"k".to_vec()], words].concat();
    let pairs = |texts: &[Vec<u8>]| texts.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
    let numbered =
        |count: usize| (0..count).map(|at| format!("{}", at * 37).into_bytes()).collect::<Vec<_>>();
    let named = |count: usize| (0..count).map(|at| format!("name:{at}").into_bytes()).collect::<Vec<_>>();
    let mut values: Vec<_> = texts().into_iter().map(|text| command("SET", vec![text])).collect();
    // Scores that both servers tell with the same digits.
    let scores = ["0", "-1", "0.5", "inf", "-inf", "1e3", "-12.25", "3", "3"];
    let scored = |texts: &[Vec<u8>]| {
        let scores = scores.iter().cycle().map(|score| score.as_bytes().to_vec());
        scores.zip(texts).flat_map(|(score, text)| [score, text.clone()]).collect()
    };
    for texts in [texts(), numbered(3), numbered(600), named(3), named(200), named(3000)] {
        values.push(command("ZADD", scored(&texts)));
        values.push(command("HSET", pairs(&texts)));
        values.push(command("RPUSH", texts.clone()));
        values.push(command("SADD", texts));
    }
    values
}

fn call<A: AsRef<[u8]>>(connection: &mut Connection, words: &[A]) -> Reply {
    connection.call(words).expect("a reply")
}

/// What `k` holds, as a number, and what OBJECT ENCODING says of it.
fn shown(connection: &mut Connection) -> (Reply, Reply) {
    let digest = call(connection, &["DEBUG", "DIGEST-VALUE", "k"]);
    (digest, call(connection, &["TYPE", "k"]))
}

/// Sends every value from one server to the other; how many.
fn send(from: &Peer, to: &Peer) -> usize {
    let (mut source, mut target) = (from.connect(), to.connect());
    let mut sent = 0;
    for value in values() {
        call(&mut source, &["DEL", "k"]);
        call(&mut source, &value);
        let Reply::Bulk(payload) = call(&mut source, &["DUMP", "k"]) else {
            panic!("{} dumps nothing", from.name)
        };
        let words = [&b"RESTORE"[..], b"k", b"0", &payload, b"REPLACE"];
        assert_eq!(call(&mut target, &words), Reply::Simple(b"OK".to_vec()), "{}", payload.escape_ascii());
        assert_eq!(shown(&mut source), shown(&mut target), "{}", payload.escape_ascii());
        sent += 1;
    }
    sent
}

#[test]
fn payloads_are_taken_on_the_other_side() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    for limits in LIMITS {
        for (name, value) in *limits {
            assert_eq!(redis.call(&["CONFIG", "SET", name, value]), Reply::Simple(b"OK".to_vec()), "{name}");
        }
        let sent = [send(&redis, &onefill), send(&onefill, &redis), send(&onefill, &onefill)];
        assert_eq!(sent, [values().len(); 3]);
    }
}

#[test]
fn reloading_leaves_everything_as_it_was() {
    let onefill = Peer::onefill();
    let mut connection = onefill.connect();
    for (number, mut value) in values().into_iter().enumerate() {
        call(&mut connection, &["SELECT", if number % 2 == 0 { "0" } else { "3" }]);
        value[1] = format!("k{number}").into_bytes();
        call(&mut connection, &value);
        if number % 5 == 0 {
            call(&mut connection, &["EXPIRE", &format!("k{number}"), "1000"]);
        }
    }
    let digest = |connection: &mut Connection| call(connection, &["DEBUG", "DIGEST"]);
    let before = digest(&mut connection);
    assert_eq!(call(&mut connection, &["DEBUG", "RELOAD"]), Reply::Simple(b"OK".to_vec()));
    assert_eq!(digest(&mut connection), before);
    let count = |connection: &mut Connection| call(connection, &["DBSIZE"]);
    call(&mut connection, &["SELECT", "0"]);
    assert_eq!(count(&mut connection), Reply::Int(values().len().div_ceil(2) as i64));
}
