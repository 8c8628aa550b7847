//! Commands of many steps: what a helper makes aside is what the command would have done in one step, or is made anew.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::sync::atomic::Ordering::Relaxed;

use onefill::base::limits::HELPED_STEPS_MIN;
use onefill::config::Settings;
use onefill::dispatch::batch::Batch;
use onefill::dispatch::session::PutOff;
use onefill::dispatch::shared::Shared;
use onefill::protocol::request::{Parser, RequestLimits};

use crate::desk::{self, Desk};
use crate::support::conn::request;
use crate::support::{Conn, TestServer, Value};

const MEMBERS: usize = 3 * HELPED_STEPS_MIN;

/// A connection whose requests a test runs step by step, in a server without helper threads.
struct Side<'s> {
    shared: &'s Shared,
    desk: Desk,
}

impl<'s> Side<'s> {
    fn open(shared: &'s Shared) -> Side<'s> {
        Side { shared, desk: Desk::open(shared) }
    }

    /// Runs a request; `None` where it is put off.
    fn call(&mut self, words: &[String]) -> Option<String> {
        let (mut bytes, mut batch) = (request(words), Batch::new(self.shared.table));
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: usize::MAX >> 1 };
        batch.cut(&mut Parser::default(), &mut bytes, 0, limits);
        let Desk { session, replies, .. } = &mut self.desk;
        desk::at_bench(self.shared, 0, |bench| batch.run(0, &bytes, bench, session, replies.tail()));
        if let Some(why) = self.desk.session.put_off.take() {
            assert_eq!(why, PutOff::Helper);
            return None;
        }
        self.desk.replies.note_reply();
        let (mut reply, ready) = (Vec::new(), &mut self.desk.replies.ready);
        while !ready.is_empty() {
            ready.make(usize::MAX);
            let mut slices = [IoSlice::new(&[]); 64];
            let used = ready.slices(usize::MAX, &mut slices);
            let before = reply.len();
            slices[..used].iter().for_each(|slice| reply.extend_from_slice(slice));
            let written = reply.len() - before;
            ready.consume(written);
        }
        Some(String::from_utf8(reply).expect("it is text"))
    }

    fn run(&mut self, line: &str) -> Option<String> {
        self.call(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn say(&mut self, line: &str) -> String {
        self.run(line).unwrap_or_else(|| panic!("{line} is put off")).trim_end().to_owned()
    }

    /// Bytes that the watching of keys takes once nobody watches them any more.
    fn unwatched_bytes(&mut self, keys: &str) -> usize {
        self.say(&format!("WATCH {keys}"));
        self.say("UNWATCH");
        self.shared.keyspace.watchers_bytes()
    }

    /// Adds members of these numbers to a set.
    fn fill(&mut self, key: &str, numbers: std::ops::Range<usize>) {
        let words = ["SADD", key].into_iter().map(str::to_owned);
        self.call(&words.chain(numbers.map(|number| format!("m:{number}"))).collect::<Vec<_>>());
    }
}

fn server() -> Shared {
    desk::server(Settings { io_threads: 1, ..Settings::default() })
}

#[test]
fn what_was_made_is_made_anew_where_a_source_changed_and_in_place_the_third_time() {
    let shared = server();
    let (mut side, mut other) = (Side::open(&shared), Side::open(&shared));
    other.fill("a", 0..MEMBERS);
    other.fill("b", MEMBERS..2 * MEMBERS);
    let join = "SUNIONSTORE d a b";
    let unwatched = other.unwatched_bytes("a b");
    assert_eq!(side.run(join), None);
    assert_eq!(side.run(join), None, "nobody has worked on it yet");
    assert!(shared.helpers.run_next());
    assert_eq!(other.say("SADD a new"), ":1");
    assert_eq!(side.run(join), None, "it begins anew");
    assert!(shared.helpers.run_next());
    assert_eq!(other.say("EXISTS d"), ":0");
    assert_eq!(side.say(join), format!(":{}", 2 * MEMBERS + 1));
    for change in ["SREM b m:20000", "DEL b"] {
        assert_eq!(side.run(join), None);
        assert!(shared.helpers.run_next());
        other.say(change);
    }
    assert_eq!(side.say(join), format!(":{}", MEMBERS + 1), "a key that changes all the time");
    assert!(!shared.helpers.run_next());
    assert_eq!(shared.keyspace.watchers_bytes(), unwatched);
    assert_eq!(side.desk.session.client.seen.made_bytes.load(Relaxed), 0);
}

#[test]
fn whatever_ends_a_source_is_a_change_of_it() {
    for end in [
        "FLUSHALL",
        "DEL a",
        "RENAME a other",
        "SET a string",
        "MOVE a 1",
        "SWAPDB 0 1",
        "SPOP a",
        "EXPIRE a 0",
    ] {
        let shared = server();
        let (mut side, mut other) = (Side::open(&shared), Side::open(&shared));
        other.fill("a", 0..MEMBERS);
        let unwatched = other.unwatched_bytes("a");
        assert_eq!(side.run("SUNION a"), None);
        shared.helpers.run_next();
        other.say(end);
        let reply = side.run("SUNION a");
        match end {
            "SPOP a" => assert_eq!(reply, None),
            "SET a string" => assert!(reply.is_some_and(|reply| reply.starts_with("-WRONGTYPE"))),
            _ => assert_eq!(reply.as_deref(), Some("*0\r\n"), "{end}"),
        }
        assert_eq!(shared.keyspace.watchers_bytes() == unwatched, end != "SPOP a", "{end}");
    }
}

#[test]
fn source_whose_time_is_up_meanwhile_is_gone() {
    let shared = server();
    let (mut side, mut other) = (Side::open(&shared), Side::open(&shared));
    other.fill("a", 0..MEMBERS);
    other.say("PEXPIRE a 100");
    assert_eq!(side.run("SINTER a a"), None);
    shared.helpers.run_next();
    shared.clock.advance_ms(100);
    assert_eq!(side.say("SINTER a a"), "*0");
}

#[test]
fn connection_that_ends_leaves_nothing_behind() {
    for works in [false, true] {
        let shared = server();
        let (mut side, mut other) = (Side::open(&shared), Side::open(&shared));
        other.fill("a", 0..MEMBERS);
        let unwatched = other.unwatched_bytes("a");
        assert_eq!(side.run("SUNIONSTORE d a a"), None);
        assert!(shared.keyspace.watchers_bytes() > unwatched);
        if works {
            shared.helpers.run_next();
            assert!(
                side.desk.session.client.own_bytes() > 20 * MEMBERS,
                "what was made counts as the client's"
            );
        }
        side.desk.close(&shared, 0);
        shared.helpers.run_next();
        assert_eq!(shared.keyspace.watchers_bytes(), unwatched);
        assert_eq!((other.say("EXISTS d"), other.say("SCARD a")), (":0".to_owned(), format!(":{MEMBERS}")));
    }
}

#[test]
fn transactions_do_it_at_once() {
    let shared = server();
    let mut side = Side::open(&shared);
    side.fill("a", 0..MEMBERS);
    for line in ["MULTI", "SUNIONSTORE d a a", "SPOP d 5000", "COPY a c", "SINTERCARD 2 a c"] {
        side.say(line);
    }
    let replies = side.say("EXEC");
    assert!(replies.starts_with(&format!("*4\r\n:{MEMBERS}\r\n*5000\r\n")), "{}", &replies[..40]);
    assert!(replies.ends_with(&format!(":1\r\n:{MEMBERS}")));
    assert_eq!(side.say("SCARD d"), format!(":{}", MEMBERS - 5_000));
}

fn add(conn: &mut Conn, key: &str, numbers: impl Iterator<Item = usize>) -> BTreeSet<String> {
    let members: BTreeSet<String> = numbers.map(|number| format!("m:{number}")).collect();
    let all: Vec<&String> = members.iter().collect();
    for some in all.chunks(4_000) {
        let words = ["SADD", key].into_iter().chain(some.iter().map(|member| member.as_str()));
        conn.call(&words.collect::<Vec<_>>());
    }
    members
}

fn members(reply: &Value) -> BTreeSet<String> {
    let all = reply.array();
    let set: BTreeSet<String> = all.iter().map(Value::text).collect();
    assert_eq!(set.len(), all.len(), "each once");
    set
}

#[test]
fn large_sets_are_joined_as_small_ones_are() {
    let server = TestServer::start();
    let mut conn = server.connect_resp3();
    let a = add(&mut conn, "a", (0..MEMBERS).map(|number| number * 2));
    let b = add(&mut conn, "b", (0..MEMBERS).map(|number| number * 3));
    let c = add(&mut conn, "c", (0..100).map(|number| number * 6));
    let all: BTreeSet<String> = &(&a | &b) | &c;
    let common: BTreeSet<String> = &a & &b;
    let rest: BTreeSet<String> = &(&a - &b) - &c;
    for (verb, keys, expected) in [
        ("SUNION", "a b c none", &all),
        ("SINTER", "b a", &common),
        ("SDIFF", "a none c b", &rest),
        ("SDIFF", "a a", &BTreeSet::new()),
        ("SINTER", "a none b", &BTreeSet::new()),
    ] {
        assert!(members(&conn.run(&format!("{verb} {keys}"))) == *expected, "{verb} {keys}");
        conn.pipeline(&[&format!("{verb}STORE d {keys}"), "SCARD d", "SMEMBERS d", "OBJECT ENCODING d"]);
        assert_eq!([conn.reply().int(), conn.reply().int()], [expected.len() as i64; 2], "{verb} {keys}");
        assert!(members(&conn.reply()) == *expected);
        assert_eq!(conn.reply().text() == "hashtable", !expected.is_empty());
    }
    assert_eq!(conn.run("SINTERCARD 2 a b").int(), common.len() as i64);
    assert_eq!(conn.run("SINTERCARD 2 a b LIMIT 7").int(), 7);
    conn.run("SET s string");
    assert!(conn.error("SUNIONSTORE d a s").starts_with("WRONGTYPE"));
    assert_eq!(conn.run("SUNIONSTORE a a b").int(), (&a | &b).len() as i64, "a source that is the target");
}

#[test]
fn large_collections_are_copied_and_dumped_with_all_they_have() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let words: Vec<String> = ["HSET", "h"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..MEMBERS).flat_map(|number| [format!("f{number}"), "v".repeat(number % 50)]))
        .chain(["large".to_owned(), "x".repeat(40_000)])
        .collect();
    conn.call(&words);
    conn.run("PEXPIRE h 100000000");
    add(&mut conn, "s", 0..MEMBERS);
    for key in ["h", "s"] {
        assert_eq!(conn.run(&format!("COPY {key} c")).int(), 1);
        assert_eq!(conn.run(&format!("COPY {key} c")).int(), 0, "it is there");
        assert_eq!(conn.run(&format!("COPY {key} c DB 1 REPLACE")).int(), 1);
        assert_eq!(conn.run("TTL c").int() > 0, key == "h");
        let encoding = conn.run(&format!("OBJECT ENCODING {key}")).text();
        assert_eq!(conn.run("OBJECT ENCODING c").text(), encoding);
        let all = conn.run(if key == "h" { "HGETALL h" } else { "SMEMBERS s" });
        let read = if key == "h" { "HGETALL c" } else { "SMEMBERS c" };
        assert!(conn.run(read) == all);
        conn.pipeline(&[&format!("DUMP {key}"), "DEL c"]);
        let Value::Bulk(payload) = conn.reply() else { panic!("{key} is not dumped") };
        conn.reply();
        assert_eq!(conn.call(&[&b"RESTORE"[..], b"c", b"0", &payload]).text(), "OK");
        assert!(conn.run(read) == all);
        conn.run("DEL c");
    }
    assert_eq!(conn.run("COPY none c").int(), 0);
}

#[test]
fn many_members_are_popped_at_once() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut left = add(&mut conn, "s", 0..MEMBERS);
    conn.run("PEXPIRE s 100000000");
    for count in [HELPED_STEPS_MIN + 1, 10, MEMBERS] {
        let popped = members(&conn.run(&format!("SPOP s {count}")));
        assert_eq!(popped.len(), count.min(left.len()));
        assert!(popped.is_subset(&left));
        left = &left - &popped;
        assert!(members(&conn.run("SMEMBERS s")) == left);
        assert_eq!(conn.run("TTL s").int() > 0, !left.is_empty());
    }
    assert_eq!(conn.run("SPOP s 10").array(), []);
}

#[test]
fn member_that_moves_all_the_time_is_in_every_union() {
    let server = TestServer::start();
    let [mut conn, mut mover] = server.connect_many();
    add(&mut conn, "a", 0..MEMBERS);
    add(&mut conn, "b", MEMBERS..2 * MEMBERS);
    let mover = std::thread::spawn(move || {
        for number in 0..MEMBERS {
            let (from, to) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
            mover.call(&["SMOVE", from, to, "m:0"]);
        }
    });
    while !mover.is_finished() {
        assert_eq!(conn.run("SUNIONSTORE d a b").int(), 2 * MEMBERS as i64);
        assert_eq!(conn.run("SCARD d").int(), 2 * MEMBERS as i64);
        let moved = MEMBERS - members(&conn.run("SDIFF a b")).len();
        assert!(moved <= 1, "{moved}");
    }
    mover.join().expect("it moved all");
}

/// Pushes so many elements to a list, in requests of a thousand; each tenth is `x`.
fn push(conn: &mut Conn, key: &str, count: usize) -> Vec<String> {
    let all: Vec<String> =
        (0..count).map(|at| if at % 10 == 9 { "x".to_owned() } else { format!("e:{at:08}") }).collect();
    for some in all.chunks(1_000) {
        conn.call(&["RPUSH", key].into_iter().chain(some.iter().map(String::as_str)).collect::<Vec<_>>());
    }
    all
}

fn texts(reply: &Value) -> Vec<String> {
    reply.array().iter().map(Value::text).collect()
}

#[test]
fn long_lists_are_searched_and_changed_as_short_ones_are() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut all = push(&mut conn, "l", MEMBERS);
    let (near, far) = (all[10].clone(), all[MEMBERS - 2].clone());
    assert_eq!(conn.run(&format!("LPOS l {far}")).int(), MEMBERS as i64 - 2);
    assert_eq!(conn.run(&format!("LPOS l {near} RANK -1")).int(), 10);
    assert_eq!(conn.run("LPOS l none"), Value::Nil);
    let places: Vec<usize> = (0..MEMBERS).filter(|at| all[*at] == "x").collect();
    let said = |conn: &mut Conn, line: &str| {
        texts(&conn.run(line)).iter().map(|place| place.parse().expect("a number")).collect::<Vec<usize>>()
    };
    assert_eq!(said(&mut conn, "LPOS l x COUNT 0"), places);
    let backwards: Vec<usize> = places.iter().rev().copied().collect();
    assert_eq!(said(&mut conn, "LPOS l x RANK -2 COUNT 700"), backwards[1..701]);
    assert_eq!(said(&mut conn, "LPOS l x RANK -1 COUNT 0 MAXLEN 5000"), backwards[..500]);
    assert_eq!(said(&mut conn, "LPOS l x RANK 3 COUNT 0 MAXLEN 5000"), places[2..500]);
    assert_eq!(conn.run(&format!("LINSERT l BEFORE {far} new")).int(), MEMBERS as i64 + 1);
    all.insert(MEMBERS - 2, "new".to_owned());
    assert_eq!(conn.run("LINSERT l AFTER none new").int(), -1);
    assert_eq!(conn.run(&format!("LREM l 0 {near}")).int(), 1);
    all.remove(10);
    assert_eq!(conn.run("LREM l -200 x").int(), 200);
    let mut left = 200;
    let gone: Vec<usize> = (0..all.len()).rev().filter(|at| all[*at] == "x").take(left).collect();
    gone.into_iter().for_each(|at| drop(all.remove(at)));
    assert!(texts(&conn.run("LRANGE l 0 -1")) == all);
    left = all.iter().filter(|element| *element == "x").count();
    assert_eq!(conn.run("LREM l 0 x").int(), left as i64);
    all.retain(|element| element != "x");
    assert!(texts(&conn.run("LRANGE l 0 -1")) == all);
}

#[test]
fn long_lists_are_copied_and_dumped() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let mut all = push(&mut conn, "l", MEMBERS);
    all.push("y".repeat(40_000));
    conn.call(&["RPUSH", "l", &all[MEMBERS]]);
    assert_eq!(conn.run("COPY l c").int(), 1);
    conn.pipeline(&["DUMP l", "DEL l"]);
    let Value::Bulk(payload) = conn.reply() else { panic!("it is not dumped") };
    conn.reply();
    assert!(texts(&conn.run("LRANGE c 0 -1")) == all);
    assert_eq!(conn.call(&[&b"RESTORE"[..], b"l", b"0", &payload]).text(), "OK");
    assert!(texts(&conn.run("LRANGE l 0 -1")) == all);
    assert_eq!(conn.run("OBJECT ENCODING c").text(), "quicklist");
}
