//! What must be seen whole or not at all, with real threads: several clients on four workers, bounded rounds.
//!
//! Eight keys lie in several shards whatever the seed, so a command that let go of one lock too early would
//! show sooner or later. Writers name the keys in both orders: locks taken out of order would never return.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use crate::support::{Conn, TestServer, Value};

const KEYS: &str = "k0 k1 k2 k3 k4 k5 k6 k7";
const KEYS_BACKWARDS: &str = "k7 k6 k5 k4 k3 k2 k1 k0";
/// Rounds of each writer; its commands go out in pipelines of `DEPTH`.
const ROUNDS: usize = 60;
const DEPTH: usize = 20;

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.io_threads = 4)
}

/// `MSET k0 n k1 n …`
fn mset(keys: &str, value: &str) -> String {
    keys.split(' ').fold("MSET".to_owned(), |line, key| format!("{line} {key} {value}"))
}

/// Each command for each key, in MULTI and EXEC.
fn transaction(keys: &str, command: impl Fn(&str) -> String) -> Vec<String> {
    let commands = keys.split(' ').map(command);
    [vec!["MULTI".to_owned()], commands.collect(), vec!["EXEC".to_owned()]].concat()
}

type Lines = Box<dyn Fn(usize) -> Vec<String> + Send>;
type Check = Box<dyn Fn(&Value) + Send>;

/// What a client repeats: the requests of a round, by number, and a check of the last one's reply.
struct Story {
    lines: Lines,
    check: Check,
}

fn writes(lines: impl Fn(usize) -> Vec<String> + Send + 'static) -> Story {
    let check = |reply: &Value| assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
    Story { lines: Box::new(lines), check: Box::new(check) }
}

fn reads(lines: &[String], check: impl Fn(&Value) + Send + 'static) -> Story {
    let lines = lines.to_vec();
    Story { lines: Box::new(move |_| lines.clone()), check: Box::new(check) }
}

/// Sends `DEPTH` rounds at once and checks their replies.
fn tell(conn: &mut Conn, story: &Story, first: usize) {
    let rounds: Vec<Vec<String>> = (first..first + DEPTH).map(|round| (story.lines)(round)).collect();
    conn.pipeline(&rounds.concat());
    for round in &rounds {
        let last = round.iter().map(|_| conn.reply()).last().expect("a request");
        (story.check)(&last);
    }
}

/// Runs writers for their rounds, and readers for as long as they write, each on a connection of its own.
fn race(server: &TestServer, writers: Vec<Story>, readers: Vec<Story>) {
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        for story in readers {
            let mut conn = server.connect();
            scope.spawn(move || {
                while !done.load(Relaxed) {
                    tell(&mut conn, &story, 0);
                }
            });
        }
        let writing = writers.into_iter().map(|story| {
            let mut conn = server.connect();
            scope.spawn(move || (0..ROUNDS).for_each(|round| tell(&mut conn, &story, round * DEPTH)))
        });
        let results: Vec<_> = writing.collect::<Vec<_>>().into_iter().map(|thread| thread.join()).collect();
        done.store(true, Relaxed);
        assert!(results.into_iter().all(|result| result.is_ok()), "a writer failed");
    });
}

fn all_equal(reply: &Value) {
    let values = reply.array();
    assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "not one moment: {reply:?}");
}

#[test]
fn mset_is_seen_whole_by_mget() {
    let server = start();
    server.control().say(&mset(KEYS, "0"));
    let writers = vec![
        writes(|n| vec![mset(KEYS, &format!("{n}"))]),
        writes(|n| vec![mset(KEYS_BACKWARDS, &format!("x{n}"))]),
    ];
    let readers = vec![
        reads(&[format!("MGET {KEYS}")], all_equal),
        reads(&[format!("MGET {KEYS_BACKWARDS}")], all_equal),
    ];
    race(&server, writers, readers);
}

#[test]
fn exec_is_seen_whole_by_exec_and_by_mget() {
    let server = start();
    server.control().say(&mset(KEYS, "0"));
    let writers = vec![
        writes(|n| transaction(KEYS, |key| format!("SET {key} {n}"))),
        writes(|n| transaction(KEYS_BACKWARDS, |key| format!("SET {key} x{n}"))),
    ];
    let readers = vec![
        reads(&transaction(KEYS_BACKWARDS, |key| format!("GET {key}")), all_equal),
        reads(&[format!("MGET {KEYS}")], all_equal),
    ];
    race(&server, writers, readers);
}

#[test]
fn exec_that_reads_and_writes_is_one_moment() {
    let server = start();
    server.control().say(&mset(KEYS, "0"));
    // Every client adds 1 to all keys in one EXEC: they always agree, also inside.
    let add = || Story {
        lines: Box::new(|_| transaction(KEYS, |key| format!("INCR {key}"))),
        check: Box::new(all_equal),
    };
    race(&server, vec![add(), add(), add()], vec![reads(&[format!("MGET {KEYS}")], all_equal)]);
    let sum = (3 * ROUNDS * DEPTH).to_string();
    assert_eq!(server.control().say("GET k0"), sum);
}

#[test]
fn renamed_key_is_never_seen_twice_or_not_at_all() {
    let server = start();
    server.control().say("SET a v");
    let there_and_back = || vec!["RENAME a b".to_owned(), "RENAME b a".to_owned()];
    let one_of_two = |reply: &Value| {
        let there = reply.array().iter().filter(|value| **value != Value::Nil).count();
        assert_eq!(there, 1, "{reply:?}");
    };
    let sum_is_one = |reply: &Value| {
        assert_eq!(reply.array().iter().map(Value::int).sum::<i64>(), 1, "{reply:?}");
    };
    let readers = vec![
        reads(&["MGET a b".to_owned()], one_of_two),
        reads(&transaction("b a", |key| format!("EXISTS {key}")), sum_is_one),
        reads(&["EXISTS a b".to_owned()], |reply| assert_eq!(reply.int(), 1)),
    ];
    race(&server, vec![writes(move |_| there_and_back())], readers);
}

#[test]
fn renames_in_both_directions_neither_lose_a_key_nor_lock_each_other_out() {
    let server = start();
    server.control().say("SET a v");
    // Whichever comes second finds nothing to rename; that is an error, and right.
    let rename = |line: &str| Story {
        lines: Box::new({
            let line = line.to_owned();
            move |_| vec![line.clone()]
        }),
        check: Box::new(|_| {}),
    };
    let reader = reads(&["EXISTS a b c".to_owned()], |reply| assert_eq!(reply.int(), 1));
    race(
        &server,
        vec![rename("RENAME a b"), rename("RENAME b a"), rename("RENAMENX b c"), rename("RENAME c b")],
        vec![reader],
    );
    assert_eq!(server.control().say("DBSIZE"), "1");
}

#[test]
fn msetnx_sets_all_or_nothing() {
    let server = start();
    let set_and_delete = |keys: &'static str| {
        writes(move |n| {
            vec![mset(keys, &format!("{n}")).replacen("MSET", "MSETNX", 1), format!("DEL {keys}")]
        })
    };
    race(
        &server,
        vec![set_and_delete(KEYS), set_and_delete(KEYS_BACKWARDS)],
        vec![
            reads(&[format!("MGET {KEYS}")], all_equal),
            reads(&[format!("EXISTS {KEYS}")], |reply| assert!([0, 8].contains(&reply.int()), "{reply:?}")),
        ],
    );
}

#[test]
fn copy_is_the_source_of_that_moment() {
    let server = start();
    server.control().say("SET a 0");
    // A change of the source takes the copy away in the same moment, so a copy always equals its source.
    let writer = writes(|n| ["MULTI", &format!("SET a {n}"), "DEL b", "EXEC"].map(str::to_owned).to_vec());
    let copier = writes(|_| vec!["COPY a b REPLACE".to_owned()]);
    let reader = reads(&["MGET b a".to_owned()], |reply| {
        let [b, a] = reply.array() else { panic!("{reply:?}") };
        assert!(*b == Value::Nil || a == b, "{reply:?}");
    });
    race(&server, vec![writer, copier], vec![reader]);
}

#[test]
fn swapped_databases_are_seen_whole() {
    let server = start();
    server.control().say(&mset(KEYS, "zero"));
    server.control().say("SELECT 1");
    server.control().say(&mset(KEYS, "one"));
    server.control().say("SELECT 0");
    let writers = vec![
        writes(|_| vec!["SWAPDB 0 1".to_owned()]),
        writes(|_| vec!["SWAPDB 1 0".to_owned()]),
        writes(|n| vec![mset(KEYS_BACKWARDS, &format!("{n}"))]),
    ];
    let readers = vec![
        reads(&[format!("MGET {KEYS}")], all_equal),
        reads(&transaction(KEYS_BACKWARDS, |key| format!("GET {key}")), all_equal),
    ];
    race(&server, writers, readers);
}

#[test]
fn flushed_keys_are_all_there_or_all_gone() {
    let server = start();
    let writers = vec![
        writes(|n| vec![mset(KEYS, &format!("{n}"))]),
        writes(|n| vec![mset(KEYS_BACKWARDS, &format!("{n}"))]),
        writes(|n| vec![if n % 2 == 0 { "FLUSHALL" } else { "FLUSHDB ASYNC" }.to_owned()]),
    ];
    let readers = vec![
        reads(&[format!("MGET {KEYS}")], all_equal),
        reads(&[format!("EXISTS {KEYS}")], |reply| assert!([0, 8].contains(&reply.int()), "{reply:?}")),
    ];
    race(&server, writers, readers);
}

#[test]
fn increments_under_watch_lose_no_update() {
    const CLIENTS: usize = 4;
    const INCREMENTS: usize = 200;
    let server = start();
    server.control().say("SET n 0");
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut conn = server.connect();
            scope.spawn(move || {
                let mut done = 0;
                while done < INCREMENTS {
                    conn.pipeline(&["WATCH n", "GET n"]);
                    assert_eq!(conn.reply().text(), "OK");
                    let n: u64 = conn.reply().text().parse().expect("a number");
                    conn.pipeline(&["MULTI", &format!("SET n {}", n + 1), "EXEC"]);
                    let replies = [conn.reply(), conn.reply(), conn.reply()];
                    done += usize::from(replies[2] != Value::Nil);
                }
            });
        }
    });
    assert_eq!(server.control().say("GET n"), (CLIENTS * INCREMENTS).to_string());
}

#[test]
fn single_key_updates_lose_nothing() {
    let server = start();
    let add = || writes(|_| vec!["INCR n".to_owned(), "APPEND s x".to_owned()]);
    race(&server, vec![add(), add(), add(), add()], vec![]);
    let sum = 4 * ROUNDS * DEPTH;
    assert_eq!(server.control().say("GET n"), sum.to_string());
    assert_eq!(server.control().say("STRLEN s"), sum.to_string());
}
