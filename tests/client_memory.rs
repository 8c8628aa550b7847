//! What clients hold is what the allocator gave for it, in both directions, and none of it drives entries out.
//!
//! Each kind of thing a connection can hold is filled to a known size, in a process of its own: what INFO tells of clients
//! must grow by what the allocator's figure grows by.

#[path = "support/program.rs"]
mod program;
mod support;

use program::Program;
use support::{Conn, wait_until};

const MIB: u64 = 1 << 20;
/// How far the report may be from the truth, of what was allocated.
const OFF_SHARE: u64 = 25;
/// And what else may come and go in the process meanwhile: lists that are resized, blocks in the threads' caches.
const OFF_BYTES: u64 = 512 * 1024;

/// The allocator's figure, and what the report says that clients hold of it.
fn figures(program: &Program) -> [u64; 2] {
    let info = program.connect().say("INFO memory");
    ["used_memory:", "mem_clients_normal:"].map(|name| {
        let figure = info.lines().find_map(|line| line.strip_prefix(name));
        figure.and_then(|figure| figure.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
    })
}

/// Fills, and compares what both figures grew by; then lets go, and looks whether both are as before.
fn fills<H>(kind: &str, least: u64, args: &[&str], prepare: &[&str], fill: impl FnOnce(&Program) -> H) {
    let program = Program::start(args);
    let mut control = program.connect();
    prepare.iter().for_each(|line| drop(control.say(line)));
    let before = figures(&program);
    let held = fill(&program);
    // What has arrived is run in the end.
    let mut grew = [0; 2];
    wait_until(kind, || {
        let now = figures(&program);
        let next = [0, 1].map(|at| now[at].saturating_sub(before[at]));
        let is_steady = next[0].abs_diff(grew[0]) < OFF_BYTES;
        grew = next;
        is_steady && grew[0] >= least
    });
    let [used, told] = grew;
    assert!(
        used.abs_diff(told) <= used / OFF_SHARE + OFF_BYTES,
        "{kind}: used_memory grew by {used}, mem_clients_normal by {told}"
    );
    drop(held);
    wait_until(&format!("{kind} are let go"), || {
        let [used, told] = figures(&program);
        used.saturating_sub(before[0]) < MIB && told.saturating_sub(before[1]) < OFF_BYTES
    });
}

/// Connections that have sent this many times the same request and read nothing.
fn unread(program: &Program, readers: usize, line: &str, times: usize) -> Vec<Conn> {
    let pipeline = vec![line; times];
    let mut connections: Vec<Conn> = (0..readers).map(|_| Conn::open_slow(program.addr)).collect();
    connections.iter_mut().for_each(|conn| conn.pipeline(&pipeline));
    connections
}

#[test]
fn replies_that_nobody_reads() {
    for (value_bytes, times) in [(10, 400_000), (200, 150_000), (1_000, 30_000), (10_000, 3_000)] {
        let set = format!("SET k {}", "v".repeat(value_bytes));
        let kind = format!("replies of {value_bytes} bytes");
        fills(&kind, 5 * MIB, &[], &[&set], |program| unread(program, 2, "GET k", times));
    }
}

#[test]
fn shared_value_that_left_while_replies_have_it() {
    let set = format!("SET k {}", "v".repeat(20 << 20));
    let program = Program::start(&[]);
    let mut control = program.connect();
    control.say(&set);
    let readers = unread(&program, 5, "GET k", 3);
    wait_until("all are written to", || {
        let list = control.say("CLIENT LIST");
        list.lines().filter(|line| line.contains(" omem=") && !line.contains(" omem=0 ")).count() == 5
    });
    let [used_before, told_before] = figures(&program);
    assert!(told_before < MIB, "the entry has it: {told_before}");
    assert_eq!(control.say("DEL k"), "1");
    let [used, told] = figures(&program);
    assert!(used + MIB > used_before, "they still have it");
    assert!((told - told_before).abs_diff(20 << 20) < MIB, "it counts once: {told}");
    drop(readers);
    wait_until("it is let go", || {
        figures(&program)[0] < used_before - 19 * MIB && figures(&program)[1] < MIB
    });
}

#[test]
fn messages_that_nobody_reads() {
    let limits = ["--client-output-buffer-limit", "pubsub 0 0 0"];
    for (kind, payload, times) in [("small messages", 1_000, 20_000), ("shared messages", 100_000, 200)] {
        fills(kind, 4 * MIB, &limits, &[], |program| {
            let mut subscribers: Vec<Conn> = (0..4).map(|_| Conn::open_slow(program.addr)).collect();
            for conn in &mut subscribers {
                conn.say("SUBSCRIBE c");
            }
            let mut publisher = program.connect();
            let line = format!("PUBLISH c {}", "m".repeat(payload));
            publisher.pipeline(&vec![line; times]);
            (0..times).for_each(|_| assert_eq!(publisher.reply().text(), "4"));
            (subscribers, publisher)
        });
    }
}

#[test]
fn requests_that_are_not_run_yet() {
    fills("half a request", 20 * MIB, &[], &[], |program| {
        let mut conn = program.connect();
        conn.send_raw(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", 40 << 20).as_bytes());
        conn.send_raw(&vec![b'v'; 30 << 20]);
        conn
    });
    let set = format!("SET k {}", "v".repeat(10_000));
    fills("requests behind unread replies", 70 * MIB, &[], &[&set], |program| {
        unread(program, 1, "GET k", 1_000_000)
    });
}

#[test]
fn queued_commands() {
    for (value_bytes, times) in [(1, 100_000), (100, 100_000), (100_000, 200)] {
        fills(&format!("commands of {value_bytes} bytes"), 10 * MIB, &[], &[], |program| {
            let mut conn = program.connect();
            conn.say("MULTI");
            let line = format!("SET k {}", "v".repeat(value_bytes));
            conn.pipeline(&vec![line; times]);
            (0..times).for_each(|_| assert_eq!(conn.reply().text(), "QUEUED"));
            conn
        });
    }
}

/// A connection that has said a command for each of many names.
fn named(program: &Program, first: &[&str], command: &str, names: usize) -> Conn {
    let mut conn = program.connect();
    first.iter().for_each(|line| drop(conn.say(line)));
    for portion in 0..names / 100 {
        let name = |n: usize| format!(" {}", (portion * 100 + n) as u64 * 1_000_000_007);
        let line: String = (0..100).map(name).collect();
        conn.pipeline(&[command.to_owned() + &line]);
    }
    conn.send(&["ECHO", "done"]);
    while conn.reply().text() != "done" {}
    conn
}

#[test]
fn names_that_are_watched_subscribed_to_and_cached() {
    fills("watched keys", 10 * MIB, &[], &[], |program| named(program, &[], "WATCH", 100_000));
    fills("channels", 10 * MIB, &[], &[], |program| named(program, &["HELLO 3"], "SUBSCRIBE", 100_000));
    fills("shard channels", 10 * MIB, &[], &[], |program| {
        named(program, &["HELLO 3"], "SSUBSCRIBE", 100_000)
    });
    fills("patterns", 10 * MIB, &[], &[], |program| named(program, &["HELLO 3"], "PSUBSCRIBE", 100_000));
    fills("channels of several", 10 * MIB, &[], &[], |program| {
        [0; 3].map(|_| named(program, &["HELLO 3"], "SUBSCRIBE", 50_000))
    });
}

#[test]
fn keys_that_are_cached() {
    let program = Program::start(&[]);
    let [used_before, told_before] = figures(&program);
    let on = ["HELLO 3", "CLIENT TRACKING ON"];
    let mut caching = [0; 2].map(|_| named(&program, &on, "MGET", 100_000));
    let [used, told] = figures(&program);
    let (used, told) = (used - used_before, told - told_before);
    assert!(used > 10 * MIB && used.abs_diff(told) < used / OFF_SHARE + OFF_BYTES, "{used}, told {told}");
    assert_eq!(caching[0].say("FLUSHALL"), "OK");
    wait_until("nothing is tracked", || figures(&program)[1] < told_before + MIB);
}

#[test]
fn connections_and_their_names() {
    fills("idle connections", MIB, &[], &[], |program| {
        let mut idle: Vec<Conn> = (0..2_000).map(|_| program.connect()).collect();
        idle.iter_mut().for_each(|conn| assert_eq!(conn.say("PING"), "PONG"));
        idle
    });
    fills("a long name", 4 * MIB, &[], &[], |program| {
        let mut conn = program.connect();
        conn.say(&format!("CLIENT SETNAME {}", "n".repeat(5 << 20)));
        conn
    });
}

/// Slow readers, whatever they hold, neither drive entries out nor make writes fail.
#[test]
fn slow_readers_leave_the_cache_alone() {
    let program = Program::start(&["--maxmemory", "20mb"]);
    let mut control = program.connect();
    for n in 0..20_000 {
        control.send(&["SET", &format!("key:{n}"), &"v".repeat(200)]);
    }
    (0..20_000).for_each(|_| assert_eq!(control.reply().text(), "OK"));
    let _slow = unread(&program, 2, "GET key:1", 150_000);
    wait_until("their replies wait", || figures(&program)[0] > 45 * MIB);
    for n in 0..2_000 {
        assert_eq!(control.say(&format!("SET other:{} v", n % 10)), "OK");
    }
    assert_eq!(control.say("DBSIZE"), "20010");
}

/// A reply that its connection may not have is not built first.
#[test]
fn reply_is_built_no_further_than_its_limit() {
    for limit in [["--client-output-buffer-limit", "normal 50000000 0 0"], ["--maxmemory-clients", "50mb"]] {
        let program = Program::start(&limit);
        let mut control = program.connect();
        let value = "v".repeat(16_000);
        control.say(&format!("SET k {value}"));
        let before = program.peak_resident_bytes();
        let mut conn = Conn::open_slow(program.addr);
        conn.pipeline(&["MGET".to_owned() + &" k".repeat(100_000)]);
        conn.expect_closed();
        let grew = program.peak_resident_bytes() - before;
        assert!(grew < 80 * MIB, "{limit:?}: {} MiB at most", grew / MIB);
    }
}
