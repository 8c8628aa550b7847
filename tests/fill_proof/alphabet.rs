//! The events that a scenario lets happen in a world.
//!
//! All connections and all keys may do the same, so worlds that differ in their names have the same future.
//! What does not depend on its sender is sent by one connection that has nothing parked, and where `behind`
//! says so also by each that has, so that its reply queues behind a slot.

use super::step::Event;
use super::world::*;

/// Every kind of event.
pub static KINDS: &[&str] = &[
    "GET",
    "GET NOWAIT",
    "GET AS",
    "MGET",
    "PUT",
    "NONE",
    "PASS",
    "FAIL",
    "FAIL RETRY",
    "RENEW",
    "STALE",
    "DEL",
    "SET",
    "EXPIRE",
    "PERSIST",
    "RENAME",
    "COPY",
    "MOVE",
    "FLUSHDB",
    "FLUSHALL",
    "SWAPDB",
    "read",
    "UNBLOCK",
    "eviction",
    "disconnect",
    "stall",
    "time",
];

/// FILL.GET WAIT 2 LEASE 2.
pub const GET: Terms = Terms { wait: 2, lease: 2, stale: None, nonce: 0, early: false, detached: false };
pub const NOWAIT: Terms = Terms { wait: 0, ..GET };
pub const EARLY: Terms = Terms { early: true, ..GET };
pub const NOT_STALE: Terms = Terms { stale: Some(0), ..GET };
pub const AS_ONE: Terms = Terms { nonce: 1, ..GET };
pub const DETACHED: Terms = Terms { nonce: 2, detached: true, ..GET };

/// Which events happen, and with which options.
#[derive(Clone, Copy, Debug)]
pub struct Alphabet {
    pub gets: &'static [Terms],
    pub mgets: &'static [Terms],
    /// TTL and GRACE.
    pub puts: &'static [(Option<u8>, u8)],
    pub nones: &'static [Option<u8>],
    pub passes: &'static [Option<u8>],
    pub fails: &'static [Option<u8>],
    pub renews: &'static [Option<u8>],
    pub softens: &'static [Option<u8>],
    pub dels: bool,
    pub sets: &'static [Option<u8>],
    /// DEL and SET also within MULTI.
    pub multi: bool,
    pub expires: &'static [u8],
    /// RENAME, COPY, MOVE, FLUSHDB, FLUSHALL, SWAPDB.
    pub moves: bool,
    pub flushes: bool,
    pub reads: bool,
    pub unblocks: bool,
    pub evictions: bool,
    pub closes: bool,
    pub stalls: bool,
    pub behind: bool,
    /// Replies that may pile up on a connection.
    pub queue_max: usize,
}

impl Alphabet {
    pub const EMPTY: Alphabet = Alphabet {
        gets: &[],
        mgets: &[],
        puts: &[],
        nones: &[],
        passes: &[],
        fails: &[],
        renews: &[],
        softens: &[],
        dels: false,
        sets: &[],
        multi: false,
        expires: &[],
        moves: false,
        flushes: false,
        reads: false,
        unblocks: false,
        evictions: false,
        closes: false,
        stalls: false,
        behind: false,
        queue_max: 3,
    };

    /// Every event that may come next.
    pub fn events(&self, rules: &Rules, world: &World) -> Vec<Event> {
        let mut events = vec![Event::Tick { down: false }];
        if rules.keys > 1 {
            events.push(Event::Tick { down: true });
        }
        self.of_connections(rules, world, &mut events);
        let mut writes = Vec::new();
        for place in 0..rules.places() as u8 {
            self.of_leaders(world, place, &mut writes);
            self.of_writers(place, &mut writes);
        }
        self.of_whole_databases(rules, &mut writes);
        for event in writes {
            self.senders(world).for_each(|conn| events.push(sent_by(event, conn)));
        }
        if self.evictions {
            events.extend((0..rules.places() as u8).map(|place| Event::Evict { place }));
        }
        events
    }

    fn senders(&self, world: &World) -> impl Iterator<Item = u8> {
        let (idle, busy): (Vec<u8>, Vec<u8>) =
            (0..world.conns.len() as u8).partition(|conn| world.conns[usize::from(*conn)].queue.is_empty());
        let behind = self.behind || idle.is_empty();
        let room = |conn: &u8| world.conns[usize::from(*conn)].queue.len() < self.queue_max;
        let busy: Vec<u8> = busy.into_iter().filter(room).filter(|_| behind).collect();
        idle.into_iter().take(1).chain(busy)
    }

    fn of_connections(&self, rules: &Rules, world: &World, events: &mut Vec<Event>) {
        for conn in 0..rules.conns {
            let state = &world.conns[usize::from(conn)];
            if state.queue.len() < self.queue_max {
                let gets = self.gets.iter();
                events.extend(gets.flat_map(|terms| {
                    (0..rules.places() as u8).map(move |place| Event::Get { conn, place, terms: *terms })
                }));
                for terms in self.mgets {
                    for db in 0..rules.dbs {
                        let several = (1..1u8 << rules.keys).filter(|keys| keys.count_ones() > 1);
                        events.extend(several.map(|keys| Event::MGet { conn, db, keys, terms: *terms }));
                    }
                }
            }
            if self.closes {
                events.push(Event::Close { conn });
            }
            if self.stalls {
                events.push(Event::Stall { conn, on: !state.stalled });
            }
        }
    }

    /// What those do who have read a token. Connection 0 stands for whoever sends it.
    fn of_leaders(&self, world: &World, place: Place, events: &mut Vec<Event>) {
        let (conn, tokens) = (0, &world.places[usize::from(place)].tokens);
        for (back, _) in tokens.iter().rev().enumerate().filter(|(_, token)| token.known) {
            let back = back as u8;
            events.extend(self.puts.iter().map(|&(ttl, grace)| Event::Put { conn, place, back, ttl, grace }));
            events.extend(self.nones.iter().map(|&ttl| Event::None { conn, place, back, ttl }));
            events.extend(self.passes.iter().map(|&ttl| Event::Pass { conn, place, back, ttl }));
            events.extend(self.fails.iter().map(|&retry| Event::Fail { conn, place, back, retry }));
            events.extend(self.renews.iter().map(|&lease| Event::Renew { conn, place, back, lease }));
        }
    }

    fn of_writers(&self, place: Place, events: &mut Vec<Event>) {
        let conn = 0;
        let multis: &[bool] = if self.multi { &[false, true] } else { &[false] };
        for &multi in multis {
            if self.dels {
                events.push(Event::Del { conn, place, multi });
            }
            events.extend(self.sets.iter().map(|&ttl| Event::Set { conn, place, ttl, multi }));
        }
        events.extend(self.softens.iter().map(|&grace| Event::Soften { conn, place, grace }));
        events.extend(self.expires.iter().map(|&ttl| Event::Expire { conn, place, ttl }));
        if !self.expires.is_empty() {
            events.push(Event::Persist { conn, place });
        }
        if self.reads {
            events.push(Event::Read { conn, place });
        }
    }

    fn of_whole_databases(&self, rules: &Rules, events: &mut Vec<Event>) {
        let conn = 0;
        let places = || 0..rules.places() as u8;
        if self.moves {
            for from in places() {
                let same_db = |to: &u8| *to != from && rules.db_of(*to) == rules.db_of(from);
                for to in places().filter(same_db) {
                    events.extend([Event::Rename { conn, from, to }, Event::Copy { conn, from, to }]);
                }
                let same_key = |to: &u8| *to != from && rules.key_of(*to) == rules.key_of(from);
                events.extend(places().filter(same_key).map(|to| Event::Move { conn, from, to }));
            }
        }
        if self.flushes {
            events.push(Event::FlushAll { conn });
            if rules.dbs > 1 {
                events.push(Event::SwapDb { conn });
                events.extend((0..rules.dbs).map(|db| Event::FlushDb { conn, db }));
            }
        }
        if self.unblocks {
            events.extend((0..rules.conns).map(|whom| Event::Unblock { conn, whom, error: false }));
        }
    }
}

fn sent_by(mut event: Event, sender: u8) -> Event {
    use Event::*;
    match &mut event {
        Get { conn, .. }
        | MGet { conn, .. }
        | Put { conn, .. }
        | None { conn, .. }
        | Pass { conn, .. }
        | Fail { conn, .. }
        | Renew { conn, .. }
        | Soften { conn, .. }
        | Del { conn, .. }
        | Set { conn, .. }
        | Expire { conn, .. }
        | Persist { conn, .. }
        | Rename { conn, .. }
        | Copy { conn, .. }
        | Move { conn, .. }
        | FlushDb { conn, .. }
        | FlushAll { conn }
        | SwapDb { conn }
        | Read { conn, .. }
        | Unblock { conn, .. } => *conn = sender,
        Evict { .. } | Close { .. } | Stall { .. } | Late | Tick { .. } => {}
    }
    event
}
