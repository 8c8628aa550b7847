//! Commands that hold several shards: no two wait for each other, and nobody sees half of what they do.

use std::sync::Arc;

use onefill::base::hash::Key;
use onefill::dispatch::shared::Shared;
use onefill::keyspace::{Busy, Keys};
use shuttle::thread::{self, JoinHandle};

use super::desk::at_bench;
use super::explore;
use super::hand::{Worker, keys, nothing_is_left, server};

/// Sends each line on a worker of its own, and waits for its reply.
fn say_on_worker(shared: &Arc<Shared>, number: usize, lines: Vec<String>) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        let mut worker = Worker::new(&shared, number);
        lines.iter().for_each(|line| drop(worker.call(line)));
        worker.finish();
    })
}

fn transaction(commands: &[String]) -> Vec<String> {
    let begin = std::iter::once("MULTI".to_owned());
    begin.chain(commands.iter().cloned()).chain(["EXEC".to_owned()]).collect()
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("a worker's end"));
}

/// Keys named in opposite orders, by a command and by a transaction, while shards are swept and flushed.
#[test]
fn commands_over_several_shards_never_wait_for_each_other() {
    explore(|| {
        let shared = server();
        let [a, b, c] = keys();
        let both = transaction(&[format!("SET {c} 3"), format!("SET {a} 3"), format!("FILL.GET {b}")]);
        let threads = [
            say_on_worker(&shared, 0, vec![format!("MSET {a} 1 {b} 1 {c} 1")]),
            say_on_worker(&shared, 1, vec![format!("MSET {c} 2 {b} 2 {a} 2"), "FLUSHALL".to_owned()]),
            say_on_worker(&shared, 2, both),
        ];
        let sweeper = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut worker = Worker::new(&shared, 3);
                worker.pass(200);
                worker.finish();
            }
        });
        join(threads);
        join([sweeper]);
        nothing_is_left(&shared);
    });
}

/// Two keys that are only ever written together, by MSET, EXEC and FLUSHALL, are read as one.
#[test]
fn readers_see_all_of_a_command_or_nothing() {
    explore(|| {
        let shared = server();
        let [a, b] = keys();
        let pair = transaction(&[format!("SET {b} 2"), format!("SET {a} 2")]);
        let threads = [
            say_on_worker(&shared, 0, vec![format!("MSET {a} 1 {b} 1"), "FLUSHALL".to_owned()]),
            say_on_worker(&shared, 1, pair),
        ];
        let reader = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut worker = Worker::new(&shared, 2);
                for _ in 0..2 {
                    let read = worker.call(&format!("MGET {b} {a}"));
                    assert_eq!(read.array()[0], read.array()[1]);
                }
                worker.finish();
            }
        });
        join(threads);
        join([reader]);
        nothing_is_left(&shared);
    });
}

/// Two workers increase a number under WATCH: an EXEC that was accepted saw the number it increased.
#[test]
fn watched_key_is_exec_ed_as_it_was_read() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        Worker::new(&shared, 0).say(&format!("SET {key} 0"));
        let threads = [0, 1].map(|number| {
            let (shared, key) = (shared.clone(), key.clone());
            thread::spawn(move || {
                let mut worker = Worker::new(&shared, number);
                worker.say(&format!("WATCH {key}"));
                let read: u64 = worker.say(&format!("GET {key}")).parse().expect("a number");
                worker.say("MULTI");
                worker.say(&format!("SET {key} {}", read + 1));
                let accepted = worker.say("EXEC") == "OK";
                worker.finish();
                u64::from(accepted)
            })
        });
        let accepted: u64 = threads.map(|thread| thread.join().expect("a worker's end")).iter().sum();
        let mut worker = Worker::new(&shared, 0);
        assert_eq!(worker.say(&format!("GET {key}")), accepted.to_string());
        worker.finish();
        assert!(accepted > 0, "one of two is accepted");
        nothing_is_left(&shared);
    });
}

/// What a script does that finds its keys as it runs: passes the gate, takes one shard after the other, reads under each. If it
/// is slow, it lets others run after each step, and keeps what it has.
fn read_behind_the_gate(
    shared: &Arc<Shared>,
    number: usize,
    order: [String; 2],
    is_slow: bool,
) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        at_bench(&shared, number, |bench| {
            let mut keys = bench.keys();
            while keys.pass_gate().is_err() {
                thread::yield_now();
            }
            let read = order.map(|name| {
                let hash = keys.keyspace.hash(name.as_bytes());
                let key = Key { bytes: name.as_bytes(), hash };
                while keys.take(hash).is_err() {
                    let_others_run(&mut keys);
                }
                if is_slow {
                    let_others_run(&mut keys);
                }
                keys.view(&key).read(&key).map(|value| format!("{value:?}"))
            });
            assert_eq!(read[0], read[1], "half of a command was seen");
            keys.release();
        });
    })
}

/// What a slow script does that names its keys: locks them all, and lets others run before each look.
fn read_slowly(shared: &Arc<Shared>, number: usize, names: [String; 2]) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        at_bench(&shared, number, |bench| {
            let mut keys = bench.keys();
            let hashes = names.each_ref().map(|name| keys.keyspace.hash(name.as_bytes()));
            while keys.hold(hashes.into_iter()).is_err() {
                thread::yield_now();
            }
            let read = [0, 1].map(|at: usize| {
                let_others_run(&mut keys);
                let key = Key { bytes: names[at].as_bytes(), hash: hashes[at] };
                keys.view(&key).read(&key).map(|value| format!("{value:?}"))
            });
            assert_eq!(read[0], read[1], "half of a command was seen");
            keys.release();
        });
    })
}

fn let_others_run(keys: &mut Keys<'_>) {
    let kept = keys.keep_aside(Busy::new(u64::MAX, false));
    thread::yield_now();
    keys.take_back(kept);
}

/// A server in which scripts run.
fn server_with_scripts() -> Arc<Shared> {
    let shared = server();
    shared.keyspace.note_scripts();
    shared
}

/// Two that take shards in opposite orders, a command and a transaction that hold several, while keys move to other shards.
#[test]
fn who_passed_the_gate_waits_for_nobody_who_waits_for_it() {
    explore(|| {
        let shared = server_with_scripts();
        let [a, b] = keys();
        let pair = transaction(&[format!("SET {b} 2"), format!("SET {a} 2")]);
        let threads = [
            read_behind_the_gate(&shared, 0, [a.clone(), b.clone()], false),
            read_behind_the_gate(&shared, 1, [b.clone(), a.clone()], false),
            say_on_worker(&shared, 2, vec![format!("MSET {b} 1 {a} 1")]),
            say_on_worker(&shared, 3, pair),
        ];
        join(threads);
        nothing_is_left(&shared);
    });
}

/// A transaction that must let go again and again is served in the end, behind a stream of those who pass the gate.
#[test]
fn who_lets_go_is_served_all_the_same() {
    explore(|| {
        let shared = server_with_scripts();
        let [a, b] = keys();
        let mut threads: Vec<_> = (0..3)
            .map(|number| {
                let order = if number % 2 == 0 { [b.clone(), a.clone()] } else { [a.clone(), b.clone()] };
                read_behind_the_gate(&shared, number, order, false)
            })
            .collect();
        threads.push(say_on_worker(&shared, 3, transaction(&[format!("SET {a} 1"), format!("SET {b} 1")])));
        join(threads);
        nothing_is_left(&shared);
    });
}

/// Slow scripts of both kinds let go of their locks again and again: nobody sees half of anything, nobody waits for ever.
#[test]
fn who_lets_others_run_keeps_what_it_has() {
    explore(|| {
        let shared = server_with_scripts();
        let [a, b] = keys();
        let pair = transaction(&[format!("SET {b} 2"), format!("SET {a} 2")]);
        let threads = [
            read_behind_the_gate(&shared, 0, [b.clone(), a.clone()], true),
            read_slowly(&shared, 1, [a.clone(), b.clone()]),
            say_on_worker(&shared, 2, vec![format!("MSET {b} 1 {a} 1")]),
            say_on_worker(&shared, 3, pair),
        ];
        join(threads);
        assert!(shared.keyspace.any_busy().is_none());
        nothing_is_left(&shared);
    });
}

/// What a slow script reads stays, whatever commands of one key, or of all, come in between.
#[test]
fn commands_that_lock_one_shard_wait_for_a_slow_script() {
    explore(|| {
        let shared = server_with_scripts();
        let [a, b] = keys();
        let threads = [
            read_twice(&shared, 0, a.clone()),
            say_on_worker(&shared, 1, vec![format!("SET {a} 1"), format!("SET {b} 1")]),
            say_on_worker(&shared, 2, vec![format!("INCR {a}"), "FLUSHALL".to_owned()]),
        ];
        join(threads);
        nothing_is_left(&shared);
    });
}

/// A slow script that reads a key twice, and finds the same.
fn read_twice(shared: &Arc<Shared>, number: usize, name: String) -> JoinHandle<()> {
    read_slowly(shared, number, [name.clone(), name])
}
