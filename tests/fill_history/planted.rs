//! Histories made by hand: one of which nothing is wrong, and for each rule one that breaks it alone.
//!
//! Instants are in ms here. The rules are only worth what these tests show.

use super::record::{Act, History, MS, NEVER, Nanos, Op, Said, Seen, With};
use super::rules::{Terms, judge};

const TERMS: Terms = Terms { orphan_grace_ms: 50, delay_ms: 1_000, evicts: false, pair: (8, 9) };

/// A history in the making; every call is about key 0 unless it says otherwise.
#[derive(Default)]
struct Tale {
    history: History,
    key: u32,
}

impl Tale {
    /// On connection `conn`, from `start` to `end` (0: its reply was never read).
    fn call(mut self, conn: u64, (start, end): (u64, u64), op: Op, said: Said) -> Tale {
        let end = if end == 0 { NEVER } else { end * MS };
        let call = self.history.acts.len() as u64;
        let wait_ms = if let Op::Get { wait_ms } = op { wait_ms } else { 0 };
        let waits_until = Some((start + wait_ms) * MS);
        let said = (end != NEVER).then_some(said);
        let (key, start) = (self.key, start * MS);
        self.history.acts.push(Act { call, conn, key, op, said, start, end, waits_until });
        self
    }

    /// Both in the call of the one before.
    fn and(mut self, key: u32, op: Op, said: Said) -> Tale {
        let before = self.history.acts.last().expect("a call").clone();
        self.history.acts.push(Act { key, op, said: Some(said), ..before });
        self
    }

    fn on(mut self, key: u32) -> Tale {
        self.key = key;
        self
    }

    fn closed(mut self, conn: u64, from: Nanos, to: Nanos) -> Tale {
        self.history.closed.insert(conn, (from * MS, to * MS));
        self
    }

    /// The caller leads with token `serial` for 100 ms.
    fn lead(self, conn: u64, at: (u64, u64), serial: u64) -> Tale {
        let said = Said::Told { status: "LEAD".into(), value: None, token: Some(token(serial)), ms: 100 };
        self.call(conn, at, GET, said)
    }

    fn put(self, conn: u64, at: (u64, u64), serial: u64, value: u64, said: Said) -> Tale {
        let with = With::Put { value, fades: false };
        self.call(conn, at, Op::Answer { token: token(serial), with }, said)
    }

    fn told(self, conn: u64, at: (u64, u64), status: &str, value: Option<u64>) -> Tale {
        let value = value.map(|value| Seen { key: 0, value });
        let said = Said::Told { status: status.into(), value, token: None, ms: 1 };
        self.call(conn, at, GET, said)
    }

    fn set(self, conn: u64, at: (u64, u64), value: u64) -> Tale {
        self.call(conn, at, Op::Write { value, fades: false }, Said::Done)
    }

    fn del(self, conn: u64, at: (u64, u64)) -> Tale {
        self.call(conn, at, Op::Delete, Said::Done)
    }

    #[track_caller]
    fn holds(self) {
        let complaints = judge(&self.history, &TERMS);
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Breaks the rule of this name, and no other.
    #[track_caller]
    fn breaks(self, rule: &str) {
        let complaints = judge(&self.history, &TERMS);
        let others: Vec<_> = complaints.iter().filter(|complaint| complaint.rule != rule).collect();
        assert!(!complaints.is_empty() && others.is_empty(), "{complaints:#?}");
    }
}

const GET: Op = Op::Get { wait_ms: 0 };

fn tale() -> Tale {
    Tale::default()
}

/// An old value with the lease to renew it.
fn refresh(value: u64) -> Said {
    let value = Some(Seen { key: 0, value });
    Said::Told { status: "REFRESH".into(), value, token: Some(token(9)), ms: 100 }
}

fn token(serial: u64) -> String {
    format!("00000000000000aa-{serial:016x}")
}

#[test]
fn stories_of_a_server_that_keeps_its_word_are_fine() {
    tale().holds();
    // Filled, hit, deleted, filled again; a resend; a void token.
    tale()
        .lead(1, (1, 2), 1)
        .told(2, (3, 4), "WAIT", None)
        .put(1, (5, 6), 1, 71, Said::Stored)
        .put(1, (7, 8), 1, 72, Said::Dup)
        .told(2, (9, 10), "HIT", Some(71))
        .del(3, (11, 12))
        .lead(2, (13, 14), 2)
        .set(3, (15, 16), 73)
        .put(2, (17, 18), 2, 74, Said::Void)
        .call(1, (19, 20), Op::Read, Said::Value(Seen { key: 0, value: 73 }))
        .holds();
    // What overlaps may have happened in any order: the read before the deletion, the PUT too.
    tale()
        .lead(1, (1, 2), 1)
        .del(2, (3, 9))
        .put(1, (4, 5), 1, 71, Said::Stored)
        .told(3, (6, 10), "HIT", Some(71))
        .lead(4, (11, 12), 2)
        .holds();
    // A write whose reply nobody read may show long after, and may remove what was there.
    tale().set(1, (1, 2), 71).set(2, (3, 0), 72).closed(2, 4, 5).told(1, (6, 7), "HIT", Some(71)).holds();
    tale().set(2, (3, 0), 72).closed(2, 4, 5).told(1, (60, 61), "HIT", Some(72)).holds();
    // A leader that is gone, whose lease has ended, or which is replaced after a deletion.
    tale().lead(1, (1, 2), 1).closed(1, 3, 4).lead(2, (60, 61), 2).holds();
    tale().lead(1, (1, 2), 1).lead(2, (103, 104), 2).holds();
    tale().lead(1, (1, 2), 1).del(3, (3, 4)).lead(2, (5, 6), 2).holds();
    // Softened, a value is still served as stale.
    tale()
        .set(1, (1, 2), 71)
        .call(1, (3, 4), Op::Soften, Said::Done)
        .told(2, (5, 6), "STALE", Some(71))
        .holds();
}

#[test]
fn token_that_stores_twice_is_noticed() {
    tale()
        .lead(1, (1, 2), 1)
        .put(1, (3, 4), 1, 71, Said::Stored)
        .put(1, (5, 6), 1, 72, Said::Stored)
        .breaks("a token stores once (2)");
}

#[test]
fn store_after_an_invalidation_is_noticed() {
    let story = || tale().lead(1, (1, 2), 1).del(2, (3, 4));
    story().put(1, (5, 6), 1, 71, Said::Stored).breaks("nothing stores after an invalidation (3)");
    let renew = Op::Renew { token: token(1) };
    story().call(1, (5, 6), renew, Said::Left(90)).breaks("nothing stores after an invalidation (3)");
}

#[test]
fn old_values_are_noticed() {
    let rule = "no reader gets an older value (4)";
    tale().set(1, (1, 2), 71).del(1, (3, 4)).told(2, (5, 6), "HIT", Some(71)).breaks(rule);
    tale().set(1, (1, 2), 71).set(1, (3, 4), 72).call(2, (5, 6), GET, refresh(71)).breaks(rule);
    tale()
        .set(1, (1, 2), 71)
        .call(1, (3, 4), Op::Soften, Said::Done)
        .told(2, (5, 6), "HIT", Some(71))
        .breaks(rule);
}

#[test]
fn values_from_nowhere_are_noticed() {
    let rule = "every value was written";
    tale().told(1, (1, 2), "HIT", Some(71)).breaks(rule);
    tale().told(1, (1, 2), "HIT", Some(71)).set(2, (3, 4), 71).breaks(rule);
    tale().on(3).set(1, (1, 2), 71).on(4).told(2, (3, 4), "HIT", Some(71)).breaks(rule);
}

#[test]
fn value_of_a_refused_answer_is_noticed() {
    tale()
        .lead(1, (1, 2), 1)
        .del(2, (3, 4))
        .put(1, (5, 6), 1, 71, Said::Void)
        .told(2, (7, 8), "HIT", Some(71))
        .breaks("a refused answer is never seen (2)");
}

#[test]
fn lost_value_is_noticed() {
    let rule = "a value stays until it is removed (15)";
    tale().set(1, (1, 2), 71).call(2, (3, 4), Op::Read, Said::Absent).breaks(rule);
    tale().del(1, (1, 2)).set(1, (3, 4), 71).lead(2, (5, 6), 1).breaks(rule);
}

#[test]
fn two_live_tokens_are_noticed() {
    let rule = "at most one live token (1)";
    tale().lead(1, (1, 2), 1).lead(2, (5, 6), 2).breaks(rule);
    // The second grant was read after the third.
    tale().lead(1, (1, 2), 1).lead(2, (5, 300), 2).lead(3, (7, 8), 3).breaks(rule);
    tale().lead(1, (1, 2), 1).closed(1, 3, 4).lead(2, (5, 6), 2).breaks(rule);
}

#[test]
fn superseded_token_that_stores_is_noticed() {
    tale()
        .lead(1, (1, 2), 1)
        .lead(2, (150, 151), 2)
        .put(1, (152, 153), 1, 71, Said::Stored)
        .breaks("a superseded token is void (1)");
}

#[test]
fn foreign_token_that_stores_is_noticed() {
    tale().put(1, (1, 2), 1, 71, Said::Stored).breaks("a foreign token is void (2)");
}

#[test]
fn dup_of_nothing_is_noticed() {
    tale().lead(1, (1, 2), 1).put(1, (3, 4), 1, 71, Said::Dup).breaks("DUP means answered before (12)");
}

#[test]
fn late_and_missing_replies_are_noticed() {
    tale().told(1, (1, 1_100), "WAIT", None).breaks("replies come within WAIT and a bounded delay");
    tale().told(1, (1, 0), "WAIT", None).breaks("every request is answered");
    tale().told(1, (1, 0), "WAIT", None).closed(1, 2, 3).holds();
}

#[test]
fn waiter_that_nobody_leads_is_noticed() {
    let rule = "where somebody waits, somebody leads (7, 13)";
    let wait = || Op::Get { wait_ms: 2_000 };
    let told = || Said::Told { status: "WAIT".into(), value: None, token: None, ms: 1 };
    let story = || tale().lead(1, (1, 2), 1).closed(1, 3, 4);
    story().call(2, (2, 2_002), wait(), told()).breaks(rule);
    // Somebody whose grant nobody read may have led all along.
    story()
        .call(2, (2, 2_002), wait(), told())
        .call(3, (2, 0), wait(), told())
        .closed(3, 1_900, 1_901)
        .holds();
    // Answered before its time: so that another could be told it leads.
    story().call(2, (2, 1_500), wait(), told()).holds();
}

#[test]
fn torn_pair_is_noticed() {
    let value = |key, value| Said::Value(Seen { key, value });
    let write = |value| Op::Write { value, fades: false };
    let story = || {
        let first = tale().on(8).call(1, (1, 2), write(71), Said::Done).and(9, write(71), Said::Done);
        first.call(1, (3, 9), write(72), Said::Done).and(9, write(72), Said::Done)
    };
    story().call(2, (4, 5), Op::Read, value(8, 72)).and(9, Op::Read, value(9, 72)).holds();
    let torn = story().call(2, (4, 5), Op::Read, value(8, 72)).and(9, Op::Read, value(9, 71));
    torn.breaks("keys written together are read together");
}

#[test]
fn undeserved_errors_are_noticed() {
    let refused = |text: &str| Said::Refused(text.to_owned());
    tale().call(1, (1, 2), Op::Read, refused("ERR no")).breaks("nothing is refused");
    tale().call(1, (1, 2), Op::Read, refused("OOM no")).breaks("nothing is refused");
}
