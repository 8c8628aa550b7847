//! How messages are written that come of themselves: those of channels, and invalidations of cached keys.

use crate::base::limits::PUSH_SHARED_BYTES_MIN;
use crate::base::push::{Message, Push};
use crate::protocol::reply::{Proto, Reply};

/// Writes a message. Large payloads stay shared with everybody else who gets them.
pub fn write_push(reply: &mut Reply<'_>, push: &Push) {
    match push {
        Push::Message(message) => write_message(reply, b"message", None, message),
        Push::ShardMessage(message) => write_message(reply, b"smessage", None, message),
        Push::PatternMessage { pattern, message } => {
            write_message(reply, b"pmessage", Some(pattern), message);
        }
        Push::Invalidate { keys, .. } => write_invalidation(reply, keys.as_deref()),
        Push::RedirectBroken(client) => {
            reply.push(2);
            reply.bulk(b"tracking-redir-broken");
            reply.int(*client as i64);
        }
    }
}

/// In RESP2 it is told as a message on a channel of its own, to a connection that subscribes to anything.
fn write_invalidation(reply: &mut Reply<'_>, keys: Option<&[Box<[u8]>]>) {
    if reply.proto == Proto::Resp3 {
        reply.push(2);
        reply.bulk(b"invalidate");
    } else {
        reply.push(3);
        reply.bulk(b"message");
        reply.bulk(b"__redis__:invalidate");
    }
    match keys {
        Some(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        None => reply.null(),
    }
}

fn write_message(reply: &mut Reply<'_>, kind: &[u8], pattern: Option<&[u8]>, message: &Message) {
    reply.push(if pattern.is_some() { 4 } else { 3 });
    reply.bulk(kind);
    if let Some(pattern) = pattern {
        reply.bulk(pattern);
    }
    reply.bulk(&message.channel);
    if message.payload.len() < PUSH_SHARED_BYTES_MIN {
        reply.bulk(&message.payload);
    } else {
        reply.bulk_shared(message.payload.clone());
    }
}
