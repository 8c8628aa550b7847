//! FILL.GET and FILL.MGET: what a caller is told, who leads, who parks.

use super::step::{Mutant, Step};
use super::world::*;

/// What FILL.GET of one key leads to.
enum Asked {
    Told(Told),
    /// Behind a lease with this much left.
    Parks(Ticks),
}

impl Step<'_> {
    pub fn get(&mut self, place: Place, terms: Terms) {
        // Counted before: slots that this look at the flight frees are free for the next command.
        let has_slot = self.has_slot();
        match self.ask(place, &terms) {
            Asked::Told(told) => self.tell(vec![(place, told)]),
            Asked::Parks(_) if has_slot => self.park(&[(place, None)], terms),
            Asked::Parks(left) => self.tell(vec![(place, self.stay_away(left))]),
        }
    }

    pub fn mget(&mut self, db: u8, keys: u8, terms: Terms) {
        let has_slot = self.has_slot();
        let places = (0..self.rules.keys).filter(|key| keys & 1 << key != 0);
        let places: Vec<Place> = places.map(|key| key * self.rules.dbs + db).collect();
        let mut longest = 0;
        let known: Vec<(Place, Option<Told>)> = (places.into_iter())
            .map(|place| match self.ask(place, &terms) {
                Asked::Told(told) => (place, Some(told)),
                Asked::Parks(left) => {
                    longest = longest.max(left);
                    (place, None)
                }
            })
            .collect();
        let leads = known.iter().any(|(_, told)| told.is_some_and(|told| told.token.is_some()));
        let waits = known.iter().any(|(_, told)| told.is_none());
        if waits && (!leads || self.is(Mutant::MGetHoldsAndWaits)) && has_slot {
            return self.park(&known, terms);
        }
        let wait = if leads { self.wait_over() } else { self.stay_away(longest) };
        self.tell(known.into_iter().map(|(place, told)| (place, told.unwrap_or(wait))).collect());
    }

    /// Replies at once. A lease in the reply must reach its caller: what is parked ahead of it yields.
    fn tell(&mut self, keys: Vec<(Place, Told)>) {
        let leads = keys.iter().any(|(_, told)| told.token.is_some());
        self.reply(Reply::Fill(keys));
        if leads && !self.is(Mutant::NoYield) && !self.is(Mutant::NewestFirstNoYield) {
            self.yield_slots(self.conn, u32::MAX);
        }
    }

    fn has_slot(&self) -> bool {
        let queue = &self.world.conns[usize::from(self.conn)].queue;
        queue.iter().filter(|request| request.is_open()).count() < self.rules.slots_max
    }

    fn park(&mut self, known: &[(Place, Option<Told>)], terms: Terms) {
        let name = self.new_name();
        for (place, _) in known.iter().filter(|(_, told)| told.is_none()) {
            self.spot(*place).flight.get_or_insert_default().waiters.push(name);
            self.note_kept(*place);
        }
        let slot = Slot { terms, left: terms.wait.into(), wants: known.to_vec(), claimed: false };
        let conn = usize::from(self.conn);
        self.world.conns[conn].queue.push(Request { name, state: Pending::Open(slot) });
        self.facts.parked.push(name);
    }

    fn ask(&mut self, place: Place, terms: &Terms) -> Asked {
        self.tick_flight(place);
        let Some(entry) = self.spot(place).entry.clone() else { return self.ask_missing(place, terms) };
        let left = entry.left.map_or(-1, |left| self.ms(left));
        Asked::Told(match entry.kind {
            Kind::None => self.told(Status::None, left),
            Kind::Pass => self.told(Status::Pass, left),
            Kind::Value if entry.is_fresh() => {
                let early = terms.early && entry.took_time && entry.left.is_some();
                let lease = self.lease_again(place, terms);
                match lease.or_else(|| if early { self.elect_caller(place, terms) } else { None }) {
                    Some(lease) => self.serve(&entry, Status::Refresh, Some(lease), 0),
                    None => self.serve(&entry, Status::Hit, None, left),
                }
            }
            Kind::Value => {
                let past = -entry.left.unwrap_or(0);
                let takes = terms.stale.is_none_or(|most| most > 0 && past <= most.into());
                if !takes {
                    return self.ask_missing(place, terms);
                }
                match self.lease_again(place, terms).or_else(|| self.elect_caller(place, terms)) {
                    Some(lease) => self.serve(&entry, Status::Refresh, Some(lease), 0),
                    None if self.is(Mutant::SoftValueIsHit) => self.serve(&entry, Status::Hit, None, 0),
                    None => self.serve(&entry, Status::Stale, None, self.ms(past)),
                }
            }
        })
    }

    fn serve(&mut self, entry: &Entry, status: Status, lease: Option<(u32, Ticks)>, ms: i64) -> Told {
        self.facts.served.push((status, entry.outdated, entry.soft));
        let ms = lease.map_or(ms, |(_, left)| self.ms(left));
        Told { status, value: Some(entry.value), token: lease.map(|(token, _)| token), ms }
    }

    fn ask_missing(&mut self, place: Place, terms: &Terms) -> Asked {
        if let Some(lease) = self.lease_again(place, terms) {
            return Asked::Told(self.lead_told(lease));
        }
        let conn = self.conn;
        let flight = self.spot(place).flight.clone().unwrap_or_default();
        if let Some(left) = flight.backs_off() {
            return Asked::Told(self.told(Status::Fail, self.ms(left)));
        }
        let Some(lease) = flight.live() else {
            return Asked::Told(match self.elect_caller(place, terms) {
                Some(lease) => self.lead_told(lease),
                None if self.is(Mutant::ShedWaits) => self.stay_away(self.rules.fill_wait),
                None => self.shed(),
            });
        };
        let left = lease.ends_in();
        if lease.conn == conn {
            return Asked::Told(self.told(Status::Leading, self.ms(left)));
        }
        if terms.wait == 0 || flight.waiters.len() >= self.rules.waiters_max {
            return Asked::Told(self.stay_away(left));
        }
        Asked::Parks(left)
    }

    fn lead_told(&self, (token, left): (u32, Ticks)) -> Told {
        Told { token: Some(token), ..self.told(Status::Lead, self.ms(left)) }
    }

    /// The same lease for the same request sent again.
    fn lease_again(&mut self, place: Place, terms: &Terms) -> Option<(u32, Ticks)> {
        let conn = self.conn;
        if terms.nonce == 0 {
            return None;
        }
        let flight = self.spot(place).flight.as_mut()?;
        let lease = flight.leases.iter_mut().find(|lease| lease.is_live() && lease.nonce == terms.nonce)?;
        (lease.conn, lease.orphan) = (conn, None);
        let (token, left) = (lease.token, lease.left);
        if self.is(Mutant::NonceElectsAnew) {
            return Some((self.grant(place, conn, terms, false), terms.lease.into()));
        }
        Some((token, left))
    }

    /// The lease for the caller, if nobody has it, nobody backs off and a flight may be opened.
    fn elect_caller(&mut self, place: Place, terms: &Terms) -> Option<(u32, Ticks)> {
        let conn = self.conn;
        let is_taken = |flight: &Flight| flight.live().is_some() || flight.backs_off().is_some();
        let all_count = self.is(Mutant::FavoursCount);
        let counts =
            |spot: &&Spot| spot.flight.as_ref().is_some_and(|flight| all_count || flight.is_at_work());
        let is_full = self.world.places.iter().filter(counts).count() >= self.rules.flights_max;
        match &self.spot(place).flight {
            Some(flight) if is_taken(flight) => return None,
            Some(flight) if flight.is_at_work() => {}
            _ if is_full => return None,
            _ => {}
        }
        Some((self.grant(place, conn, terms, false), terms.lease.into()))
    }
}
