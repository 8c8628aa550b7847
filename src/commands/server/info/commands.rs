//! INFO's sections on commands: how often they ran, which errors were sent, how long they took.

use super::page::Page;
use crate::config::percentile_text;
use crate::dispatch::ctx::Ctx;

/// `commandstats`: a line for each command that was called or refused.
pub(super) fn stats(ctx: &mut Ctx<'_>, page: &mut Page) {
    ctx.meter.hand_over();
    let figures = ctx.shared.figures.calls_by_row(ctx.shared.table.len());
    for row in ctx.shared.table.all() {
        let figures = &figures[row.number];
        if figures.is_empty() {
            continue;
        }
        let us = figures.ns / 1000;
        let us_per_call = figures.ns as f64 / 1000.0 / figures.calls.max(1) as f64;
        page.field(
            &format!("cmdstat_{}", row.full_name),
            format_args!(
                "calls={},usec={us},usec_per_call={us_per_call:.2},rejected_calls={},failed_calls={}",
                figures.calls, figures.rejected, figures.failed
            ),
        );
    }
}

/// `errorstats`: a line for each error code.
pub(super) fn errors(ctx: &mut Ctx<'_>, page: &mut Page) {
    for (code, count) in ctx.shared.figures.errors_by_code() {
        // What would end the field or the line is replaced, as in Redis.
        let code = String::from_utf8_lossy(&code).replace(['#', ':', '\n', '\r'], "_");
        page.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

/// `latencystats`: percentiles of each command's time, microseconds.
pub(super) fn latencies(ctx: &mut Ctx<'_>, page: &mut Page) {
    if !ctx.settings.latency_tracking {
        return;
    }
    ctx.meter.hand_over();
    let figures = ctx.shared.figures.calls_by_row(ctx.shared.table.len());
    for row in ctx.shared.table.all() {
        let Some(times) = &figures[row.number].times else { continue };
        let percentiles: Vec<String> = ctx
            .settings
            .latency_percentiles
            .iter()
            .map(|at| {
                let us = times.value_at_percentile(*at) as f64 / 1000.0;
                format!("p{}={us:.3}", percentile_text(*at))
            })
            .collect();
        page.field(&format!("latency_percentiles_usec_{}", row.full_name), percentiles.join(","));
    }
}
