//! The limits of one connection: how much it may have waiting before it is ended, and why it ends.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::limits::UNAUTHENTICATED_REPLY_BYTES_MAX;
use crate::base::metrics::{Counter, Counters};
use crate::clients::Client;
use crate::config::{ClientClass, Settings};
use crate::dispatch::operator::{Note, Operator};
use crate::dispatch::session::{Session, Transaction};

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    Client,
    Closed,
    Killed,
    QueryLimit,
    OutputLimit,
    /// All clients together held too much, and it the most.
    Evicted,
    Socket(io::Error),
}

/// What waits on a connection.
pub(super) struct Load {
    /// Bytes of a request that is not whole yet.
    pub query_bytes: usize,
    /// Bytes of replies that are not with the socket yet.
    pub reply_bytes: u64,
    /// The socket takes no more.
    pub is_backlogged: bool,
    /// More messages waited for it than it may have.
    pub is_overrun: bool,
}

/// Whether a connection with such a load may go on; publishes what others may see of it.
pub(super) fn check(
    load: &Load,
    session: &Session,
    settings: &Settings,
    counters: &Counters,
    operator: &Operator,
    now_ms: u64,
) -> Result<(), End> {
    let client = &session.client;
    let queued = session.transaction.as_ref().map_or(0, Transaction::held_bytes);
    let query_bytes = load.query_bytes + queued;
    if query_bytes > settings.query_buffer_bytes_max {
        counters.add(Counter::QueryLimitDisconnects, 1);
        if let Some(left_out) = operator.may_note(Note::QueryLimit, now_ms) {
            tracing::warn!(client = client.id, query_bytes, left_out, "closed: query buffer limit reached");
        }
        return Err(End::QueryLimit);
    }
    let limit = &settings.output_limits[class_of(client) as usize];
    let reply_bytes = load.reply_bytes;
    if load.is_overrun || (limit.hard_bytes > 0 && reply_bytes > limit.hard_bytes) {
        counters.add(Counter::OutputLimitDisconnects, 1);
        if let Some(left_out) = operator.may_note(Note::OutputLimit, now_ms) {
            tracing::warn!(client = client.id, reply_bytes, left_out, "closed: output buffer limit reached");
        }
        return Err(End::OutputLimit);
    }
    let is_much = load.is_backlogged && reply_bytes > UNAUTHENTICATED_REPLY_BYTES_MAX;
    if is_much && !session.identity.is_admitted() {
        counters.add(Counter::OutputLimitDisconnects, 1);
        if let Some(left_out) = operator.may_note(Note::Stranger, now_ms) {
            tracing::warn!(
                client = client.id,
                left_out,
                "closed: neither authenticates nor reads its replies"
            );
        }
        return Err(End::OutputLimit);
    }
    let since = &client.seen.soft_limit_since;
    if limit.soft_bytes == 0 || reply_bytes <= limit.soft_bytes {
        since.store(0, Relaxed);
    } else if since.load(Relaxed) == 0 {
        since.store(now_ms, Relaxed);
    }
    Ok(())
}

/// From how many bytes on a reply is cut off while it is written, since its connection ends right after: the hard limit
/// of its class, and what all clients together may hold.
pub(super) fn reply_bytes_max(client: &Client, settings: &Settings) -> usize {
    let hard = settings.output_limits[class_of(client) as usize].hard_bytes;
    let own = if hard == 0 { u64::MAX } else { hard };
    let is_exempt = client.seen.no_evict.load(Relaxed);
    let all = settings.client_bytes_max().filter(|_| !is_exempt).unwrap_or(u64::MAX);
    usize::try_from(own.min(all)).unwrap_or(usize::MAX)
}

/// The class whose output limits hold for a client. A connection that monitors gets much that it did not ask for, as
/// a subscriber does.
pub(super) fn class_of(client: &Client) -> ClientClass {
    if client.seen.is_monitor.load(Relaxed) || client.is_subscriber() {
        ClientClass::Pubsub
    } else {
        ClientClass::Normal
    }
}
