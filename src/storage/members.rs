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

/// The fields of a hash or the members of a set.
#[derive(Debug)]
pub struct Members {
    of_type: Type,
    /// Whether its name (OBJECT ENCODING) has become that of a large form, for good.
    is_named: bool,
    /// Of a set: whether it is one of strings, whatever is left of them.
    has_strings: bool,
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
        Members { of_type, is_named, has_strings: false, store: Store::new_inner(seed) }
    }

    /// What a packed value holds. Cost: one insertion per item.
    ///
    /// # Errors
    /// Where it can't hold them; not for what fits a packed value.
    pub fn of_packed(bytes: &[u8], seed: HashSeed) -> Result<Members, Full> {
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
                members.put(field.name.text(&mut name), &NewValue::Small(field.value.text(&mut text)))?;
            }
        }
        Ok(members)
    }

    /// The same, packed: `None` unless that takes at most a quarter of what `limits` allow, so that an item that comes and
    /// goes does not change the form each time. Cost: mostly two comparisons.
    #[must_use]
    pub fn to_packed(&self, limits: &Limits) -> Option<Vec<u8>> {
        let is_small = self.len() <= limits.items / 4 && self.store.used_bytes() <= limits.bytes / 4;
        if !is_small || !self.store.has_nothing_outside() {
            return None;
        }
        let mut bytes = match self.of_type {
            Type::Set if self.has_strings => packed::Set::EMPTY.to_vec(),
            Type::Set => packed::Set::NO_INTS.to_vec(),
            _ => packed::Hash::EMPTY.to_vec(),
        };
        bytes[0] = packed::Form::read(&bytes)?.with_name(self.is_named).byte();
        let mut fits = true;
        self.each(|name, value| {
            fits = fits && append(&mut bytes, self.of_type, name, value, limits).is_some()
        });
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

    /// Items.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// The value of a field, empty for a member. Cost: as `Store::find`.
    #[inline]
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<ValueRef<'_>> {
        self.store.get(&self.key(name))?.value().ok()
    }

    /// Puts an item in, or another value in place of its own.
    ///
    /// # Errors
    /// Where there is no room for one more; nothing changes then.
    pub fn put(&mut self, name: &[u8], value: &NewValue<'_>) -> Result<Placed, Full> {
        if self.store.is_full() {
            return Err(Full);
        }
        self.has_strings |= self.of_type == Type::Set && matches!(Element::of(name), Element::Bytes(_));
        let key = self.key(name);
        let removed = self.store.put(0, &key, value, Meta::value(None));
        self.store.tidy(|_, _, _| ());
        Ok(Placed { is_new: removed.is_none(), outside: removed.and_then(|removed| removed.outside) })
    }

    /// Takes an item out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Removed> {
        let found = self.store.find(&self.key(name))?;
        let removed = self.store.remove(found);
        self.store.tidy(|_, _, _| ());
        Some(removed)
    }

    /// Visits every item, in the order in which they lie: mostly that in which they came.
    pub fn each(&self, mut visit: impl FnMut(&[u8], ValueRef<'_>)) {
        self.store.each_lying(|entry| {
            if let Ok(value) = entry.value() {
                visit(entry.key(), value);
            }
        });
    }

    /// Visits one step of a scan and returns the cursor of the next, 0 at the end; guarantees what `Store::scan` does.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], ValueRef<'_>)) -> u64 {
        self.store.scan(cursor, |entry| {
            if let Ok(value) = entry.value() {
                visit(entry.key(), value);
            }
        })
    }

    /// An item drawn at random, each as likely as any other; `random(n)` gives a number below `n`.
    #[must_use]
    pub fn draw(&self, random: impl FnMut(usize) -> usize) -> Option<(&[u8], ValueRef<'_>)> {
        let entry = self.store.draw_evenly(random)?;
        Some((entry.key(), entry.value().ok()?))
    }

    /// One of the same type and name without items.
    fn empty_like(&self) -> Members {
        let empty = Members::new(self.of_type, self.is_named, self.store.seed());
        Members { has_strings: self.has_strings, ..empty }
    }

    fn copied(&self) -> Members {
        let mut copy = self.empty_like();
        self.store.each_lying(|entry| {
            let key = Key { bytes: entry.key(), hash: self.store.seed().hash(entry.key()) };
            copy.store.put_taken(0, &key, entry.to_taken(), Meta::value(None));
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

    fn to_copy(&self) -> Box<dyn Large> {
        Box::new(self.copied())
    }

    fn copy_later(&mut self, steps_min: usize, lending: &Lending) -> Option<(CopyLater, usize)> {
        let all = (self.len() > steps_min).then(|| self.lend_to_select(lending))?;
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
        (size_of::<Members>() + count.bytes, faults)
    }
}

/// Puts an item behind those of a packed value; `None` where it does not fit.
fn append(
    bytes: &mut Vec<u8>,
    of_type: Type,
    name: &[u8],
    value: ValueRef<'_>,
    limits: &Limits,
) -> Option<()> {
    loop {
        let planned = match of_type {
            Type::Hash => packed::Hash::read(bytes).set(None, name, value.as_slice(), None, limits).map(Some),
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
                let back = Members::of_packed(&bytes, SEED).expect("it has room");
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
        let mut members = Members::of_packed(packed::Hash::EMPTY, SEED).expect("it has room");
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
