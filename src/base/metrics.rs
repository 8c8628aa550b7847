//! What the server counts: one table of counters, from which INFO, the docs and the tests are made.
//!
//! Each worker owns a `Counters` and is its only writer, so counting touches no shared cache line;
//! readers add the workers up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One row: the name INFO shows, the section it stands in, its unit and what it means.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub section: &'static str,
    pub unit: &'static str,
    pub help: &'static str,
}

macro_rules! counters {
    ($($variant:ident, $name:literal, $section:literal, $unit:literal, $help:literal;)*) => {
        /// A counter; `METRICS[counter as usize]` describes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter { $($variant),* }

        /// Every counter, in the order in which INFO shows them.
        pub static METRICS: &[Metric] = &[
            $(Metric { name: $name, section: $section, unit: $unit, help: $help }),*
        ];

        impl Counter {
            /// Every counter, in the order of `METRICS`.
            pub const ALL: &[Counter] = &[$(Counter::$variant),*];
        }
    };
}

/// Adds to a figure of which the caller is the only writer: no locked instruction is needed.
#[inline]
pub fn add(figure: &AtomicU64, more: usize) {
    figure.store(figure.load(Relaxed) + more as u64, Relaxed);
}

impl Counter {
    /// The nine answers of FILL.GET, whose sum is `FillGets`.
    pub const FILL_ANSWERS: [Counter; 9] = [
        Counter::FillHits,
        Counter::FillLeads,
        Counter::FillRefreshes,
        Counter::FillStale,
        Counter::FillNone,
        Counter::FillFail,
        Counter::FillPass,
        Counter::FillWait,
        Counter::FillSelf,
    ];

    /// Its row of the table.
    #[must_use]
    pub fn metric(self) -> &'static Metric {
        &METRICS[self as usize]
    }

    /// Its name in INFO.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.metric().name
    }
}

counters! {
    ConnectionsReceived, "total_connections_received", "stats", "connections", "connections accepted";
    Commands, "total_commands_processed", "stats", "commands", "commands run, also those that failed";
    InputBytes, "total_net_input_bytes", "stats", "bytes", "bytes read from clients";
    OutputBytes, "total_net_output_bytes", "stats", "bytes", "bytes written to clients";
    WritesPutOff, "large_writes_put_off", "stats", "writes", "writes of large replies that waited so that other connections got their turn";
    ConnectionsRejected, "rejected_connections", "stats", "connections", "connections refused because of maxclients";
    ErrorReplies, "total_error_replies", "stats", "replies", "error replies sent";
    OutputLimitDisconnects, "client_output_buffer_limit_disconnections", "stats", "connections", "clients closed by an output buffer limit";
    QueryLimitDisconnects, "client_query_buffer_limit_disconnections", "stats", "connections", "clients closed by the query buffer limit";
    EvictedClients, "evicted_clients", "stats", "connections", "clients closed because all together held more than maxmemory-clients";
    ProtocolErrors, "protocol_errors", "stats", "connections", "connections closed because of malformed input";
    DeniedLogins, "acl_access_denied_auth", "stats", "requests", "AUTH and HELLO with a wrong password, or for a user that is not there or off";
    DeniedCommands, "acl_access_denied_cmd", "stats", "requests", "requests refused because their user may not run the command";
    DeniedKeys, "acl_access_denied_key", "stats", "requests", "requests refused because their user may not do that with a key";
    DeniedChannels, "acl_access_denied_channel", "stats", "requests", "requests refused because their user may not use a channel";
    Panics, "panics", "stats", "panics", "handler panics; each closed one connection";
    Batches, "batches", "stats", "batches", "runs of requests that arrived together";
    ExpiredKeys, "expired_keys", "stats", "keys", "keys removed because their time was up";
    ExpiredFields, "expired_subkeys", "stats", "fields", "fields of hashes removed because their time was up";
    EvictedKeys, "evicted_keys", "stats", "keys", "keys removed because of maxmemory";
    GhostHits, "evicted_keys_missed", "stats", "keys", "keys stored again not long after their eviction: with about twice the memory they would still have been there";
    ExpiryCapReached, "expired_time_cap_reached_count", "stats", "slices", "sweeps of expired keys that ended because their time was used up";
    ExpiryMs, "expire_cycle_cpu_milliseconds", "stats", "milliseconds", "time spent on sweeping: expired keys, deadlines of flights, moving entries together";
    Changes, "rdb_changes_since_last_save", "persistence", "changes", "writes that changed a key; nothing is ever saved";
    ScriptsNarrow, "scripts_narrow", "stats", "scripts", "scripts run that are proved to touch no keys but those they name: they run on all workers at once";
    SlowScripts, "slow_scripts", "stats", "scripts", "scripts that let go of their worker before their end, as they took more than 5 ms";
    ScriptsWide, "scripts_wide", "stats", "scripts", "scripts run that may touch any key: one at a time";
    ScriptGateWaits, "script_gate_waits", "stats", "scripts", "wide scripts that came while another one was running";
    ScriptBackOffs, "script_back_offs", "stats", "requests", "requests with several keys that let their locks go for a wide script and began again";
    ScriptDemotions, "script_demotions", "stats", "scripts", "scripts whose proof was wrong: they are wide from then on";
    CertificateDenied, "acl_access_denied_tls_cert", "stats", "connections", "TLS connections whose certificate names no user";
    TlsHandshakes, "tls_handshakes", "tls", "handshakes", "TLS handshakes that were completed";
    TlsResumed, "tls_handshakes_resumed", "tls", "handshakes", "of those: by a session of before, which spares most of the work";
    TlsFailed, "tls_handshakes_failed", "tls", "handshakes", "TLS handshakes that came to nothing: a bad certificate, nothing in common, a peer that left, too many at once";
    TlsTimedOut, "tls_handshakes_timed_out", "tls", "handshakes", "TLS handshakes that took longer than tls-handshake-timeout";
    TlsPlainText, "tls_plain_text", "tls", "connections", "connections to the TLS port that did not speak TLS";
    TlsOnPlainPort, "tls_on_plain_port", "tls", "connections", "connections to another port that spoke TLS";
    KeyspaceHits, "keyspace_hits", "stats", "lookups", "reads that found their key";
    KeyspaceMisses, "keyspace_misses", "stats", "lookups", "reads that did not find their key";
    FillGets, "fill_gets", "fill", "answers", "FILL.GET keys answered; the sum of the nine statuses";
    FillHits, "fill_hits", "fill", "answers", "HIT: a fresh value, at once or after waiting";
    FillLeads, "fill_leads", "fill", "answers", "LEAD: callers elected to compute a missing value";
    FillRefreshes, "fill_refreshes", "fill", "answers", "REFRESH: callers elected to renew a usable value";
    FillStale, "fill_stale", "fill", "answers", "STALE: old values served while another caller refreshes";
    FillNone, "fill_none", "fill", "answers", "NONE: known not to exist";
    FillFail, "fill_fail", "fill", "answers", "FAIL: a leader's failure, shared";
    FillPass, "fill_pass", "fill", "answers", "PASS: uncacheable";
    FillWait, "fill_wait", "fill", "answers", "WAIT: still in flight when the caller's time ended, or shed";
    FillSelf, "fill_self", "fill", "answers", "SELF: the connection leads this key already";
    FillCoalesced, "fill_coalesced", "fill", "answers", "parked callers answered from another caller's fill: fills saved";
    FillWaitExpired, "fill_wait_expired", "fill", "answers", "parked callers whose WAIT ended";
    FillShedWaiters, "fill_shed_waiters", "fill", "answers", "callers not parked because of fill-waiters-per-key";
    FillShedFlights, "fill_shed_flights", "fill", "answers", "callers answered PASS because of fill-flights";
    FillShedLeases, "fill_shed_leases", "fill", "answers", "callers answered PASS because of fill-leases-per-connection";
    FillShedMemory, "fill_shed_memory", "fill", "answers", "callers answered PASS or WAIT, and messages left out, because of fill-memory";
    FillKeptDropped, "fill_kept_dropped", "fill", "flights", "ended leases, failures and detached leases without a connection that gave way to fills at work";
    FillShedSlots, "fill_shed_slots", "fill", "answers", "callers answered WAIT because of fill-slots-per-connection or the replies behind a slot";
    FillYields, "fill_yields", "fill", "answers", "parked callers answered WAIT so that a lease could be delivered behind them";
    FillHandoverFail, "fill_handover_fail", "fill", "hand-overs", "leases handed on after FAIL";
    FillHandoverLeaseEnd, "fill_handover_lease_end", "fill", "hand-overs", "leases handed on after their time";
    FillHandoverDisconnect, "fill_handover_disconnect", "fill", "hand-overs", "leases handed on after their leader's connection closed, or it lost the right to answer";
    FillVoidWrite, "fill_void_write", "fill", "leases", "leases voided by a write";
    FillVoidDelete, "fill_void_delete", "fill", "leases", "leases voided by a deletion or FILL.STALE";
    FillVoidFlush, "fill_void_flush", "fill", "leases", "leases voided by FLUSHALL, FLUSHDB or SWAPDB";
    FillPutsOk, "fill_puts_ok", "fill", "answers", "PUT, NONE, PASS and FAIL accepted";
    FillPutsDup, "fill_puts_dup", "fill", "answers", "resent answers, recognised and ignored";
    FillPutsVoid, "fill_puts_void", "fill", "answers", "answers refused because their token was void";
    FillPutsLate, "fill_puts_late", "fill", "answers", "of those accepted: after the lease's end";
}

/// What INFO fill works out when it is asked, in its order: gauges, and summaries of times since the start.
pub static GAUGES: &[Metric] = &[
    gauge(
        "fill_flights",
        "flights",
        "open flights: somebody fills, waits, or shares a failure; those of FILL.LIST",
    ),
    gauge("fill_waiters", "callers", "parked callers, one for each key that they wait for"),
    gauge(
        "fill_kept",
        "flights",
        "kept as a favour: ended leases whose late answer is welcome, failures that are remembered, detached leases whose connection is gone; they count against no limit on fills",
    ),
    gauge(
        "fill_memory",
        "bytes",
        "what fills hold: flights with their keys, nonces, messages, parked requests; bounded by fill-memory",
    ),
    gauge("fill_oldest_flight_ms", "milliseconds", "age of the oldest open flight"),
    gauge(
        "fill_wait_ms",
        "milliseconds",
        "how long parked callers waited for their answer: count, p50, p99, max",
    ),
    gauge(
        "fill_fill_ms",
        "milliseconds",
        "from a lease to its answer, what a computation takes: count, p50, p99, max",
    ),
    gauge(
        "fill_waiters_per_flight",
        "callers",
        "callers that waited when a flight was answered: count, p50, p99, max",
    ),
];

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, section: "fill", unit, help }
}

/// One worker's counters.
#[derive(Debug)]
pub struct Counters {
    counts: [AtomicU64; Counter::ALL.len()],
    held: [AtomicU64; 3],
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { counts: std::array::from_fn(|_| AtomicU64::new(0)), held: Default::default() }
    }
}

/// What the stores of all entries hold together, bytes: sums over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub held_bytes: u64,
    /// Of that: free for the next entries.
    pub spare_bytes: u64,
    /// Of that: never written to, so that no page lies behind it yet.
    pub untouched_bytes: u64,
}

impl Held {
    fn figures(self) -> [u64; 3] {
        [self.held_bytes, self.spare_bytes, self.untouched_bytes]
    }

    fn of([held_bytes, spare_bytes, untouched_bytes]: [u64; 3]) -> Held {
        Held { held_bytes, spare_bytes, untouched_bytes }
    }
}

impl Counters {
    /// Adds to a counter. Only the owning worker may call this: it is a plain load and store.
    #[inline]
    pub fn add(&self, counter: Counter, more: u64) {
        let cell = &self.counts[counter as usize];
        cell.store(cell.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Notes that a store holds more or, wrapping below zero, less. For the owning worker alone, as `add`.
    pub fn hold(&self, more: Held) {
        for (cell, more) in self.held.iter().zip(more.figures()) {
            cell.store(cell.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counts[counter as usize].load(Relaxed)
    }
}

/// What all stores hold. Cost: a look at each worker's counters.
#[must_use]
pub fn held<'a>(all: impl Iterator<Item = &'a Counters>) -> Held {
    let mut sums = [0_u64; 3];
    for counters in all {
        for (sum, cell) in sums.iter_mut().zip(&counters.held) {
            *sum = sum.wrapping_add(cell.load(Relaxed));
        }
    }
    Held::of(sums)
}

/// The figure of a counter over all workers, less what it was at the last CONFIG RESETSTAT.
#[must_use]
pub fn total<'a>(all: impl Iterator<Item = &'a Counters>, counter: Counter) -> u64 {
    all.map(|counters| counters.get(counter)).fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_described_once() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len());
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index);
        }
    }

    #[test]
    fn totals_add_the_workers_up() {
        let (one, two) = (Counters::default(), Counters::default());
        one.add(Counter::Commands, 2);
        two.add(Counter::Commands, 3);
        assert_eq!(total([&one, &two].into_iter(), Counter::Commands), 5);
    }
}
