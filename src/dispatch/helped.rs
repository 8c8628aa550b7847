//! Requests that take long are worked on aside: from sources that were lent, by a helper, while the request is put off.
//!
//! The request then begins again with the first check, and what was made is good if none of its sources was touched
//! meanwhile: so it is as if all of it had happened at that moment, and nobody waited for a lock. Where they change all the
//! time it runs under the locks after a few tries; at once where it is part of a transaction or a script.

use super::ctx::Ctx;
use super::error::CommandError;
use super::helpers::{Helped, Task};
use super::leave::end_helped;
use crate::base::hash::Key;
use crate::base::limits::HELPED_TRIES_MAX;
use crate::keyspace::Watch;

/// How it is made; `None` where that was given up.
type Making<R> = Box<dyn FnOnce(&Task) -> Option<R> + Send>;

/// What a helper is to make, from what was lent.
pub struct Plan<R> {
    /// How many items it will look at, about.
    steps: usize,
    /// Makes it; gives up where the task does not go on.
    work: Making<R>,
}

impl<R> Plan<R> {
    #[must_use]
    pub fn new(steps: usize, work: impl FnOnce(&Task) -> Option<R> + Send + 'static) -> Plan<R> {
        Plan { steps, work: Box::new(work) }
    }
}

impl Ctx<'_> {
    /// What a helper made of these sources, keys of the selected database, under their locks: they are what they were when
    /// it was planned. `None` where it is to be done here and now, as `plan` may say, which is asked under the locks too and
    /// lends what is needed. To be called before anything else is done; that keys are looked at is counted behind it.
    ///
    /// # Errors
    /// Where the request is put off until a helper has made it.
    pub fn made_aside<R: Send + 'static>(
        &mut self,
        sources: &[Key<'_>],
        plan: impl FnOnce(&mut Ctx<'_>) -> Option<Plan<R>>,
    ) -> Result<Option<R>, CommandError> {
        if self.in_transaction || self.in_script.is_some() {
            return Ok(None);
        }
        if self.session.helped.as_ref().is_some_and(|helped| !helped.task.is_over()) {
            return Err(CommandError::Helped);
        }
        let were_held = self.keys.holds_any();
        self.keys.hold(sources.iter().map(|key| key.hash))?;
        let made = self.take_made(sources).or_else(|tries| match tries {
            HELPED_TRIES_MAX.. => Ok(None),
            tries => self.begin_aside(sources, tries, plan),
        });
        if matches!(made, Ok(None)) && !were_held {
            self.keys.release();
        }
        made
    }

    /// What a helper has made, if it is good still; else how often one has begun.
    fn take_made<R: Send + 'static>(&mut self, sources: &[Key<'_>]) -> Result<Option<R>, u32> {
        let Some(helped) = self.session.helped.take() else { return Err(0) };
        let is_touched = sources.iter().any(|key| self.keys.view(key).is_touched(key, &helped.watch));
        let Some(made) = end_helped(&mut self.keys, &helped) else { return Err(HELPED_TRIES_MAX) };
        if is_touched {
            self.keys.keyspace.cast_off_rest(made, helped.task.made_bytes());
            return Err(helped.tries);
        }
        made.downcast().map_or(Err(HELPED_TRIES_MAX), |made| Ok(Some(*made)))
    }

    /// Gives a helper what is planned, if anything is.
    fn begin_aside<R: Send + 'static>(
        &mut self,
        sources: &[Key<'_>],
        tries: u32,
        plan: impl FnOnce(&mut Ctx<'_>) -> Option<Plan<R>>,
    ) -> Result<Option<R>, CommandError> {
        let Some(Plan { steps, work }) = plan(self) else { return Ok(None) };
        let work = Box::new(|task: &Task| work(task).map(|made| Box::new(made) as _));
        let Some(task) = self.shared.helpers.take_on(&self.session.client, steps, work) else {
            return Ok(None);
        };
        let mut watch = Watch::default();
        for key in sources {
            if watch.add(self.keys.db, key) {
                self.keys.view(key).watch(key, &watch);
            }
        }
        self.session.helped = Some(Box::new(Helped { task, watch, tries: tries + 1 }));
        Err(CommandError::Helped)
    }
}
