//! Those who wait for keys, and who serves them, on several workers at once.

use std::sync::Arc;

use onefill::config::Settings;
use onefill::dispatch::shared::Shared;
use shuttle::thread::{self, JoinHandle};

use super::explore;
use super::hand::{Worker, keys, nothing_is_left, server, server_with};
use super::resp::Value;

/// Runs `work` on a worker of its own.
fn on_worker<T: Send + 'static>(
    shared: &Arc<Shared>,
    number: usize,
    work: impl FnOnce(Worker) -> T + Send + 'static,
) -> JoinHandle<T> {
    let shared = shared.clone();
    thread::spawn(move || work(Worker::new(&shared, number)))
}

fn join<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().expect("a worker's end"))
}

/// A worker that says these lines, and checks that each is answered once.
fn saying(shared: &Arc<Shared>, number: usize, lines: Vec<String>) -> JoinHandle<Vec<Value>> {
    on_worker(shared, number, move |mut worker| {
        let replies = lines.iter().map(|line| worker.call(line)).collect();
        worker.finish();
        replies
    })
}

/// Nobody waits any more, and what is counted of waiting is right.
fn nobody_waits(shared: &Arc<Shared>) {
    nothing_is_left(shared);
    let mut worker = Worker::new(shared, 0);
    let info = worker.say("INFO clients");
    assert!(info.contains("total_blocking_keys:0\r\n"), "{info}");
    worker.leave();
}

/// Keys that hold something at the end.
fn left(shared: &Arc<Shared>, keys: &[String]) -> Vec<String> {
    let mut worker = Worker::new(shared, 0);
    let left = keys.iter().map(|key| worker.say(&format!("LRANGE {key} 0 -1"))).collect();
    worker.leave();
    left
}

/// One element in each of two lists, in different shards, and two who wait for both: each gets one.
#[test]
fn push_meets_waiters_of_two_keys() {
    explore(|| {
        let shared = server();
        let [a, b] = keys();
        let waiters = [(0, [&a, &b]), (1, [&b, &a])]
            .map(|(number, keys)| saying(&shared, number, vec![format!("BLPOP {} {} 0", keys[0], keys[1])]));
        let writers = [(2, &a), (3, &b)]
            .map(|(number, key)| saying(&shared, number, vec![format!("RPUSH {key} {number}")]));
        let mut popped = join(waiters).map(|replies| replies[0].array()[1].text());
        popped.sort_unstable();
        assert_eq!(popped, ["2", "3"]);
        join(writers);
        assert_eq!(left(&shared, &[a, b]), ["", ""]);
        nobody_waits(&shared);
    });
}

/// An element goes through a chain of lists in different shards, named in ascending and in descending order, to who waits
/// at its end.
#[test]
fn moves_go_on_through_a_chain() {
    explore(|| {
        let shared = server();
        let [a, b, c] = keys();
        let movers = [
            saying(&shared, 0, vec![format!("BLMOVE {c} {a} LEFT LEFT 0")]),
            saying(&shared, 1, vec![format!("BLMOVE {a} {b} LEFT LEFT 0")]),
            saying(&shared, 2, vec![format!("BLPOP {b} 0")]),
        ];
        let writer = saying(&shared, 3, vec![format!("RPUSH {c} x")]);
        let replies = join(movers);
        assert_eq!(replies[2][0].array()[1].text(), "x");
        assert!(replies[..2].iter().all(|replies| replies[0].text() == "x"));
        join([writer]);
        assert_eq!(left(&shared, &[a, b, c]), ["", "", ""]);
        nobody_waits(&shared);
    });
}

/// Moves in a circle, and elements put in at two of its places: nobody waits for ever, none is lost.
#[test]
fn moves_in_a_circle_lose_nothing() {
    explore(|| {
        let shared = server();
        let [a, b] = keys();
        let movers = [
            saying(&shared, 0, vec![format!("BLMOVE {a} {b} LEFT RIGHT 0")]),
            saying(&shared, 1, vec![format!("BLMOVE {b} {a} LEFT RIGHT 0")]),
        ];
        let writers = [
            saying(&shared, 2, vec![format!("RPUSH {a} x")]),
            saying(&shared, 3, vec![format!("RPUSH {b} y")]),
        ];
        join(movers);
        join(writers);
        let rest = left(&shared, &[a.clone(), b.clone()]).join(" ");
        let mut all: Vec<&str> = rest.split_whitespace().collect();
        all.sort_unstable();
        assert_eq!(all, ["x", "y"]);
        Worker::new(&shared, 0).say(&format!("DEL {a} {b}"));
        nobody_waits(&shared);
    });
}

/// A push, the end of the waiter's time and CLIENT UNBLOCK at once: one reply, and the element is with it or in the list.
#[test]
fn waiter_is_answered_once_and_no_element_is_lost() {
    explore(|| {
        let shared = server();
        let [a] = keys();
        let mut waiter = Worker::new(&shared, 0);
        waiter.send(&format!("BLPOP {a} 0.1"));
        let unblock = format!("CLIENT UNBLOCK {}", waiter.id());
        let others = [
            saying(&shared, 1, vec![format!("RPUSH {a} x")]),
            saying(&shared, 2, vec![unblock]),
            on_worker(&shared, 3, |mut worker| {
                worker.pass(100);
                worker.finish();
                Vec::new()
            }),
        ];
        let reply = waiter.reply();
        waiter.finish();
        join(others);
        let rest = left(&shared, std::slice::from_ref(&a));
        match reply {
            Value::Nil => assert_eq!(rest, ["x"]),
            popped => assert_eq!((popped.array()[1].text().as_str(), rest[0].as_str()), ("x", "")),
        }
        Worker::new(&shared, 0).say(&format!("DEL {a}"));
        nobody_waits(&shared);
    });
}

/// The oldest of two waiters closes while an element comes: it takes at most that one with it, and the next one is served.
#[test]
fn waiter_that_closes_is_passed_over() {
    explore(|| {
        let shared = server();
        let [a, b] = keys();
        let mut goner = Worker::new(&shared, 0);
        goner.send(&format!("BLPOP {b} {a} 0"));
        let mut next = Worker::new(&shared, 1);
        next.send(&format!("BLPOP {a} 0"));
        let goner = thread::spawn(move || goner.leave());
        let writer = saying(&shared, 2, vec![format!("RPUSH {a} x"), format!("RPUSH {a} y")]);
        let served = next.reply().array()[1].text();
        next.finish();
        join([goner]);
        join([writer]);
        let rest = left(&shared, std::slice::from_ref(&a));
        assert!(served == "x" && rest == ["y"] || served == "y" && rest == [""], "{served} {rest:?}");
        Worker::new(&shared, 0).say(&format!("DEL {a}"));
        nobody_waits(&shared);
    });
}

/// What a transaction pushes is served at its end, whatever a plain pop tries meanwhile, and from the first of the
/// waiter's keys.
#[test]
fn transaction_serves_at_its_end() {
    explore(|| {
        let shared = server();
        let [a, b] = keys();
        let mut waiter = Worker::new(&shared, 0);
        waiter.send(&format!("BLPOP {a} {b} 0"));
        let lines =
            vec!["MULTI".to_owned(), format!("RPUSH {b} y"), format!("RPUSH {a} x"), "EXEC".to_owned()];
        let writer = saying(&shared, 1, lines);
        let thief = saying(&shared, 2, vec![format!("LPOP {a}"), format!("LPOP {b}")]);
        assert_eq!(waiter.reply().array()[1].text(), "x");
        waiter.finish();
        join([writer]);
        let [stolen] = join([thief]);
        assert_eq!(stolen[0], Value::Nil, "who waits goes before who comes");
        Worker::new(&shared, 0).say(&format!("DEL {b}"));
        nobody_waits(&shared);
    });
}

/// Keys move to other shards while somebody waits for one and a push comes.
#[test]
fn waiters_move_with_their_slice() {
    explore(|| {
        let shared = server_with(Settings { maxmemory_bytes: 1 << 20, ..Settings::default() });
        // The first one's slice stays where it is.
        let [_, a, b] = keys();
        let mut waiter = Worker::new(&shared, 0);
        waiter.send(&format!("BLMOVE {a} {b} LEFT LEFT 0"));
        let mut admin = Worker::new(&shared, 1);
        admin.say("CONFIG SET maxmemory 0");
        let spreader = thread::spawn(move || {
            admin.spread();
            admin.finish();
        });
        let writer = saying(&shared, 2, vec![format!("RPUSH {a} x")]);
        assert_eq!(waiter.reply().text(), "x");
        waiter.finish();
        join([spreader]);
        join([writer]);
        assert_eq!(left(&shared, &[a.clone(), b.clone()]), ["", "x"]);
        Worker::new(&shared, 0).say(&format!("DEL {b}"));
        nobody_waits(&shared);
    });
}
