//! MONITOR: every command of every connection as a line, to the connections that asked for it.
//!
//! Costs one look at a counter per command while nobody monitors. A line is made once and shared; it is posted
//! to each monitor's post box. Administrative commands are not shown, secrets are hidden.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::Mutex;

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;
use super::secrets;
use super::spec::{Flag, Group, Handler, Locking, Spec};
use super::table::Row;
use crate::base::limits::MONITOR_POST_BYTES_MAX;
use crate::clients::Client;
use crate::config;
use crate::fill::Letter;

pub static ROWS: &[Spec] = &[Spec {
    name: "monitor",
    group: Group::Server,
    since: "1.0.0",
    summary: "Listens for all requests received by the server in real-time.",
    complexity: "O(1) for the monitoring connection; O(N) per command where N is the number of them",
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    reply: "OK, then a line for each command",
    locking: Locking::None,
    handler: Handler::Run(monitor),
    ..Spec::EMPTY
}];

/// The connections that monitor.
#[derive(Debug, Default)]
pub struct Monitors {
    count: AtomicUsize,
    clients: Mutex<Vec<Arc<Client>>>,
}

impl Monitors {
    /// Whether anybody monitors. Cost: a load of a cache line that is written when that changes.
    #[inline]
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    fn add(&self, client: Arc<Client>) {
        client.seen.is_monitor.store(true, Relaxed);
        let mut clients = self.clients.lock();
        clients.push(client);
        self.count.store(clients.len(), Relaxed);
    }

    /// Ends a connection's monitoring, if it does (RESET, the end of the connection).
    pub fn remove(&self, client: &Client) {
        if client.seen.is_monitor.swap(false, Relaxed) {
            let mut clients = self.clients.lock();
            clients.retain(|other| other.id != client.id);
            self.count.store(clients.len(), Relaxed);
        }
    }

    fn feed(&self, line: &Bytes) {
        for client in self.clients.lock().iter() {
            let waiting = client.seen.posted_bytes.fetch_add(line.len(), Relaxed);
            if waiting > MONITOR_POST_BYTES_MAX {
                // Its worker does not come to reading its post; nothing may grow without a bound.
                client.seen.close_asap.store(true, Relaxed);
            } else {
                // A connection that is gone wants no line.
                drop(client.post_box.send(Letter::Line(line.clone())));
            }
        }
    }
}

fn monitor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    if ctx.in_transaction {
        return Err(CommandError::err("MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let client = &ctx.session.client;
    if !client.seen.is_monitor.load(Relaxed) {
        ctx.shared.monitors.add(client.clone());
        ctx.reply.ok();
    }
    Ok(())
}

impl Ctx<'_> {
    /// Shows a command that ran to those who monitor.
    #[cold]
    pub fn feed_monitors(&mut self, row: &Row, args: &Args<'_>) {
        if row.spec.has(Flag::Admin) || row.spec.has(Flag::SkipMonitor) {
            return;
        }
        let words: Vec<&[u8]> = (0..args.words()).map(|at| args.word(at)).collect();
        let client = &self.session.client;
        let line = line(self.shared.clock.wall_us(), self.session.db, client, &words);
        self.shared.monitors.feed(&line);
    }
}

/// One command as MONITOR shows it, with the line's end.
fn line(wall_us: i64, db: usize, client: &Client, words: &[&[u8]]) -> Bytes {
    let (seconds, us) = (wall_us / 1_000_000, wall_us % 1_000_000);
    let addr = match client.addr.strip_suffix(":0") {
        Some(path) if client.is_unix => format!("unix:{path}"),
        _ => client.addr.clone(),
    };
    let mut line = format!("+{seconds}.{us:06} [{db} {addr}]").into_bytes();
    for (word, secret) in words.iter().zip(secrets::mask(words)) {
        line.push(b' ');
        line.extend(config::quote(if secret { secrets::REDACTED } else { word }));
    }
    line.extend(b"\r\n");
    line.into()
}
