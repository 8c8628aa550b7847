//! What the model knows: connections with their replies in order, and places (a key of a database) with an
//! entry, a flight and the tokens given for it. Time is whole ticks, always as what is left.
//!
//! Nothing here decides anything: `step` does. Two worlds that differ only in the names of connections, keys,
//! tokens and slots have the same `encode`.

pub type Ticks = i32;

/// The connection of a lease whose connection closed.
pub const NOBODY: u8 = u8::MAX;

/// Values stale for longer than this are alike to every caller of a scenario.
const STALE_TOLD_APART: Ticks = -3;

/// The bounds and settings of a run, and the rule that is broken in it.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub conns: u8,
    pub keys: u8,
    pub dbs: u8,
    pub unit_ms: i64,
    pub fill_wait: Ticks,
    pub orphan_grace: Ticks,
    pub late: Ticks,
    /// The window of failures in a row, and the RETRY they imply.
    pub window: Ticks,
    pub waiters_max: usize,
    pub flights_max: usize,
    pub slots_max: usize,
    /// The last tokens of each place that clients remember and may send again.
    pub tokens_kept: usize,
    pub mutant: Option<super::step::Mutant>,
}

/// One key of one database. Places are numbered key by key: `key * dbs + db`.
pub type Place = u8;

impl Rules {
    pub fn places(&self) -> usize {
        usize::from(self.keys) * usize::from(self.dbs)
    }
    pub fn key_of(&self, place: Place) -> u8 {
        place / self.dbs
    }
    pub fn db_of(&self, place: Place) -> u8 {
        place % self.dbs
    }
}

#[derive(Clone, Debug)]
pub struct World {
    pub conns: Vec<Conn>,
    pub places: Vec<Spot>,
    /// Places whose flights are kept as a favour, oldest first.
    pub kept: Vec<Place>,
    /// The last name given to a token or a request.
    pub last_name: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Conn {
    /// Requests whose replies have not left, in the order in which they came.
    pub queue: Vec<Request>,
    /// Its socket takes no more bytes.
    pub stalled: bool,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub name: u32,
    pub state: Pending,
}

#[derive(Clone, Debug)]
pub enum Pending {
    Open(Slot),
    Ready(Reply),
}

/// A parked FILL.GET or FILL.MGET.
#[derive(Clone, Debug)]
pub struct Slot {
    pub terms: Terms,
    pub left: Ticks,
    pub wants: Vec<(Place, Option<Told>)>,
    /// Somebody has the right to answer it.
    pub claimed: bool,
}

/// The options of FILL.GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub wait: u8,
    pub lease: u8,
    pub stale: Option<u8>,
    /// 0: none.
    pub nonce: u8,
    pub early: bool,
    pub detached: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Spot {
    pub entry: Option<Entry>,
    pub flight: Option<Flight>,
    /// The last tokens given for this place, oldest first.
    pub tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Value,
    None,
    Pass,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub value: u32,
    /// Of its TTL; not above 0: stale.
    pub left: Option<Ticks>,
    pub grace: Ticks,
    /// Its fill took time, so that it may be refreshed early.
    pub took_time: bool,
    /// Ghost: older than an invalidation of its place.
    pub outdated: bool,
    /// Ghost: kept by FILL.STALE.
    pub soft: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// At most one, unless a mutant says otherwise.
    pub leases: Vec<Lease>,
    /// Names of parked requests, oldest first.
    pub waiters: Vec<u32>,
    pub backoff: Option<Ticks>,
    /// What is left of the window of each failure, the latest first.
    pub failures: Vec<Ticks>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub token: u32,
    pub conn: u8,
    pub left: Ticks,
    /// What is left of the orphan grace.
    pub orphan: Option<Ticks>,
    pub lease: u8,
    pub nonce: u8,
    pub detached: bool,
    pub overdue: bool,
    /// Time has passed since it began.
    pub aged: bool,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub name: u32,
    /// How it was answered, and how long that is remembered.
    pub answered: Option<(Verb, Ticks)>,
    /// Ghosts: a client has read it; it changed the store; its place was invalidated since.
    pub known: bool,
    pub stored: bool,
    pub outdated: bool,
}

/// The ways to answer a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Put,
    None,
    Pass,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Hit,
    Lead,
    Refresh,
    Stale,
    None,
    Fail,
    Pass,
    Wait,
    Leading,
}

/// One answered key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub status: Status,
    pub value: Option<u32>,
    pub token: Option<u32>,
    pub ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Fill(Vec<(Place, Told)>),
    /// CLIENT UNBLOCK … ERROR.
    Unblocked,
    Word(&'static str),
    Int(i64),
    Value(Option<u32>),
}

impl Lease {
    /// Until it ends.
    pub fn ends_in(&self) -> Ticks {
        self.orphan.map_or(self.left, |orphan| orphan.min(self.left))
    }
    pub fn is_live(&self) -> bool {
        !self.overdue && self.ends_in() > 0
    }
    /// Detached, and its connection is gone.
    fn is_left(&self) -> bool {
        self.detached && self.conn == NOBODY
    }
}

impl Flight {
    pub fn live(&self) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.is_live())
    }
    /// Somebody connected fills, or somebody waits.
    pub fn is_at_work(&self) -> bool {
        self.leases.iter().any(|lease| !lease.overdue && !lease.is_left()) || !self.waiters.is_empty()
    }
    pub fn backs_off(&self) -> Option<Ticks> {
        self.backoff.filter(|left| *left > 0)
    }
    pub fn is_over(&self) -> bool {
        self.leases.is_empty()
            && self.waiters.is_empty()
            && self.backoff.is_none()
            && self.failures.is_empty()
    }
}

impl Entry {
    pub fn is_fresh(&self) -> bool {
        self.left.is_none_or(|left| left > 0)
    }
    pub fn is_dead(&self) -> bool {
        self.left.is_some_and(|left| left + self.grace <= 0)
    }
}

impl Spot {
    pub fn lease(&self) -> Option<&Lease> {
        self.flight.as_ref().and_then(Flight::live)
    }
    pub fn waiters(&self) -> &[u32] {
        self.flight.as_ref().map_or(&[], |flight| &flight.waiters)
    }
    /// Whether an answer with this token would be welcome.
    pub fn accepts(&self, token: u32) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.leases.iter().any(|lease| lease.token == token))
    }
    pub fn token(&self, name: u32) -> Option<&Token> {
        self.tokens.iter().find(|token| token.name == name)
    }
}

impl Request {
    pub fn slot(&self) -> Option<&Slot> {
        match &self.state {
            Pending::Open(slot) => Some(slot),
            Pending::Ready(_) => None,
        }
    }
    pub fn is_open(&self) -> bool {
        self.slot().is_some_and(|slot| !slot.claimed)
    }
}

impl World {
    pub fn new(rules: &Rules) -> World {
        World {
            conns: vec![Conn::default(); usize::from(rules.conns)],
            places: vec![Spot::default(); rules.places()],
            kept: Vec::new(),
            last_name: 0,
        }
    }

    /// The connection and place in its queue of a parked request.
    pub fn find(&self, name: u32) -> Option<(usize, usize)> {
        let at = |conn: &Conn| conn.queue.iter().position(|request| request.name == name);
        self.conns.iter().enumerate().find_map(|(conn, state)| Some((conn, at(state)?)))
    }

    pub fn slot(&self, name: u32) -> Option<&Slot> {
        let (conn, at) = self.find(name)?;
        self.conns[conn].queue[at].slot()
    }

    pub fn is_open(&self, name: u32) -> bool {
        self.slot(name).is_some_and(|slot| !slot.claimed)
    }

    /// The oldest unanswered request of a connection.
    pub fn first_open(&self, conn: usize) -> Option<u32> {
        self.conns[conn].queue.iter().find(|request| request.is_open()).map(|request| request.name)
    }

    /// Its reply could be written at once.
    pub fn is_deliverable(&self, name: u32) -> bool {
        let Some((conn, _)) = self.find(name) else { return false };
        !self.conns[conn].stalled && self.first_open(conn) == Some(name)
    }

    /// The keyspace alone: what a request sent twice must leave as it was.
    pub fn keyspace(&self) -> Vec<(Option<Entry>, Option<Flight>)> {
        self.places.iter().map(|spot| (spot.entry.clone(), spot.flight.clone())).collect()
    }

    /// This world up to the names of connections, keys, tokens and requests. A key's rank and a connection's
    /// number come from what they look like, so two worlds with the same code are the same up to names; not
    /// every renaming is recognised, which costs states, never truth.
    pub fn encode(&self, rules: &Rules) -> Vec<u8> {
        let mut keys: Vec<(Vec<u8>, u8)> =
            (0..rules.keys).map(|key| (self.look_of_key(rules, key), key)).collect();
        keys.sort();
        let mut names = Names { place: vec![0; rules.places()], conn: vec![NOBODY; self.conns.len()] };
        for (rank, (_, key)) in keys.iter().enumerate() {
            names.name_key(rules, rank as u8, *key);
        }
        self.name_conns(&keys, rules, &mut names);
        self.encode_named(rules, &keys, &names)
    }

    /// This world with every connection and key under its own name.
    pub fn encode_plainly(&self, rules: &Rules) -> Vec<u8> {
        let [keys, conns] = [rules.keys, rules.conns].map(|count| (0..count).collect::<Vec<u8>>());
        self.encode_as(rules, &keys, &conns)
    }

    /// The least code under any names: the same for two worlds exactly if they differ in names alone.
    pub fn encode_fully(&self, rules: &Rules) -> Vec<u8> {
        let conns = orders(rules.conns);
        let codes = orders(rules.keys).into_iter().flat_map(|keys| {
            conns.iter().map(move |conns| self.encode_as(rules, &keys, conns)).collect::<Vec<_>>()
        });
        codes.min().unwrap_or_default()
    }

    /// With the keys in this order, and these numbers for the connections.
    fn encode_as(&self, rules: &Rules, keys: &[u8], conns: &[u8]) -> Vec<u8> {
        let mut names = Names { place: vec![0; rules.places()], conn: conns.to_vec() };
        for (rank, key) in keys.iter().enumerate() {
            names.name_key(rules, rank as u8, *key);
        }
        let keys: Vec<(Vec<u8>, u8)> = keys.iter().map(|key| (self.look_of_key(rules, *key), *key)).collect();
        self.encode_named(rules, &keys, &names)
    }

    fn encode_named(&self, rules: &Rules, keys: &[(Vec<u8>, u8)], names: &Names) -> Vec<u8> {
        let mut code = Vec::with_capacity(96);
        for (look, key) in keys {
            code.extend(look);
            for db in 0..rules.dbs {
                self.encode_callers(usize::from(key * rules.dbs + db), names, &mut code);
            }
        }
        let mut conns: Vec<usize> = (0..self.conns.len()).collect();
        conns.sort_by_key(|conn| names.conn[*conn]);
        for conn in conns {
            self.encode_conn(conn, names, &mut code);
        }
        code
    }

    /// All of a key that names nobody.
    fn look_of_key(&self, rules: &Rules, key: u8) -> Vec<u8> {
        let mut look = Vec::with_capacity(32);
        for db in 0..rules.dbs {
            let spot = &self.places[usize::from(key * rules.dbs + db)];
            match &spot.entry {
                Some(entry) => {
                    let flags = [entry.took_time, entry.outdated, entry.soft];
                    look.extend([1 + entry.kind as u8, bits(&flags)]);
                    // Of a stale value counts how long it may be served yet, and how old it is for callers that
                    // mind, which is no more than a few ticks.
                    look.push(entry.left.map_or(127, |left| left.max(STALE_TOLD_APART) as u8));
                    look.push(entry.left.map_or(entry.grace, |left| left.min(0) + entry.grace) as u8);
                }
                None => look.push(0),
            }
            look.push(spot.tokens.len() as u8);
            for token in &spot.tokens {
                look.push(bits(&[token.known, token.stored, token.outdated, token.answered.is_some()]));
                look.extend(token.answered.iter().flat_map(|(verb, left)| [*verb as u8, *left as u8]));
            }
            let Some(flight) = &spot.flight else {
                look.push(0);
                continue;
            };
            // The order in which they give way matters where they may have to.
            if rules.flights_max < rules.places() {
                let place = key * rules.dbs + db;
                look.push(self.kept.iter().position(|kept| *kept == place).map_or(0, |at| at as u8 + 1));
            }
            look.extend([1 + flight.leases.len() as u8, flight.waiters.len() as u8]);
            look.push(flight.backoff.map_or(127, |left| left as u8));
            look.push(flight.failures.len() as u8);
            look.extend(flight.failures.iter().map(|left| *left as u8));
            for lease in &flight.leases {
                look.push(spot.tokens.iter().position(|token| token.name == lease.token).unwrap_or(9) as u8);
                look.extend([lease.left as u8, lease.orphan.map_or(127, |left| left as u8)]);
                look.extend([lease.lease, lease.nonce]);
                look.push(
                    u8::from(lease.detached) | u8::from(lease.overdue) << 1 | u8::from(lease.aged) << 2,
                );
            }
        }
        look
    }

    /// Numbers connections as they appear beside the keys, then by how they look.
    fn name_conns(&self, keys: &[(Vec<u8>, u8)], rules: &Rules, names: &mut Names) {
        let mut next = 0;
        let mut name = |conn: usize, names: &mut Names| {
            if names.conn[conn] == NOBODY {
                names.conn[conn] = next;
                next += 1;
            }
        };
        for (_, key) in keys {
            for db in 0..rules.dbs {
                let Some(flight) = &self.places[usize::from(key * rules.dbs + db)].flight else { continue };
                let leaders = flight.leases.iter().map(|lease| usize::from(lease.conn));
                leaders.filter(|conn| *conn < self.conns.len()).for_each(|conn| name(conn, names));
                let waiters = flight.waiters.iter().filter_map(|waiter| self.find(*waiter));
                waiters.for_each(|(conn, _)| name(conn, names));
            }
        }
        let mut rest: Vec<(Vec<u8>, usize)> = Vec::new();
        for conn in 0..self.conns.len() {
            if names.conn[conn] == NOBODY {
                let mut look = Vec::new();
                self.encode_conn(conn, names, &mut look);
                rest.push((look, conn));
            }
        }
        rest.sort();
        rest.into_iter().for_each(|(_, conn)| name(conn, names));
    }

    fn encode_callers(&self, place: usize, names: &Names, code: &mut Vec<u8>) {
        let Some(flight) = &self.places[place].flight else { return };
        for lease in &flight.leases {
            code.push(names.conn.get(usize::from(lease.conn)).copied().unwrap_or(NOBODY));
        }
        for waiter in &flight.waiters {
            let (conn, at) = self.find(*waiter).unwrap_or((0, 99));
            code.extend([names.conn[conn], at as u8]);
        }
    }

    fn encode_conn(&self, conn: usize, names: &Names, code: &mut Vec<u8>) {
        let Conn { queue, stalled } = &self.conns[conn];
        code.extend([u8::from(*stalled), queue.len() as u8]);
        for request in queue {
            match &request.state {
                Pending::Open(slot) => {
                    let Terms { lease, stale, nonce, detached, .. } = slot.terms;
                    code.extend([1, slot.left as u8, lease, stale.unwrap_or(127), nonce]);
                    code.push(u8::from(detached) | (slot.wants.len() as u8) << 1);
                    // The order of the keys in a request is no more than that of its reply.
                    let wants = slot.wants.iter();
                    let mut wants: Vec<[u8; 2]> = wants
                        .map(|(place, told)| [names.place[usize::from(*place)], u8::from(told.is_some())])
                        .collect();
                    wants.sort_unstable();
                    code.extend(wants.iter().flatten());
                }
                Pending::Ready(reply) => {
                    code.push(2);
                    let tokens = tokens_of(reply).map(|(place, token)| {
                        let known = &self.places[usize::from(place)].tokens;
                        let at = known.iter().position(|known| known.name == token).unwrap_or(99);
                        [3, names.place[usize::from(place)], at as u8]
                    });
                    let mut tokens: Vec<[u8; 3]> = tokens.collect();
                    tokens.sort_unstable();
                    code.extend(tokens.iter().flatten());
                }
            }
        }
    }
}

fn bits(flags: &[bool]) -> u8 {
    flags.iter().fold(0, |bits, flag| bits << 1 | u8::from(*flag))
}

/// The tokens in a reply, with the places they are for.
pub fn tokens_of(reply: &Reply) -> impl Iterator<Item = (Place, u32)> {
    let told = match reply {
        Reply::Fill(told) => told.as_slice(),
        _ => &[],
    };
    told.iter().filter_map(|(place, told)| Some((*place, told.token?)))
}

/// The names of a world's code.
struct Names {
    place: Vec<u8>,
    conn: Vec<u8>,
}

impl Names {
    fn name_key(&mut self, rules: &Rules, rank: u8, key: u8) {
        for db in 0..rules.dbs {
            self.place[usize::from(key * rules.dbs + db)] = rank * rules.dbs + db;
        }
    }
}

/// All orders of the numbers below `count`.
fn orders(count: u8) -> Vec<Vec<u8>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let put = |order: &Vec<u8>, at: usize| [&order[..at], &[last], &order[at..]].concat();
    orders(last)
        .iter()
        .flat_map(|order| (0..=order.len()).map(|at| put(order, at)).collect::<Vec<_>>())
        .collect()
}
