//! MEMORY: what the memory is used for, as far as this server can say it, and how to give some back.
//!
//! Figures of the whole come from the allocator, what a key takes from the stores.

use crate::base::memory::{self, Memory};
use crate::base::process;
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::KeyFlag::RO;
use crate::table::arg::{integer, key};
use crate::table::{Flag, Group, Locking, Spec, Touch};

pub static COMMANDS: &[Command] = &[Command::family(
    Spec {
        name: "memory",
        group: Group::Server,
        since: "4.0.0",
        summary: "A container for memory diagnostics commands.",
        complexity: "Depends on subcommand.",
        reply: "depends on the subcommand",
        ..Spec::EMPTY
    },
    &[
        Command::new(
            doctor,
            Spec {
                name: "doctor",
                group: Group::Server,
                since: "4.0.0",
                summary: "Outputs memory problems report.",
                complexity: "O(1)",
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                reply: "a report for people",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            memory_help,
            Spec {
                name: "help",
                group: Group::Server,
                since: "4.0.0",
                summary: "Show helpful text about the different subcommands.",
                complexity: "O(1)",
                flags: &[Flag::Loading, Flag::Stale],
                reply: "lines of help",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            malloc_stats,
            Spec {
                name: "malloc-stats",
                group: Group::Server,
                since: "4.0.0",
                summary: "Show allocator internal stats.",
                complexity: "Depends on how much memory is allocated, could be slow",
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                reply: "the allocator's report",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            purge,
            Spec {
                name: "purge",
                group: Group::Server,
                since: "4.0.0",
                summary: "Ask the allocator to release memory.",
                complexity: "Depends on how much memory is allocated, could be slow",
                tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
                reply: "OK",
                locking: Locking::None,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            stats,
            Spec {
                name: "stats",
                group: Group::Server,
                since: "4.0.0",
                summary: "Show memory usage details.",
                complexity: "O(1)",
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                reply: "a map of figures",
                locking: Locking::All,
                ..Spec::EMPTY
            },
        ),
        Command::new(
            usage,
            Spec {
                name: "usage",
                group: Group::Server,
                since: "4.0.0",
                summary: "Estimate the memory usage of a key.",
                complexity: "O(N) where N is the number of samples.",
                args: &[key("key", &[RO]), integer("count").token("SAMPLES").optional()],
                flags: &[Flag::Readonly],
                reply: "bytes, or null without key",
                touch: Touch::Never,
                ..Spec::EMPTY
            },
        ),
    ],
)];

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
];

/// Below this there is nothing to diagnose, bytes. Redis's own.
const DOCTOR_BYTES_MIN: u64 = 5 * 1024 * 1024;

fn usage(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    while !args.is_done() {
        // Strings have no parts to sample; the count is read for its errors.
        if !args.skip("SAMPLES") || args.integer()? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let bytes = ctx.keys.view(&key).memory_bytes(&key);
    match bytes {
        Some(bytes) => ctx.reply.int(bytes as i64),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Where the memory goes, bytes.
pub struct Use {
    pub total: u64,
    pub peak: u64,
    pub startup: u64,
    /// What connected clients hold.
    pub clients: u64,
    /// That, and what the server takes when it is empty.
    pub overhead: u64,
    pub dataset: u64,
}

impl Use {
    /// Splits what the allocator tells, and adds the clients up. Cost: a look at each client.
    #[must_use]
    pub fn of(allocator: &Memory, ctx: &Ctx<'_>) -> Use {
        let shared = ctx.shared;
        let total = allocator.allocated;
        let peak = shared.figures.note_memory(total) as u64;
        let clients = shared.client_bytes();
        let (total, startup) = (total as u64, shared.figures.startup_memory_bytes as u64);
        let overhead = (startup + clients).min(total);
        Use { total, peak, startup, clients, overhead, dataset: total - overhead }
    }

    /// The share of the dataset in what was allocated since the start, percent.
    #[must_use]
    pub fn dataset_percent(&self) -> f64 {
        let net = self.total.saturating_sub(self.startup);
        if net == 0 { 0.0 } else { (self.dataset as f64 * 100.0 / net as f64).min(100.0) }
    }
}

fn stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let allocator = ctx.shared.memory();
    let figures = Use::of(&allocator, ctx);
    let rss = process::resident_bytes();
    let dbs = used_databases(ctx);
    let count: usize = dbs.iter().map(|db| db.keys).sum();
    let [allocated, active, resident] =
        [allocator.allocated, allocator.active, allocator.resident].map(|bytes| bytes as u64);
    ctx.reply.map(27 + dbs.len());
    let head = [
        ("peak.allocated", figures.peak),
        ("total.allocated", figures.total),
        ("startup.allocated", figures.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", figures.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    head.into_iter().for_each(|(name, bytes)| field(ctx, name, bytes));
    for db in &dbs {
        ctx.reply.bulk(format!("db.{}", db.number).as_bytes());
        ctx.reply.map(3);
        field(ctx, "overhead.hashtable.main", db.table_bytes as u64);
        field(ctx, "overhead.hashtable.expires", db.wheel_bytes as u64);
        field(ctx, "overhead.hashtable.slot-to-keys", 0);
    }
    let net = figures.total.saturating_sub(figures.startup);
    field(ctx, "overhead.total", figures.overhead);
    field(ctx, "keys.count", count as u64);
    field(ctx, "keys.bytes-per-key", net.checked_div(count as u64).unwrap_or(0));
    field(ctx, "dataset.bytes", figures.dataset);
    ratio(ctx, "dataset.percentage", figures.dataset_percent());
    ratio(ctx, "peak.percentage", figures.total as f64 * 100.0 / figures.peak.max(1) as f64);
    field(ctx, "allocator.allocated", allocated);
    field(ctx, "allocator.active", active);
    field(ctx, "allocator.resident", resident);
    overhead(ctx, "allocator-fragmentation", active, allocated);
    overhead(ctx, "allocator-rss", resident, active);
    overhead(ctx, "rss-overhead", rss, resident);
    ratio(ctx, "fragmentation", rss as f64 / figures.total.max(1) as f64);
    ctx.reply.bulk(b"fragmentation.bytes");
    ctx.reply.int(rss as i64 - figures.total as i64);
    Ok(())
}

/// A database with keys, and what it takes beside them.
struct UsedDb {
    number: usize,
    keys: usize,
    table_bytes: usize,
    wheel_bytes: usize,
}

fn used_databases(ctx: &mut Ctx<'_>) -> Vec<UsedDb> {
    let mut used = Vec::new();
    for number in 0..ctx.keys.keyspace.databases() {
        let mut db = UsedDb { number, keys: 0, table_bytes: 0, wheel_bytes: 0 };
        ctx.keys.each_shard(number, |view| {
            let [table, wheel] = view.index_bytes();
            db.keys += view.len();
            db.table_bytes += table;
            db.wheel_bytes += wheel;
        });
        if db.keys > 0 {
            used.push(db);
        }
    }
    used
}

fn field(ctx: &mut Ctx<'_>, name: &str, figure: u64) {
    ctx.reply.bulk(name.as_bytes());
    ctx.reply.int(figure as i64);
}

fn ratio(ctx: &mut Ctx<'_>, name: &str, figure: f64) {
    ctx.reply.bulk(name.as_bytes());
    ctx.reply.double(figure);
}

fn overhead(ctx: &mut Ctx<'_>, name: &str, more: u64, less: u64) {
    ratio(ctx, &format!("{name}.ratio"), more as f64 / less.max(1) as f64);
    ctx.reply.bulk(format!("{name}.bytes").as_bytes());
    ctx.reply.int(more as i64 - less as i64);
}

fn doctor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let figures = Use::of(&ctx.shared.memory(), ctx);
    let rss = process::resident_bytes();
    let clients = ctx.shared.clients.len().max(1) as u64;
    ctx.reply.verbatim(&diagnosis(&figures, rss, clients));
    Ok(())
}

/// What is wrong with the memory, by Redis's thresholds.
fn diagnosis(figures: &Use, rss: u64, clients: u64) -> String {
    if figures.total < DOCTOR_BYTES_MIN {
        return "This server is empty or uses very little memory: there is nothing to diagnose.\n".to_owned();
    }
    let mut found = Vec::new();
    if figures.peak as f64 / figures.total as f64 > 1.5 {
        found.push("Peak memory: at its peak this server used more than 1.5 times what it uses now. MEMORY PURGE gives pages back that the allocator still holds.");
    }
    if rss as f64 / figures.total as f64 > 1.4 && rss - figures.total > 10 << 20 {
        found.push("Fragmentation: the process takes more than 1.4 times what is allocated. MEMORY PURGE may help; a large change of the sizes of values causes this.");
    }
    if figures.clients / clients > 200 << 10 {
        found.push("Client buffers: each client has more than 200 KiB of requests and replies waiting on average. Look for slow readers with CLIENT LIST, and bound them with client-output-buffer-limit.");
    }
    if found.is_empty() {
        return "No memory problem was found.\n".to_owned();
    }
    found.iter().map(|problem| format!("* {problem}\n")).collect()
}

fn purge(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    memory::purge();
    ctx.reply.ok();
    Ok(())
}

fn malloc_stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    ctx.reply.verbatim(&memory::report());
    Ok(())
}

fn memory_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "MEMORY", HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn figures(total: u64, peak: u64, clients: u64) -> Use {
        Use { total, peak, startup: 0, clients, overhead: clients, dataset: total - clients }
    }

    #[test]
    fn doctor_finds_what_is_out_of_proportion() {
        assert!(diagnosis(&figures(MIB, MIB, 0), MIB, 1).contains("nothing to diagnose"));
        assert!(diagnosis(&figures(100 * MIB, 100 * MIB, 0), 110 * MIB, 1).contains("No memory problem"));
        assert!(diagnosis(&figures(100 * MIB, 200 * MIB, 0), 100 * MIB, 1).starts_with("* Peak memory"));
        assert!(diagnosis(&figures(100 * MIB, 100 * MIB, 0), 200 * MIB, 1).starts_with("* Fragmentation"));
        assert!(
            diagnosis(&figures(100 * MIB, 100 * MIB, 50 * MIB), 100 * MIB, 2).starts_with("* Client buffers")
        );
    }

    #[test]
    fn share_of_the_dataset_leaves_the_start_out() {
        let figures = Use { total: 100, peak: 100, startup: 20, clients: 0, overhead: 20, dataset: 80 };
        assert_eq!(figures.dataset_percent(), 100.0);
    }
}
