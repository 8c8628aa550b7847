//! One event applied to a world: what is common to all of them. The events of section 4 of docs/fill.md are in
//! `ask` (callers), `answer` (leaders) and `outside` (writes, time, connections).
//!
//! Besides the next world a step leaves `Facts`: what happened on the way, for the laws to look at. Each place
//! where a `Mutant` is asked for is a rule that can be broken.

use super::world::*;

/// Something a client, the clock or memory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Get {
        conn: u8,
        place: Place,
        terms: Terms,
    },
    /// The keys of one database, as bits, ascending.
    MGet {
        conn: u8,
        db: u8,
        keys: u8,
        terms: Terms,
    },
    /// `back`: 0 is the last token given for the place, 1 the one before.
    Put {
        conn: u8,
        place: Place,
        back: u8,
        ttl: Option<u8>,
        grace: u8,
    },
    None {
        conn: u8,
        place: Place,
        back: u8,
        ttl: Option<u8>,
    },
    Pass {
        conn: u8,
        place: Place,
        back: u8,
        ttl: Option<u8>,
    },
    Fail {
        conn: u8,
        place: Place,
        back: u8,
        retry: Option<u8>,
    },
    Renew {
        conn: u8,
        place: Place,
        back: u8,
        lease: Option<u8>,
    },
    Soften {
        conn: u8,
        place: Place,
        grace: Option<u8>,
    },
    Del {
        conn: u8,
        place: Place,
        multi: bool,
    },
    Set {
        conn: u8,
        place: Place,
        ttl: Option<u8>,
        multi: bool,
    },
    Expire {
        conn: u8,
        place: Place,
        ttl: u8,
    },
    Persist {
        conn: u8,
        place: Place,
    },
    Rename {
        conn: u8,
        from: Place,
        to: Place,
    },
    Copy {
        conn: u8,
        from: Place,
        to: Place,
    },
    Move {
        conn: u8,
        from: Place,
        to: Place,
    },
    FlushDb {
        conn: u8,
        db: u8,
    },
    FlushAll {
        conn: u8,
    },
    SwapDb {
        conn: u8,
    },
    Read {
        conn: u8,
        place: Place,
    },
    Unblock {
        conn: u8,
        whom: u8,
        error: bool,
    },
    Evict {
        place: Place,
    },
    Close {
        conn: u8,
    },
    Stall {
        conn: u8,
        on: bool,
    },
    /// One tick in which nobody looks at what is due: the sweeper is late.
    Late,
    /// One tick; what is due is looked at key by key, upwards or downwards.
    Tick {
        down: bool,
    },
}

/// One rule broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    OldLeaseStays,
    PutKeepsLease,
    DelKeepsLease,
    AbsentDelKeepsLease,
    SetKeepsLease,
    MultiKeepsLease,
    FlushKeepsLeases,
    SwapKeepsLeases,
    RenameKeepsSource,
    RenameKeepsTarget,
    DelKeepsValue,
    SoftValueIsHit,
    WaitHasNoEnd,
    AnsweredTwice,
    TwoLeaders,
    FailElectsNobody,
    LeaseEndElectsNobody,
    DelElectsNobody,
    RepliesOvertake,
    SlotBlocksConnection,
    NewestFirstNoYield,
    NoYield,
    MGetHoldsAndWaits,
    NewestFirst,
    FailUnchecked,
    RenewAdds,
    NonceElectsAnew,
    CloseKeepsLease,
    ExpiryVoids,
    EvictionVoids,
    ExpireVoids,
    StaleShows,
    NoneShows,
    RecordStays,
    DupForEver,
    CopyPerWaiter,
    UncountedWait,
    ShedWaits,
    FavoursCount,
}

/// What happened within a step.
#[derive(Debug, Default)]
pub struct Facts {
    /// Replies that left, in order: connection, name of the request, reply.
    pub left: Vec<(u8, u32, Reply)>,
    /// Replies that left although an older request of their connection is unanswered.
    pub overtook: bool,
    /// The command was put off because of a slot before it.
    pub put_off: bool,
    /// Parked requests that were answered.
    pub answered: Vec<u32>,
    /// Requests parked by this step.
    pub parked: Vec<u32>,
    /// Place, token and connection of each new lease; whether its caller had been parked.
    pub granted: Vec<(Place, u32, u8, bool)>,
    /// Elections: whether the oldest deliverable waiter was passed over.
    pub passed_over: bool,
    /// Tokens whose answer changed the store: place, and whether it had before, or was outdated.
    pub stored: Vec<(Place, bool, bool)>,
    /// Stored values given out: status, outdated, kept by FILL.STALE.
    pub served: Vec<(Status, bool, bool)>,
    /// What an ordinary command was shown: place and whether it saw a value.
    pub shown: Vec<(Place, bool)>,
    /// The name of a value that was brought by this step.
    pub brought: Option<u32>,
    /// Copies made of a value.
    pub copies: u32,
    /// Keys answered, keys counted as asked, keys counted under a status.
    pub keys: u32,
    pub gets: u32,
    pub statuses: u32,
}

/// A step under way.
pub struct Step<'a> {
    pub rules: &'a Rules,
    pub world: World,
    pub facts: Facts,
    pub conn: u8,
}

/// The world after an event, and what happened.
pub fn step(rules: &Rules, world: &World, event: &Event) -> (World, Facts) {
    let mut step = Step { rules, world: world.clone(), facts: Facts::default(), conn: 0 };
    step.apply(event);
    step.give_way();
    step.forget_old_tokens();
    (step.world, step.facts)
}

/// The world after somebody looked at every flight (FILL.INFO), which applies the time to those that are due.
pub fn looked_at(rules: &Rules, world: &World) -> World {
    let mut step = Step { rules, world: world.clone(), facts: Facts::default(), conn: 0 };
    (0..rules.places() as u8).for_each(|place| step.tick_flight(place));
    step.world
}

impl Event {
    /// The connection that sent it.
    pub fn conn(&self) -> Option<u8> {
        use Event::*;
        match *self {
            Get { conn, .. } | MGet { conn, .. } | Put { conn, .. } | None { conn, .. } => Some(conn),
            Pass { conn, .. } | Fail { conn, .. } | Renew { conn, .. } | Soften { conn, .. } => Some(conn),
            Del { conn, .. } | Set { conn, .. } | Expire { conn, .. } | Persist { conn, .. } => Some(conn),
            Rename { conn, .. } | Copy { conn, .. } | Move { conn, .. } | FlushDb { conn, .. } => Some(conn),
            FlushAll { conn } | SwapDb { conn } | Read { conn, .. } | Unblock { conn, .. } => Some(conn),
            Evict { .. } | Close { .. } | Stall { .. } | Late | Tick { .. } => Option::None,
        }
    }

    /// Its name, without its options.
    pub fn kind(&self) -> &'static str {
        use Event::*;
        match self {
            Get { terms, .. } if terms.nonce > 0 => "GET AS",
            Get { terms, .. } if terms.wait == 0 => "GET NOWAIT",
            Get { .. } => "GET",
            MGet { .. } => "MGET",
            Put { .. } => "PUT",
            None { .. } => "NONE",
            Pass { .. } => "PASS",
            Fail { retry: Some(_), .. } => "FAIL RETRY",
            Fail { .. } => "FAIL",
            Renew { .. } => "RENEW",
            Soften { .. } => "STALE",
            Del { .. } => "DEL",
            Set { .. } => "SET",
            Expire { .. } => "EXPIRE",
            Persist { .. } => "PERSIST",
            Rename { .. } => "RENAME",
            Copy { .. } => "COPY",
            Move { .. } => "MOVE",
            FlushDb { .. } => "FLUSHDB",
            FlushAll { .. } => "FLUSHALL",
            SwapDb { .. } => "SWAPDB",
            Read { .. } => "read",
            Unblock { .. } => "UNBLOCK",
            Evict { .. } => "eviction",
            Close { .. } => "disconnect",
            Stall { .. } => "stall",
            Late => "late",
            Tick { .. } => "time",
        }
    }
}

impl Step<'_> {
    fn apply(&mut self, event: &Event) {
        use Event::*;
        if let Some(conn) = event.conn() {
            self.conn = conn;
            if self.is(Mutant::SlotBlocksConnection) && self.world.first_open(usize::from(conn)).is_some() {
                self.facts.put_off = true;
                return;
            }
        }
        match *event {
            Get { place, terms, .. } => self.get(place, terms),
            MGet { db, keys, terms, .. } => self.mget(db, keys, terms),
            Put { place, back, ttl, grace, .. } => self.put(place, back, Verb::Put, ttl, grace),
            None { place, back, ttl, .. } => self.put(place, back, Verb::None, ttl, 0),
            Pass { place, back, ttl, .. } => self.put(place, back, Verb::Pass, ttl, 0),
            Fail { place, back, retry, .. } => self.fail(place, back, retry),
            Renew { place, back, lease, .. } => self.renew(place, back, lease),
            Soften { place, grace, .. } => self.soften(place, grace),
            Del { place, multi, .. } => self.del(place, multi),
            Set { place, ttl, multi, .. } => self.set(place, ttl, multi),
            Expire { place, ttl, .. } => self.expire(place, ttl),
            Persist { place, .. } => self.persist(place),
            Rename { from, to, .. } => self.rename(from, to),
            Copy { from, to, .. } => self.copy(from, to),
            Move { from, to, .. } => self.move_key(from, to),
            FlushDb { db, .. } => self.flush(&[db]),
            FlushAll { .. } => self.flush(&(0..self.rules.dbs).collect::<Vec<_>>()),
            SwapDb { .. } => self.swap(),
            Read { place, .. } => self.read(place),
            Unblock { whom, error, .. } => self.unblock(whom, error),
            Evict { place } => self.evict(place),
            Close { conn } => self.close(conn),
            Stall { conn, on } => self.stall(conn, on),
            Late => self.late(),
            Tick { down } => self.tick(down),
        }
    }

    pub fn is(&self, mutant: Mutant) -> bool {
        self.rules.mutant == Some(mutant)
    }

    pub fn spot(&mut self, place: Place) -> &mut Spot {
        &mut self.world.places[usize::from(place)]
    }

    pub fn new_name(&mut self) -> u32 {
        self.world.last_name += 1;
        self.world.last_name
    }

    pub fn ms(&self, ticks: Ticks) -> i64 {
        i64::from(ticks) * self.rules.unit_ms
    }

    /// WAIT for a caller whose own time was over, or who had to give way: it may ask again at once.
    pub fn wait_over(&self) -> Told {
        self.told(Status::Wait, 0)
    }

    /// WAIT for a caller that is not parked, while a lease has this much left.
    pub fn stay_away(&self, left: Ticks) -> Told {
        self.told(Status::Wait, self.ms(left).min(self.ms(self.rules.fill_wait)).max(10))
    }

    /// PASS for a caller that may not lead.
    pub fn shed(&self) -> Told {
        self.told(Status::Pass, 100)
    }

    pub fn told(&self, status: Status, ms: i64) -> Told {
        Told { status, value: None, token: None, ms }
    }

    /// The reply of the command now running.
    pub fn reply(&mut self, reply: Reply) {
        let name = self.new_name();
        self.count(&reply);
        let conn = usize::from(self.conn);
        self.world.conns[conn].queue.push(Request { name, state: Pending::Ready(reply) });
        self.let_out(self.conn, false);
    }

    /// Answers a parked request; false if somebody did before.
    pub fn answer(&mut self, name: u32, reply: Reply) {
        let Some((conn, at)) = self.world.find(name) else { return };
        self.count(&reply);
        self.facts.answered.push(name);
        self.leave_flights(name);
        self.world.conns[conn].queue[at].state = Pending::Ready(reply);
        if self.is(Mutant::RepliesOvertake) && at > 0 {
            let request = self.world.conns[conn].queue.remove(at);
            self.facts.overtook |= self.world.first_open(conn).is_some_and(|open| open < name);
            self.leaves(conn as u8, request, false);
        }
        self.let_out(conn as u8, false);
    }

    fn count(&mut self, reply: &Reply) {
        let Reply::Fill(keys) = reply else { return };
        for (_, told) in keys {
            self.facts.keys += 1;
            self.facts.gets += 1;
            let counts = !(self.is(Mutant::UncountedWait) && told.status == Status::Wait);
            self.facts.statuses += u32::from(counts);
        }
    }

    /// Takes a request out of every flight.
    pub fn leave_flights(&mut self, name: u32) {
        if self.is(Mutant::AnsweredTwice) {
            return;
        }
        for place in 0..self.world.places.len() {
            if let Some(flight) = &mut self.world.places[place].flight {
                flight.waiters.retain(|waiter| *waiter != name);
            }
            self.tidy(place as Place);
        }
    }

    /// Lets out what stands before the first unanswered request. `late`: it had to wait for the socket.
    pub fn let_out(&mut self, conn: u8, late: bool) {
        let at = usize::from(conn);
        while !self.world.conns[at].stalled {
            match self.world.conns[at].queue.first() {
                Some(Request { state: Pending::Ready(_), .. }) => {
                    let request = self.world.conns[at].queue.remove(0);
                    self.leaves(conn, request, late);
                }
                _ => return,
            }
        }
    }

    fn leaves(&mut self, conn: u8, request: Request, late: bool) {
        let Pending::Ready(reply) = request.state else { return };
        for (place, name) in tokens_of(&reply).collect::<Vec<_>>() {
            let spot = self.spot(place);
            spot.tokens.iter_mut().filter(|token| token.name == name).for_each(|token| token.known = true);
            // The clock of a lease begins when its reply is handed to the socket.
            let leases = spot.flight.iter_mut().flat_map(|flight| &mut flight.leases);
            let leases = leases.filter(|lease| lease.token == name && lease.conn == conn && !lease.overdue);
            for lease in leases.filter(|_| late) {
                (lease.left, lease.aged) = (lease.lease.into(), false);
            }
        }
        self.facts.left.push((conn, request.name, reply));
    }

    /// Gives the lease of a place.
    pub fn grant(&mut self, place: Place, conn: u8, terms: &Terms, was_parked: bool) -> u32 {
        let token = self.new_name();
        let lease = Lease {
            token,
            conn,
            left: terms.lease.into(),
            orphan: None,
            lease: terms.lease,
            nonce: terms.nonce,
            detached: terms.detached,
            overdue: false,
            aged: false,
        };
        let keeps_old = self.is(Mutant::OldLeaseStays);
        let spot = self.spot(place);
        let flight = spot.flight.get_or_insert_default();
        flight.backoff = None;
        if !keeps_old {
            flight.leases.clear();
        }
        flight.leases.push(lease);
        self.world.kept.retain(|kept| *kept != place);
        let spot = self.spot(place);
        let (known, stored, outdated) = (false, false, false);
        spot.tokens.push(Token { name: token, answered: None, known, stored, outdated });
        self.facts.granted.push((place, token, conn, was_parked));
        token
    }

    /// Hands the lease of a place to the waiter whose turn it is.
    pub fn elect(&mut self, place: Place) -> bool {
        let waiters: Vec<u32> = self.world.places[usize::from(place)].waiters().to_vec();
        let open: Vec<u32> = waiters.into_iter().filter(|waiter| self.world.is_open(*waiter)).collect();
        let deliverable = open.iter().copied().find(|waiter| self.world.is_deliverable(*waiter));
        let Some(right) = deliverable.or(open.first().copied()) else { return false };
        let newest = self.is(Mutant::NewestFirst) || self.is(Mutant::NewestFirstNoYield);
        let chosen = if newest { *open.last().unwrap_or(&right) } else { right };
        let chosen = if self.is(Mutant::NoYield) { open[0] } else { chosen };
        self.facts.passed_over |= chosen != right;
        self.lead(place, chosen);
        if self.is(Mutant::TwoLeaders)
            && let Some(second) = open.iter().copied().find(|other| *other != chosen)
        {
            self.lead(place, second);
        }
        true
    }

    fn lead(&mut self, place: Place, name: u32) {
        let Some((conn, _)) = self.world.find(name) else { return };
        if !self.is(Mutant::NoYield) && !self.is(Mutant::NewestFirstNoYield) {
            self.yield_slots(conn as u8, name);
        }
        let Some(slot) = self.world.slot(name).cloned() else { return };
        let token = self.grant(place, conn as u8, &slot.terms, true);
        let ms = self.ms(slot.terms.lease.into());
        let lead = Told { token: Some(token), ..self.told(Status::Lead, ms) };
        let wait = self.wait_over();
        let keys = slot
            .wants
            .iter()
            .map(|(other, known)| (*other, if *other == place { lead } else { known.unwrap_or(wait) }));
        self.answer(name, Reply::Fill(keys.collect()));
    }

    /// Answers WAIT to what is parked on a connection before a request.
    pub fn yield_slots(&mut self, conn: u8, before: u32) {
        let wait = self.wait_over();
        let open = self.world.conns[usize::from(conn)].queue.iter().filter(|request| request.is_open());
        let ahead: Vec<u32> = open.map(|request| request.name).filter(|name| *name < before).collect();
        for name in ahead {
            self.answer_rest(name, wait);
        }
    }

    /// Answers a parked request with what is known of its keys, and `rest` for the others.
    pub fn answer_rest(&mut self, name: u32, rest: Told) {
        let Some(slot) = self.world.slot(name) else { return };
        let keys = slot.wants.iter().map(|(place, known)| (*place, known.unwrap_or(rest))).collect();
        self.answer(name, Reply::Fill(keys));
    }

    /// Notes what became of one key of a parked request and answers it once that was the last.
    pub fn settle(&mut self, name: u32, place: Place, told: Told) {
        if !self.world.is_open(name) {
            self.facts.answered.extend(self.is(Mutant::AnsweredTwice).then_some(name));
            return;
        }
        let Some((conn, at)) = self.world.find(name) else { return };
        let Pending::Open(slot) = &mut self.world.conns[conn].queue[at].state else { return };
        slot.wants.iter_mut().filter(|(other, _)| *other == place).for_each(|want| want.1 = Some(told));
        if slot.wants.iter().all(|(_, known)| known.is_some()) {
            self.answer_rest(name, told);
        }
    }

    /// Drops a flight with nothing left to remember.
    pub fn tidy(&mut self, place: Place) {
        let keeps = self.is(Mutant::RecordStays);
        let spot = self.spot(place);
        if !keeps && spot.flight.as_ref().is_some_and(Flight::is_over) {
            spot.flight = None;
        }
        self.note_kept(place);
    }

    /// A flight that nobody connected works on and nobody waits for is kept, as a favour.
    pub fn note_kept(&mut self, place: Place) {
        let is_kept = self.spot(place).flight.as_ref().is_some_and(|flight| !flight.is_at_work());
        let was_kept = self.world.kept.contains(&place);
        match (was_kept, is_kept) {
            (false, true) => self.world.kept.push(place),
            (true, false) => self.world.kept.retain(|other| *other != place),
            _ => {}
        }
    }

    /// The oldest of them give way.
    fn give_way(&mut self) {
        while self.world.kept.len() > self.rules.flights_max {
            let oldest = self.world.kept.remove(0);
            self.spot(oldest).flight = None;
        }
    }

    /// Whatever was given out for this place before is older than what is true now.
    pub fn outdate(&mut self, place: Place) {
        self.spot(place).tokens.iter_mut().for_each(|token| token.outdated = true);
    }

    /// Clients remember the last tokens of a place only.
    fn forget_old_tokens(&mut self) {
        let kept = self.rules.tokens_kept;
        for spot in &mut self.world.places {
            let more = spot.tokens.len().saturating_sub(kept);
            spot.tokens.drain(..more);
        }
    }
}
