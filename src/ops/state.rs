//! The page's state as JSON: sections in the order of the page, each of which a stream sends again when it has changed.

use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

use super::guard::Sight;
use super::recent::{Look, RATES_OF_MS, Rates, Recent};
use super::seen::{Desk, Seen};
use super::warnings;
use crate::base::metrics::{Counter, METRICS};
use crate::clients::Client;
use crate::config::SETTINGS;
use crate::figures::calls::CallFigures;
use crate::figures::latency_report;
use crate::figures::slowlog::Entry;
use crate::fill::times::Summary;

/// A state is shown to all who ask within this time, ms.
const FRESH_MS: u64 = 900;
/// Bytes of a key, or of a word of a slow command, that are shown.
const SHOWN_BYTES_MAX: usize = 200;
const COMMANDS_SHOWN: usize = 5;
const CLIENTS_SHOWN: usize = 10;
const KEYS_SHOWN: usize = 10;
const SLOW_SHOWN: usize = 20;
const WORDS_SHOWN: usize = 12;

/// The sections that carry keys, requests or addresses.
const PRIVATE: [&str; 4] = ["keys", "clients_list", "slow", "settings"];

/// The state of now, as far as it may be seen. Cost: a look at everything, once a second whoever asks.
#[must_use]
pub fn whole(desk: &Desk, sight: Sight) -> Value {
    let now_ms = desk.shared.clock.now().mono_ms;
    let mut recent = desk.recent.borrow_mut();
    let is_fresh = recent.looks.back().is_some_and(|look| now_ms.saturating_sub(look.at_ms) < FRESH_MS);
    let shown = match &recent.shown {
        Some(shown) if is_fresh => shown.clone(),
        _ => {
            let fresh = Rc::new(look(&mut recent, desk, now_ms));
            recent.shown = Some(fresh.clone());
            fresh
        }
    };
    let mut state = (*shown).clone();
    if sight != Sight::All {
        PRIVATE.iter().for_each(|section| drop(state.remove(*section)));
    }
    Value::Object(state)
}

/// Looks at everything, and notes it for the rates to come.
fn look(recent: &mut Recent, desk: &Desk, now_ms: u64) -> Map<String, Value> {
    let seen = desk.look();
    let counts: Vec<u64> = Counter::ALL.iter().map(|counter| seen.counted(*counter)).collect();
    // While nobody looked, the last look grew old.
    recent.looks.retain(|look| now_ms.saturating_sub(look.at_ms) <= RATES_OF_MS);
    let before = recent.looks.front();
    let rates = before.map_or_else(Rates::default, |before| before.rates(now_ms, &counts));
    let commands = busiest(&seen, before);
    let sections = [
        ("server", server(&seen)),
        ("warnings", Value::Array(warnings::all(&seen, &rates))),
        ("commands", commands),
        ("counters", counters(&counts)),
        ("errors", errors(&seen)),
        ("fills", fills(&seen)),
        ("memory", memory(&seen)),
        ("clients", clients(&seen)),
        ("keys", keys(desk, &seen)),
        ("clients_list", largest_clients(&seen)),
        ("slow", slow(&seen)),
        ("settings", settings(&seen)),
    ];
    recent.looks.push_back(Look { at_ms: now_ms, counts, calls: seen.calls });
    sections.into_iter().map(|(name, section)| (name.to_owned(), section)).collect()
}

fn server(seen: &Seen<'_>) -> Value {
    let identity = &seen.shared.figures.identity;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "master",
        "started_ms": identity.started_ms,
        "now_ms": seen.now.wall_ms,
        "port": identity.tcp_port.load(Relaxed),
        "workers": identity.workers,
        "dbs": seen.used_dbs().map(|(number, db)| json!([number, db.keys, db.expiring])).collect::<Vec<_>>(),
    })
}

/// The commands that ran most since the looks that are kept, with the times of that while.
fn busiest(seen: &Seen<'_>, before: Option<&Look>) -> Value {
    let since_ms = before.map_or(0, |look| look.at_ms);
    let seconds = seen.now.mono_ms.saturating_sub(since_ms).max(1) as f64 / 1000.0;
    let earlier = |number: usize| before.and_then(|look| look.calls.get(number));
    let grown = |number: usize, now: &CallFigures| {
        // Figures that were begun anew are shown whole.
        let earlier = earlier(number).filter(|earlier| earlier.calls <= now.calls);
        now.calls - earlier.map_or(0, |earlier| earlier.calls)
    };
    let mut rows: Vec<(u64, usize)> =
        seen.calls.iter().enumerate().map(|(number, now)| (grown(number, now), number)).collect();
    rows.sort_by_key(|(calls, _)| Reverse(*calls));
    let shown = rows.into_iter().take(COMMANDS_SHOWN).filter(|(calls, _)| *calls > 0);
    let row = |(calls, number): (u64, usize)| {
        let name = seen.shared.table.by_number(number).map_or("?", |row| &row.full_name);
        let mut times = seen.calls[number].times.as_deref().cloned();
        let before = earlier(number).and_then(|earlier| earlier.times.as_deref());
        if let (Some(times), Some(before)) = (&mut times, before) {
            times.subtract(before).ok();
        }
        let us = |quantile| times.as_ref().map(|times| times.value_at_quantile(quantile) as f64 / 1000.0);
        json!({"name": name, "per_second": calls as f64 / seconds, "p50_us": us(0.5), "p99_us": us(0.99), "p999_us": us(0.999)})
    };
    Value::Array(shown.map(row).collect())
}

fn counters(counts: &[u64]) -> Value {
    METRICS
        .iter()
        .zip(counts)
        .map(|(metric, count)| (metric.name.to_owned(), json!(count)))
        .collect::<Map<_, _>>()
        .into()
}

fn errors(seen: &Seen<'_>) -> Value {
    let by_code = seen.errors.iter().map(|(code, count)| (shown(code), json!(count)));
    by_code.collect::<Map<_, _>>().into()
}

fn summary(summary: Summary) -> Value {
    let Summary { count, p50, p99, max } = summary;
    json!({"count": count, "p50": p50, "p99": p99, "max": max})
}

fn fills(seen: &Seen<'_>) -> Value {
    let times = &seen.shared.keyspace.fill_times;
    json!({
        "open": seen.flights.len(),
        "waiters": seen.waiters(),
        "oldest_ms": seen.flights.first().map_or(0, |flight| flight.age_ms),
        "fill_ms": summary(times.fill_ms.summary()),
        "wait_ms": summary(times.wait_ms.summary()),
    })
}

fn memory(seen: &Seen<'_>) -> Value {
    let shared = seen.shared;
    let allocated = seen.memory.allocated as u64;
    let scripts = shared.scripts.machines.held_bytes() + shared.functions.machines.held_bytes();
    let parts = [
        ("entries", seen.entries_bytes.min(allocated)),
        ("clients", shared.client_bytes()),
        ("fills", shared.keyspace.fills.held_bytes() as u64),
        ("scripts", scripts),
        ("being freed", (shared.keyspace.bytes_to_free() + shared.keyspace.lent_bytes()) as u64),
        ("at the start", shared.figures.startup_memory_bytes as u64),
        ("free in the allocator", (seen.memory.resident as u64).saturating_sub(allocated)),
    ];
    json!({
        "used": allocated,
        "peak": seen.peak_bytes,
        "resident": seen.resident_bytes,
        "limit": seen.settings.maxmemory_bytes,
        "policy": seen.settings.maxmemory_policy.word(),
        "parts": parts.map(|(name, bytes)| json!([name, bytes])),
    })
}

fn clients(seen: &Seen<'_>) -> Value {
    let count = |which: fn(&Client) -> bool| seen.clients.iter().filter(|client| which(client)).count();
    let workers = seen
        .shared
        .figures
        .pulses
        .iter()
        .map(|pulse| json!([pulse.connections(), pulse.busy_ns() / 1_000_000]));
    json!({
        "connected": seen.clients.len(),
        "limit": seen.settings.maxclients,
        "blocked": count(|client| client.is_blocked()),
        "subscribers": count(|client| client.is_subscriber()),
        "workers": workers.collect::<Vec<_>>(),
    })
}

/// The oldest flight, and the keys that saved the most fills.
fn keys(desk: &Desk, seen: &Seen<'_>) -> Value {
    let oldest = seen.flights.first().map(|flight| {
        let leader = seen.clients.iter().find(|client| client.id == flight.leader);
        json!({
            "key": shown(&flight.key),
            "age_ms": flight.age_ms,
            "waiters": flight.waiters,
            "leader": leader.map(|client| client.addr.clone()),
            "leader_name": leader.map(|client| shown(&client.names().name)),
        })
    });
    let top = desk.top_saved(KEYS_SHOWN).into_iter().map(|(key, fills)| json!([shown(&key), fills]));
    json!({"oldest": oldest, "top": top.collect::<Vec<_>>()})
}

fn largest_clients(seen: &Seen<'_>) -> Value {
    let bytes =
        |client: &Client| client.seen.reply_bytes.load(Relaxed) + client.seen.query_bytes.load(Relaxed);
    let mut clients: Vec<_> = seen.clients.iter().map(|client| (bytes(client), client)).collect();
    clients.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let row = |(bytes, client): &(usize, &Arc<Client>)| {
        let number = client.seen.last_command.load(Relaxed);
        let command = seen.shared.table.by_number(number).map(|row| &row.full_name);
        json!([
            client.id,
            client.addr,
            shown(&client.names().name),
            bytes,
            command,
            client.idle_ms(seen.now.mono_ms)
        ])
    };
    clients.iter().take(CLIENTS_SHOWN).map(row).collect()
}

fn slow(seen: &Seen<'_>) -> Value {
    let line = |entry: &Entry| {
        let mut words: Vec<String> = entry.words.iter().take(WORDS_SHOWN).map(|word| shown(word)).collect();
        if entry.words.len() > WORDS_SHOWN {
            words.push(format!("… ({} more)", entry.words.len() - WORDS_SHOWN));
        }
        json!({"id": entry.id, "wall_s": entry.wall_s, "us": entry.us, "words": words, "addr": entry.addr})
    };
    let entries: Vec<Value> = seen.shared.figures.slowlog.newest(SLOW_SHOWN).iter().map(line).collect();
    let events = seen.shared.figures.latency.all();
    let doctor = latency_report::doctor(&events, &seen.settings, seen.now.wall_ms / 1000);
    json!({"entries": entries, "doctor": doctor})
}

/// The settings that differ from their defaults; of secret ones only that they do.
fn settings(seen: &Seen<'_>) -> Value {
    let differing = SETTINGS.iter().filter_map(|setting| {
        let value = setting.get(&seen.settings);
        let shown = if setting.secret { "(set)".to_owned() } else { shown(&value) };
        (value != setting.default.as_bytes()).then(|| json!([setting.name, shown, setting.default]))
    });
    differing.collect()
}

/// Bytes of a client's as text that is safe to show and not too long.
fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let text = match std::str::from_utf8(cut) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        // Cut within a character, or none at all.
        _ => cut.escape_ascii().to_string(),
    };
    if cut.len() < bytes.len() { format!("{text}…") } else { text }
}
