//! Messages that nobody asked for in a request, on their way to a connection: what subscribers are sent.
//!
//! Plain data, cheap to clone: what is sent to many is shared. Knows no connection and no wire format.

use std::sync::Arc;

use bytes::Bytes;

/// What a publisher said, shared by everybody it is sent to.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub channel: Arc<[u8]>,
    pub payload: Bytes,
}

/// One message for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// To a subscriber of the channel.
    Message(Arc<Message>),
    /// To a subscriber of a shard channel.
    ShardMessage(Arc<Message>),
    /// To a subscriber of a pattern that the channel matches.
    PatternMessage { pattern: Arc<[u8]>, message: Arc<Message> },
}

impl Push {
    /// About how many bytes it takes on the wire: what limits on waiting messages go by.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let said = |message: &Message| message.channel.len() + message.payload.len() + 40;
        match self {
            Push::Message(message) | Push::ShardMessage(message) => said(message),
            Push::PatternMessage { pattern, message } => pattern.len() + said(message) + 16,
        }
    }
}
