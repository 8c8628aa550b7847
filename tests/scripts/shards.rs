//! Narrow scripts and wide ones on four workers: no count is lost, nobody waits for ever, no proof is wrong.

use std::thread;

use crate::info_number;
use crate::support::{Conn, TestServer, Value};

const ROUNDS: u64 = 150;
const KEYS: usize = 8;
/// Proved to touch its keys alone.
const NARROW: &str = "redis.call('INCR', KEYS[1]) redis.call('INCR', KEYS[2]) return 1";
/// Finds its keys as it runs, in whatever order.
const WIDE: &str = "for _, name in ipairs(ARGV) do
    local key = 'k' .. name
    redis.call('SET', key, (tonumber(redis.call('GET', key)) or 0) + 1)
end return 1";

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.io_threads = 4)
}

/// Adds one to two keys, in one of four ways.
fn add(conn: &mut Conn, way: u64, a: usize, b: usize) {
    let (first, second) = (format!("k{a}"), format!("k{b}"));
    match way {
        0 => drop(conn.call(&["EVAL", NARROW, "2", &first, &second])),
        1 => drop(conn.call(&["EVAL", WIDE, "0", &a.to_string(), &b.to_string()])),
        2 => {
            conn.pipeline(&[
                "MULTI".to_owned(),
                format!("INCR {first}"),
                format!("INCR {second}"),
                "EXEC".to_owned(),
            ]);
            (0..4).for_each(|_| drop(conn.reply()));
        }
        _ => {
            assert_eq!(conn.say("MULTI"), "OK");
            conn.call(&["INCR", &first]);
            conn.call(&["EVAL", WIDE, "0", &b.to_string()]);
            assert!(matches!(conn.run("EXEC"), Value::Array(_)));
        }
    }
}

#[test]
fn no_count_is_lost_whatever_way_it_is_counted() {
    let server = start();
    let addr = server.addr();
    let threads: Vec<_> = (0..8u64)
        .map(|number| {
            thread::spawn(move || {
                let mut conn = Conn::open(addr);
                for round in 0..ROUNDS {
                    let a = (round * 7 + number) as usize % KEYS;
                    let b = (a + 1 + round as usize % (KEYS - 1)) % KEYS;
                    add(&mut conn, (round + number) % 4, a, b);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a client's end"));
    let mut conn = server.connect();
    let sum: u64 = (0..KEYS).map(|key| conn.say(&format!("GET k{key}")).parse::<u64>().unwrap_or(0)).sum();
    assert_eq!(sum, 8 * ROUNDS * 2);
    assert_eq!(info_number(&mut conn, "script_demotions"), 0);
    assert!(info_number(&mut conn, "scripts_narrow") > 0 && info_number(&mut conn, "scripts_wide") > 0);
}

#[test]
fn scripts_are_narrow_where_their_keys_are_all_they_can_touch() {
    let server = start();
    let mut conn = server.connect();
    let mut kind = |script: &str| {
        let (narrow, wide) = ("scripts_narrow", "scripts_wide");
        let before = (info_number(&mut conn, narrow), info_number(&mut conn, wide));
        conn.call(&["EVAL", script, "1", "a", "b"]);
        match (info_number(&mut conn, narrow) - before.0, info_number(&mut conn, wide) - before.1) {
            (1, 0) => "narrow",
            (0, 1) => "wide",
            other => panic!("{script}: {other:?}"),
        }
    };
    for script in [
        "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end",
        "local key = KEYS[1] local n = redis.call('INCR', key) redis.call('EXPIRE', key, 5) return n",
        "for _, key in ipairs(KEYS) do redis.call('DEL', key) end",
        "return redis.call('MGET', unpack(KEYS))",
        "return redis.call('PING')",
        "return redis.pcall('RENAME', KEYS[1], KEYS[1])",
        "return redis.call('COPY', KEYS[1], KEYS[1], 'DB', 1)",
    ] {
        assert_eq!(kind(script), "narrow", "{script}");
    }
    for script in [
        "return redis.call('get', 'a')",
        "return redis.call('get', ARGV[1])",
        "return redis.call('get', KEYS[1] .. ':x')",
        "return redis.call(ARGV[1])",
        "local KEYS = {'z'} return redis.call('get', KEYS[1])",
        "return redis.call('dbsize')",
        "return redis.pcall('RENAME', KEYS[1], ARGV[1])",
        "return redis.call('flushall')",
    ] {
        assert_eq!(kind(script), "wide", "{script}");
    }
}
