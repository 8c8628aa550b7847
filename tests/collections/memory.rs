//! What collections take of the memory, and how they leave. The allocator is the process's, so each test runs the program.

use crate::program::Program;
use crate::support::{Conn, wait_until};

const MIB: u64 = 1 << 20;

/// Every figure kept is what a recount finds.
#[track_caller]
fn expect_sound(conn: &mut Conn) {
    let census = conn.run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}

/// Adds members to a collection (by `command`), many in one request; with scores that are no order of them, if there are any.
fn add(conn: &mut Conn, command: &str, key: &str, members: std::ops::Range<usize>) {
    for first in members.clone().step_by(500) {
        let mut words = vec![command.to_owned(), key.to_owned()];
        for member in first..members.end.min(first + 500) {
            words.extend((command == "ZADD").then(|| (member * 7_919 % 100_003).to_string()));
            words.push(format!("member:{member:08}"));
        }
        conn.call(&words);
    }
}

#[test]
fn limit_holds_with_collections_of_all_sizes_and_large_ones_leave_whole() {
    for policy in ["allkeys-s3fifo", "allkeys-lru", "allkeys-random"] {
        let server = Program::start(&[
            "--maxmemory",
            "16mb",
            "--maxmemory-policy",
            policy,
            "--enable-debug-command",
            "yes",
        ]);
        let mut conn = server.connect();
        for round in 0..40 {
            add(&mut conn, "SADD", &format!("set:{round}"), 0..20_000);
            add(&mut conn, "RPUSH", &format!("list:{round}"), 0..20_000);
            add(&mut conn, "ZADD", &format!("sorted:{round}"), 0..10_000);
            for key in 0..100 {
                conn.run(&format!(
                    "HSET hash:{round}:{key} name some-name number {key} text {}",
                    "x".repeat(key)
                ));
            }
        }
        let counted = server.figure("used_memory") - server.figure("mem_not_counted_for_evict");
        assert!(counted < 18 * MIB, "{policy}: {counted}");
        assert!(server.figure("evicted_keys") > 10, "{policy}");
        expect_sound(&mut conn);
        for round in 0..40 {
            for what in ["SCARD set", "LLEN list", "ZCARD sorted"] {
                let len = conn.run(&format!("{what}:{round}")).int();
                assert!(len % 500 == 0, "{policy}: {len}, {what} {round}");
            }
        }
    }
}

#[test]
fn memory_usage_tells_of_a_large_collection_and_its_deletion_gives_it_back() {
    let server = Program::start(&["--enable-debug-command", "yes"]);
    let mut conn = server.connect();
    // Bytes that an element may take: 15 are its own, 8 a score's.
    for (command, element_bytes_max) in [("SADD", 30), ("RPUSH", 19), ("ZADD", 47)] {
        let before = server.figure("used_memory");
        add(&mut conn, command, "k", 0..200_000);
        // Pages of the table come from regions of 2 MiB.
        let (held, told) = (server.figure("used_memory") - before, conn.run("MEMORY USAGE k").int() as u64);
        assert!(told.abs_diff(held) < held / 8 + 2 * MIB, "{command}: {told} told, {held} held");
        assert!(told < 200_000 * element_bytes_max, "{command}: {told}");
        expect_sound(&mut conn);
        assert_eq!(conn.say("DEL k"), "1");
        wait_until("the reaper is done", || server.figure("lazyfree_pending_objects") == 0);
        wait_until("the memory is free", || server.figure("used_memory") < before + held / 8);
        expect_sound(&mut conn);
    }
}

#[test]
fn ten_fields_take_little_more_than_their_bytes() {
    let server = Program::start(&[]);
    let mut conn = server.connect();
    let before = server.figure("used_memory");
    for key in 0..20_000 {
        let fields: Vec<String> =
            (0..10).map(|field| format!("field:{field} {:020}", key * 10 + field)).collect();
        conn.run(&format!("HSET hash:{key:06} {}", fields.join(" ")));
    }
    let payload = 20_000 * (11 + 10 * (7 + 20));
    let beside = (server.figure("used_memory") - before - payload) as f64 / 200_000.0;
    // Four of them in the entry; the rest is the table's, and the segments that each of 32 shards is just filling.
    assert!(beside < 7.0, "{beside} bytes a field beside key, fields and values");
}
