//! The statements of docs/fill.md, section 7, as far as a history with overlapping calls can refute them.
//!
//! Each rule complains only of what no order of the overlapping calls explains. A call without a reply (its
//! connection was closed) may have taken effect at any time after it was sent, or never.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::facts::{KeyFacts, LeaseFacts};
use super::record::{Act, History, MS, NEVER, Nanos, Op, Said, Seen, With};

/// What the rules must know of the server and of the run.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub orphan_grace_ms: u64,
    /// How much later than promised something may come, on a busy machine.
    pub delay_ms: u64,
    /// Values may vanish for want of memory.
    pub evicts: bool,
    /// These two keys are only ever written together.
    pub pair: (u32, u32),
}

/// A rule that a history breaks.
#[derive(Debug)]
pub struct Complaint {
    pub rule: &'static str,
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// Everything that is wrong with a history.
pub fn judge(history: &History, terms: &Terms) -> Vec<Complaint> {
    let keys = KeyFacts::of(history);
    let mut judge = Judge { history, terms, complaints: Vec::new() };
    judge.replies();
    judge.pairs();
    for key in keys.values() {
        judge.values(key);
        judge.leases(key);
        judge.waits(key);
    }
    judge.complaints
}

struct Judge<'h> {
    history: &'h History,
    terms: &'h Terms,
    complaints: Vec<Complaint>,
}

/// Where a value came from.
#[derive(Clone, Copy)]
struct Origin<'h> {
    act: &'h Act,
    /// Nobody may ever read it: the answer that carried it was refused.
    is_refused: bool,
}

/// Whether a write was refused for want of memory, or the transaction in which it was queued.
fn is_for_room(text: &str) -> bool {
    text.starts_with("OOM") || text.starts_with("EXECABORT")
}

impl<'h> Judge<'h> {
    fn complain(&mut self, rule: &'static str, what: impl fmt::Display) {
        self.complaints.push(Complaint { rule, what: what.to_string() });
    }

    /// Every request is answered, once, in time (5), and never by an error that it does not deserve.
    fn replies(&mut self) {
        for act in &self.history.acts {
            match &act.said {
                Some(Said::Refused(text)) if !(self.terms.evicts && is_for_room(text)) => {
                    self.complain("nothing is refused", show(act));
                }
                None if !self.history.closed.contains_key(&act.conn) => {
                    self.complain("every request is answered", show(act));
                }
                Some(_) => {
                    let late = |until: &Nanos| act.end > until + self.terms.delay_ms * MS;
                    if act.waits_until.as_ref().is_some_and(late) {
                        self.complain("replies come within WAIT and a bounded delay", show(act));
                    }
                }
                None => {}
            }
        }
    }

    /// What is written together is read together.
    fn pairs(&mut self) {
        let (one, other) = self.terms.pair;
        let reads = |key: u32| {
            let acts = self.history.acts.iter();
            acts.filter(move |act| act.key == key && act.op == Op::Read && act.is_certain())
        };
        let read: HashMap<u64, &Act> = reads(one).map(|act| (act.call, act)).collect();
        let number =
            |act: &Act| if let Some(Said::Value(seen)) = &act.said { Some(seen.value) } else { None };
        let torn: Vec<String> = reads(other)
            .filter_map(|act| Some((*read.get(&act.call)?, act)))
            .filter(|(one, other)| number(one) != number(other))
            .map(|(one, other)| format!("{} but {}", show(one), show(other)))
            .collect();
        for torn in torn.iter().filter(|_| !self.terms.evicts) {
            self.complain("keys written together are read together", torn);
        }
    }

    /// No value from nowhere, none from the past (4), none that was refused, none lost.
    fn values(&mut self, key: &KeyFacts<'h>) {
        let origins = origins(key);
        for act in &key.acts {
            let Some(said) = &act.said else { continue };
            match seen(said) {
                Some(seen) => self.value(key, act, seen, &origins),
                None if says_no_fresh_value(said) => self.absence(key, act),
                None => {}
            }
            if matches!(said, Said::Told { status, .. } if status == "STALE") {
                self.absence(key, act);
            }
        }
    }

    fn value(&mut self, key: &KeyFacts<'h>, read: &Act, seen: Seen, origins: &HashMap<u64, Origin<'h>>) {
        let origin = origins.get(&seen.value).filter(|_| seen.key == read.key);
        let Some(Origin { act: origin, is_refused }) = origin else {
            return self.complain("every value was written", show(read));
        };
        if *is_refused {
            self.complain(
                "a refused answer is never seen (2)",
                format!("{} of {}", show(read), show(origin)),
            );
        }
        if origin.start > read.end {
            self.complain("every value was written", format!("{} before {}", show(read), show(origin)));
        }
        let may_be_stale = matches!(&read.said, Some(Said::Told { status, .. }) if is_stale(status));
        let replaced = if may_be_stale { &key.gone } else { &key.replaced };
        if replaced.any_within(origin.end, read.start) {
            let what = format!("{} is of {}, replaced before", show(read), show(origin));
            self.complain("no reader gets an older value (4)", what);
        }
    }

    /// What was written stays until something removes it.
    fn absence(&mut self, key: &KeyFacts<'h>, read: &Act) {
        let Some(written) = key.lasting.last_start_before(read.start).filter(|_| !self.terms.evicts) else {
            return;
        };
        if !key.removers.any_touching(written, read.end) {
            let what = format!("{}, a value was written at {}", show(read), written / 1000);
            self.complain("a value stays until it is removed (15)", what);
        }
    }

    /// One live token (1), used once (2), not after an invalidation (3).
    fn leases(&mut self, key: &KeyFacts<'h>) {
        for lease in &key.leases {
            self.uses(key, lease);
        }
        self.unknown_tokens(key);
        let grace_ms = self.terms.orphan_grace_ms;
        let mut next: Option<&LeaseFacts<'_>> = None;
        for lease in key.leases.iter().rev() {
            // Of the later leases the one whose grant was read first.
            if let Some(later) = next {
                let until = lease.surely_until(key, self.history, grace_ms);
                if later.grant.end < until {
                    let what = format!("{} while {} holds", show(later.grant), show(lease.grant));
                    self.complain("at most one live token (1)", what);
                }
                let late = lease.uses.iter().find(|used| later.grant.end < used.start && is_welcome(used));
                if let Some(late) = late {
                    let what = format!("{} though {}", show(late), show(later.grant));
                    self.complain("a superseded token is void (1)", what);
                }
            }
            next = match next {
                Some(later) if later.grant.end < lease.grant.end => Some(later),
                _ => Some(lease),
            };
        }
    }

    fn uses(&mut self, key: &KeyFacts<'_>, lease: &LeaseFacts<'_>) {
        let stored: Vec<&&Act> = lease.uses.iter().filter(|used| used.said == Some(Said::Stored)).collect();
        if stored.len() > 1 {
            let what = format!("{} and {}", show(stored[0]), show(stored[1]));
            self.complain("a token stores once (2)", what);
        }
        for used in &lease.uses {
            if is_welcome(used) && key.voids.any_within(lease.grant.end, used.start) {
                let what = format!("{} of {}, voided between", show(used), show(lease.grant));
                self.complain("nothing stores after an invalidation (3)", what);
            }
            let with =
                |act: &Act| if let Op::Answer { with, .. } = act.op { Some(with.kind()) } else { None };
            let before = |first: &&&Act| {
                with(first) == with(used) && first.call != used.call && first.start < used.end
            };
            let first = lease.uses.iter().filter(before);
            let mut possible = first.filter(|act| matches!(act.said, None | Some(Said::Stored)));
            if used.said == Some(Said::Dup) && possible.next().is_none() {
                self.complain("DUP means answered before (12)", show(used));
            }
        }
    }

    /// Tokens whose grant nobody read are in nobody's hands.
    fn unknown_tokens(&mut self, key: &KeyFacts<'_>) {
        let known: HashSet<&str> = key.leases.iter().map(|lease| lease.token).collect();
        let stray: Vec<String> = (key.acts.iter())
            .filter(|act| matches!(&act.op, Op::Answer { token, .. } if !known.contains(token.as_str())))
            .filter(|act| is_welcome(act))
            .map(|act| show(act))
            .collect();
        stray.into_iter().for_each(|act| self.complain("a foreign token is void (2)", act));
    }

    /// Where somebody waits, somebody leads (7, 13): a wait that ran its whole time had a leader nearly all along.
    fn waits(&mut self, key: &KeyFacts<'_>) {
        let grace_ms = self.terms.orphan_grace_ms;
        let known = key
            .leases
            .iter()
            .map(|lease| (lease.grant.start, lease.maybe_until(key, self.history, grace_ms)));
        let unread = key.acts.iter().filter(|act| matches!(act.op, Op::Get { .. }) && !act.is_certain());
        let unread = unread.map(|act| {
            let closed = self.history.closed.get(&act.conn);
            (act.start, closed.map_or(NEVER, |(_, to)| to + grace_ms * MS))
        });
        let mut led: Vec<(Nanos, Nanos)> = known.chain(unread).collect();
        led.sort_unstable();
        let idle = gaps(&led, self.terms.delay_ms * MS);
        for act in key.acts.iter().filter(|act| act.waits_until.is_some()) {
            let (Op::Get { wait_ms }, Some(Said::Told { status, .. })) = (&act.op, &act.said) else {
                continue;
            };
            let until = act.start + wait_ms * MS;
            if status == "WAIT" && act.end >= until {
                let longest = |(from, to): &(Nanos, Nanos)| {
                    to.min(&until).saturating_sub(*from.max(&act.start)) > self.terms.delay_ms * MS
                };
                if idle.iter().any(longest) {
                    self.complain("where somebody waits, somebody leads (7, 13)", show(act));
                }
            }
        }
    }
}

/// Times longer than `least` in which no interval of a list sorted by start lies.
fn gaps(led: &[(Nanos, Nanos)], least: Nanos) -> Vec<(Nanos, Nanos)> {
    let (mut gaps, mut free_from) = (Vec::new(), 0);
    for (from, to) in led {
        if from.saturating_sub(free_from) > least {
            gaps.push((free_from, *from));
        }
        free_from = free_from.max(*to);
    }
    gaps.push((free_from, NEVER));
    gaps
}

fn origins<'h>(key: &KeyFacts<'h>) -> HashMap<u64, Origin<'h>> {
    let mut origins = HashMap::new();
    for act in &key.acts {
        if let Op::Write { value, .. } | Op::Answer { with: With::Put { value, .. }, .. } = act.op {
            let is_refused = matches!(act.said, Some(Said::Void | Said::Dup));
            origins.insert(value, Origin { act, is_refused });
        }
    }
    origins
}

fn seen(said: &Said) -> Option<Seen> {
    match said {
        Said::Told { value, .. } => *value,
        Said::Value(seen) => Some(*seen),
        _ => None,
    }
}

/// With a value that may be past its time.
fn is_stale(status: &str) -> bool {
    matches!(status, "STALE" | "REFRESH")
}

fn says_no_fresh_value(said: &Said) -> bool {
    match said {
        Said::Absent => true,
        Said::Told { status, .. } => {
            matches!(status.as_str(), "LEAD" | "NONE" | "PASS" | "FAIL" | "WAIT" | "SELF")
        }
        _ => false,
    }
}

/// The token was good for this.
fn is_welcome(act: &Act) -> bool {
    matches!(act.said, Some(Said::Stored)) || matches!(act.said, Some(Said::Left(left)) if left > 0)
}

/// An act as a complaint shows it, instants in µs.
fn show(act: &Act) -> String {
    let end = if act.end == NEVER { "…".to_owned() } else { (act.end / 1000).to_string() };
    let said = act.said.as_ref().map_or("no reply".to_owned(), |said| format!("{said:?}"));
    format!("[{}-{end} c{} k{} {:?} -> {said}]", act.start / 1000, act.conn, act.key, act.op)
}
