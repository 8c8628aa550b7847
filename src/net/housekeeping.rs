//! Housekeeping ten times a second: idle clients, soft output limits, clients that hold too much, tracked keys beyond
//! their limit, peak memory.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::bounds::class_of;
use crate::base::metrics::Counter;
use crate::config::ClientClass;
use crate::dispatch::invalidate::trim_tracked;
use crate::dispatch::shared::Shared;
use crate::figures::rates::Rates;

const PERIOD: Duration = Duration::from_millis(100);
/// Periods between two looks at the memory: asking the allocator costs a fraction of a millisecond.
const MEMORY_PERIODS: u32 = 10;
/// Periods over which the rates are averaged, as in Redis.
const RATE_PERIODS: usize = 16;

/// Runs until the server stops.
pub async fn keep_house(shared: &Shared) {
    let mut periods = 0_u32;
    let mut samples = VecDeque::from([Sample::take(shared)]);
    loop {
        tokio::time::sleep(PERIOD).await;
        if shared.operator.rests.load(Relaxed) {
            continue;
        }
        publish_rates(shared, &mut samples);
        periods = periods.wrapping_add(1);
        close_overdue_clients(shared);
        trim_tracked(shared);
        let evicted = shared.evict_clients(&shared.settings.load(), shared.figures.background());
        evicted.iter().for_each(|client| client.kill());
        if periods.is_multiple_of(MEMORY_PERIODS) {
            shared.figures.note_memory(shared.memory().allocated);
        }
    }
}

/// The counters behind the rates at one moment.
struct Sample {
    at: Instant,
    counts: [u64; 3],
}

impl Sample {
    fn take(shared: &Shared) -> Sample {
        let counters = [Counter::Commands, Counter::InputBytes, Counter::OutputBytes];
        Sample { at: Instant::now(), counts: counters.map(|counter| shared.figures.total(counter)) }
    }
}

fn publish_rates(shared: &Shared, samples: &mut VecDeque<Sample>) {
    let now = Sample::take(shared);
    if let Some(then) = samples.front() {
        let seconds = now.at.duration_since(then.at).as_secs_f64().max(0.001);
        let Rates { commands, input_bytes, output_bytes } = &shared.figures.rates;
        let rates = [commands, input_bytes, output_bytes];
        for (at, rate) in rates.into_iter().enumerate() {
            rate.store((now.counts[at].wrapping_sub(then.counts[at]) as f64 / seconds) as u64, Relaxed);
        }
    }
    samples.push_back(now);
    if samples.len() > RATE_PERIODS {
        samples.pop_front();
    }
}

fn close_overdue_clients(shared: &Shared) {
    let settings = shared.settings.load();
    let limits = &settings.output_limits;
    if settings.timeout_s == 0 && limits.iter().all(|limit| limit.soft_bytes == 0) {
        return;
    }
    let now = shared.clock.now().mono_ms;
    for client in shared.clients.list() {
        let class = class_of(&client);
        // A connection that listens has nothing to say.
        let idle = settings.timeout_s > 0
            && client.idle_ms(now) > settings.timeout_s * 1000
            && !client.is_blocked()
            && class == ClientClass::Normal;
        let limit = &limits[class as usize];
        let since = client.seen.soft_limit_since.load(Relaxed);
        let slow = since > 0 && now.saturating_sub(since) > limit.soft_seconds * 1000;
        if slow {
            shared.figures.background().add(Counter::OutputLimitDisconnects, 1);
        }
        if idle || slow {
            tracing::debug!(client = client.id, idle, slow, "closing client");
            client.kill();
        }
    }
}
