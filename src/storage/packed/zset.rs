//! A packed sorted set: members with their scores, in the order of both.

use std::cmp::Ordering;

use super::edit::Edit;
use super::element::Element;
use super::form::{Form, Layout, Limits, Misfit, Type};
use super::frame::{Frame, Place};
use super::item::{Item, Second};
use super::rebuild::rebuilt;

/// The members of a value.
#[derive(Clone, Copy, Debug)]
pub struct Zset<'a>(Frame<'a>);

/// A member and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<'a> {
    pub member: Element<'a>,
    pub score: f64,
}

impl Scored<'_> {
    /// The order of the set: by score, then by the bytes of the member. Scores are never NaN.
    #[must_use]
    pub fn cmp_to(&self, score: f64, member: &[u8]) -> Ordering {
        let by_score = self.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.member.cmp_text(member))
    }
}

impl<'a> Zset<'a> {
    /// A set without members, to put the first one into.
    pub const EMPTY: &'static [u8] = &[Form::new(Type::Zset, Layout::Run).byte(), 0];

    #[inline]
    #[must_use]
    pub fn read(value: &'a [u8]) -> Zset<'a> {
        Zset(Frame::read(value, Type::Zset))
    }

    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn form(&self) -> Form {
        self.0.form()
    }

    /// The place of a member; its number there is its rank. Cost: as a field of a hash.
    #[inline]
    #[must_use]
    pub fn find(&self, member: &[u8]) -> Option<Place> {
        self.0.find(Element::of(member))
    }

    /// The member at a place.
    #[inline]
    #[must_use]
    pub fn at(&self, place: Place) -> Option<Scored<'a>> {
        self.0.item(place).and_then(scored_of)
    }

    /// The score of a member. Cost: as `find`.
    #[inline]
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.at(self.find(member)?).map(|found| found.score)
    }

    /// The place of the member of that rank: for random picks too.
    #[must_use]
    pub fn place(&self, rank: usize) -> Option<Place> {
        self.0.place(rank)
    }

    /// The members from a rank on, upwards.
    pub fn iter_from(&self, rank: usize) -> impl Iterator<Item = Scored<'a>> + use<'a> {
        self.0.iter_from(rank).filter_map(scored_of)
    }

    /// The members from a rank on, downwards to the first.
    pub fn back_from(&self, rank: usize) -> impl Iterator<Item = Scored<'a>> + use<'a> {
        self.0.back_from(rank).filter_map(scored_of)
    }

    /// How many members at the beginning are before a bound: those for which `is_before` holds, and it holds for none
    /// behind them. So a range by score or by member is one of ranks. Cost: in a page the logarithm of the members.
    #[must_use]
    pub fn rank_of(&self, is_before: impl Fn(&Scored<'a>) -> bool) -> usize {
        if self.form().layout() != Layout::Page {
            return self.iter_from(0).take_while(|member| is_before(member)).count();
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let member = self.place(middle).and_then(|place| self.at(place));
            if member.is_some_and(|member| is_before(&member)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// A change that gives a member, found at `place` or not there, a score. Its rank follows.
    ///
    /// # Errors
    /// Where it does not fit, or must lie in another layout first.
    pub fn set<'e>(
        &self,
        place: Option<Place>,
        member: &'e [u8],
        score: f64,
        limits: &Limits,
    ) -> Result<Edit<'e>, Misfit> {
        let item = Item { expire_at: None, first: Element::of(member), second: Second::Score(score) };
        let before = self.rank_of(|other| other.cmp_to(score, member) == Ordering::Less);
        match place {
            None => self.0.insert(before, item, limits),
            // It stands among those before its new place itself.
            Some(place) => {
                let rank = if before > place.index { before - 1 } else { before };
                self.0.replace(place, rank, item, limits)
            }
        }
    }

    /// A change that takes a member out. For many at once: `retain`.
    #[must_use]
    pub fn remove(&self, place: Place) -> Edit<'static> {
        self.0.remove(place)
    }
}

/// Gives a member a score in a value of its own, in whatever layout that takes; false, and nothing changed, where it would
/// be too large for a packed one. Cost: a look-up, and a copy of the value.
pub fn put_score(value: &mut Vec<u8>, member: &[u8], score: f64, limits: &Limits) -> bool {
    loop {
        let zset = Zset::read(value);
        match zset.set(zset.find(member), member, score, limits) {
            Ok(edit) => {
                edit.apply_to(value);
                return true;
            }
            Err(Misfit::Layout(layout)) => *value = rebuilt(value, layout),
            Err(Misfit::Large) => return false,
        }
    }
}

fn scored_of(item: Item<'_>) -> Option<Scored<'_>> {
    match item.second {
        Second::Score(score) => Some(Scored { member: item.first, score }),
        Second::Nothing | Second::Value(_) => None,
    }
}
