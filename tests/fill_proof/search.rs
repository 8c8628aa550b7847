//! Breadth-first search through every order of a scenario's events, with the shortest trace to a broken law.
//!
//! Worlds that differ in names alone are one state (`World::encode`); codes are kept whole, so no two states are
//! ever taken for one by accident of a hash.

use std::collections::HashMap;
use std::fmt::Write;

use super::alphabet::{Alphabet, KINDS};
use super::laws::{Case, LAWS, Law};
use super::step::{Event, step};
use super::world::{Rules, World};

/// A part of the contract to search through: bounds, events, and how far.
pub struct Scenario {
    pub name: &'static str,
    pub rules: Rules,
    pub alphabet: Alphabet,
    /// Steps from the start; the search ends sooner if nothing new comes.
    pub depth: usize,
}

/// What a search saw.
pub struct Seen {
    pub states: usize,
    pub steps: usize,
    pub depth: usize,
    /// Nothing new would come however far one went.
    pub is_closed: bool,
    /// Bit `b` of entry `a`: an event of kind `b` came right after one of kind `a`.
    pub pairs: Vec<u64>,
    pub broken: Option<Broken>,
}

/// A law that does not hold, and the shortest way there.
pub struct Broken {
    pub law: &'static Law,
    pub trace: String,
}

/// A state that was reached: from where, by what, and the kinds of events into and out of it.
struct Node {
    parent: u32,
    event: Option<Event>,
    into: u64,
    out: u64,
}

/// Searches until `depth` steps, or until one of the laws breaks: the one with this number, or any.
pub fn search(scenario: &Scenario, depth: usize, only: Option<u8>) -> Seen {
    let rules = &scenario.rules;
    let start = World::new(rules);
    let mut ids: HashMap<Box<[u8]>, u32> = HashMap::from([(start.encode(rules).into(), 0)]);
    let mut nodes = vec![Node { parent: 0, event: None, into: 0, out: 0 }];
    let mut frontier = vec![(0, start)];
    let (mut steps, mut reached) = (0, 0);
    while !frontier.is_empty() && reached < depth {
        reached += 1;
        let mut next = Vec::new();
        for (id, before) in &frontier {
            for event in scenario.alphabet.events(rules, before) {
                steps += 1;
                let (after, facts) = step(rules, before, &event);
                let case = Case { rules, before, event: &event, after: &after, facts: &facts };
                let broken =
                    LAWS.iter().find(|law| only.is_none_or(|n| n == law.number) && !(law.holds)(&case));
                if let Some(law) = broken {
                    let trace = tell(rules, &nodes, *id, &event);
                    let broken = Some(Broken { law, trace });
                    return seen(nodes, steps, reached, false, broken);
                }
                let kind = 1 << kind_of(&event);
                nodes[*id as usize].out |= kind;
                let new = nodes.len() as u32;
                let known = *ids.entry(after.encode(rules).into()).or_insert(new);
                if known == new {
                    nodes.push(Node { parent: *id, event: Some(event), into: kind, out: 0 });
                    next.push((new, after));
                } else {
                    nodes[known as usize].into |= kind;
                }
            }
        }
        frontier = next;
    }
    seen(nodes, steps, reached, frontier.is_empty(), None)
}

fn seen(nodes: Vec<Node>, steps: usize, depth: usize, is_closed: bool, broken: Option<Broken>) -> Seen {
    let mut pairs = vec![0; KINDS.len()];
    for node in &nodes {
        let before = (0..KINDS.len()).filter(|kind| node.into & 1 << kind != 0);
        before.for_each(|kind| pairs[kind] |= node.out);
    }
    Seen { states: nodes.len(), steps, depth, is_closed, pairs, broken }
}

fn kind_of(event: &Event) -> usize {
    KINDS.iter().position(|kind| *kind == event.kind()).expect("every kind is listed")
}

/// The way from the start to an event, step by step with what each answered.
fn tell(rules: &Rules, nodes: &[Node], mut id: u32, last: &Event) -> String {
    let mut events = vec![*last];
    while let Some(event) = nodes[id as usize].event {
        events.push(event);
        id = nodes[id as usize].parent;
    }
    let mut world = World::new(rules);
    let mut trace = String::new();
    for (number, event) in events.iter().rev().enumerate() {
        let (after, facts) = step(rules, &world, event);
        writeln!(trace, "{:3}. {event:?}", number + 1).expect("a string takes all");
        for (conn, _, reply) in &facts.left {
            writeln!(trace, "       connection {conn} reads {reply:?}").expect("a string takes all");
        }
        world = after;
    }
    write!(trace, "       leaves {world:?}").expect("a string takes all");
    trace
}
