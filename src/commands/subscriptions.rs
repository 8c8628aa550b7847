//! What a connection subscribes to, and how the messages to it are written.
//!
//! Part of the session, so that a message which comes after its UNSUBSCRIBE is recognised and dropped.
//! Knows nothing of who else subscribes: that is `crate::pubsub`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hashbrown::HashSet;

use super::error::CommandError;
use super::session::Session;
use super::spec::Spec;
use super::table::Row;
use crate::base::limits::PUSH_SHARED_BYTES_MIN;
use crate::base::push::{Message, Push};
use crate::clients::Seen;
use crate::protocol::reply::{Output, Proto, Reply};

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    ShardChannel,
}

/// The subscriptions of one connection.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: HashSet<Arc<[u8]>>,
    patterns: HashSet<Arc<[u8]>>,
    shard_channels: HashSet<Arc<[u8]>>,
    /// What is sent even where CLIENT REPLY silences the command.
    loud: Output,
}

impl Subscriptions {
    /// The names of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &HashSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::ShardChannel => &self.shard_channels,
        }
    }

    /// The names of one kind, to change.
    pub fn of_mut(&mut self, kind: Kind) -> &mut HashSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::ShardChannel => &mut self.shard_channels,
        }
    }

    /// The count that a confirmation shows: shard channels are counted for themselves.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::ShardChannel => self.shard_channels.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }

    /// Publishes the counts for CLIENT LIST.
    pub fn publish(&self, seen: &Seen) {
        seen.channels.store(self.channels.len(), Relaxed);
        seen.patterns.store(self.patterns.len(), Relaxed);
        seen.shard_channels.store(self.shard_channels.len(), Relaxed);
    }

    /// Where something is written that CLIENT REPLY OFF and SKIP do not silence.
    pub fn loud(&mut self) -> &mut Output {
        &mut self.loud
    }

    /// Moves what is not to be silenced behind the replies.
    #[inline]
    pub fn speak(&mut self, out: &mut Output) {
        if !self.loud.is_empty() {
            out.append(&mut self.loud);
        }
    }
}

impl Session {
    /// Whether a message is still wanted: it may have been on its way when its subscription ended.
    #[must_use]
    pub fn wants(&self, push: &Push) -> bool {
        let Subscriptions { channels, patterns, shard_channels, .. } = &self.subscriptions;
        let is_resp3 = self.proto == Proto::Resp3;
        match push {
            Push::Message(message) => channels.contains(&message.channel),
            Push::ShardMessage(message) => shard_channels.contains(&message.channel),
            Push::PatternMessage { pattern, .. } => patterns.contains(pattern),
            Push::Invalidate { is_redirected: false, .. } => is_resp3 && self.tracking.is_some(),
            Push::Invalidate { is_redirected: true, .. } => is_resp3 || !self.subscriptions.is_empty(),
            Push::RedirectBroken(_) => is_resp3,
        }
    }

    /// Whether the connection is in RESP2's subscribed state, in which it may run a few commands only.
    #[inline]
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.proto == Proto::Resp2 && !self.subscriptions.is_empty()
    }
}

impl Spec {
    /// Commands of RESP2's subscribed state.
    #[must_use]
    pub fn runs_while_listening(&self) -> bool {
        matches!(
            self.name,
            "ping"
                | "subscribe"
                | "ssubscribe"
                | "psubscribe"
                | "unsubscribe"
                | "sunsubscribe"
                | "punsubscribe"
                | "quit"
                | "reset"
        )
    }
}

/// The error of any other command in that state.
#[must_use]
pub fn refuse(row: &Row) -> CommandError {
    CommandError::err(format!(
        "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context",
        row.full_name
    ))
}

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

/// In RESP2 it is told as a message on a channel of its own, to whoever subscribes to anything.
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
