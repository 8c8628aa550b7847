//! What a worker lends to each batch of requests, and to what follows them: a place to work with everything at hand.

use std::rc::Rc;

use super::ctx::Handlers;
use super::live::Current;
use super::session::Leaving;
use super::shared::Shared;
use super::station::Station;
use crate::base::clock::Now;
use crate::base::metrics::Counters;
use crate::figures::calls::Meter;
use crate::keyspace::{Effects, Keys, Scope};
use crate::pubsub::Delivery;

/// The place at which a worker works.
pub struct Bench<'a> {
    pub shared: &'a Shared,
    pub handlers: &'static Handlers,
    /// The worker's place; a bench without one runs no scripts.
    pub station: Option<&'a Rc<Station>>,
    /// The settings and what follows from them.
    pub current: &'a mut Current,
    pub counters: &'a Counters,
    pub now: Now,
    pub effects: &'a mut Effects,
    /// Messages to send once the locks are released, in order.
    pub deliveries: Vec<Delivery>,
    /// What a connection that ended leaves in flights.
    pub leaving: Vec<Leaving>,
    pub meter: &'a mut Meter,
}

impl Bench<'_> {
    /// Takes over settings that were changed since, by whichever connection.
    #[inline]
    pub fn refresh_settings(&mut self) {
        if self.current.refresh(&self.shared.settings) {
            self.meter.apply(&self.current.settings);
        }
    }

    /// The keyspace, for work that is not a client's request.
    pub fn keys(&mut self) -> Keys<'_> {
        let rules = &self.current.rules;
        let scope = Scope { now: self.now, rules, counters: self.counters, by: 0, touches: false };
        Keys::new(&self.shared.keyspace, 0, scope, self.effects)
    }
}
