//! MEMORY USAGE against used_memory: what the keys are said to take is what the process grew by.
//!
//! Reads figures of the whole process: a program of its own with one test.

mod support;

use support::{Conn, TestServer};

/// As in the program: INFO's used_memory is this allocator's figure.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keys that are sent before their replies are read.
const AT_A_TIME: usize = 500;

/// Of so many keys one is asked about.
const ASKED: usize = 10;

/// Keys, bytes of a value, and what stands behind it in SET. Enough for each shard to fill some segments: the end of its
/// last one is nobody's.
const KINDS: &[(usize, usize, &str)] = &[
    (500_000, 8, ""),
    (500_000, 8, " EX 1000"),
    (1_000_000, 64, " PX 86400000"),
    (60_000, 1_000, ""),
    (4_000, 10_000, " EX 1000"),
    (5_000, 16_384, ""),
    (500, 100_000, " EX 10"),
    (100, 1_100_000, ""),
];

#[test]
fn usage_of_all_keys_is_what_used_memory_grew_by() {
    for (keys, value_bytes, options) in KINDS {
        let server = TestServer::start();
        let mut conn = server.connect();
        let before = used_memory(&mut conn);
        let value = "x".repeat(*value_bytes);
        store(&mut conn, *keys, &value, options);
        let grew = used_memory(&mut conn) - before;
        let told = usages(&mut conn, *keys);
        let off = (told as f64 / grew as f64 - 1.0) * 100.0;
        println!("{keys} values of {value_bytes} bytes{options}: grew {grew}, told {told}: {off:+.1} %");
        assert!(off.abs() < 10.0, "{keys} values of {value_bytes} bytes{options}: {told} told, {grew} grew");
    }
}

fn store(conn: &mut Conn, keys: usize, value: &str, options: &str) {
    let at_a_time = AT_A_TIME.min(10_000_000 / value.len());
    for first in (0..keys).step_by(at_a_time) {
        let some = first..keys.min(first + at_a_time);
        let lines: Vec<String> = some.map(|key| format!("SET key:{key:012} {value}{options}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        conn.pipeline(&lines);
        lines.iter().for_each(|_| assert_eq!(conn.reply().text(), "OK"));
    }
}

/// What all keys are said to take, by a sample.
fn usages(conn: &mut Conn, keys: usize) -> i64 {
    let mut sum = 0;
    for first in (0..keys).step_by(AT_A_TIME * ASKED) {
        let some = (first..keys.min(first + AT_A_TIME * ASKED)).step_by(ASKED);
        let lines: Vec<String> = some.map(|key| format!("MEMORY USAGE key:{key:012}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        conn.pipeline(&lines);
        sum += lines.iter().map(|_| conn.reply().int()).sum::<i64>();
    }
    sum * ASKED as i64
}

fn used_memory(conn: &mut Conn) -> i64 {
    let info = conn.say("INFO memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("INFO has used_memory").parse().expect("a number")
}
