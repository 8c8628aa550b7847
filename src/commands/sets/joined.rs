//! Large sets joined by a helper, from all of them as they were lent at one moment.
//!
//! Lent sets can be walked and not asked for a member. So an intersection walks the smallest one first, and of each other one keeps
//! what was there before; a difference first finds what goes.

use crate::base::hash::Key;
use crate::base::limits::{HELPED_LOOK_STEPS, HELPED_STEPS_MIN, HELPED_WALK_MAX};
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::helped::Plan;
use crate::dispatch::helpers::Task;
use crate::keyspace::{Forms, Fresh, LentItems};
use crate::storage::packed::Type;
use crate::storage::{Full, NewValue};

/// How sets are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Union,
    Intersection,
    /// What is in the first one and in no other.
    Difference,
}

impl Join {
    /// About how many members it looks at under the locks, and how many a helper does.
    fn steps(self, lens: &[usize]) -> (usize, usize) {
        let all = lens.iter().sum();
        match self {
            Join::Union => (all, all),
            Join::Intersection => {
                let smallest = lens.iter().min().copied().unwrap_or(0);
                (smallest.saturating_mul(lens.len()), all)
            }
            Join::Difference => {
                let first = lens.first().copied().unwrap_or(0);
                (first.saturating_mul(lens.len()), all + first)
            }
        }
    }
}

/// What a helper has made of the sets of these keys; `None` where it is done here, as that takes no longer than it may.
///
/// # Errors
/// Where the request is put off until a helper is done, and where a set would hold too much.
pub fn joined_aside(ctx: &mut Ctx<'_>, keys: &[Key<'_>], how: Join) -> Result<Option<Fresh>, CommandError> {
    let joined = ctx.made_aside(keys, |ctx| plan(ctx, keys, how))?.transpose()?;
    if joined.is_some() {
        for key in keys {
            ctx.keys.view(key).exists(key);
        }
    }
    Ok(joined)
}

fn plan(ctx: &mut Ctx<'_>, keys: &[Key<'_>], how: Join) -> Option<Plan<Result<Fresh, Full>>> {
    let lens = keys.iter().map(|key| ctx.keys.view(key).members_len(key)).collect::<Option<Vec<_>>>()?;
    let (steps, walk) = how.steps(&lens);
    if steps <= HELPED_STEPS_MIN || walk / HELPED_WALK_MAX > steps {
        return None;
    }
    let mut keys: Vec<_> = lens.into_iter().zip(keys).collect();
    if how == Join::Intersection {
        keys.sort_by_key(|(len, _)| *len);
    }
    let mut lend = |key: &Key<'_>| Some(ctx.keys.view(key).lend_items(key)?.0);
    // A difference walks the first one twice.
    let first = keys.first().filter(|_| how == Join::Difference).and_then(|(_, key)| lend(key));
    let sets: Vec<_> = keys.iter().filter_map(|(_, key)| lend(key)).collect();
    let (forms, empty) = (ctx.keys.scope.rules.forms, ctx.keys.keyspace.fresh(Type::Set));
    Some(Plan::new(walk, move |task| {
        let joined = Joiner { task, forms, empty }.join(how, first, sets);
        match joined {
            Ok(joined) => Some(Ok(joined)),
            Err(Stopped::Full(full)) => Some(Err(full)),
            Err(Stopped::Left) => None,
        }
    }))
}

/// What a helper joins sets with.
struct Joiner<'t> {
    task: &'t Task,
    forms: Forms,
    empty: Fresh,
}

/// Why nothing was made.
enum Stopped {
    Full(Full),
    Left,
}

impl Joiner<'_> {
    fn join(&self, how: Join, first: Option<LentItems>, sets: Vec<LentItems>) -> Result<Fresh, Stopped> {
        let mut sets = sets.into_iter();
        let mut joined = self.empty.another();
        match how {
            Join::Union => sets.try_for_each(|set| self.add(&mut joined, set, 0, |_| true))?,
            Join::Intersection => {
                sets.next().map_or(Ok(()), |smallest| self.add(&mut joined, smallest, 0, |_| true))?;
                for set in sets {
                    let before = std::mem::replace(&mut joined, self.empty.another());
                    self.add(&mut joined, set, before.held_bytes(), |member| before.contains(member))?;
                }
            }
            Join::Difference => {
                let mut all = self.empty.another();
                let mut gone = self.empty.another();
                sets.next().map_or(Ok(()), |set| self.add(&mut all, set, 0, |_| true))?;
                for set in sets {
                    self.add(&mut gone, set, all.held_bytes(), |member| all.contains(member))?;
                }
                drop(all);
                let is_left = |member: &[u8]| !gone.contains(member);
                first.map_or(Ok(()), |set| self.add(&mut joined, set, gone.held_bytes(), is_left))?;
            }
        }
        Ok(joined)
    }

    /// Adds the members of a set of which `wants` says so, while there are so many bytes beside.
    fn add(
        &self,
        joined: &mut Fresh,
        set: LentItems,
        beside_bytes: usize,
        wants: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Stopped> {
        let (mut seen, mut ended) = (0_usize, Ok(()));
        set.read(|member, _| {
            seen += 1;
            if seen.is_multiple_of(HELPED_LOOK_STEPS)
                && !self.task.goes_on(beside_bytes + joined.held_bytes())
            {
                ended = Err(Stopped::Left);
            } else if wants(member) {
                let put = joined.put(member, &NewValue::Small(b""), &self.forms);
                ended = put.map(drop).map_err(Stopped::Full);
            }
            ended.is_ok()
        });
        ended
    }
}
