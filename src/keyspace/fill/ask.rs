//! FILL.GET on one key: what the caller is told, who leads, who parks.

use std::sync::Arc;

use super::{Asked, Decision, FillAsk, Known, Looked, WaitTerms, is_early, takes_stale};
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::limits::{LEADERLESS_PASS_MS, SHED_PASS_MS};
use crate::base::metrics::Counter;
use crate::fill::lease::Backoff;
use crate::fill::parked_bytes;
use crate::fill::{Flight, LeaseCount, Waiter};
use crate::keyspace::flights::{Record, record_bytes};
use crate::keyspace::view::View;
use crate::parking::outcome::stay_away_ms;
use crate::parking::{Grant, Outcome, Token};
use crate::storage::{Found, ValueRef};

impl View<'_> {
    /// FILL.GET of one key, from a connection that holds as many leases as `leases` says.
    pub fn fill_ask(&mut self, key: &Key<'_>, asked: &FillAsk, leases: &LeaseCount) -> Asked<ValueRef<'_>> {
        let looked = self.fill_look(key, asked);
        match looked.hit_ms {
            Some(ttl_ms) => Asked::Answer(Outcome::Hit { value: self.used_value(looked.found), ttl_ms }),
            None => self.fill_decide(key, asked, leases, looked),
        }
    }

    /// Its first half: what there is, and whether it is an ordinary hit, which almost every caller meets.
    #[inline]
    pub fn fill_look(&mut self, key: &Key<'_>, asked: &FillAsk) -> Looked {
        let (known, found) = self.look_up(key);
        self.tick_due_flight(key);
        let (mut is_early_now, mut hit_ms) = (false, None);
        if let Known::Fresh { ttl_ms, delta_ms } = known {
            // Drawn once, whichever way is taken.
            is_early_now = is_early(ttl_ms, delta_ms, asked.beta);
            hit_ms = (!is_early_now && asked.nonce.is_none()).then_some(ttl_ms);
        }
        Looked { hit_ms, found, known, is_early: is_early_now }
    }

    /// Its second half, for what is no ordinary hit.
    pub fn fill_decide(
        &mut self,
        key: &Key<'_>,
        asked: &FillAsk,
        leases: &LeaseCount,
        looked: Looked,
    ) -> Asked<ValueRef<'_>> {
        match self.decide(key, asked, leases, looked.known, looked.is_early) {
            Decision::Told(outcome) => {
                let value = self.used_value(looked.found);
                Asked::Answer(outcome.map(|()| value))
            }
            Decision::Park { lease_left_ms } => Asked::WouldPark { lease_left_ms },
            Decision::Crowded => Asked::Crowded,
        }
    }

    /// The value of an entry, whose use is noted. Empty without an entry: then nothing promises one.
    #[inline]
    pub fn used_value(&mut self, found: Option<Found>) -> ValueRef<'_> {
        let Some(found) = found else { return ValueRef::Inline(b"") };
        let scope = self.scope;
        let store = self.store();
        scope.note_use(store, found);
        // What is asked for here was known as a value.
        store.entry(found).value().unwrap_or(ValueRef::Inline(b""))
    }

    fn decide(
        &mut self,
        key: &Key<'_>,
        asked: &FillAsk,
        leases: &LeaseCount,
        known: Known,
        is_early: bool,
    ) -> Decision {
        let value = ();
        Decision::Told(match known {
            Known::None { ttl_ms } => Outcome::None { ttl_ms },
            Known::Pass { ttl_ms } => Outcome::Pass { ttl_ms },
            Known::Fresh { ttl_ms, .. } => match self.lease_again(key, asked, leases) {
                Some(grant) => Outcome::Refresh { value, grant },
                None if is_early => match self.elect_caller(key, asked, leases) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Hit { value, ttl_ms },
                },
                None => Outcome::Hit { value, ttl_ms },
            },
            Known::Stale { past_ms } if takes_stale(asked.stale_ms, past_ms) => {
                match self.lease_again(key, asked, leases).or_else(|| self.elect_caller(key, asked, leases)) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Stale { value, past_ms },
                }
            }
            Known::Collection => Outcome::WrongType,
            Known::Missing | Known::Stale { .. } => return self.decide_miss(key, asked, leases),
        })
    }

    fn decide_miss(&mut self, key: &Key<'_>, asked: &FillAsk, leases: &LeaseCount) -> Decision {
        let now = self.scope.now.mono_ms;
        if let Some(grant) = self.lease_again(key, asked, leases) {
            return Decision::Told(Outcome::Lead(grant));
        }
        let rules = self.scope.rules;
        let flight = self.db().flights.get(key).map(|record| &record.flight);
        let Some(flight) = flight else { return self.lead_or_shed(key, asked, leases) };
        if let Some(Backoff { message, until }) = flight.backoff(now).cloned() {
            return Decision::Told(Outcome::Fail { message, retry_ms: (until - now) as i64 });
        }
        let Some(lease) = flight.live_lease(now) else { return self.lead_or_shed(key, asked, leases) };
        let (lease_left_ms, waiters) = (lease.left_ms(now), flight.waiters());
        let wait = Outcome::Wait { retry_ms: stay_away_ms(lease_left_ms, rules.wait_ms) };
        if lease.client == asked.client {
            return Decision::Told(Outcome::Leading { left_ms: lease_left_ms as i64 });
        }
        if asked.wait_ms == 0 {
            return Decision::Told(wait);
        }
        if waiters >= rules.waiters_per_key {
            self.scope.counters.add(Counter::FillShedWaiters, 1);
            return Decision::Told(wait);
        }
        Decision::Park { lease_left_ms }
    }

    /// A miss that nobody fills: the caller leads, or computes for itself where there may be no more fills. It is never
    /// told to wait, as there is nothing to wait for.
    fn lead_or_shed(&mut self, key: &Key<'_>, asked: &FillAsk, leases: &LeaseCount) -> Decision {
        if asked.may_lead && !asked.is_last_try && self.is_crowded_for(key) {
            return Decision::Crowded;
        }
        Decision::Told(match self.elect_caller(key, asked, leases) {
            Some(grant) => Outcome::Lead(grant),
            None if !asked.may_lead => Outcome::Pass { ttl_ms: LEADERLESS_PASS_MS },
            None => Outcome::Pass { ttl_ms: SHED_PASS_MS },
        })
    }

    /// Whether a flight for this key finds no room although something kept could give way.
    fn is_crowded_for(&mut self, key: &Key<'_>) -> bool {
        let (fills, rules) = (&self.keyspace.fills, self.scope.rules);
        self.db().flights.get(key).is_none() && fills.is_crowded(record_bytes(key.bytes.len()), rules)
    }

    /// Whether one more request that waits for this many keys has room among what fills may hold.
    pub fn may_park(&mut self, keys: usize) -> bool {
        let (fills, rules, bytes) = (&self.keyspace.fills, self.scope.rules, parked_bytes(keys));
        let may = fills.has_room(bytes, rules);
        if !may {
            self.effects.is_crowded |= fills.is_crowded(bytes, rules);
            self.scope.counters.add(Counter::FillShedMemory, 1);
        }
        may
    }

    /// Parks a caller for which `fill_ask` said `WouldPark`, under the same lock.
    pub fn park(&mut self, key: &Key<'_>, terms: WaitTerms) {
        let now = self.scope.now.mono_ms;
        let WaitTerms { slot, index, ask, wait_ms } = terms;
        let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
        let until = now.saturating_add(wait_ms.into());
        if let Some(record) = self.db().flights.get_mut(key) {
            record.flight.park(Waiter { slot, ask, parked_at: now, wait_ms, index: index as u32 });
            self.file_flight(key, until);
            self.note_flight(key);
        }
    }

    /// The same lease again for a request with the same nonce that may still lead.
    pub(super) fn lease_again(
        &mut self,
        key: &Key<'_>,
        asked: &FillAsk,
        leases: &LeaseCount,
    ) -> Option<Grant> {
        let nonce = asked.nonce.as_ref().filter(|_| asked.may_lead)?;
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        let flight = &mut self.db().flights.get_mut(key)?.flight;
        let serial = flight.live_lease(now).filter(|lease| lease.is_for(Some(nonce)))?.serial;
        let lease_ms = flight.grant_again(asked.client, leases, now);
        self.refile_or_drop(key);
        Some(Grant { token: Token { boot, serial }, lease_ms })
    }

    /// Makes the caller leader if it may lead, nobody leads, nobody backs off and there may be one more flight.
    pub(super) fn elect_caller(
        &mut self,
        key: &Key<'_>,
        asked: &FillAsk,
        leases: &LeaseCount,
    ) -> Option<Grant> {
        if !asked.may_lead {
            return None;
        }
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        let record = self.db().flights.get(key);
        let is_busy = |flight: &Flight<_>| flight.live_lease(now).is_some() || flight.backoff(now).is_some();
        if record.is_some_and(|record| is_busy(&record.flight)) {
            return None;
        }
        let is_new = record.is_none();
        if record.is_none_or(|record| record.kept.is_some()) {
            self.admit_flight(key, leases, is_new)?;
        }
        let serial = self.shard.next_serial();
        let flight = &mut self.db().flights.get_mut(key)?.flight;
        flight.grant(asked.to_ask(leases), serial, now);
        let lease_ms = u64::from(asked.lease_ms);
        self.file_flight(key, now.saturating_add(lease_ms));
        self.note_flight(key);
        self.notify(Classes::FILL, "lead", key.bytes);
        Some(Grant { token: Token { boot, serial }, lease_ms })
    }

    /// Opens a flight, or lets one that is kept go back to work; `None` over a limit.
    fn admit_flight(&mut self, key: &Key<'_>, leases: &LeaseCount, is_new: bool) -> Option<()> {
        let (fills, rules, counters) = (&self.keyspace.fills, self.scope.rules, self.scope.counters);
        let shed = |counter| {
            counters.add(counter, 1);
            None
        };
        if leases.get() >= rules.leases_per_connection {
            return shed(Counter::FillShedLeases);
        }
        if is_new && !fills.has_room(record_bytes(key.bytes.len()), rules) {
            self.effects.is_crowded |= fills.is_crowded(record_bytes(key.bytes.len()), rules);
            return shed(Counter::FillShedMemory);
        }
        if !fills.begin(rules) {
            return shed(Counter::FillShedFlights);
        }
        if is_new {
            let (id, now) = (self.shard.next_serial(), self.scope.now.mono_ms);
            let (stored, flight) = (Arc::from(key.bytes), Flight::new(now));
            let record = Record { id, key: stored, hash: key.hash, flight, kept: None, counted_bytes: 0 };
            self.db().flights.insert(Box::new(record));
        } else if let Some(number) = self.db().flights.get_mut(key).and_then(|record| record.kept.take()) {
            fills.kept.remove(number);
        }
        Some(())
    }
}
