//! What a history says of one key and of its leases, put so that `rules` can ask.

use std::collections::HashMap;

use super::record::{Act, History, MS, NEVER, Nanos, Op, Said, With};
use super::spans::Spans;

/// What happened to one key.
#[derive(Debug, Default)]
pub struct KeyFacts<'h> {
    pub acts: Vec<&'h Act>,
    /// Acknowledged writes, deletions and FILL.STALE: each voids the leases granted before it.
    pub voids: Spans,
    /// As `voids`, also those that may have happened without anybody reading the reply.
    pub possible_voids: Spans,
    /// Everything acknowledged that puts something else in the place of a value, answers of leaders included.
    pub replaced: Spans,
    /// As `replaced`, but FILL.STALE, after which the value may still be served as stale.
    pub gone: Spans,
    /// Acknowledged writes of values that stay until they are removed.
    pub lasting: Spans,
    /// Whatever may lead to there being no fresh value.
    pub removers: Spans,
    pub leases: Vec<LeaseFacts<'h>>,
}

/// What is known of one lease.
#[derive(Debug)]
pub struct LeaseFacts<'h> {
    pub token: &'h str,
    /// The second half of the token: later leases of a key have larger ones.
    pub serial: u64,
    /// The FILL.GET that was granted it first.
    pub grant: &'h Act,
    pub lease_ms: u64,
    /// All uses of the token: PUT, NONE, PASS, FAIL, RENEW.
    pub uses: Vec<&'h Act>,
}

impl<'h> KeyFacts<'h> {
    /// The facts of every key of a history.
    pub fn of(history: &'h History) -> HashMap<u32, KeyFacts<'h>> {
        let mut keys: HashMap<u32, KeyFacts<'h>> = HashMap::new();
        for act in history.acts.iter().filter(|act| !matches!(act.said, Some(Said::Refused(_)))) {
            keys.entry(act.key).or_default().acts.push(act);
        }
        keys.values_mut().for_each(KeyFacts::index);
        keys
    }

    fn index(&mut self) {
        self.voids = self.spans(|act| act.is_certain() && act.is_void());
        self.possible_voids = self.spans(Act::is_void);
        self.replaced = self.spans(|act| act.is_certain() && (act.is_void() || act.is_accepted_value()));
        self.gone = self.spans(|act| {
            act.is_certain() && (act.is_void() && act.op != Op::Soften || act.is_accepted_value())
        });
        self.lasting = self.spans(|act| act.is_certain() && act.is_lasting());
        self.removers = self.spans(Act::may_remove);
        self.leases = leases(&self.acts);
    }

    fn spans(&self, mut which: impl FnMut(&Act) -> bool) -> Spans {
        Spans::of(self.acts.iter().filter(|act| which(act)).map(|act| (act.start, act.end)))
    }
}

fn leases<'h>(acts: &[&'h Act]) -> Vec<LeaseFacts<'h>> {
    let mut by_token: HashMap<&str, LeaseFacts<'h>> = HashMap::new();
    for act in acts {
        if let Some(Said::Told { token: Some(token), ms, .. }) = &act.said {
            let serial = token.split_once('-').map_or("", |(_, serial)| serial);
            let serial = u64::from_str_radix(serial, 16).expect("a token is two numbers of 16 digits");
            let new = || LeaseFacts { token, serial, grant: act, lease_ms: *ms as u64, uses: Vec::new() };
            by_token.entry(token.as_str()).or_insert_with(new);
        }
    }
    for act in acts {
        if let Op::Answer { token, .. } | Op::Renew { token } = &act.op
            && let Some(lease) = by_token.get_mut(token.as_str())
        {
            lease.uses.push(act);
        }
    }
    let mut leases: Vec<_> = by_token.into_values().collect();
    leases.sort_unstable_by_key(|lease| lease.serial);
    leases
}

impl Act {
    /// Its reply was read.
    pub fn is_certain(&self) -> bool {
        self.said.is_some()
    }

    fn is_void(&self) -> bool {
        matches!(self.op, Op::Write { .. } | Op::Delete | Op::Soften)
    }

    /// A leader's answer, accepted, that says what the key holds.
    fn is_accepted_value(&self) -> bool {
        self.said == Some(Said::Stored)
            && matches!(self.op, Op::Answer { with: With::Put { .. } | With::None | With::Pass, .. })
    }

    /// Leaves a value that only another act removes.
    fn is_lasting(&self) -> bool {
        match &self.op {
            Op::Write { fades, .. } => !fades,
            Op::Answer { with: With::Put { fades, .. }, .. } => !fades && self.said == Some(Said::Stored),
            _ => false,
        }
    }

    /// After it there may be no fresh value, at once or when its time is up.
    fn may_remove(&self) -> bool {
        match &self.op {
            Op::Delete | Op::Soften | Op::Write { fades: true, .. } => true,
            Op::Answer { with: With::Put { fades: true, .. } | With::None | With::Pass, .. } => {
                matches!(self.said, None | Some(Said::Stored))
            }
            _ => false,
        }
    }
}

impl LeaseFacts<'_> {
    /// Until when it certainly was alive, whatever the order of what overlaps.
    pub fn surely_until(&self, key: &KeyFacts<'_>, history: &History, orphan_grace_ms: u64) -> Nanos {
        // The server's milliseconds are cut off, its instants lie a little before or after ours.
        let own_end = self.grant.start + self.lease_ms.saturating_sub(2) * MS;
        let answers = self.uses.iter().filter(|used| matches!(used.op, Op::Answer { .. }));
        let answered = answers.map(|answer| answer.start).min().unwrap_or(NEVER);
        let voided = key.possible_voids.first_start_touching(self.grant.start).unwrap_or(NEVER);
        let left = history.closed.get(&self.grant.conn);
        let left = left.map_or(NEVER, |(from, _)| from + orphan_grace_ms.saturating_sub(2) * MS);
        own_end.min(answered).min(voided).min(left)
    }

    /// When it may have been alive at the longest.
    pub fn maybe_until(&self, key: &KeyFacts<'_>, history: &History, orphan_grace_ms: u64) -> Nanos {
        let renewed =
            self.uses.iter().filter(|used| matches!(used.op, Op::Renew { .. })).map(|used| used.end);
        let begun = renewed.max().unwrap_or(0).max(self.grant.end);
        let own_end = begun.saturating_add(self.lease_ms * MS);
        let stored = self.uses.iter().filter(|used| used.said == Some(Said::Stored)).map(|used| used.end);
        let voided = key.voids.first_end_behind(self.grant.end).unwrap_or(NEVER);
        let left = history.closed.get(&self.grant.conn);
        let left = left.map_or(NEVER, |(_, to)| to + orphan_grace_ms * MS);
        own_end.min(stored.min().unwrap_or(NEVER)).min(voided).min(left)
    }
}
