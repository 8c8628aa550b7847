//! A command's way to the keys: opens views, and holds several shards where a command must be atomic.
//!
//! Shards are locked in ascending order, so two commands can never wait for each other; who locks them in another order
//! has passed the gate (`gate` says why that is no circle either).

use std::sync::Arc;

use smallvec::SmallVec;

use super::Keyspace;
use super::busy::Busy;
use super::effects::Effects;
use super::fill::count_answer;
use super::gate::Passed;
use super::marks::Marks;
use super::shard::Shard;
use super::view::{Guard, Scope, View};
use crate::base::hash::Key;
use crate::base::limits::SHARDS;
use crate::base::metrics::Counter;
use crate::base::sync::MutexGuard;
use crate::parking::{Answer, ReplySlot};
use crate::storage::Ahead;

/// The keyspace as one command (or one transaction) sees it.
pub struct Keys<'a> {
    pub keyspace: &'a Keyspace,
    /// The connection's selected database.
    pub db: usize,
    pub scope: Scope<'a>,
    pub effects: &'a mut Effects,
    /// What a script leaves to say that it keeps its shards. Before the locks, as it goes first.
    pub(super) marks: Option<Box<Marks<'a>>>,
    /// Shards held, ascending.
    pub(super) held: SmallVec<[(usize, MutexGuard<'a, Shard>); 1]>,
    /// Shards may be taken in any order, until `release`.
    pub(super) gate: Option<Passed<'a>>,
}

/// How long a `hold` that has some shards waits for the next before it looks whether it must let go, ms.
const LOOK_MS: u64 = 1;
/// A `hold` that let go this often passes the gate itself: a stream of scripts shall not keep it out.
const LET_GO_MAX: usize = 8;

impl<'a> Keys<'a> {
    #[must_use]
    pub fn new(keyspace: &'a Keyspace, db: usize, scope: Scope<'a>, effects: &'a mut Effects) -> Keys<'a> {
        Keys { keyspace, db, scope, effects, marks: None, held: SmallVec::new(), gate: None }
    }

    /// A key that is not a word of the request, hashed; `Args::key` reads those that are.
    #[must_use]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hash(bytes) }
    }

    /// Locks the key's shard, unless it is held already, and shows the selected database.
    #[inline]
    pub fn view(&mut self, key: &Key<'_>) -> View<'_> {
        self.view_hash(key.hash, self.db)
    }

    /// As `view`, for another database.
    pub fn view_in(&mut self, db: usize, key: &Key<'_>) -> View<'_> {
        self.view_hash(key.hash, db)
    }

    /// As `view_in`, for a key known by its hash alone.
    pub fn view_at(&mut self, db: usize, hash: u64) -> View<'_> {
        self.view_hash(hash, db)
    }

    #[inline]
    fn view_hash(&mut self, hash: u64, db: usize) -> View<'_> {
        let keyspace = self.keyspace;
        if !self.held.is_empty() {
            return self.view_shard(keyspace.shard_of(hash), db);
        }
        let (index, shard) = keyspace.lock_of(hash);
        View { shard: Guard::Own(shard), index, db, keyspace, scope: &self.scope, effects: self.effects }
    }

    /// A view of a shard by number.
    #[inline]
    pub(super) fn view_shard(&mut self, index: usize, db: usize) -> View<'_> {
        let (keyspace, scope) = (self.keyspace, &self.scope);
        let held = if self.held.is_empty() { None } else { self.held_position(index) };
        let shard = match held {
            Some(at) => Guard::Held(&mut self.held[at].1),
            None => Guard::Own(keyspace.lock(index)),
        };
        View { shard, index, db, keyspace, scope, effects: self.effects }
    }

    fn held_position(&self, index: usize) -> Option<usize> {
        let at = self.held.binary_search_by_key(&index, |(held, _)| *held).ok();
        // Taking one more lock while holding some could deadlock: a command's row must name all its keys.
        assert!(at.is_some(), "shard {index} is not among the held ones");
        at
    }

    /// Locks the shards of all these hashes until `release`; does nothing if shards are held already.
    ///
    /// # Errors
    /// Where a script keeps one of them; then nothing is held.
    pub fn hold(&mut self, hashes: impl Iterator<Item = u64> + Clone) -> Result<(), Busy> {
        let mut all = hashes.clone();
        if let (Some(only), None) = (all.next(), all.next()) {
            return self.hold_one(only);
        }
        if self.held.is_empty() {
            self.hold_hashes(hashes.clone())?;
            self.hold_targets(hashes)?;
        }
        Ok(())
    }

    /// As `hold`, but not where elements of these keys may go to.
    pub(super) fn hold_hashes(&mut self, hashes: impl Iterator<Item = u64> + Clone) -> Result<(), Busy> {
        let keyspace = self.keyspace;
        while self.held.is_empty() {
            let moves = keyspace.routes.moves();
            let mut shards: Vec<usize> = hashes.clone().map(|hash| keyspace.shard_of(hash)).collect();
            if shards.is_empty() {
                return Ok(());
            }
            shards.sort_unstable();
            shards.dedup();
            self.hold_shards(shards.into_iter())?;
            // A key's slice may have moved before the lock was ours.
            if keyspace.routes.moves() != moves {
                self.held.clear();
            }
        }
        Ok(())
    }

    /// As `hold`, for one.
    ///
    /// # Errors
    /// Where a script keeps its shard.
    pub fn hold_one(&mut self, hash: u64) -> Result<(), Busy> {
        if self.held.is_empty() {
            // Who waits with nothing in hand keeps nobody from anything.
            let (shard, locked) = self.keyspace.lock_of(hash);
            self.add(shard, locked)?;
            self.hold_targets(std::iter::once(hash))?;
        }
        Ok(())
    }

    /// Fetches ahead what look-ups of these keys will touch, in the shards that are held.
    pub fn prefetch(&mut self, hashes: impl Iterator<Item = u64>) {
        let db = self.db;
        Ahead::default()
            .fetch(hashes, |hash, line, lines| self.view_hash(hash, db).store().lines(hash, line, lines));
    }

    /// Locks every shard until `release`.
    ///
    /// # Errors
    /// As `hold`.
    pub fn hold_all(&mut self) -> Result<(), Busy> {
        if self.held.is_empty() { self.hold_shards(0..SHARDS) } else { Ok(()) }
    }

    /// Locks these shards, ascending. Lets all go and begins again where the gate's holder wants one of them.
    pub(super) fn hold_shards(&mut self, shards: impl Iterator<Item = usize> + Clone) -> Result<(), Busy> {
        let gate = &self.keyspace.gate;
        let held = if self.gate.is_some() {
            shards.clone().try_for_each(|shard| self.take_shard(shard)).map(|()| true)
        } else {
            let mut tries = (0..LET_GO_MAX).map(|_| {
                gate.wait_while_wanted();
                let held = self.try_hold_shards(shards.clone());
                if held == Ok(false) {
                    self.scope.counters.add(Counter::ScriptBackOffs, 1);
                }
                held
            });
            tries.find(|held| *held != Ok(false)).unwrap_or(Ok(false))
        };
        let held = held.and_then(|is_held| match is_held {
            true => Ok(()),
            false => {
                // Nobody wants anything of us now.
                let _passed = gate.pass(|| {})?;
                shards.clone().try_for_each(|shard| self.add(shard, self.keyspace.lock(shard)))
            }
        });
        if held.is_err() {
            self.held.clear();
        }
        held
    }

    /// False, and nothing held, where the gate's holder wants a shard.
    fn try_hold_shards(&mut self, shards: impl Iterator<Item = usize>) -> Result<bool, Busy> {
        self.held.reserve(shards.size_hint().0);
        for shard in shards {
            self.keyspace.check(shard)?;
            let Some(locked) = self.keyspace.try_lock(shard).or_else(|| self.lock_or_let_go(shard)) else {
                self.held.clear();
                return Ok(false);
            };
            self.add(shard, locked)?;
        }
        Ok(true)
    }

    /// Adds a shard to those that are held, unless a script keeps it.
    fn add(&mut self, shard: usize, locked: MutexGuard<'a, Shard>) -> Result<(), Busy> {
        self.keyspace.check(shard)?;
        self.held.push((shard, locked));
        Ok(())
    }

    /// `None` where the gate's holder wants a shard, and may be waiting for one of ours.
    #[cold]
    fn lock_or_let_go(&self, shard: usize) -> Option<MutexGuard<'a, Shard>> {
        loop {
            if let Some(locked) = self.keyspace.try_lock_for(shard, LOOK_MS) {
                return Some(locked);
            }
            if !self.held.is_empty() && self.keyspace.gate.is_wanted() {
                return None;
            }
        }
    }

    /// Passes the gate: until `release`, `take` may lock shards in any order. No shard may be held.
    ///
    /// # Errors
    /// Where somebody has passed it who runs for long.
    pub fn pass_gate(&mut self) -> Result<(), Busy> {
        debug_assert!(self.held.is_empty(), "who passes the gate holds nothing yet");
        if self.gate.is_none() {
            let waits = || self.scope.counters.add(Counter::ScriptGateWaits, 1);
            self.gate = Some(self.keyspace.gate.pass(waits)?);
        }
        Ok(())
    }

    /// Whether `take` may be called.
    #[must_use]
    pub fn has_passed_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// Locks the shard of a hash until `release`, if it is not held. The gate must be passed.
    ///
    /// # Errors
    /// Where a script keeps it; what was held is held on. To be tried again when others have had their turn.
    pub fn take(&mut self, hash: u64) -> Result<(), Busy> {
        loop {
            let shard = self.keyspace.shard_of(hash);
            self.take_shard(shard)?;
            // Its slice may have moved before the lock was ours.
            if self.keyspace.shard_of(hash) == shard {
                return Ok(());
            }
        }
    }

    /// As `take`, all of them.
    pub fn take_all(&mut self) -> Result<(), Busy> {
        (0..SHARDS).try_for_each(|shard| self.take_shard(shard))
    }

    fn take_shard(&mut self, shard: usize) -> Result<(), Busy> {
        assert!(self.gate.is_some(), "shards are taken in any order behind the gate alone");
        let keyspace = self.keyspace;
        if let Err(at) = self.held.binary_search_by_key(&shard, |(held, _)| *held) {
            keyspace.check(shard)?;
            let locked = keyspace.try_lock(shard).unwrap_or_else(|| {
                let _want = keyspace.gate.want();
                keyspace.lock(shard)
            });
            keyspace.check(shard)?;
            self.held.insert(at, (shard, locked));
        }
        Ok(())
    }

    /// Whether all shards are held.
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.held.len() == SHARDS
    }

    /// Whether the shard of a hash is held.
    #[must_use]
    pub fn holds(&self, hash: u64) -> bool {
        let shard = self.keyspace.shard_of(hash);
        self.held.binary_search_by_key(&shard, |(held, _)| *held).is_ok()
    }

    /// Whether shards are held.
    #[must_use]
    pub fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Serves who waits for what has changed, and unlocks what is held, the gate last.
    #[inline]
    pub fn release(&mut self) {
        if !self.held.is_empty() && !self.effects.ready.is_empty() {
            self.serve();
        }
        if self.marks.is_some() {
            self.marks = None;
        }
        if !self.held.is_empty() {
            self.held.clear();
        }
        if self.gate.is_some() {
            self.gate = None;
        }
    }

    /// Answers a slot that was claimed outside its flight (CLIENT UNBLOCK, a reply that cannot wait).
    pub fn answer(&mut self, slot: Arc<ReplySlot>, answer: Answer) {
        count_answer(self.scope.counters, &answer);
        self.effects.forget.push(slot.clone());
        self.effects.answers.push((slot, answer));
    }

    /// Visits every shard of a database in turn, under its lock. No key moves to another shard meanwhile. It may see a part
    /// of what a script does: for figures, or where all shards are held.
    pub fn each_shard(&mut self, db: usize, mut visit: impl FnMut(&mut View<'_>)) {
        let _visit = self.keyspace.routes.visit();
        (0..SHARDS).for_each(|index| visit(&mut self.view_shard(index, db)));
    }

    /// As `each_shard`, for what must not see a part of what a script does.
    ///
    /// # Errors
    /// Where it comes to a shard that a script keeps.
    pub fn walk(&mut self, db: usize, mut visit: impl FnMut(&mut View<'_>)) -> Result<(), Busy> {
        let _visit = self.keyspace.routes.visit();
        (0..SHARDS).try_for_each(|index| {
            visit(&mut self.visit(index, db)?);
            Ok(())
        })
    }

    /// As `view_shard`, unless a script keeps it.
    pub(super) fn visit(&mut self, index: usize, db: usize) -> Result<View<'_>, Busy> {
        let view = self.view_shard(index, db);
        view.keyspace.check(index)?;
        Ok(view)
    }
}
