//! L2: publish/subscribe: who subscribes to which channel and pattern, and what a message leads to.
//!
//! Knows subscribers by their post boxes; no socket, no key, no reply format. Publishing only takes a
//! snapshot of the crowd: a `Delivery` sends to it later, without a lock and in portions.
//! Invariant: deliveries of one publisher are carried out in their order, so its messages arrive in order.

mod channels;
mod names;
mod subscriber;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::RwLock;

pub use channels::Channels;
pub use names::Crowd;
pub use subscriber::Subscriber;

use crate::base::gauge::Gauge;
use crate::base::glob;
use crate::base::lent::Lending;
use crate::base::memory::arc_bytes;
use crate::base::push::{Message, Push};
use names::Names;

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub struct PubSub {
    pub channels: Channels,
    pub shard_channels: Channels,
    patterns: RwLock<Names>,
    pattern_count: AtomicUsize,
    /// What patterns and their crowds take.
    patterns_held: Gauge,
    /// Messages on their way.
    messages: Lending,
}

/// One message on its way to a crowd.
#[derive(Debug)]
pub struct Delivery {
    push: Push,
    crowd: Crowd,
    /// Members of the crowd that were sent to.
    sent: usize,
}

impl PubSub {
    /// Patterns that somebody subscribes to, each counted once.
    #[must_use]
    pub fn pattern_count(&self) -> usize {
        self.pattern_count.load(Relaxed)
    }

    /// Bytes that subscriptions and the messages on their way take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let channels = self.channels.held_bytes() + self.shard_channels.held_bytes();
        channels + self.patterns_held.bytes() + self.messages.bytes()
    }

    /// Subscribes to a pattern; nothing happens if the subscriber has it already. Returns its shared text.
    pub fn add_pattern(&self, pattern: &[u8], subscriber: Subscriber) -> Arc<[u8]> {
        let mut patterns = self.patterns.write();
        let (shared, _) = patterns.add(pattern, subscriber, &self.patterns_held);
        self.pattern_count.store(patterns.len(), Relaxed);
        shared
    }

    /// Ends a subscription to a pattern.
    pub fn remove_pattern(&self, pattern: &[u8], client: u64) {
        let mut patterns = self.patterns.write();
        patterns.remove(pattern, client, &self.patterns_held);
        self.pattern_count.store(patterns.len(), Relaxed);
    }

    /// PUBLISH: adds what is to be delivered to `into`, and returns how many will receive the message.
    /// Cost: one look-up, and a glob match for each pattern; the payload is copied once, if anybody gets it.
    pub fn publish(&self, channel: &[u8], payload: &[u8], into: &mut Vec<Delivery>) -> usize {
        let begin = into.len();
        let mut message = None;
        let mut said = |name: Arc<[u8]>| message.get_or_insert_with(|| self.message(name, payload)).clone();
        if let Some((name, crowd)) = self.channels.crowd(channel) {
            into.push(Delivery { push: Push::Message(said(name)), crowd, sent: 0 });
        }
        if self.pattern_count() > 0 {
            for (pattern, crowd) in self.patterns.read().iter() {
                if glob::matches(pattern, channel, false) {
                    let message = said(Arc::from(channel));
                    let push = Push::PatternMessage { pattern: pattern.clone(), message };
                    into.push(Delivery { push, crowd: crowd.clone(), sent: 0 });
                }
            }
        }
        into[begin..].iter().map(Delivery::left).sum()
    }

    /// SPUBLISH: as `publish`, for shard channels, which no pattern matches.
    pub fn publish_to_shard(&self, channel: &[u8], payload: &[u8], into: &mut Vec<Delivery>) -> usize {
        let Some((channel, crowd)) = self.shard_channels.crowd(channel) else { return 0 };
        let message = self.message(channel, payload);
        let delivery = Delivery { push: Push::ShardMessage(message), crowd, sent: 0 };
        let receivers = delivery.left();
        into.push(delivery);
        receivers
    }

    fn message(&self, channel: Arc<[u8]>, payload: &[u8]) -> Arc<Message> {
        let payload = self.messages.copy(payload, arc_bytes(size_of::<Message>()));
        Arc::new(Message { channel, payload })
    }
}

impl Delivery {
    /// A message for a crowd that somebody else knows.
    #[must_use]
    pub fn new(push: Push, crowd: Vec<Subscriber>) -> Delivery {
        Delivery { push, crowd: Arc::new(crowd), sent: 0 }
    }

    /// Receivers that were not sent to yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.crowd.len() - self.sent
    }

    /// Sends to at most `most` more of the crowd, each of which may have `bytes_max` bytes of unread messages
    /// (0: any number; subscribers' messages alone are limited). Returns how many were sent to.
    pub fn send(&mut self, most: usize, bytes_max: usize) -> usize {
        let count = self.left().min(most);
        let is_limited = !matches!(self.push, Push::Invalidate { .. } | Push::RedirectBroken(_));
        let bytes_max = if is_limited { bytes_max } else { 0 };
        for subscriber in &self.crowd[self.sent..self.sent + count] {
            subscriber.post_box.push(self.push.clone(), bytes_max);
        }
        self.sent += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parking::Letter;

    fn subscriber(client: u64) -> Subscriber {
        Subscriber { client, post_box: Arc::default() }
    }

    fn received(subscriber: &Subscriber) -> Vec<Push> {
        let push = |letter| match letter {
            Letter::Push(push) => push,
            other => panic!("{other:?}"),
        };
        subscriber.post_box.take_letters().into_iter().map(push).collect()
    }

    #[test]
    fn subscriber_of_channel_and_pattern_gets_the_message_twice_and_shares_its_payload() {
        let (pubsub, ann) = (PubSub::default(), subscriber(1));
        pubsub.channels.add(b"news.a", ann.clone());
        pubsub.add_pattern(b"news.*", ann.clone());
        pubsub.add_pattern(b"sport.*", ann.clone());
        let mut deliveries = Vec::new();
        assert_eq!(pubsub.publish(b"news.a", b"hi", &mut deliveries), 2);
        assert_eq!(pubsub.publish_to_shard(b"news.a", b"hi", &mut deliveries), 0);
        let sent: usize = deliveries.iter_mut().map(|delivery| delivery.send(9, 0)).sum();
        assert_eq!(sent, 2);
        let [Push::Message(one), Push::PatternMessage { message: two, .. }] = &received(&ann)[..] else {
            panic!("a message and a pattern's message");
        };
        assert!(Arc::ptr_eq(one, two));
    }

    #[test]
    fn crowd_is_sent_to_in_portions() {
        let pubsub = PubSub::default();
        let crowd: Vec<Subscriber> = (0..10).map(subscriber).collect();
        crowd.iter().for_each(|one| drop(pubsub.channels.add(b"c", one.clone())));
        let mut deliveries = Vec::new();
        pubsub.publish(b"c", b"x", &mut deliveries);
        assert_eq!((deliveries[0].send(4, 0), deliveries[0].left()), (4, 6));
        assert_eq!((deliveries[0].send(9, 0), deliveries[0].left()), (6, 0));
        assert!(crowd.iter().all(|one| received(one).len() == 1));
    }

    #[test]
    fn pattern_is_forgotten_with_its_last_subscriber() {
        let pubsub = PubSub::default();
        pubsub.add_pattern(b"a*", subscriber(1));
        pubsub.add_pattern(b"a*", subscriber(2));
        assert_eq!(pubsub.pattern_count(), 1);
        pubsub.remove_pattern(b"a*", 1);
        pubsub.remove_pattern(b"a*", 1);
        assert_eq!(pubsub.publish(b"abc", b"x", &mut Vec::new()), 1);
        pubsub.remove_pattern(b"a*", 2);
        assert_eq!((pubsub.pattern_count(), pubsub.publish(b"abc", b"x", &mut Vec::new())), (0, 0));
    }
}
