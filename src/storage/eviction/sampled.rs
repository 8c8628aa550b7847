//! Redis's policies: the best of some entries drawn at random, and the best that earlier draws left.
//!
//! ```text
//! stamp, Lru    time 32            in units of 64 ms, wall clock
//! stamp, Lfu    minutes 24 | logarithmic count of uses 8
//! ```

use super::super::store::{Found, Store};
use super::rule::{Eviction, LfuRule, Order};

/// Candidates kept from one eviction to the next, as in Redis.
const POOL: usize = 16;
/// Slots looked at for one entry with a deadline, where only those may go. Where they are fewer than that,
/// the one with the nearest deadline goes.
const WALK_PER_SAMPLE: usize = 16;
const UNIT_BITS: u32 = 6;
const MS_PER_MINUTE: u64 = 60_000;
/// What a new entry counts as, so that it is not evicted before it had a chance. Redis's own.
const NEW_FREQUENCY: u8 = 5;

/// The best candidates of earlier draws, best last.
#[derive(Debug, Default)]
pub struct Pool(Vec<Candidate>);

#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The higher, the sooner it goes.
    score: u32,
    record: u32,
    stamp: u32,
}

impl Pool {
    fn offer(&mut self, candidate: Candidate) {
        if self.0.iter().any(|other| other.record == candidate.record) {
            return;
        }
        let at = self.0.partition_point(|other| other.score < candidate.score);
        if self.0.len() == POOL {
            if at > 0 {
                self.0.remove(0);
                self.0.insert(at - 1, candidate);
            }
        } else {
            self.0.insert(at, candidate);
        }
    }
}

/// A time in the unit of stamps; wraps after 8.7 years.
pub fn clock(now_ms: i64) -> u32 {
    (now_ms >> UNIT_BITS) as u32
}

fn minutes(clock: u32) -> u32 {
    ((u64::from(clock) << UNIT_BITS) / MS_PER_MINUTE) as u32 & 0x00ff_ffff
}

/// Seconds since the time of a stamp of `Lru`.
#[must_use]
pub fn idle_s(stamp: u32, now_ms: i64) -> u64 {
    (u64::from(elapsed(stamp, clock(now_ms))) << UNIT_BITS) / 1000
}

/// The stamp of `Lru` of an entry that nobody has used for so long, as far as stamps reach: four years.
pub fn idle_stamp(idle_s: u64, now_ms: i64) -> u32 {
    let units = idle_s.saturating_mul(1000) >> UNIT_BITS;
    clock(now_ms).wrapping_sub(units.min(u64::from(u32::MAX / 2)) as u32)
}

/// From one time to another; none if the clock was set back.
fn elapsed(from: u32, to: u32) -> u32 {
    let elapsed = to.wrapping_sub(from);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

pub fn new_frequency(clock: u32) -> u32 {
    frequency_stamp(NEW_FREQUENCY, clock)
}

/// The stamp of `Lfu` of an entry with that count of uses.
pub fn frequency_stamp(count: u8, clock: u32) -> u32 {
    minutes(clock) << 8 | u32::from(count)
}

/// The count of uses in a stamp of `Lfu`, less what time took.
#[must_use]
pub fn frequency(stamp: u32, now_ms: i64, rule: LfuRule) -> u8 {
    decayed(stamp, clock(now_ms), rule)
}

fn decayed(stamp: u32, clock: u32, rule: LfuRule) -> u8 {
    let passed = minutes(clock).wrapping_sub(stamp >> 8) & 0x00ff_ffff;
    let periods = passed.checked_div(rule.decay_minutes).unwrap_or(0);
    (stamp as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
}

/// The stamp of `Lfu` after one more use: counted with a probability that falls with the count.
pub fn used(stamp: u32, clock: u32, rule: LfuRule) -> u32 {
    let count = decayed(stamp, clock, rule);
    let base = f64::from(count.saturating_sub(NEW_FREQUENCY));
    let counts = fastrand::f64() < 1.0 / (base * f64::from(rule.log_factor) + 1.0);
    frequency_stamp(count.saturating_add(u8::from(counts)), clock)
}

impl Store {
    pub(super) fn sampled_victim(
        &mut self,
        pool: &mut Pool,
        rule: Eviction,
        clock: u32,
        now_ms: i64,
    ) -> Option<Found> {
        self.draw_candidates(pool, rule, clock);
        while let Some(candidate) = pool.0.pop() {
            // One that was used or replaced since has another stamp.
            let is_same = |slot| self.table.stamp(slot) == candidate.stamp;
            let found = self.find_exact(candidate.record, is_same);
            let is_allowed = |found: &Found| !rule.expiring_only || self.entry(*found).expire_at().is_some();
            if let Some(found) = found.filter(is_allowed) {
                return Some(found);
            }
        }
        self.random_victim(rule.expiring_only, now_ms)
    }

    fn draw_candidates(&self, pool: &mut Pool, rule: Eviction, clock: u32) {
        let mut hand = self.table.hand_anywhere(|n| fastrand::usize(..n));
        let mut drawn = 0;
        for _ in 0..(rule.samples.min(self.len()) * WALK_PER_SAMPLE) {
            let Some((slot, block)) = self.table.advance(&mut hand) else { return };
            if rule.expiring_only && self.read(block).expire_at().is_none() {
                continue;
            }
            let stamp = self.table.stamp(slot);
            let score = match rule.order {
                Order::Lfu => u32::from(u8::MAX - decayed(stamp, clock, rule.lfu)),
                _ => elapsed(stamp, clock),
            };
            pool.offer(Candidate { score, record: self.record(block), stamp });
            drawn += 1;
            if drawn == rule.samples {
                return;
            }
        }
    }

    pub(super) fn random_victim(&mut self, expiring_only: bool, now_ms: i64) -> Option<Found> {
        let mut hand = self.table.hand_anywhere(|n| fastrand::usize(..n));
        // Not always the first of a bucket.
        let skipped = fastrand::usize(..8);
        for step in 0..skipped + WALK_PER_SAMPLE {
            let (slot, block) = self.table.advance(&mut hand)?;
            if step >= skipped && (!expiring_only || self.read(block).expire_at().is_some()) {
                return Some(Found { slot, block });
            }
        }
        self.take_earliest(now_ms).map(|(.., found)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: LfuRule = LfuRule { log_factor: 10, decay_minutes: 1 };

    #[test]
    fn idle_time_is_seconds_and_survives_a_clock_set_back() {
        let stamp = clock(1_700_000_000_000);
        assert_eq!(idle_s(stamp, 1_700_000_010_100), 10);
        assert_eq!(idle_s(stamp, 1_699_999_000_000), 0);
    }

    #[test]
    fn frequency_grows_slowly_and_decays_by_the_minute() {
        let mut stamp = new_frequency(clock(1_700_000_000_000));
        assert_eq!(frequency(stamp, 1_700_000_000_000, RULE), 5);
        (0..1_000).for_each(|_| stamp = used(stamp, clock(1_700_000_000_000), RULE));
        let after = frequency(stamp, 1_700_000_000_000, RULE);
        assert!((10..40).contains(&after), "{after}");
        assert_eq!(frequency(stamp, 1_700_000_000_000 + 3 * 60_000, RULE), after - 3);
        assert_eq!(frequency(stamp, 1_700_000_000_000 + 500 * 60_000, RULE), 0);
        let lasting = LfuRule { decay_minutes: 0, ..RULE };
        assert_eq!(frequency(stamp, 1_700_000_000_000 + 500 * 60_000, lasting), after);
    }

    #[test]
    fn pool_keeps_the_sixteen_best() {
        let mut pool = Pool::default();
        (0..100).for_each(|at| pool.offer(Candidate { score: at * 37 % 100, record: at, stamp: 0 }));
        let scores: Vec<u32> = pool.0.iter().map(|candidate| candidate.score).collect();
        assert_eq!(scores, (84..100).collect::<Vec<_>>());
    }
}
