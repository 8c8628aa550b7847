//! A hash or a set too large to be packed: a store in the store.
//!
//! A field is an entry of the inner store, its value the entry's; the values of a set's members are empty. So look-ups,
//! growth without a resize event, SCAN's guarantee, compaction and exact sizes are the store's own. Unlike a shard's store it
//! grows in small steps, since there may be many, and it says `Full` where that one ends a command by a panic.
//! Knows no key, no lock, no name of a command.

mod lent;

use std::any::Any;

use bytes::Bytes;

use super::entry::Entry;
use super::meta::Meta;
use super::ordered::Ordered;
use super::outside::{CopyLater, Full, Large, Outside};
use super::packed::{self, Element, Layout, Limits, Misfit, Type};
use super::store::{Found, Removed, Store};
use super::value::{Collected, NewValue, ValueRef};
use crate::base::hash::{HashSeed, Key};
use crate::base::lent::Lending;

pub use lent::{LentMembers, Selection};

/// Items drawn at most for one that is not past its time.
const DRAWS_MAX: usize = 64;

/// The fields of a hash or the members of a set.
#[derive(Debug)]
pub struct Members {
    of_type: Type,
    /// Whether its name (OBJECT ENCODING) has become that of a large form, for good.
    is_named: bool,
    /// Of a set: whether it is one of strings, whatever is left of them.
    has_strings: bool,
    /// Wall-clock ms: items whose time was up then are there for nobody. Only as long as there may be some.
    past: Option<i64>,
    store: Store,
}

/// A hash, a set or a sorted set in either of its forms.
#[derive(Clone, Copy, Debug)]
pub enum Collection<'a> {
    Packed(&'a [u8]),
    Large(&'a Members),
    Ordered(&'a Ordered),
}

impl<'a> From<Collection<'a>> for Collected<'a> {
    fn from(collection: Collection<'a>) -> Collected<'a> {
        match collection {
            Collection::Packed(bytes) => Collected::Packed(bytes),
            Collection::Large(members) => Collected::Large(members),
            Collection::Ordered(ordered) => Collected::Large(ordered),
        }
    }
}

impl<'a> Collection<'a> {
    /// What an entry holds, where that is one.
    #[inline]
    #[must_use]
    pub fn of(entry: &Entry<'a>) -> Option<Collection<'a>> {
        Some(match entry.collection()? {
            Collected::Packed(bytes) => {
                let of_type = packed::Form::read(bytes)?.of_type();
                (of_type != Type::List).then_some(Collection::Packed(bytes))?
            }
            Collected::Large(large) => match (large as &dyn Any).downcast_ref() {
                Some(members) => Collection::Large(members),
                None => Collection::Ordered((large as &dyn Any).downcast_ref()?),
            },
        })
    }
}

/// What became of an item that was put in.
#[derive(Debug)]
pub struct Placed {
    pub is_new: bool,
    /// What lay outside of the old item, to be dropped without a lock.
    pub outside: Option<Outside>,
}

impl Members {
    /// Changes those outside of an entry; `None` where there are none.
    pub fn change<R>(store: &mut Store, found: Found, change: impl FnOnce(&mut Members) -> R) -> Option<R> {
        store.change_large(found, change)
    }

    /// A collection without items, which must get one before anybody sees it.
    #[must_use]
    pub fn new(of_type: Type, is_named: bool, seed: HashSeed) -> Members {
        Members { of_type, is_named, has_strings: false, past: None, store: Store::new_inner(seed) }
    }

    /// What a packed value holds at `now_ms`. Cost: one insertion per item.
    ///
    /// # Errors
    /// Where it can't hold them; not for what fits a packed value.
    pub fn of_packed(now_ms: i64, bytes: &[u8], seed: HashSeed) -> Result<Members, Full> {
        let form = packed::Form::read(bytes).unwrap_or(packed::Form::new(Type::Hash, Layout::Run));
        let mut members = Members::new(form.of_type(), form.is_named(), seed);
        let (mut name, mut text) = (itoa::Buffer::new(), itoa::Buffer::new());
        members.has_strings = matches!(form.layout(), Layout::Run | Layout::Page);
        if form.of_type() == Type::Set {
            for member in packed::Set::read(bytes).iter() {
                members.put(member.text(&mut name), &NewValue::Small(b""))?;
            }
        } else {
            for field in packed::Hash::read(bytes).iter() {
                let value = NewValue::Small(field.value.text(&mut text));
                members.put_until(now_ms, field.name.text(&mut name), &value, field.expire_at)?;
            }
        }
        Ok(members)
    }

    /// The same, packed: `None` unless that takes at most a quarter of what `limits` allow, so that an item that comes and
    /// goes does not change the form each time. Cost: mostly two comparisons.
    #[must_use]
    pub fn to_packed(&self, limits: &Limits) -> Option<Vec<u8>> {
        let is_small = self.len() <= limits.items / 4 && self.store.used_bytes() <= limits.bytes / 4;
        // What is past is told of when it is taken out, and not lost here.
        if !is_small || !self.store.has_nothing_outside() || self.past.is_some() {
            return None;
        }
        let mut bytes = match self.of_type {
            Type::Set if self.has_strings => packed::Set::EMPTY.to_vec(),
            Type::Set => packed::Set::NO_INTS.to_vec(),
            _ => packed::Hash::EMPTY.to_vec(),
        };
        bytes[0] = packed::Form::read(&bytes)?.with_name(self.is_named).byte();
        let mut fits = true;
        self.store.each(|entry| fits = fits && append(&mut bytes, self.of_type, &entry, limits).is_some());
        fits.then_some(bytes)
    }

    /// Of a set: whether it is one of strings, whatever is left of them.
    #[must_use]
    pub fn has_strings(&self) -> bool {
        self.has_strings
    }

    /// Gives it the name of a large form.
    pub fn set_named(&mut self) {
        self.is_named = true;
    }

    /// Items, those past their time among them.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Items that are shown. Cost: a look at each while some are past their time and not taken out yet, which is seldom.
    #[must_use]
    pub fn shown(&self) -> usize {
        if self.past.is_none() {
            return self.len();
        }
        let mut count = 0;
        self.each(|_, _| count += 1);
        count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// The value of a field, empty for a member. Cost: as `Store::find`.
    #[inline]
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<ValueRef<'_>> {
        self.store.get(&self.key(name)).filter(|entry| self.shows(entry))?.value().ok()
    }

    /// When a field ends, wall-clock ms: `None` where there is no field, `Some(None)` where it has no deadline.
    #[must_use]
    pub fn expire_at(&self, name: &[u8]) -> Option<Option<i64>> {
        let entry = self.store.get(&self.key(name)).filter(|entry| self.shows(entry));
        entry.map(|entry| entry.expire_at())
    }

    /// Puts an item in, or another value in place of its own; it stays.
    ///
    /// # Errors
    /// Where there is no room for one more; nothing changes then.
    pub fn put(&mut self, name: &[u8], value: &NewValue<'_>) -> Result<Placed, Full> {
        self.put_until(0, name, value, None)
    }

    /// As `put`, at `now_ms`, for an item that may have a deadline.
    ///
    /// # Errors
    /// As `put`.
    pub fn put_until(
        &mut self,
        now_ms: i64,
        name: &[u8],
        value: &NewValue<'_>,
        expire_at: Option<i64>,
    ) -> Result<Placed, Full> {
        if self.store.is_full() {
            return Err(Full);
        }
        self.has_strings |= self.of_type == Type::Set && matches!(Element::of(name), Element::Bytes(_));
        let key = self.key(name);
        let removed = self.store.put(now_ms, &key, value, Meta::value(expire_at));
        self.store.tidy(|_, _, _| ());
        let is_past = |removed: &Removed| removed.expire_at.is_some_and(|at| self.is_past(at));
        let is_new = removed.as_ref().is_none_or(is_past);
        Ok(Placed { is_new, outside: removed.and_then(|removed| removed.outside) })
    }

    /// Gives a field another deadline at `now_ms`, or takes it away; false where there is no such field.
    ///
    /// # Errors
    /// Where there is no room for it; nothing changes then.
    pub fn set_deadline(&mut self, now_ms: i64, name: &[u8], expire_at: Option<i64>) -> Result<bool, Full> {
        let key = self.key(name);
        let found = self.store.find(&key).filter(|found| self.shows(&self.store.entry(*found)));
        let Some(found) = found else { return Ok(false) };
        if self.store.is_full() {
            return Err(Full);
        }
        self.store.set_expire_at(now_ms, &key, found, expire_at, None);
        self.store.tidy(|_, _, _| ());
        Ok(true)
    }

    /// Takes out up to `limit` items whose time is up at `now_ms`, shows what lay outside of them, and hides the others.
    /// Returns how many went. Cost: a look-up for each, also for some whose time is near.
    pub fn reclaim(&mut self, now_ms: i64, limit: usize, see: &mut dyn FnMut(Outside)) -> usize {
        let mut gone = 0;
        for record in (0..limit).map_while(|_| self.store.sweep_pop(now_ms)).collect::<Vec<u32>>() {
            let is_due = |entry: &Entry<'_>| entry.expire_at().is_some_and(|at| at <= now_ms);
            if let Some(found) = self.store.find_record(record, is_due) {
                self.store.remove(found).outside.into_iter().for_each(&mut *see);
                gone += 1;
            } else if let Some(found) = self.store.find_record(record, |_| true) {
                self.store.sweep_later(now_ms, record, found);
            }
        }
        self.past = self.due_at().is_some_and(|at| at <= now_ms).then_some(now_ms);
        self.store.tidy(|_, _, _| ());
        gone
    }

    /// Takes an item out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Removed> {
        let found = self.store.find(&self.key(name)).filter(|found| self.shows(&self.store.entry(*found)))?;
        let removed = self.store.remove(found);
        self.store.tidy(|_, _, _| ());
        Some(removed)
    }

    /// Visits every item, in the order in which they lie: mostly that in which they came.
    pub fn each(&self, mut visit: impl FnMut(&[u8], ValueRef<'_>)) {
        self.each_until(|name, value, _| visit(name, value));
    }

    /// As `each`, with the deadlines.
    pub fn each_until(&self, mut visit: impl FnMut(&[u8], ValueRef<'_>, Option<i64>)) {
        self.store.each_lying(|entry| self.show(entry, |name, value| visit(name, value, entry.expire_at())));
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end; guarantees what `Store::scan` does.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], ValueRef<'_>)) -> u64 {
        self.store.scan(cursor, |entry| self.show(entry, &mut visit))
    }

    /// An item drawn at random, each as likely as any other; `random(n)` gives a number below `n`. `None` where as many draws
    /// as `DRAWS_MAX` met what is past.
    #[must_use]
    pub fn draw(&self, mut random: impl FnMut(usize) -> usize) -> Option<(&[u8], ValueRef<'_>)> {
        let entry =
            (0..DRAWS_MAX).find_map(|_| self.store.draw_evenly(&mut random).filter(|e| self.shows(e)))?;
        Some((entry.key(), entry.value().ok()?))
    }

    #[inline]
    fn shows(&self, entry: &Entry<'_>) -> bool {
        entry.expire_at().is_none_or(|at| !self.is_past(at))
    }

    #[inline]
    fn is_past(&self, expire_at: i64) -> bool {
        self.past.is_some_and(|past| expire_at <= past)
    }

    fn show(&self, entry: Entry<'_>, visit: impl FnOnce(&[u8], ValueRef<'_>)) {
        if let Some(value) = entry.value().ok().filter(|_| self.shows(&entry)) {
            visit(entry.key(), value);
        }
    }

    /// One of the same type and name without items.
    fn empty_like(&self) -> Members {
        let empty = Members::new(self.of_type, self.is_named, self.store.seed());
        Members { has_strings: self.has_strings, ..empty }
    }

    fn copied(&self) -> Members {
        let mut copy = Members { past: self.past, ..self.empty_like() };
        let now_ms = self.store.wheel.reached_at();
        self.store.each_lying(|entry| {
            let key = Key { bytes: entry.key(), hash: self.store.seed().hash(entry.key()) };
            copy.store.put_taken(now_ms, &key, entry.to_taken(), Meta::value(entry.expire_at()));
        });
        copy
    }

    #[inline]
    fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.store.seed().hash(bytes) }
    }
}

impl Large for Members {
    fn of_type(&self) -> Type {
        self.of_type
    }

    fn is_named(&self) -> bool {
        self.is_named
    }

    fn held_bytes(&self) -> usize {
        size_of::<Members>() + self.store.size().held_bytes
    }

    fn due_at(&self) -> Option<i64> {
        if self.store.expiring() > 0 { self.store.wheel.earliest_at() } else { None }
    }

    fn to_copy(&self) -> Box<dyn Large> {
        Box::new(self.copied())
    }

    fn copy_later(&mut self, steps_min: usize, lending: &Lending) -> Option<(CopyLater, usize)> {
        let all = (self.shown() > steps_min).then(|| self.lend_to_select(lending))?;
        let steps = all.len();
        let copy: CopyLater =
            Box::new(move |goes_on| Some(Box::new(all.select(|_, bytes| goes_on(bytes).then_some(true))?)));
        Some((copy, steps))
    }

    fn drain(&mut self, see: &mut dyn FnMut(Bytes)) {
        self.store.drain_large(see);
    }

    fn recount(&self) -> (usize, Vec<String>) {
        let mut count = self.store.recount();
        if count.entries == 0 {
            count.faults.push("no items".to_owned());
        }
        let faults = count.faults.into_iter().map(|fault| format!("collection: {fault}")).collect();
        // Of the wheel only the records are counted.
        let wheel = &self.store.wheel;
        (size_of::<Members>() + count.bytes - wheel.counted_bytes() + wheel.bytes(), faults)
    }
}

/// Puts an item behind those of a packed value; `None` where it does not fit.
fn append(bytes: &mut Vec<u8>, of_type: Type, item: &Entry<'_>, limits: &Limits) -> Option<()> {
    let (name, value) = (item.key(), item.value().ok()?.as_slice());
    loop {
        let planned = match of_type {
            Type::Hash => {
                packed::Hash::read(bytes).set(None, name, value, item.expire_at(), limits).map(Some)
            }
            _ => packed::Set::read(bytes).add(name, limits),
        };
        match planned {
            Ok(Some(edit)) => {
                edit.apply_to(bytes);
                return Some(());
            }
            Err(Misfit::Layout(layout)) => *bytes = packed::rebuilt(bytes, layout),
            Ok(None) | Err(Misfit::Large) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Kind;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const SEED: HashSeed = HashSeed(1, 2);

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, usize),
        Remove(u8),
        Copy,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let lens = prop_oneof![8 => 0..40usize, 1 => 5_000..6_000usize, 1 => 16_384..16_400usize];
        let step = prop_oneof![
            6 => (any::<u8>(), lens).prop_map(|(name, len)| Step::Put(name, len)),
            3 => any::<u8>().prop_map(Step::Remove),
            1 => Just(Step::Copy),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn members_are_what_a_map_holds(steps in steps()) {
            let mut members = Members::new(Type::Hash, false, SEED);
            let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            for step in steps {
                match step {
                    Step::Put(name, len) => {
                        let value = vec![name; len];
                        let placed = members.put(&[name], &NewValue::copied(&value));
                        prop_assert_eq!(placed.map(|placed| placed.is_new).ok(), Some(!model.contains_key(&vec![name])));
                        model.insert(vec![name], value);
                    }
                    Step::Remove(name) => {
                        prop_assert_eq!(members.remove(&[name]).is_some(), model.remove(&vec![name]).is_some());
                    }
                    Step::Copy => members = members.copied(),
                }
            }
            prop_assert_eq!(members.len(), model.len());
            for (name, value) in &model {
                prop_assert_eq!(members.get(name).map(ValueRef::as_slice), Some(&value[..]));
            }
            if !model.is_empty() {
                let count = members.recount();
                prop_assert_eq!(count, (members.held_bytes(), Vec::new()));
            }
            if let Some(bytes) = members.to_packed(&Limits::SEARCHED) {
                prop_assert_eq!(packed::Hash::read(&bytes).len(), model.len());
                let back = Members::of_packed(0, &bytes, SEED).expect("it has room");
                for (name, value) in &model {
                    prop_assert_eq!(back.get(name).map(ValueRef::as_slice), Some(&value[..]));
                }
            }
        }
    }

    #[test]
    fn thousand_fields_take_little_beside_themselves() {
        let mut members = Members::new(Type::Hash, false, SEED);
        for number in 0..1_000 {
            let name = format!("f{number:07}");
            members.put(name.as_bytes(), &NewValue::Small(&[7; 20])).expect("it has room");
        }
        let beside = members.held_bytes() - 28 * 1_000;
        assert!(beside < 19 * 1_000, "{beside} bytes beside fields and values");
    }

    #[test]
    fn every_item_is_drawn_as_often_as_any_other() {
        let mut members = Members::new(Type::Set, false, SEED);
        for number in 0..40u8 {
            members.put(&[number], &NewValue::Small(b"")).expect("it has room");
        }
        let (mut counts, mut random) = ([0u32; 40], fastrand::Rng::with_seed(3));
        for _ in 0..40_000 {
            let drawn = members.draw(|n| random.usize(..n)).map(|(name, _)| usize::from(name[0]));
            counts[drawn.expect("it is not empty")] += 1;
        }
        // 1,000 each, with a standard deviation of 31.
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_holds_as_much_as_it_may_says_so_and_keeps_what_it_has() {
        let mut members = Members::new(Type::Set, false, SEED);
        members.put(b"first", &NewValue::Small(b"")).expect("it has room");
        members.store.arena.segments_limit = Some(4);
        let refused = (0..10).filter(|number| {
            let value = vec![*number; 9_000];
            members.put(&[*number], &NewValue::Small(&value)).is_err()
        });
        assert!(refused.count() >= 8);
        assert!(members.get(b"first").is_some() && members.recount().1.is_empty());
    }

    #[test]
    fn large_collection_lies_outside_is_counted_and_comes_back() {
        let mut store = Store::new(SEED);
        let key = Key { bytes: b"k", hash: SEED.hash(b"k") };
        store.put(
            0,
            &key,
            &NewValue::Small(packed::Hash::EMPTY),
            Meta { kind: Kind::Collection, ..Meta::value(None) },
        );
        let found = store.find(&key).expect("it is there");
        let before = store.size().held_bytes;
        let mut members = Members::of_packed(0, packed::Hash::EMPTY, SEED).expect("it has room");
        members.put(b"f", &NewValue::Small(b"v")).expect("it has room");
        let held = members.held_bytes();
        let found = store.put_large(found, Box::new(members));
        assert!(store.size().held_bytes >= before + held);
        Members::change(&mut store, found, |members| {
            drop(members.put(b"g", &NewValue::copied(&[1; 20_000])))
        });
        assert!(store.size().held_bytes >= before + held + 20_000);
        assert!(store.entry_memory(found) >= held + 20_000 && store.recount().faults.is_empty());
        Members::change(&mut store, found, |members| drop(members.remove(b"g")));
        let bytes = match Collection::of(&store.entry(found)) {
            Some(Collection::Large(members)) => members.to_packed(&Limits::SEARCHED),
            other => panic!("not large: {other:?}"),
        };
        let (_, left) = store.put_packed(found, &bytes.expect("it is small"));
        assert!(left.is_some() && store.recount().faults.is_empty());
        assert_eq!(store.size().held_bytes, before);
    }
}
