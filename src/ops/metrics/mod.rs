//! `/metrics`: two families of names. `redis` has those of redis_exporter, so that its dashboards and alerts work with the
//! server as the target; `own` has what Redis does not have. No label is made from a key or from what a client
//! says, but for the codes of errors: scripts may make some up, of which `figures::calls` counts 128 at most.

mod families;
mod own;
mod redis;

use super::seen::Seen;
use families::Families;

/// The type of the text: https://prometheus.io/docs/instrumenting/exposition_formats/.
pub const FORMAT: &str = prometheus::TEXT_FORMAT;

/// The text that a scrape gets.
#[must_use]
pub fn text(seen: &Seen<'_>) -> String {
    let mut families = Families::default();
    redis::add(seen, &mut families);
    own::add(seen, &mut families);
    families.text()
}
