//! What FILL costs in memory: rules 17 and 18 of docs/fill.md, section 7.
//!
//! The tests read figures of the whole process: they are a program of their own, and run one at a time.

mod support;

use std::sync::{Mutex, PoisonError};

use support::{Conn, TestServer, wait_until};

/// As in the program: INFO's used_memory is this allocator's figure.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CONNECTIONS: usize = 200;
const PER_CONNECTION: usize = 50;
const VALUE_BYTES: usize = 1024 * 1024;
const MIB: u64 = 1024 * 1024;
/// One value, 10,000 times 2 KiB of bookkeeping, and the buffers of 200 connections.
const GROWTH_BYTES_MAX: u64 = 64 * MIB;

/// Held by the test that measures.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn rule_18_ten_thousand_waiters_share_one_value() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TestServer::start();
    let mut leader = server.connect();
    let token = leader.lead("k LEASE 600000");
    let mut crowd: Vec<Conn> = (0..CONNECTIONS).map(|_| server.connect_slow_reader()).collect();
    let value: Vec<u8> = (0..VALUE_BYTES).map(|n| (n % 253) as u8).collect();
    let (used_before, resident_before) = (used_memory(&server), resident_bytes());

    for conn in &mut crowd {
        conn.pipeline(&["FILL.GET k WAIT 60000"; PER_CONNECTION]);
    }
    server.until_waiters("k", (CONNECTIONS * PER_CONNECTION) as u64);
    let stored = leader.call(&[b"FILL.PUT".as_slice(), b"k", token.as_bytes(), &value]);
    assert_eq!(stored.text(), "OK");
    // A crowd that is being answered, and does not read, stalls nobody else.
    for n in 0..100 {
        assert_eq!(server.connect().say(&format!("SET other{n} v")), "OK");
    }
    expect_values(&mut crowd[0], &value);
    let used = used_memory(&server).saturating_sub(used_before);
    let resident = resident_bytes().saturating_sub(resident_before);
    assert!(used >= VALUE_BYTES as u64, "the value counts: {used} bytes");
    assert!(used < GROWTH_BYTES_MAX, "used_memory grew by {} MiB", used / MIB);
    assert!(resident < GROWTH_BYTES_MAX, "the process grew by {} MiB", resident / MIB);

    expect_values(&mut crowd[CONNECTIONS - 1], &value);
    drop(crowd);
    assert_eq!(server.figure("fill_coalesced"), (CONNECTIONS * PER_CONNECTION) as u64);
}

/// Round after round of flights that end in every way, on ever new keys: once time has passed, nothing is kept.
#[test]
fn rule_17_flights_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TestServer::start();
    let mut conn = server.connect();
    // The first rounds leave tables and buffers at the size that the work needs.
    (0..3).for_each(|round| open_and_end_flights(&mut conn, round));
    forget_everything(&server);
    let before = used_memory(&server);
    for round in 3..12 {
        open_and_end_flights(&mut conn, round);
        forget_everything(&server);
    }
    let grew = |server: &TestServer| used_memory(server).saturating_sub(before);
    wait_until("memory is as before", || {
        forget_everything(&server);
        grew(&server) < MIB
    });
}

/// 3,000 flights: a third is answered, a third fails with a back-off, a third is abandoned.
fn open_and_end_flights(conn: &mut Conn, round: usize) {
    for part in 0..10 {
        let keys: Vec<String> = (0..300).map(|n| format!("round{round}part{part}key{n}")).collect();
        let leases = conn.mget(&format!("300 {} LEASE 10", keys.join(" ")));
        let answers = keys.iter().zip(leases).enumerate().filter_map(|(n, (key, lease))| match n % 3 {
            0 => Some(format!("FILL.PUT {key} {} v PX 10", lease.into_token())),
            1 => Some(format!("FILL.FAIL {key} {} boom RETRY 100", lease.into_token())),
            _ => None,
        });
        let answers: Vec<String> = answers.collect();
        conn.pipeline(&answers);
        answers.iter().for_each(|_| assert_eq!(conn.reply().text(), "OK"));
    }
}

/// Lets enough time pass for leases, back-offs, late tokens and TTLs.
fn forget_everything(server: &TestServer) {
    for _ in 0..3 {
        server.advance_ms(600_000);
        assert_eq!(server.control().say("DBSIZE"), "0");
    }
}

/// All answers of one connection, each the whole value.
fn expect_values(conn: &mut Conn, value: &[u8]) {
    for _ in 0..PER_CONNECTION {
        assert!(conn.answer().expect("HIT").value.as_deref() == Some(value));
    }
    conn.expect_nothing_more();
}

fn used_memory(server: &TestServer) -> u64 {
    let info = server.control().say("INFO memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("INFO has used_memory").parse().expect("a number")
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}
