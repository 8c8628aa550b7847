//! A sorted set that no key has yet: built member by member, in whichever form that takes.

use super::SortedRef;
use crate::base::hash::HashSeed;
use crate::keyspace::collection::forms::Forms;
use crate::keyspace::collection::fresh::set_named;
use crate::keyspace::collection::items::Items;
use crate::storage::packed::{Zset, put_score};
use crate::storage::{Collection, Full, Ordered, Outside, Taken, Updated};

/// A sorted set without a key.
#[derive(Debug)]
pub struct Scores {
    seed: HashSeed,
    form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    /// Also while there are no members.
    Packed(Vec<u8>),
    Large(Box<Ordered>),
}

impl Scores {
    /// One without members.
    #[must_use]
    pub(in crate::keyspace) fn new(seed: HashSeed) -> Scores {
        Scores { seed, form: Form::Packed(Vec::new()) }
    }

    /// What a packed value holds.
    pub(super) fn of_packed(bytes: &[u8], seed: HashSeed) -> Scores {
        Scores { seed, form: Form::Packed(bytes.to_vec()) }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.as_ref().map_or(0, |set| set.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it; `None` while nothing is.
    #[must_use]
    pub fn as_ref(&self) -> Option<SortedRef<'_>> {
        let collection = match &self.form {
            Form::Packed(bytes) if Zset::read(bytes).is_empty() => return None,
            Form::Packed(bytes) => Collection::Packed(bytes),
            Form::Large(ordered) => Collection::Ordered(ordered),
        };
        Some(SortedRef(Items(collection)))
    }

    /// Gives a member the score that `decide` makes of the one it has, or leaves it alone.
    ///
    /// # Errors
    /// Where it holds as much as it may; nothing changes then.
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
        forms: &Forms,
    ) -> Result<Updated, Full> {
        let before = self.as_ref().and_then(|set| set.score(member));
        let updated = Updated { before, after: decide(before) };
        if let Some(score) = updated.to_write() {
            self.put(member, score, forms)?;
        }
        Ok(updated)
    }

    /// Gives a member a score.
    ///
    /// # Errors
    /// As `update`.
    pub fn put(&mut self, member: &[u8], score: f64, forms: &Forms) -> Result<(), Full> {
        if let Form::Packed(bytes) = &mut self.form {
            if bytes.is_empty() {
                *bytes = Zset::EMPTY.to_vec();
            }
            if !put_score(bytes, member, score, &forms.packed) {
                self.form = Form::Large(Box::new(Ordered::of_packed(bytes, self.seed)?));
            }
        }
        if let Form::Large(ordered) = &mut self.form {
            ordered.update(member, |_| Some(score))?;
        }
        if forms.names_zset(self.len(), member) {
            self.set_named();
        }
        Ok(())
    }

    /// Gives it the name of a large one.
    pub(super) fn set_named(&mut self) {
        match &mut self.form {
            Form::Packed(bytes) => {
                if bytes.is_empty() {
                    *bytes = Zset::EMPTY.to_vec();
                }
                set_named(bytes, true);
            }
            Form::Large(ordered) => ordered.set_named(),
        }
    }

    pub(super) fn into_form(self) -> Form {
        self.form
    }

    /// The value, to be put under a key; `None` without members.
    #[must_use]
    pub fn into_taken(self) -> Option<Taken> {
        match self.form {
            Form::Packed(bytes) if Zset::read(&bytes).is_empty() => None,
            Form::Packed(bytes) => Some(Taken::Small(bytes.into())),
            Form::Large(ordered) => Some(Taken::Outside(Outside::Collection(ordered))),
        }
    }
}
