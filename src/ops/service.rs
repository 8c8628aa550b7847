//! Signs of life for a service manager (systemd's watchdog): given only while `/healthz` would say that all is well.
//!
//! Protocol: sd_notify(3).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

use super::health;
use crate::dispatch::shared::Shared;

/// Gives signs of life for as long as one is asked for; for ever where none is.
pub async fn give_signs(shared: &Shared) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        if health::sickness(shared).is_none() {
            tell_manager(&[NotifyState::Watchdog]);
        }
        sleep(period(limit)).await;
    }
}

/// Twice within the time, as sd_watchdog_enabled(3) advises, and a little sooner.
fn period(limit: Duration) -> Duration {
    (limit / 3).max(Duration::from_millis(1))
}

/// Says to the service manager how far the server is, if there is one.
pub fn tell_manager(state: &[NotifyState<'_>]) {
    // Who asked for it and does not listen has ended.
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager does not listen: {error}");
    }
}
