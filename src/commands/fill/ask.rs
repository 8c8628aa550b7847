//! FILL.GET and FILL.MGET: the callers' side.
//!
//! A granted lease must reach its caller at once: slots of the same connection that still wait ahead of
//! it are answered WAIT. A call that was granted a lease never waits.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::PUT;
use super::options::{ask_options, key_count};
use crate::base::hash::Key;
use crate::base::metrics::{Counter, Counters};
use crate::config::Settings;
use crate::dispatch::answer::{write_hit, write_outcome};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::session::{LeaseHeld, Parked, ReplyMode, Session};
use crate::dispatch::shared::Shared;
use crate::fill::{LeaseCount, WAITER_BYTES};
use crate::keyspace::{
    Asked, Busy, FillAsk, Looked, View, WaitTerms, count_hit, count_outcome, record_bytes,
};
use crate::parking::outcome::{ASK_AGAIN_MS, stay_away_ms};
use crate::parking::{Grant, NewSlot, Outcome, ReplySlot};
use crate::protocol::reply::Reply;
use crate::storage::{ValueRef, WrongType};

pub(super) fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut asked = ask_options(ctx, args)?;
    if !is_heard(ctx) {
        return Ok(());
    }
    asked.may_lead = may_lead(ctx, &key);
    if ctx.in_transaction {
        asked.wait_ms = 0;
    }
    while !get_once(ctx, &key, &asked)? {
        let is_reserved = !ctx.in_transaction && ctx.keys.holds_any();
        if is_reserved {
            ctx.keys.release();
        }
        ctx.keys.give_way(record_bytes(key.bytes.len()));
        if is_reserved {
            ctx.keys.hold(std::iter::once(key.hash))?;
        }
        asked.is_last_try = true;
    }
    Ok(())
}

/// Answers or parks a FILL.GET. False where something kept must give way first; an error where the key holds no string.
#[inline]
fn get_once(ctx: &mut Ctx<'_>, key: &Key<'_>, asked: &FillAsk) -> Result<bool, WrongType> {
    let mut view = ctx.keys.view(key);
    let looked = view.fill_look(key, asked);
    if let Some(ttl_ms) = looked.hit_ms {
        count_hit(view.counters());
        write_hit(&mut ctx.reply, &view.used_value(looked.found), ttl_ms);
        return Ok(true);
    }
    let Ctx { shared, settings, session, reply, .. } = ctx;
    match answer_or_park(view, key, asked, looked, &mut Caller { shared, settings, session, reply }) {
        Ended::Told(None) => Ok(true),
        Ended::Told(Some(grant)) => {
            keep_lease(ctx, LeaseHeld::of(key, ctx.keys.db, grant));
            Ok(true)
        }
        Ended::Crowded => Ok(false),
        Ended::WrongType => Err(WrongType),
    }
}

/// What a caller is told by, or parked with.
struct Caller<'c, 'a> {
    shared: &'c Shared,
    settings: &'c Settings,
    session: &'c mut Session,
    reply: &'c mut Reply<'a>,
}

enum Ended {
    /// Answered, with a lease or without, or parked.
    Told(Option<Grant>),
    Crowded,
    /// Nothing was answered yet.
    WrongType,
}

/// All but the ordinary hit. Kept out of its way.
#[inline(never)]
fn answer_or_park(
    mut view: View<'_>,
    key: &Key<'_>,
    asked: &FillAsk,
    looked: Looked,
    caller: &mut Caller<'_, '_>,
) -> Ended {
    let counters = view.counters();
    let Caller { shared, settings, session, reply } = caller;
    let lease_left_ms = match view.fill_decide(key, asked, &session.leases.count, looked) {
        Asked::Answer(Outcome::WrongType) => return Ended::WrongType,
        Asked::Answer(outcome) => {
            count_outcome(counters, &outcome);
            write_outcome(reply, &outcome);
            return Ended::Told(outcome.grant());
        }
        Asked::Crowded => return Ended::Crowded,
        Asked::WouldPark { lease_left_ms } => lease_left_ms,
    };
    if has_slot(session, settings, counters) && view.may_park(1) {
        let home = view.home(key, 0);
        let slot = new_slot(shared, session).one(home);
        view.park(key, wait_terms(&slot, 0, asked, &session.leases.count));
        let tracked = tracked(session, &[*key]);
        session.slots.parked =
            Some(Parked { slot, row: session.last_command, order: None, tracked, is_silent: false });
    } else {
        let outcome = shed(lease_left_ms, settings);
        count_outcome(counters, &outcome);
        write_outcome(reply, &outcome);
    }
    Ended::Told(None)
}

pub(super) fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = key_count(args, 1)?;
    let mut keys: Vec<Key<'_>> = Vec::with_capacity(count);
    let mut order = Vec::with_capacity(count);
    let mut places = hashbrown::HashMap::with_capacity(count);
    for _ in 0..count {
        let key = ctx.key(args)?;
        // A key named twice is answered twice alike, and leads at most once.
        let place = *places.entry(key.bytes).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        });
        order.push(place as u32);
    }
    let mut asked = ask_options(ctx, args)?;
    if !is_heard(ctx) {
        return Ok(());
    }
    if ctx.in_transaction {
        asked.wait_ms = 0;
    }
    asked.is_last_try = true;
    make_room(ctx, &keys)?;
    let Known { mut outcomes, lease_left_ms } = ask_each(ctx, &keys, &mut asked);
    let granted: Vec<(usize, Grant)> = (outcomes.iter().enumerate())
        .filter_map(|(at, outcome)| Some((at, outcome.as_ref()?.grant()?)))
        .collect();
    let waits = outcomes.iter().any(Option::is_none);
    if waits && granted.is_empty() {
        let has_slot = has_slot(ctx.session, ctx.settings, ctx.counters());
        if has_slot && ctx.keys.view(&keys[0]).may_park(keys.len()) {
            park_all(ctx, &keys, outcomes, &mut asked, order.into());
            return Ok(());
        }
    }
    // A caller that leads now may ask again at once, when it has answered.
    let wait = match granted.is_empty() {
        true => shed(lease_left_ms, ctx.settings),
        false => Outcome::Wait { retry_ms: ASK_AGAIN_MS },
    };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
        *outcome = Some(wait.clone());
    }
    outcomes.iter().flatten().for_each(|outcome| count_outcome(ctx.counters(), outcome));
    ctx.reply.array(order.len());
    for place in order {
        if let Some(outcome) = &outcomes[place as usize] {
            write_outcome(&mut ctx.reply, outcome);
        }
    }
    for (at, grant) in granted {
        keep_lease(ctx, LeaseHeld::of(&keys[at], ctx.keys.db, grant));
    }
    Ok(())
}

/// Lets what is kept give way before so many leases are granted, as long as no other shard must be held for that.
fn make_room(ctx: &mut Ctx<'_>, keys: &[Key<'_>]) -> Result<(), Busy> {
    let bytes = keys.iter().map(|key| record_bytes(key.bytes.len())).sum();
    let keyspace = ctx.keys.keyspace;
    if !ctx.in_transaction && keyspace.fills.is_crowded(bytes, ctx.keys.scope.rules) {
        ctx.keys.release();
        ctx.keys.give_way(bytes);
        ctx.keys.hold(keys.iter().map(|key| key.hash))?;
    }
    Ok(())
}

/// What is known of each key, `None` where the caller would have to wait, and how long the longest of those leases lasts.
struct Known {
    outcomes: Vec<Option<Outcome<Bytes>>>,
    lease_left_ms: u64,
}

fn ask_each(ctx: &mut Ctx<'_>, keys: &[Key<'_>], asked: &mut FillAsk) -> Known {
    let mut known = Known { outcomes: Vec::with_capacity(keys.len()), lease_left_ms: 0 };
    for key in keys {
        asked.may_lead = may_lead(ctx, key);
        let outcome = match ctx.keys.view(key).fill_ask(key, asked, &ctx.session.leases.count) {
            Asked::Answer(outcome) => Some(outcome.map(ValueRef::to_bytes)),
            Asked::WouldPark { lease_left_ms } => {
                known.lease_left_ms = known.lease_left_ms.max(lease_left_ms);
                None
            }
            Asked::Crowded => None,
        };
        known.outcomes.push(outcome);
    }
    known
}

fn park_all(
    ctx: &mut Ctx<'_>,
    keys: &[Key<'_>],
    known: Vec<Option<Outcome<Bytes>>>,
    asked: &mut FillAsk,
    order: Box<[u32]>,
) {
    let waiting: Vec<usize> = (0..keys.len()).filter(|at| known[*at].is_none()).collect();
    let homes = waiting.iter().map(|at| ctx.keys.view(&keys[*at]).home(&keys[*at], *at)).collect();
    let slot = new_slot(ctx.shared, ctx.session).many(homes, known);
    for at in waiting {
        asked.may_lead = may_lead(ctx, &keys[at]);
        ctx.keys.view(&keys[at]).park(&keys[at], wait_terms(&slot, at, asked, &ctx.session.leases.count));
    }
    let tracked = tracked(ctx.session, keys);
    let row = ctx.session.last_command;
    ctx.session.slots.parked = Some(Parked { slot, row, order: Some(order), tracked, is_silent: false });
}

/// A slot on this connection, whose bytes count among those of fills.
fn new_slot<'a>(shared: &'a Shared, session: &'a mut Session) -> NewSlot<'a> {
    NewSlot {
        seq: session.slots.next_seq(),
        post_box: &session.client.post_box,
        held: &shared.keyspace.fills.parked,
        waiter_bytes: WAITER_BYTES,
        gives_way: true,
    }
}

fn wait_terms(slot: &Arc<ReplySlot>, index: usize, asked: &FillAsk, leases: &LeaseCount) -> WaitTerms {
    WaitTerms { slot: slot.clone(), index, ask: asked.to_ask(leases), wait_ms: asked.wait_ms }
}

/// Whether the connection may have one more parked request.
fn has_slot(session: &Session, settings: &Settings, counters: &Counters) -> bool {
    let has_slot = session.slots.open < settings.fill_slots_per_connection;
    counters.add(Counter::FillShedSlots, u64::from(!has_slot));
    has_slot
}

/// The keys that an invalidation must follow the answer for.
fn tracked(session: &Session, keys: &[Key<'_>]) -> Box<[Box<[u8]>]> {
    let keys = if session.tracking.is_some() { keys } else { &[] };
    keys.iter().map(|key| Box::from(key.bytes)).collect()
}

/// Remembers a lease that this reply grants, and lets the reply out at once.
fn keep_lease(ctx: &mut Ctx<'_>, held: LeaseHeld) {
    ctx.session.leases.add(held);
    if ctx.session.slots.open > 0 {
        for slot in ctx.session.post_box().claim_all() {
            ctx.counters().add(Counter::FillYields, 1);
            let answer = slot.expire(ASK_AGAIN_MS);
            ctx.keys.answer(slot, answer);
        }
    }
}

/// Whether the caller could answer a lease of this key: nobody else is granted one.
fn may_lead(ctx: &Ctx<'_>, key: &Key<'_>) -> bool {
    ctx.session.identity.may_use(ctx.shared.table, PUT, key.bytes)
}

/// Whether the reply will be sent: a lease is granted only into one that its caller can read.
fn is_heard(ctx: &Ctx<'_>) -> bool {
    ctx.session.reply_mode == ReplyMode::On
}

/// The answer to a caller that cannot be parked.
fn shed(lease_left_ms: u64, settings: &Settings) -> Outcome<Bytes> {
    Outcome::Wait { retry_ms: stay_away_ms(lease_left_ms, settings.fill_wait_ms) }
}
