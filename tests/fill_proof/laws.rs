//! The twenty-one statements of section 7 of docs/fill.md, each looked at in every step of a search.
//!
//! A law knows the world before and after, the event, and the facts of the step; it shares no rule with `step`.
//! Two statements have a part that a model cannot say. 18: bytes, where here a step makes at most one copy of a value;
//! `fill_memory::rule_18_ten_thousand_waiters_share_one_value` measures them. 13: a close within an election, which
//! here are two steps; `compare::waiter_that_closes_while_it_is_elected_is_succeeded_at_once` plays it with the real
//! code, `fill_handover::rule_13_waiter_that_dies_while_it_is_elected_is_succeeded` on a server.

use super::step::{Event, Facts, Mutant, step};
use super::world::*;

/// One step, to be judged.
pub struct Case<'a> {
    pub rules: &'a Rules,
    pub before: &'a World,
    pub event: &'a Event,
    pub after: &'a World,
    pub facts: &'a Facts,
}

/// A statement: its number in section 7, its words, and whether a step keeps it.
pub struct Law {
    pub number: u8,
    pub text: &'static str,
    pub holds: fn(&Case<'_>) -> bool,
}

pub static LAWS: &[Law] = &[
    Law { number: 1, text: "at most one live token per key", holds: one_live_token },
    Law { number: 2, text: "a token changes the store at most once", holds: stores_once },
    Law { number: 3, text: "a PUT from before an invalidation never stores", holds: no_outdated_put },
    Law { number: 4, text: "no older value after an invalidation", holds: no_outdated_value },
    Law { number: 5, text: "answered exactly once, within WAIT", holds: answered_once_in_time },
    Law { number: 6, text: "a hand-over makes exactly one leader", holds: one_leader },
    Law {
        number: 7,
        text: "who waits without a live lease leads at once, and can read it",
        holds: waiters_have_a_leader,
    },
    Law { number: 8, text: "replies in order, commands not delayed", holds: replies_in_order },
    Law { number: 9, text: "no cycle between slots and flights", holds: no_cycle },
    Law { number: 10, text: "MGET never waits with a lease it was just granted", holds: mget_holds_nothing },
    Law { number: 11, text: "a newcomer never overtakes", holds: nobody_overtakes },
    Law { number: 12, text: "sent twice leaves what once leaves", holds: twice_is_once },
    Law { number: 13, text: "a leader that died is succeeded", holds: dead_leader_is_succeeded },
    Law { number: 14, text: "what must void, voids", holds: invalidations_void },
    Law { number: 15, text: "expiry and eviction void nothing", holds: time_voids_nothing },
    Law { number: 16, text: "nothing hidden shows", holds: nothing_hidden_shows },
    Law { number: 17, text: "no record without a reason, none for ever", holds: no_record_remains },
    Law { number: 18, text: "one copy of a value for all waiters", holds: one_copy },
    Law { number: 19, text: "gets are the sum of the statuses", holds: counters_add_up },
    Law {
        number: 20,
        text: "nobody is told to stay away from a key that nobody fills",
        holds: waits_for_somebody,
    },
    Law {
        number: 21,
        text: "what is kept as a favour keeps nobody from leading",
        holds: favours_keep_nobody,
    },
];

fn one_live_token(case: &Case<'_>) -> bool {
    case.after.places.iter().all(|spot| spot.flight.as_ref().is_none_or(|flight| flight.leases.len() <= 1))
        && case
            .after
            .places
            .iter()
            .all(|spot| spot.tokens.iter().filter(|token| spot.accepts(token.name)).count() <= 1)
}

fn stores_once(case: &Case<'_>) -> bool {
    let resent = match *case.event {
        Event::Put { place, back, .. }
        | Event::None { place, back, .. }
        | Event::Pass { place, back, .. } => {
            let tokens = &case.before.places[usize::from(place)].tokens;
            let token = tokens.len().checked_sub(1 + usize::from(back)).map(|at| &tokens[at]);
            token.is_some_and(|token| token.stored)
        }
        _ => false,
    };
    let refused = |reply: &Reply| matches!(reply, Reply::Word("DUP" | "VOID"));
    case.facts.stored.iter().all(|(_, had_stored, _)| !had_stored)
        && (!resent
            || case.facts.left.iter().all(|(.., reply)| refused(reply) || is_of_a_waiter(case, reply)))
}

/// Replies that were let out by this step besides its own.
fn is_of_a_waiter(case: &Case<'_>, reply: &Reply) -> bool {
    matches!(reply, Reply::Fill(_)) || case.facts.left.len() > 1
}

fn no_outdated_put(case: &Case<'_>) -> bool {
    case.facts.stored.iter().all(|(.., outdated)| !outdated)
}

fn no_outdated_value(case: &Case<'_>) -> bool {
    let is_soft = |status: &Status, soft: &bool| *soft && matches!(status, Status::Stale | Status::Refresh);
    case.facts.served.iter().all(|(status, outdated, soft)| !outdated || is_soft(status, soft))
}

fn answered_once_in_time(case: &Case<'_>) -> bool {
    let answered = &case.facts.answered;
    let was_open = |name: &u32| case.before.is_open(*name) || case.facts.parked.contains(name);
    let once = answered.iter().all(|name| answered.iter().filter(|other| *other == name).count() == 1);
    let mut open = case.before.conns.iter().enumerate().flat_map(|(conn, state)| {
        state.queue.iter().filter(|request| request.is_open()).map(move |request| (conn, request.name))
    });
    let closed =
        |conn: usize| matches!(*case.event, Event::Close { conn: gone } if usize::from(gone) == conn);
    let in_time = |name: u32| case.after.slot(name).is_none_or(|slot| slot.left > 0);
    once && answered.iter().all(was_open)
        && open.all(|(conn, name)| {
            in_time(name) && (case.after.is_open(name) || answered.contains(&name) || closed(conn))
        })
}

fn one_leader(case: &Case<'_>) -> bool {
    let handed = |place: Place| {
        case.facts.granted.iter().filter(|(at, .., was_parked)| *at == place && *was_parked).count()
    };
    (0..case.after.places.len() as u8).all(|place| handed(place) <= 1)
}

fn waiters_have_a_leader(case: &Case<'_>) -> bool {
    let waits = |spot: &Spot| spot.waiters().iter().any(|name| case.after.is_open(*name));
    let stalled = |conn: u8| case.after.conns[usize::from(conn)].stalled;
    let is_read = |token: u32| {
        case.facts.left.iter().any(|(.., reply)| tokens_of(reply).any(|(_, other)| other == token))
    };
    case.after.places.iter().all(|spot| !waits(spot) || spot.lease().is_some())
        && case.facts.granted.iter().all(|(_, token, conn, _)| stalled(*conn) || is_read(*token))
}

fn replies_in_order(case: &Case<'_>) -> bool {
    let left = &case.facts.left;
    let in_order = |conn: u8| {
        let names: Vec<u32> = left.iter().filter(|(to, ..)| *to == conn).map(|(_, name, _)| *name).collect();
        names.windows(2).all(|pair| pair[0] < pair[1])
    };
    !case.facts.overtook && !case.facts.put_off && (0..case.rules.conns).all(in_order)
}

/// A connection waits for another if its oldest slot waits for a flight whose leader cannot answer: the token is
/// still behind a slot of the leader's own connection, or its commands are put off.
fn no_cycle(case: &Case<'_>) -> bool {
    let world = case.after;
    let blocks = case.rules.mutant == Some(Mutant::SlotBlocksConnection);
    let waits_for = |conn: u8| -> Vec<u8> {
        let first = world.first_open(usize::from(conn)).and_then(|name| world.slot(name));
        let open = first.iter().flat_map(|slot| &slot.wants).filter(|(_, known)| known.is_none());
        let spots = open.map(|(place, _)| &world.places[usize::from(*place)]);
        let leaders = spots.filter_map(|spot| {
            let lease = spot.lease().filter(|lease| lease.conn != NOBODY)?;
            let conn = usize::from(lease.conn);
            let is_stuck =
                is_behind_a_slot(world, conn, lease.token) || blocks && world.first_open(conn).is_some();
            is_stuck.then_some(lease.conn)
        });
        leaders.collect()
    };
    (0..case.rules.conns).all(|start| {
        let (mut seen, mut todo) = (Vec::new(), waits_for(start));
        while let Some(conn) = todo.pop() {
            if !seen.contains(&conn) {
                seen.push(conn);
                todo.extend(waits_for(conn));
            }
        }
        !seen.contains(&start)
    })
}

/// Whether the reply with this token stands behind an unanswered request of its connection.
fn is_behind_a_slot(world: &World, conn: usize, token: u32) -> bool {
    let queue = world.conns[conn].queue.iter();
    let mut behind = queue.skip_while(|request| request.slot().is_none());
    behind.any(|request| match &request.state {
        Pending::Ready(reply) => tokens_of(reply).any(|(_, other)| other == token),
        Pending::Open(_) => false,
    })
}

fn mget_holds_nothing(case: &Case<'_>) -> bool {
    !matches!(case.event, Event::MGet { .. })
        || case.facts.parked.is_empty()
        || case.facts.granted.iter().all(|(.., was_parked)| *was_parked)
}

/// A lease goes to a newcomer only where nobody waits, and to the oldest deliverable of those who do.
fn nobody_overtakes(case: &Case<'_>) -> bool {
    let waited = |place: Place| {
        let waiters = case.before.places[usize::from(place)].waiters();
        waiters.iter().any(|name| case.before.is_open(*name))
    };
    !case.facts.passed_over
        && case.facts.granted.iter().all(|(place, .., was_parked)| *was_parked || !waited(*place))
}

fn twice_is_once(case: &Case<'_>) -> bool {
    let (rules, event) = (case.rules, case.event);
    let place = match *event {
        Event::Put { place, .. } | Event::None { place, .. } | Event::Pass { place, .. } => place,
        Event::Fail { place, .. } | Event::Renew { place, .. } => place,
        Event::Get { place, terms, .. } if terms.nonce > 0 && case.facts.parked.is_empty() => place,
        _ => return true,
    };
    let same = |before: &World, event: &Event| step(rules, before, event).0.keyspace() == before.keyspace();
    // A token is named by how many came since, so a resend may have to count the new ones.
    let token = |world: &World, event: &Event| again(case, world, event);
    let at_once = token(case.after, event).is_none_or(|event| same(case.after, &event));
    let is_get = matches!(event, Event::Get { .. });
    at_once
        && (is_get
            || [false, true].into_iter().all(|deletes| {
                let conn = 0;
                let write = match deletes {
                    true => Event::Del { conn, place, multi: false },
                    false => Event::Set { conn, place, ttl: None, multi: false },
                };
                let between = step(rules, case.after, &write).0;
                token(&between, event).is_none_or(|event| same(&between, &event))
            }))
}

/// The same event in a later world; `None` where its token is no longer remembered by clients.
fn again(case: &Case<'_>, world: &World, event: &Event) -> Option<Event> {
    let mut event = *event;
    if let Event::Put { place, back, .. }
    | Event::None { place, back, .. }
    | Event::Pass { place, back, .. }
    | Event::Fail { place, back, .. }
    | Event::Renew { place, back, .. } = &mut event
    {
        let before = &case.before.places[usize::from(*place)].tokens;
        let name = before[before.len().checked_sub(1 + usize::from(*back))?].name;
        let now = &world.places[usize::from(*place)].tokens;
        *back = (now.len() - 1 - now.iter().position(|token| token.name == name)?) as u8;
    }
    Some(event)
}

fn dead_leader_is_succeeded(case: &Case<'_>) -> bool {
    let Event::Close { conn } = *case.event else { return true };
    let leases =
        |world: &World| -> Vec<Lease> { world.places.iter().filter_map(Spot::lease).cloned().collect() };
    let orphans = leases(case.before).into_iter().filter(|lease| lease.conn == conn && !lease.detached);
    let left = leases(case.after);
    orphans.into_iter().all(|lost| {
        left.iter()
            .filter(|lease| lease.token == lost.token)
            .all(|lease| lease.ends_in() <= case.rules.orphan_grace)
    })
}

fn invalidations_void(case: &Case<'_>) -> bool {
    let Rules { keys, dbs, .. } = *case.rules;
    let of_db = |db: u8| (0..keys).map(move |key| key * dbs + db);
    let seen = |place: Place| {
        let entry = case.before.places[usize::from(place)].entry.as_ref();
        entry.is_some_and(|entry| entry.kind == Kind::Value && entry.is_fresh())
    };
    let touched: Vec<Place> = match *case.event {
        Event::Del { place, .. } | Event::Set { place, .. } | Event::Soften { place, .. } => vec![place],
        Event::Expire { place, ttl: 0, .. } => vec![place],
        Event::Rename { from, to, .. } | Event::Copy { from, to, .. } if seen(from) => vec![from, to],
        Event::Move { from, to, .. } if seen(from) && !seen(to) => vec![from, to],
        Event::FlushDb { db, .. } => of_db(db).collect(),
        Event::FlushAll { .. } | Event::SwapDb { .. } => (0..keys * dbs).collect(),
        _ => return true,
    };
    touched.into_iter().all(|place| {
        let (before, after) =
            (&case.before.places[usize::from(place)], &case.after.places[usize::from(place)]);
        before.tokens.iter().all(|token| !after.accepts(token.name))
    })
}

fn time_voids_nothing(case: &Case<'_>) -> bool {
    let passed = match case.event {
        Event::Tick { .. } => 1,
        Event::Evict { .. } | Event::Persist { .. } => 0,
        Event::Expire { ttl, .. } if *ttl > 0 => 0,
        _ => return true,
    };
    case.before.places.iter().zip(&case.after.places).all(|(before, after)| {
        let lasts = before.lease().filter(|lease| lease.ends_in() > passed);
        lasts.is_none_or(|lease| after.lease().is_some_and(|now| now.token == lease.token))
    })
}

fn nothing_hidden_shows(case: &Case<'_>) -> bool {
    case.facts.shown.iter().all(|(place, shown)| {
        let entry = case.before.places[usize::from(*place)].entry.as_ref();
        *shown == entry.is_some_and(|entry| entry.kind == Kind::Value && entry.is_fresh() && !entry.soft)
    })
}

/// Every record has a reason, and a time at which it ends that comes nearer.
fn no_record_remains(case: &Case<'_>) -> bool {
    let Rules { late, .. } = *case.rules;
    let has_reason = |spot: &Spot| spot.flight.as_ref().is_none_or(|flight| !flight.is_over());
    let ends = |spot: &Spot| {
        let leases = spot.flight.iter().flat_map(|flight| &flight.leases);
        leases.into_iter().all(|lease| lease.ends_in() > 0 && (!lease.overdue || lease.left <= late))
    };
    let nearer = |(before, after): (&Spot, &Spot)| {
        let was = |name: u32| before.token(name).and_then(|token| token.answered);
        after.tokens.iter().all(|token| match (was(token.name), token.answered) {
            (Some((_, before)), Some((_, after))) => after < before,
            _ => true,
        })
    };
    let ticked = matches!(case.event, Event::Tick { .. });
    case.after.places.iter().all(|spot| has_reason(spot) && ends(spot))
        && (!ticked || case.before.places.iter().zip(&case.after.places).all(nearer))
}

fn one_copy(case: &Case<'_>) -> bool {
    case.facts.copies <= 1
}

fn counters_add_up(case: &Case<'_>) -> bool {
    case.facts.keys == case.facts.gets && case.facts.gets == case.facts.statuses
}

/// What the request of this step was told at once, by place.
fn told_at_once<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a (Place, Told)> {
    let fresh = case.facts.left.iter().filter(|(_, name, _)| *name > case.before.last_name);
    fresh.flat_map(|(.., reply)| if let Reply::Fill(keys) = reply { &keys[..] } else { &[] })
}

fn waits_for_somebody(case: &Case<'_>) -> bool {
    let stays_away = |told: &Told| told.status == Status::Wait && told.ms > 0;
    told_at_once(case)
        .all(|(place, told)| !stays_away(told) || case.after.places[usize::from(*place)].lease().is_some())
}

fn favours_keep_nobody(case: &Case<'_>) -> bool {
    let works = |spot: &&Spot| spot.flight.as_ref().is_some_and(Flight::is_at_work);
    let at_work = case.after.places.iter().filter(works).count();
    let is_shed = |(place, told): &(Place, Told)| {
        let entry = case.after.places[usize::from(*place)].entry.as_ref();
        told.status == Status::Pass && entry.is_none_or(|entry| entry.kind != Kind::Pass)
    };
    at_work >= case.rules.flights_max || !told_at_once(case).any(is_shed)
}
