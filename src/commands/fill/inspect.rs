//! FILL.INFO, FILL.LIST and FILL.TOP: the open flights and the hot keys, for operators.

use crate::base::int::parse_i64;
use crate::base::limits::SHARDS;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::fill::Saved;
use crate::keyspace::FlightInfo;
use crate::protocol::reply::Reply;

/// Flights that FILL.LIST shows without COUNT.
const LIST_COUNT: usize = 100;
/// Keys that FILL.TOP shows without COUNT.
const TOP_COUNT: usize = 10;

pub(super) fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let flight = ctx.keys.view(&key).fill_info(&key);
    match flight {
        Some(flight) => write_flight(ctx, &flight),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub(super) fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = count(args, LIST_COUNT)?;
    let mut flights = Vec::with_capacity(SHARDS);
    ctx.keys.each_shard(ctx.keys.db, |view| view.fill_list(&mut flights));
    flights.sort_by(|a, b| b.age_ms.cmp(&a.age_ms).then_with(|| a.key.cmp(&b.key)));
    flights.truncate(count);
    ctx.reply.array(flights.len());
    flights.iter().for_each(|flight| write_flight(ctx, flight));
    Ok(())
}

pub(super) fn top(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let count = count(args, TOP_COUNT)?;
    let mut saved = Vec::new();
    ctx.keys.each_shard(ctx.keys.db, |view| view.fill_top(&mut saved));
    saved.sort_by(|a, b| b.fills.cmp(&a.fills).then_with(|| a.key.cmp(&b.key)).then_with(|| a.db.cmp(&b.db)));
    saved.truncate(count);
    ctx.reply.array(saved.len());
    saved.iter().for_each(|key| write_saved(&mut ctx.reply, key));
    Ok(())
}

/// `[COUNT n]` up to the end of the request.
fn count(args: &mut Args<'_>, default: usize) -> Result<usize, CommandError> {
    let mut count = default;
    if args.skip("COUNT") {
        let number = parse_i64(args.take()?).ok_or(CommandError::NotAnInteger)?;
        let positive = usize::try_from(number).ok().filter(|count| *count > 0);
        count = positive.ok_or_else(|| CommandError::err("COUNT must be positive"))?;
    }
    args.finish()?;
    Ok(count)
}

fn write_saved(reply: &mut Reply<'_>, saved: &Saved) {
    reply.map(6);
    reply.bulk(b"key");
    reply.bulk(&saved.key);
    write_numbers(
        reply,
        &[
            ("database", saved.db as i64),
            ("saved", saved.fills as i64),
            ("overcount", saved.overcount as i64),
            ("crowds", saved.crowds as i64),
            ("largest-crowd", saved.largest as i64),
        ],
    );
}

fn write_flight(ctx: &mut Ctx<'_>, flight: &FlightInfo) {
    let leader = ctx.shared.clients.get(flight.leader);
    let name = leader.as_ref().map(|client| client.names().name).unwrap_or_default();
    let reply = &mut ctx.reply;
    reply.map(8);
    reply.bulk(b"key");
    reply.bulk(&flight.key);
    write_numbers(
        reply,
        &[
            ("database", flight.db as i64),
            ("age-ms", flight.age_ms as i64),
            ("lease-left-ms", flight.lease_left_ms as i64),
            ("waiters", flight.waiters as i64),
            ("leader-id", flight.leader as i64),
        ],
    );
    reply.bulk(b"leader-addr");
    reply.bulk(leader.as_ref().map_or("", |client| &client.addr).as_bytes());
    reply.bulk(b"leader-name");
    reply.bulk(&name);
}

fn write_numbers(reply: &mut Reply<'_>, fields: &[(&str, i64)]) {
    for (field, number) in fields {
        reply.bulk(field.as_bytes());
        reply.int(*number);
    }
}
