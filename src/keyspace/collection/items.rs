//! A collection as it is read: the same from either form.

use std::collections::HashSet;

use crate::base::score;
use crate::storage::packed::{self, Element, Form, Hash, Set, Type, Zset};
use crate::storage::{Collection, Large, LentMembers, ValueRef};

use super::forms::type_of;

/// A field, a value, a member or a score, as it lies.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Element(Element<'a>),
    Value(ValueRef<'a>),
    Score(f64),
}

impl<'a> Part<'a> {
    /// A text of a large collection.
    #[must_use]
    pub fn of_text(bytes: &'a [u8]) -> Part<'a> {
        Part::Element(Element::Bytes(bytes))
    }

    /// Shows its text.
    pub fn with<R>(self, see: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Part::Element(element) => see(element.text(&mut itoa::Buffer::new())),
            Part::Value(value) => see(value.as_slice()),
            Part::Score(score) => see(&score::text(score)),
        }
    }

    /// A copy of its text.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.with(<[u8]>::to_vec)
    }
}

/// The items of a collection: fields with their values, members with their scores, or members with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a>(pub(super) Collection<'a>);

/// All items of a collection, to be read when the lock is gone: lent where it is large.
#[derive(Debug)]
pub enum Whole<'a> {
    Here(Items<'a>),
    Lent(LentMembers),
}

impl Whole<'_> {
    /// How many there are to be shown.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Whole::Here(items) => items.shown(),
            Whole::Lent(items) => items.len(),
        }
    }

    /// Whether there are none: never, where a key has them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const NOTHING: Part<'static> = Part::Element(Element::Bytes(b""));

impl<'a> Items<'a> {
    /// Those of a collection.
    #[must_use]
    pub fn of(collection: Collection<'a>) -> Items<'a> {
        Items(collection)
    }

    /// How many there are, those past their time among them that are not taken out yet; never 0.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Collection::Large(members) => members.len(),
            Collection::Ordered(ordered) => ordered.len(),
            Collection::Packed(bytes) => match packed_type(bytes) {
                Type::Set => Set::read(bytes).len(),
                Type::Zset => Zset::read(bytes).len(),
                _ => Hash::read(bytes).len(),
            },
        }
    }

    /// How many there are to be shown: as many as `each` visits. Cost: as `Members::shown`.
    #[must_use]
    pub fn shown(&self) -> usize {
        match self.0 {
            Collection::Large(members) => members.shown(),
            Collection::Ordered(_) | Collection::Packed(_) => self.len(),
        }
    }

    /// Whether there are none: never, where a key has them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field, the score of a member; of a set's member nothing. Cost: of a packed collection as its form says, else as a look-up of a key.
    #[inline]
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<Part<'a>> {
        match self.0 {
            Collection::Large(members) => members.get(name).map(Part::Value),
            Collection::Ordered(ordered) => ordered.score(name).map(Part::Score),
            Collection::Packed(bytes) => match packed_type(bytes) {
                Type::Set => Set::read(bytes).contains(name).then_some(NOTHING),
                Type::Zset => Zset::read(bytes).score(name).map(Part::Score),
                _ => Hash::read(bytes).get(name).map(|field| Part::Element(field.value)),
            },
        }
    }

    /// When a field ends, wall-clock ms: `None` where there is no field, `Some(None)` where it has no deadline.
    #[must_use]
    pub fn expire_at(&self, name: &[u8]) -> Option<Option<i64>> {
        match self.0 {
            Collection::Large(members) => members.expire_at(name),
            Collection::Packed(bytes) if packed_type(bytes) == Type::Hash => {
                Hash::read(bytes).get(name).map(|field| field.expire_at)
            }
            Collection::Ordered(_) | Collection::Packed(_) => None,
        }
    }

    /// When the first of the fields ends that has a deadline, or a little before.
    #[must_use]
    pub fn due_at(&self) -> Option<i64> {
        match self.0 {
            Collection::Large(members) => members.due_at(),
            Collection::Ordered(_) => None,
            Collection::Packed(bytes) => packed::earliest(bytes),
        }
    }

    /// Visits all of them: of a packed collection in its order, of a large one as they lie.
    pub fn each(&self, mut visit: impl FnMut(Part<'_>, Part<'_>)) {
        self.each_until(|name, value, _| visit(name, value));
    }

    /// As `each`, with the deadlines of fields.
    pub fn each_until(&self, mut visit: impl FnMut(Part<'_>, Part<'_>, Option<i64>)) {
        match self.0 {
            Collection::Large(members) => members.each_until(|name, value, expire_at| {
                visit(Part::of_text(name), Part::Value(value), expire_at)
            }),
            Collection::Ordered(ordered) => {
                ordered.each(|member, score| visit(Part::of_text(member), Part::Score(score), None))
            }
            Collection::Packed(bytes) => match packed_type(bytes) {
                Type::Set => {
                    Set::read(bytes).iter().for_each(|member| visit(Part::Element(member), NOTHING, None))
                }
                Type::Zset => Zset::read(bytes)
                    .iter_from(0)
                    .for_each(|scored| visit(Part::Element(scored.member), Part::Score(scored.score), None)),
                _ => Hash::read(bytes).iter().for_each(|field| {
                    visit(Part::Element(field.name), Part::Element(field.value), field.expire_at)
                }),
            },
        }
    }

    /// One page of a scan: of a packed collection all, whatever the cursor, so that a change of form loses nothing; else
    /// until `count` were seen. Returns the cursor of the next page, 0 at the end. What is there from the first page to
    /// the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Part<'_>, Part<'_>)) -> u64 {
        if matches!(self.0, Collection::Packed(_)) {
            self.each(visit);
            return 0;
        }
        let (mut cursor, mut seen, mut steps) = (cursor, 0, 0);
        loop {
            cursor = self.scan_step(cursor, |name, value| {
                seen += 1;
                visit(name, value);
            });
            steps += 1;
            if cursor == 0 || seen >= count || steps >= count.saturating_mul(10) {
                return cursor;
            }
        }
    }

    /// One step of a scan of a large collection.
    fn scan_step(&self, cursor: u64, mut visit: impl FnMut(Part<'_>, Part<'_>)) -> u64 {
        match self.0 {
            Collection::Packed(_) => 0,
            Collection::Large(members) => {
                members.scan(cursor, |name, value| visit(Part::of_text(name), Part::Value(value)))
            }
            Collection::Ordered(ordered) => {
                ordered.scan(cursor, |member, score| visit(Part::of_text(member), Part::Score(score)))
            }
        }
    }

    /// Shows one drawn at random, each as likely as any other.
    pub fn draw(&self, visit: &mut dyn FnMut(Part<'_>, Part<'_>)) {
        match self.0 {
            Collection::Large(members) => match members.draw(|n| fastrand::usize(..n)) {
                Some((name, value)) => visit(Part::of_text(name), Part::Value(value)),
                None => self.draw_by_walk(1, visit),
            },
            Collection::Ordered(_) | Collection::Packed(_) => {
                self.at(fastrand::usize(..self.len().max(1)), visit);
            }
        }
    }

    /// Shows `count` different ones, all of them if there are no more, each choice as likely as any other. Cost: of a
    /// large collection that of as many draws, or a walk where a third or more is asked for.
    pub fn draw_distinct(&self, count: usize, mut visit: impl FnMut(Part<'_>, Part<'_>)) {
        let len = self.shown();
        if count >= len {
            return self.each(visit);
        }
        if !matches!(self.0, Collection::Packed(_)) && count < len / 3 {
            let mut drawn = HashSet::with_capacity(count);
            while drawn.len() < count {
                self.draw(&mut |name, value| {
                    if drawn.insert(name.to_vec()) {
                        visit(name, value);
                    }
                });
            }
            return;
        }
        self.draw_by_walk(count, &mut visit);
    }

    /// Shows `count` different ones, each with the probability that the rest of the choice needs. Cost: a look at each.
    fn draw_by_walk(&self, count: usize, visit: &mut dyn FnMut(Part<'_>, Part<'_>)) {
        let (mut left, mut wanted) = (self.shown(), count);
        self.each(|name, value| {
            if wanted > 0 && fastrand::usize(..left) < wanted {
                wanted -= 1;
                visit(name, value);
            }
            left -= 1;
        });
    }

    /// Shows the item of that number of a packed collection, or of that rank.
    fn at(&self, index: usize, visit: &mut dyn FnMut(Part<'_>, Part<'_>)) {
        let shown = match self.0 {
            Collection::Large(_) => None,
            Collection::Ordered(ordered) => {
                let scored = ordered.iter(index..index + 1).next();
                scored.map(|(member, score)| (Part::of_text(member), Part::Score(score)))
            }
            Collection::Packed(bytes) => match packed_type(bytes) {
                Type::Set => Set::read(bytes).at(index).map(|member| (Part::Element(member), NOTHING)),
                Type::Zset => {
                    let scored = Zset::read(bytes).iter_from(index).next();
                    scored.map(|scored| (Part::Element(scored.member), Part::Score(scored.score)))
                }
                _ => {
                    let hash = Hash::read(bytes);
                    let field = hash.place(index).and_then(|place| hash.at(place));
                    field.map(|field| (Part::Element(field.name), Part::Element(field.value)))
                }
            },
        };
        if let Some((name, value)) = shown {
            visit(name, value);
        }
    }

    /// Of which type they are.
    #[inline]
    #[must_use]
    pub fn of_type(&self) -> Type {
        type_of(self.0).unwrap_or(Type::Hash)
    }
}

/// The type of a packed collection.
#[inline]
fn packed_type(bytes: &[u8]) -> Type {
    Form::read(bytes).map_or(Type::Hash, Form::of_type)
}
