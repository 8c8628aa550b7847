//! Who waits for the keys of one database in one shard: a line for each key and each type that is waited for, found by the
//! key's hash.
//!
//! Knows no entry. Invariants: no line is empty when a lock is released; `targets` has the target of everybody in its line,
//! perhaps also of some who left.

use std::sync::Arc;

use hashbrown::{HashSet, HashTable};

use crate::base::gauge::Gauge;
use crate::base::hash::Key;
use crate::base::memory::{arc_bytes, class_bytes};
use crate::keyspace::collection::End;
use crate::parking::{Queue, ReplySlot, queue};
use crate::storage::packed::Type;

/// What a waiter wants of the first of its keys that has something for it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whose request it is.
    pub client: u64,
    pub how: How,
}

/// What is done for a waiter.
#[derive(Clone, Debug)]
pub enum How {
    /// Elements are taken off an end of a list: at most `count`, or one that is answered as such.
    Pop { end: End, count: Option<usize> },
    /// An element goes to another list.
    Move(Arc<Target>),
}

/// Where an element goes.
#[derive(Debug)]
pub struct Target {
    pub key: Arc<[u8]>,
    pub hash: u64,
    pub from: End,
    pub to: End,
}

impl Wish {
    /// The type of keys that it waits for.
    #[must_use]
    pub fn of_type(&self) -> Type {
        match self.how {
            How::Pop { .. } | How::Move(_) => Type::List,
        }
    }

    fn target(&self) -> Option<&Target> {
        match &self.how {
            How::Move(target) => Some(target),
            How::Pop { .. } => None,
        }
    }
}

/// A waiter in a line.
pub type Waiter = queue::Waiter<Arc<ReplySlot>, Wish>;

/// Bytes of a waiter's place in a line.
pub const WAITER_BYTES: usize = size_of::<Waiter>();

/// Those who wait for a key to hold something of a type.
#[derive(Debug)]
pub(in crate::keyspace) struct Line {
    key: Arc<[u8]>,
    hash: u64,
    of_type: Type,
    waiters: Queue<Arc<ReplySlot>, Wish>,
    /// The hashes of the keys to which their elements are to go.
    targets: HashSet<u64>,
    /// How many waiters there were at most since the targets were collected.
    collected_of: usize,
    counted_bytes: usize,
}

impl Line {
    fn is_of(&self, key: &Key<'_>, of_type: Type) -> bool {
        self.of_type == of_type && self.hash == key.hash && *self.key == *key.bytes
    }

    fn park(&mut self, waiter: Waiter) {
        self.targets.extend(waiter.ask.target().map(|target| target.hash));
        self.waiters.park(waiter);
        self.collected_of = self.collected_of.max(self.waiters.len());
    }

    /// Some have left. Cost: a constant for each in the long run.
    fn left(&mut self) {
        if self.waiters.len() * 2 < self.collected_of {
            self.targets = self.waiters.iter().filter_map(|waiter| Some(waiter.ask.target()?.hash)).collect();
            self.collected_of = self.waiters.len();
        }
    }

    fn held_bytes(&self) -> usize {
        class_bytes(size_of::<Line>())
            + arc_bytes(self.key.len())
            + self.waiters.held_bytes()
            + class_bytes(self.targets.allocation_size())
    }
}

/// The lines of a database in a shard.
#[derive(Debug)]
pub struct Waits {
    lines: HashTable<Box<Line>>,
    /// Waiters in them that are still to be answered.
    waiting: usize,
    counted_bytes: usize,
    held: Gauge,
}

impl Waits {
    /// None, whose bytes will be counted in `held`.
    #[must_use]
    pub fn new(held: &Gauge) -> Waits {
        Waits { lines: HashTable::new(), waiting: 0, counted_bytes: 0, held: held.clone() }
    }

    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Places in lines whose waiters are still to be answered, about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The name of a key for which somebody waits.
    #[must_use]
    pub fn name(&self, key: &Key<'_>) -> Option<&Arc<[u8]>> {
        let found = self.lines.find(key.hash, |line| line.hash == key.hash && *line.key == *key.bytes);
        found.map(|line| &line.key)
    }

    /// The names of the keys for which somebody waits, and their hashes.
    pub fn names(&self) -> impl Iterator<Item = (&Arc<[u8]>, u64)> {
        self.lines.iter().map(|line| (&line.key, line.hash))
    }

    /// Where elements of the keys with this hash are to go, by the hashes of the targets.
    pub fn targets(&self, hash: u64) -> impl Iterator<Item = &HashSet<u64>> {
        self.lines.iter_hash(hash).filter(move |line| line.hash == hash).map(|line| &line.targets)
    }

    /// Puts a waiter behind those who wait for this key already.
    pub fn park(&mut self, name: &Arc<[u8]>, hash: u64, waiter: Waiter) {
        let (key, of_type) = (Key { bytes: name, hash }, waiter.ask.of_type());
        if self.lines.find(hash, |line| line.is_of(&key, of_type)).is_none() {
            let (waiters, targets) = (Queue::default(), HashSet::new());
            let line = Line {
                key: name.clone(),
                hash,
                of_type,
                waiters,
                targets,
                collected_of: 0,
                counted_bytes: 0,
            };
            self.lines.insert_unique(hash, Box::new(line), |line| line.hash);
        }
        self.change(hash, |line| line.is_of(&key, of_type), |line| line.park(waiter));
    }

    /// The oldest waiter of a key that is still to be answered.
    pub fn first(&mut self, key: &Key<'_>, of_type: Type) -> Option<&Waiter> {
        let is_it = |line: &Line| line.is_of(key, of_type);
        self.change(key.hash, is_it, |line| line.waiters.first().is_some())?;
        self.lines.find_mut(key.hash, |line| is_it(line))?.waiters.first()
    }

    /// A waiter was answered elsewhere or its connection is gone.
    pub fn forget(&mut self, key: &Key<'_>, slot: &Arc<ReplySlot>, index: u32) {
        let is_its = |line: &Line| line.of_type as u8 == slot.queue() && *line.key == *key.bytes;
        self.change(key.hash, is_its, |line| line.waiters.forget_one(slot, index));
    }

    /// Changes a line, and drops it where nobody is left in it.
    fn change<T>(
        &mut self,
        hash: u64,
        is_it: impl Fn(&Line) -> bool,
        change: impl FnOnce(&mut Line) -> T,
    ) -> Option<T> {
        let mut entry = self.lines.find_entry(hash, |line| is_it(line)).ok()?;
        let line = entry.get_mut();
        let (waiting, counted) = (line.waiters.open(), line.counted_bytes);
        let result = change(line);
        line.left();
        self.waiting = self.waiting + line.waiters.open() - waiting;
        line.counted_bytes = line.held_bytes();
        let mut held = line.counted_bytes;
        if line.waiters.is_empty() {
            held = 0;
            entry.remove();
            // What a crowd needed once is given back.
            if self.lines.capacity() > 64 && self.lines.len() <= self.lines.capacity() / 8 {
                self.lines.shrink_to(self.lines.len() * 2, |line| line.hash);
            }
        }
        self.held.change(counted, held);
        self.note_table();
        Some(result)
    }

    fn note_table(&mut self) {
        let bytes = class_bytes(self.lines.allocation_size());
        self.held.change(std::mem::replace(&mut self.counted_bytes, bytes), bytes);
    }

    /// Takes the lines of some keys out.
    pub fn split_off(&mut self, which: impl Fn(u64) -> bool) -> Waits {
        let mut split = Waits::new(&self.held);
        let lines: Vec<_> = self.lines.extract_if(|line| which(line.hash)).collect();
        for line in lines {
            self.waiting -= line.waiters.open();
            split.add(line);
        }
        self.note_table();
        split
    }

    /// Takes in the lines of keys for which nobody waits here.
    pub fn join(&mut self, mut others: Waits) {
        let lines: Vec<_> = others.lines.drain().collect();
        lines.into_iter().for_each(|line| self.add(line));
        others.lines = HashTable::new();
        others.note_table();
    }

    fn add(&mut self, line: Box<Line>) {
        self.waiting += line.waiters.open();
        self.lines.insert_unique(line.hash, line, |line| line.hash);
        self.note_table();
    }

    /// What is counted wrong, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let waiting = self.lines.iter().map(|line| line.waiters.open()).sum::<usize>();
        let is_right = self.lines.iter().all(|line| {
            let lacks =
                |waiter: &Waiter| waiter.ask.target().is_some_and(|to| !line.targets.contains(&to.hash));
            line.counted_bytes == line.held_bytes() && !line.waiters.iter().any(lacks)
        });
        let is_right = is_right && waiting == self.waiting;
        (!is_right).then(|| format!("waits: {} waiting counted, {waiting} now", self.waiting))
    }
}
