//! PUT, NONE, PASS, FAIL, RENEW and FILL.STALE: the leaders' side.

use super::step::{Mutant, Step};
use super::world::*;

impl Step<'_> {
    /// PUT, NONE and PASS.
    pub fn put(&mut self, place: Place, back: u8, verb: Verb, ttl: Option<u8>, grace: u8) {
        let token = self.token_back(place, back);
        let Some(lease) = self.accept(place, token, verb) else { return self.refuse(place, token, verb) };
        let token = lease.token;
        let outdated = self.spot(place).token(token).is_some_and(|token| token.outdated);
        let had_stored = self.spot(place).token(token).is_some_and(|token| token.stored);
        self.facts.stored.push((place, had_stored, outdated));
        let tokens = &mut self.spot(place).tokens;
        tokens.iter_mut().filter(|known| known.name == token).for_each(|token| token.stored = true);
        let waiters = self.fulfil(place);
        if self.is(Mutant::PutKeepsLease) {
            self.spot(place).flight.get_or_insert_default().leases.push(lease.clone());
        }
        let value = self.new_name();
        self.facts.brought = Some(value);
        let left = ttl.map(Ticks::from);
        let kind = match verb {
            Verb::None => Kind::None,
            Verb::Pass => Kind::Pass,
            Verb::Put | Verb::Fail => Kind::Value,
        };
        let took_time = lease.aged && kind == Kind::Value && left.is_some();
        let entry = Entry { kind, value, left, grace: grace.into(), took_time, outdated, soft: false };
        let ms = left.map_or(-1, |left| self.ms(left));
        let told = match kind {
            Kind::Value => Told { value: Some(value), ..self.told(Status::Hit, ms) },
            Kind::None => self.told(Status::None, ms),
            Kind::Pass => self.told(Status::Pass, ms),
        };
        self.spot(place).entry = Some(entry).filter(|entry| !entry.is_dead());
        self.facts.copies += 1;
        self.tidy(place);
        self.settle_all(&waiters, place, told, outdated);
        self.reply(Reply::Word("OK"));
    }

    /// Ends the flight; returns who waits, oldest first.
    pub fn fulfil(&mut self, place: Place) -> Vec<u32> {
        let Some(flight) = &mut self.spot(place).flight else { return Vec::new() };
        std::mem::take(flight).waiters
    }

    /// Tells waiters the value that is there now.
    pub fn settle_all(&mut self, waiters: &[u32], place: Place, told: Told, outdated: bool) {
        for name in waiters {
            if told.value.is_some() {
                self.facts.served.push((told.status, outdated, false));
                self.facts.copies += u32::from(self.is(Mutant::CopyPerWaiter));
            }
            self.settle(*name, place, told);
        }
    }

    pub fn fail(&mut self, place: Place, back: u8, retry: Option<u8>) {
        let token = self.token_back(place, back);
        let Some(_) = self.accept(place, token, Verb::Fail) else {
            return self.refuse(place, token, Verb::Fail);
        };
        let window = self.rules.window;
        let Some(flight) = &mut self.spot(place).flight else { return };
        flight.leases.clear();
        let storm = flight.failures.len() == 2;
        let shared = retry.map(Ticks::from).or(storm.then_some(window));
        if let Some(shared) = shared {
            (flight.failures, flight.backoff) = (Vec::new(), Some(shared));
            let waiters = std::mem::take(&mut flight.waiters);
            self.share_failure(place, &waiters, shared);
        } else {
            flight.failures.insert(0, window);
            if !self.is(Mutant::FailElectsNobody) {
                self.elect(place);
            }
        }
        self.tidy(place);
        self.reply(Reply::Word("OK"));
    }

    fn share_failure(&mut self, place: Place, waiters: &[u32], left: Ticks) {
        let failed = self.told(Status::Fail, self.ms(left));
        let entry = self.spot(place).entry.clone();
        let stale = entry.filter(|entry| entry.kind == Kind::Value && !entry.is_fresh());
        for name in waiters {
            let limit = self.world.slot(*name).and_then(|slot| slot.terms.stale);
            let past = stale.as_ref().and_then(|entry| entry.left).map_or(0, |left| -left);
            let told = match &stale {
                Some(entry) if limit.is_none_or(|most| most > 0 && past <= most.into()) => {
                    self.facts.served.push((Status::Stale, entry.outdated, entry.soft));
                    Told { value: Some(entry.value), ..self.told(Status::Stale, self.ms(past)) }
                }
                _ => failed,
            };
            self.settle(*name, place, told);
        }
    }

    pub fn renew(&mut self, place: Place, back: u8, lease: Option<u8>) {
        let (token, adds) = (self.token_back(place, back), self.is(Mutant::RenewAdds));
        self.tick_flight(place);
        let leases = self.spot(place).flight.iter_mut().flat_map(|flight| &mut flight.leases);
        let mut left = 0;
        for held in leases.filter(|held| Some(held.token) == token) {
            held.lease = lease.unwrap_or(held.lease);
            left = Ticks::from(held.lease);
            held.left = if adds { (held.left + left).min(9) } else { left };
            (held.overdue, held.orphan) = (false, None);
        }
        self.note_kept(place);
        self.reply(Reply::Int(self.ms(left)));
    }

    /// FILL.STALE.
    pub fn soften(&mut self, place: Place, grace: Option<u8>) {
        let entry = self.spot(place).entry.take().filter(|entry| entry.kind == Kind::Value);
        let kept = entry.and_then(|entry| {
            let (left, grace) = match entry.left {
                Some(left) if left <= 0 => {
                    let whole = |more: u8| if more == 0 { 0 } else { Ticks::from(more) - left };
                    (left, grace.map_or(entry.grace, whole))
                }
                _ => (0, grace.map_or(entry.grace, Ticks::from)),
            };
            let soft = Entry { left: Some(left), grace, outdated: true, soft: true, ..entry };
            Some(soft).filter(|entry| entry.grace > 0 && !entry.is_dead())
        });
        let done = i64::from(kept.is_some());
        self.spot(place).entry = kept;
        self.outdate(place);
        self.void(place, None);
        self.reply(Reply::Int(done));
    }

    /// The name of the token given for a place `back` tokens ago.
    pub fn token_back(&mut self, place: Place, back: u8) -> Option<u32> {
        let tokens = &self.spot(place).tokens;
        let at = tokens.len().checked_sub(1 + usize::from(back))?;
        Some(tokens[at].name)
    }

    /// The lease that an answer is for, if it is welcome; the answer is remembered.
    fn accept(&mut self, place: Place, token: Option<u32>, verb: Verb) -> Option<Lease> {
        self.tick_flight(place);
        let unchecked = self.is(Mutant::FailUnchecked) && verb == Verb::Fail;
        let token = token?;
        let spot = self.spot(place);
        let mut leases = spot.flight.iter().flat_map(|flight| &flight.leases);
        let lease = leases.find(|lease| lease.token == token || unchecked)?.clone();
        let remembered = (verb, Ticks::from(lease.lease) * 2);
        let tokens = spot.tokens.iter_mut().filter(|known| known.name == token);
        tokens.for_each(|token| token.answered = Some(remembered));
        Some(lease)
    }

    fn refuse(&mut self, place: Place, token: Option<u32>, verb: Verb) {
        let token = token.and_then(|name| self.spot(place).token(name));
        let dup = token.is_some_and(|token| token.answered.is_some_and(|(answered, _)| answered == verb));
        self.reply(Reply::Word(if dup { "DUP" } else { "VOID" }));
    }
}
