//! MONITOR: every command of every connection as a line, to the connections that asked for it.
//!
//! Costs one look at a counter per command while nobody monitors. A line is made once and shared; it is posted
//! to each monitor's post box. Administrative commands are not shown, secrets are hidden.

use std::sync::atomic::Ordering::Relaxed;

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::{Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    monitor,
    Spec {
        name: "monitor",
        group: Group::Server,
        since: "1.0.0",
        summary: "Listens for all requests received by the server in real-time.",
        complexity: "O(1) for the monitoring connection; O(N) per command where N is the number of them",
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        reply: "OK, then a line for each command",
        locking: Locking::None,
        ..Spec::EMPTY
    },
)];

fn monitor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    if ctx.in_transaction {
        return Err(CommandError::err("MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let client = &ctx.session.client;
    if !client.seen.is_monitor.load(Relaxed) {
        ctx.shared.clients.monitors.add(client.clone());
        ctx.reply.ok();
    }
    Ok(())
}
