//! The runs: traffic of one kind against a server of its own, then the judgement of its history and figures.

use std::collections::HashMap;
use std::fmt::Write;
use std::thread;

use onefill::base::metrics::Counter;

use super::caller::{Caller, Manner, PAIR};
use super::program::Program;
use super::puppet::Puppet;
use super::record::{History, MS, Nanos, Note, Op, Said, now};
use super::rules::{Complaint, Terms, judge};
use super::support::{Figures, wait_until};

/// Of the server: so long a lost leader's lease lasts, and so long a token is kept after its lease.
const ORPHAN_GRACE_MS: u64 = 50;
const LATE_MS: u64 = 300;
/// Beyond what was promised, on a machine that is busy with other things.
const DELAY_MS: u64 = 1_500;
/// Complaints shown of a run that failed.
const SHOWN: usize = 12;

/// A run.
#[derive(Default)]
struct Run {
    name: &'static str,
    /// How each caller of this process behaves.
    manners: Vec<Manner>,
    /// Processes that are stopped and continued, and such as are killed one after the other.
    stopped: u64,
    killed: u64,
    value_bytes: usize,
    /// Memory beyond that of the empty server, as `maxmemory`.
    room_bytes: Option<u64>,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Run {
    fn go(&self) {
        let seed = setting("FILL_HISTORY_SEED", fastrand::u64(..1_000_000));
        let seconds = setting("FILL_HISTORY_SECONDS", 3);
        println!("{}: FILL_HISTORY_SEED={seed} FILL_HISTORY_SECONDS={seconds}", self.name);
        let server = self.start();
        let history = self.traffic(&server, seed, now() + seconds * 1000 * MS);
        println!("{}: {}", self.name, summary(&history));
        let terms = Terms {
            orphan_grace_ms: ORPHAN_GRACE_MS,
            delay_ms: DELAY_MS,
            evicts: self.room_bytes.is_some() && server.figure("evicted_keys") > 0,
            pair: PAIR,
        };
        let mut complaints = judge(&history, &terms);
        complaints.extend(counted(&server, &history));
        show_and_fail(&complaints);
        nothing_is_left(&server);
    }

    fn start(&self) -> Program {
        let (grace, late) = (ORPHAN_GRACE_MS.to_string(), LATE_MS.to_string());
        let server = Program::start(&["--fill-orphan-grace", &grace, "--fill-late", &late]);
        if let Some(room_bytes) = self.room_bytes {
            let limit = server.figure("used_memory") + room_bytes;
            let set = format!("CONFIG SET maxmemory-policy allkeys-lru maxmemory {limit}");
            assert_eq!(server.connect().say(&set), "OK");
        }
        server
    }

    fn traffic(&self, server: &Program, seed: u64, until: Nanos) -> History {
        let addr = server.addr;
        let mut number = 0;
        let mut next_number = || {
            number += 1;
            number
        };
        let notes = thread::scope(|scope| {
            let mut threads = Vec::new();
            for manner in &self.manners {
                let number = next_number();
                let manner = Manner { value_bytes: self.value_bytes, ..*manner };
                threads.push(scope.spawn(move || {
                    let mut notes: Vec<Note> = Vec::new();
                    Caller::new(addr, number, seed, manner, &mut notes).run(until);
                    notes
                }));
            }
            for _ in 0..self.stopped {
                let number = next_number();
                threads.push(scope.spawn(move || {
                    let puppet = Puppet::start(addr, number, seed, self.value_bytes, until);
                    puppet.torment(until, &mut fastrand::Rng::with_seed(seed ^ number));
                    puppet.finish()
                }));
            }
            for _ in 0..self.killed {
                let numbers = next_number() << 16;
                threads.push(scope.spawn(move || self.kill_some(addr, numbers, seed, until)));
            }
            threads.into_iter().flat_map(|thread| thread.join().expect("a caller's end")).collect()
        });
        History::of(notes)
    }

    /// One process after the other, each killed in the middle of its calls.
    fn kill_some(&self, addr: std::net::SocketAddr, numbers: u64, seed: u64, until: Nanos) -> Vec<Note> {
        let mut random = fastrand::Rng::with_seed(seed ^ numbers);
        let mut notes = Vec::new();
        for number in numbers.. {
            if now() >= until {
                break;
            }
            let puppet = Puppet::start(addr, number, seed, self.value_bytes, until + 10_000 * MS);
            thread::sleep(std::time::Duration::from_millis(random.u64(100..700)));
            notes.extend(puppet.kill());
        }
        notes
    }
}

/// Calls, and how often each status was told.
fn summary(history: &History) -> String {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for act in &history.acts {
        let what = match &act.said {
            Some(Said::Told { status, .. }) => status.as_str(),
            Some(Said::Stored) => "stored",
            Some(Said::Dup) => "dup",
            Some(Said::Void) => "void",
            Some(_) => "other",
            None => "unread",
        };
        *counts.entry(what).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    let mut text = format!("{} acts, {} connections closed", history.acts.len(), history.closed.len());
    counts.iter().for_each(|(what, count)| write!(text, ", {what} {count}").expect("text grows"));
    text
}

/// The server's counters against what callers saw (19): what was read was counted, and what was counted was read
/// or is among what nobody read.
fn counted(server: &Program, history: &History) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let figures = Figures::of(&server.connect().say("INFO fill"));
    let mut compare = |name: &str, told: usize, unread: usize| {
        let counted = figures.get(name) as usize;
        if counted < told || counted > told + unread {
            let what = format!("{name} is {counted}, {told} were read and {unread} may have been lost");
            complaints.push(Complaint { rule: "what is told is counted (19)", what });
        }
    };
    let of = |is: &dyn Fn(&Op, Option<&Said>) -> bool| {
        history.acts.iter().filter(|act| is(&act.op, act.said.as_ref())).count()
    };
    let unread = of(&|op, said| matches!(op, Op::Get { .. }) && said.is_none());
    let statuses = ["HIT", "LEAD", "REFRESH", "STALE", "NONE", "FAIL", "PASS", "WAIT", "SELF"];
    let names = statuses.iter().zip(Counter::FILL_ANSWERS.map(Counter::name));
    let mut all = 0;
    for (status, name) in names {
        let told = of(&|_, said| matches!(said, Some(Said::Told { status: told, .. }) if told == status));
        all += told;
        compare(name, told, unread);
    }
    compare("fill_gets", all, unread);
    let unread = of(&|op, said| matches!(op, Op::Answer { .. }) && said.is_none());
    for (said, name) in
        [(Said::Stored, "fill_puts_ok"), (Said::Dup, "fill_puts_dup"), (Said::Void, "fill_puts_void")]
    {
        compare(name, of(&|_, told| told == Some(&said)), unread);
    }
    if !figures.sum_holds() {
        let what = format!("{figures:?}");
        complaints.push(Complaint { rule: "gets is the sum of the statuses (19)", what });
    }
    complaints
}

fn show_and_fail(complaints: &[Complaint]) {
    complaints.iter().take(SHOWN).for_each(|complaint| eprintln!("{complaint}"));
    let mut rules: HashMap<&str, usize> = HashMap::new();
    complaints.iter().for_each(|complaint| *rules.entry(complaint.rule).or_default() += 1);
    assert!(complaints.is_empty(), "the history breaks these rules, so many times: {rules:?}");
}

/// Time alone clears every flight and waiter (17).
fn nothing_is_left(server: &Program) {
    let mut conn = server.connect();
    wait_until("no flight and no waiter is left", || {
        let figures = Figures::of(&conn.say("INFO fill"));
        figures.get("fill_flights") == 0 && figures.get("fill_waiters") == 0
    });
    assert_eq!(conn.say("FILL.LIST"), "", "no flight is left");
    assert_eq!(conn.say("PING"), "PONG");
    assert_eq!(server.figure("panics"), 0);
}

#[test]
fn callers_that_hang_up_see_what_the_contract_says() {
    let manner = |hangs_up| Manner { hangs_up, ..Manner::default() };
    let manners = vec![manner(0), manner(0), manner(0), manner(40), manner(15)];
    Run { name: "callers that hang up", manners, value_bytes: 40, ..Run::default() }.go();
}

#[test]
fn callers_that_are_stopped_and_killed_harm_nobody_else() {
    let manners = vec![Manner::default(); 3];
    let name = "callers that are stopped and killed";
    Run { name, manners, stopped: 2, killed: 1, value_bytes: 40, ..Run::default() }.go();
}

#[test]
fn large_values_and_slow_readers_change_nothing() {
    let slow = Manner { is_slow: true, hangs_up: 30, ..Manner::default() };
    let manners = vec![Manner::default(), Manner::default(), slow, slow];
    let name = "large values and slow readers";
    Run { name, manners, value_bytes: 300_000, ..Run::default() }.go();
}

#[test]
fn memory_pressure_takes_values_and_nothing_else() {
    let manner = Manner { hangs_up: 100, ..Manner::default() };
    let name = "memory pressure";
    Run { name, manners: vec![manner; 4], value_bytes: 200_000, room_bytes: Some(500_000), ..Run::default() }
        .go();
}
