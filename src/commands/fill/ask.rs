//! FILL.GET and FILL.MGET: the callers' side.
//!
//! A granted lease must reach its caller at once: slots of the same connection that still wait ahead of
//! it are answered WAIT. A call that was granted a lease never waits.

use bytes::Bytes;

use super::options::{ask_options, key_count};
use crate::base::hash::Key;
use crate::base::metrics::Counter;
use crate::dispatch::answer::{write_hit, write_outcome};
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::session::{LeaseHeld, Parked, ReplyMode, Session};
use crate::fill::{Grant, Outcome, ReplySlot};
use crate::keyspace::{Asked, FillAsk, WaitTerms, count_hit, count_outcome};
use crate::storage::ValueRef;

pub(super) fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let mut asked = ask_options(ctx, args)?;
    if !is_heard(ctx) {
        return Ok(());
    }
    if ctx.in_transaction {
        asked.wait_ms = 0;
    }
    let counters = ctx.counters();
    let mut view = ctx.keys.view(&key);
    let mut grant = None;
    let waits = match view.fill_ask(&key, &asked) {
        Asked::Answer(Outcome::Hit { value, ttl_ms }) => {
            count_hit(counters);
            write_hit(&mut ctx.reply, &value, ttl_ms);
            return Ok(());
        }
        Asked::Answer(outcome) => {
            count_outcome(counters, &outcome);
            write_outcome(&mut ctx.reply, &outcome);
            grant = outcome.grant();
            false
        }
        Asked::WouldPark => true,
    };
    let has_slot = ctx.session.slots.open < ctx.settings.fill_slots_per_connection;
    if waits && has_slot {
        let client = ctx.session.client.clone();
        let home = view.home(&key, 0);
        let slot = ReplySlot::one(ctx.session.slots.next_seq(), home, client.post_box.clone());
        client.post_box.open_slot(slot.clone());
        view.park(&key, WaitTerms { slot: slot.clone(), index: 0, ask: asked });
        let tracked = tracked(ctx.session, &[key]);
        ctx.session.slots.parked = Some(Parked { slot, order: None, tracked });
    } else if waits {
        let outcome = shed(ctx.settings.fill_wait_ms);
        counters.add(Counter::FillShedSlots, 1);
        count_outcome(counters, &outcome);
        write_outcome(&mut ctx.reply, &outcome);
    }
    let held = grant.map(|grant| LeaseHeld { home: view.home(&key, 0), serial: grant.token.serial });
    drop(view);
    if let Some(held) = held {
        keep_lease(ctx, held);
    }
    Ok(())
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
    let mut known = ask_each(ctx, &keys, &asked);
    let granted: Vec<(usize, Grant)> = (known.iter().enumerate())
        .filter_map(|(at, outcome)| Some((at, outcome.as_ref()?.grant()?)))
        .collect();
    let waits = known.iter().any(Option::is_none);
    let has_slot = ctx.session.slots.open < ctx.settings.fill_slots_per_connection;
    if waits && granted.is_empty() && has_slot {
        park_all(ctx, &keys, known, &asked, order.into());
        return Ok(());
    }
    if waits && granted.is_empty() {
        ctx.counters().add(Counter::FillShedSlots, 1);
    }
    let wait = shed(ctx.settings.fill_wait_ms);
    for outcome in known.iter_mut().filter(|outcome| outcome.is_none()) {
        *outcome = Some(wait.clone());
    }
    known.iter().flatten().for_each(|outcome| count_outcome(ctx.counters(), outcome));
    ctx.reply.array(order.len());
    for place in order {
        if let Some(outcome) = &known[place as usize] {
            write_outcome(&mut ctx.reply, outcome);
        }
    }
    for (at, grant) in granted {
        let home = ctx.keys.view(&keys[at]).home(&keys[at], 0);
        keep_lease(ctx, LeaseHeld { home, serial: grant.token.serial });
    }
    Ok(())
}

/// Asks for each key; `None` where the caller would have to wait.
fn ask_each(ctx: &mut Ctx<'_>, keys: &[Key<'_>], asked: &FillAsk) -> Vec<Option<Outcome<Bytes>>> {
    let ask = |key: &Key<'_>| match ctx.keys.view(key).fill_ask(key, asked) {
        Asked::Answer(outcome) => Some(outcome.map(ValueRef::to_bytes)),
        Asked::WouldPark => None,
    };
    keys.iter().map(ask).collect()
}

fn park_all(
    ctx: &mut Ctx<'_>,
    keys: &[Key<'_>],
    known: Vec<Option<Outcome<Bytes>>>,
    asked: &FillAsk,
    order: Box<[u32]>,
) {
    let client = ctx.session.client.clone();
    let waiting: Vec<usize> = (0..keys.len()).filter(|at| known[*at].is_none()).collect();
    let homes = waiting.iter().map(|at| ctx.keys.view(&keys[*at]).home(&keys[*at], *at)).collect();
    let seq = ctx.session.slots.next_seq();
    let slot = ReplySlot::many(seq, homes, known, client.post_box.clone());
    client.post_box.open_slot(slot.clone());
    for at in waiting {
        let terms = WaitTerms { slot: slot.clone(), index: at, ask: asked.clone() };
        ctx.keys.view(&keys[at]).park(&keys[at], terms);
    }
    let tracked = tracked(ctx.session, keys);
    ctx.session.slots.parked = Some(Parked { slot, order: Some(order), tracked });
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
        let retry_ms = ctx.settings.fill_wait_ms.max(1) as i64;
        for slot in ctx.session.post_box().claim_all() {
            ctx.counters().add(Counter::FillYields, 1);
            let answer = slot.expire(retry_ms);
            ctx.keys.answer(slot, answer);
        }
    }
}

/// Whether the reply will be sent: a lease is granted only into one that its caller can read.
fn is_heard(ctx: &Ctx<'_>) -> bool {
    ctx.session.reply_mode == ReplyMode::On
}

fn shed(wait_ms: u64) -> Outcome<Bytes> {
    Outcome::Wait { retry_ms: wait_ms.max(1) as i64 }
}
