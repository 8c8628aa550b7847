//! FILL on one key from several workers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use onefill::config::Settings;
use onefill::dispatch::shared::Shared;
use shuttle::thread::{self, JoinHandle};

use super::explore;
use super::hand::{Worker, keys, nothing_is_left, server, server_with};

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

/// Asks until there is a value, and fills where it leads. Returns whether it led, and the value.
fn get_or_fill(worker: &mut Worker, key: &str, mine: &str) -> (bool, String) {
    let answer = worker.get(&format!("{key} WAIT 60000"));
    match answer.status.as_str() {
        "LEAD" => {
            let put = worker.say(&format!("FILL.PUT {key} {} {mine}", answer.token));
            assert!(put == "OK" || put == "VOID", "{put}");
            (true, mine.to_owned())
        }
        "HIT" => (false, answer.value),
        other => panic!("nothing else can be answered here: {other}"),
    }
}

/// Rules 5 and 6: one of a crowd leads, everybody else gets its value.
#[test]
fn crowd_is_filled_once() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let crowd = [0, 1, 2].map(|number| {
            let key = key.clone();
            on_worker(&shared, number, move |mut worker| {
                let told = get_or_fill(&mut worker, &key, &format!("by-{number}"));
                worker.finish();
                told
            })
        });
        let told = join(crowd);
        let leaders: Vec<_> = told.iter().filter(|(led, _)| *led).collect();
        assert_eq!(leaders.len(), 1, "{told:?}");
        assert!(told.iter().all(|(_, value)| *value == leaders[0].1), "{told:?}");
        nothing_is_left(&shared);
    });
}

/// Rules 3, 4 and 7: an origin whose changes are each followed by a DEL. Who asks after a DEL was acknowledged never
/// gets an older version, and everybody is answered though the clock stands still.
#[test]
fn deletion_voids_what_was_read_before_it() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let (origin, deleted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let readers = [0, 1].map(|number| {
            let (key, origin, deleted) = (key.clone(), origin.clone(), deleted.clone());
            on_worker(&shared, number, move |mut worker| {
                for _ in 0..2 {
                    let floor = deleted.load(SeqCst);
                    let answer = worker.get(&format!("{key} WAIT 60000"));
                    match answer.status.as_str() {
                        "HIT" => {
                            let version: u64 = answer.value.parse().expect("a version");
                            assert!(version >= floor, "read {version} after the deletion of {floor}");
                        }
                        _ => {
                            let version = origin.load(SeqCst);
                            // Others' steps between the look at the origin and the answer.
                            thread::yield_now();
                            worker.say(&format!("FILL.PUT {key} {} {version}", answer.token));
                        }
                    }
                }
                worker.finish();
            })
        });
        let writer = on_worker(&shared, 2, {
            let key = key.clone();
            move |mut worker| {
                for version in 1..=2 {
                    origin.store(version, SeqCst);
                    worker.say(&format!("DEL {key}"));
                    deleted.store(version, SeqCst);
                }
                worker.finish();
            }
        });
        join(readers);
        join([writer]);
        nothing_is_left(&shared);
    });
}

/// Rules 2 and 3: what was written stays, whatever is filled meanwhile.
#[test]
fn write_wins_over_every_fill_that_began_before_it() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let fillers = [0, 1].map(|number| {
            let key = key.clone();
            on_worker(&shared, number, move |mut worker| {
                let told = get_or_fill(&mut worker, &key, "filled");
                worker.finish();
                told
            })
        });
        let writer = on_worker(&shared, 2, {
            let key = key.clone();
            move |mut worker| {
                worker.say(&format!("SET {key} written"));
                let read = worker.get(&format!("{key} WAIT 60000"));
                assert_eq!((read.status.as_str(), read.value.as_str()), ("HIT", "written"));
                worker.finish();
            }
        });
        let told = join(fillers);
        join([writer]);
        assert!(told.iter().all(|(_, value)| value == "filled" || value == "written"), "{told:?}");
        nothing_is_left(&shared);
    });
}

/// Rules 5, 6 and 13: a caller closes, parked, leading or just elected by a deletion; whoever waits is answered.
#[test]
fn whoever_closes_is_succeeded() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let goner = on_worker(&shared, 0, {
            let (key, shared) = (key.clone(), shared.clone());
            move |mut worker| {
                worker.send(&format!("FILL.GET {key} WAIT 60000"));
                worker.leave();
                // The orphan's grace passes.
                let mut sweeper = Worker::new(&shared, 0);
                sweeper.pass(100);
                sweeper.leave();
            }
        });
        let waiters = [1, 2].map(|number| {
            let key = key.clone();
            on_worker(&shared, number, move |mut worker| {
                get_or_fill(&mut worker, &key, "filled");
                worker.finish();
            })
        });
        let writer = on_worker(&shared, 3, {
            let key = key.clone();
            move |mut worker| {
                worker.say(&format!("DEL {key}"));
                worker.finish();
            }
        });
        join(waiters);
        join([goner, writer]);
        nothing_is_left(&shared);
    });
}

/// Rule 5: CLIENT UNBLOCK, the end of WAIT and the leader's answer come at once; the waiter has one reply.
#[test]
fn waiter_is_answered_once_though_several_would() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let mut leader = Worker::new(&shared, 0);
        let lead = leader.get(&key);
        let mut waiter = Worker::new(&shared, 1);
        waiter.send(&format!("FILL.GET {key} WAIT 100"));
        let unblock = format!("CLIENT UNBLOCK {}", waiter.id());
        let put = format!("FILL.PUT {key} {} filled", lead.token);
        let leader = thread::spawn(move || {
            leader.say(&put);
            leader.finish();
        });
        let others = [
            on_worker(&shared, 2, move |mut worker| {
                worker.say(&unblock);
                worker.finish();
            }),
            on_worker(&shared, 3, |mut worker| {
                worker.pass(100);
                worker.finish();
            }),
        ];
        let answer = waiter.answer();
        assert!(answer.status == "WAIT" || answer.value == "filled", "{answer:?}");
        waiter.finish();
        join([leader]);
        join(others);
        nothing_is_left(&shared);
    });
}

/// Rules 6 and 7: the oldest waiter is unblocked while a deletion elects it. Either it leads, or the next one does.
#[test]
fn waiter_that_is_unblocked_while_it_is_elected_is_succeeded() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let mut leader = Worker::new(&shared, 0);
        leader.get(&key);
        let [oldest, next] = [1, 2].map(|number| {
            let mut waiter = Worker::new(&shared, number);
            waiter.send(&format!("FILL.GET {key} WAIT 60000"));
            waiter
        });
        let unblock = format!("CLIENT UNBLOCK {}", oldest.id());
        let unblocker = on_worker(&shared, 3, move |mut worker| {
            worker.say(&unblock);
            worker.finish();
        });
        let waiters = [oldest, next].map(|mut waiter| {
            let key = key.clone();
            thread::spawn(move || {
                let answer = waiter.answer();
                if answer.status == "LEAD" {
                    assert_eq!(waiter.say(&format!("FILL.PUT {key} {} filled", answer.token)), "OK");
                }
                waiter.finish();
                answer.status
            })
        });
        leader.say(&format!("DEL {key}"));
        leader.finish();
        join([unblocker]);
        let [oldest, next] = join(waiters);
        let told = (oldest.as_str(), next.as_str());
        assert!(matches!(told, ("LEAD", "HIT") | ("WAIT", "LEAD")), "{told:?}");
        nothing_is_left(&shared);
    });
}

/// Rules 5, 9 and 10: FILL.MGETs of the same keys in different orders, and their leaders on other workers.
#[test]
fn calls_for_several_keys_are_answered_whole_and_without_a_cycle() {
    explore(|| {
        let shared = server();
        let keys = keys::<2>();
        let fillers = [0, 1].map(|number| {
            let key = keys[number].clone();
            on_worker(&shared, number, move |mut worker| {
                get_or_fill(&mut worker, &key, "filled");
                worker.finish();
            })
        });
        let [a, b] = keys.clone();
        let askers = [(2, [a.clone(), b.clone()]), (3, [b, a])].map(|(number, keys)| {
            on_worker(&shared, number, move |mut worker| {
                let told = worker.call(&format!("FILL.MGET 2 {} {} WAIT 60000", keys[0], keys[1]));
                for (key, told) in keys.iter().zip(told.array()) {
                    let [status, value, token, _ms] = told.array() else { panic!("{told:?}") };
                    match status.text().as_str() {
                        "LEAD" => drop(worker.say(&format!("FILL.PUT {key} {} filled", token.text()))),
                        "HIT" => assert_eq!(value.text(), "filled"),
                        other => assert_eq!(other, "WAIT"),
                    }
                }
                worker.finish();
            })
        });
        join(fillers);
        join(askers);
        nothing_is_left(&shared);
    });
}

/// The same token sent from two workers at once stores once (2).
#[test]
fn resend_on_another_worker_stores_once() {
    explore(|| {
        let shared = server();
        let [key] = keys();
        let mut leader = Worker::new(&shared, 0);
        let token = leader.get(&key).token;
        let puts = [1, 2].map(|number| {
            let put = format!("FILL.PUT {key} {token} by-{number}");
            on_worker(&shared, number, move |mut worker| {
                let said = worker.say(&put);
                worker.finish();
                said
            })
        });
        let mut said = join(puts);
        said.sort_unstable();
        assert_eq!(said, ["DUP", "OK"]);
        leader.finish();
        nothing_is_left(&shared);
    });
}

/// A flight that is kept as a favour gives way while it goes back to work, or is answered late: one of them, and all that
/// is counted of it is right afterwards.
#[test]
fn kept_flight_gives_way_or_goes_back_to_work() {
    explore(|| {
        let shared = server_with(Settings { fill_flights: 1, ..Settings::default() });
        let keys = keys::<3>();
        let mut leader = Worker::new(&shared, 0);
        let token = leader.get(&format!("{} LEASE 10", keys[0])).token;
        leader.pass(10);
        // A second one that is kept is one too many.
        let crowd = on_worker(&shared, 1, {
            let key = keys[1].clone();
            move |mut worker| {
                let status = worker.get(&format!("{key} LEASE 10")).status;
                worker.pass(10);
                worker.finish();
                status
            }
        });
        let again = on_worker(&shared, 2, {
            let key = keys[0].clone();
            move |mut worker| {
                let status = worker.get(&format!("{key} LEASE 10")).status;
                worker.finish();
                status
            }
        });
        let late = on_worker(&shared, 3, {
            let key = keys[0].clone();
            move |mut worker| {
                let said = worker.say(&format!("FILL.PUT {key} {token} late"));
                worker.finish();
                said
            }
        });
        let told = join([crowd, again, late]);
        assert!(["LEAD", "PASS"].contains(&told[0].as_str()), "{told:?}");
        assert!(["LEAD", "HIT", "PASS"].contains(&told[1].as_str()), "{told:?}");
        assert!(["OK", "VOID"].contains(&told[2].as_str()), "{told:?}");
        leader.finish();
        nothing_is_left(&shared);
    });
}
