//! Housekeeping ten times a second: idle clients, soft output limits, peak memory.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::base::metrics::Counter;
use crate::base::memory;
use crate::commands::shared::Shared;
use crate::config::ClientClass;

const PERIOD: Duration = Duration::from_millis(100);

/// Runs until the server stops.
pub async fn keep_house(shared: &Shared) {
    loop {
        tokio::time::sleep(PERIOD).await;
        close_overdue_clients(shared);
        shared.peak_memory_bytes.fetch_max(memory::read().allocated, Relaxed);
    }
}

fn close_overdue_clients(shared: &Shared) {
    let settings = shared.settings.load();
    let limit = &settings.output_limits[ClientClass::Normal as usize];
    if settings.timeout_s == 0 && limit.soft_bytes == 0 {
        return;
    }
    let now = shared.clock.now().mono_ms;
    for client in shared.clients.list() {
        let idle = settings.timeout_s > 0 && client.idle_ms(now) > settings.timeout_s * 1000 && client.parked() == 0;
        let since = client.seen.soft_limit_since.load(Relaxed);
        let slow = since > 0 && now.saturating_sub(since) > u64::from(limit.soft_seconds) * 1000;
        if slow && let Some(counters) = shared.counters.last() {
            counters.add(Counter::OutputLimitDisconnects, 1);
        }
        if idle || slow {
            tracing::debug!(client = client.id, idle, slow, "closing client");
            client.kill();
        }
    }
}
