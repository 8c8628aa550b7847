//! Many connections at once, the clock held: whatever the interleaving, rules 1 to 4, 6 and 9 of docs/fill.md, 7.

use std::collections::{HashSet, VecDeque};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use crate::support::{Conn, TestServer};

/// An origin whose value changes again and again, each change followed by a DEL, as a cached table's would. A reader
/// that began after a DEL was acknowledged must never see an older version: nothing a leader read before may be
/// stored after it.
#[test]
fn rule_03_rule_04_no_reader_ever_sees_a_version_older_than_the_last_invalidation() {
    let server = TestServer::start();
    let (origin, invalidated, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| read_and_fill(&mut server.connect(), &origin, &invalidated, &stop));
        }
        let mut writer = server.connect();
        for version in 1..=1500 {
            origin.store(version, SeqCst);
            writer.say("DEL k");
            invalidated.store(version, SeqCst);
        }
        stop.store(1, SeqCst);
    });
    let figures = server.figures();
    assert!(figures.get("fill_leads") > 0 && figures.get("fill_coalesced") > 0, "{figures:?}");
}

fn read_and_fill(conn: &mut Conn, origin: &AtomicU64, invalidated: &AtomicU64, stop: &AtomicU64) {
    while stop.load(SeqCst) == 0 {
        let floor = invalidated.load(SeqCst);
        let answer = conn.get("k WAIT 60000");
        match answer.status.as_str() {
            "HIT" => {
                let version: u64 = answer.text().parse().expect("a version");
                assert!(version >= floor, "read {version} after the invalidation of {floor}");
            }
            "LEAD" => {
                let version = origin.load(SeqCst);
                let put = conn.say(&format!("FILL.PUT k {} {version}", answer.into_token()));
                assert!(put == "OK" || put == "VOID", "{put}");
            }
            other => panic!("nothing else can be answered here: {other}"),
        }
    }
}

/// A crowd asks for one key at once, round after round: one leads, the others get its value, and only its.
#[test]
fn rule_06_stampede_is_filled_once() {
    const CROWD: usize = 16;
    const ROUNDS: usize = 60;
    let server = TestServer::start();
    let (start, leads) = (Barrier::new(CROWD), AtomicU64::new(0));
    thread::scope(|scope| {
        for caller in 0..CROWD {
            let (server, start, leads) = (&server, &start, &leads);
            scope.spawn(move || {
                let mut conn = server.connect();
                for round in 0..ROUNDS {
                    start.wait();
                    let answer = conn.get(&format!("k{round} WAIT 60000"));
                    if answer.status == "LEAD" {
                        leads.fetch_add(1, SeqCst);
                        let put = format!("FILL.PUT k{round} {} by-{caller}", answer.into_token());
                        assert_eq!(conn.say(&put), "OK");
                    } else {
                        assert!(answer.expect("HIT").text().starts_with("by-"));
                    }
                }
            });
        }
    });
    assert_eq!(leads.load(SeqCst), ROUNDS as u64);
    assert_eq!(server.figure("fill_hits"), ((CROWD - 1) * ROUNDS) as u64);
}

/// A seeded walk of events over one key. After each step every token ever given is tried: at most one is alive.
#[test]
fn rule_01_at_most_one_token_of_a_key_is_alive() {
    let server = TestServer::start();
    let mut conns: [_; 4] = server.connect_many();
    let mut random = fastrand::Rng::with_seed(7);
    let mut tokens: Vec<String> = Vec::new();
    for step in 0..600 {
        let conn = &mut conns[random.usize(..4)];
        let token = tokens.last().cloned().unwrap_or_default();
        match random.u32(..10) {
            0..5 => tokens.extend(conn.get("k NOWAIT LEASE 200").token),
            5 => drop(conn.call(&["FILL.FAIL", "k", &token])),
            6 => drop(conn.say("DEL k")),
            7 => drop(conn.say("SET k v PX 100")),
            8 => drop(conn.call(&["FILL.PUT", "k", &token, "v", "PX", "150", "GRACE", "100"])),
            _ => server.advance_ms(random.u64(..250)),
        }
        let recent = tokens.len().saturating_sub(6);
        let alive =
            tokens[recent..].iter().filter(|token| conns[0].call(&["FILL.RENEW", "k", token]).int() > 0);
        let alive = alive.count();
        assert!(alive <= 1, "{alive} tokens are alive after step {step}");
    }
    assert!(tokens.len() > 30, "the walk led only {} times", tokens.len());
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len(), "no token is given twice");
}

/// Rule 9 by brute force: three multiplexed connections ask for three keys in every combination of orders, the first
/// leader of each key fails, and every PUT and FAIL travels behind the parked reads of its own connection. The clock
/// stands still, so a cycle between slots and flights would hang.
#[test]
fn rule_09_three_connections_by_three_keys_never_deadlock() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let server = TestServer::start();
    let start = Barrier::new(3);
    let failed: Vec<AtomicU64> = (0..216 * 3).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for client in 0..3 {
            let (server, start, failed) = (&server, &start, &failed);
            scope.spawn(move || {
                let mut conn = server.connect();
                for case in 0..216 {
                    start.wait();
                    let order = ORDERS[case / 6usize.pow(client) % 6];
                    Multiplexed::new(case, &failed[case * 3..][..3]).run(&mut conn, order);
                }
            });
        }
    });
}

/// What one multiplexed client has sent and not yet seen answered, in order.
struct Multiplexed<'a> {
    case: usize,
    /// Per key: whether its first leader has failed it.
    failed: &'a [AtomicU64],
    sent: VecDeque<Sent>,
}

enum Sent {
    Get(usize),
    /// PUT or FAIL; FAIL is followed by a new GET.
    Answer,
}

impl Multiplexed<'_> {
    fn new(case: usize, failed: &[AtomicU64]) -> Multiplexed<'_> {
        Multiplexed { case, failed, sent: VecDeque::new() }
    }

    fn run(&mut self, conn: &mut Conn, order: [usize; 3]) {
        order.into_iter().for_each(|key| self.get(conn, key));
        while let Some(sent) = self.sent.pop_front() {
            match sent {
                Sent::Get(key) => self.answered(conn, key),
                Sent::Answer => assert_eq!(conn.reply().text(), "OK"),
            }
        }
    }

    fn get(&mut self, conn: &mut Conn, key: usize) {
        conn.ask(&format!("case{}key{key} WAIT 60000", self.case));
        self.sent.push_back(Sent::Get(key));
    }

    fn answered(&mut self, conn: &mut Conn, key: usize) {
        let answer = conn.answer();
        match answer.status.as_str() {
            "HIT" => {}
            "WAIT" | "SELF" => self.get(conn, key),
            "LEAD" => {
                let fails = self.failed[key].fetch_add(1, SeqCst) == 0;
                let name = format!("case{}key{key}", self.case);
                let token = answer.into_token();
                let answer = if fails { "FILL.FAIL" } else { "FILL.PUT" };
                conn.send(&[answer, &name, &token, "text"]);
                self.sent.push_back(Sent::Answer);
                if fails {
                    self.get(conn, key);
                }
            }
            other => panic!("nothing else can be answered here: {other}"),
        }
    }
}
