//! The FILL verbs: flights and entries of one key, decided together under the shard's lock.
//!
//! The state machine itself is `crate::fill::Flight`; here its answers meet stored values, deadlines
//! and counters. `ask` is the callers' side, `answer` the leaders', `events` what happens to a flight
//! from outside, `deliver` how waiters are told. Contract: docs/fill.md.

mod answer;
mod ask;
mod deliver;
mod events;
mod give_way;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::flights::Record;
use super::shard::AnswerKind;
use super::view::View;
use crate::base::hash::Key;
use crate::base::metrics::{Counter, Counters};
use crate::fill::{Ask, LeaseCount, Nonce, Saved};
use crate::parking::{Answer, Home, Outcome, ReplySlot};
use crate::storage::{Found, Kind, NewValue};

/// A FILL.GET caller's terms.
#[derive(Clone, Debug)]
pub struct FillAsk {
    pub client: u64,
    pub nonce: Option<Nonce>,
    pub lease_ms: u32,
    pub detached: bool,
    /// How long the caller may be parked; 0 = not at all.
    pub wait_ms: u64,
    /// The oldest stale value it takes, ms past the TTL; `None` = whatever grace the entry has.
    pub stale_ms: Option<u64>,
    pub beta: f64,
    /// Whether the caller may be elected: it could answer what it leads.
    pub may_lead: bool,
    /// What is kept as a favour has given way: it is told what there is to tell.
    pub is_last_try: bool,
}

impl FillAsk {
    /// Its request for a lease, to keep.
    #[must_use]
    pub fn to_ask(&self, leases: &LeaseCount) -> Ask {
        let FillAsk { client, lease_ms, detached, stale_ms, may_lead, .. } = *self;
        let nonce = self.nonce.clone();
        Ask { client, leases: leases.clone(), nonce, lease_ms, detached, stale_ms, may_lead }
    }
}

/// The answer to a FILL.GET, or the wish to park it.
#[derive(Debug)]
pub enum Asked<V> {
    Answer(Outcome<V>),
    /// Somebody else fills; call `park` under the same view.
    WouldPark {
        lease_left_ms: u64,
    },
    /// There is no room for another fill, but something kept may give way: call `Keys::give_way` and ask once more.
    Crowded,
}

/// Where and how long a parked caller waits.
#[derive(Clone, Debug)]
pub struct WaitTerms {
    pub slot: Arc<ReplySlot>,
    /// Which of the slot's keys this is.
    pub index: usize,
    pub ask: Ask,
    pub wait_ms: u64,
}

/// What a leader answers.
#[derive(Debug)]
pub enum PutKind<'a> {
    Value { value: NewValue<'a>, grace_ms: u32, idle_ms: Option<NonZeroU64> },
    None,
    Pass,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    Dup,
    Void,
}

/// A flight as FILL.INFO and FILL.LIST show it.
#[derive(Clone, Debug)]
pub struct FlightInfo {
    pub key: Arc<[u8]>,
    pub db: usize,
    pub age_ms: u64,
    /// 0 while nobody leads (back-off).
    pub lease_left_ms: u64,
    pub waiters: usize,
    /// Client id of the leader, 0 without one.
    pub leader: u64,
}

/// What is known of a key, its time applied.
enum Known {
    Missing,
    Fresh {
        ttl_ms: i64,
        delta_ms: u32,
    },
    Stale {
        past_ms: i64,
    },
    None {
        ttl_ms: i64,
    },
    Pass {
        ttl_ms: i64,
    },
    /// A collection, which FILL commands have no use for.
    Collection,
}

/// A look at a key for FILL.GET.
pub struct Looked {
    /// An ordinary hit: its TTL, ms, -1 without one.
    pub hit_ms: Option<i64>,
    /// The entry that it is known from, good while the view is.
    pub found: Option<Found>,
    known: Known,
    is_early: bool,
}

/// An outcome whose value is still to be looked up.
enum Decision {
    Told(Outcome<()>),
    Park { lease_left_ms: u64 },
    Crowded,
}

impl View<'_> {
    /// The flight of a key, if one is open.
    pub fn fill_info(&mut self, key: &Key<'_>) -> Option<FlightInfo> {
        self.tick_due_flight(key);
        let (db, now) = (self.db, self.scope.now.mono_ms);
        let record = self.db().flights.get(key)?;
        record.flight.is_open(now).then(|| info(db, record, now))
    }

    /// All open flights of this shard, in every database.
    pub fn fill_list(&mut self, into: &mut Vec<FlightInfo>) {
        let now = self.scope.now.mono_ms;
        for (db, content) in self.shard.dbs.iter().enumerate() {
            let open = content.flights.iter().filter(|record| record.flight.is_open(now));
            into.extend(open.map(|record| info(db, record, now)));
        }
    }

    /// The keys of this shard, of every database, that saved the most fills.
    pub fn fill_top(&mut self, into: &mut Vec<Saved>) {
        let epoch = self.keyspace.top_epoch.load(Relaxed);
        into.extend_from_slice(self.shard.top.saved(epoch));
    }

    /// Where a caller's slot waits for its key number `index`. The flight's own copy of the key is shared.
    pub fn home(&mut self, key: &Key<'_>, index: usize) -> Home {
        let record = self.db().flights.get(key);
        let shared = record.map_or_else(|| Arc::from(key.bytes), |record| record.key.clone());
        Home::new(self.db, shared, key.hash, index)
    }

    /// What is known of the key now; entries of no more use are removed.
    fn known(&mut self, key: &Key<'_>) -> Known {
        self.look_up(key).0
    }

    /// As `known`, and the entry that it is known from.
    #[inline]
    fn look_up(&mut self, key: &Key<'_>) -> (Known, Option<Found>) {
        self.tend(key);
        let wall_ms = self.scope.now.wall_ms;
        let store = self.store();
        let Some(found) = store.find(key) else { return (Known::Missing, None) };
        let entry = store.entry(found);
        let expire_at = entry.expire_at();
        let ttl_ms = expire_at.map_or(-1, |at| at - wall_ms);
        let known = match entry.kind() {
            Kind::None => Known::None { ttl_ms },
            Kind::Pass => Known::Pass { ttl_ms },
            Kind::Collection => Known::Collection,
            // Its end may lie ahead again: the wall clock was set back.
            Kind::Stale => Known::Stale { past_ms: (wall_ms - expire_at.unwrap_or(wall_ms)).max(0) },
            Kind::Value => {
                // An end that an access has just put off is not a reason to refresh early.
                let is_fixed = entry.idle().is_none_or(|idle| Some(idle.until) == expire_at);
                let refill = entry.refill().filter(|_| is_fixed);
                Known::Fresh { ttl_ms, delta_ms: refill.map_or(0, |refill| refill.delta_ms) }
            }
        };
        (known, Some(found))
    }
}

/// Counts each key of an answer: gets = the sum of the nine statuses, always.
pub(in crate::keyspace) fn count_answer(counters: &Counters, answer: &Answer) {
    match answer {
        Answer::One(outcome) => count_outcome(counters, outcome),
        Answer::Many(outcomes) => outcomes.iter().for_each(|outcome| count_outcome(counters, outcome)),
        _ => {}
    }
}

/// Counts a key that was answered HIT, as `count_outcome` does.
#[inline]
pub fn count_hit(counters: &Counters) {
    counters.add(Counter::FillGets, 1);
    counters.add(Counter::FillHits, 1);
}

/// Counts one answered key. An error is no answer.
pub fn count_outcome<V>(counters: &Counters, outcome: &Outcome<V>) {
    let status = match outcome {
        Outcome::WrongType => return,
        Outcome::Hit { .. } => Counter::FillHits,
        Outcome::Lead(_) => Counter::FillLeads,
        Outcome::Refresh { .. } => Counter::FillRefreshes,
        Outcome::Stale { .. } => Counter::FillStale,
        Outcome::None { .. } => Counter::FillNone,
        Outcome::Fail { .. } => Counter::FillFail,
        Outcome::Pass { .. } => Counter::FillPass,
        Outcome::Wait { .. } => Counter::FillWait,
        Outcome::Leading { .. } => Counter::FillSelf,
    };
    counters.add(Counter::FillGets, 1);
    counters.add(status, 1);
}

pub(super) fn info(db: usize, record: &Record, now: u64) -> FlightInfo {
    let Record { key, flight, .. } = record;
    let lease = flight.live_lease(now);
    FlightInfo {
        key: key.clone(),
        db,
        age_ms: now.saturating_sub(flight.opened_at),
        lease_left_ms: lease.map_or(0, |lease| lease.left_ms(now)),
        waiters: flight.waiters(),
        leader: lease.map_or(0, |lease| lease.client),
    }
}

/// XFetch: whether this caller should refresh a value before it expires.
/// `now - delta * beta * ln(random) >= expire_at` (Vattani et al., VLDB 2015).
#[inline]
fn is_early(ttl_ms: i64, delta_ms: u32, beta: f64) -> bool {
    if ttl_ms < 0 || delta_ms == 0 || beta <= 0.0 {
        return false;
    }
    // `1 - f64()` lies in (0, 1], so the logarithm is finite.
    let head_start_ms = -f64::from(delta_ms) * beta * (1.0 - fastrand::f64()).ln();
    head_start_ms >= ttl_ms as f64
}

fn takes_stale(limit_ms: Option<u64>, past_ms: i64) -> bool {
    limit_ms.is_none_or(|limit_ms| limit_ms > 0 && past_ms as u64 <= limit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_refresh_needs_delta_ttl_and_beta() {
        assert!(!is_early(-1, 100, 1.0) && !is_early(0, 0, 1.0) && !is_early(0, 100, 0.0));
        assert!(is_early(0, 100, 1.0));
    }

    #[test]
    fn early_refresh_happens_as_often_as_the_formula_says() {
        fastrand::seed(1);
        // P(-delta * ln(u) >= ttl) = exp(-ttl / delta): with ttl = delta about 36.8 %.
        let early = (0..20_000).filter(|_| is_early(100, 100, 1.0)).count();
        assert!((7_100..7_620).contains(&early), "{early}");
    }
}
