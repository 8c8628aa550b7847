//! What the page was shown last, and the looks at the server that rates are made from.

use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::base::metrics::Counter;
use crate::figures::calls::CallFigures;

/// Rates are of this time, or of less: older looks are dropped.
pub const RATES_OF_MS: u64 = 10_000;

/// What was shown last, and the looks that rates are made from.
#[derive(Default)]
pub struct Recent {
    pub shown: Option<Rc<Map<String, Value>>>,
    pub looks: VecDeque<Look>,
}

/// Sums at one moment.
pub struct Look {
    pub at_ms: u64,
    pub counts: Vec<u64>,
    pub calls: Vec<CallFigures>,
}

/// How quickly counters grow.
#[derive(Default)]
pub struct Rates(Vec<f64>);

impl Rates {
    /// Per second.
    #[must_use]
    pub fn of(&self, counter: Counter) -> f64 {
        self.0.get(counter as usize).copied().unwrap_or(0.0)
    }
}

impl Look {
    /// How quickly counters grew from this look to a later one, at which they stand at `counts`.
    #[must_use]
    pub fn rates(&self, at_ms: u64, counts: &[u64]) -> Rates {
        let seconds = at_ms.saturating_sub(self.at_ms).max(1) as f64 / 1000.0;
        // After CONFIG RESETSTAT all begin anew.
        let grown = counts.iter().zip(&self.counts).map(|(later, earlier)| later.saturating_sub(*earlier));
        Rates(grown.map(|count| count as f64 / seconds).collect())
    }
}
