//! What is wrong, in words: one line for each trouble, and what may be done. The page shows them first.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::health;
use super::recent::Rates;
use super::seen::Seen;
use crate::base::metrics::Counter;
use crate::config::EvictionPolicy;

/// A share of fills that fail beyond which the origin is in trouble.
const FAILED_SHARE: f64 = 0.05;
/// Fills in a second below which a share of them says nothing.
const FILLS_PER_S_MIN: f64 = 1.0;
/// An open flight of this age is no usual one.
const OLD_FLIGHT_MS: u64 = 30_000;
/// A share of the limit on memory that counts as full.
const FULL_SHARE: f64 = 0.9;

/// How much it matters.
enum Weight {
    /// Requests wait or are refused.
    Bad,
    /// It works, and could do better.
    Warn,
}

/// The troubles of now, the worst first.
#[must_use]
pub fn all(seen: &Seen<'_>, rates: &Rates) -> Vec<Value> {
    let mut found = Vec::new();
    let mut note = |weight: Weight, text: String| found.push((weight, text));
    for stuck in health::stuck(seen.shared) {
        let (seconds, command) = (stuck.ms / 1000, stuck.command.unwrap_or("a command").to_uppercase());
        note(
            Weight::Bad,
            format!("Worker {} has been stuck for {seconds} s in {command}: its clients wait.", stuck.worker),
        );
    }
    if let Some(why) = health::unready(seen.shared) {
        note(Weight::Bad, format!("It takes no new requests: {why}."));
    }
    if !seen.settings.protected_mode && seen.shared.users.load().default_user().is_open() {
        let port = seen.shared.figures.identity.tcp_port.load(Relaxed);
        note(
            Weight::Warn,
            format!(
                "Whoever reaches port {port} may do everything: there is no password, and protected-mode is off."
            ),
        );
    }
    memory(seen, rates, &mut note);
    fills(seen, rates, &mut note);
    if rates.of(Counter::ConnectionsRejected) > 0.0 {
        let limit = seen.settings.maxclients;
        note(
            Weight::Bad,
            format!("Clients are refused: {} of maxclients {limit} are connected.", seen.clients.len()),
        );
    }
    if rates.of(Counter::OutputLimitDisconnects) + rates.of(Counter::EvictedClients) > 0.0 {
        note(
            Weight::Warn,
            "Clients are closed because they do not read their replies: see CLIENT LIST, omem.".to_owned(),
        );
    }
    match seen.counted(Counter::Panics) {
        0 => {}
        count => note(
            Weight::Bad,
            format!("A fault of this server closed {count} connections: please report it, with the log."),
        ),
    }
    found.sort_by_key(|(weight, _)| matches!(weight, Weight::Warn));
    let line = |(weight, text)| json!({"bad": matches!(weight, Weight::Bad), "text": text});
    found.into_iter().map(line).collect()
}

fn memory(seen: &Seen<'_>, rates: &Rates, note: &mut dyn FnMut(Weight, String)) {
    let limit = seen.settings.maxmemory_bytes;
    let share = seen.shared.memory_used().used_bytes as f64 / limit.max(1) as f64;
    if limit == 0 || share < FULL_SHARE {
        return;
    }
    if seen.settings.maxmemory_policy == EvictionPolicy::NoEviction {
        let percent = share * 100.0;
        note(
            Weight::Bad,
            format!(
                "Memory is full ({percent:.0} % of maxmemory), and maxmemory-policy lets nothing go: writes are refused."
            ),
        );
    }
    let (evicted, missed) = (rates.of(Counter::EvictedKeys), rates.of(Counter::GhostHits));
    if missed >= 1.0 {
        note(
            Weight::Warn,
            format!(
                "Evicts {evicted:.0} keys/s, of which {missed:.0} are asked for again soon: more memory would help."
            ),
        );
    }
}

fn fills(seen: &Seen<'_>, rates: &Rates, note: &mut dyn FnMut(Weight, String)) {
    let (failed, done) =
        (rates.of(Counter::FillHandoverFail) + rates.of(Counter::FillFail), rates.of(Counter::FillPutsOk));
    let share = failed / (failed + done).max(0.001);
    if failed + done >= FILLS_PER_S_MIN && share > FAILED_SHARE {
        note(Weight::Bad, format!("{:.0} % of fills fail: look at the origin.", share * 100.0));
    }
    let shed = [
        (Counter::FillShedWaiters, "fill-waiters-per-key"),
        (Counter::FillShedFlights, "fill-flights"),
        (Counter::FillShedLeases, "fill-leases-per-connection"),
        (Counter::FillShedMemory, "fill-memory"),
        (Counter::FillShedSlots, "fill-slots-per-connection"),
    ];
    for (counter, setting) in shed.into_iter().filter(|(counter, _)| rates.of(*counter) > 0.0) {
        let rate = rates.of(counter);
        note(
            Weight::Bad,
            format!("{rate:.0} callers/s are turned away by {setting}: see FILL.LIST, or raise it."),
        );
    }
    if let Some(oldest) = seen.flights.first().filter(|flight| flight.age_ms > OLD_FLIGHT_MS) {
        let (seconds, waiters) = (oldest.age_ms / 1000, oldest.waiters);
        note(
            Weight::Warn,
            format!("A fill has been under way for {seconds} s, and {waiters} callers wait for it."),
        );
    }
    let ended = rates.of(Counter::FillHandoverLeaseEnd);
    if ended >= 1.0 {
        note(
            Weight::Warn,
            format!(
                "{ended:.0} leases/s end before their fill: a longer fill-lease, or FILL.RENEW while computing."
            ),
        );
    }
}
