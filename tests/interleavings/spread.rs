//! Keys that move from one shard to others, as they do when a small `maxmemory` is raised, while they are used.

use std::sync::Arc;

use onefill::config::{DebugAccess, Settings};
use onefill::dispatch::shared::Shared;
use shuttle::thread::{self, JoinHandle};

use super::explore;
use super::hand::{Worker, keys, nothing_is_left, server_with};

/// A server whose keys are all in one shard.
fn one_shard() -> Arc<Shared> {
    let enable_debug_command = DebugAccess::Yes;
    server_with(Settings { maxmemory_bytes: 1 << 20, enable_debug_command, ..Settings::default() })
}

/// A worker that raises the limit and moves keys until all are where they belong.
fn widen(shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        let mut worker = Worker::new(&shared, 3);
        assert_eq!(worker.say("CONFIG SET maxmemory 0"), "OK");
        worker.spread();
        worker.finish();
    })
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect("a worker's end")).collect()
}

/// Nobody misses a key, sees an old value, or sees half of what is written to several keys at once.
#[test]
fn keys_that_move_are_always_there() {
    explore(|| {
        let shared = one_shard();
        let [a, b, c] = keys();
        let mut first = Worker::new(&shared, 0);
        assert_eq!(first.say(&format!("MSET {a} 0 {b} 0 {c} 0")), "OK");
        first.finish();
        let mover = widen(&shared);
        let writer = thread::spawn({
            let (shared, a, b, c) = (shared.clone(), a.clone(), b.clone(), c.clone());
            move || {
                let mut worker = Worker::new(&shared, 1);
                for round in 1..=2 {
                    worker.say(&format!("MSET {b} {round} {c} {round}"));
                    assert_eq!(worker.say(&format!("INCR {a}")), round.to_string());
                }
                worker.finish();
            }
        });
        let reader = thread::spawn({
            let (shared, b, c) = (shared.clone(), b.clone(), c.clone());
            move || {
                let mut worker = Worker::new(&shared, 2);
                let told = worker.call(&format!("MGET {b} {c}"));
                assert_eq!(told.array()[0], told.array()[1]);
                assert_eq!(worker.say("DBSIZE"), "3");
                worker.finish();
            }
        });
        join([mover, writer, reader]);
        let mut last = Worker::new(&shared, 0);
        let told = last.call(&format!("MGET {a} {b} {c}"));
        assert_eq!(told.array().iter().map(|value| value.text()).collect::<Vec<_>>(), ["2", "2", "2"]);
        let census = last.call("DEBUG RECOUNT").pairs();
        assert_eq!(census.last().map(|(_, faults)| faults.array().len()), Some(0), "{census:?}");
        last.finish();
        nothing_is_left(&shared);
    });
}

/// A crowd is filled once although its flight moves, and who watches a key hears of its change.
#[test]
fn flights_and_watches_move_along() {
    explore(|| {
        let shared = one_shard();
        let [_, a, b] = keys();
        let mover = widen(&shared);
        let crowd = [0, 1].map(|number| {
            let (shared, a) = (shared.clone(), a.clone());
            thread::spawn(move || {
                let mut worker = Worker::new(&shared, number);
                let answer = worker.get(&format!("{a} WAIT 60000"));
                let leads = answer.status == "LEAD";
                if leads {
                    assert_eq!(worker.say(&format!("FILL.PUT {a} {} filled", answer.token)), "OK");
                } else {
                    assert_eq!(answer.value, "filled");
                }
                worker.finish();
                leads
            })
        });
        let watcher = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut worker = Worker::new(&shared, 2);
                let mut other = Worker::new(&shared, 2);
                worker.say(&format!("WATCH {b}"));
                other.say(&format!("SET {b} changed"));
                worker.say("MULTI");
                worker.say(&format!("SET {b} mine"));
                worker.call("EXEC");
                assert_eq!(worker.say(&format!("GET {b}")), "changed");
                other.finish();
                worker.finish();
            }
        });
        assert_eq!(join(crowd).into_iter().filter(|leads| *leads).count(), 1);
        join([mover, watcher]);
        nothing_is_left(&shared);
    });
}
