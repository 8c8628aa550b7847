//! Intervals of time and the questions the rules ask of a set of them, each in logarithmic time.

use super::record::Nanos;

/// A set of intervals, each from the start of a call to its end.
#[derive(Debug, Default)]
pub struct Spans {
    /// By start, with the earliest end from there on and the latest end up to there.
    by_start: Vec<Ranked>,
    /// By end, with the earliest start from there on and the latest start up to there.
    by_end: Vec<Ranked>,
}

#[derive(Debug)]
struct Ranked {
    at: Nanos,
    earliest_from_here: Nanos,
    latest_to_here: Nanos,
}

fn ranked(mut pairs: Vec<(Nanos, Nanos)>) -> Vec<Ranked> {
    pairs.sort_unstable();
    let mut ranked: Vec<Ranked> = (pairs.into_iter())
        .map(|(at, other)| Ranked { at, earliest_from_here: other, latest_to_here: other })
        .collect();
    for at in 1..ranked.len() {
        ranked[at].latest_to_here = ranked[at].latest_to_here.max(ranked[at - 1].latest_to_here);
    }
    for at in (1..ranked.len()).rev() {
        ranked[at - 1].earliest_from_here =
            ranked[at - 1].earliest_from_here.min(ranked[at].earliest_from_here);
    }
    ranked
}

impl Spans {
    pub fn of(spans: impl Iterator<Item = (Nanos, Nanos)>) -> Spans {
        let spans: Vec<(Nanos, Nanos)> = spans.collect();
        let by_end = ranked(spans.iter().map(|(start, end)| (*end, *start)).collect());
        Spans { by_start: ranked(spans), by_end }
    }

    /// Whether one lies wholly behind `from` and before `to`.
    pub fn any_within(&self, from: Nanos, to: Nanos) -> bool {
        self.first_end_behind(from).is_some_and(|end| end < to)
    }

    /// The earliest end of those that start behind `from`.
    pub fn first_end_behind(&self, from: Nanos) -> Option<Nanos> {
        let at = self.by_start.partition_point(|span| span.at <= from);
        self.by_start.get(at).map(|span| span.earliest_from_here)
    }

    /// Whether one may have taken effect between `from` and `to`.
    pub fn any_touching(&self, from: Nanos, to: Nanos) -> bool {
        let at = self.by_start.partition_point(|span| span.at < to);
        at > 0 && self.by_start[at - 1].latest_to_here > from
    }

    /// The earliest start of those that had not ended at `from`.
    pub fn first_start_touching(&self, from: Nanos) -> Option<Nanos> {
        let at = self.by_end.partition_point(|span| span.at <= from);
        self.by_end.get(at).map(|span| span.earliest_from_here)
    }

    /// The latest start of those that had ended before `to`.
    pub fn last_start_before(&self, to: Nanos) -> Option<Nanos> {
        let at = self.by_end.partition_point(|span| span.at < to);
        at.checked_sub(1).map(|at| self.by_end[at].latest_to_here)
    }
}

#[test]
fn spans_answer_as_a_look_at_each_of_them_would() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..300 {
        let pairs: Vec<(Nanos, Nanos)> = (0..random.usize(..8))
            .map(|_| (random.u64(..20), random.u64(..10)))
            .map(|(start, length)| (start, start + length))
            .collect();
        let spans = Spans::of(pairs.iter().copied());
        let (from, to) = (random.u64(..20), random.u64(..20));
        let each = || pairs.iter().copied();
        assert_eq!(spans.any_within(from, to), each().any(|(start, end)| start > from && end < to));
        assert_eq!(spans.any_touching(from, to), each().any(|(start, end)| start < to && end > from));
        assert_eq!(
            spans.first_start_touching(from),
            each().filter(|(_, end)| *end > from).map(|(start, _)| start).min()
        );
        assert_eq!(
            spans.last_start_before(to),
            each().filter(|(_, end)| *end < to).map(|(start, _)| start).max()
        );
    }
}
