//! What a check found to be untrue.

/// Faults found so far.
#[derive(Debug, Default)]
pub struct Told(pub Vec<&'static str>);

impl Told {
    /// Notes a fault where it does not hold.
    pub fn hold(&mut self, holds: bool, fault: &'static str) {
        self.0.extend((!holds).then_some(fault));
    }
}
