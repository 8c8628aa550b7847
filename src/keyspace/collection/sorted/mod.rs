//! Sorted sets under their keys: members by score, by rank, by ranges of either, the same from each form.
//!
//! A range by score or by member is one of ranks: where it begins and ends is found first (`before_score`, `before_member`),
//! and then walked over, counted or taken out. `change` gives and takes members, `scores` builds what no key has yet.

mod change;
mod scores;
#[cfg(test)]
mod tests;

use std::ops::{Deref, Range};

pub use change::SortedMut;
pub use scores::Scores;

use super::items::{Items, Part};
use super::{SORTED_SET, forms};
use crate::base::hash::Key;
use crate::keyspace::view::{View, visible};
use crate::storage::packed::{Element, Type, Zset};
use crate::storage::{Collection, Entry, WrongType};

/// A sorted set to read. As `Items` it is members with their scores.
#[derive(Clone, Copy, Debug)]
pub struct SortedRef<'a>(Items<'a>);

impl<'a> Deref for SortedRef<'a> {
    type Target = Items<'a>;

    fn deref(&self) -> &Items<'a> {
        &self.0
    }
}

impl<'a> SortedRef<'a> {
    /// What an entry holds, where that is a sorted set.
    #[must_use]
    pub fn of(entry: &Entry<'a>) -> Option<SortedRef<'a>> {
        let collection = Collection::of(entry)?;
        (forms::type_of(collection) == Some(Type::Zset)).then_some(SortedRef(Items(collection)))
    }
}

impl SortedRef<'_> {
    /// The score of a member. Cost: as `Items::get`.
    #[inline]
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.get(member)? {
            Part::Score(score) => Some(score),
            Part::Element(_) | Part::Value(_) => None,
        }
    }

    /// The rank of a member, from the lowest score on, and its score. Cost: of a packed set a look-up, else the logarithm of
    /// the members.
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0.0 {
            Collection::Ordered(ordered) => ordered.rank(member),
            Collection::Packed(bytes) => {
                let zset = Zset::read(bytes);
                let place = zset.find(member)?;
                Some((place.index, zset.at(place)?.score))
            }
            Collection::Large(_) => None,
        }
    }

    /// How many members have a lower score, and `or_equal` the same. Cost: the logarithm of the members, of a run their
    /// number.
    #[must_use]
    pub fn before_score(&self, score: f64, or_equal: bool) -> usize {
        let is_before = |other: f64| other < score || (or_equal && other == score);
        match self.0.0 {
            Collection::Ordered(ordered) => ordered.rank_of(score, |_, other| is_before(other)),
            Collection::Packed(bytes) => Zset::read(bytes).rank_of(|scored| is_before(scored.score)),
            Collection::Large(_) => 0,
        }
    }

    /// How many members are before this one by their bytes, and `or_equal` the same one; told truly where all scores are the
    /// same. Cost: as `before_score`.
    #[must_use]
    pub fn before_member(&self, member: &[u8], or_equal: bool) -> usize {
        match self.0.0 {
            Collection::Ordered(ordered) => {
                ordered.rank_of(f64::NAN, |other, _| other < member || (or_equal && other == member))
            }
            Collection::Packed(bytes) => Zset::read(bytes).rank_of(|scored| {
                let order = scored.member.cmp_text(member);
                order.is_lt() || (or_equal && order.is_eq())
            }),
            Collection::Large(_) => 0,
        }
    }

    /// Visits the members of these ranks, in reverse from the last of them down. Cost: of a packed run also the members
    /// before the first.
    pub fn each_of(&self, ranks: Range<usize>, is_reverse: bool, mut visit: impl FnMut(Part<'_>, f64)) {
        let text = |member| Part::Element(Element::Bytes(member));
        match self.0.0 {
            Collection::Large(_) => {}
            Collection::Ordered(ordered) if is_reverse => {
                ordered.iter(ranks).rev().for_each(|(member, score)| visit(text(member), score));
            }
            Collection::Ordered(ordered) => {
                ordered.iter(ranks).for_each(|(member, score)| visit(text(member), score));
            }
            Collection::Packed(bytes) => {
                let (zset, count) = (Zset::read(bytes), ranks.len());
                let mut show = |scored: crate::storage::packed::Scored<'_>| {
                    visit(Part::Element(scored.member), scored.score);
                };
                match (is_reverse, ranks.end.checked_sub(1)) {
                    (true, Some(last)) => zset.back_from(last).take(count).for_each(&mut show),
                    (true, None) => {}
                    (false, _) => zset.iter_from(ranks.start).take(count).for_each(&mut show),
                }
            }
        }
    }
}

impl<'a> View<'a> {
    /// A key's sorted set, counted as a hit or a miss; `None` without key.
    ///
    /// # Errors
    /// Where the key holds something else; counted all the same.
    #[inline]
    pub fn sorted(&mut self, key: &Key<'_>) -> Result<Option<SortedRef<'_>>, WrongType> {
        Ok(self.items(key, Type::Zset)?.map(SortedRef))
    }

    /// The members of a key's sorted set, or of its set, counted as a hit or a miss; `None` without key.
    ///
    /// # Errors
    /// As `sorted`.
    pub fn scored(&mut self, key: &Key<'_>) -> Result<Option<Items<'_>>, WrongType> {
        self.items_of(key, |of_type| matches!(of_type, Type::Set | Type::Zset))
    }

    /// As `scored`, for a key that was looked at before: not counted.
    pub fn peek_scored(&mut self, key: &Key<'_>) -> Option<Items<'_>> {
        self.tend(key);
        let collection = Collection::of(&visible(self.store(), key)?)?;
        let is_right = matches!(forms::type_of(collection), Some(Type::Set | Type::Zset));
        is_right.then_some(Items(collection))
    }

    /// A key's sorted set to change, or none yet. A change is told as `event` when the handle is dropped.
    ///
    /// # Errors
    /// Where the key holds something else.
    #[inline]
    pub fn sorted_mut<'v>(
        &'v mut self,
        key: &Key<'v>,
        event: &'static str,
    ) -> Result<SortedMut<'v, 'a>, WrongType> {
        let fresh = self.keyspace.fresh_scores();
        Ok(SortedMut::new(self.open(key, SORTED_SET, event)?, fresh))
    }

    /// Puts a sorted set under a key in place of whatever is there, told as `event`; an empty one removes the key.
    pub fn store_scores(&mut self, key: &Key<'_>, scores: Scores, event: &'static str) {
        self.store_taken(key, scores.into_taken(), SORTED_SET, event);
    }
}
