//! FILL.GET on one key: what the caller is told, who leads, who parks.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Asked, Decision, FillAsk, Known, WaitTerms, is_early, takes_stale};
use crate::base::events::Classes;
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::fill::lease::Backoff;
use crate::fill::{Flight, Grant, Outcome, Token, Waiter};
use crate::keyspace::view::View;
use crate::storage::{Found, ValueRef};

impl View<'_> {
    /// FILL.GET of one key.
    pub fn fill_ask(&mut self, key: &Key<'_>, asked: &FillAsk) -> Asked<'_> {
        let (known, found) = self.look_up(key);
        self.tick_due_flight(key);
        let mut is_early_now = false;
        if let Known::Fresh { ttl_ms, delta_ms } = known {
            // Drawn once, whichever way is taken.
            is_early_now = is_early(ttl_ms, delta_ms, asked.beta);
            if !is_early_now && asked.ask.nonce.is_none() {
                // What almost every caller meets, in as few steps as it takes.
                return Asked::Answer(Outcome::Hit { value: self.used_value(found), ttl_ms });
            }
        }
        match self.decide(key, asked, known, is_early_now) {
            Decision::Told(outcome) => {
                let value = self.used_value(found);
                Asked::Answer(outcome.map(|()| value))
            }
            Decision::Park => Asked::WouldPark,
        }
    }

    /// The value of an entry, whose use is noted. Empty without an entry: then nothing promises one.
    #[inline]
    fn used_value(&mut self, found: Option<Found>) -> ValueRef<'_> {
        let Some(found) = found else { return ValueRef::Inline(b"") };
        let scope = self.scope;
        let store = self.store();
        scope.note_use(store, found);
        store.entry(found).value()
    }

    fn decide(&mut self, key: &Key<'_>, asked: &FillAsk, known: Known, is_early: bool) -> Decision {
        let value = ();
        Decision::Told(match known {
            Known::None { ttl_ms } => Outcome::None { ttl_ms },
            Known::Pass { ttl_ms } => Outcome::Pass { ttl_ms },
            Known::Fresh { ttl_ms, .. } => match self.lease_again(key, asked) {
                Some(grant) => Outcome::Refresh { value, grant },
                None if is_early => match self.elect_caller(key, asked) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Hit { value, ttl_ms },
                },
                None => Outcome::Hit { value, ttl_ms },
            },
            Known::Stale { past_ms } if takes_stale(asked.stale_ms, past_ms) => {
                match self.lease_again(key, asked).or_else(|| self.elect_caller(key, asked)) {
                    Some(grant) => Outcome::Refresh { value, grant },
                    None => Outcome::Stale { value, past_ms },
                }
            }
            Known::Missing | Known::Stale { .. } => return self.decide_miss(key, asked),
        })
    }

    fn decide_miss(&mut self, key: &Key<'_>, asked: &FillAsk) -> Decision {
        let now = self.scope.now.mono_ms;
        if let Some(grant) = self.lease_again(key, asked) {
            return Decision::Told(Outcome::Lead(grant));
        }
        let rules = self.scope.rules;
        let retry_ms = |left_ms: u64| left_ms.clamp(1, rules.wait_ms.max(1)) as i64;
        let Some(flight) = self.db().flights.get(key.bytes) else { return self.lead_or_shed(key, asked) };
        if let Some(Backoff { message, until }) = flight.backoff(now).cloned() {
            return Decision::Told(Outcome::Fail { message, retry_ms: (until - now) as i64 });
        }
        let Some(lease) = flight.live_lease(now) else { return self.lead_or_shed(key, asked) };
        let (left_ms, waiters) = (lease.left_ms(now), flight.waiters());
        if lease.client == asked.ask.client {
            return Decision::Told(Outcome::Leading { left_ms: left_ms as i64 });
        }
        if asked.wait_ms == 0 {
            return Decision::Told(Outcome::Wait { retry_ms: retry_ms(left_ms) });
        }
        if waiters >= rules.waiters_per_key {
            self.scope.counters.add(Counter::FillShedWaiters, 1);
            return Decision::Told(Outcome::Wait { retry_ms: retry_ms(left_ms) });
        }
        Decision::Park
    }

    fn lead_or_shed(&mut self, key: &Key<'_>, asked: &FillAsk) -> Decision {
        let retry_ms = self.scope.rules.wait_ms.max(1) as i64;
        Decision::Told(match self.elect_caller(key, asked) {
            Some(grant) => Outcome::Lead(grant),
            None => Outcome::Wait { retry_ms },
        })
    }

    /// Parks a caller for which `fill_ask` said `WouldPark`, under the same lock.
    pub fn park(&mut self, key: &Key<'_>, terms: WaitTerms) {
        let now = self.scope.now.mono_ms;
        let WaitTerms { slot, index, ask: FillAsk { ask, wait_ms, stale_ms, .. } } = terms;
        let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
        let until = now.saturating_add(wait_ms.into());
        if let Some(flight) = self.db().flights.get_mut(key.bytes) {
            flight.park(Waiter { slot, ask, parked_at: now, stale_ms, wait_ms, index: index as u32 });
            self.file_flight(key, until);
        }
    }

    /// The same lease again for a request with the same nonce.
    pub(super) fn lease_again(&mut self, key: &Key<'_>, asked: &FillAsk) -> Option<Grant> {
        asked.ask.nonce.as_ref()?;
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        let flight = self.db().flights.get_mut(key.bytes)?;
        let serial = flight.live_lease(now).filter(|lease| lease.is_for(&asked.ask))?.serial;
        let lease_ms = flight.grant_again(asked.ask.client, now);
        self.refile_or_drop(key);
        Some(Grant { token: Token { boot, serial }, lease_ms })
    }

    /// Makes the caller leader if nobody leads, nobody backs off and a flight may be opened.
    pub(super) fn elect_caller(&mut self, key: &Key<'_>, asked: &FillAsk) -> Option<Grant> {
        let (now, boot) = (self.scope.now.mono_ms, self.keyspace.boot);
        match self.db().flights.get(key.bytes) {
            Some(flight) if flight.live_lease(now).is_some() || flight.backoff(now).is_some() => return None,
            Some(_) => {}
            None => self.open_flight(key)?,
        }
        let serial = self.shard.next_serial();
        let flight = self.db().flights.get_mut(key.bytes)?;
        flight.grant(asked.ask.clone(), serial, now);
        let lease_ms = u64::from(asked.ask.lease_ms);
        self.file_flight(key, now.saturating_add(lease_ms));
        self.notify(Classes::FILL, "lead", key.bytes);
        Some(Grant { token: Token { boot, serial }, lease_ms })
    }

    /// Opens a flight, or sheds: `None` over the limit.
    fn open_flight(&mut self, key: &Key<'_>) -> Option<()> {
        let now = self.scope.now.mono_ms;
        if self.keyspace.flights.fetch_add(1, Relaxed) >= self.scope.rules.flights {
            self.keyspace.flights.fetch_sub(1, Relaxed);
            self.scope.counters.add(Counter::FillShedFlights, 1);
            return None;
        }
        self.db().flights.insert(Arc::from(key.bytes), Box::new(Flight::new(now)));
        Some(())
    }
}
