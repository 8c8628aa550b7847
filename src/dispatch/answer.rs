//! How fills are answered on the wire, at once or in the place of a request that was parked, and those who waited for keys.
//!
//! A parked request's connection writes its reply long after its handler returned, so this belongs to no
//! handler.

use bytes::Bytes;

use super::error::WRONG_TYPE;
use super::value::write_value;
use crate::base::limits::SHARED_VALUE_BYTES_MIN;
use crate::parking::{Answer, Outcome, Popped};
use crate::protocol::reply::{Proto, Reply};
use crate::storage::ValueRef;

const UNBLOCKED: &[u8] = b"UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// Writes the reply of a request that was parked; `order` as in `Parked`.
pub fn write_answer(reply: &mut Reply<'_>, answer: &Answer, order: Option<&[u32]>) {
    match (answer, order) {
        (Answer::Unblocked, _) => reply.error(UNBLOCKED),
        (Answer::Popped(popped), _) => write_popped(reply, popped),
        (Answer::Moved(element), _) => element.write(reply),
        (Answer::WrongType, _) => reply.error(WRONG_TYPE),
        (Answer::Nothing, _) => reply.null_array(),
        (Answer::Gone, _) => {}
        (Answer::Denied(line), _) => reply.error(line),
        (Answer::One(outcome), _) => write_outcome(reply, outcome),
        (Answer::Many(outcomes), order) => {
            let order = order.unwrap_or_default();
            reply.array(order.len());
            for place in order {
                write_outcome(reply, &outcomes[*place as usize]);
            }
        }
    }
}

/// The error in an answer, if it is one: as on the wire, without the `-`.
#[must_use]
pub fn error_of(answer: &Answer) -> Option<&[u8]> {
    match answer {
        Answer::Unblocked => Some(UNBLOCKED),
        Answer::WrongType => Some(WRONG_TYPE),
        Answer::Denied(line) => Some(line),
        Answer::One(_) | Answer::Many(_) | Answer::Popped(_) | Answer::Moved(_) => None,
        Answer::Nothing | Answer::Gone => None,
    }
}

/// Writes what was taken out of a key: the key, and an element or an array of them.
pub fn write_popped(reply: &mut Reply<'_>, popped: &Popped) {
    reply.array(2);
    reply.bulk(&popped.key);
    if popped.are_several {
        reply.array(popped.elements.len());
    }
    popped.elements.iter().for_each(|element| element.write(reply));
}

/// Writes `[status, value, token, ms]`, or the error of a key that holds another type.
pub fn write_outcome<V: Value>(reply: &mut Reply<'_>, outcome: &Outcome<V>) {
    if let Outcome::Hit { value, ttl_ms } = outcome {
        return write_hit(reply, value, *ttl_ms);
    }
    let (status, value, grant, ms) = match outcome {
        Outcome::Hit { value, ttl_ms } => ("HIT", Some(value), None, *ttl_ms),
        Outcome::Lead(grant) => ("LEAD", None, Some(grant), grant.lease_ms as i64),
        Outcome::Refresh { value, grant } => ("REFRESH", Some(value), Some(grant), grant.lease_ms as i64),
        Outcome::Stale { value, past_ms } => ("STALE", Some(value), None, *past_ms),
        Outcome::None { ttl_ms } => ("NONE", None, None, *ttl_ms),
        Outcome::Fail { message, retry_ms } => {
            reply.array(4);
            reply.simple("FAIL");
            reply.bulk(message);
            reply.null();
            reply.int(*retry_ms);
            return;
        }
        Outcome::Pass { ttl_ms } => ("PASS", None, None, *ttl_ms),
        Outcome::Wait { retry_ms } => ("WAIT", None, None, *retry_ms),
        Outcome::Leading { left_ms } => ("SELF", None, None, *left_ms),
        Outcome::WrongType => return reply.error(WRONG_TYPE),
    };
    reply.array(4);
    reply.simple(status);
    match value {
        Some(value) => value.write(reply),
        None => reply.null(),
    }
    match grant {
        Some(grant) => reply.bulk(grant.token.to_string().as_bytes()),
        None => reply.null(),
    }
    reply.int(ms);
}

/// HIT, what almost every caller gets: in as few pieces as it takes.
#[inline]
pub fn write_hit<V: Value>(reply: &mut Reply<'_>, value: &V, ttl_ms: i64) {
    reply.out.extend(b"*4\r\n+HIT\r\n");
    value.write(reply);
    match (ttl_ms, reply.proto) {
        (-1, Proto::Resp2) => reply.out.extend(b"$-1\r\n:-1\r\n"),
        (-1, Proto::Resp3) => reply.out.extend(b"_\r\n:-1\r\n"),
        _ => {
            reply.null();
            reply.int(ttl_ms);
        }
    }
}

/// A value that can be written into a reply.
pub trait Value {
    fn write(&self, reply: &mut Reply<'_>);
}

impl Value for ValueRef<'_> {
    fn write(&self, reply: &mut Reply<'_>) {
        write_value(reply, *self);
    }
}

impl Value for Bytes {
    fn write(&self, reply: &mut Reply<'_>) {
        // Small values are cheaper to copy than to splice in.
        if self.len() < SHARED_VALUE_BYTES_MIN { reply.bulk(self) } else { reply.bulk_shared(self.clone()) }
    }
}
