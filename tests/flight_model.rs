//! The state machine of one fill against a plain model: random events, every rule checked after each.
//!
//! The model is a list of waiters in order of arrival and the serial of the live lease; it knows nothing of
//! queues, claims or deadlines filed. Rules are those of docs/fill.md, sections 4 and 7.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use onefill::fill::flight::{Failed, Waiter, Waiting};
use onefill::fill::{Ask, Elected, Flight};
use proptest::prelude::*;

/// A parked request that remembers whether it was answered.
#[derive(Clone)]
struct Slot(Rc<SlotState>);

struct SlotState {
    id: usize,
    answers: Cell<u8>,
    is_deliverable: Cell<bool>,
    is_queued: Cell<bool>,
}

impl Waiting for Slot {
    fn is_open(&self) -> bool {
        self.0.answers.get() == 0
    }
    fn is_deliverable(&self) -> bool {
        self.0.is_deliverable.get()
    }
    fn claim(&self) -> bool {
        let is_first = self.0.answers.get() == 0;
        self.0.answers.set(1);
        is_first
    }
    fn leave(&self, _: usize) -> bool {
        self.0.is_queued.replace(false)
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// FILL.GET of a key without a value, with a WAIT.
    Get {
        wait_ms: u64,
        lease_ms: u64,
        deliverable: bool,
    },
    Put,
    Fail {
        retry_ms: Option<u64>,
    },
    Renew {
        lease_ms: u64,
    },
    Delete,
    LeaderGone,
    /// A waiter's connection closes, or its slot is answered because of another key.
    WaiterGone {
        nth: usize,
    },
    Pass {
        ms: u64,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1..400u64, 10..300u64, any::<bool>())
            .prop_map(|(wait_ms, lease_ms, deliverable)| Event::Get { wait_ms, lease_ms, deliverable }),
        1 => Just(Event::Put),
        2 => proptest::option::of(0..200u64).prop_map(|retry_ms| Event::Fail { retry_ms }),
        1 => (10..300u64).prop_map(|lease_ms| Event::Renew { lease_ms }),
        1 => Just(Event::Delete),
        1 => Just(Event::LeaderGone),
        2 => (0..8usize).prop_map(|nth| Event::WaiterGone { nth }),
        4 => (1..200u64).prop_map(|ms| Event::Pass { ms }),
    ];
    proptest::collection::vec(event, 1..60)
}

const CLIENT: u64 = 1;
const LATE_MS: u64 = 500;
const ORPHAN_MS: u64 = 50;

/// The flight under test and what the model knows.
struct World {
    flight: Flight<Slot>,
    now: u64,
    serial: u64,
    /// Parked and unanswered, oldest first: (slot, until).
    waiting: Vec<(Slot, u64)>,
    /// The serial last granted, until it is answered, voided or superseded.
    granted: Option<u64>,
    slots: Vec<Slot>,
}

impl World {
    fn new() -> World {
        let flight = Flight::new(1_000);
        World { flight, now: 1_000, serial: 0, waiting: Vec::new(), granted: None, slots: Vec::new() }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn ask(lease_ms: u64) -> Ask {
        Ask { client: CLIENT, lease_ms, nonce: None, detached: false }
    }

    /// Who must lead next: the oldest deliverable, else the oldest.
    fn heir(&self) -> Option<usize> {
        let deliverable = self.waiting.iter().find(|(slot, _)| slot.is_deliverable());
        deliverable.or(self.waiting.first()).map(|(slot, _)| slot.0.id)
    }

    fn check_election(&mut self, heir: Option<usize>, elected: Option<Elected<Slot>>) {
        assert_eq!(elected.as_ref().map(|elected| elected.waiter.slot.0.id), heir, "the wrong waiter leads");
        self.granted = elected.as_ref().map(|elected| elected.serial);
        if let Some(Elected { waiter, .. }) = elected {
            self.waiting.retain(|(slot, _)| slot.0.id != waiter.slot.0.id);
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Get { wait_ms, lease_ms, deliverable } => self.get(*wait_ms, *lease_ms, *deliverable),
            Event::Put if self.granted.is_some() => {
                let waiters = self.flight.fulfil();
                let told: Vec<usize> =
                    waiters.iter().filter(|w| w.slot.claim()).map(|w| w.slot.0.id).collect();
                let expected: Vec<usize> = self.waiting.drain(..).map(|(slot, _)| slot.0.id).collect();
                assert_eq!(told, expected, "everybody who waits is told, in order");
                self.granted = None;
            }
            Event::Fail { retry_ms } if self.granted.is_some() => self.fail(*retry_ms),
            Event::Renew { lease_ms } => {
                let serial = self.granted.unwrap_or(u64::MAX);
                let renewed = self.flight.renew(serial, Some(*lease_ms), self.now);
                assert_eq!(renewed, self.granted.map(|_| *lease_ms));
            }
            Event::Delete => {
                let (heir, serial) = (self.heir(), self.next_serial());
                let elected = self.flight.void(serial, self.now);
                self.check_election(heir, elected);
            }
            Event::LeaderGone => {
                let serial = self.granted.unwrap_or(u64::MAX);
                let before = self.flight.live_lease(self.now).map(|lease| lease.ends_at);
                self.flight.leader_gone(serial, CLIENT, ORPHAN_MS, self.now);
                let after = self.flight.live_lease(self.now).map(|lease| lease.ends_at);
                assert_eq!(after, before.map(|ends_at| ends_at.min(self.now + ORPHAN_MS)));
            }
            Event::WaiterGone { nth } if *nth < self.waiting.len() => {
                let (slot, _) = self.waiting.remove(*nth);
                assert!(slot.claim());
                self.flight.forget_one(&slot, 0);
            }
            Event::Pass { ms } => self.pass(*ms),
            _ => {}
        }
    }

    fn get(&mut self, wait_ms: u64, lease_ms: u64, deliverable: bool) {
        if self.flight.backoff(self.now).is_some() {
            return;
        }
        if self.flight.live_lease(self.now).is_none() {
            assert!(self.waiting.is_empty(), "somebody waits and nobody leads");
            let serial = self.next_serial();
            self.flight.grant(World::ask(lease_ms), serial, self.now);
            self.granted = Some(serial);
            return;
        }
        let (answers, queued) = (Cell::new(0), Cell::new(true));
        let state = SlotState {
            id: self.slots.len(),
            answers,
            is_deliverable: deliverable.into(),
            is_queued: queued,
        };
        let slot = Slot(Rc::new(state));
        let (ask, until) = (World::ask(lease_ms), self.now + wait_ms);
        let waiter = Waiter { slot: slot.clone(), index: 0, ask, parked_at: self.now, until, stale_ms: None };
        self.flight.park(waiter);
        self.slots.push(slot.clone());
        self.waiting.push((slot, until));
    }

    fn fail(&mut self, retry_ms: Option<u64>) {
        let (heir, serial) = (self.heir(), self.next_serial());
        match self.flight.fail(Bytes::new(), retry_ms, serial, self.now) {
            Failed::HandedOver(elected) => {
                assert_eq!(retry_ms, None);
                self.check_election(heir, elected);
            }
            Failed::Shared(waiters, backoff) => {
                assert!(retry_ms.is_none_or(|ms| backoff.until == self.now + ms));
                assert_eq!(self.flight.backoff(self.now).is_some(), backoff.until > self.now);
                let told = waiters.iter().filter(|waiter| waiter.slot.claim()).count();
                assert_eq!(told, self.waiting.len());
                self.waiting.clear();
                self.granted = None;
            }
        }
    }

    /// Time passes, stopping at each deadline as the sweeper does.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.flight.next_deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline was passed over");
            self.now = at;
            let had_ended = self.granted.is_some() && self.flight.live_lease(self.now).is_none();
            self.waiting
                .iter()
                .filter(|(_, until)| *until <= at)
                .for_each(|(slot, _)| assert!(slot.is_open()));
            let over: Vec<usize> =
                self.waiting.iter().filter(|(_, until)| *until <= at).map(|(slot, _)| slot.0.id).collect();
            self.waiting.retain(|(_, until)| *until > at);
            let (heir, serial) = (if had_ended { self.heir() } else { None }, self.next_serial());
            let ticked = self.flight.tick(serial, LATE_MS, at);
            let expired: Vec<usize> = ticked.expired.iter().map(|waiter| waiter.slot.0.id).collect();
            assert_eq!(expired, over, "exactly those whose WAIT ended");
            if heir.is_some() {
                self.check_election(heir, ticked.elected);
            } else {
                assert!(ticked.elected.is_none());
                self.granted = self.flight.lease().map(|lease| lease.serial);
            }
        }
        self.now = end;
    }

    fn check(&self) {
        for serial in 0..=self.serial {
            assert_eq!(
                self.flight.accepts(serial),
                Some(serial) == self.granted,
                "one token at most is good"
            );
        }
        assert_eq!(self.flight.waiters(), self.waiting.len());
        assert!(
            self.waiting.is_empty() || self.flight.live_lease(self.now).is_some(),
            "waiters need a leader"
        );
        let nothing_left = self.granted.is_none() && self.waiting.is_empty();
        assert!(!self.flight.is_over() || nothing_left, "forgotten too early");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn flight_follows_the_model_through_any_events(events in events()) {
        let mut world = World::new();
        for event in &events {
            world.apply(event);
            world.check();
        }
        // Whatever happened, time alone ends it: nobody waits for ever, nothing is remembered for ever.
        world.pass(10_000);
        world.check();
        prop_assert!(world.waiting.is_empty());
        prop_assert!(world.flight.is_over());
        prop_assert!(world.slots.iter().all(|slot| slot.0.answers.get() == 1));
    }
}
