//! When a key ends: at a time, when nobody has asked for it so long, or whichever comes first.
//!
//! An entry with limited idle time has its end moved by each access (`tend` in `verbs`); the verbs here set and
//! tell the limit. Invariant: an end that was given is never moved to an earlier time by an access.

use std::num::NonZeroU64;

use super::view::{View, visible};
use crate::base::hash::Key;
use crate::storage::{Entry, Idle, Meta, NewValue};

/// What a write does to the key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Keep,
    None,
    /// Wall-clock ms since the epoch.
    At(i64),
}

/// When a key ends. Without either it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The latest end, wall-clock ms since the epoch.
    pub until: Option<i64>,
    /// The longest time without an access, ms.
    pub idle_ms: Option<NonZeroU64>,
}

impl Ends {
    /// What an entry says of its end.
    pub(super) fn of(entry: &Entry<'_>) -> Ends {
        match entry.idle() {
            Some(idle) => Ends { until: idle.until(), idle_ms: Some(idle.ms) },
            None => Ends { until: entry.expire_at(), idle_ms: None },
        }
    }

    /// Deadline and limit of idle time of an entry that was last asked for at `now_ms`.
    #[inline]
    pub(super) fn from(self, now_ms: i64) -> (Option<i64>, Option<Idle>) {
        match self.idle_ms {
            None => (self.until, None),
            Some(ms) => {
                let idle = Idle { ms, until: self.until.unwrap_or(i64::MAX) };
                (Some(idle.ends_at(now_ms)), Some(idle))
            }
        }
    }
}

impl View<'_> {
    /// When the key ends; `None` if it is absent.
    pub fn ends(&mut self, key: &Key<'_>) -> Option<Ends> {
        self.tend(key);
        visible(self.store(), key).map(|entry| Ends::of(&entry))
    }

    /// Stores a value and tells nobody what for; `None` leaves the limit that `Expiry::Keep` finds.
    /// A deadline that is already past removes the key instead.
    pub(super) fn store_value(
        &mut self,
        key: &Key<'_>,
        value: &NewValue<'_>,
        expiry: Expiry,
        idle_ms: Option<NonZeroU64>,
    ) {
        let before = match expiry {
            Expiry::Keep => self.ends(key).unwrap_or_default(),
            Expiry::None => Ends::default(),
            Expiry::At(at) => Ends { until: Some(at), idle_ms: None },
        };
        let wall_ms = self.scope.now.wall_ms;
        if before.until.is_some_and(|at| at <= wall_ms) {
            self.erase(key);
            return;
        }
        let (expire_at, idle) = Ends { idle_ms: idle_ms.or(before.idle_ms), ..before }.from(wall_ms);
        self.put_entry(key, value, Meta { idle, ..Meta::value(expire_at) });
        self.wrote(key);
    }
}
