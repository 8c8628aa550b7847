//! What the settings mean for the keyspace: its rules, and which entries make room.

use crate::config::{EvictionPolicy, Settings};
use crate::keyspace::{Forms, ListName, Rules};
use crate::storage::eviction::LfuRule;
use crate::storage::{Eviction, Order};

/// The part of the settings that the keyspace needs.
#[must_use]
pub fn rules_of(settings: &Settings) -> Rules {
    let encodings = &settings.encodings;
    Rules {
        wait_ms: settings.fill_wait_ms,
        lease_ms: settings.fill_lease_ms,
        beta: settings.fill_beta,
        grace_ms: settings.fill_grace_ms,
        orphan_grace_ms: settings.fill_orphan_grace_ms,
        late_ms: settings.fill_late_ms,
        waiters_per_key: settings.fill_waiters_per_key,
        flights: settings.fill_flights,
        fill_bytes: settings
            .fill_bytes_max()
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX),
        leases_per_connection: settings.fill_leases_per_connection,
        eviction: eviction(settings),
        events: settings.notify_events.in_effect(),
        forms: Forms {
            hash_entries: encodings.hash_entries,
            hash_value_bytes: encodings.hash_value_bytes,
            list_name: ListName::of_setting(encodings.list_size),
            set_ints: encodings.set_ints,
            set_entries: encodings.set_entries,
            set_value_bytes: encodings.set_value_bytes,
            zset_entries: encodings.zset_entries,
            zset_value_bytes: encodings.zset_value_bytes,
            ..Forms::default()
        },
    }
}

/// Which entries make room under these settings; `None` without a limit, and where none may.
#[must_use]
pub fn eviction(settings: &Settings) -> Option<Eviction> {
    let (order, expiring_only) = match settings.maxmemory_policy {
        _ if settings.maxmemory_bytes == 0 => return None,
        EvictionPolicy::NoEviction => return None,
        EvictionPolicy::AllkeysS3fifo => (Order::Adaptive, false),
        EvictionPolicy::AllkeysLru => (Order::Lru, false),
        EvictionPolicy::AllkeysLfu => (Order::Lfu, false),
        EvictionPolicy::AllkeysRandom => (Order::Random, false),
        EvictionPolicy::VolatileLru => (Order::Lru, true),
        EvictionPolicy::VolatileLfu => (Order::Lfu, true),
        EvictionPolicy::VolatileRandom => (Order::Random, true),
        EvictionPolicy::VolatileTtl => (Order::Deadline, true),
    };
    Some(Eviction {
        order,
        expiring_only,
        samples: settings.maxmemory_samples as usize,
        lfu: lfu_rule(settings),
    })
}

/// How uses are counted for `allkeys-lfu` and `volatile-lfu`.
#[must_use]
pub fn lfu_rule(settings: &Settings) -> LfuRule {
    LfuRule { log_factor: settings.lfu_log_factor, decay_minutes: settings.lfu_decay_minutes }
}
