//! Messages that nobody asked for in a request, on their way to a connection: what subscribers and those who
//! keep a cache are sent.
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
    /// What may have been cached of these keys (`None`: of all) is out of date.
    Invalidate {
        keys: Option<Arc<[Box<[u8]>]>>,
        /// For the cache of another connection, which asked to be told here.
        is_redirected: bool,
    },
    /// The client that was to be told in this one's place is gone.
    RedirectBroken(u64),
}

impl Push {
    /// About how many bytes it takes on the wire: what limits on waiting messages go by.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let said = |message: &Message| message.channel.len() + message.payload.len() + 40;
        match self {
            Push::Message(message) | Push::ShardMessage(message) => said(message),
            Push::PatternMessage { pattern, message } => pattern.len() + said(message) + 16,
            Push::Invalidate { keys, .. } => {
                40 + keys.iter().flat_map(|keys| keys.iter()).map(|key| key.len() + 12).sum::<usize>()
            }
            Push::RedirectBroken(_) => 48,
        }
    }
}
