//! Keyspace events become messages on `__keyspace@<db>__:<key>` and `__keyevent@<db>__:<event>`.
//!
//! They are published in the order in which they happened, and before whatever the next request publishes
//! or subscribes to.

use super::bench::Bench;
use super::ctx::Ctx;
use super::shared::Shared;
use crate::base::events::{Classes, Event};
use crate::pubsub::Delivery;

impl Bench<'_> {
    /// Publishes the events noted so far.
    pub fn publish_events(&mut self) {
        publish(self.shared, self.current.rules.events, &mut self.effects.events, &mut self.deliveries);
    }
}

impl Ctx<'_> {
    /// Publishes the events noted so far: for commands that publish or subscribe themselves.
    pub fn publish_events(&mut self) {
        let classes = self.keys.scope.rules.events;
        publish(self.shared, classes, &mut self.keys.effects.events, self.deliveries);
    }
}

fn publish(shared: &Shared, classes: Classes, events: &mut Vec<Event>, into: &mut Vec<Delivery>) {
    if events.is_empty() {
        return;
    }
    let mut channel = Vec::new();
    for Event { db, name, key } in events.drain(..) {
        if classes.has(Classes::KEYSPACE) {
            channel.clear();
            channel.extend_from_slice(format!("__keyspace@{db}__:").as_bytes());
            channel.extend_from_slice(&key);
            shared.pubsub.publish(&channel, name.as_bytes(), into);
        }
        if classes.has(Classes::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{name}");
            shared.pubsub.publish(channel.as_bytes(), &key, into);
        }
    }
}
