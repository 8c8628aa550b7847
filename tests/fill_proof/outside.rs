//! What happens to flights from outside: writes, deletions, time, memory, connections.

use super::step::{Mutant, Step};
use super::world::*;

impl Step<'_> {
    /// A deletion: the token is void and the next generation begins. `unless` is the rule that would be broken.
    pub fn void(&mut self, place: Place, unless: Option<Mutant>) {
        self.outdate(place);
        let keeps = unless.is_some() && self.rules.mutant == unless;
        let elects = !self.is(Mutant::DelElectsNobody);
        let Some(flight) = &mut self.spot(place).flight else { return };
        if keeps {
            return;
        }
        (flight.backoff, flight.failures) = (None, Vec::new());
        flight.leases.clear();
        if elects {
            self.elect(place);
        }
        self.tidy(place);
    }

    /// A write left a value: the token is void, waiters get it.
    fn wrote(&mut self, place: Place, unless: Option<Mutant>) {
        self.outdate(place);
        if unless.is_some() && self.rules.mutant == unless {
            return;
        }
        let waiters = self.fulfil(place);
        self.tidy(place);
        let Some(entry) = self.spot(place).entry.clone() else { return };
        let ms = entry.left.map_or(-1, |left| self.ms(left));
        let told = Told { value: Some(entry.value), ..self.told(Status::Hit, ms) };
        self.facts.copies += 1;
        self.settle_all(&waiters, place, told, false);
    }

    /// What ordinary commands see.
    pub fn visible(&self, place: Place) -> Option<&Entry> {
        let entry = self.world.places[usize::from(place)].entry.as_ref()?;
        let shows = match entry.kind {
            Kind::Value => entry.is_fresh() || self.is(Mutant::StaleShows),
            Kind::None => self.is(Mutant::NoneShows),
            Kind::Pass => false,
        };
        shows.then_some(entry)
    }

    pub fn read(&mut self, place: Place) {
        let seen = self.visible(place).map(|entry| entry.value);
        self.facts.shown.push((place, seen.is_some()));
        self.reply(Reply::Value(seen));
    }

    pub fn del(&mut self, place: Place, multi: bool) {
        let seen = self.visible(place).is_some();
        let spot = self.spot(place);
        let absent = spot.entry.is_none();
        let entry = spot.entry.take();
        if self.is(Mutant::DelKeepsValue) {
            self.spot(place).entry = entry.map(|entry| Entry { outdated: true, ..entry });
        }
        let rules = [(multi, Mutant::MultiKeepsLease), (absent, Mutant::AbsentDelKeepsLease)];
        let broken = rules.into_iter().find(|(holds, rule)| *holds && self.is(*rule));
        self.void(place, Some(broken.map_or(Mutant::DelKeepsLease, |(_, rule)| rule)));
        self.reply(Reply::Int(seen.into()));
    }

    pub fn set(&mut self, place: Place, ttl: Option<u8>, multi: bool) {
        let value = self.new_name();
        self.facts.brought = Some(value);
        let left = ttl.map(Ticks::from);
        let (grace, took_time, outdated, soft) = (0, false, false, false);
        let entry = Entry { kind: Kind::Value, value, left, grace, took_time, outdated, soft };
        self.spot(place).entry = Some(entry);
        let broken = if multi { Mutant::MultiKeepsLease } else { Mutant::SetKeepsLease };
        self.wrote(place, Some(broken));
        self.reply(Reply::Word("OK"));
    }

    /// EXPIRE; a time of 0 is past and deletes, also where nothing is.
    pub fn expire(&mut self, place: Place, ttl: u8) {
        if ttl == 0 {
            return self.del(place, false);
        }
        let seen = self.visible(place).is_some();
        if seen && let Some(entry) = &mut self.spot(place).entry {
            entry.left = Some(ttl.into());
        }
        if seen && self.is(Mutant::ExpireVoids) {
            self.void(place, None);
        }
        self.reply(Reply::Int(seen.into()));
    }

    pub fn persist(&mut self, place: Place) {
        let had = self.visible(place).is_some_and(|entry| entry.left.is_some());
        if had && let Some(entry) = &mut self.spot(place).entry {
            entry.left = None;
        }
        self.reply(Reply::Int(had.into()));
    }

    pub fn rename(&mut self, from: Place, to: Place) {
        let Some(entry) = self.visible(from).cloned() else { return self.reply(Reply::Word("no such key")) };
        self.spot(from).entry = None;
        self.void(from, Some(Mutant::RenameKeepsSource));
        self.spot(to).entry = Some(entry);
        self.wrote(to, Some(Mutant::RenameKeepsTarget));
        self.reply(Reply::Word("OK"));
    }

    /// COPY … REPLACE.
    pub fn copy(&mut self, from: Place, to: Place) {
        let Some(entry) = self.visible(from).cloned() else { return self.reply(Reply::Int(0)) };
        self.spot(to).entry = Some(entry);
        self.wrote(to, None);
        self.void(from, None);
        self.reply(Reply::Int(1));
    }

    pub fn move_key(&mut self, from: Place, to: Place) {
        let entry = self.visible(from).cloned().filter(|_| self.visible(to).is_none());
        let Some(entry) = entry else { return self.reply(Reply::Int(0)) };
        self.spot(from).entry = None;
        self.void(from, None);
        self.spot(to).entry = Some(entry);
        self.wrote(to, None);
        self.reply(Reply::Int(1));
    }

    pub fn flush(&mut self, dbs: &[u8]) {
        for db in dbs {
            for key in 0..self.rules.keys {
                let place = key * self.rules.dbs + db;
                self.spot(place).entry = None;
                self.void(place, Some(Mutant::FlushKeepsLeases));
            }
        }
        self.reply(Reply::Word("OK"));
    }

    /// SWAPDB 0 1.
    pub fn swap(&mut self) {
        for key in 0..self.rules.keys {
            let [one, two] = [0, 1].map(|db| key * self.rules.dbs + db);
            let (first, second) = (self.spot(one).entry.take(), self.spot(two).entry.take());
            (self.spot(one).entry, self.spot(two).entry) = (second, first);
            for place in [one, two] {
                self.void(place, Some(Mutant::SwapKeepsLeases));
            }
        }
        self.reply(Reply::Word("OK"));
    }

    pub fn evict(&mut self, place: Place) {
        let had = self.spot(place).entry.take().is_some();
        if had && self.is(Mutant::EvictionVoids) {
            self.void(place, None);
        }
    }

    pub fn unblock(&mut self, whom: u8, error: bool) {
        let open = self.world.conns[usize::from(whom)].queue.iter().filter(|request| request.is_open());
        let names: Vec<u32> = open.map(|request| request.name).collect();
        let wait = self.wait_over();
        let done = i64::from(!names.is_empty());
        for name in names {
            if error { self.answer(name, Reply::Unblocked) } else { self.answer_rest(name, wait) }
        }
        self.reply(Reply::Int(done));
    }

    /// The connection closes; the client may come back as another.
    pub fn close(&mut self, conn: u8) {
        let open: Vec<u32> =
            self.world.conns[usize::from(conn)].queue.iter().map(|request| request.name).collect();
        self.world.conns[usize::from(conn)] = Conn::default();
        let (grace, keeps) = (self.rules.orphan_grace, self.is(Mutant::CloseKeepsLease));
        let mut held = Vec::new();
        for (place, spot) in self.world.places.iter_mut().enumerate() {
            let leases = spot.flight.iter_mut().flat_map(|flight| &mut flight.leases);
            for lease in leases.filter(|lease| lease.conn == conn) {
                lease.conn = NOBODY;
                if !lease.detached && !lease.overdue && !keeps {
                    lease.orphan = Some(grace);
                }
                held.push((lease.token, place as Place));
            }
        }
        held.sort_unstable();
        held.into_iter().for_each(|(_, place)| self.note_kept(place));
        open.into_iter().for_each(|name| self.leave_flights(name));
    }

    /// The socket takes no more bytes, or takes them again.
    pub fn stall(&mut self, conn: u8, on: bool) {
        self.world.conns[usize::from(conn)].stalled = on;
        self.let_out(conn, true);
    }

    pub fn late(&mut self) {
        self.pass();
        for spot in &mut self.world.places {
            spot.entry = spot.entry.take().filter(|entry| !entry.is_dead());
        }
    }

    pub fn tick(&mut self, down: bool) {
        self.pass();
        let Rules { keys, dbs, .. } = *self.rules;
        let nth = |key: u8| if down { keys - 1 - key } else { key };
        for place in (0..keys).flat_map(|key| (0..dbs).map(move |db| nth(key) * dbs + db)) {
            self.tick_flight(place);
            let spot = self.spot(place);
            let had = spot.entry.is_some();
            spot.entry = spot.entry.take().filter(|entry| !entry.is_dead());
            if had && spot.entry.is_none() && self.is(Mutant::ExpiryVoids) {
                self.void(place, None);
            }
        }
    }

    /// Time passes. Values are exact without being looked at; flights are applied the time when they are.
    fn pass(&mut self) {
        let forgets = !self.is(Mutant::DupForEver);
        let pass = |left: &mut Ticks| *left -= 1;
        for spot in &mut self.world.places {
            spot.entry.iter_mut().filter_map(|entry| entry.left.as_mut()).for_each(pass);
            for token in spot.tokens.iter_mut().filter(|_| forgets) {
                token.answered.iter_mut().for_each(|(_, left)| *left -= 1);
                token.answered = token.answered.filter(|(_, left)| *left > 0);
            }
            let Some(flight) = &mut spot.flight else { continue };
            flight.backoff.iter_mut().chain(&mut flight.failures).for_each(pass);
            for lease in &mut flight.leases {
                lease.left -= 1;
                lease.orphan.iter_mut().for_each(pass);
                lease.aged = true;
            }
        }
        let requests = self.world.conns.iter_mut().flat_map(|conn| &mut conn.queue);
        for request in requests {
            if let Pending::Open(slot) = &mut request.state {
                slot.left -= 1;
            }
        }
    }

    /// Applies the time to one flight: waits, back-off, failures, then the lease.
    pub fn tick_flight(&mut self, place: Place) {
        let expired = self.claim_expired(place);
        let (late, elects) = (self.rules.late, !self.is(Mutant::LeaseEndElectsNobody));
        let Some(flight) = &mut self.spot(place).flight else { return };
        flight.backoff = flight.backoff.filter(|left| *left > 0);
        flight.failures.retain(|left| *left > 0);
        let due = flight.leases.iter().any(|lease| lease.ends_in() <= 0);
        if due && !(elects && self.elect(place)) {
            let leases = self.spot(place).flight.iter_mut().flat_map(|flight| &mut flight.leases);
            for lease in leases.filter(|lease| lease.ends_in() <= 0) {
                (lease.left, lease.orphan) = (if lease.overdue { 0 } else { late }, None);
                lease.overdue = true;
            }
            if let Some(flight) = &mut self.spot(place).flight {
                flight.leases.retain(|lease| lease.left > 0);
            }
        }
        let wait = self.wait_over();
        for name in expired {
            self.answer_rest(name, wait);
        }
        self.tidy(place);
    }

    /// Claims the waiters of a place whose WAIT is over.
    fn claim_expired(&mut self, place: Place) -> Vec<u32> {
        if self.is(Mutant::WaitHasNoEnd) {
            return Vec::new();
        }
        let waiters = self.world.places[usize::from(place)].waiters().to_vec();
        let mut expired = Vec::new();
        for name in waiters {
            let Some((conn, at)) = self.world.find(name) else { continue };
            if let Pending::Open(slot) = &mut self.world.conns[conn].queue[at].state
                && slot.left <= 0
                && !slot.claimed
            {
                slot.claimed = true;
                expired.push(name);
            }
        }
        expired
    }
}
