//! A collection that no key has yet: built item by item, in whichever form that takes.

use super::forms::{self, Forms};
use super::items::Items;
use super::lend::LentItems;
use crate::base::hash::HashSeed;
use crate::base::lent::Lending;
use crate::storage::packed::{self, Edit, Element, Hash, Misfit, Set, Type};
use crate::storage::{Collection, Full, Large, Members, NewValue, Outside, Taken};

/// A collection without a key.
#[derive(Debug)]
pub struct Fresh {
    of_type: Type,
    seed: HashSeed,
    /// As many items as it is to get at least.
    expected: usize,
    /// The wall clock, ms.
    now_ms: i64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Empty,
    Packed(Vec<u8>),
    Large(Box<Members>),
}

impl Fresh {
    /// One without items.
    #[must_use]
    pub(in crate::keyspace) fn new(of_type: Type, seed: HashSeed) -> Fresh {
        Fresh { of_type, seed, expected: 0, now_ms: 0, form: Form::Empty }
    }

    /// The same, where a command brings so many words: by Redis's rule their number alone may decide what it is called.
    #[must_use]
    pub(super) fn expecting(self, expected: usize) -> Fresh {
        Fresh { expected, ..self }
    }

    /// The same, where it is built at that time, wall-clock ms: only deadlines are filed better for it.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Fresh {
        Fresh { now_ms, ..self }
    }

    /// One of the same type without items.
    #[must_use]
    pub fn another(&self) -> Fresh {
        Fresh::new(self.of_type, self.seed)
    }

    /// Whether an item is there.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.items().is_some_and(|items| items.get(name).is_some())
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.form {
            Form::Empty => 0,
            Form::Packed(bytes) => bytes.capacity(),
            Form::Large(members) => members.held_bytes(),
        }
    }

    /// What is in it, for those who read it once; `None` while nothing is. What it takes counts as lent.
    #[must_use]
    pub fn into_lent(self, lending: &Lending) -> Option<LentItems> {
        match self.form {
            Form::Empty => None,
            Form::Packed(bytes) => Some(LentItems::Packed(bytes.into())),
            Form::Large(mut members) => Some(LentItems::Large(members.lend(lending))),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.items().map_or(0, |items| items.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it; `None` while nothing is.
    #[must_use]
    pub fn items(&self) -> Option<Items<'_>> {
        match &self.form {
            Form::Empty => None,
            Form::Packed(bytes) => Some(Items(Collection::Packed(bytes))),
            Form::Large(members) => Some(Items(Collection::Large(members))),
        }
    }

    /// Puts an item in, or another value in place of its own; whether it is a new one.
    ///
    /// # Errors
    /// Where it holds as much as it may.
    pub fn put(&mut self, name: &[u8], value: &NewValue<'_>, forms: &Forms) -> Result<bool, Full> {
        self.put_until(name, value, None, forms)
    }

    /// As `put`, for a field that may have a deadline.
    ///
    /// # Errors
    /// As `put`.
    pub fn put_until(
        &mut self,
        name: &[u8],
        value: &NewValue<'_>,
        expire_at: Option<i64>,
        forms: &Forms,
    ) -> Result<bool, Full> {
        self.name(name, value, forms);
        loop {
            let bytes = match &mut self.form {
                Form::Large(members) => {
                    let placed = members.put_until(self.now_ms, name, value, expire_at);
                    return placed.map(|placed| placed.is_new);
                }
                Form::Packed(bytes) => bytes,
                Form::Empty => {
                    self.begin(name, forms);
                    self.name(name, value, forms);
                    continue;
                }
            };
            match plan_put(bytes, name, value.as_slice(), expire_at, forms) {
                Ok(None) => return Ok(false),
                Ok(Some((edit, is_new))) => {
                    edit.apply_to(bytes);
                    return Ok(is_new);
                }
                Err(Misfit::Layout(layout)) => *bytes = packed::rebuilt(bytes, layout),
                Err(Misfit::Large) => {
                    self.form = Form::Large(Box::new(Members::of_packed(self.now_ms, bytes, self.seed)?))
                }
            }
        }
    }

    /// The value, to be put under a key; `None` without items.
    #[must_use]
    pub fn into_taken(self) -> Option<Taken> {
        match self.form {
            Form::Empty => None,
            Form::Packed(bytes) => Some(Taken::Small(bytes.into())),
            Form::Large(members) => Some(Taken::Outside(Outside::Collection(members))),
        }
    }

    /// Chooses the form for the first item, and the name where the number of words alone says it.
    fn begin(&mut self, name: &[u8], forms: &Forms) {
        let is_wide = self.expected > forms.set_ints;
        let mut bytes = empty(self.of_type, name, is_wide).to_vec();
        let entries = match (self.of_type, forms::small_name(Collection::Packed(&bytes))) {
            (Type::Set, small) => forms.entries_of(small),
            _ => forms.hash_entries,
        };
        if self.expected > entries {
            set_named(&mut bytes, true);
        }
        self.form = Form::Packed(bytes);
    }

    /// Gives it the name of a large one where this item makes it that.
    fn name(&mut self, name: &[u8], value: &NewValue<'_>, forms: &Forms) {
        let Some(items) = self.items() else { return };
        if forms::is_named(items.0) || !is_to_be_named(items.0, name, value, forms) {
            return;
        }
        match &mut self.form {
            Form::Empty => {}
            Form::Packed(bytes) => set_named(bytes, true),
            Form::Large(members) => members.set_named(),
        }
    }
}

/// Writes into a packed value whether it has the name of a large one.
pub(super) fn set_named(bytes: &mut [u8], is_named: bool) {
    if let Some(form) = packed::Form::read(bytes) {
        bytes[0] = form.with_name(is_named).byte();
    }
}

/// Whether a collection that is to get this item, or this value of it, is called `hashtable` from then on.
pub(super) fn is_to_be_named(
    collection: Collection<'_>,
    name: &[u8],
    value: &NewValue<'_>,
    forms: &Forms,
) -> bool {
    let items = Items(collection);
    let is_set = forms::type_of(collection) == Some(Type::Set);
    let more = || usize::from(items.get(name).is_none());
    let is_far = |entries: usize| items.len() < entries;
    if !is_set {
        // Far from the limit it need not be known whether the field is there.
        let len = if is_far(forms.hash_entries) { 0 } else { items.len() + more() };
        return forms.names_hash(len, name, value.as_slice());
    }
    let len = if is_far(forms.set_ints.min(forms.set_entries)) {
        0
    } else {
        match more() {
            0 => return false,
            more => items.len() + more,
        }
    };
    forms.names_set(forms::small_name(collection), len, name)
}

/// The packed value into which a first item is put.
fn empty(of_type: Type, name: &[u8], is_wide: bool) -> &'static [u8] {
    match (of_type, Element::of(name)) {
        (Type::Set, Element::Int(_)) if !is_wide => Set::NO_INTS,
        (Type::Set, _) => Set::EMPTY,
        _ => Hash::EMPTY,
    }
}

/// A change of a packed value that puts an item in, and whether it is a new one; `None` where nothing changes.
///
/// # Errors
/// Where it does not fit, or must lie in another layout first.
pub(super) fn plan_put<'e>(
    bytes: &[u8],
    name: &'e [u8],
    value: &'e [u8],
    expire_at: Option<i64>,
    forms: &Forms,
) -> Result<Option<(Edit<'e>, bool)>, Misfit> {
    if packed::Form::read(bytes).is_some_and(|form| form.of_type() == Type::Set) {
        return Ok(Set::read(bytes).add(name, &forms.packed)?.map(|edit| (edit, true)));
    }
    let hash = Hash::read(bytes);
    let place = hash.find(name);
    hash.set(place, name, value, expire_at, &forms.packed).map(|edit| Some((edit, place.is_none())))
}
